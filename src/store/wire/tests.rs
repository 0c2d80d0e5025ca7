use http::header::{ACCEPT, HeaderMap, HeaderValue};
use proptest::prelude::{any, proptest};

use super::*;

/// Written by version 1. Entries of that version are in people's stores: this file never changes.
const GOLDEN: &[u8] = include_bytes!("../../../tests/golden/entry-v1.bin");

fn sample() -> Entry {
    let meta = Meta {
        key: Key::parse("GET://api.example.com/api/posts/?page=2").unwrap(),
        status: StatusCode::NOT_FOUND,
        requested_at: Timestamp::from_millis(1_700_000_000_123),
        received_at: Timestamp::from_millis(1_700_000_000_456),
        initial_age: Duration::from_millis(1_500),
        lifetime: Duration::from_secs(90),
        stale_while_revalidate: Duration::from_secs(30),
        stale_if_error: Duration::from_secs(600),
        terms: Terms { never_stale: true, has_validator: true, ..Terms::default() },
        selecting: vec![(ACCEPT, Some("text/html".into())), (HeaderName::from_static("accept-language"), None)],
        category: Some(Category::new("posts")),
        tags: vec![Tag::new("user:1"), Tag::new("posts")],
    };
    let mut headers = HeaderMap::new();
    headers.append("content-type", HeaderValue::from_static("application/json"));
    headers.append("link", HeaderValue::from_static("</a>"));
    headers.append("link", HeaderValue::from_bytes(b"\xff").unwrap());
    Entry::new(meta, &headers, Bytes::from_static(b"{\"posts\":[]}"))
}

fn same(one: &Entry, other: &Entry) {
    assert_eq!(one.meta(), other.meta());
    assert_eq!(one.headers(), other.headers());
    assert_eq!(one.body(), other.body());
}

#[test]
fn an_entry_survives_the_way_there_and_back() {
    let bytes = encode(&sample());
    same(&decode(bytes.clone()).unwrap(), &sample());
    let body = decode(bytes.clone()).unwrap().body().clone();
    assert!(bytes.as_ptr_range().contains(&body.as_ptr()), "the body is a slice of what was read");
}

#[test]
fn version_1_is_read_for_ever() {
    assert_eq!(encode(&sample()), GOLDEN, "what version 1 writes has changed: it needs a new version");
    same(&decode(Bytes::from_static(GOLDEN)).unwrap(), &sample());
}

#[test]
fn every_term_has_a_bit_of_its_own() {
    for bits in 0..=u8::MAX {
        assert_eq!(read_terms(bits).map(terms_bits), (bits < 1 << 6).then_some(bits));
    }
    assert!(!decode(Bytes::from_static(GOLDEN)).unwrap().meta().terms.immutable, "a term of later than this file");
}

#[test]
fn the_entry_of_another_key_is_refused() {
    let key = sample().meta().key.clone();
    assert!(decode_for(Bytes::from_static(GOLDEN), &key).is_ok());
    let other = Key::parse("GET:/api/posts/?page=2").unwrap();
    assert_eq!(decode_for(Bytes::from_static(GOLDEN), &other).err(), Some(WireError::WrongKey));
}

#[test]
fn an_unknown_version_says_so() {
    let mut future = GOLDEN.to_vec();
    future[4] = 2;
    assert_eq!(decode(future.into()).err(), Some(WireError::Version(2)));
    assert_eq!(decode(Bytes::from_static(b"hello")).err(), Some(WireError::Foreign));
}

#[test]
fn a_damaged_envelope_is_refused_at_every_length_and_bit() {
    for cut in 0..GOLDEN.len() {
        assert!(decode(Bytes::from_static(&GOLDEN[..cut])).is_err(), "cut at {cut}");
    }
    for bit in 0..GOLDEN.len() * 8 {
        let mut flipped = GOLDEN.to_vec();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(decode(flipped.into()).is_err(), "bit {bit}");
    }
    let longer = [GOLDEN, b"x"].concat();
    assert_eq!(decode(longer.into()).err(), Some(WireError::Truncated));
}

/// Gives damaged fields a checksum that fits, so that the checks behind it are reached.
fn sealed(mut bytes: Vec<u8>) -> Bytes {
    let sum = checksum(&bytes).to_le_bytes();
    if let Some(place) = bytes.get_mut(SEED_LEN..CHECKED_FROM) {
        place.copy_from_slice(&sum);
    }
    bytes.into()
}

#[test]
fn a_field_that_would_inject_another_is_refused() {
    let value = b"application/json";
    let at = GOLDEN.windows(value.len()).position(|window| window == value).unwrap();
    for injected in [&b"applicatio\r\njson"[..], b"application\njson", b"application\rjson", b"application\0json"] {
        let mut bytes = GOLDEN.to_vec();
        bytes[at..at + value.len()].copy_from_slice(injected);
        assert_eq!(decode(sealed(bytes)).err(), Some(WireError::Malformed), "{injected:?}");
    }
    let mut bytes = GOLDEN.to_vec();
    let name = b"content-type";
    let at = GOLDEN.windows(name.len()).position(|window| window == name).unwrap();
    bytes[at..at + name.len()].copy_from_slice(b"content\r\nt: ");
    assert_eq!(decode(sealed(bytes)).err(), Some(WireError::Malformed));
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes: Vec<u8>) {
        let _ = decode(bytes.into());
    }

    #[test]
    fn arbitrary_bytes_behind_a_good_start_never_panic(at in 5..GOLDEN.len(), patch: Vec<u8>) {
        let mut bytes = GOLDEN.to_vec();
        let end = (at + patch.len()).min(bytes.len());
        bytes[at..end].copy_from_slice(&patch[..end - at]);
        let _ = decode(sealed(bytes));
    }

    #[test]
    fn any_body_survives(body in any::<Vec<u8>>()) {
        let entry = Entry::new(sample().meta().clone(), &HeaderMap::new(), body.clone().into());
        assert_eq!(decode(encode(&entry)).unwrap().body(), &body);
    }
}

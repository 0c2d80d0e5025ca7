use http::header::{ACCEPT, HeaderMap, HeaderName, HeaderValue};
use proptest::prelude::{any, proptest};

use super::body::tests::{noise, words};
use super::header::{CHECKED_FROM, SEED_LEN, checksum};
use super::labels::{read_terms, terms_bits};
use super::*;
use crate::entry::Terms;
use crate::invalidation::{Category, Tag};

/// Written by version 1. Entries of that version are in people's stores: this file never changes.
const GOLDEN: &[u8] = include_bytes!("../../../tests/golden/entry-v1.bin");
/// Written by version 2: a compressed body within, and one that lies apart. Neither do these.
const GOLDEN_ZSTD: &[u8] = include_bytes!("../../../tests/golden/entry-v2-zstd.bin");
const GOLDEN_APART: &[u8] = include_bytes!("../../../tests/golden/entry-v2-apart.bin");
const GOLDEN_BODY: &[u8] = include_bytes!("../../../tests/golden/entry-v2-apart-body.bin");

const PACKING: Packing = Packing { from: Some(4096), largest: 8 << 20 };

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

fn with_body(body: impl Into<Bytes>) -> Entry {
    let sample = sample();
    Entry::new(sample.meta().clone(), sample.headers(), body.into())
}

/// What is read of what was written.
fn read(written: Written, largest: usize) -> Result<Entry, WireError> {
    let opened = open(written.envelope, None)?;
    let opened = match written.body {
        Some(body) => opened.with_body(body)?,
        None => opened,
    };
    opened.entry(largest)
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
fn version_2_is_read_for_ever() {
    same(&decode(Bytes::from_static(GOLDEN_ZSTD)).unwrap(), &with_body(words(5000)));
    let apart = || open(Bytes::from_static(GOLDEN_APART), None).unwrap();
    let entry = apart().with_body(Bytes::from_static(GOLDEN_BODY)).unwrap().entry(1 << 20).unwrap();
    same(&entry, &with_body(words(100_000)));
    assert_eq!((apart().lacks(), apart().work()), (Some(GOLDEN_BODY.len()), 100_000));
    assert_eq!(decode(Bytes::from_static(GOLDEN_APART)).err(), Some(WireError::Apart));
}

#[test]
fn an_entry_is_written_in_the_oldest_version_that_can_say_it() {
    for (what, body, version, apart) in [
        ("small", words(100), 1, false),
        ("small when compressed", words(5000), 2, false),
        ("large, compressed to little", words(1 << 20), 2, false),
        ("as large as it may be", noise(64 << 10), 1, false),
        ("large", noise((64 << 10) + 1), 2, true),
    ] {
        let entry = with_body(body);
        let written = write(&entry, PACKING);
        assert_eq!((written.envelope[4], written.body.is_some()), (version, apart), "{what}");
        same(&read(written, 8 << 20).unwrap(), &entry);
    }
}

#[test]
fn a_body_apart_is_the_one_that_was_written_or_refused() {
    let body = noise(100_000);
    let written = || write(&with_body(body.clone()), PACKING);
    let read = |body: Vec<u8>| read(Written { body: Some(body.into()), ..written() }, 8 << 20).err();
    let mut other = body.clone();
    other[77_777] ^= 1;
    assert_eq!(read(body.clone()), None);
    assert_eq!(read(other), Some(WireError::Checksum));
    assert_eq!(read(body[1..].to_vec()), Some(WireError::Truncated));
    assert_eq!(read(Vec::new()), Some(WireError::Truncated));
}

#[test]
fn nothing_is_inflated_beyond_what_is_allowed_or_to_another_length() {
    let written = || write(&with_body(words(50_000)), PACKING);
    assert!(read(written(), 50_000).is_ok());
    assert_eq!(read(written(), 49_999).err(), Some(WireError::TooLarge));
    for claimed in [0, 1, 49_999, 50_001, 1 << 20, u64::MAX] {
        let mut lie = written().envelope.to_vec();
        lie[88..96].copy_from_slice(&claimed.to_le_bytes());
        let refused = decode(sealed(lie)).err();
        assert!(matches!(refused, Some(WireError::Inflation | WireError::TooLarge)), "{claimed}: {refused:?}");
    }
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
    future[4] = 3;
    assert_eq!(decode(future.into()).err(), Some(WireError::Version(3)));
    assert_eq!(decode(Bytes::from_static(b"hello")).err(), Some(WireError::Foreign));
}

#[test]
fn a_damaged_envelope_is_refused_at_every_length_and_bit() {
    for golden in [GOLDEN, GOLDEN_ZSTD, GOLDEN_APART] {
        for cut in 0..golden.len() {
            assert!(open(Bytes::from_static(&golden[..cut]), None).is_err(), "cut at {cut}");
        }
        for bit in 0..golden.len() * 8 {
            let mut flipped = golden.to_vec();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(open(flipped.into(), None).is_err(), "bit {bit}");
        }
        let longer = [golden, b"x"].concat();
        assert_eq!(open(longer.into(), None).err(), Some(WireError::Truncated));
    }
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
    fn arbitrary_bytes_behind_a_good_start_never_panic(at in 5..GOLDEN_ZSTD.len(), patch: Vec<u8>) {
        for golden in [GOLDEN, GOLDEN_ZSTD, GOLDEN_APART] {
            let mut bytes = golden.to_vec();
            let at = at.min(bytes.len());
            let end = (at + patch.len()).min(bytes.len());
            bytes[at..end].copy_from_slice(&patch[..end - at]);
            let _ = decode(sealed(bytes));
        }
    }

    #[test]
    fn any_body_survives(body in any::<Vec<u8>>()) {
        let entry = Entry::new(sample().meta().clone(), &HeaderMap::new(), body.clone().into());
        assert_eq!(decode(encode(&entry)).unwrap().body(), &body);
        let packing = Packing { from: Some(0), largest: 1 << 20 };
        assert_eq!(read(write(&entry, packing), 1 << 20).unwrap().body(), &body);
    }
}

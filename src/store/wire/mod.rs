//! The bytes of an entry outside this process: a versioned envelope.
//!
//! ```text
//!  0  magic "LRDE"   4 version u8   5 terms u8   6 status u16   8 checksum u64
//! 16  requested_at   24 received_at   32 initial_age   40 lifetime   48 while-revalidate   56 if-error   (u64, ms)
//! 64  length of the key u32   68 of the labels u32   72 of the head u32   76 zero u32   80 of the body u64
//! 88  key, labels, head, body
//! ```
//!
//! Integers are little-endian. The checksum is XXH3-64 over everything from byte 16 on, seeded with the first eight
//! bytes: it finds damage, not malice, since whoever writes to the store can write what they like. The labels are the
//! selecting fields, the category and the tags. A term that came later is a bit that older envelopes leave clear. An envelope of another version is not read: it is a miss. Whatever the
//! bytes, reading them ends in an entry or in a [`WireError`].

mod cursor;
pub(in crate::store) mod names;

use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use http::StatusCode;
use http::header::HeaderName;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use self::cursor::{Cursor, len32, put_text};
use crate::clock::Timestamp;
use crate::entry::{Entry, Head, Meta, Terms};
use crate::invalidation::{Category, Tag};
use crate::key::Key;

const MAGIC: &[u8; 4] = b"LRDE";
const VERSION: u8 = 1;
/// Bytes in front of the checksum, which seed it.
const SEED_LEN: usize = 8;
/// Where the bytes begin that the checksum covers.
const CHECKED_FROM: usize = 16;
const HEADER_LEN: usize = 88;

/// Why bytes are not an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WireError {
    /// The bytes are something else.
    #[error("not an envelope")]
    Foreign,
    /// An envelope of a version that this program does not read.
    #[error("an envelope of version {0}")]
    Version(u8),
    /// The bytes end too early, or too late.
    #[error("an envelope of the wrong length")]
    Truncated,
    /// The checksum says that the bytes changed.
    #[error("an envelope with a wrong checksum")]
    Checksum,
    /// The entry belongs to another key.
    #[error("the entry of another key")]
    WrongKey,
    /// A field that no encoder writes.
    #[error("a malformed envelope")]
    Malformed,
}

/// Writes an entry. Times and durations are kept to the millisecond.
pub fn encode(entry: &Entry) -> Bytes {
    let meta = entry.meta();
    let labels = labels(meta);
    let (key, head, body) = (meta.key.as_str().as_bytes(), entry.head().as_bytes(), entry.body());
    let mut out = BytesMut::with_capacity(HEADER_LEN + key.len() + labels.len() + head.len() + body.len());
    out.put_slice(MAGIC);
    out.put_u8(VERSION);
    out.put_u8(terms_bits(meta.terms));
    out.put_u16_le(meta.status.as_u16());
    out.put_u64_le(0);
    out.put_u64_le(meta.requested_at.as_millis());
    out.put_u64_le(meta.received_at.as_millis());
    for duration in [meta.initial_age, meta.lifetime, meta.stale_while_revalidate, meta.stale_if_error] {
        out.put_u64_le(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX));
    }
    out.put_u32_le(len32(key.len()));
    out.put_u32_le(len32(labels.len()));
    out.put_u32_le(len32(head.len()));
    out.put_u32_le(0);
    out.put_u64_le(body.len() as u64);
    out.put_slice(key);
    out.put_slice(&labels);
    out.put_slice(head);
    out.put_slice(body);
    let checksum = checksum(&out).to_le_bytes();
    out[SEED_LEN..CHECKED_FROM].copy_from_slice(&checksum);
    out.freeze()
}

/// Reads an entry of any key. The body is a slice of `bytes`.
///
/// # Errors
/// [`WireError`] says what is wrong with the bytes.
pub fn decode(bytes: Bytes) -> Result<Entry, WireError> {
    read(bytes, None)
}

/// Reads the entry of `key`; the entry of another key is an error. The entry shares the text of `key`.
///
/// # Errors
/// [`WireError`] says what is wrong with the bytes.
pub fn decode_for(bytes: Bytes, key: &Key) -> Result<Entry, WireError> {
    read(bytes, Some(key))
}

fn read(bytes: Bytes, expected: Option<&Key>) -> Result<Entry, WireError> {
    if !bytes.starts_with(MAGIC) {
        return Err(WireError::Foreign);
    }
    match bytes.get(4) {
        Some(&VERSION) => {}
        Some(&other) => return Err(WireError::Version(other)),
        None => return Err(WireError::Truncated),
    }
    let header = bytes.get(..HEADER_LEN).ok_or(WireError::Truncated)?;
    let mut cursor = Cursor(&header[5..]);
    let fixed = Fixed::read(&mut cursor).ok_or(WireError::Malformed)?;
    if fixed.total() != Some(bytes.len()) {
        return Err(WireError::Truncated);
    }
    if checksum(&bytes) != fixed.checksum {
        return Err(WireError::Checksum);
    }
    let key_end = HEADER_LEN + fixed.key_len;
    let labels_end = key_end + fixed.labels_len;
    let head_end = labels_end + fixed.head_len;
    let key = read_key(&bytes[HEADER_LEN..key_end], expected)?;
    let meta = read_meta(fixed, key, &bytes[key_end..labels_end]).ok_or(WireError::Malformed)?;
    // The head outlives the reply's buffer in memory tiers and is small: its fields are slices of the copy.
    let head = Head::parse(Bytes::copy_from_slice(&bytes[labels_end..head_end])).map_err(|_| WireError::Malformed)?;
    Ok(Entry::from_parts(meta, head, bytes.slice(head_end..)))
}

/// The part of fixed length, behind magic and version.
struct Fixed {
    terms: u8,
    status: u16,
    checksum: u64,
    times: [u64; 6],
    key_len: usize,
    labels_len: usize,
    head_len: usize,
    body_len: usize,
}

impl Fixed {
    fn read(cursor: &mut Cursor<'_>) -> Option<Self> {
        let (terms, status, checksum) = (cursor.u8()?, cursor.u16()?, cursor.u64()?);
        let mut times = [0; 6];
        for time in &mut times {
            *time = cursor.u64()?;
        }
        let (key_len, labels_len, head_len) = (cursor.len()?, cursor.len()?, cursor.len()?);
        (cursor.u32()? == 0).then_some(())?;
        let body_len = usize::try_from(cursor.u64()?).ok()?;
        Some(Self { terms, status, checksum, times, key_len, labels_len, head_len, body_len })
    }

    fn total(&self) -> Option<usize> {
        [self.key_len, self.labels_len, self.head_len, self.body_len]
            .into_iter()
            .try_fold(HEADER_LEN, usize::checked_add)
    }
}

fn checksum(envelope: &[u8]) -> u64 {
    let seed = envelope.first_chunk::<SEED_LEN>().map_or(0, |first| u64::from_le_bytes(*first));
    xxh3_64_with_seed(envelope.get(CHECKED_FROM..).unwrap_or_default(), seed)
}

fn read_key(bytes: &[u8], expected: Option<&Key>) -> Result<Key, WireError> {
    match expected {
        Some(key) if key.as_str().as_bytes() == bytes => Ok(key.clone()),
        Some(_) => Err(WireError::WrongKey),
        None => {
            let text = std::str::from_utf8(bytes).map_err(|_| WireError::Malformed)?;
            Key::parse(text).map_err(|_| WireError::Malformed)
        }
    }
}

fn read_meta(fixed: Fixed, key: Key, labels: &[u8]) -> Option<Meta> {
    let [requested_at, received_at, initial_age, lifetime, while_revalidate, if_error] = fixed.times;
    let mut cursor = Cursor(labels);
    let selecting = read_selecting(&mut cursor)?;
    let category = match cursor.u8()? {
        0 => None,
        1 => Some(Category::new(cursor.text()?)),
        _ => return None,
    };
    let tags = (0..cursor.u32()?).map(|_| cursor.text().map(Tag::new)).collect::<Option<Vec<_>>>()?;
    cursor.is_done().then_some(Meta {
        key,
        status: StatusCode::from_u16(fixed.status).ok()?,
        requested_at: Timestamp::from_millis(requested_at),
        received_at: Timestamp::from_millis(received_at),
        initial_age: Duration::from_millis(initial_age),
        lifetime: Duration::from_millis(lifetime),
        stale_while_revalidate: Duration::from_millis(while_revalidate),
        stale_if_error: Duration::from_millis(if_error),
        terms: read_terms(fixed.terms)?,
        selecting,
        category,
        tags,
    })
}

fn labels(meta: &Meta) -> BytesMut {
    let mut out = BytesMut::new();
    out.put_u32_le(len32(meta.selecting.len()));
    for (name, value) in &meta.selecting {
        put_text(&mut out, name.as_str());
        out.put_u8(u8::from(value.is_some()));
        if let Some(value) = value {
            put_text(&mut out, value);
        }
    }
    out.put_u8(u8::from(meta.category.is_some()));
    if let Some(category) = &meta.category {
        put_text(&mut out, category.as_str());
    }
    out.put_u32_le(len32(meta.tags.len()));
    for tag in &meta.tags {
        put_text(&mut out, tag.as_str());
    }
    out
}

fn read_selecting(cursor: &mut Cursor<'_>) -> Option<Vec<(HeaderName, Option<String>)>> {
    (0..cursor.u32()?)
        .map(|_| {
            let name = HeaderName::from_bytes(cursor.text()?.as_bytes()).ok()?;
            match cursor.u8()? {
                0 => Some((name, None)),
                1 => Some((name, Some(cursor.text()?.to_owned()))),
                _ => None,
            }
        })
        .collect()
}

fn terms_bits(terms: Terms) -> u8 {
    u8::from(terms.always_validate)
        | u8::from(terms.never_stale) << 1
        | u8::from(terms.shared_with_authorization) << 2
        | u8::from(terms.heuristic) << 3
        | u8::from(terms.has_validator) << 4
        | u8::from(terms.immutable) << 5
}

fn read_terms(bits: u8) -> Option<Terms> {
    (bits < 1 << 6).then_some(Terms {
        always_validate: bits & 1 != 0,
        never_stale: bits & 2 != 0,
        shared_with_authorization: bits & 4 != 0,
        heuristic: bits & 8 != 0,
        has_validator: bits & 16 != 0,
        immutable: bits & 32 != 0,
    })
}

#[cfg(test)]
mod tests;

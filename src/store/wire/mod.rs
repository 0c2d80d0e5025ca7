//! The bytes of an entry outside this process: a versioned envelope.
//!
//! ```text
//!  0  magic "LRDE"   4 version u8   5 terms u8   6 status u16   8 checksum u64
//! 16  requested_at   24 received_at   32 initial_age   40 lifetime   48 while-revalidate   56 if-error   (u64, ms)
//! 64  length of the key u32   68 of the labels u32   72 of the head u32   76 manner u32   80 of the body u64
//! 88  version 2: length of the inflated body u64   96 checksum of a body that lies apart u64
//! 88  key, labels, head, body     (104 in version 2)
//! ```
//!
//! Integers are little-endian. The checksum is XXH3-64 over everything from byte 16 on, seeded with the first eight
//! bytes: it finds damage, not malice, since whoever writes to the store can write what they like. The labels are the
//! selecting fields, the category and the tags. The manner is zero in version 1; in version 2 its first bit says that
//! the body is compressed (Zstandard), its second that the body lies apart, under a checksum (XXH3-64) of its own.
//! Checksums cover what is written, so they are looked at before anything is inflated.
//!
//! An entry is written in the oldest version that can say it. A term that came later is a bit that older
//! envelopes leave clear. An envelope of an unknown version is not read: it is a
//! miss. Whatever the bytes, reading them ends in an entry or in a [`WireError`], and inflates no more than was asked for.

mod body;
mod cursor;
mod header;
mod labels;
pub(in crate::store) mod names;

use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use http::StatusCode;
use xxhash_rust::xxh3::xxh3_64;

pub(in crate::store) use self::body::Packing;

use self::body::{Packed, inflate};
use self::header::{Header, Lengths, Manner, PLAIN};
use self::labels::{Labels, labels, read_terms};
use crate::clock::Timestamp;
use crate::entry::{Entry, Head, Meta};
use crate::key::Key;

/// A body of more bytes lies apart from its envelope.
const LARGEST_WITHIN: usize = 64 << 10;
/// What [`decode`] inflates at most.
const LARGEST_INFLATED: usize = 8 << 20;

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
    /// The body is not in the envelope.
    #[error("an envelope whose body lies apart")]
    Apart,
    /// The body would be inflated to more than is allowed.
    #[error("a body that would be too large")]
    TooLarge,
    /// A compressed body that cannot be inflated, or not to the length it should have.
    #[error("a compressed body that is not what it should be")]
    Inflation,
}

/// An entry, written.
pub(in crate::store) struct Written {
    /// Its envelope.
    pub(in crate::store) envelope: Bytes,
    /// Its body, when that is too large to lie in the envelope.
    pub(in crate::store) body: Option<Bytes>,
}

/// An envelope that proved sound, its body not yet looked at.
pub(in crate::store) struct Opened {
    meta: Meta,
    head: Head,
    body: Bytes,
    body_len: usize,
    manner: Manner,
}

/// Writes an entry into one envelope, the body as it is. Times and durations are kept to the millisecond.
pub fn encode(entry: &Entry) -> Bytes {
    envelope(entry, entry.body(), PLAIN)
}

/// Writes an entry for keeping: the body compressed where it pays, and apart where it is large.
pub(in crate::store) fn write(entry: &Entry, packing: Packing) -> Written {
    let (body, inflates_to) = match packing.pack(entry.body()) {
        Packed::Plain(body) => (body, None),
        Packed::Zstd(body) => (body, Some(entry.body().len())),
    };
    if body.len() <= LARGEST_WITHIN {
        return Written { envelope: envelope(entry, &body, Manner { inflates_to, apart: None }), body: None };
    }
    let manner = Manner { inflates_to, apart: Some(xxh3_64(&body)) };
    Written { envelope: envelope(entry, &body, manner), body: Some(body) }
}

fn envelope(entry: &Entry, body: &[u8], manner: Manner) -> Bytes {
    let meta = entry.meta();
    let labels = labels(meta);
    let (key, head) = (meta.key.as_str().as_bytes(), entry.head().as_bytes());
    let within = if manner.apart.is_some() { &[][..] } else { body };
    // The longer of the two fixed parts.
    let mut out = BytesMut::with_capacity(104 + key.len() + labels.len() + head.len() + within.len());
    let lengths = Lengths { key: key.len(), labels: labels.len(), head: head.len(), body: body.len() };
    header::put(&mut out, meta, &lengths, manner);
    out.put_slice(key);
    out.put_slice(&labels);
    out.put_slice(head);
    out.put_slice(within);
    header::seal(&mut out);
    out.freeze()
}

/// Reads an entry of any key. A body that is not compressed is a slice of `bytes`; one that is, is inflated to 8 MiB at
/// most.
///
/// # Errors
/// [`WireError`] says what is wrong with the bytes.
pub fn decode(bytes: Bytes) -> Result<Entry, WireError> {
    open(bytes, None)?.entry(LARGEST_INFLATED)
}

/// Reads the entry of `key`; the entry of another key is an error. The entry shares the text of `key`.
///
/// # Errors
/// [`WireError`] says what is wrong with the bytes.
pub fn decode_for(bytes: Bytes, key: &Key) -> Result<Entry, WireError> {
    open(bytes, Some(key))?.entry(LARGEST_INFLATED)
}

/// Reads the envelope of an entry, of `expected` where one is.
pub(in crate::store) fn open(bytes: Bytes, expected: Option<&Key>) -> Result<Opened, WireError> {
    let header = Header::read(&bytes)?;
    if header::checksum(&bytes) != header.checksum {
        return Err(WireError::Checksum);
    }
    let key_end = header.len + header.key_len;
    let labels_end = key_end + header.labels_len;
    let head_end = labels_end + header.head_len;
    let key = read_key(&bytes[header.len..key_end], expected)?;
    let meta = read_meta(&header, key, &bytes[key_end..labels_end]).ok_or(WireError::Malformed)?;
    // The head outlives the reply's buffer in memory tiers and is small: its fields are slices of the copy.
    let head = Head::parse(Bytes::copy_from_slice(&bytes[labels_end..head_end])).map_err(|_| WireError::Malformed)?;
    Ok(Opened { meta, head, body: bytes.slice(head_end..), body_len: header.body_len, manner: header.manner })
}

impl Opened {
    /// How many bytes of body lie apart, when it does.
    pub(in crate::store) fn lacks(&self) -> Option<usize> {
        self.manner.apart.map(|_| self.body_len)
    }

    /// How many bytes are checked or inflated to make the entry of it.
    pub(in crate::store) fn work(&self) -> usize {
        self.manner.inflates_to.unwrap_or(0).max(self.lacks().unwrap_or(0))
    }

    /// The same with its body, which lay apart.
    pub(in crate::store) fn with_body(self, body: Bytes) -> Result<Self, WireError> {
        if body.len() != self.body_len {
            return Err(WireError::Truncated);
        }
        if self.manner.apart.is_some_and(|checksum| xxh3_64(&body) != checksum) {
            return Err(WireError::Checksum);
        }
        Ok(Self { body, manner: Manner { apart: None, ..self.manner }, ..self })
    }

    /// The entry, its body inflated to `largest` bytes at most.
    pub(in crate::store) fn entry(self, largest: usize) -> Result<Entry, WireError> {
        if self.manner.apart.is_some() {
            return Err(WireError::Apart);
        }
        let body = match self.manner.inflates_to {
            None => self.body,
            Some(length) if length > largest => return Err(WireError::TooLarge),
            Some(length) => inflate(&self.body, length).ok_or(WireError::Inflation)?,
        };
        Ok(Entry::from_parts(self.meta, self.head, body))
    }
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

fn read_meta(header: &Header, key: Key, labels: &[u8]) -> Option<Meta> {
    let [requested_at, received_at, initial_age, lifetime, while_revalidate, if_error] = header.times;
    let Labels { selecting, category, tags } = Labels::read(labels)?;
    Some(Meta {
        key,
        status: StatusCode::from_u16(header.status).ok()?,
        requested_at: Timestamp::from_millis(requested_at),
        received_at: Timestamp::from_millis(received_at),
        initial_age: Duration::from_millis(initial_age),
        lifetime: Duration::from_millis(lifetime),
        stale_while_revalidate: Duration::from_millis(while_revalidate),
        stale_if_error: Duration::from_millis(if_error),
        terms: read_terms(header.terms)?,
        selecting,
        category,
        tags,
    })
}

#[cfg(test)]
mod tests;

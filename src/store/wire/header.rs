//! The part of an envelope that has a fixed length.

use std::time::Duration;

use bytes::{BufMut, BytesMut};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::WireError;
use super::cursor::{Cursor, len32};
use super::labels::terms_bits;
use crate::entry::Meta;

const MAGIC: &[u8; 4] = b"LRDE";
/// Bytes in front of the checksum, which seed it.
pub(super) const SEED_LEN: usize = 8;
/// Where the bytes begin that the checksum covers.
pub(super) const CHECKED_FROM: usize = 16;
/// Bytes of the fixed part in version 1, and what version 2 adds.
const LEN_1: usize = 88;
const LEN_2: usize = LEN_1 + 16;

const ZSTD: u32 = 1;
const APART: u32 = 2;

/// How the body is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Manner {
    /// Compressed; inflated it has this length.
    pub(super) inflates_to: Option<usize>,
    /// Not in the envelope; the bytes that are elsewhere have this checksum.
    pub(super) apart: Option<u64>,
}

/// As it is, behind the head: what version 1 writes.
pub(super) const PLAIN: Manner = Manner { inflates_to: None, apart: None };

pub(super) struct Header {
    pub(super) len: usize,
    pub(super) terms: u8,
    pub(super) status: u16,
    pub(super) checksum: u64,
    pub(super) times: [u64; 6],
    pub(super) key_len: usize,
    pub(super) labels_len: usize,
    pub(super) head_len: usize,
    pub(super) body_len: usize,
    pub(super) manner: Manner,
}

/// The lengths of what follows the fixed part.
pub(super) struct Lengths {
    pub(super) key: usize,
    pub(super) labels: usize,
    pub(super) head: usize,
    pub(super) body: usize,
}

/// Writes the fixed part, its checksum left open, in the oldest version that can say it.
pub(super) fn put(out: &mut BytesMut, meta: &Meta, lengths: &Lengths, manner: Manner) {
    let version = if manner == PLAIN { 1 } else { 2 };
    out.put_slice(MAGIC);
    out.put_u8(version);
    out.put_u8(terms_bits(meta.terms));
    out.put_u16_le(meta.status.as_u16());
    out.put_u64_le(0);
    out.put_u64_le(meta.requested_at.as_millis());
    out.put_u64_le(meta.received_at.as_millis());
    for duration in [meta.initial_age, meta.lifetime, meta.stale_while_revalidate, meta.stale_if_error] {
        out.put_u64_le(millis(duration));
    }
    for length in [lengths.key, lengths.labels, lengths.head] {
        out.put_u32_le(len32(length));
    }
    let zstd = manner.inflates_to.map_or(0, |_| ZSTD);
    let apart = manner.apart.map_or(0, |_| APART);
    out.put_u32_le(zstd | apart);
    out.put_u64_le(lengths.body as u64);
    if version == 2 {
        out.put_u64_le(manner.inflates_to.unwrap_or(0) as u64);
        out.put_u64_le(manner.apart.unwrap_or(0));
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Writes the checksum into its place.
pub(super) fn seal(envelope: &mut BytesMut) {
    let sum = checksum(envelope).to_le_bytes();
    if let Some(place) = envelope.get_mut(SEED_LEN..CHECKED_FROM) {
        place.copy_from_slice(&sum);
    }
}

pub(super) fn checksum(envelope: &[u8]) -> u64 {
    let seed = envelope.first_chunk::<SEED_LEN>().map_or(0, |first| u64::from_le_bytes(*first));
    xxh3_64_with_seed(envelope.get(CHECKED_FROM..).unwrap_or_default(), seed)
}

impl Header {
    /// Reads the fixed part; the lengths in it are those of the whole.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, WireError> {
        if !bytes.starts_with(MAGIC) {
            return Err(WireError::Foreign);
        }
        let (version, len) = match bytes.get(4) {
            Some(1) => (1, LEN_1),
            Some(2) => (2, LEN_2),
            Some(&other) => return Err(WireError::Version(other)),
            None => return Err(WireError::Truncated),
        };
        let fixed = bytes.get(5..len).ok_or(WireError::Truncated)?;
        let header = Self::fields(&mut Cursor(fixed), version, len).ok_or(WireError::Malformed)?;
        if header.total() != Some(bytes.len()) {
            return Err(WireError::Truncated);
        }
        Ok(header)
    }

    fn fields(cursor: &mut Cursor<'_>, version: u8, len: usize) -> Option<Self> {
        let (terms, status, checksum) = (cursor.u8()?, cursor.u16()?, cursor.u64()?);
        let mut times = [0; 6];
        for time in &mut times {
            *time = cursor.u64()?;
        }
        let (key_len, labels_len, head_len) = (cursor.len()?, cursor.len()?, cursor.len()?);
        let bits = cursor.u32()?;
        let body_len = usize::try_from(cursor.u64()?).ok()?;
        let manner = if version == 1 {
            (bits == 0).then_some(PLAIN)?
        } else {
            let (inflated, apart) = (usize::try_from(cursor.u64()?).ok()?, cursor.u64()?);
            (1..=ZSTD | APART).contains(&bits).then_some(())?;
            Manner { inflates_to: (bits & ZSTD != 0).then_some(inflated), apart: (bits & APART != 0).then_some(apart) }
        };
        Some(Self { len, terms, status, checksum, times, key_len, labels_len, head_len, body_len, manner })
    }

    fn total(&self) -> Option<usize> {
        let body = if self.manner.apart.is_some() { 0 } else { self.body_len };
        [self.key_len, self.labels_len, self.head_len, body].into_iter().try_fold(self.len, usize::checked_add)
    }
}

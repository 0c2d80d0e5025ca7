//! The list of `Vary` names that stands in the root of a key with variants.

use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use http::header::HeaderName;

use super::WireError;
use super::cursor::{Cursor, put_text};

/// The first bytes of a list of names.
pub(in crate::store) const MAGIC: &[u8; 4] = b"LRDV";
const VERSION: u8 = 1;

/// Writes the names. Equal lists give equal bytes.
pub(in crate::store) fn encode(names: &[HeaderName]) -> Bytes {
    let mut out = BytesMut::with_capacity(16 + names.len() * 32);
    out.put_slice(MAGIC);
    out.put_u8(VERSION);
    for name in names {
        put_text(&mut out, name.as_str());
    }
    let checksum = xxhash_rust::xxh3::xxh3_64(&out);
    out.put_u64_le(checksum);
    out.freeze()
}

/// Reads the names.
///
/// # Errors
/// [`WireError`] for anything that [`encode`] does not write.
pub(in crate::store) fn decode(bytes: &[u8]) -> Result<Arc<[HeaderName]>, WireError> {
    let (written, checksum) = bytes.split_last_chunk::<8>().ok_or(WireError::Truncated)?;
    let mut cursor = Cursor(written);
    if cursor.take(4) != Some(MAGIC) {
        return Err(WireError::Foreign);
    }
    match cursor.u8() {
        Some(VERSION) => {}
        Some(other) => return Err(WireError::Version(other)),
        None => return Err(WireError::Truncated),
    }
    if xxhash_rust::xxh3::xxh3_64(written) != u64::from_le_bytes(*checksum) {
        return Err(WireError::Checksum);
    }
    let mut names = Vec::new();
    while !cursor.is_done() {
        let name = cursor.text().ok_or(WireError::Malformed)?;
        names.push(HeaderName::from_bytes(name.as_bytes()).map_err(|_| WireError::Malformed)?);
    }
    Ok(names.into())
}

#[cfg(test)]
mod tests {
    use http::header::{ACCEPT, ORIGIN};

    use super::*;

    #[test]
    fn names_survive_the_way_there_and_back() {
        for names in [&[][..], &[ACCEPT], &[ACCEPT, ORIGIN]] {
            assert_eq!(decode(&encode(names)).as_deref(), Ok(names));
        }
    }

    #[test]
    fn a_damaged_list_is_refused() {
        let whole = encode(&[ACCEPT, ORIGIN]);
        for cut in 0..whole.len() {
            assert!(decode(&whole[..cut]).is_err(), "cut at {cut}");
        }
        for bit in 0..whole.len() * 8 {
            let mut flipped = whole.to_vec();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(decode(&flipped).is_err(), "bit {bit}");
        }
    }
}

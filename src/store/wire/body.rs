//! How a body is written: as it is, or compressed (Zstandard, RFC 8878) where that pays.
//!
//! The store reads no header field, so it does not know which bodies are compressed already: it tries. A large body is
//! judged by a sample first, so that an image costs the look at a few kilobytes.

use bytes::Bytes;
use zstd::bulk::{Compressor, Decompressor};

/// Half a gigabyte a second; the next levels save little more of what responses are made of.
const LEVEL: i32 = 1;
/// Bytes of a large body that are compressed to see whether the rest is worth it.
const SAMPLE: usize = 16 << 10;

/// Which bodies are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) struct Packing {
    /// Those of at least this many bytes; none without it.
    pub(in crate::store) from: Option<usize>,
    /// Longer ones are left alone, and nothing is inflated to more.
    pub(in crate::store) largest: usize,
}

/// A body as it is written.
pub(super) enum Packed {
    Plain(Bytes),
    Zstd(Bytes),
}

impl Packing {
    /// The body, compressed if at least a tenth of it is saved.
    pub(super) fn pack(&self, body: &Bytes) -> Packed {
        let asked = self.from.is_some_and(|from| (from..=self.largest).contains(&body.len()));
        let packed = if asked && is_promising(body) { compress(body) } else { None };
        packed.map_or_else(|| Packed::Plain(body.clone()), |packed| Packed::Zstd(packed.into()))
    }
}

/// Looks into the middle of a large body: formats that are compressed begin with what is not.
fn is_promising(body: &[u8]) -> bool {
    let middle = body.len() / 2;
    body.len() < SAMPLE * 4 || body.get(middle..middle + SAMPLE).is_some_and(|sample| compress(sample).is_some())
}

fn compress(body: &[u8]) -> Option<Vec<u8>> {
    // What does not fit does not pay.
    let mut packed = Vec::with_capacity(body.len() / 10 * 9);
    Compressor::new(LEVEL).ok()?.compress_to_buffer(body, &mut packed).ok()?;
    Some(packed)
}

/// The body that was compressed, if it has this length exactly. No more than that is ever written.
pub(super) fn inflate(packed: &[u8], length: usize) -> Option<Bytes> {
    let mut body = Vec::with_capacity(length);
    let written = Decompressor::new().ok()?.decompress_to_buffer(packed, &mut body).ok()?;
    (written == length && body.len() == length).then(|| body.into())
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Bytes that nothing compresses.
    pub(in super::super) fn noise(length: usize) -> Vec<u8> {
        let mut state = 1u64;
        let next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 56) as u8
        };
        std::iter::repeat_with(next).take(length).collect()
    }

    pub(in super::super) fn words(length: usize) -> Vec<u8> {
        b"{\"id\":17,\"name\":\"larder\"},".iter().copied().cycle().take(length).collect()
    }

    const PACKING: Packing = Packing { from: Some(4096), largest: 1 << 20 };

    #[test]
    fn a_body_is_compressed_from_a_size_on_and_where_it_pays() {
        let late = [noise(400_000), words(600_000)].concat();
        for (what, body, expected) in [
            ("short", words(4095), false),
            ("long enough", words(4096), true),
            ("the longest", words(1 << 20), true),
            ("too long", words((1 << 20) + 1), false),
            ("noise", noise(8192), false),
            ("large noise", noise(1 << 20), false),
            ("begins with noise", late, true),
        ] {
            let packed = matches!(PACKING.pack(&body.into()), Packed::Zstd(_));
            assert_eq!(packed, expected, "{what}");
        }
        let off = Packing { from: None, ..PACKING };
        assert!(matches!(off.pack(&words(8192).into()), Packed::Plain(_)));
    }

    #[test]
    fn what_is_inflated_has_the_length_it_should_have_or_is_refused() {
        let packed = compress(&words(50_000)).unwrap();
        assert_eq!(inflate(&packed, 50_000).unwrap(), words(50_000));
        for (what, packed, length) in [
            ("a bomb", packed.clone(), 100),
            ("one byte more", packed.clone(), 49_999),
            ("one byte less", packed.clone(), 50_001),
            ("cut", packed[..packed.len() - 1].to_vec(), 50_000),
            ("more behind it", [packed.as_slice(), b"x"].concat(), 50_000),
            ("noise", noise(100), 100),
            ("nothing", Vec::new(), 1),
        ] {
            assert!(inflate(&packed, length).is_none(), "{what}");
        }
    }
}

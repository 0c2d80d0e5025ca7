//! A header block as it is stored: flat, and parsed when it is first asked for.

use std::sync::OnceLock;

use bytes::{BufMut, Bytes, BytesMut};
use http::header::{HeaderMap, HeaderName, HeaderValue};

/// Header fields in one buffer: for each, the length of the name (u16), the name, the length of the value (u32), the
/// value; integers little-endian.
///
/// The fields are parsed at most once and then cloned for every hit.
#[derive(Debug)]
pub struct Head {
    flat: Bytes,
    fields: OnceLock<HeaderMap>,
}

/// Bytes that are not a header block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a header block")]
pub struct BadHead;

impl Head {
    /// Copies header fields into one buffer.
    pub fn flatten(headers: &HeaderMap) -> Self {
        let size = headers.iter().map(|(name, value)| 6 + name.as_str().len() + value.len()).sum();
        let mut flat = BytesMut::with_capacity(size);
        for (name, value) in headers {
            // Field names are far below 64 KiB and values below 4 GiB: the parsers that produced them cap both.
            let (Ok(name_len), Ok(value_len)) = (u16::try_from(name.as_str().len()), u32::try_from(value.len())) else {
                continue;
            };
            flat.put_u16_le(name_len);
            flat.put_slice(name.as_str().as_bytes());
            flat.put_u32_le(value_len);
            flat.put_slice(value.as_bytes());
        }
        Self { flat: flat.freeze(), fields: OnceLock::new() }
    }

    /// Reads a header block that comes from outside this process.
    ///
    /// # Errors
    /// [`BadHead`] when a length is wrong or a field is not valid HTTP.
    pub fn parse(flat: Bytes) -> Result<Self, BadHead> {
        let fields = parse(&flat)?;
        Ok(Self { flat, fields: OnceLock::from(fields) })
    }

    /// The block as it is stored.
    pub fn as_bytes(&self) -> &Bytes {
        &self.flat
    }

    /// The fields, parsed on the first call.
    pub fn fields(&self) -> &HeaderMap {
        // A block is made from a HeaderMap or parsed when it is read, so it is always well-formed here.
        self.fields.get_or_init(|| parse(&self.flat).unwrap_or_default())
    }

    /// How many fields there are.
    pub(super) fn count(&self) -> usize {
        Walk { rest: &self.flat, at: 0 }.count()
    }
}

/// Walks a header block; ends at its end or with an error at the first fault.
struct Walk<'a> {
    rest: &'a [u8],
    at: usize,
}

impl<'a> Walk<'a> {
    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.rest.split_at_checked(len)?;
        (self.rest, self.at) = (rest, self.at + len);
        Some(head)
    }

    /// The name and the range of the value.
    fn field(&mut self) -> Option<(&'a [u8], std::ops::Range<usize>)> {
        let name_len = u16::from_le_bytes(self.take(2)?.try_into().ok()?);
        let name = self.take(name_len.into())?;
        let value_len = usize::try_from(u32::from_le_bytes(self.take(4)?.try_into().ok()?)).ok()?;
        let start = self.at;
        self.take(value_len)?;
        Some((name, start..start + value_len))
    }
}

impl<'a> Iterator for Walk<'a> {
    type Item = Result<(&'a [u8], std::ops::Range<usize>), BadHead>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let field = self.field().ok_or(BadHead);
        if field.is_err() {
            self.rest = &[];
        }
        Some(field)
    }
}

fn parse(flat: &Bytes) -> Result<HeaderMap, BadHead> {
    // Three more than there are: a hit adds Age, Cache-Status and X-Cache without growing the map.
    let mut fields = HeaderMap::with_capacity(Walk { rest: flat, at: 0 }.count() + 3);
    for field in (Walk { rest: flat, at: 0 }) {
        let (name, value) = field?;
        let name = HeaderName::from_bytes(name).map_err(|_| BadHead)?;
        let value = HeaderValue::from_maybe_shared(flat.slice(value)).map_err(|_| BadHead)?;
        fields.try_append(name, value).map_err(|_| BadHead)?;
    }
    Ok(fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeated_fields_survive_flattening_in_order() {
        let mut headers = HeaderMap::new();
        headers.append("set-cookie", HeaderValue::from_static("a=1"));
        headers.append("x-custom", HeaderValue::from_bytes(b"\xff").unwrap());
        headers.append("set-cookie", HeaderValue::from_static("b=2"));
        let head = Head::parse(Head::flatten(&headers).as_bytes().clone()).unwrap();
        assert_eq!(head.fields(), &headers);
    }

    #[test]
    fn a_damaged_block_is_refused_at_every_length() {
        let mut headers = HeaderMap::new();
        headers.insert("etag", HeaderValue::from_static("\"1\""));
        headers.insert("x-other", HeaderValue::from_static("y"));
        let flat = Head::flatten(&headers).as_bytes().clone();
        let whole_fields = [0, 2 + 4 + 4 + 3];
        for cut in (0..flat.len()).filter(|cut| !whole_fields.contains(cut)) {
            assert_eq!(Head::parse(flat.slice(..cut)).err(), Some(BadHead), "cut at {cut}");
        }
        assert!(Head::parse(Bytes::from_static(b"\x02\x00a\n\x00\x00\x00\x00")).is_err());
    }
}

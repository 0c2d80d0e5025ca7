//! What an envelope says of an entry besides its numbers: the selecting fields, the category, the tags, the directives.

use bytes::{BufMut, BytesMut};
use http::header::HeaderName;

use super::cursor::{Cursor, len32, put_text};
use crate::entry::{Meta, Terms};
use crate::invalidation::{Category, Tag};

/// The labels of an entry, read.
pub(super) struct Labels {
    pub(super) selecting: Vec<(HeaderName, Option<String>)>,
    pub(super) category: Option<Category>,
    pub(super) tags: Vec<Tag>,
}

impl Labels {
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let mut cursor = Cursor(bytes);
        let selecting = read_selecting(&mut cursor)?;
        let category = match cursor.u8()? {
            0 => None,
            1 => Some(Category::new(cursor.text()?)),
            _ => return None,
        };
        let tags = (0..cursor.u32()?).map(|_| cursor.text().map(Tag::new)).collect::<Option<Vec<_>>>()?;
        cursor.is_done().then_some(Self { selecting, category, tags })
    }
}

pub(super) fn labels(meta: &Meta) -> BytesMut {
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

pub(super) fn terms_bits(terms: Terms) -> u8 {
    u8::from(terms.always_validate)
        | u8::from(terms.never_stale) << 1
        | u8::from(terms.shared_with_authorization) << 2
        | u8::from(terms.heuristic) << 3
        | u8::from(terms.has_validator) << 4
        | u8::from(terms.immutable) << 5
}

pub(super) fn read_terms(bits: u8) -> Option<Terms> {
    (bits < 1 << 6).then_some(Terms {
        always_validate: bits & 1 != 0,
        never_stale: bits & 2 != 0,
        shared_with_authorization: bits & 4 != 0,
        heuristic: bits & 8 != 0,
        has_validator: bits & 16 != 0,
        immutable: bits & 32 != 0,
    })
}

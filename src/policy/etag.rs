//! Entity tags (RFC 9110 §8.8.3).

use http::header::{ETAG, HeaderMap, HeaderName};

/// An entity tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct EntityTag<'a> {
    weak: bool,
    opaque: &'a [u8],
}

impl<'a> EntityTag<'a> {
    /// Reads a text that is one entity tag and nothing else.
    pub(super) fn parse(text: &'a [u8]) -> Option<Self> {
        let (tag, rest) = Self::split(text)?;
        rest.is_empty().then_some(tag)
    }

    /// The tag of a stored response. One that breaks the grammar, or stands beside another, is none.
    pub(super) fn of(response: &'a HeaderMap) -> Option<Self> {
        let mut lines = response.get_all(ETAG).iter();
        let (first, second) = (lines.next()?, lines.next());
        if second.is_some() { None } else { Self::parse(first.as_bytes()) }
    }

    /// Whether the tag is strong.
    pub(super) fn is_strong(&self) -> bool {
        !self.weak
    }

    /// Equal, and both strong (RFC 9110 §8.8.3.2).
    pub(super) fn matches_strongly(&self, other: &Self) -> bool {
        !self.weak && !other.weak && self.opaque == other.opaque
    }

    /// Equal, weak or not (RFC 9110 §8.8.3.2).
    pub(super) fn matches_weakly(&self, other: &Self) -> bool {
        self.opaque == other.opaque
    }

    /// The tag at the beginning of a text, and what follows it.
    fn split(text: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let (weak, text) = text.strip_prefix(b"W/").map_or((false, text), |strong| (true, strong));
        let text = text.strip_prefix(b"\"")?;
        let end = text.iter().position(|&b| !matches!(b, 0x21 | 0x23..=0x7e | 0x80..))?;
        let rest = text[end..].strip_prefix(b"\"")?;
        Some((Self { weak, opaque: &text[..end] }, rest))
    }
}

/// What an `If-None-Match` names (RFC 9110 §13.1.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Tags<'a> {
    /// `*`
    Any,
    /// These.
    Listed(Vec<EntityTag<'a>>),
}

impl<'a> Tags<'a> {
    /// Reads every line of a field. `None` when anything in it is not an entity tag: a comma inside quotes belongs to
    /// the tag, so behind a fault nobody knows where the next one begins.
    pub(super) fn read(headers: &'a HeaderMap, name: &HeaderName) -> Option<Self> {
        let mut lines = headers.get_all(name).iter().map(|line| line.as_bytes().trim_ascii());
        let mut tags = Vec::new();
        let first = lines.next()?;
        if first == b"*" {
            return lines.next().is_none().then_some(Self::Any);
        }
        for line in std::iter::once(first).chain(lines) {
            read_line(line, &mut tags)?;
        }
        (!tags.is_empty()).then_some(Self::Listed(tags))
    }
}

fn read_line<'a>(mut rest: &'a [u8], tags: &mut Vec<EntityTag<'a>>) -> Option<()> {
    loop {
        while let [b',' | b' ' | b'\t', after @ ..] = rest {
            rest = after;
        }
        if rest.is_empty() {
            return Some(());
        }
        let (tag, after) = EntityTag::split(rest)?;
        tags.push(tag);
        rest = after.trim_ascii_start();
        if !matches!(rest, [] | [b',', ..]) {
            return None;
        }
    }
}

#[cfg(test)]
mod tests {
    use http::header::{HeaderValue, IF_NONE_MATCH};
    use proptest::prelude::*;

    use super::*;

    fn count(lines: &[&[u8]]) -> Option<usize> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(IF_NONE_MATCH, HeaderValue::from_bytes(line).unwrap());
        }
        match Tags::read(&headers, &IF_NONE_MATCH)? {
            Tags::Any => Some(usize::MAX),
            Tags::Listed(tags) => Some(tags.len()),
        }
    }

    #[test]
    fn the_grammar_of_rfc_9110_8_8_3() {
        for good in [&b"\"\""[..], b"\"a\"", b"W/\"a\"", b"\"a,b\"", b"\"a\\\"", b"\"\xff\"", b"\"'\""] {
            assert!(EntityTag::parse(good).is_some(), "{good:?}");
        }
        for bad in
            [&b""[..], b"a", b"\"a", b"a\"", b"w/\"a\"", b"W/a", b"\"a b\"", b"\"a\"b\"", b"\"a\" ", b"'a'", b"*"]
        {
            assert!(EntityTag::parse(bad).is_none(), "{bad:?}");
        }
    }

    #[test]
    fn lists_of_rfc_9110_13_1_2() {
        for (lines, tags) in [
            (&[&b"\"a\""[..]][..], Some(1)),
            (&[b"\"a\", W/\"b\" ,\"c\""], Some(3)),
            (&[b", ,\"a\",,"], Some(1)),
            (&[b"\"a,\", \"b\""], Some(2)),
            (&[b"\"a\"", b"\"b\""], Some(2)),
            (&[b"*"], Some(usize::MAX)),
            (&[b"*", b"\"a\""], None),
            (&[b"\"a\", *"], None),
            (&[b"\"a\" \"b\""], None),
            (&[b"a, \"b\""], None),
            (&[b"\"b\", a"], None),
            (&[b"\"b"], None),
            (&[b""], None),
            (&[], None),
        ] {
            assert_eq!(count(lines), tags, "{lines:?}");
        }
    }

    #[test]
    fn comparison_of_rfc_9110_8_8_3_2() {
        let tag = |text: &'static [u8]| EntityTag::parse(text).unwrap();
        for (a, b, strongly, weakly) in [
            (&b"W/\"1\""[..], &b"W/\"1\""[..], false, true),
            (b"W/\"1\"", b"W/\"2\"", false, false),
            (b"W/\"1\"", b"\"1\"", false, true),
            (b"\"1\"", b"\"1\"", true, true),
        ] {
            assert_eq!(tag(a).matches_strongly(&tag(b)), strongly);
            assert_eq!(tag(a).matches_weakly(&tag(b)), weakly);
        }
    }

    #[test]
    fn a_cut_tag_is_none() {
        let whole = b"W/\"a,b\"";
        for cut in 0..whole.len() {
            assert_eq!(EntityTag::parse(&whole[..cut]), None, "cut at {cut}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_upset_it(line in proptest::collection::vec(32..=255_u8, 0..40)) {
            if let Ok(value) = HeaderValue::from_bytes(&line) {
                let headers = HeaderMap::from_iter([(IF_NONE_MATCH, value)]);
                let _ = Tags::read(&headers, &IF_NONE_MATCH);
            }
        }
    }
}

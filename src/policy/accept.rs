//! The two request fields whose many spellings mean few things: `Accept-Encoding` and `Accept-Language`.

use http::header::HeaderValue;

/// A member of a weighted list, `name[;q=weight]` (RFC 9110 §12.4.2); the weight in thousandths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Weighted<'a> {
    name: &'a [u8],
    weight: u16,
}

/// The codings that upstreams are asked for.
const CODINGS: [&[u8]; 3] = [b"br", b"gzip", b"zstd"];

/// What is left of `Accept-Encoding`: one text for each set of [`CODINGS`], and the same without `identity`.
static ENCODINGS: [[&str; 8]; 2] = [
    ["identity", "br", "gzip", "br, gzip", "zstd", "br, zstd", "gzip, zstd", "br, gzip, zstd"],
    [
        "identity;q=0",
        "br, identity;q=0",
        "gzip, identity;q=0",
        "br, gzip, identity;q=0",
        "zstd, identity;q=0",
        "br, zstd, identity;q=0",
        "gzip, zstd, identity;q=0",
        "br, gzip, zstd, identity;q=0",
    ],
];

/// The canonical value that accepts what these lines accept of [`CODINGS`] and `identity` (RFC 9110 §12.5.3), whatever
/// they prefer. `None` when nothing in them can be read.
pub(super) fn encoding<'a>(lines: impl Iterator<Item = &'a HeaderValue>) -> Option<&'static str> {
    let members: Vec<_> = lines.flat_map(members).collect();
    let readable = || members.iter().flatten();
    if !members.is_empty() && readable().next().is_none() {
        return None;
    }
    let weight = |wanted: &dyn Fn(&[u8]) -> bool| readable().find(|member| wanted(member.name)).map(|m| m.weight);
    let any = weight(&|name| name == b"*");
    let mut set = 0;
    for (bit, coding) in CODINGS.into_iter().enumerate() {
        let named = weight(&|name| name.eq_ignore_ascii_case(coding) || is_alias(name, coding));
        if named.or(any).is_some_and(|weight| weight > 0) {
            set |= 1 << bit;
        }
    }
    let identity = weight(&|name| name.eq_ignore_ascii_case(b"identity")).or(any).unwrap_or(1000);
    Some(ENCODINGS[usize::from(identity == 0)][set])
}

/// `Accept-Language` in lower case, the most wanted first, weights in one spelling. The order of equal weights stays:
/// servers go by it. `None` when a member cannot be read.
pub(super) fn language<'a>(lines: impl Iterator<Item = &'a HeaderValue>) -> Option<String> {
    let mut members = lines.flat_map(members).collect::<Option<Vec<_>>>()?;
    members.sort_by_key(|member| std::cmp::Reverse(member.weight));
    let mut text = String::new();
    for Weighted { name, weight } in members {
        if !text.is_empty() {
            text.push_str(", ");
        }
        text.extend(name.iter().map(|b| char::from(b.to_ascii_lowercase())));
        if weight < 1000 {
            text.push_str(";q=0.");
            text.extend([weight / 100, weight / 10 % 10, weight % 10].into_iter().map(digit));
        }
    }
    Some(text)
}

/// RFC 9110 §8.4.1.3
fn is_alias(name: &[u8], coding: &[u8]) -> bool {
    coding == b"gzip" && name.eq_ignore_ascii_case(b"x-gzip")
}

fn digit(value: u16) -> char {
    char::from_digit(u32::from(value), 10).unwrap_or('0')
}

/// The members of a line, each as far as it can be read.
fn members(line: &HeaderValue) -> impl Iterator<Item = Option<Weighted<'_>>> {
    line.as_bytes().split(|&b| b == b',').map(<[u8]>::trim_ascii).filter(|member| !member.is_empty()).map(member)
}

fn member(text: &[u8]) -> Option<Weighted<'_>> {
    let mut parts = text.split(|&b| b == b';').map(<[u8]>::trim_ascii);
    let (name, parameter) = (parts.next()?, parts.next());
    if parts.next().is_some()
        || name.is_empty()
        || !name.iter().all(|b| b.is_ascii_alphanumeric() || b"-_.*".contains(b))
    {
        return None;
    }
    let weight = match parameter {
        None => 1000,
        Some([b'q' | b'Q', b'=', weight @ ..]) => thousandths(weight)?,
        Some(_) => return None,
    };
    Some(Weighted { name, weight })
}

/// `0`, `1`, and up to three decimals that stay within 1.
fn thousandths(text: &[u8]) -> Option<u16> {
    let (whole, decimals) = match text {
        [whole] | [whole, b'.'] => (whole, &[][..]),
        [whole, b'.', decimals @ ..] if decimals.len() <= 3 => (whole, decimals),
        _ => return None,
    };
    let digits = std::iter::once(whole).chain(decimals).chain(std::iter::repeat_n(&b'0', 3 - decimals.len()));
    let weight = digits.copied().try_fold(0_u16, |n, b| b.is_ascii_digit().then(|| n * 10 + u16::from(b - b'0')))?;
    (weight <= 1000).then_some(weight)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(lines: &[&str]) -> Vec<HeaderValue> {
        lines.iter().map(|line| HeaderValue::from_str(line).unwrap()).collect()
    }

    #[test]
    fn accept_encoding_of_rfc_9110_12_5_3() {
        for (line, canonical) in [
            ("gzip", Some("gzip")),
            ("GZIP", Some("gzip")),
            ("x-gzip", Some("gzip")),
            ("gzip, deflate, br, zstd", Some("br, gzip, zstd")),
            ("zstd;q=0.1 , br;q=1.0,gzip;Q=0.5", Some("br, gzip, zstd")),
            ("gzip, deflate", Some("gzip")),
            ("gzip;q=0, br", Some("br")),
            ("gzip;q=0.000", Some("identity")),
            ("deflate", Some("identity")),
            ("identity", Some("identity")),
            ("", Some("identity")),
            ("*", Some("br, gzip, zstd")),
            ("*, br;q=0", Some("gzip, zstd")),
            ("gzip, *;q=0", Some("gzip, identity;q=0")),
            ("gzip, identity;q=0", Some("gzip, identity;q=0")),
            ("gzip, *;q=0, identity;q=0.1", Some("gzip")),
            ("*;q=0", Some("identity;q=0")),
            ("gzip;q=2, br", Some("br")),
            ("gzip;q=0.0001", None),
            ("gzip;level=1", None),
            ("\"gzip\"", None),
            ("@@@", None),
        ] {
            assert_eq!(encoding(values(&[line]).iter()), canonical, "{line}");
        }
        assert_eq!(encoding(values(&["gzip", "br"]).iter()), Some("br, gzip"));
    }

    #[test]
    fn every_canonical_encoding_stays_as_it_is() {
        for text in ENCODINGS.as_flattened() {
            assert_eq!(encoding(values(&[text]).iter()), Some(*text));
        }
    }

    #[test]
    fn accept_language_of_rfc_9110_12_5_4() {
        for (line, canonical) in [
            ("en", Some("en")),
            ("EN-us,De;q=0.5", Some("en-us, de;q=0.500")),
            ("de ; q=0.5 , en-US;q=1", Some("en-us, de;q=0.500")),
            ("de, en", Some("de, en")),
            ("en, de", Some("en, de")),
            ("de;q=0", Some("de;q=0.000")),
            ("*;q=0.1, fr", Some("fr, *;q=0.100")),
            ("", Some("")),
            ("en;q=x", None),
        ] {
            assert_eq!(language(values(&[line]).iter()).as_deref(), canonical, "{line}");
        }
    }
}

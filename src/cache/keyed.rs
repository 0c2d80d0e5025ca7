//! The request fields that are part of a key.

use http::header::{CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_TYPE, COOKIE, HeaderMap, HeaderName};

use crate::key::FieldsDigest;
use crate::policy::VaryOn;

static X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// The fields that say what the content of a request means.
static OF_CONTENT: [HeaderName; 3] = [CONTENT_TYPE, CONTENT_ENCODING, CONTENT_LANGUAGE];

/// What the inner service takes from a request's `X-Forwarded-Proto`, and so what of it is part of the key: two schemes
/// never share an answer that could name one of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ForwardedProto {
    /// It is shown the field as it came. Keyed wherever it stands.
    #[default]
    Shown,
    /// It believes the field, and takes a request without one for `http`. Keyed where it says something else.
    Believed,
    /// It replaces the field by what it knows itself. Never keyed.
    Replaced,
}

impl ForwardedProto {
    fn is_keyed(self, headers: &HeaderMap) -> bool {
        let mut lines = headers.get_all(&X_FORWARDED_PROTO).iter();
        match (self, lines.next(), lines.next()) {
            (Self::Replaced, _, _) | (_, None, _) => false,
            (Self::Shown, Some(_), _) => true,
            (Self::Believed, Some(first), second) => first != "http" || second.is_some(),
        }
    }
}

/// The digest of the keyed fields of a request, and of the content of a QUERY; `None` where there are none.
///
/// Every line counts for itself: an upstream that takes the first line of a field reads `a` and `b` otherwise than
/// `a, b`.
pub(super) fn digest(
    vary_on: &VaryOn,
    proto: ForwardedProto,
    headers: &HeaderMap,
    content: Option<&[u8]>,
) -> Option<FieldsDigest> {
    let proto = proto.is_keyed(headers).then_some(&X_FORWARDED_PROTO).filter(|name| !vary_on.names(name));
    if vary_on.is_empty() && proto.is_none() && content.is_none() {
        return None;
    }
    let mut fields: Vec<(String, Option<&[u8]>)> = Vec::new();
    for name in vary_on.headers.iter().chain(proto) {
        let lines = headers.get_all(name).iter().map(|line| line.as_bytes());
        push(&mut fields, &format!("header:{name}"), lines);
    }
    for name in &vary_on.cookies {
        push(&mut fields, &format!("cookie:{name}"), cookies(headers, name));
    }
    if content.is_some() {
        // No field and no cookie is named so: what answers a QUERY never answers a GET.
        fields.push(("content".to_owned(), content));
        for name in &OF_CONTENT {
            push(&mut fields, &format!("content:{name}"), headers.get_all(name).iter().map(|line| line.as_bytes()));
        }
    }
    Some(FieldsDigest::of(fields.iter().map(|(name, value)| (name.as_str(), *value))))
}

/// Adds every value, or that there is none.
fn push<'h>(fields: &mut Vec<(String, Option<&'h [u8]>)>, name: &str, values: impl Iterator<Item = &'h [u8]>) {
    let before = fields.len();
    fields.extend(values.map(|value| (name.to_owned(), Some(value))));
    if fields.len() == before {
        fields.push((name.to_owned(), None));
    }
}

/// Every value that a request gives to a cookie; an upstream may take the first or the last, and may pass over white
/// space around the name.
pub(super) fn cookies<'h>(headers: &'h HeaderMap, name: &'h str) -> impl Iterator<Item = &'h [u8]> {
    let pairs = headers.get_all(COOKIE).iter().flat_map(|line| line.as_bytes().split(|b| *b == b';'));
    pairs.filter_map(move |pair| {
        let pair = pair.trim_ascii();
        let at = pair.iter().position(|b| *b == b'=')?;
        (pair[..at].trim_ascii_end() == name.as_bytes()).then(|| &pair[at + 1..])
    })
}

#[cfg(test)]
mod tests {
    use http::header::HeaderValue;

    use super::*;

    fn digest_of(vary_on: &VaryOn, fields: &[(&'static str, &'static str)]) -> Option<FieldsDigest> {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, HeaderValue::from_static(value));
        }
        digest(vary_on, ForwardedProto::Replaced, &headers, None)
    }

    #[test]
    fn every_value_of_a_keyed_cookie_counts() {
        let vary_on = VaryOn { headers: Vec::new(), cookies: vec!["sid".into()] };
        let digest_of = |cookie: &'static str| digest_of(&vary_on, &[("cookie", cookie)]);
        assert_eq!(digest_of("sid=1; other=2"), digest_of("other=3;sid=1"));
        assert_ne!(digest_of("sid=1"), digest_of("sid=1; sid=2"));
        assert_ne!(digest_of("sid=1"), digest_of("xsid=1"));
        assert_ne!(digest_of("sid="), digest_of("other=1"));
        assert_ne!(digest_of("sid =1"), digest_of("other=1"));
    }

    #[test]
    fn every_line_of_a_keyed_field_counts_for_itself() {
        let vary_on = VaryOn { headers: vec![HeaderName::from_static("x-tenant")], cookies: Vec::new() };
        let one = digest_of(&vary_on, &[("x-tenant", "a, b")]);
        assert_ne!(one, digest_of(&vary_on, &[("x-tenant", "a"), ("x-tenant", "b")]));
        assert_ne!(digest_of(&vary_on, &[]), digest_of(&vary_on, &[("x-tenant", "")]));
    }

    #[test]
    fn the_content_of_a_query_counts_and_so_does_what_it_means() {
        let digest_of = |content: Option<&str>, fields: &[(HeaderName, &'static str)]| {
            let headers = fields.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value))).collect();
            digest(&VaryOn::default(), ForwardedProto::Replaced, &headers, content.map(str::as_bytes))
        };
        let asked = [
            digest_of(None, &[]),
            digest_of(Some(""), &[]),
            digest_of(Some("a"), &[]),
            digest_of(Some("b"), &[]),
            digest_of(Some("a"), &[(CONTENT_TYPE, "text/plain")]),
            digest_of(Some("a"), &[(CONTENT_TYPE, "application/json")]),
            digest_of(Some("a"), &[(CONTENT_ENCODING, "text/plain")]),
            digest_of(Some("a"), &[(CONTENT_LANGUAGE, "text/plain")]),
        ];
        for (at, one) in asked.iter().enumerate() {
            assert!(asked[at + 1..].iter().all(|other| other != one), "{at}");
        }
        assert_eq!(asked[2], digest_of(Some("a"), &[(COOKIE, "unkeyed")]));
    }

    #[test]
    fn the_scheme_is_keyed_where_the_upstream_can_tell_it() {
        use ForwardedProto::{Believed, Replaced, Shown};
        for (proto, lines, keyed) in [
            (Shown, &[][..], false),
            (Shown, &["http"], true),
            (Shown, &["https"], true),
            (Believed, &[], false),
            (Believed, &["http"], false),
            (Believed, &["https"], true),
            (Believed, &["http", "https"], true),
            (Believed, &["http", "http"], true),
            (Replaced, &["https"], false),
        ] {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(&X_FORWARDED_PROTO, HeaderValue::from_static(line));
            }
            assert_eq!(digest(&VaryOn::default(), proto, &headers, None).is_some(), keyed, "{proto:?} {lines:?}");
        }
    }
}

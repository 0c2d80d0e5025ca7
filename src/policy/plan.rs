//! What is asked before anything is looked up.

use http::header::{
    AUTHORIZATION, CONTENT_LENGTH, COOKIE, HeaderMap, IF_MATCH, IF_UNMODIFIED_SINCE, TRANSFER_ENCODING, UPGRADE,
};
use http::{Method, request};

use super::client::ClientTerms;
use super::{ClientCacheControl, Options};
use crate::outcome::Reason;

/// What becomes of a request under a cached route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Plan {
    /// The store is asked.
    Lookup(Lookup),
    /// The request goes to the upstream, and its answer is not stored.
    Bypass(Reason),
}

/// What a request allows, read once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lookup {
    /// The request is a HEAD.
    pub head: bool,
    /// The request carries nothing that could make its answer another than the stored one, whole: no condition, no
    /// range, no credentials, no body, no word about the scheme. Nearly every request is so, and is spared the questions.
    pub plain: bool,
    /// The request carries `Authorization` and the route does not key on it (RFC 9111 §3.5).
    pub authorized: bool,
    /// What the client's own Cache-Control asks for; empty where the route ignores it.
    pub client: ClientTerms,
}

/// Decides whether a GET, a HEAD, or a QUERY whose content is keyed is looked up under a cached route.
pub fn plan(parts: &request::Parts, body_is_empty: bool, options: &Options) -> Plan {
    let headers = &parts.headers;
    let honors_client = options.client_cache_control == ClientCacheControl::Honor;
    if body_is_empty && !honors_client && options.bypass_cookies.is_empty() && is_plain(headers) {
        return Plan::Lookup(Lookup { head: parts.method == Method::HEAD, plain: true, ..Lookup::default() });
    }
    // The content of a QUERY is what it asks (RFC 10008 §2): it is part of the key.
    if parts.method != Method::QUERY && (!body_is_empty || announces_body(headers)) {
        return Plan::Bypass(Reason::RequestBody);
    }
    if asks_for_upgrade(headers) {
        return Plan::Bypass(Reason::Upgrade);
    }
    if carries_bypass_cookie(headers, options) {
        return Plan::Bypass(Reason::Cookie);
    }
    if headers.contains_key(IF_MATCH) || headers.contains_key(IF_UNMODIFIED_SINCE) {
        return Plan::Bypass(Reason::Precondition);
    }
    let client = match options.client_cache_control {
        ClientCacheControl::Ignore => ClientTerms::default(),
        ClientCacheControl::Honor => ClientTerms::read(headers),
    };
    Plan::Lookup(Lookup {
        plain: false,
        head: parts.method == Method::HEAD,
        authorized: headers.contains_key(AUTHORIZATION) && !options.vary_on.names(&AUTHORIZATION),
        client,
    })
}

/// Whether none of the fields is there that a plan, a condition, a range or the scheme in a key is made of: one pass
/// over the names.
fn is_plain(headers: &HeaderMap) -> bool {
    !headers.keys().any(|name| {
        matches!(
            name.as_str(),
            "authorization"
                | "content-length"
                | "if-match"
                | "if-modified-since"
                | "if-none-match"
                | "if-range"
                | "if-unmodified-since"
                | "range"
                | "transfer-encoding"
                | "upgrade"
                | "x-forwarded-proto"
        )
    })
}

/// A body that the framing fields announce; an unreadable length counts as one.
fn announces_body(headers: &HeaderMap) -> bool {
    headers.contains_key(TRANSFER_ENCODING) || headers.get_all(CONTENT_LENGTH).iter().any(|length| length != "0")
}

/// `Upgrade: h2c` alone is no reason to pass the cache by: clients send it with ordinary requests, and the offer may
/// be declined by answering in HTTP/1.1 (RFC 9110 §7.8).
fn asks_for_upgrade(headers: &HeaderMap) -> bool {
    headers.get_all(UPGRADE).iter().any(|offer| {
        let mut protocols = offer.as_bytes().split(|&b| b == b',').map(<[u8]>::trim_ascii);
        protocols.any(|protocol| !protocol.is_empty() && !protocol.eq_ignore_ascii_case(b"h2c"))
    })
}

fn carries_bypass_cookie(headers: &HeaderMap, options: &Options) -> bool {
    if options.bypass_cookies.is_empty() || options.vary_on.names(&COOKIE) {
        return false;
    }
    let bypasses = |name: &[u8]| {
        options.bypass_cookies.iter().any(|cookie| cookie.as_bytes() == name)
            && !options.vary_on.cookies.iter().any(|keyed| keyed.as_bytes() == name)
    };
    headers.get_all(COOKIE).iter().any(|line| cookie_names(line.as_bytes()).any(bypasses))
}

/// The names in a Cookie field. A pair without `=` is taken for a name: whoever reads it so must not be answered
/// from the cache.
fn cookie_names(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(|&b| b == b';').filter_map(|pair| pair.split(|&b| b == b'=').next()).map(<[u8]>::trim_ascii)
}

#[cfg(test)]
mod tests {
    use http::Request;
    use http::header::{HeaderName, HeaderValue};
    use proptest::prelude::*;

    use super::*;
    use crate::policy::VaryOn;

    fn request(fields: &[(&'static str, &str)]) -> request::Parts {
        let mut parts = Request::get("/a").body(()).unwrap().into_parts().0;
        for (name, value) in fields {
            parts.headers.append(*name, HeaderValue::from_str(value).unwrap());
        }
        parts
    }

    fn bypass(fields: &[(&'static str, &str)], options: &Options) -> Option<Reason> {
        match plan(&request(fields), true, options) {
            Plan::Bypass(reason) => Some(reason),
            Plan::Lookup(_) => None,
        }
    }

    #[test]
    fn what_passes_the_cache_by() {
        for (fields, reason) in [
            (&[][..], None),
            (&[("content-length", "0")], None),
            (&[("content-length", "1")], Some(Reason::RequestBody)),
            (&[("content-length", "x")], Some(Reason::RequestBody)),
            (&[("content-length", "0"), ("content-length", "5")], Some(Reason::RequestBody)),
            (&[("transfer-encoding", "chunked")], Some(Reason::RequestBody)),
            (&[("connection", "upgrade"), ("upgrade", "websocket")], Some(Reason::Upgrade)),
            (&[("upgrade", "h2c, websocket")], Some(Reason::Upgrade)),
            (&[("connection", "Upgrade, HTTP2-Settings"), ("upgrade", "h2c")], None),
            (&[("if-match", "*")], Some(Reason::Precondition)),
            (&[("if-unmodified-since", "x")], Some(Reason::Precondition)),
            (&[("if-none-match", "*"), ("if-modified-since", "x")], None),
            (&[("range", "bytes=0-1")], None),
            (&[("range", "lines=0-1")], None),
            (&[("cookie", "a=1")], None),
            (&[("cache-control", "no-cache, no-store")], None),
        ] {
            assert_eq!(bypass(fields, &Options::default()), reason, "{fields:?}");
        }
        assert_eq!(plan(&request(&[]), false, &Options::default()), Plan::Bypass(Reason::RequestBody));
        let mut query = request(&[("content-length", "1")]);
        query.method = Method::QUERY;
        assert!(matches!(plan(&query, false, &Options::default()), Plan::Lookup(lookup) if !lookup.plain));
    }

    #[test]
    fn a_cookie_named_in_the_route_passes_the_cache_by_unless_it_is_keyed() {
        let mut options = Options { bypass_cookies: vec!["sid".to_owned()], ..Options::default() };
        for (line, bypasses) in [
            ("sid=1", true),
            ("a=1; sid=", true),
            ("a=1;sid=2", true),
            ("sid", true),
            ("a=sid", false),
            ("SID=1", false),
            ("sid2=1; xsid=1", false),
            ("", false),
        ] {
            assert_eq!(bypass(&[("cookie", line)], &options), bypasses.then_some(Reason::Cookie), "{line}");
        }
        assert_eq!(bypass(&[("cookie", "a=1"), ("cookie", "sid=1")], &options), Some(Reason::Cookie));
        options.vary_on = VaryOn { headers: Vec::new(), cookies: vec!["sid".to_owned()] };
        assert_eq!(bypass(&[("cookie", "sid=1")], &options), None);
        options.vary_on = VaryOn { headers: vec![COOKIE], cookies: Vec::new() };
        assert_eq!(bypass(&[("cookie", "sid=1")], &options), None);
    }

    #[test]
    fn what_is_read_off_a_request() {
        let lookup = |options: &Options| {
            let mut request = request(&[("authorization", "Bearer x"), ("cache-control", "no-cache")]);
            request.method = Method::HEAD;
            match plan(&request, true, options) {
                Plan::Lookup(lookup) => lookup,
                Plan::Bypass(reason) => panic!("{reason:?}"),
            }
        };
        let plain = lookup(&Options::default());
        assert!(plain.head && plain.authorized && plain.client.is_empty());
        let keyed = VaryOn { headers: vec![AUTHORIZATION], cookies: Vec::new() };
        let options = Options { vary_on: keyed, client_cache_control: ClientCacheControl::Honor, ..Options::default() };
        assert!(!lookup(&options).authorized && lookup(&options).client.no_cache);
    }

    proptest! {
        #[test]
        fn no_cookie_upsets_it(line in proptest::collection::vec(32..=255_u8, 0..40)) {
            let options = Options { bypass_cookies: vec!["sid".to_owned()], ..Options::default() };
            let mut parts = request(&[]);
            if let Ok(value) = HeaderValue::from_bytes(&line) {
                for name in ["cookie", "upgrade", "content-length"] {
                    parts.headers.insert(HeaderName::from_static(name), value.clone());
                }
            }
            let _ = plan(&parts, true, &options);
        }
    }
}

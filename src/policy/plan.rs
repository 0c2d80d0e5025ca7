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
    /// The request carries `Authorization` and the route does not key on it (RFC 9111 §3.5).
    pub authorized: bool,
    /// What the client's own Cache-Control asks for; empty where the route ignores it.
    pub client: ClientTerms,
}

/// Decides whether a GET or HEAD under a cached route is looked up.
pub fn plan(parts: &request::Parts, body_is_empty: bool, options: &Options) -> Plan {
    let headers = &parts.headers;
    if !body_is_empty || announces_body(headers) {
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
        head: parts.method == Method::HEAD,
        authorized: headers.contains_key(AUTHORIZATION) && !options.vary_on.names(&AUTHORIZATION),
        client,
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

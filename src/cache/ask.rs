//! What a request asks of the cache, and what of it the upstream gets to see.
//!
//! Under a cached route only what is keyed is forwarded: an input that reaches the upstream unkeyed could shape an
//! answer that is then given to everybody.

use std::borrow::Cow;
use std::sync::Arc;

use http::header::{CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_TYPE, COOKIE, HOST, HeaderMap, HeaderName};
use http::uri::{Authority, PathAndQuery};
use http::{Method, Uri, request};

use super::handle::Core;
use crate::key::{FieldsDigest, Key};
use crate::outcome::Reason;
use crate::policy::{self, Lookup, Plan, VaryOn};
use crate::route::{BypassGate, HostRule, Routing, Rule, Table, TargetError, check_path, is_yes};

/// The header that carries the bypass token of routes with `allow: token`.
const TOKEN: HeaderName = HeaderName::from_static("x-larder-token");

/// What a request asks of the cache.
pub(super) enum Ask<'t> {
    /// Nothing: it is passed on untouched.
    Pass(Option<Reason>),
    /// Nothing, though its route is cached.
    Bypass(Wanted<'t>, Reason),
    /// To change something.
    Write,
    /// An answer to what its content asks, which may have so many bytes.
    Content(u64),
    /// An answer.
    Lookup(Wanted<'t>, Lookup),
    /// Nothing that can be answered: 400.
    Refuse(TargetError),
}

/// The stored response a request wants.
pub(super) struct Wanted<'t> {
    pub(super) rule: &'t Arc<Rule>,
    pub(super) key: Key,
}

/// Reads a request. Runs for every one: a hit allocates here its key and nothing else.
pub(super) fn examine<'t>(core: &Core, table: &'t Table, parts: &request::Parts, body_is_empty: bool) -> Ask<'t> {
    if parts.method != Method::GET && parts.method != Method::HEAD {
        return examine_other(table, parts);
    }
    examine_read(core, table, parts, body_is_empty, None)
}

/// Reads a QUERY whose content is known.
pub(super) fn examine_query<'t>(core: &Core, table: &'t Table, parts: &request::Parts, content: &[u8]) -> Ask<'t> {
    examine_read(core, table, parts, false, Some(content))
}

fn examine_read<'t>(
    core: &Core,
    table: &'t Table,
    parts: &request::Parts,
    body_is_empty: bool,
    content: Option<&[u8]>,
) -> Ask<'t> {
    if !table.is_enabled() {
        return Ask::Pass(Some(Reason::Disabled));
    }
    let path = parts.uri.path();
    let rule = match table.routing(path) {
        Routing::Pass => return Ask::Pass(Some(Reason::NoRoute)),
        Routing::Rule(rule) if !rule.is_cached() => return Ask::Pass(Some(Reason::RouteNever)),
        Routing::Rule(rule) => rule,
    };
    if let Err(error) = check_path(path) {
        return Ask::Refuse(error);
    }
    let bypass = rule.bypass_param();
    let query = rule.query_filter().canonical(parts.uri.query(), &bypass.param);
    let host = match table.host() {
        HostRule::Fixed(_) => None,
        HostRule::Keyed => match host_of(parts) {
            Some(host) => Some(host),
            None => return Ask::Pass(Some(Reason::NoHost)),
        },
    };
    let fields = digest(&rule.policy().vary_on, &parts.headers, content);
    let wanted = Wanted { rule, key: Key::new(host.as_deref(), path, query.query.as_deref(), fields.as_ref()) };
    if query.bypass.is_some_and(is_yes) && may_bypass(core, bypass.allow, &parts.headers) {
        return Ask::Bypass(wanted, Reason::NoCacheParam);
    }
    match policy::plan(parts, body_is_empty, rule.policy()) {
        Plan::Bypass(reason) => Ask::Bypass(wanted, reason),
        Plan::Lookup(lookup) => Ask::Lookup(wanted, lookup),
    }
}

/// A method other than GET and HEAD. A write must name its path as plainly as a read: what it clears is found by it, also
/// where the upstream would resolve the path to that of a cached route.
fn examine_other<'t>(table: &Table, parts: &request::Parts) -> Ask<'t> {
    let path = parts.uri.path();
    if parts.method.is_safe() {
        return match table.routing(path) {
            Routing::Rule(rule) if parts.method == Method::QUERY && rule.is_cached() && table.is_enabled() => {
                rule.policy().query_method.map_or(Ask::Pass(None), Ask::Content)
            }
            _ => Ask::Pass(None),
        };
    }
    match check_path(path) {
        Err(error) if table.is_enabled() && (table.caches(path) || table.caches(&policy::resolved_path(path))) => {
            Ask::Refuse(error)
        }
        _ => Ask::Write,
    }
}

/// Leaves of a request under a cached route only what is keyed: the canonical query, no header field that commonly
/// shapes an answer and is not keyed, `Accept-Encoding` in its normal form, and the host by its rule.
pub(super) fn show_only_keyed(parts: &mut request::Parts, table: &Table, rule: &Rule, key: &Key) {
    let keyed = &rule.policy().vary_on;
    drop_unkeyed(&mut parts.headers, keyed);
    if !keyed.names(&http::header::ACCEPT_ENCODING) {
        policy::normalise_accept_encoding(&mut parts.headers);
    }
    let fixed = match table.host() {
        HostRule::Fixed(host) => {
            parts.headers.insert(HOST, host.clone());
            true
        }
        HostRule::Keyed => false,
    };
    if parts.uri.query() != key.query() || (fixed && parts.uri.authority().is_some()) {
        rewrite(&mut parts.uri, key.query(), fixed);
    }
}

/// Drops the fields that commonly shape an answer and are not keyed.
pub(super) fn drop_unkeyed(headers: &mut HeaderMap, keyed: &VaryOn) {
    let off_limits = |name: &HeaderName| policy::keyed_off_limits().contains(name) && !keyed.names(name);
    if headers.keys().any(|name| off_limits(name) || *name == TOKEN) {
        policy::keyed_off_limits().iter().filter(|name| off_limits(name)).for_each(|name| {
            headers.remove(name);
        });
        headers.remove(TOKEN);
    }
}

/// Puts the canonical query in place, and takes the authority out where the host is fixed.
fn rewrite(uri: &mut Uri, query: Option<&str>, drop_authority: bool) {
    let path = match query {
        Some(query) => Cow::Owned(format!("{}?{query}", uri.path())),
        None => Cow::Borrowed(uri.path()),
    };
    // The path was a valid one and the query is made of pieces of a valid one.
    let Ok(path_and_query) = PathAndQuery::try_from(path.as_ref()) else { return };
    let mut pieces = std::mem::take(uri).into_parts();
    pieces.path_and_query = Some(path_and_query);
    if drop_authority {
        (pieces.scheme, pieces.authority) = (None, None);
    }
    *uri = Uri::from_parts(pieces).unwrap_or_default();
}

/// The host as the client named it, in lower case.
pub(super) fn host_of(parts: &request::Parts) -> Option<Cow<'_, str>> {
    let named = match parts.uri.authority() {
        Some(authority) => authority.as_str(),
        None => parts.headers.get(HOST)?.to_str().ok()?,
    };
    let is_host = !named.contains('@') && named.parse::<Authority>().is_ok();
    match (is_host, named.bytes().any(|b| b.is_ascii_uppercase())) {
        (false, _) => None,
        (true, false) => Some(Cow::Borrowed(named)),
        (true, true) => Some(Cow::Owned(named.to_ascii_lowercase())),
    }
}

/// The fields that say what the content of a request means.
const OF_CONTENT: [HeaderName; 3] = [CONTENT_TYPE, CONTENT_ENCODING, CONTENT_LANGUAGE];

/// The digest of the keyed fields of a request, and of the content of a QUERY; `None` where nothing is keyed.
fn digest(vary_on: &VaryOn, headers: &HeaderMap, content: Option<&[u8]>) -> Option<FieldsDigest> {
    if vary_on.is_empty() && content.is_none() {
        return None;
    }
    let joined = |name: &HeaderName| {
        let lines: Vec<&[u8]> = headers.get_all(name).iter().map(|line| line.as_bytes()).collect();
        (!lines.is_empty()).then(|| lines.join(&b", "[..]))
    };
    let mut fields: Vec<(String, Option<Vec<u8>>)> = Vec::new();
    for name in &vary_on.headers {
        fields.push((format!("header:{name}"), joined(name)));
    }
    for name in &vary_on.cookies {
        let values: Vec<&[u8]> = cookies(headers, name).collect();
        fields.push((format!("cookie:{name}"), (!values.is_empty()).then(|| values.join(&b";"[..]))));
    }
    if let Some(content) = content {
        // No field and no cookie is named so: what answers a QUERY never answers a GET.
        fields.push(("content".to_owned(), Some(content.to_vec())));
        fields.extend(OF_CONTENT.iter().map(|name| (format!("content:{name}"), joined(name))));
    }
    Some(FieldsDigest::of(fields.iter().map(|(name, value)| (name.as_str(), value.as_deref()))))
}

/// Every value that a request gives to a cookie; an upstream may take the first or the last.
fn cookies<'h>(headers: &'h HeaderMap, name: &'h str) -> impl Iterator<Item = &'h [u8]> {
    let pairs = headers.get_all(COOKIE).iter().flat_map(|line| line.as_bytes().split(|b| *b == b';'));
    pairs.filter_map(move |pair| {
        let pair = pair.trim_ascii();
        let at = pair.iter().position(|b| *b == b'=')?;
        (&pair[..at] == name.as_bytes()).then(|| &pair[at + 1..])
    })
}

fn may_bypass(core: &Core, gate: BypassGate, headers: &HeaderMap) -> bool {
    match gate {
        BypassGate::Public => true,
        BypassGate::Off => false,
        BypassGate::Token => match (&core.bypass_token, headers.get(TOKEN)) {
            (Some(token), Some(given)) => same_secret(token.as_bytes(), given.as_bytes()),
            _ => false,
        },
    }
}

/// Compares in constant time: BLAKE3 hashes are compared so.
fn same_secret(secret: &[u8], given: &[u8]) -> bool {
    blake3::hash(secret) == blake3::hash(given)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;
    use http::header::HeaderValue;

    fn parts(request: http::request::Builder) -> request::Parts {
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn the_host_is_the_one_the_client_named() {
        let plain = parts(Request::get("/a").header("host", "API.example.com:8080"));
        assert_eq!(host_of(&plain).as_deref(), Some("api.example.com:8080"));
        let absolute = parts(Request::get("http://b.example/a").header("host", "c.example"));
        assert_eq!(host_of(&absolute).as_deref(), Some("b.example"));
        for bad in ["", "a@b", "a/b", "a b"] {
            assert_eq!(host_of(&parts(Request::get("/").header("host", bad))), None, "{bad:?}");
        }
    }

    #[test]
    fn what_is_not_keyed_is_not_shown() {
        let mut rule = Rule::new("/a").unwrap().ttl(std::time::Duration::from_secs(1));
        let mut options = rule.policy().clone();
        options.vary_on.headers.push(HeaderName::from_static("x-forwarded-prefix"));
        rule = rule.options(options);
        let table = Table::builder().show_host(HeaderValue::from_static("up.example")).build().unwrap();
        let mut parts = parts(
            Request::get("http://client.example/a?b=2&a=1&nocache=false")
                .header("x-forwarded-host", "evil.example")
                .header("x-forwarded-prefix", "/v2")
                .header("x-larder-token", "secret")
                .header("cookie", "c=1"),
        );
        show_only_keyed(&mut parts, &table, &rule, &Key::new(None, "/a", Some("a=1&b=2"), None));
        assert_eq!(parts.uri, "/a?a=1&b=2");
        assert_eq!(parts.headers["host"], "up.example");
        assert_eq!(parts.headers["x-forwarded-prefix"], "/v2");
        assert!(!parts.headers.contains_key("x-forwarded-host"));
        assert!(!parts.headers.contains_key("x-larder-token"));
        assert_eq!(parts.headers["cookie"], "c=1");
    }

    #[test]
    fn every_value_of_a_keyed_cookie_counts() {
        let vary_on = VaryOn { headers: Vec::new(), cookies: vec!["sid".into()] };
        let digest_of = |cookie: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(COOKIE, HeaderValue::from_static(cookie));
            digest(&vary_on, &headers, None)
        };
        assert_eq!(digest_of("sid=1; other=2"), digest_of("other=3;sid=1"));
        assert_ne!(digest_of("sid=1"), digest_of("sid=1; sid=2"));
        assert_ne!(digest_of("sid=1"), digest_of("xsid=1"));
        assert_ne!(digest_of("sid="), digest_of("other=1"));
    }

    #[test]
    fn the_content_of_a_query_counts_and_so_does_what_it_means() {
        let digest_of = |content: Option<&str>, fields: &[(HeaderName, &'static str)]| {
            let headers = fields.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value))).collect();
            digest(&VaryOn::default(), &headers, content.map(str::as_bytes))
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
}

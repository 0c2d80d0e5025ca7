//! What a request asks of the cache, and what of it the upstream gets to see.
//!
//! Under a cached route only what is keyed is forwarded: an input that reaches the upstream unkeyed could shape an
//! answer that is then given to everybody.

use std::borrow::Cow;
use std::sync::Arc;

use http::header::{HOST, HeaderMap, HeaderName, HeaderValue};
use http::uri::{Authority, PathAndQuery};
use http::{Method, Uri, request};

use super::handle::Core;
use super::keyed::{self, ForwardedProto};
use crate::key::Key;
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
pub(super) fn examine<'t>(
    core: &Core,
    table: &'t Table,
    proto: ForwardedProto,
    parts: &request::Parts,
    body_is_empty: bool,
) -> Ask<'t> {
    if parts.method != Method::GET && parts.method != Method::HEAD {
        return examine_other(table, parts);
    }
    examine_read(core, table, proto, parts, body_is_empty, None)
}

/// Reads a QUERY whose content is known.
pub(super) fn examine_query<'t>(
    core: &Core,
    table: &'t Table,
    proto: ForwardedProto,
    parts: &request::Parts,
    content: &[u8],
) -> Ask<'t> {
    examine_read(core, table, proto, parts, true, Some(content))
}

fn examine_read<'t>(
    core: &Core,
    table: &'t Table,
    proto: ForwardedProto,
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
    let plan = policy::plan(parts, body_is_empty, rule.policy());
    let Some(key) = key(table, rule, proto, parts, &plan, Asked { query: query.query.as_deref(), content }) else {
        return Ask::Pass(Some(Reason::NoHost));
    };
    let wanted = Wanted { rule, key };
    if query.bypass.is_some_and(is_yes) && may_bypass(core, bypass.allow, &parts.headers) {
        return Ask::Bypass(wanted, Reason::NoCacheParam);
    }
    match plan {
        Plan::Bypass(reason) => Ask::Bypass(wanted, reason),
        Plan::Lookup(lookup) => Ask::Lookup(wanted, lookup),
    }
}

/// What of a request is asked, besides its path.
#[derive(Clone, Copy)]
pub(super) struct Asked<'q> {
    /// The canonical query.
    pub(super) query: Option<&'q str>,
    /// The content of a QUERY.
    pub(super) content: Option<&'q [u8]>,
}

/// The key that a request asks for, by its canonical query. `None` where hosts are keyed and it names none.
pub(super) fn key(
    table: &Table,
    rule: &Rule,
    proto: ForwardedProto,
    parts: &request::Parts,
    plan: &Plan,
    asked: Asked<'_>,
) -> Option<Key> {
    let host = match table.host() {
        HostRule::Fixed(_) => None,
        HostRule::Keyed => Some(host_of(parts)?),
    };
    // What is plain says nothing of its scheme.
    let proto = if matches!(plan, Plan::Lookup(lookup) if lookup.plain) { ForwardedProto::Replaced } else { proto };
    let fields = keyed::digest(&rule.policy().vary_on, proto, &parts.headers, asked.content);
    Some(Key::new(host.as_deref(), parts.uri.path(), asked.query, fields.as_ref()))
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
    let host = match table.host() {
        HostRule::Fixed(host) => Some(host.clone()),
        HostRule::Keyed => key.host().and_then(|host| HeaderValue::from_str(host).ok()),
    };
    if let Some(host) = host {
        // As it is keyed: in lower case, and no other than the target names.
        parts.headers.insert(HOST, host);
    }
    if parts.uri.query() != key.query() || parts.uri.authority().is_some() {
        rewrite(&mut parts.uri, key.query());
    }
}

/// Drops the fields that commonly shape an answer and are not keyed, and every second spelling of a field that is keyed
/// or says where a request comes from.
pub(super) fn drop_unkeyed(headers: &mut HeaderMap, keyed: &VaryOn) {
    let is_hidden = |name: &HeaderName| {
        let shapes = match policy::read_as(name) {
            Some(read) => {
                policy::is_off_limits(&read)
                    || matches!(read.as_str(), "x-forwarded-for" | "x-forwarded-proto")
                    || keyed.headers.iter().any(|keyed| *keyed == *read)
            }
            None => policy::is_off_limits(name.as_str()),
        };
        (shapes && !keyed.names(name)) || *name == TOKEN
    };
    let hidden: Vec<HeaderName> = headers.keys().filter(|name| is_hidden(name)).cloned().collect();
    for name in hidden {
        headers.remove(name);
    }
}

/// Puts the canonical query in place, and takes out scheme and authority: the host is in its field, and the scheme that a
/// client writes there is nobody's.
fn rewrite(uri: &mut Uri, query: Option<&str>) {
    let path = match query {
        Some(query) => Cow::Owned(format!("{}?{query}", uri.path())),
        None => Cow::Borrowed(uri.path()),
    };
    // The path was a valid one and the query is made of pieces of a valid one.
    let Ok(path_and_query) = PathAndQuery::try_from(path.as_ref()) else { return };
    let mut pieces = http::uri::Parts::default();
    pieces.path_and_query = Some(path_and_query);
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

pub(super) fn may_bypass(core: &Core, gate: BypassGate, headers: &HeaderMap) -> bool {
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
                .header("x_forwarded_prefix", "/evil")
                .header("x_forwarded_proto", "evil")
                .header("x-larder-token", "secret")
                .header("cookie", "c=1"),
        );
        show_only_keyed(&mut parts, &table, &rule, &Key::new(None, "/a", Some("a=1&b=2"), None));
        assert_eq!(parts.uri, "/a?a=1&b=2");
        assert_eq!(parts.headers["host"], "up.example");
        assert_eq!(parts.headers["x-forwarded-prefix"], "/v2");
        for gone in ["x-forwarded-host", "x_forwarded_prefix", "x_forwarded_proto"] {
            assert!(!parts.headers.contains_key(gone), "{gone}");
        }
        assert!(!parts.headers.contains_key("x-larder-token"));
        assert_eq!(parts.headers["cookie"], "c=1");
    }

    #[test]
    fn a_keyed_host_is_shown_as_it_is_keyed() {
        let rule = Rule::new("/a").unwrap().ttl(std::time::Duration::from_secs(1));
        let table = Table::builder().key_host().build().unwrap();
        for (target, host, shown) in [
            ("/a?b", "API.example", ("/a?b", "api.example")),
            ("http://API.example/a?b", "evil.example", ("/a?b", "api.example")),
            ("/a?b", "api.example", ("/a?b", "api.example")),
        ] {
            let mut parts = parts(Request::get(target).header("host", host));
            let keyed = host_of(&parts).unwrap().into_owned();
            show_only_keyed(&mut parts, &table, &rule, &Key::new(Some(&keyed), "/a", Some("b"), None));
            assert_eq!(
                (parts.uri.to_string().as_str(), parts.headers[HOST].to_str().unwrap()),
                shown,
                "{target} {host}"
            );
        }
    }
}

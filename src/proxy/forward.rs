//! What changes in a message between the client and the upstream (RFC 9110 §7.6). Everything else stays byte for byte.

use std::net::IpAddr;

use bytes::Bytes;
use http::header::{
    CONNECTION, CONTENT_LENGTH, COOKIE, EXPECT, HOST, HeaderMap, HeaderName, HeaderValue, TE, TRANSFER_ENCODING,
    UPGRADE, VIA,
};
use http::uri::{PathAndQuery, Scheme};
use http::{Extensions, Method, StatusCode, Uri, Version, request, response};

use super::config::{HostHeader, ProxyConfig, Upstream};
use super::network::Network;
use crate::outcome::CloseDelimited;
use crate::policy::{read_as, strip_hop_by_hop};

static X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
static X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// What holds for every request to one upstream.
#[derive(Debug)]
pub(super) struct Rules {
    upstream: Upstream,
    host: HostHeader,
    trusted: Vec<Network>,
    http2: bool,
}

/// What kind of exchange a request begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exchange {
    /// A request and its answer.
    Plain,
    /// The client asks for another protocol on its connection (RFC 9110 §7.8).
    Upgrade,
}

/// A request target that cannot be sent to an upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BadTarget;

impl Rules {
    pub(super) fn new(config: &ProxyConfig) -> Self {
        Self {
            upstream: config.upstream.clone(),
            host: if config.http2 { HostHeader::Upstream } else { config.host_header },
            trusted: config.trusted_proxies.clone(),
            http2: config.http2,
        }
    }

    /// Whether a peer's word about its client counts.
    pub(super) fn trusts(&self, peer: IpAddr) -> bool {
        self.trusted.iter().any(|network| network.contains(peer))
    }
}

/// Turns a client's request into the one that the upstream gets.
pub(super) fn request(
    parts: &mut request::Parts,
    has_body: bool,
    client: Option<IpAddr>,
    rules: &Rules,
) -> Result<Exchange, BadTarget> {
    let uri = target(&parts.uri, &rules.upstream)?;
    let exchange = exchange(parts, has_body, rules);
    let headers = &mut parts.headers;
    let (trailers, protocols) = (accepts_trailers(headers), headers.get(UPGRADE).cloned());
    strip_hop_by_hop(headers);
    match (exchange, protocols) {
        (Exchange::Upgrade, Some(protocols)) => {
            headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
            headers.insert(UPGRADE, protocols);
        }
        _ if trailers => {
            headers.insert(TE, HeaderValue::from_static("trailers"));
            if !rules.http2 {
                headers.insert(CONNECTION, HeaderValue::from_static("te"));
            }
        }
        _ => {}
    }
    join_cookies(headers, rules);
    frame(&parts.method, headers, has_body, rules);
    if parts.version == Version::HTTP_10 {
        // An expectation from HTTP/1.0 is none (RFC 9110 §10.1.1).
        headers.remove(EXPECT);
    }
    host(&parts.uri, headers, rules);
    headers.append(VIA, via(parts.version));
    forwarded(headers, client, rules);
    parts.uri = uri;
    parts.version = if rules.http2 { Version::HTTP_2 } else { Version::HTTP_11 };
    parts.extensions = Extensions::new();
    Ok(exchange)
}

/// Turns the upstream's response into the one that the client gets.
pub(super) fn response(parts: &mut response::Parts, method: &Method) {
    let chunked = parts.headers.contains_key(TRANSFER_ENCODING);
    let protocols = parts.headers.get(UPGRADE).cloned().filter(|_| parts.status == StatusCode::SWITCHING_PROTOCOLS);
    if is_close_delimited(parts, method) {
        parts.extensions.insert(CloseDelimited);
    }
    let headers = &mut parts.headers;
    strip_hop_by_hop(headers);
    if let Some(protocols) = protocols {
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(UPGRADE, protocols);
    }
    if chunked && *method != Method::HEAD {
        // The chunks are what counts (RFC 9112 §6.3); a length beside them is somebody's attempt at splitting messages.
        headers.remove(CONTENT_LENGTH);
    }
    headers.append(VIA, via(parts.version));
    parts.version = Version::HTTP_11;
}

/// The same path and query, byte for byte, at the upstream.
fn target(uri: &Uri, upstream: &Upstream) -> Result<Uri, BadTarget> {
    let path = uri.path_and_query().ok_or(BadTarget)?;
    let path = match (upstream.base.as_str(), path.as_str()) {
        ("", _) | (_, "*") => path.clone(),
        (base, path) => PathAndQuery::from_maybe_shared(Bytes::from([base, path].concat())).map_err(|_| BadTarget)?,
    };
    let mut parts = http::uri::Parts::default();
    parts.scheme = Some(Scheme::HTTP);
    parts.authority = Some(upstream.authority.clone());
    parts.path_and_query = Some(path);
    Uri::from_parts(parts).map_err(|_| BadTarget)
}

/// Only HTTP/1.1 can be upgraded, only when `Connection` says so too, and never to HTTP/2, which is no other protocol for
/// a proxy. A body before the switch is not worth its ambiguity: such a request goes on as an ordinary one.
fn exchange(parts: &request::Parts, has_body: bool, rules: &Rules) -> Exchange {
    let asked = parts.version == Version::HTTP_11
        && !has_body
        && !rules.http2
        && tokens(&parts.headers, &CONNECTION).any(|option| option.eq_ignore_ascii_case(b"upgrade"))
        && tokens(&parts.headers, &UPGRADE).next().is_some()
        && tokens(&parts.headers, &UPGRADE).all(|protocol| !protocol.eq_ignore_ascii_case(b"h2c"));
    if asked { Exchange::Upgrade } else { Exchange::Plain }
}

/// `TE: trailers` is the one transfer coding a proxy can promise for both sides (RFC 9110 §10.1.4).
fn accepts_trailers(headers: &HeaderMap) -> bool {
    headers.contains_key(TE) && tokens(headers, &TE).any(|coding| coding.eq_ignore_ascii_case(b"trailers"))
}

/// A body without a length is sent in chunks. The client connection does that by itself, except for the methods of
/// which it thinks that they never have a body: it would drop it.
fn frame(method: &Method, headers: &mut HeaderMap, has_body: bool, rules: &Rules) {
    let unlikely = matches!(*method, Method::GET | Method::HEAD);
    if unlikely && has_body && !rules.http2 && !headers.contains_key(CONTENT_LENGTH) {
        headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
}

/// HTTP/2 may cut `Cookie` into lines; over HTTP/1 it has one (RFC 9113 §8.2.3), and a server that joins lines with commas
/// would read other cookies than were keyed.
fn join_cookies(headers: &mut HeaderMap, rules: &Rules) {
    let lines: Vec<&[u8]> = headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if lines.len() > 1
        && !rules.http2
        && let Ok(line) = HeaderValue::from_bytes(&lines.join(&b"; "[..]))
    {
        headers.insert(COOKIE, line);
    }
}

fn host(uri: &Uri, headers: &mut HeaderMap, rules: &Rules) {
    let client = match (rules.host, uri.authority()) {
        (HostHeader::Upstream, _) => None,
        (HostHeader::Preserve, Some(authority)) => HeaderValue::from_str(authority.as_str()).ok(),
        (HostHeader::Preserve, None) => headers.get(HOST).cloned(),
    };
    headers.insert(HOST, client.unwrap_or_else(|| rules.upstream.host.clone()));
}

/// What a client says about where it comes from is believed only when a trusted proxy says it.
fn forwarded(headers: &mut HeaderMap, client: Option<IpAddr>, rules: &Rules) {
    if !client.is_some_and(|client| rules.trusts(client)) {
        headers.remove(&X_FORWARDED_FOR);
        headers.remove(&X_FORWARDED_PROTO);
    }
    drop_second_spellings(headers);
    if let Some(client) = client {
        let mut list = Vec::new();
        for line in headers.get_all(&X_FORWARDED_FOR) {
            list.extend_from_slice(line.as_bytes());
            list.extend_from_slice(b", ");
        }
        list.extend_from_slice(client.to_canonical().to_string().as_bytes());
        if let Ok(list) = HeaderValue::from_maybe_shared(Bytes::from(list)) {
            headers.insert(&X_FORWARDED_FOR, list);
        }
    }
    headers.entry(&X_FORWARDED_PROTO).or_insert(HeaderValue::from_static("http"));
}

/// `X_Forwarded_For` is `X-Forwarded-For` to a server that hands fields on as environment variables. No proxy writes it so.
fn drop_second_spellings(headers: &mut HeaderMap) {
    let is_one =
        |name: &&HeaderName| read_as(name).is_some_and(|read| X_FORWARDED_FOR == *read || X_FORWARDED_PROTO == *read);
    let names: Vec<HeaderName> = headers.keys().filter(is_one).cloned().collect();
    for name in names {
        headers.remove(name);
    }
}

/// The protocol is the one of the message as it was received (RFC 9110 §7.6.3).
pub(super) fn via(received: Version) -> HeaderValue {
    HeaderValue::from_static(match received {
        Version::HTTP_10 => "1.0 larder",
        Version::HTTP_2 => "2 larder",
        _ => "1.1 larder",
    })
}

/// RFC 9112 §6.3: neither chunks nor a length, on a message that may have a body.
fn is_close_delimited(parts: &response::Parts, method: &Method) -> bool {
    let bodiless = *method == Method::HEAD
        || parts.status.is_informational()
        || matches!(parts.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    let chunked = tokens(&parts.headers, &TRANSFER_ENCODING).last().is_some_and(|c| c.eq_ignore_ascii_case(b"chunked"));
    let coded = parts.headers.contains_key(TRANSFER_ENCODING);
    let sized = !coded && parts.headers.contains_key(CONTENT_LENGTH);
    parts.version < Version::HTTP_2 && !bodiless && !chunked && !sized
}

/// The members of a list field, over all its lines (RFC 9110 §5.6.1).
fn tokens<'h>(headers: &'h HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'h [u8]> {
    let lines = headers.get_all(name).into_iter();
    lines.flat_map(|line| line.as_bytes().split(|&b| b == b',')).map(<[u8]>::trim_ascii).filter(|t| !t.is_empty())
}

#[cfg(test)]
mod tests {
    use http::{Request, Response};

    use super::*;

    fn rules(upstream: &str) -> Rules {
        Rules::new(&ProxyConfig::new(upstream.parse().unwrap()).unwrap())
    }

    fn sent(request: http::request::Builder, has_body: bool, rules: &Rules) -> (request::Parts, Exchange) {
        let (mut parts, ()) = request.body(()).unwrap().into_parts();
        let exchange = super::request(&mut parts, has_body, Some("192.0.2.1".parse().unwrap()), rules).unwrap();
        (parts, exchange)
    }

    #[test]
    fn a_target_keeps_its_bytes_behind_the_upstreams_path() {
        for (upstream, target, sent_to) in [
            ("http://up:9", "/", "http://up:9/"),
            ("http://up", "/a%2f%2E%2e//b;c?d=%20&&e", "http://up/a%2f%2E%2e//b;c?d=%20&&e"),
            ("http://up/", "/a?", "http://up/a?"),
            ("http://up/v1", "/a", "http://up/v1/a"),
            ("http://up/v1/", "//a", "http://up/v1//a"),
            ("http://up/v1", "http://client/a?b", "http://up/v1/a?b"),
        ] {
            let (parts, _) = sent(Request::get(target), false, &rules(upstream));
            assert_eq!(parts.uri.to_string(), sent_to, "{target}");
            assert_eq!(parts.headers[HOST], parts.uri.authority().unwrap().as_str());
        }
    }

    #[test]
    fn an_upgrade_is_asked_for_in_two_fields_by_http_1_1_without_a_body() {
        for (version, connection, upgrade, has_body, exchange) in [
            (Version::HTTP_11, "Upgrade", "websocket", false, Exchange::Upgrade),
            (Version::HTTP_11, "keep-alive, upgrade", "a/1, b", false, Exchange::Upgrade),
            (Version::HTTP_11, "keep-alive", "websocket", false, Exchange::Plain),
            (Version::HTTP_11, "upgrade", "h2c", false, Exchange::Plain),
            (Version::HTTP_11, "upgrade", "websocket, H2C", false, Exchange::Plain),
            (Version::HTTP_11, "upgrade", "", false, Exchange::Plain),
            (Version::HTTP_11, "upgrade", "websocket", true, Exchange::Plain),
            (Version::HTTP_10, "upgrade", "websocket", false, Exchange::Plain),
        ] {
            let request = Request::get("/").version(version).header(CONNECTION, connection).header(UPGRADE, upgrade);
            let (parts, found) = sent(request, has_body, &rules("http://up"));
            assert_eq!(found, exchange, "{version:?} {connection} {upgrade} {has_body}");
            assert_eq!(parts.headers.contains_key(UPGRADE), exchange == Exchange::Upgrade);
        }
    }

    #[test]
    fn http_2_has_no_fields_of_a_connection() {
        let config = ProxyConfig::new("http://up".parse().unwrap()).unwrap().http2(true);
        let request = Request::get("/").header(TE, "trailers").header(CONNECTION, "upgrade").header(UPGRADE, "x");
        let (parts, exchange) = sent(request, true, &Rules::new(&config));
        assert_eq!((exchange, parts.version), (Exchange::Plain, Version::HTTP_2));
        assert_eq!(parts.headers[TE], "trailers");
        for field in [CONNECTION, UPGRADE, TRANSFER_ENCODING] {
            assert!(!parts.headers.contains_key(&field), "{field}");
        }
    }

    #[test]
    fn a_version_is_named_as_it_was_received() {
        for (version, name) in
            [(Version::HTTP_10, "1.0 larder"), (Version::HTTP_11, "1.1 larder"), (Version::HTTP_2, "2 larder")]
        {
            let (parts, _) = sent(Request::get("http://a/").version(version), false, &rules("http://up"));
            assert_eq!((&parts.headers[VIA], parts.version), (&HeaderValue::from_static(name), Version::HTTP_11));
        }
    }

    #[test]
    fn what_nobody_vouches_for_is_not_passed_on() {
        let request = Request::get("/").header(&X_FORWARDED_FOR, "203.0.113.7").header(&X_FORWARDED_PROTO, "https");
        let (mut parts, ()) = request.body(()).unwrap().into_parts();
        super::request(&mut parts, false, None, &rules("http://up")).unwrap();
        assert!(!parts.headers.contains_key(&X_FORWARDED_FOR));
        assert_eq!(parts.headers[&X_FORWARDED_PROTO], "http");
    }

    #[test]
    fn a_second_spelling_is_no_way_around_that() {
        let request = Request::get("/").header("x_forwarded-for", "203.0.113.7").header("x_forwarded_proto", "https");
        let (parts, _) = sent(request.header("x_other", "1"), false, &rules("http://up"));
        assert!(!parts.headers.contains_key("x_forwarded-for") && !parts.headers.contains_key("x_forwarded_proto"));
        assert!(parts.headers.contains_key("x_other"));
    }

    #[test]
    fn cookies_go_on_in_one_line_rfc_9113_8_2_3() {
        let (parts, _) =
            sent(Request::get("/").header(COOKIE, "a=1").header(COOKIE, "b=2"), false, &rules("http://up"));
        assert_eq!(parts.headers.get_all(COOKIE).iter().collect::<Vec<_>>(), ["a=1; b=2"]);
    }

    #[test]
    fn a_mapped_address_is_named_by_its_own_name() {
        let mut headers = HeaderMap::new();
        forwarded(&mut headers, Some("::ffff:192.0.2.1".parse().unwrap()), &rules("http://up"));
        assert_eq!(headers[&X_FORWARDED_FOR], "192.0.2.1");
    }

    #[test]
    fn only_a_body_without_length_and_chunks_ends_with_its_connection() {
        for (version, method, status, fields, close_delimited) in [
            (Version::HTTP_11, Method::GET, 200, &[][..], true),
            (Version::HTTP_10, Method::GET, 200, &[], true),
            (Version::HTTP_11, Method::GET, 200, &[("transfer-encoding", "gzip")], true),
            (Version::HTTP_11, Method::GET, 200, &[("transfer-encoding", "gzip"), ("content-length", "1")], true),
            (Version::HTTP_11, Method::GET, 200, &[("transfer-encoding", "gzip, Chunked")], false),
            (Version::HTTP_11, Method::GET, 200, &[("content-length", "1")], false),
            (Version::HTTP_2, Method::GET, 200, &[], false),
            (Version::HTTP_11, Method::HEAD, 200, &[], false),
            (Version::HTTP_11, Method::GET, 204, &[], false),
            (Version::HTTP_11, Method::GET, 304, &[], false),
        ] {
            let mut response = Response::builder().version(version).status(status);
            for (name, value) in fields {
                response = response.header(*name, *value);
            }
            let (mut parts, ()) = response.body(()).unwrap().into_parts();
            super::response(&mut parts, &method);
            let found = parts.extensions.get::<CloseDelimited>().is_some();
            assert_eq!(found, close_delimited, "{version:?} {method} {status} {fields:?}");
            assert!(!parts.headers.contains_key(TRANSFER_ENCODING));
        }
    }

    #[test]
    fn a_length_beside_chunks_does_not_count() {
        let response = Response::builder().header(TRANSFER_ENCODING, "chunked").header(CONTENT_LENGTH, "3");
        let (mut parts, ()) = response.body(()).unwrap().into_parts();
        super::response(&mut parts, &Method::GET);
        assert!(!parts.headers.contains_key(CONTENT_LENGTH));
    }
}

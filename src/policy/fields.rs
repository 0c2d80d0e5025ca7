//! Sets of header fields: those of one connection, those that announce a stream, those that no key covers.

use http::header::{
    ACCEPT_ENCODING, AUTHORIZATION, CACHE_CONTROL, CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE,
    CONTENT_TYPE, COOKIE, DATE, ETAG, EXPIRES, FORWARDED, HOST, HeaderMap, HeaderName, LAST_MODIFIED, ORIGIN, PRAGMA,
    PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, SET_COOKIE, TE, TRANSFER_ENCODING, UPGRADE, VARY, VIA,
};

/// Fields that belong to one connection (RFC 9110 §7.6.1, §11.7) whether or not `Connection` names them.
static HOP_BY_HOP: [HeaderName; 10] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    HeaderName::from_static("proxy-authentication-info"),
    HeaderName::from_static("http2-settings"),
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    TE,
    TRANSFER_ENCODING,
    UPGRADE,
];

/// Fields that `Connection` cannot take away: they are meant for every recipient, and a client that could remove
/// them would choose what the upstream, or the cache, gets to see.
static END_TO_END: [HeaderName; 23] = [
    ACCEPT_ENCODING,
    AUTHORIZATION,
    CACHE_CONTROL,
    CONTENT_ENCODING,
    CONTENT_LENGTH,
    CONTENT_RANGE,
    CONTENT_TYPE,
    COOKIE,
    DATE,
    ETAG,
    EXPIRES,
    FORWARDED,
    HOST,
    LAST_MODIFIED,
    ORIGIN,
    PRAGMA,
    SET_COOKIE,
    VARY,
    VIA,
    HeaderName::from_static("age"),
    HeaderName::from_static("cache-status"),
    HeaderName::from_static("cdn-cache-control"),
    HeaderName::from_static("x-real-ip"),
];

/// See [`is_off_limits`].
static OFF_LIMITS: [&str; 28] = [
    "cloudfront-forwarded-proto",
    "forwarded",
    "front-end-https",
    "x-envoy-original-path",
    "x-forwarded",
    "x-forwarded-context",
    "x-forwarded-host",
    "x-forwarded-path",
    "x-forwarded-port",
    "x-forwarded-prefix",
    "x-forwarded-protocol",
    "x-forwarded-scheme",
    "x-forwarded-server",
    "x-forwarded-ssl",
    "x-forwarded-uri",
    "x-host",
    "x-http-host-override",
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
    "x-original-host",
    "x-original-method",
    "x-original-uri",
    "x-original-url",
    "x-rewrite-url",
    "x-scheme",
    "x-script-name",
    "x-url-scheme",
];

/// Removes the fields of one connection, and those that `Connection` names (RFC 9110 §7.6.1).
pub fn strip_hop_by_hop(headers: &mut HeaderMap) {
    strip_nominated(headers);
    remove_all(headers, &HOP_BY_HOP);
}

/// Removes fields. Where none of them is there, as nearly always, it costs one pass over the names that are.
pub fn remove_all(headers: &mut HeaderMap, names: &[HeaderName]) {
    if headers.keys().any(|name| names.contains(name)) {
        for name in names {
            headers.remove(name);
        }
    }
}

/// Removes the fields that `Connection` names, and leaves the ones that are always of one connection.
///
/// Done before a request is keyed: a field that a route keys on must not be seen by the cache and hidden from the
/// upstream.
pub fn strip_nominated(headers: &mut HeaderMap) {
    if headers.contains_key(CONNECTION) {
        for name in nominated(headers) {
            headers.remove(name);
        }
    }
}

/// Whether a response is a stream that must not be collected.
pub fn is_stream(response: &HeaderMap) -> bool {
    let media_type = response.get(CONTENT_TYPE).map_or(&b""[..], |value| essence(value.as_bytes()));
    let grpc = media_type.get(..16).is_some_and(|head| head.eq_ignore_ascii_case(b"application/grpc"));
    grpc || media_type.eq_ignore_ascii_case(b"text/event-stream")
        || media_type.eq_ignore_ascii_case(b"multipart/x-mixed-replace")
        || response.get("x-accel-buffering").is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"no"))
}

/// Whether upstreams build answers from this request field although no key covers it: it tells them another name,
/// scheme, path or method. On a cached route it is forwarded only where the route keys on it.
pub fn is_off_limits(name: &str) -> bool {
    OFF_LIMITS.contains(&name)
}

/// The name that a server reads which hands fields on as environment variables (RFC 3875 §4.1.18): to it
/// `X_Forwarded_Host` is `X-Forwarded-Host`. `None` where the name has one reading.
pub fn read_as(name: &HeaderName) -> Option<String> {
    name.as_str().contains('_').then(|| name.as_str().replace('_', "-"))
}

/// A media type without its parameters.
pub(super) fn essence(content_type: &[u8]) -> &[u8] {
    content_type.split(|&b| b == b';').next().unwrap_or_default().trim_ascii()
}

/// The fields that `Connection` names and may take away.
fn nominated(headers: &HeaderMap) -> Vec<HeaderName> {
    let lines = headers.get_all(CONNECTION).iter();
    let options = lines.flat_map(|line| line.as_bytes().split(|&b| b == b','));
    let names = options.filter_map(|option| HeaderName::from_bytes(option.trim_ascii()).ok());
    let kept = |name: &HeaderName| END_TO_END.contains(name) || HOP_BY_HOP.contains(name);
    names.filter(|name| !kept(name) && !name.as_str().starts_with("x-forwarded-")).collect()
}

#[cfg(test)]
mod tests {
    use http::header::HeaderValue;

    use super::*;

    fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    fn left(fields: &[(&'static str, &'static str)]) -> Vec<String> {
        let mut headers = headers(fields);
        strip_hop_by_hop(&mut headers);
        headers.keys().map(ToString::to_string).collect()
    }

    #[test]
    fn fields_of_the_connection_rfc_9110_7_6_1() {
        let fields = [
            ("connection", "X-One ,, x-two"),
            ("connection", "x-three, not a name"),
            ("x-one", "1"),
            ("x-two", "1"),
            ("x-two", "2"),
            ("x-three", "1"),
            ("keep-alive", "1"),
            ("proxy-connection", "keep-alive"),
            ("te", "trailers"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "h2c"),
            ("http2-settings", "x"),
            ("proxy-authorization", "x"),
            ("x-kept", "1"),
        ];
        assert_eq!(left(&fields), ["x-kept"]);
        assert_eq!(left(&[("keep-alive", "1"), ("x-kept", "1")]), ["x-kept"]);
    }

    #[test]
    fn what_is_nominated_goes_before_a_request_is_keyed() {
        let mut request = headers(&[("connection", "x-tenant, upgrade"), ("upgrade", "websocket"), ("x-tenant", "7")]);
        strip_nominated(&mut request);
        assert!(!request.contains_key("x-tenant"));
        assert_eq!(request.len(), 2, "the upgrade is still to be seen");
    }

    #[test]
    fn nobody_nominates_away_what_is_meant_for_all() {
        for name in ["authorization", "cookie", "host", "x-forwarded-for", "x-forwarded-proto", "cache-control", "vary"]
        {
            assert_eq!(left(&[("connection", name), (name, "x")]), [name], "{name}");
        }
    }

    #[test]
    fn streams() {
        for (name, value, stream) in [
            ("content-type", "text/event-stream", true),
            ("content-type", "Text/Event-Stream; charset=utf-8", true),
            ("content-type", "application/grpc", true),
            ("content-type", "application/grpc+proto", true),
            ("content-type", "application/grpc-web+proto", true),
            ("content-type", "multipart/x-mixed-replace; boundary=x", true),
            ("x-accel-buffering", "no", true),
            ("x-accel-buffering", "yes", false),
            ("content-type", "application/json", false),
            ("content-type", "multipart/mixed", false),
            ("content-type", "", false),
        ] {
            assert_eq!(is_stream(&headers(&[(name, value)])), stream, "{name}: {value}");
        }
        assert!(!is_stream(&HeaderMap::new()));
    }

    #[test]
    fn no_key_covers_what_tells_an_upstream_another_name_or_method() {
        for name in ["forwarded", "x-forwarded-host", "x-forwarded-scheme", "x-http-method-override", "x-original-url"]
        {
            assert!(is_off_limits(name), "{name}");
        }
        for name in ["x-forwarded-for", "x-forwarded-proto", "x-forwarded-user", "cookie", "accept"] {
            assert!(!is_off_limits(name), "{name}");
        }
    }

    #[test]
    fn an_underscore_is_a_hyphen_to_some() {
        let read_as = |name| super::read_as(&HeaderName::from_static(name));
        assert_eq!(read_as("x_forwarded-host").as_deref(), Some("x-forwarded-host"));
        assert_eq!(read_as("x-forwarded-host"), None);
    }
}

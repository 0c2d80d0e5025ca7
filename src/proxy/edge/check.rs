//! The rules of the edge.

use http::{Method, Request, StatusCode};

use super::host::{HostName, host};

/// Which requests pass the edge.
#[derive(Clone, Debug, Default)]
pub struct EdgeRules {
    hosts: Vec<HostName>,
}

/// Why a request is turned away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EdgeError {
    /// `CONNECT` or `TRACE`.
    Method,
    /// The request target is neither a path, nor an absolute URL of this server, nor the `*` of `OPTIONS`.
    Target,
    /// The path holds a control character, raw or encoded, or a backslash.
    Path,
    /// An HTTP/1.1 request without `Host` (RFC 9112 §3.2).
    HostMissing,
    /// More than one `Host`.
    HostRepeated,
    /// A `Host` that is not a name or address with an optional port.
    HostInvalid,
    /// The request target names one host and `Host` another.
    HostMismatch,
    /// A `Host` that is not served here (RFC 9110 §15.5.20).
    HostUnknown,
}

impl EdgeRules {
    /// Serves these names only. All, if there are none.
    #[must_use]
    pub fn hosts(mut self, hosts: Vec<HostName>) -> Self {
        self.hosts = hosts;
        self
    }
}

impl EdgeError {
    /// The status of the answer.
    pub const fn status(self) -> StatusCode {
        match self {
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::HostUnknown => StatusCode::MISDIRECTED_REQUEST,
            _ => StatusCode::BAD_REQUEST,
        }
    }

    /// The token that stands in the answer and in the log.
    pub const fn token(self) -> &'static str {
        self.words().0
    }

    /// One sentence for a person.
    pub const fn sentence(self) -> &'static str {
        self.words().1
    }

    const fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Method => ("method", "CONNECT and TRACE are not served."),
            Self::Target => ("target", "The request target is not a path on this server."),
            Self::Path => ("path", "The path holds a control character or a backslash."),
            Self::HostMissing => ("host-missing", "A request needs a Host."),
            Self::HostRepeated => ("host-repeated", "A request has one Host."),
            Self::HostInvalid => ("host-invalid", "The Host is not a name or an address with an optional port."),
            Self::HostMismatch => ("host-mismatch", "The request target names another host than Host does."),
            Self::HostUnknown => ("host-unknown", "This host is not served here."),
        }
    }
}

/// Whether a request may go on.
///
/// # Errors
/// The first reason why it may not.
pub fn check<B>(request: &Request<B>, rules: &EdgeRules) -> Result<(), EdgeError> {
    check_line(request)?;
    check_host(request, rules)
}

/// The method and the target of a request.
pub(super) fn check_line<B>(request: &Request<B>) -> Result<(), EdgeError> {
    if matches!(*request.method(), Method::CONNECT | Method::TRACE) {
        return Err(EdgeError::Method);
    }
    check_target(request)
}

/// The host that a request is addressed to.
pub(super) fn check_host<B>(request: &Request<B>, rules: &EdgeRules) -> Result<(), EdgeError> {
    let host = host(request)?;
    match (host, rules.hosts.as_slice()) {
        (_, []) => Ok(()),
        (Some((name, port)), hosts) if hosts.iter().any(|host| host.serves(name, port)) => Ok(()),
        _ => Err(EdgeError::HostUnknown),
    }
}

/// RFC 9112 §3.2: origin-form, absolute-form, or the asterisk of `OPTIONS`.
fn check_target<B>(request: &Request<B>) -> Result<(), EdgeError> {
    let (uri, path) = (request.uri(), request.uri().path());
    let served = match uri.scheme_str() {
        Some(scheme) => matches!(scheme, "http" | "https"),
        // An authority without a scheme is the target of a CONNECT.
        None => uri.authority().is_none(),
    };
    let form = path.starts_with('/') || (path == "*" && *request.method() == Method::OPTIONS);
    if !served || !form {
        return Err(EdgeError::Target);
    }
    if is_clean(path.as_bytes()) { Ok(()) } else { Err(EdgeError::Path) }
}

/// No control characters, raw or encoded, and no backslash: parsers disagree about what they mean.
fn is_clean(path: &[u8]) -> bool {
    path.iter().enumerate().all(|(at, byte)| match byte {
        0..0x20 | 0x7f | b'\\' => false,
        b'%' => !matches!(path.get(at + 1..at + 3), Some([b'0' | b'1', digit] | [b'7', digit @ (b'f' | b'F')])
            if digit.is_ascii_hexdigit()),
        _ => true,
    })
}

#[cfg(test)]
mod tests {
    use http::{Uri, Version};

    use super::*;

    fn checked(method: &str, target: &str, hosts: &[&str]) -> Result<(), EdgeError> {
        let mut request = Request::builder().method(method).uri(target.parse::<Uri>().unwrap());
        for host in hosts {
            request = request.header("host", *host);
        }
        check(&request.body(()).unwrap(), &EdgeRules::default())
    }

    #[test]
    fn a_target_is_a_path_or_a_url_of_this_server() {
        for (method, target, verdict) in [
            ("GET", "/", Ok(())),
            ("GET", "//evil/x", Ok(())),
            ("GET", "http://a/x?y", Ok(())),
            ("GET", "https://a", Ok(())),
            ("OPTIONS", "*", Ok(())),
            ("GET", "*", Err(EdgeError::Target)),
            ("GET", "a", Err(EdgeError::Target)),
            ("GET", "a:80", Err(EdgeError::Target)),
            ("GET", "ftp://a/", Err(EdgeError::Target)),
            ("GET", "http://b/", Err(EdgeError::HostMismatch)),
            ("GET", "http://u@a/", Err(EdgeError::HostInvalid)),
            ("CONNECT", "a:80", Err(EdgeError::Method)),
            ("TRACE", "/", Err(EdgeError::Method)),
        ] {
            assert_eq!(checked(method, target, &["a"]), verdict, "{method} {target}");
        }
    }

    #[test]
    fn paths_hold_no_control_characters_and_no_backslash() {
        for (path, clean) in [
            ("/a%20b", true),
            ("/%7e%7E%2f%5c", true),
            ("/%", true),
            ("/%0", true),
            ("/%zz%1", true),
            ("/%0g", true),
            ("/a%80", true),
            ("/\u{e9}", true),
            ("/%00", false),
            ("/a%0a", false),
            ("/a%0D%0A", false),
            ("/a%1Fb", false),
            ("/%7f", false),
            ("/%7F", false),
            ("/a\\b", false),
            ("/\u{7f}", false),
            ("/\0", false),
        ] {
            assert_eq!(is_clean(path.as_bytes()), clean, "{path}");
        }
    }

    #[test]
    fn a_query_may_hold_what_it_encodes() {
        assert_eq!(checked("GET", "/?text=a%0d%0ab", &["a"]), Ok(()));
    }

    #[test]
    fn http_1_1_has_one_host_and_http_1_0_may_have_none() {
        for (version, hosts, verdict) in [
            (Version::HTTP_11, &["a"][..], Ok(())),
            (Version::HTTP_11, &[], Err(EdgeError::HostMissing)),
            (Version::HTTP_10, &[], Ok(())),
            (Version::HTTP_2, &[], Err(EdgeError::HostMissing)),
            (Version::HTTP_11, &["a", "b"], Err(EdgeError::HostRepeated)),
            (Version::HTTP_11, &["a", "a"], Err(EdgeError::HostRepeated)),
            (Version::HTTP_11, &[""], Err(EdgeError::HostInvalid)),
            (Version::HTTP_11, &["a,b"], Err(EdgeError::HostInvalid)),
        ] {
            let mut request = Request::builder().uri("/").version(version);
            for host in hosts {
                request = request.header("host", *host);
            }
            let request = request.body(()).unwrap();
            assert_eq!(check(&request, &EdgeRules::default()), verdict, "{version:?} {hosts:?}");
        }
    }

    #[test]
    fn http_2_names_the_host_in_its_authority() {
        let request = Request::builder().uri("http://a/").version(Version::HTTP_2);
        assert_eq!(check(&request.body(()).unwrap(), &EdgeRules::default()), Ok(()));
        let rules = EdgeRules::default().hosts(vec![HostName::parse("b").unwrap()]);
        let request = Request::builder().uri("http://a/").version(Version::HTTP_2);
        assert_eq!(check(&request.body(()).unwrap(), &rules), Err(EdgeError::HostUnknown));
    }

    #[test]
    fn a_request_without_a_host_is_for_none_of_the_hosts_named() {
        let rules = EdgeRules::default().hosts(vec![HostName::parse("b").unwrap()]);
        let request = Request::builder().uri("/").version(Version::HTTP_10).body(()).unwrap();
        assert_eq!(check(&request, &rules), Err(EdgeError::HostUnknown));
    }
}

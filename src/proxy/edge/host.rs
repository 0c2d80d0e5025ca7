//! The host that a request is addressed to.

use http::header::HOST;
use http::{Request, Uri, Version};

use super::check::EdgeError;

/// A name that requests may be addressed to. A port counts only if it is part of the name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostName {
    name: Box<str>,
    port: Option<u16>,
}

impl HostName {
    /// Reads `api.example.com` or `api.example.com:8080`.
    ///
    /// # Errors
    /// [`EdgeError::HostInvalid`] when the text could not be a `Host`.
    pub fn parse(text: &str) -> Result<Self, EdgeError> {
        let (name, port) = split_host(text.as_bytes()).ok_or(EdgeError::HostInvalid)?;
        Ok(Self { name: name.to_ascii_lowercase().into(), port })
    }

    pub(super) fn serves(&self, name: &str, port: Option<u16>) -> bool {
        self.port.is_none_or(|own| own == port.unwrap_or(80)) && self.name.eq_ignore_ascii_case(name)
    }
}

/// The host a request is addressed to. Only HTTP/1.0 may leave it out.
pub(super) fn host<B>(request: &Request<B>) -> Result<Option<(&str, Option<u16>)>, EdgeError> {
    let mut lines = request.headers().get_all(HOST).iter();
    let (line, second) = (lines.next(), lines.next());
    if second.is_some() {
        return Err(EdgeError::HostRepeated);
    }
    let host = match line {
        Some(line) => Some(split_host(line.as_bytes()).ok_or(EdgeError::HostInvalid)?),
        None => None,
    };
    let named = match request.uri().authority() {
        Some(authority) => Some(split_host(authority.as_str().as_bytes()).ok_or(EdgeError::HostInvalid)?),
        None => None,
    };
    match (host, named) {
        (Some(host), Some(named)) if is_same(host, named, request.uri()) => Ok(Some(named)),
        (Some(_), Some(_)) => Err(EdgeError::HostMismatch),
        // HTTP/2 says in `:authority` what HTTP/1.1 says in `Host` (RFC 9113 §8.3.1).
        (None, Some(named)) if request.version() != Version::HTTP_11 => Ok(Some(named)),
        (None, _) if request.version() != Version::HTTP_10 => Err(EdgeError::HostMissing),
        (host, _) => Ok(host),
    }
}

fn is_same(a: (&str, Option<u16>), b: (&str, Option<u16>), uri: &Uri) -> bool {
    let default = if uri.scheme_str() == Some("https") { 443 } else { 80 };
    a.0.eq_ignore_ascii_case(b.0) && a.1.unwrap_or(default) == b.1.unwrap_or(default)
}

/// A name, or an address in brackets, and the port behind it.
fn split_host(host: &[u8]) -> Option<(&str, Option<u16>)> {
    let host = std::str::from_utf8(host).ok()?;
    let end = match host.strip_prefix('[') {
        Some(address) => address.find(']')? + 2,
        None => host.find(':').unwrap_or(host.len()),
    };
    let (name, port) = host.split_at_checked(end)?;
    let is_name = |name: &str| name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~".contains(&b));
    let is_address = |address: &str| address.bytes().all(|b| b.is_ascii_hexdigit() || b":.".contains(&b));
    let valid = match name.strip_prefix('[') {
        Some(address) => is_address(address.strip_suffix(']')?) && address.len() > 1,
        None => is_name(name) && !name.is_empty(),
    };
    let port = match port.strip_prefix(':') {
        Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => Some(digits.parse().ok()?),
        Some(_) => return None,
        None if port.is_empty() => None,
        None => return None,
    };
    valid.then_some((name, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_a_name_or_an_address_and_perhaps_a_port() {
        for (text, split) in [
            ("a", Some(("a", None))),
            ("Api_1.example~x-y:80", Some(("Api_1.example~x-y", Some(80)))),
            ("127.0.0.1:9", Some(("127.0.0.1", Some(9)))),
            ("[::1]", Some(("[::1]", None))),
            ("[::ffff:1.2.3.4]:80", Some(("[::ffff:1.2.3.4]", Some(80)))),
            ("", None),
            (":80", None),
            ("a:", None),
            ("a:b", None),
            ("a:80:80", None),
            ("a:65536", None),
            ("a:+1", None),
            ("a b", None),
            ("a,b", None),
            ("u@a", None),
            ("a/b", None),
            ("a?b", None),
            ("a#b", None),
            ("a\\b", None),
            ("[", None),
            ("[]", None),
            ("[::1", None),
            ("[::1]x", None),
            ("[x]", None),
            ("::1", None),
            ("\u{e9}", None),
        ] {
            assert_eq!(split_host(text.as_bytes()), split, "{text}");
        }
        assert_eq!(split_host(b"\xff"), None);
    }

    #[test]
    fn a_port_counts_only_if_it_is_named() {
        for (own, name, port, serves) in [
            ("Api.example", "api.EXAMPLE", None, true),
            ("api.example", "api.example", Some(1), true),
            ("api.example:81", "api.example", Some(81), true),
            ("api.example:81", "api.example", None, false),
            ("api.example:80", "api.example", None, true),
            ("api.example", "example", None, false),
        ] {
            assert_eq!(HostName::parse(own).unwrap().serves(name, port), serves, "{own} {name} {port:?}");
        }
    }

    #[test]
    fn a_default_port_may_be_left_out() {
        let http: Uri = "http://a/".parse().unwrap();
        let https: Uri = "https://a/".parse().unwrap();
        assert!(is_same(("a", None), ("A", Some(80)), &http));
        assert!(is_same(("a", Some(443)), ("a", None), &https));
        assert!(!is_same(("a", Some(80)), ("a", None), &https));
    }
}

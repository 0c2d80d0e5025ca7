//! Addresses: where to listen, the upstream, hosts.

use std::net::{Ipv4Addr, SocketAddr};

use http::Uri;
use http::uri::Authority;

use super::scalar::Fault;

/// An address to listen on: `127.0.0.1:8080`, `[::1]:8080`.
pub(super) fn listen(text: &str) -> Result<SocketAddr, Fault> {
    let meant = || {
        let (host, port) = text.rsplit_once(':').unwrap_or(("", text));
        let port: u16 = port.parse().ok()?;
        match host {
            "" | "localhost" => Some(SocketAddr::from((Ipv4Addr::LOCALHOST, port)).to_string()),
            "*" => Some(SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)).to_string()),
            _ => None,
        }
    };
    text.parse().map_err(|_| {
        Fault::new("is not an address to listen on", "write an IP address and a port: 127.0.0.1:8080").meaning(meant())
    })
}

/// `http://host:port`, with a base path if need be.
pub(super) fn upstream(text: &str) -> Result<Uri, Fault> {
    let fault = |problem: &str| Fault::new(problem, "write http://host:port, as in http://127.0.0.1:9000");
    if text.to_ascii_lowercase().starts_with("https://") {
        return Err(Fault::new("is an https upstream, which is not supported yet", "use http:// for now"));
    }
    if !text.contains("://") {
        let meant = format!("http://{text}");
        return Err(fault("is not a URL").meaning(upstream(&meant).is_ok().then_some(meant)));
    }
    let uri: Uri = text.parse().map_err(|_| fault("is not a URL"))?;
    let authority = uri.authority().ok_or_else(|| fault("names no host"))?;
    if uri.scheme_str() != Some("http") {
        return Err(fault("is not an http URL"));
    }
    if text.contains(['?', '#']) {
        return Err(fault("has a query or a fragment, which an upstream has not"));
    }
    if authority.as_str().contains('@') {
        return Err(fault("holds a user name, which is not sent"));
    }
    if authority.host().is_empty() || !has_port_if_any(authority) {
        return Err(fault("names no host, or a port that is none"));
    }
    Ok(uri)
}

/// A host as clients name it, lower case: `api.example.com`, with a port if that counts.
pub(super) fn host(text: &str) -> Result<String, Fault> {
    let fault = || Fault::new("is not a host name", "write a name as in `api.example.com`, with `:port` if it counts");
    if let Some((_, rest)) = text.split_once("://") {
        let name = rest.split('/').next().unwrap_or_default();
        return Err(fault().meaning(host(name).ok()));
    }
    let authority: Authority = text.parse().map_err(|_| fault())?;
    if text.contains(['@', '*', '/']) || authority.host().is_empty() || !has_port_if_any(&authority) {
        return Err(fault());
    }
    Ok(text.to_ascii_lowercase())
}

/// `http` takes `host:` and `host:99999` for authorities.
fn has_port_if_any(authority: &Authority) -> bool {
    let after_host = authority.as_str().rsplit(']').next().unwrap_or_default();
    !after_host.contains(':') || authority.port_u16().is_some_and(|port| port > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listening_takes_an_ip_address_and_a_port() {
        assert_eq!(listen("[::1]:80").unwrap().to_string(), "[::1]:80");
        for (text, meant) in [
            (":8080", Some("127.0.0.1:8080")),
            ("8080", Some("127.0.0.1:8080")),
            ("localhost:80", Some("127.0.0.1:80")),
            ("*:80", Some("0.0.0.0:80")),
            ("127.0.0.1", None),
            ("127.0.0.1:99999", None),
            ("example.com:80", None),
        ] {
            assert_eq!(listen(text).unwrap_err().meant.as_deref(), meant, "{text}");
        }
    }

    #[test]
    fn an_upstream_is_an_http_url() {
        for good in ["http://127.0.0.1:9000", "http://api", "http://[::1]:80/base/", "HTTP://api:80"] {
            assert!(upstream(good).is_ok(), "{good}");
        }
        for (bad, problem) in [
            ("https://api", "is an https upstream, which is not supported yet"),
            ("ftp://api", "is not an http URL"),
            ("http://", "is not a URL"),
            ("http://api?x=1", "has a query or a fragment, which an upstream has not"),
            ("http://api#x", "has a query or a fragment, which an upstream has not"),
            ("http://a:b@api", "holds a user name, which is not sent"),
            ("http://api:99999", "names no host, or a port that is none"),
            ("http://api:", "names no host, or a port that is none"),
            ("api:9000", "is not a URL"),
            ("", "is not a URL"),
        ] {
            assert_eq!(upstream(bad).unwrap_err().problem, problem, "{bad}");
        }
        assert_eq!(upstream("api:9000").unwrap_err().meant.as_deref(), Some("http://api:9000"));
    }

    #[test]
    fn hosts_are_names() {
        assert_eq!(host("API.example.com:8080").unwrap(), "api.example.com:8080");
        assert_eq!(host("[::1]:80").unwrap(), "[::1]:80");
        for bad in ["", "*.example.com", "a b", "a/b", "user@host", "host:", "host:0"] {
            assert!(host(bad).is_err(), "{bad}");
        }
        assert_eq!(host("https://a.example/x").unwrap_err().meant.as_deref(), Some("a.example"));
    }
}

//! Where the upstream is and how it is spoken to.

use std::time::Duration;

use http::Uri;
use http::header::HeaderValue;
use http::uri::{Authority, Scheme};

use super::network::Network;

/// How a [`Proxy`](super::Proxy) reaches its upstream.
#[derive(Clone, Debug)]
pub struct ProxyConfig {
    pub(super) upstream: Upstream,
    pub(super) host_header: HostHeader,
    pub(super) trusted_proxies: Vec<Network>,
    pub(super) connect_timeout: Duration,
    pub(super) response_timeout: Duration,
    pub(super) continue_timeout: Duration,
    pub(super) idle_timeout: Duration,
    pub(super) max_idle: usize,
    pub(super) http2: bool,
}

/// Which `Host` the upstream sees.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HostHeader {
    /// Its own authority.
    #[default]
    Upstream,
    /// The client's.
    Preserve,
}

/// The parts of the upstream's URL.
#[derive(Clone, Debug)]
pub(super) struct Upstream {
    pub(super) authority: Authority,
    pub(super) host: HeaderValue,
    /// The path that every forwarded path is put behind; empty, or beginning with a slash and not ending with one.
    pub(super) base: String,
}

/// Why a URL cannot be an upstream.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UpstreamError {
    /// Only `http` is spoken.
    #[error("an upstream begins with http://")]
    Scheme,
    /// There is no host in it, or a user name.
    #[error("an upstream names a host, and no user")]
    Authority,
    /// It has a query.
    #[error("an upstream has no query")]
    Query,
}

impl ProxyConfig {
    /// An upstream at this URL. A path in it is put before the path of every request.
    ///
    /// # Errors
    /// [`UpstreamError`] when the URL is not an absolute `http` URL without user and query.
    #[expect(clippy::needless_pass_by_value, reason = "a URL is taken apart")]
    pub fn new(upstream: Uri) -> Result<Self, UpstreamError> {
        Ok(Self {
            upstream: Upstream::parse(&upstream)?,
            host_header: HostHeader::default(),
            trusted_proxies: Vec::new(),
            connect_timeout: Duration::from_secs(1),
            response_timeout: Duration::from_secs(30),
            continue_timeout: Duration::from_secs(1),
            idle_timeout: Duration::from_secs(4),
            max_idle: 256,
            http2: false,
        })
    }

    /// Which `Host` the upstream sees. Its own.
    ///
    /// Over HTTP/2 the upstream always sees its own, which is what the connection was opened for.
    #[must_use]
    pub fn host_header(mut self, host: HostHeader) -> Self {
        self.host_header = host;
        self
    }

    /// The peers whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed. None.
    #[must_use]
    pub fn trusted_proxies(mut self, networks: Vec<Network>) -> Self {
        self.trusted_proxies = networks;
        self
    }

    /// How long looking up the upstream's name and connecting to it may take together. 1 s.
    #[must_use]
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// How long the upstream may take to send the head of its answer; while a request's body is moving, the time begins
    /// anew. 30 s.
    #[must_use]
    pub fn response_timeout(mut self, timeout: Duration) -> Self {
        self.response_timeout = timeout;
        self
    }

    /// How long the upstream may take to ask for a body whose client waits to be asked (`Expect: 100-continue`); then it
    /// is sent unasked. 1 s.
    #[must_use]
    pub fn continue_timeout(mut self, timeout: Duration) -> Self {
        self.continue_timeout = timeout;
        self
    }

    /// How long an idle connection is kept. 4 s: common API servers close theirs after 5, and a connection closed by
    /// the other side just as it is used loses a request that may not be repeated.
    #[must_use]
    pub fn idle_timeout(mut self, timeout: Duration) -> Self {
        self.idle_timeout = timeout;
        self
    }

    /// How many idle connections are kept. 256.
    #[must_use]
    pub fn max_idle(mut self, connections: usize) -> Self {
        self.max_idle = connections;
        self
    }

    /// Speaks HTTP/2 to the upstream without asking (RFC 9113 §3.3). Off.
    #[must_use]
    pub fn http2(mut self, on: bool) -> Self {
        self.http2 = on;
        self
    }

    /// The upstream's own authority as a `Host` field.
    pub fn upstream_host(&self) -> &HeaderValue {
        &self.upstream.host
    }
}

impl Upstream {
    fn parse(url: &Uri) -> Result<Self, UpstreamError> {
        if url.scheme() != Some(&Scheme::HTTP) {
            return Err(UpstreamError::Scheme);
        }
        let authority = url.authority().filter(|authority| !authority.as_str().contains('@'));
        let authority = authority.ok_or(UpstreamError::Authority)?.clone();
        if authority.host().is_empty() {
            return Err(UpstreamError::Authority);
        }
        if url.query().is_some() {
            return Err(UpstreamError::Query);
        }
        let host = HeaderValue::from_str(authority.as_str()).map_err(|_| UpstreamError::Authority)?;
        Ok(Self { authority, host, base: url.path().trim_end_matches('/').to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upstream_is_a_plain_http_url() {
        for (url, base) in
            [("http://api", ""), ("http://api:9000/", ""), ("http://[::1]:9000/v1", "/v1"), ("http://api/v1/", "/v1")]
        {
            assert_eq!(ProxyConfig::new(url.parse().unwrap()).unwrap().upstream.base, base, "{url}");
        }
    }

    #[test]
    fn other_urls_are_refused() {
        for (url, error) in [
            ("https://api", UpstreamError::Scheme),
            ("/path", UpstreamError::Scheme),
            ("ftp://api", UpstreamError::Scheme),
            ("http://user:pw@api", UpstreamError::Authority),
            ("http://api/?a=1", UpstreamError::Query),
        ] {
            assert_eq!(ProxyConfig::new(url.parse().unwrap()).unwrap_err(), error, "{url}");
        }
    }
}

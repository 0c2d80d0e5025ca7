//! What is turned away before a cache or an upstream sees it, and the one form in which the rest goes on.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::header::{ALLOW, HOST, HeaderValue};
use http::{Method, Request, Response, StatusCode, Uri, Version, request};
use http_body::{Frame, SizeHint};
use pin_project_lite::pin_project;
use tower_service::Service;

use super::answer::answer;
use crate::policy::strip_nominated;

/// Which requests pass the edge.
#[derive(Clone, Debug, Default)]
pub struct EdgeRules {
    hosts: Vec<HostName>,
}

/// A name that requests may be addressed to. A port counts only if it is part of the name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostName {
    name: Box<str>,
    port: Option<u16>,
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

/// Turns requests away at the edge and hands the others on in one form: origin-form target, one `Host`, no field that
/// `Connection` would take away further on.
#[derive(Clone, Debug)]
pub struct Edge<S> {
    inner: S,
    rules: Arc<EdgeRules>,
}

impl EdgeRules {
    /// Serves these names only. All, if there are none.
    #[must_use]
    pub fn hosts(mut self, hosts: Vec<HostName>) -> Self {
        self.hosts = hosts;
        self
    }
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

    fn serves(&self, name: &str, port: Option<u16>) -> bool {
        self.port.is_none_or(|own| own == port.unwrap_or(80)) && self.name.eq_ignore_ascii_case(name)
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
pub fn check(parts: &request::Parts, rules: &EdgeRules) -> Result<(), EdgeError> {
    if matches!(parts.method, Method::CONNECT | Method::TRACE) {
        return Err(EdgeError::Method);
    }
    check_target(parts)?;
    let host = host(parts)?;
    match (host, rules.hosts.as_slice()) {
        (_, []) => Ok(()),
        (Some((name, port)), hosts) if hosts.iter().any(|host| host.serves(name, port)) => Ok(()),
        _ => Err(EdgeError::HostUnknown),
    }
}

/// RFC 9112 §3.2: origin-form, absolute-form, or the asterisk of `OPTIONS`.
fn check_target(parts: &request::Parts) -> Result<(), EdgeError> {
    let (uri, path) = (&parts.uri, parts.uri.path());
    let served = match uri.scheme_str() {
        Some(scheme) => matches!(scheme, "http" | "https"),
        // An authority without a scheme is the target of a CONNECT.
        None => uri.authority().is_none(),
    };
    let form = path.starts_with('/') || (path == "*" && parts.method == Method::OPTIONS);
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

/// The host a request is addressed to. Only HTTP/1.0 may leave it out.
fn host(parts: &request::Parts) -> Result<Option<(&str, Option<u16>)>, EdgeError> {
    let mut lines = parts.headers.get_all(HOST).iter();
    let (line, second) = (lines.next(), lines.next());
    if second.is_some() {
        return Err(EdgeError::HostRepeated);
    }
    let host = match line {
        Some(line) => Some(split_host(line.as_bytes()).ok_or(EdgeError::HostInvalid)?),
        None => None,
    };
    let named = match parts.uri.authority() {
        Some(authority) => Some(split_host(authority.as_str().as_bytes()).ok_or(EdgeError::HostInvalid)?),
        None => None,
    };
    match (host, named) {
        (Some(host), Some(named)) if is_same(host, named, &parts.uri) => Ok(Some(named)),
        (Some(_), Some(_)) => Err(EdgeError::HostMismatch),
        // HTTP/2 says in `:authority` what HTTP/1.1 says in `Host` (RFC 9113 §8.3.1).
        (None, Some(named)) if parts.version != Version::HTTP_11 => Ok(Some(named)),
        (None, _) if parts.version != Version::HTTP_10 => Err(EdgeError::HostMissing),
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

/// Brings a request that passed into the form in which it is keyed and forwarded.
fn settle(parts: &mut request::Parts) {
    strip_nominated(&mut parts.headers);
    let Some(authority) = parts.uri.authority() else { return };
    if let Ok(host) = HeaderValue::from_str(authority.as_str()) {
        parts.headers.insert(HOST, host);
    }
    let path = parts.uri.path_and_query().cloned();
    let mut origin = http::uri::Parts::default();
    origin.path_and_query = path;
    if let Ok(origin) = Uri::from_parts(origin) {
        parts.uri = origin;
    }
}

impl<S> Edge<S> {
    /// Stands before a service.
    pub fn new(inner: S, rules: EdgeRules) -> Self {
        Self { inner, rules: Arc::new(rules) }
    }
}

impl<S, B, R> Service<Request<B>> for Edge<S>
where
    S: Service<Request<B>, Response = Response<R>>,
{
    type Response = Response<EdgeBody<R>>;
    type Error = S::Error;
    type Future = EdgeFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let (mut parts, body) = request.into_parts();
        match check(&parts, &self.rules) {
            Ok(()) => {
                settle(&mut parts);
                EdgeFuture::passed(self.inner.call(Request::from_parts(parts, body)))
            }
            Err(error) => EdgeFuture::turned_away(error),
        }
    }
}

pin_project! {
    /// The answer to a request that came to the edge.
    #[derive(Debug)]
    pub struct EdgeFuture<F> {
        #[pin]
        state: Passage<F>,
    }
}

pin_project! {
    #[derive(Debug)]
    #[project = PassageProjection]
    enum Passage<F> {
        Passed { #[pin] inner: F },
        TurnedAway { why: EdgeError },
    }
}

pin_project! {
    /// The body of an answer: the inner service's, or the edge's own.
    #[derive(Debug)]
    pub struct EdgeBody<B> {
        #[pin]
        inner: Option<B>,
        own: Option<Bytes>,
    }
}

impl<F> EdgeFuture<F> {
    fn passed(inner: F) -> Self {
        Self { state: Passage::Passed { inner } }
    }

    fn turned_away(why: EdgeError) -> Self {
        Self { state: Passage::TurnedAway { why } }
    }
}

impl<F, R, E> Future for EdgeFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
{
    type Output = Result<Response<EdgeBody<R>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            PassageProjection::Passed { inner } => {
                let response = ready!(inner.poll(cx))?;
                Poll::Ready(Ok(response.map(|body| EdgeBody { inner: Some(body), own: None })))
            }
            PassageProjection::TurnedAway { why } => {
                let own = |words| EdgeBody { inner: None, own: Some(words) };
                let mut response = answer(why.status(), why.token(), why.sentence(), own);
                if *why == EdgeError::Method {
                    let methods = HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");
                    response.headers_mut().insert(ALLOW, methods);
                }
                Poll::Ready(Ok(response))
            }
        }
    }
}

impl<B: http_body::Body<Data = Bytes>> http_body::Body for EdgeBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = self.project();
        match this.inner.as_pin_mut() {
            Some(inner) => inner.poll_frame(cx),
            None => Poll::Ready(this.own.take().map(|words| Ok(Frame::data(words)))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.inner {
            Some(inner) => inner.is_end_stream(),
            None => self.own.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.inner {
            Some(inner) => inner.size_hint(),
            None => SizeHint::with_exact(self.own.as_ref().map_or(0, |words| words.len() as u64)),
        }
    }
}

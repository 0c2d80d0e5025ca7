//! The edge as a service around another.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::header::{ALLOW, CONNECTION, HOST, HeaderValue};
use http::{Request, Response, Uri};
use http_body::{Frame, SizeHint};
use pin_project_lite::pin_project;
use tower_service::Service;

use super::check::{EdgeError, EdgeRules, check, check_host, check_line};
use crate::policy::strip_nominated;
use crate::proxy::answer::answer;

/// Turns requests away at the edge and hands the others on in one form: origin-form target, one `Host`, no field that
/// `Connection` would take away further on.
#[derive(Clone, Debug)]
pub struct Edge<S> {
    inner: S,
    rules: Arc<EdgeRules>,
    /// The `Host` that passed last. A connection names one host as a rule, and it is read once.
    passed: Option<HeaderValue>,
}

/// Brings a request that passed into the form in which it is keyed and forwarded.
fn settle<B>(request: &mut Request<B>) {
    strip_nominated(request.headers_mut());
    let Some(authority) = request.uri().authority() else { return };
    let host = HeaderValue::from_str(authority.as_str());
    let mut origin = http::uri::Parts::default();
    origin.path_and_query = request.uri().path_and_query().cloned();
    if let Ok(host) = host {
        request.headers_mut().insert(HOST, host);
    }
    if let Ok(origin) = Uri::from_parts(origin) {
        *request.uri_mut() = origin;
    }
}

/// Brings a request into the form in which it goes on.
///
/// # Errors
/// The first reason why it does not.
pub fn pass<B>(request: &mut Request<B>, rules: &EdgeRules) -> Result<(), EdgeError> {
    check(request, rules)?;
    settle(request);
    Ok(())
}

impl<S> Edge<S> {
    /// Stands before a service.
    pub fn new(inner: S, rules: impl Into<Arc<EdgeRules>>) -> Self {
        Self { inner, rules: rules.into(), passed: None }
    }

    fn check<B>(&mut self, request: &Request<B>) -> Result<(), EdgeError> {
        check_line(request)?;
        let host = only_host(request);
        if host.is_none() || host != self.passed.as_ref() {
            check_host(request, &self.rules)?;
            // A copy: the field itself would keep the connection's read buffer.
            self.passed = host.and_then(|host| HeaderValue::from_bytes(host.as_bytes()).ok());
        }
        Ok(())
    }
}

impl<S, B, R> Service<Request<B>> for Edge<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    R: http_body::Body,
{
    type Response = Response<EdgeBody<R>>;
    type Error = S::Error;
    type Future = EdgeFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        match self.check(&request) {
            Ok(()) => {
                settle(&mut request);
                EdgeFuture::passed(self.inner.call(request))
            }
            Err(error) => EdgeFuture::turned_away(error),
        }
    }
}

/// The one `Host` of a request whose target names none.
fn only_host<B>(request: &Request<B>) -> Option<&HeaderValue> {
    let mut lines = request.headers().get_all(HOST).iter();
    let host = lines.next()?;
    (lines.next().is_none() && request.uri().authority().is_none()).then_some(host)
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
    pub struct EdgeBody<B: http_body::Body> {
        #[pin]
        inner: Option<B>,
        own: Option<Bytes>,
        broken: Option<B::Error>,
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
    R: http_body::Body,
{
    type Output = Result<Response<EdgeBody<R>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            PassageProjection::Passed { inner } => {
                let response = ready!(inner.poll(cx))?;
                Poll::Ready(Ok(response.map(|body| EdgeBody { inner: Some(body), own: None, broken: None })))
            }
            PassageProjection::TurnedAway { why } => {
                let own = |words| EdgeBody { inner: None, own: Some(words), broken: None };
                let mut response = answer(why.status(), why.token(), why.sentence(), own);
                if *why == EdgeError::Method {
                    let methods = HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");
                    response.headers_mut().insert(ALLOW, methods);
                }
                if *why == EdgeError::TransferCoding {
                    // Where this request ends, and the next one begins, is what nobody agrees about (RFC 9112 §11.2).
                    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
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
        if let Some(error) = this.broken.take() {
            return Poll::Ready(Some(Err(error)));
        }
        match this.inner.as_pin_mut() {
            Some(inner) => match ready!(inner.poll_frame(cx)) {
                // The connection drops what it has not sent when a body fails. It sends when a body makes it wait, so the
                // client gets the head and what came before the break.
                Some(Err(error)) => {
                    *this.broken = Some(error);
                    cx.waker().wake_by_ref();
                    Poll::Pending
                }
                frame => Poll::Ready(frame),
            },
            None => Poll::Ready(this.own.take().map(|words| Ok(Frame::data(words)))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.inner {
            Some(inner) => self.broken.is_none() && inner.is_end_stream(),
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

impl<B: http_body::Body> fmt::Debug for EdgeBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.inner.is_some() { "EdgeBody(passed)" } else { "EdgeBody(own)" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proxy::HostName;

    #[test]
    fn a_host_that_passed_says_nothing_of_the_next() {
        let rules = EdgeRules::default().hosts(vec![HostName::parse("a").unwrap()]);
        let mut edge = Edge::new((), rules);
        for (target, hosts, verdict) in [
            ("/", &["a"][..], Ok(())),
            ("/", &["a"], Ok(())),
            ("/", &["a", "a"], Err(EdgeError::HostRepeated)),
            ("/", &["b"], Err(EdgeError::HostUnknown)),
            ("/", &["a"], Ok(())),
            ("http://b/", &["a"], Err(EdgeError::HostMismatch)),
            ("/", &[], Err(EdgeError::HostMissing)),
            ("/a\\", &["a"], Err(EdgeError::Path)),
        ] {
            let request =
                hosts.iter().fold(Request::builder().uri(target), |request, host| request.header(HOST, *host));
            assert_eq!(edge.check(&request.body(()).unwrap()), verdict, "{target} {hosts:?}");
        }
    }

    #[test]
    fn what_passes_goes_on_in_one_form() {
        for (target, host, path) in
            [("/a?b", "A:1", "/a?b"), ("http://a:1/a?b", "a:1", "/a?b"), ("http://a", "a", "/"), ("*", "a", "*")]
        {
            let mut request = Request::builder().uri(target).header("connection", "x-mine, upgrade");
            if !target.starts_with("http") {
                request = request.header("host", host);
            }
            let mut request = request.header("x-mine", "1").header("upgrade", "websocket").body(()).unwrap();
            settle(&mut request);
            let headers = request.headers();
            assert_eq!((request.uri().to_string().as_str(), headers[HOST].to_str().unwrap()), (path, host));
            assert!(!headers.contains_key("x-mine") && headers.contains_key("upgrade"), "{target}");
        }
    }
}

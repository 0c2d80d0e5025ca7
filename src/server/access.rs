//! The access log: one event for each request, when the last byte of its answer has left or the client has.
//!
//! Where nobody wants the log this layer is not there, so that a hit pays nothing for it.

use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Buf;
use http::header::{AGE, HOST, HeaderMap};
use http::{Method, Request, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tokio::time::Instant;
use tower_service::Service;

use crate::cache::Cache;
use crate::proxy::ClientAddr;

mod verdict;

use verdict::Verdict;

/// Logs what a service answers.
#[derive(Clone, Debug)]
pub(super) struct AccessLog<S> {
    inner: S,
    cache: Cache,
    client: ClientAddr,
}

/// What is known of a request so far. Dropping it writes the line: every answer ends in a drop, however it ends.
#[derive(Debug)]
struct Line {
    began: Instant,
    client: SocketAddr,
    method: Method,
    host: Option<String>,
    path: String,
    route: Option<String>,
    status: Option<StatusCode>,
    verdict: Verdict,
    age: Option<u64>,
    bytes: u64,
}

/// Whether anybody listens to the access log.
pub(super) fn is_wanted() -> bool {
    tracing::enabled!(target: "larder::access", tracing::Level::INFO)
}

impl<S> AccessLog<S> {
    pub(super) fn new(inner: S, cache: Cache, client: ClientAddr) -> Self {
        Self { inner, cache, client }
    }
}

impl<S, B, R> Service<Request<B>> for AccessLog<S>
where
    S: Service<Request<B>, Response = Response<R>>,
{
    type Response = Response<Logged<R>>;
    type Error = S::Error;
    type Future = Logging<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let line = Line::of(&request, &self.cache, self.client);
        Logging { answer: self.inner.call(request), line: Some(line) }
    }
}

pin_project! {
    /// An answer on its way.
    pub(super) struct Logging<F> {
        #[pin]
        answer: F,
        line: Option<Line>,
    }
}

pin_project! {
    /// A body whose bytes are counted.
    pub(super) struct Logged<B> {
        #[pin]
        inner: B,
        line: Option<Line>,
    }
}

impl<F, R, E> Future for Logging<F>
where
    F: Future<Output = Result<Response<R>, E>>,
{
    type Output = Result<Response<Logged<R>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let response = ready!(this.answer.poll(cx))?;
        let mut line = this.line.take();
        if let Some(line) = &mut line {
            line.answered(response.status(), response.headers());
        }
        Poll::Ready(Ok(response.map(|inner| Logged { inner, line })))
    }
}

impl<B: Body> Body for Logged<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let this = self.project();
        let frame = ready!(this.inner.poll_frame(cx));
        if let (Some(line), Some(Ok(frame))) = (this.line, &frame) {
            line.bytes += frame.data_ref().map_or(0, Buf::remaining) as u64;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl Line {
    fn of<B>(request: &Request<B>, cache: &Cache, ClientAddr(client): ClientAddr) -> Self {
        let path = request.uri().path();
        let table = cache.table();
        let named = request.headers().get(HOST).and_then(|host| host.to_str().ok());
        Self {
            began: Instant::now(),
            client,
            method: request.method().clone(),
            host: request.uri().authority().map(|authority| authority.as_str()).or(named).map(str::to_owned),
            // Without the query: that is where clients put what nobody should read in a log.
            path: path.to_owned(),
            route: table.find(path).map(|matched| matched.rule().pattern().as_str().to_owned()),
            status: None,
            verdict: Verdict::default(),
            age: None,
            bytes: 0,
        }
    }

    fn answered(&mut self, status: StatusCode, headers: &HeaderMap) {
        self.status = Some(status);
        self.verdict = Verdict::of(headers);
        self.age = headers.get(AGE).and_then(|age| age.to_str().ok()?.parse().ok());
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        let Self { client, method, host, path, route, status, verdict, age, bytes, began } = self;
        tracing::info!(
            target: "larder::access",
            client = %client,
            method = method.as_str(),
            host = host.as_deref(),
            path = path.as_str(),
            route = route.as_deref(),
            status = status.map(|status| status.as_u16()),
            cache = verdict.word,
            detail = verdict.detail.as_deref(),
            ttl = verdict.ttl,
            age,
            coalesced = verdict.collapsed,
            bytes,
            dur_ms = began.elapsed().as_secs_f64() * 1000.0,
        );
    }
}

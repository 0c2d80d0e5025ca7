//! The proxy as a service: one request to the upstream, and at most one more.

use std::convert::Infallible;
use std::fmt;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, Version, request};
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tower_service::Service;

use super::answer::answer;
use super::body::{Body, BoxError, Progress, Upload};
use super::coding;
use super::config::ProxyConfig;
use super::connect::{Connector, Used};
use super::drain::Guard;
use super::expect::{self, Latch, Opener};
use super::fault::Failure;
use super::forward::{self, BadTarget, Exchange, Rules};
use super::listen::ClientAddr;
use super::outbox::Interim;
use super::tunnel;
use crate::outcome::Reason;

/// Sends requests to an upstream. Clones share its connections.
///
/// A clone made [for a client](Proxy::for_client) tells the upstream that client's address. The proxy never fails: what
/// keeps the upstream from answering becomes a `502` or `504` that says why, with a
/// [`Fault`](crate::outcome::Fault) among its extensions.
#[derive(Clone)]
pub struct Proxy {
    inner: Arc<Inner>,
    client: Option<IpAddr>,
}

struct Inner {
    client: Client<Connector, Upload>,
    /// Keeps no connections: what failed on an idle one is not tried on another idle one.
    fresh: Client<Connector, Upload>,
    rules: Rules,
    response_timeout: Duration,
    continue_timeout: Duration,
}

/// An answer of the upstream, and what keeps an unread request behind it.
struct Answered {
    response: Response<Incoming>,
    latch: Option<Latch>,
}

/// The answer to a request, on its way. Dropping it abandons the request.
#[must_use = "futures do nothing unless polled"]
pub struct ResponseFuture(Pin<Box<dyn Future<Output = Response<Body>> + Send>>);

/// The head of a request that may be sent twice.
struct Repeatable(request::Parts);

impl Proxy {
    /// A proxy to the configured upstream. No connection is opened before the first request.
    pub fn new(config: ProxyConfig) -> Self {
        let connector = Connector::new(config.connect_timeout);
        let client = |max_idle: usize| {
            Client::builder(TokioExecutor::new())
                .timer(TokioTimer::new())
                .pool_timer(TokioTimer::new())
                .pool_idle_timeout(config.idle_timeout)
                .pool_max_idle_per_host(max_idle)
                .http2_only(config.http2)
                .retry_canceled_requests(true)
                .set_host(false)
                .build(connector.clone())
        };
        let inner = Inner {
            client: client(config.max_idle),
            fresh: client(0),
            rules: Rules::new(&config),
            response_timeout: config.response_timeout,
            continue_timeout: config.continue_timeout,
        };
        Self { inner: Arc::new(inner), client: None }
    }

    /// A clone for the requests of one client's connection.
    #[must_use]
    pub fn for_client(&self, ClientAddr(client): ClientAddr) -> Self {
        Self { inner: Arc::clone(&self.inner), client: Some(client.ip()) }
    }

    /// Whether this client's `X-Forwarded-For` and `X-Forwarded-Proto` are believed.
    pub fn trusts(&self, ClientAddr(client): ClientAddr) -> bool {
        self.inner.rules.trusts(client.ip())
    }
}

impl<B> Service<Request<B>> for Proxy
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = ResponseFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<B>) -> ResponseFuture {
        let (inner, client) = (Arc::clone(&self.inner), self.client);
        let interim = Interim::of(request.body_mut());
        let request = request.map(Upload::new);
        ResponseFuture(Box::pin(async move { inner.forward(request, client, interim).await }))
    }
}

impl Inner {
    async fn forward(
        &self,
        request: Request<Upload>,
        client: Option<IpAddr>,
        interim: Option<Interim>,
    ) -> Response<Body> {
        let (mut parts, body) = request.into_parts();
        let (upgrade, guard) = (parts.extensions.remove::<OnUpgrade>(), parts.extensions.remove::<Guard>());
        let exchange = match forward::request(&mut parts, !body.is_empty(), client, &self.rules) {
            Ok(exchange) => exchange,
            Err(BadTarget) => {
                let detail = "The request target is not a path.";
                return answer(StatusCode::BAD_REQUEST, "bad-target", detail, Body::own);
            }
        };
        let method = parts.method.clone();
        let answered = match self.send(parts, body, interim).await {
            Ok(answered) => answered,
            Err(failure) => return failure.answer(),
        };
        match (answered.response.status(), exchange, upgrade) {
            (StatusCode::SWITCHING_PROTOCOLS, Exchange::Upgrade, Some(client)) => {
                switch(answered.response, client, guard)
            }
            // A switch that nobody asked for: what follows on that connection is not HTTP.
            (StatusCode::SWITCHING_PROTOCOLS, _, _) => Failure::Upstream(Reason::UpstreamGarbage).answer(),
            (status, _, _) if coding::is_foreign(answered.response.headers(), status, &method) => {
                Failure::Upstream(Reason::UpstreamCoding).answer()
            }
            _ => plain(answered, &method),
        }
    }

    /// Sends a request, and once more on a fresh connection when an idle one turned out dead and nothing can have
    /// happened because of it (RFC 9110 §9.2.2).
    async fn send(&self, parts: request::Parts, body: Upload, interim: Option<Interim>) -> Result<Answered, Failure> {
        let again = Repeatable::of(&parts, &body);
        match (self.attempt(&self.client, Request::from_parts(parts, body), interim.clone()).await, again) {
            (Err(Failure::Idle), Some(Repeatable(parts))) => {
                self.attempt(&self.fresh, Request::from_parts(parts, Upload::Empty), interim).await
            }
            (outcome, _) => outcome,
        }
    }

    async fn attempt(
        &self,
        client: &Client<Connector, Upload>,
        mut request: Request<Upload>,
        interim: Option<Interim>,
    ) -> Result<Answered, Failure> {
        let progress = request.body().progress();
        let latch = self.listen(&mut request, interim);
        let answered = within(self.response_timeout, progress, client.request(request));
        let mut response = match answered.await {
            Some(Ok(response)) => response,
            Some(Err(error)) => {
                tracing::debug!(?error, "no answer from the upstream");
                return Err(Failure::of(&error));
            }
            None => return Err(Failure::Upstream(Reason::UpstreamTimeout)),
        };
        if let Some(used) = Used::take(response.extensions_mut()) {
            used.mark();
        }
        Ok(Answered { response, latch })
    }

    /// Listens to what the upstream says before its answer: it is for the client, except for the `100` that asks for a
    /// body which is kept back until then. HTTP/2 does not tell of interim answers.
    fn listen(&self, request: &mut Request<Upload>, interim: Option<Interim>) -> Option<Latch> {
        if request.version() != Version::HTTP_11 {
            return None;
        }
        let opener = expect::is_expected(request.headers()).then(|| {
            let (gate, opener) = expect::gate(self.continue_timeout);
            request.body_mut().put_behind(gate);
            opener
        });
        let latch = opener.as_ref().map(Opener::latch);
        if opener.is_some() || interim.is_some() {
            hyper::ext::on_informational(request, move |response| {
                let status = response.status();
                if let Some(opener) = &opener {
                    opener.heard(status);
                }
                if let Some(interim) = &interim {
                    interim.pass(status, response.version(), response.headers());
                }
            });
        }
        latch
    }
}

/// Waits for an answer. The time begins anew as long as the request's body moves.
async fn within<T>(timeout: Duration, progress: Option<Progress>, answer: impl Future<Output = T>) -> Option<T> {
    let mut answer = std::pin::pin!(answer);
    let mut seen = 0;
    loop {
        match (tokio::time::timeout(timeout, answer.as_mut()).await, &progress) {
            (Ok(answer), _) => return Some(answer),
            (Err(_), Some(progress)) if progress.frames() > seen => seen = progress.frames(),
            (Err(_), _) => return None,
        }
    }
}

fn plain(answered: Answered, method: &Method) -> Response<Body> {
    let (mut parts, body) = answered.response.into_parts();
    forward::response(&mut parts, method);
    Response::from_parts(parts, Body::upstream(body, answered.latch))
}

fn switch(mut response: Response<Incoming>, client: OnUpgrade, guard: Option<Guard>) -> Response<Body> {
    tunnel::join(client, hyper::upgrade::on(&mut response), guard);
    let (mut parts, _) = response.into_parts();
    forward::response(&mut parts, &Method::GET);
    Response::from_parts(parts, Body::empty())
}

impl Repeatable {
    fn of(parts: &request::Parts, body: &Upload) -> Option<Self> {
        let repeatable = matches!(parts.method, Method::GET | Method::HEAD | Method::OPTIONS) && body.is_empty();
        repeatable.then(|| Self(parts.clone()))
    }
}

impl Future for ResponseFuture {
    type Output = Result<Response<Body>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll(cx).map(Ok)
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy").field("rules", &self.inner.rules).finish_non_exhaustive()
    }
}

impl fmt::Debug for ResponseFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ResponseFuture")
    }
}

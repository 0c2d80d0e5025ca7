//! The middleware as a tower service.
//!
//! Invariant: readiness is used once. This service is always ready; the inner one is cloned as it is, and the clone is
//! made ready by whoever calls it. So a hit is served while the inner service is not ready.
//!
//! Invariant: a memory hit is synchronous. It is answered inside `call`, and the future only carries it.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, request};
use http_body::Body as HttpBody;
use tower::ServiceExt as _;
use tower_layer::Layer;
use tower_service::Service;

use super::ResponseBody;
use super::ask::{self, Ask, Wanted};
use super::body::Body;
use super::clear;
use super::content::{Content, Maker};
use super::flow::Flow;
use super::handle::Core;
use super::keyed::ForwardedProto;
use super::query::Query;
use super::refresh::wants_refresh;
use super::respond::{self, Reply as Answer, Signs};
use crate::clock::Timestamp;
use crate::entry::Entry;
use crate::outcome::{Fault, Forward, Outcome, Reason};
use crate::policy::{self, Lookup, Reuse};
use crate::route::{Table, TargetError};
use crate::store::{Found, Reply, StoreError};

/// Wraps services in a cache. Made by [`Cache::layer`](super::Cache::layer).
#[derive(Clone, Debug)]
pub struct CacheLayer {
    pub(super) core: Arc<Core>,
    pub(super) proto: ForwardedProto,
    pub(super) maker: Option<Maker>,
}

/// A service behind a cache.
#[derive(Clone, Debug)]
pub struct CacheService<S> {
    core: Arc<Core>,
    proto: ForwardedProto,
    inner: S,
    maker: Option<Maker>,
}

impl CacheLayer {
    /// Answers QUERY from the cache too, on the routes that say so (`query_method`): the content of such a request is
    /// collected to be keyed, and its body is made again of it. `B` is the body of requests, such as axum's `Body`.
    ///
    /// Without this every QUERY is passed on.
    #[must_use]
    pub fn with_query<B: From<Bytes> + 'static>(mut self) -> Self {
        self.maker = Some(Maker::of::<B>());
        self
    }
}

impl CacheLayer {
    /// What the service behind it takes from `X-Forwarded-Proto`. [`ForwardedProto::Shown`].
    #[must_use]
    pub fn forwarded_proto(mut self, proto: ForwardedProto) -> Self {
        self.proto = proto;
        self
    }
}

impl<S> Layer<S> for CacheLayer {
    type Service = CacheService<S>;

    fn layer(&self, inner: S) -> CacheService<S> {
        CacheService { core: self.core.clone(), proto: self.proto, maker: self.maker, inner }
    }
}

type Answered<RB, E> = Result<Response<Body<RB, E>>, E>;

/// The answer of a [`CacheService`]. Dropping it abandons the request; a fetch that others share goes on, and a write
/// that was sent is finished so that what it changed is cleared.
pub struct ResponseFuture<RB, E> {
    state: State<RB, E>,
}

/// Small, because it is moved about for every hit.
enum State<RB, E> {
    Ready(Option<Response<Body<RB, E>>>),
    Later(Pin<Box<dyn Future<Output = Answered<RB, E>> + Send>>),
}

impl<S, B, RB> Service<Request<B>> for CacheService<S>
where
    S: Service<Request<B>, Response = Response<RB>> + Clone + Send + Sync + 'static,
    S::Future: Send,
    S::Error: Send + 'static,
    B: HttpBody + Default + Send + 'static,
    RB: ResponseBody,
{
    type Response = Response<Body<RB, S::Error>>;
    type Error = S::Error;
    type Future = ResponseFuture<RB, S::Error>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let (mut parts, body) = request.into_parts();
        let table = self.core.table.load();
        let signs = Signs::of(&table);
        let state = match ask::examine(&self.core, &table, self.proto, &parts, body.is_end_stream()) {
            Ask::Lookup(wanted, lookup) => {
                let found = self.look(&mut parts, &table, &wanted);
                match self.hit(&parts, signs, &wanted, &lookup, &found) {
                    Some((answer, now)) => {
                        if let Some(entry) = found.entry()
                            && wants_refresh(&self.core, wanted.rule, &lookup, entry, now)
                        {
                            self.flow(parts, &table, wanted, lookup, signs).refresh(entry, true);
                        }
                        State::Ready(Some(answer))
                    }
                    None => {
                        let flow = self.flow(parts, &table, wanted, lookup, signs);
                        State::Later(Box::pin(flow.answer(body, found)))
                    }
                }
            }
            Ask::Write => {
                let write = clear::Write::new(self.core.clone(), Arc::clone(&table), signs, self.proto, &parts);
                let request = Request::from_parts(parts, body);
                State::Later(Box::pin(write.send(self.inner.clone(), request)))
            }
            Ask::Bypass(wanted, reason) => {
                self.core.stats.bypass(reason);
                ask::show_only_keyed(&mut parts, &table, wanted.rule, &wanted.key);
                self.pass(Request::from_parts(parts, body), signs, Outcome::bypass(reason))
            }
            Ask::Pass(Some(reason)) => {
                self.core.stats.reason(reason);
                self.pass(Request::from_parts(parts, body), signs, Outcome::bypass(reason))
            }
            Ask::Pass(None) => self.pass(Request::from_parts(parts, body), signs, Outcome::forwarded(Forward::Method)),
            Ask::Content(most) => match self.maker.and_then(Maker::for_body) {
                Some(make) if body.size_hint().upper().is_some_and(|length| length <= most) => {
                    let (core, table, inner, proto) =
                        (self.core.clone(), Arc::clone(&table), self.inner.clone(), self.proto);
                    State::Later(Box::pin(Query { core, table, inner, signs, proto, make, most }.answer(parts, body)))
                }
                _ => {
                    self.core.stats.reason(Reason::QueryContent);
                    self.pass(Request::from_parts(parts, body), signs, Outcome::bypass(Reason::QueryContent))
                }
            },
            Ask::Refuse(error) => State::Ready(Some(refuse_path(&self.core, signs, &error))),
        };
        ResponseFuture { state }
    }
}

impl<S> CacheService<S> {
    /// The slow way for a request, which shows the upstream only what is keyed.
    fn flow<B>(
        &self,
        mut parts: request::Parts,
        table: &Table,
        wanted: Wanted<'_>,
        lookup: Lookup,
        signs: Signs,
    ) -> Flow<S, B>
    where
        S: Clone,
        B: Default,
    {
        ask::show_only_keyed(&mut parts, table, wanted.rule, &wanted.key);
        let (core, inner, rule) = (self.core.clone(), self.inner.clone(), wanted.rule.clone());
        Flow { core, inner, rule, key: wanted.key, lookup, parts: Arc::new(parts), signs, content: Content::none() }
    }

    /// Reads the record, and its variant where the key has several and memory holds them.
    fn look(&self, parts: &mut request::Parts, table: &Table, wanted: &Wanted<'_>) -> Looked {
        let record = self.core.store.get(&wanted.key);
        match record {
            Reply::Now(Ok(Found::Varied(names))) => {
                ask::show_only_keyed(parts, table, wanted.rule, &wanted.key);
                let variant = policy::variant_id(&names, &parts.headers);
                Looked { found: self.core.store.get_variant(&wanted.key, &variant), varied: true }
            }
            found => Looked { found, varied: false },
        }
    }

    /// The answer of a fresh stored response that is in memory, and the instant of it.
    fn hit<RB: ResponseBody, E: Send + 'static>(
        &self,
        parts: &request::Parts,
        signs: Signs,
        wanted: &Wanted<'_>,
        lookup: &Lookup,
        looked: &Looked,
    ) -> Option<(Response<Body<RB, E>>, Timestamp)> {
        let entry = looked.entry()?;
        let now = self.core.clock.now();
        if policy::reuse(lookup, entry.meta(), now) != Reuse::Serve {
            return None;
        }
        let outcome = Outcome::hit(entry.meta().ttl_secs(now));
        self.core.stats.lookup(&wanted.key, wanted.rule.category_name(), &outcome, now);
        let head = parts.method == Method::HEAD;
        let answer = Answer { request: &parts.headers, head, plain: lookup.plain, signs, key: &wanted.key, now };
        Some((answer.with_entry(entry, &outcome), now))
    }

    /// Sends a request on for itself alone.
    fn pass<B, RB>(&self, request: Request<B>, signs: Signs, outcome: Outcome) -> State<RB, S::Error>
    where
        S: Service<Request<B>, Response = Response<RB>, Future: Send, Error: Send + 'static> + Clone + Send + 'static,
        B: Send + 'static,
        RB: ResponseBody,
    {
        let answer = self.inner.clone().oneshot(request);
        State::Later(Box::pin(async move { answer.await.map(|response| own(response, signs, outcome)) }))
    }
}

/// What the store said at first.
pub(super) struct Looked {
    pub(super) found: Reply<Result<Found, StoreError>>,
    /// The record has variants and `found` is about the one for this request.
    pub(super) varied: bool,
}

impl Looked {
    fn entry(&self) -> Option<&Arc<Entry>> {
        match &self.found {
            Reply::Now(Ok(Found::Entry(entry))) => Some(entry),
            _ => None,
        }
    }
}

/// The answer to a request whose path others may read otherwise.
pub(super) fn refuse_path<RB: ResponseBody, E: Send + 'static>(
    core: &Core,
    signs: Signs,
    error: &TargetError,
) -> Response<Body<RB, E>> {
    let reason = Reason::BadPath;
    core.stats.reason(reason);
    let mut answer = respond::refusal(StatusCode::BAD_REQUEST, &error.to_string(), reason);
    let outcome = Outcome { detail: Some(reason), ..Outcome::refused() };
    signs.write(answer.headers_mut(), &outcome, None);
    answer
}

/// An answer that the inner service gave to one request alone.
pub(super) fn own<RB: ResponseBody, E: Send + 'static>(
    response: Response<RB>,
    signs: Signs,
    mut outcome: Outcome,
) -> Response<Body<RB, E>> {
    let (mut parts, body) = response.into_parts();
    if let Some(Fault(reason)) = parts.extensions.get::<Fault>() {
        outcome.detail = Some(*reason);
    }
    if !parts.status.is_informational() {
        signs.write(&mut parts.headers, &outcome, None);
    }
    Response::from_parts(parts, Body::own(body))
}

impl<RB: ResponseBody, E: Send + 'static> Future for ResponseFuture<RB, E> {
    type Output = Answered<RB, E>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.state {
            State::Ready(answer) => answer.take().map_or(Poll::Pending, |answer| Poll::Ready(Ok(answer))),
            State::Later(answer) => answer.as_mut().poll(cx),
        }
    }
}

impl<RB, E> fmt::Debug for ResponseFuture<RB, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ResponseFuture")
    }
}

/// Nothing in it is pinned but what is boxed.
impl<RB, E> Unpin for ResponseFuture<RB, E> {}

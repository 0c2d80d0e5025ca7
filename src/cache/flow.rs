//! The slow way of a lookup: the store that must be waited for, the flight that is led or joined.

use std::pin::pin;
use std::sync::Arc;

use http::header::RANGE;
use http::{Method, Request, Response, StatusCode, request};
use http_body::Body as HttpBody;
use tokio::time::Sleep;
use tower::ServiceExt as _;
use tower_service::Service;

use super::ResponseBody;
use super::body::Body;
use super::content::Content;
use super::fetch::Errand;
use super::fill::{Fill, Landed, Reader};
use super::flight::{Base, Boarding};
use super::handle::Core;
use super::join::Joined;
use super::landings;
use super::lease;
use super::refresh::wants_refresh;
use super::respond::{self, Signs};
use super::service::{Looked, own};
use super::way::{Circumstances, Way, way};
use crate::clock::Timestamp;
use crate::entry::Entry;
use crate::invalidation::Tag;
use crate::key::Key;
use crate::outcome::{Forward, Outcome, Reason};
use crate::policy::{self, Lookup, Reuse};
use crate::route::{Coalesce, Rule};
use crate::store::{Found, Labels, Reply, StoreError};

/// One lookup that memory could not answer at once.
pub(super) struct Flow<S, B> {
    pub(super) core: Arc<Core>,
    pub(super) inner: S,
    pub(super) rule: Arc<Rule>,
    pub(super) key: Key,
    pub(super) lookup: Lookup,
    pub(super) parts: Arc<request::Parts>,
    pub(super) signs: Signs,
    /// The content of a QUERY, to be sent more than once.
    pub(super) content: Content<B>,
}

/// What the store had for a request.
pub(super) enum Stock {
    Entry(Arc<Entry>),
    Nothing(Forward),
    Failure(Reason),
}

/// Why a request is about to be fetched.
pub(super) struct Cause {
    pub(super) outcome: Outcome,
    pub(super) stale: Option<Arc<Entry>>,
    /// The store is in memory: it is worth asking again once this request leads.
    pub(super) near: bool,
    /// What is called stale is fresh still, and refreshed before its end.
    pub(super) ahead: bool,
    /// The flights that had landed when the store was asked.
    pub(super) landed: landings::Landed,
}

impl<S, B, RB> Flow<S, B>
where
    S: Service<Request<B>, Response = Response<RB>> + Clone + Send + Sync + 'static,
    S::Future: Send,
    S::Error: Send + 'static,
    B: HttpBody + Default + Send + 'static,
    RB: ResponseBody,
{
    pub(super) async fn answer(self, body: B, looked: Looked) -> Result<Response<Body<RB, S::Error>>, S::Error> {
        let near = matches!(looked.found, Reply::Now(_));
        // Nothing is sent to a store that must be waited for before it is waited for.
        let landed = self.core.flights.landed(&self.key);
        let (outcome, stale) = match self.stock(looked).await {
            Stock::Entry(entry) => {
                let now = self.core.clock.now();
                match policy::reuse(&self.lookup, entry.meta(), now) {
                    Reuse::Serve => {
                        if wants_refresh(&self.core, &self.rule, &self.lookup, &entry, now) {
                            self.refresh(&entry, true);
                        }
                        return Ok(self.serve(entry, None, now));
                    }
                    Reuse::ServeStale(reason) => {
                        // A client that takes what is stale of its own accord causes no request.
                        if reason == Reason::StaleWhileRevalidate {
                            self.refresh(&entry, false);
                        }
                        return Ok(self.serve(entry, Some(reason), now));
                    }
                    // RFC 9211 §2.2 tells a fresh response that this request cannot have from a stale one.
                    Reuse::Validate(reason @ Reason::ClientCacheControl) => {
                        (because(Forward::Request, reason), Some(entry))
                    }
                    Reuse::Validate(reason) => (because(Forward::Stale, reason), Some(entry)),
                    Reuse::Fetch(reason) => (because(Forward::Bypass, reason), None),
                }
            }
            Stock::Nothing(forward) => (Outcome::forwarded(forward), None),
            Stock::Failure(reason) if self.core.refuses_without_store() => {
                return Ok(self.refuse(StatusCode::BAD_GATEWAY, "the shared store failed", reason));
            }
            Stock::Failure(reason) => (because(Forward::UriMiss, reason), None),
        };
        self.fetch(body, Cause { outcome, stale, near, ahead: false, landed }).await
    }

    /// What the store has: the record, or the variant that this request selects.
    pub(super) async fn stock(&self, looked: Looked) -> Stock {
        let found = match looked.found.wait().await {
            Ok(Found::Varied(names)) => {
                let variant = policy::variant_id(&names, &self.parts.headers);
                match self.core.store.get_variant(&self.key, &variant).wait().await {
                    Ok(Found::Entry(entry)) => Ok(Found::Entry(entry)),
                    Ok(_) => return Stock::Nothing(Forward::VaryMiss),
                    Err(error) => Err(error),
                }
            }
            found => found,
        };
        match found {
            Ok(Found::Entry(entry)) => Stock::Entry(entry),
            Ok(_) => Stock::Nothing(if looked.varied { Forward::VaryMiss } else { Forward::UriMiss }),
            Err(error) => Stock::Failure(error.reason()),
        }
    }

    /// Fetches the answer, with others where it may be shared.
    async fn fetch(self, body: B, cause: Cause) -> Result<Response<Body<RB, S::Error>>, S::Error> {
        let mut shared = match (self.way(cause.stale.is_some()), cause.stale.clone()) {
            (Way::Confirm, Some(stored)) => {
                let outcome = Outcome { detail: cause.outcome.detail.or(Some(Reason::Head)), ..cause.outcome };
                return self.confirm(body, outcome, stored).await;
            }
            (Way::Nowhere, _) => {
                return Ok(self.refuse(StatusCode::GATEWAY_TIMEOUT, "not stored", Reason::OnlyIfCached));
            }
            (Way::Alone(reason), _) => {
                let outcome = Outcome { detail: cause.outcome.detail.or(reason), ..cause.outcome };
                return self.alone(body, outcome).await;
            }
            (way, _) => way == Way::Shared,
        };
        let mut outcome = cause.outcome;
        let (mut tried, mut body) = (Vec::new(), Some(body));
        let mut patience = pin!(None::<Sleep>);
        loop {
            match self.board(shared, &cause, &tried, &mut body) {
                Boarding::Full => {
                    let outcome = Outcome { detail: Some(Reason::Saturated), ..outcome };
                    let body = body.unwrap_or_else(|| self.content.body());
                    return self.alone(body, outcome).await;
                }
                Boarding::Lead(fill) => return self.lead(Reader::new(fill, true), outcome).await,
                Boarding::Join(fill) => {
                    if patience.is_none() {
                        patience.set(Some(tokio::time::sleep(self.rule.wait())));
                    }
                    tried.push(fill.id());
                    match self.join(Reader::new(fill, false), outcome, patience.as_mut()).await {
                        Joined::Answer(answer) => return Ok(answer),
                        Joined::OtherVariant => outcome.forward = Some(Forward::VaryMiss),
                        Joined::Released(reason) => (shared, outcome.detail) = (false, Some(reason)),
                    }
                }
            }
        }
    }

    fn wants_part(&self) -> bool {
        self.parts.headers.contains_key(RANGE)
    }

    fn way(&self, stale: bool) -> Way {
        let uncacheable = self.core.uncacheable.contains(&self.key, self.core.clock.now());
        let (coalesce, range_fill) = (self.rule.coalescing(), self.rule.policy().range_fill);
        way(&self.lookup, &self.parts.headers, Circumstances { stale, uncacheable, coalesce, range_fill })
    }

    /// Joins a flight, or begins one that takes `body`.
    pub(super) fn board(
        &self,
        shared: bool,
        cause: &Cause,
        tried: &[u64],
        body: &mut Option<B>,
    ) -> Boarding<Fill<RB, S::Error>> {
        self.core.flights.board(&self.key, shared, tried, cause.landed, |id, landed| {
            let Labels { category, tags } = lease::labels(&self.rule, self.parts.uri.path());
            let labels = Labels { category, tags: found_by(tags.clone(), cause.stale.as_deref()) };
            let base = Base::new(id, self.key.clone(), labels.clone(), shared);
            let errand = Errand {
                core: self.core.clone(),
                inner: self.inner.clone(),
                rule: self.rule.clone(),
                key: self.key.clone(),
                labels,
                tags,
                fence: base.fence.clone(),
                late: base.late.clone(),
                lookup: Lookup { head: false, ..self.lookup.clone() },
                parts: self.parts_of_a_read(),
                stale: cause.stale.clone(),
                ahead: cause.ahead,
                again: cause.near || landed,
                shared,
                // Who has just learned that a fetch answers another variant does not wait for it to end.
                waits: shared && tried.is_empty() && self.rule.coalescing() == Coalesce::Cluster,
                content: self.content.clone(),
            };
            Fill::new(base, self.core.clone(), Box::pin(errand.run(body.take().unwrap_or_else(|| self.content.body()))))
        })
    }

    /// What is stored answers a GET, also when a HEAD finds it stale; or a QUERY.
    fn parts_of_a_read(&self) -> Arc<request::Parts> {
        let mut parts = self.parts.clone();
        if parts.method == Method::HEAD {
            Arc::make_mut(&mut parts).method = Method::GET;
        }
        parts
    }

    /// Leads a flight.
    async fn lead(
        self,
        mut reader: Reader<RB, S::Error>,
        outcome: Outcome,
    ) -> Result<Response<Body<RB, S::Error>>, S::Error> {
        match reader.head().await {
            Landed::Shared(shown) => {
                let detail = outcome.detail.or(shown.unstored);
                let outcome = Outcome { stored: shown.is_being_stored(), detail, ..outcome };
                Ok(self.share(reader, &shown, outcome, true))
            }
            // Another node's fetch, joined for the same cause.
            Landed::Stored(entry, how) if how.collapsed => {
                Ok(self.served(entry, Outcome { collapsed: true, ..outcome }, self.core.clock.now()))
            }
            Landed::Stored(entry, how) => {
                let why = outcome.detail.filter(|_| how.forward.is_some());
                // The fetch does not know that the client would not have what is fresh.
                let forward = how
                    .forward
                    .map(|how| if outcome.forward == Some(Forward::Request) { Forward::Request } else { how });
                let outcome = Outcome { forward, detail: how.detail.or(why), ..how };
                Ok(self.served(entry, outcome, self.core.clock.now()))
            }
            Landed::Mine(Ok(whole), reason) if self.wants_part() && whole.status() == StatusCode::OK => {
                drop(whole);
                let body = self.content.body();
                self.alone(body, Outcome { detail: Some(reason), ..outcome }).await
            }
            Landed::Mine(Ok(response), reason) => Ok(self.mine(response, reason, outcome)),
            Landed::Mine(Err(error), _) => {
                self.count(&outcome);
                Err(error)
            }
            Landed::Fallen(panic) => std::panic::resume_unwind(panic),
            // Only who follows is released, so this is never seen; a 502 is better than a panic.
            Landed::Released(reason) => Ok(self.refuse(StatusCode::BAD_GATEWAY, "the fetch was lost", reason)),
        }
    }

    /// A response that was this request's alone.
    fn mine(&self, response: Response<RB>, reason: Reason, outcome: Outcome) -> Response<Body<RB, S::Error>> {
        let outcome = match reason {
            Reason::Authorization => Outcome::bypass(reason),
            // That somebody else fetches too is the less telling half.
            Reason::LeaseLost => Outcome { detail: outcome.detail.or(Some(reason)), ..outcome },
            _ => Outcome { detail: Some(reason), ..outcome },
        };
        self.count(&outcome);
        own(response, self.signs, outcome)
    }

    /// Sends the request to the inner service, for itself alone and with nothing stored.
    pub(super) async fn alone(self, body: B, outcome: Outcome) -> Result<Response<Body<RB, S::Error>>, S::Error> {
        self.count(&outcome);
        let parts = Arc::unwrap_or_clone(self.parts);
        let response = self.inner.oneshot(Request::from_parts(parts, body)).await?;
        Ok(own(response, self.signs, outcome))
    }

    /// An answer of larder's own.
    fn refuse(&self, status: StatusCode, error: &str, reason: Reason) -> Response<Body<RB, S::Error>> {
        self.core.stats.reason(reason);
        let mut answer = respond::refusal(status, error, reason);
        let outcome = Outcome { detail: Some(reason), ..Outcome::refused() };
        self.signs.write(answer.headers_mut(), &outcome, None);
        answer
    }

    pub(super) fn count(&self, outcome: &Outcome) {
        self.count_at(outcome, self.core.clock.now());
    }

    pub(super) fn count_at(&self, outcome: &Outcome, now: Timestamp) {
        match (outcome.forward, outcome.detail) {
            (Some(Forward::Bypass), Some(reason)) => self.core.stats.bypass(reason),
            _ => self.core.stats.lookup(&self.key, self.rule.category_name(), outcome, now),
        }
    }
}

/// The tags by which a fetch is found: those of its route, and those of the response that it may freshen.
pub(super) fn found_by(mut tags: Vec<Tag>, stale: Option<&Entry>) -> Vec<Tag> {
    let of_stale = stale.map_or(&[][..], |stale| &stale.meta().tags);
    let more: Vec<Tag> = of_stale.iter().filter(|tag| !tags.contains(tag)).cloned().collect();
    tags.extend(more);
    tags
}

pub(super) fn because(forward: Forward, reason: Reason) -> Outcome {
    // `fwd=stale` says already that the response was stale.
    let detail = Some(reason).filter(|reason| *reason != Reason::Stale);
    Outcome { detail, ..Outcome::forwarded(forward) }
}

impl StoreError {
    /// The reason by which clients and counters know this error.
    pub(super) fn reason(&self) -> Reason {
        match self {
            Self::Timeout => Reason::StoreTimeout,
            Self::Unavailable(_) => Reason::StoreError,
            Self::Garbage => Reason::StoreGarbage,
        }
    }
}

//! The fetch itself: take the lease, ask the inner service, judge its answer.

use std::marker::PhantomData;
use std::sync::Arc;

use http::header::{CONTENT_LENGTH, HeaderMap};
use http::{Method, Request, Response, StatusCode, request, response};
use tower::ServiceExt as _;
use tower_service::Service;

use super::ResponseBody;
use super::fill::{Fetched, Keep, LeaseGuard, Shown};
use super::handle::Core;
use crate::entry::Entry;
use crate::key::Key;
use crate::outcome::{CloseDelimited, Fault, Forward, Outcome, Reason};
use crate::policy::{self, Admission, After, Lookup, Storable, Times};
use crate::route::Rule;
use crate::store::{Fence, Labels, Reply};

/// Everything a fetch needs, so that it depends on no request that may be gone before it ends.
pub(super) struct Errand<S, B> {
    pub(super) core: Arc<Core>,
    pub(super) inner: S,
    pub(super) rule: Arc<Rule>,
    pub(super) key: Key,
    pub(super) labels: Labels,
    pub(super) fence: Arc<Fence>,
    pub(super) lookup: Lookup,
    /// The request as the upstream may see it, with the client's own conditions.
    pub(super) parts: Arc<request::Parts>,
    /// What is stored and must be validated.
    pub(super) stale: Option<Arc<Entry>>,
    /// Whether anybody else may share the answer.
    pub(super) shared: bool,
    pub(super) body: PhantomData<fn(B)>,
}

impl<S, B, RB> Errand<S, B>
where
    S: Service<Request<B>, Response = Response<RB>>,
    B: Default,
    RB: ResponseBody,
{
    /// Runs the errand. Dropping the future abandons the fetch and gives the lease back.
    pub(super) async fn run(mut self, body: B) -> Fetched<RB, S::Error>
    where
        S: Clone,
    {
        let lease = self.take_lease().await;
        let (answer, times) = self.ask(body, true).await;
        let response = match answer {
            Ok(response) => response,
            Err(error) => {
                return match self.stale_on_failure() {
                    Some(stored) => stored,
                    None => Fetched::Hand(Err(error), Reason::LeaderFailed),
                };
            }
        };
        match self.stale.clone() {
            Some(stored) => self.after(&stored, response, times, lease).await,
            None => self.admit(response, times, lease, None),
        }
    }

    async fn take_lease(&self) -> Option<LeaseGuard> {
        match self.core.store.lease(&self.key, &self.labels, &self.fence).wait().await {
            Ok(lease) => Some(LeaseGuard::new(self.core.clone(), lease)),
            Err(error) => {
                self.core.stats.reason(error.reason());
                None
            }
        }
    }

    async fn ask(&self, body: B, conditional: bool) -> (Result<Response<RB>, S::Error>, Times)
    where
        S: Clone,
    {
        let request = self.request(body, conditional);
        let requested_at = self.core.clock.now();
        let answer = self.inner.clone().oneshot(request).await;
        (answer, Times { requested_at, received_at: self.core.clock.now() })
    }

    /// The request as it is sent: the client's conditions are for the cache to answer, the stored response's are asked.
    fn request(&self, body: B, conditional: bool) -> Request<B> {
        let mut headers = self.parts.headers.clone();
        policy::strip_conditions(&mut headers);
        if let Some(stored) = self.stale.as_ref().filter(|_| conditional) {
            headers.extend(policy::conditions(stored.headers()));
        }
        let mut request = Request::new(body);
        *request.method_mut() = Method::GET;
        *request.uri_mut() = self.parts.uri.clone();
        *request.version_mut() = self.parts.version;
        *request.extensions_mut() = self.parts.extensions.clone();
        *request.headers_mut() = headers;
        request
    }

    /// Judges the answer to a validation.
    async fn after(
        &mut self,
        stored: &Arc<Entry>,
        response: Response<RB>,
        times: Times,
        lease: Option<LeaseGuard>,
    ) -> Fetched<RB, S::Error>
    where
        S: Clone,
    {
        let (parts, body) = response.into_parts();
        let failed = parts.extensions.get::<Fault>().is_some();
        if failed && let Some(stale) = self.stale_on_failure() {
            return stale;
        }
        let options = self.rule.policy();
        match policy::after(&self.parts, &self.lookup, stored, &parts, times, options) {
            After::Freshen(storable) => {
                let outcome =
                    Outcome { forward_status: Some(StatusCode::NOT_MODIFIED), ..Outcome::forwarded(Forward::Stale) };
                Fetched::Stored(self.freshen(storable, stored, lease), outcome)
            }
            After::ServeStale(reason) => {
                let ttl = stored.meta().ttl_secs(times.received_at);
                Fetched::Stored(stored.clone(), Outcome::stale(ttl, reason))
            }
            After::Refetch => {
                let (answer, times) = self.ask(B::default(), false).await;
                match answer {
                    Ok(response) => self.admit(response, times, lease, Some(stored)),
                    Err(error) => Fetched::Hand(Err(error), Reason::LeaderFailed),
                }
            }
            After::Replace => self.admit(Response::from_parts(parts, body), times, lease, Some(stored)),
        }
    }

    /// The stored response under its freshened head. Without a lease it is served all the same, and not stored.
    fn freshen(&self, storable: Box<Storable>, stored: &Arc<Entry>, lease: Option<LeaseGuard>) -> Arc<Entry> {
        match lease {
            Some(lease) => Keep::new(storable, lease, self.rule.policy(), None).freshen(self.key.clone(), stored),
            None => {
                let meta = stored.meta();
                let tags = meta.tags.clone();
                Arc::new(storable.into_entry(self.key.clone(), meta.category.clone(), tags, stored.body().clone()))
            }
        }
    }

    /// Judges an ordinary answer.
    fn admit(
        &self,
        response: Response<RB>,
        times: Times,
        lease: Option<LeaseGuard>,
        replaced: Option<&Arc<Entry>>,
    ) -> Fetched<RB, S::Error> {
        let (parts, body) = response.into_parts();
        if let Some(Fault(reason)) = parts.extensions.get::<Fault>() {
            let reason = *reason;
            return Fetched::Hand(Ok(Response::from_parts(parts, body)), reason);
        }
        let options = self.rule.policy();
        let storable = match policy::admit(&self.parts, &self.lookup, &parts, times, options) {
            Admission::Store(storable) => storable,
            Admission::Skip(reason) => {
                self.core.uncacheable.remember(&self.key, times.received_at);
                self.forget(replaced, &parts);
                return Fetched::Hand(Ok(Response::from_parts(parts, body)), reason);
            }
        };
        if parts.extensions.get::<CloseDelimited>().is_some() {
            // Invariant: nothing half. A body that ends with its connection cannot be told from one that was cut.
            self.core.uncacheable.remember(&self.key, times.received_at);
            return Fetched::Hand(Ok(Response::from_parts(parts, body)), Reason::Incomplete);
        }
        self.core.uncacheable.forget(&self.key);
        if lease.is_none() && !self.shared {
            return Fetched::Hand(Ok(Response::from_parts(parts, body)), Reason::LeaseLost);
        }
        let content_length = body.size_hint().exact().or_else(|| content_length(&parts.headers));
        let shown = Arc::new(Shown {
            status: parts.status,
            version: parts.version,
            original: parts.headers,
            shared: storable.headers.clone(),
            vary: storable.vary.clone(),
            selecting: storable.selecting.clone(),
            content_length,
            max_body: options.max_body,
            stored: lease.is_some(),
        });
        let keep = lease.map(|lease| Keep::new(storable, lease, options, content_length));
        Fetched::Share { shown, keep, body }
    }

    /// What is stored goes when the origin answers its validation with something of its own that cannot be stored,
    /// unless that is an error, which says nothing about the resource.
    fn forget(&self, replaced: Option<&Arc<Entry>>, answer: &response::Parts) {
        if replaced.is_some() && !answer.status.is_server_error() {
            let removal = self.core.store.remove(&self.key);
            if let Reply::Later(removal) = removal {
                self.core.background.run(removal);
            }
        }
    }

    fn stale_on_failure<E>(&self) -> Option<Fetched<RB, E>> {
        let stored = self.stale.as_ref()?;
        let now = self.core.clock.now();
        let reason = policy::on_failure(stored.meta(), now)?;
        Some(Fetched::Stored(stored.clone(), Outcome::stale(stored.meta().ttl_secs(now), reason)))
    }
}

fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

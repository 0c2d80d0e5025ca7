//! The fetch itself: take the lease or its turn, ask the inner service, judge the answer.

use std::sync::Arc;

use http::header::{CONTENT_LENGTH, HeaderMap};
use http::{Request, Response, StatusCode, request, response};
use tower::ServiceExt as _;
use tower_service::Service;

use super::ResponseBody;
use super::content::Content;
use super::fill::{Fetched, Keep, Shown};
use super::handle::Core;
use super::late_tags::LateTags;
use super::lease::{self, LeaseGuard};
use super::turn::Turn;
use crate::entry::Entry;
use crate::invalidation::Tag;
use crate::key::Key;
use crate::outcome::{CloseDelimited, Fault, Forward, Outcome, Reason};
use crate::policy::{self, Admission, After, Foreseen, Lookup, Options, Reuse, Storable, Times};
use crate::route::Rule;
use crate::store::{Fence, Found, Labels, Reply};

/// Everything a fetch needs, so that it depends on no request that may be gone before it ends.
pub(super) struct Errand<S, B> {
    pub(super) core: Arc<Core>,
    pub(super) inner: S,
    pub(super) rule: Arc<Rule>,
    pub(super) key: Key,
    /// What the fetch is found by: the tags of what is stale among it.
    pub(super) labels: Labels,
    /// The tags of the route.
    pub(super) tags: Vec<Tag>,
    pub(super) fence: Arc<Fence>,
    /// What the fetch is found by once its answer is there.
    pub(super) late: Arc<LateTags>,
    pub(super) lookup: Lookup,
    /// The request as the upstream may see it, with the client's own conditions.
    pub(super) parts: Arc<request::Parts>,
    /// What is stored and must be validated.
    pub(super) stale: Option<Arc<Entry>>,
    /// It is fresh still, and refreshed before its end.
    pub(super) ahead: bool,
    /// The store is worth asking again: it is in memory, or another fetch has landed since it was asked.
    pub(super) again: bool,
    /// Whether anybody else may share the answer.
    pub(super) shared: bool,
    /// Whether it waits for another node's fetch of the same.
    pub(super) waits: bool,
    /// The content of a QUERY, to be sent more than once.
    pub(super) content: Content<B>,
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
        S: Clone + Send + Sync + 'static,
        S::Future: Send,
        S::Error: Send + 'static,
        B: Send + 'static,
    {
        match self.turn().await {
            Turn::Landed(entry) => {
                let outcome = Outcome { collapsed: true, ..Outcome::forwarded(Forward::UriMiss) };
                Fetched::Stored(entry, outcome)
            }
            Turn::Fetch(lease) => self.fetch(body, lease).await,
            Turn::FetchForOne(lease) => {
                self.shared = false;
                Fetched::Dispersed(Box::pin(self.fetch(body, lease)), Reason::LeaderUncacheable)
            }
        }
    }

    async fn fetch(mut self, body: B, lease: Result<LeaseGuard, Reason>) -> Fetched<RB, S::Error>
    where
        S: Clone,
    {
        // Another node's fetch may have landed between the lookup and the lease.
        self.again |= self.stale.is_some() || lease.as_ref().is_ok_and(LeaseGuard::is_beside_an_entry);
        if self.again
            && let Some(entry) = self.look().await
        {
            let ttl = entry.meta().ttl_secs(self.core.clock.now());
            return Fetched::Stored(entry, Outcome::hit(ttl));
        }
        let (answer, times) = self.ask(body, true).await;
        let response = match answer {
            Ok(response) => response,
            Err(error) => return self.failed(error),
        };
        match self.stale.clone() {
            Some(stored) => self.after(&stored, response, times, lease).await,
            None => self.admit(response, times, lease, None),
        }
    }

    /// Reads the store once more, for a response that answers as it is.
    ///
    /// With the lease an invalidation finds this fetch and cuts it off: what was read before may have been cleared since,
    /// and must then neither be freshened nor served in place of an error. And between the lookup and the flight another
    /// fetch may have landed: concurrent misses make one request.
    pub(super) async fn look(&mut self) -> Option<Arc<Entry>> {
        let known = self.stale.take();
        let entry = match self.core.store.get(&self.key).wait().await.ok()? {
            Found::Entry(entry) => entry,
            Found::Varied(names) => {
                let variant = policy::variant_id(&names, &self.parts.headers);
                match self.core.store.get_variant(&self.key, &variant).wait().await.ok()? {
                    Found::Entry(entry) => entry,
                    _ => return None,
                }
            }
            Found::Absent => return None,
        };
        let same = known.is_some_and(|known| known.meta().received_at == entry.meta().received_at);
        match policy::reuse(&self.lookup, entry.meta(), self.core.clock.now()) {
            Reuse::Serve if self.ahead && same => self.stale = Some(entry),
            Reuse::Serve => return Some(entry),
            Reuse::ServeStale(_) | Reuse::Validate(_) => {
                self.core.flights.learn(&self.late, &entry.meta().tags);
                self.stale = Some(entry);
            }
            Reuse::Fetch(_) => {}
        }
        None
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
        *request.method_mut() = self.parts.method.clone();
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
        lease: Result<LeaseGuard, Reason>,
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
            After::Freshen(storable) if !self.was_cleared(&storable) => {
                let outcome =
                    Outcome { forward_status: Some(StatusCode::NOT_MODIFIED), ..Outcome::forwarded(Forward::Stale) };
                self.freshen(storable, stored, lease, outcome)
            }
            After::ServeStale(reason) => {
                let ttl = stored.meta().ttl_secs(times.received_at);
                Fetched::Stored(stored.clone(), Outcome::stale(ttl, reason))
            }
            After::Freshen(_) | After::Refetch => {
                let (answer, times) = self.ask(self.content.body(), false).await;
                match answer {
                    Ok(response) => self.admit(response, times, lease, Some(stored)),
                    Err(error) => self.failed(error),
                }
            }
            After::Replace => self.admit(Response::from_parts(parts, body), times, lease, Some(stored)),
        }
    }

    /// The stored response under its freshened head. Without a lease, or for a client that wants nothing of its own stored,
    /// it is served all the same, and stays stored as it was.
    fn freshen(
        &self,
        storable: Box<Storable>,
        stored: &Arc<Entry>,
        lease: Result<LeaseGuard, Reason>,
        outcome: Outcome,
    ) -> Fetched<RB, S::Error> {
        self.note_use(&storable);
        let key = self.key.clone();
        match lease
            .and_then(|lease| if self.lookup.client.no_store { Err(Reason::ClientCacheControl) } else { Ok(lease) })
        {
            Ok(lease) => {
                let labels = self.labels_of(&storable);
                let keep = Keep::new(storable, key, labels, lease, self.rule.clone(), None);
                Fetched::Freshened { keep, stored: stored.clone(), outcome }
            }
            Err(reason) => {
                let meta = stored.meta();
                let (category, tags) = (meta.category.clone(), meta.tags.clone());
                let entry = storable.into_entry(key, category, tags, stored.body().clone());
                Fetched::Stored(Arc::new(entry), Outcome { detail: Some(reason), ..outcome })
            }
        }
    }

    /// Judges an ordinary answer.
    pub(super) fn admit(
        &self,
        response: Response<RB>,
        times: Times,
        lease: Result<LeaseGuard, Reason>,
        replaced: Option<&Arc<Entry>>,
    ) -> Fetched<RB, S::Error> {
        let (parts, body) = response.into_parts();
        if let Some(Fault(reason)) = parts.extensions.get::<Fault>() {
            let reason = *reason;
            self.core.uncacheable.note(&self.key, reason, times.received_at);
            return Fetched::Hand(Ok(Response::from_parts(parts, body)), reason);
        }
        let options = self.rule.policy();
        let storable = match policy::admit(&self.parts, &self.lookup, &parts, times, options) {
            Admission::Store(storable) => storable,
            Admission::Skip(reason) => {
                // What only this request rules out says nothing about the next one.
                if matches!(reason, Reason::Authorization | Reason::ClientCacheControl) {
                    self.core.uncacheable.note(&self.key, reason, times.received_at);
                } else {
                    self.proved_uncacheable(lease, reason, times);
                }
                self.forget(replaced, &parts);
                return Fetched::Hand(Ok(Response::from_parts(parts, body)), reason);
            }
        };
        let content_length = body.size_hint().exact().or_else(|| content_length(&parts.headers));
        let foreseen = foresee(&parts, content_length, options);
        if let Foreseen::Refused(reason) = foreseen {
            self.proved_uncacheable(lease, reason, times);
            return Fetched::Hand(Ok(Response::from_parts(parts, body)), reason);
        }
        if self.was_cleared(&storable) {
            self.core.uncacheable.note(&self.key, Reason::Invalidated, times.received_at);
            return Fetched::Hand(Ok(Response::from_parts(parts, body)), Reason::Invalidated);
        }
        self.note_use(&storable);
        let lease = if self.fence.is_closed() { Err(Reason::Invalidated) } else { lease };
        let (unstored, lease) = (lease.as_ref().err().copied(), lease.ok());
        if let Some(reason) = unstored {
            self.core.uncacheable.note(&self.key, reason, times.received_at);
        }
        if let Some(reason) = unstored.filter(|_| !self.shared) {
            return Fetched::Hand(Ok(Response::from_parts(parts, body)), reason);
        }
        let shown = Arc::new(Shown::new(parts, &storable, content_length, options.max_body, unstored, foreseen));
        let labels = self.labels_of(&storable);
        let keep =
            lease.map(|lease| Keep::new(storable, self.key.clone(), labels, lease, self.rule.clone(), content_length));
        Fetched::Share { shown, keep, body }
    }

    /// The next requests are not queued behind one another, here and on the nodes that wait for the lease.
    fn proved_uncacheable(&self, lease: Result<LeaseGuard, Reason>, reason: Reason, times: Times) {
        self.core.uncacheable.remember(&self.key, reason, times.received_at);
        if let Ok(lease) = lease {
            lease.give_back_uncacheable();
        }
    }

    fn labels_of(&self, storable: &Storable) -> Labels {
        let labels = Labels { category: self.labels.category.clone(), tags: self.tags.clone() };
        lease::with_groups(labels, &self.key, storable)
    }

    /// Whether a group of the response was cleared while the response was on its way. Nobody could know that it belongs
    /// there, so it goes to the request that caused the fetch alone.
    fn was_cleared(&self, storable: &Storable) -> bool {
        let late = !storable.groups.is_empty();
        late && self.core.flights.learn(&self.late, &self.labels_of(storable).tags)
    }

    /// Notes whether the next requests may wait for one fetch: what is stored to be validated before every use answers
    /// nobody else.
    fn note_use(&self, storable: &Storable) {
        if storable.reusable_to().is_some_and(|end| end > storable.initial_age) {
            self.core.uncacheable.forget(&self.key);
        } else {
            let must = storable.terms.always_validate;
            let reason = if must { Reason::MustValidate } else { Reason::Stale };
            self.core.uncacheable.remember(&self.key, reason, storable.received_at);
        }
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

    /// The inner service gave no answer.
    fn failed(&self, error: S::Error) -> Fetched<RB, S::Error> {
        self.stale_on_failure().unwrap_or(Fetched::Hand(Err(error), Reason::LeaderFailed))
    }

    fn stale_on_failure<E>(&self) -> Option<Fetched<RB, E>> {
        let stored = self.stale.as_ref()?;
        let now = self.core.clock.now();
        let reason = policy::on_failure(stored.meta(), now)?;
        Some(Fetched::Stored(stored.clone(), Outcome::stale(stored.meta().ttl_secs(now), reason)))
    }
}

/// What the head of an answer tells of its body.
fn foresee(answer: &response::Parts, length: Option<u64>, options: &Options) -> Foreseen {
    match () {
        // Invariant: nothing half. A body that ends with its connection cannot be told from one that was cut.
        () if answer.extensions.get::<CloseDelimited>().is_some() => Foreseen::Refused(Reason::Incomplete),
        () if length.is_some_and(|length| length > options.max_body) => Foreseen::Refused(Reason::TooLarge),
        () => policy::foresee_body(&options.store_if, length),
    }
}

fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

//! Writes: sent on, and what they change cleared before the client sees that they succeeded.

use std::collections::HashSet;
use std::future::Future;
use std::sync::Arc;

use http::{Method, Request, Response, request, response};
use http_body::Body as HttpBody;
use tower::ServiceExt as _;
use tower_service::Service;

use super::ResponseBody;
use super::ask::{self, host_of};
use super::body::Body;
use super::handle::Core;
use super::keyed::ForwardedProto;
use super::lease::LeaseGuard;
use super::respond::Signs;
use super::service::own;
use crate::invalidation::{Cleared, Selector, Tag};
use crate::key::Key;
use crate::outcome::{Forward, Outcome};
use crate::policy;
use crate::route::{HostRule, Routing, Table};
use crate::store::StoreError;

/// A request with an unsafe method.
pub(super) struct Write {
    pub(super) core: Arc<Core>,
    pub(super) table: Arc<Table>,
    pub(super) signs: Signs,
    pub(super) proto: ForwardedProto,
    pub(super) method: Method,
    pub(super) path: String,
    /// The host that the client named, and whether it is part of the keys.
    host: Option<String>,
}

impl Write {
    pub(super) fn new(
        core: Arc<Core>,
        table: Arc<Table>,
        signs: Signs,
        proto: ForwardedProto,
        parts: &request::Parts,
    ) -> Self {
        Self {
            core,
            table,
            signs,
            proto,
            method: parts.method.clone(),
            path: parts.uri.path().to_owned(),
            host: host_of(parts).map(std::borrow::Cow::into_owned),
        }
    }

    /// Sends the write and clears what it changed.
    ///
    /// A write that has targets runs to its end even when its client leaves: the upstream may have carried it out, and
    /// then what it changed must go.
    pub(super) async fn send<S, B, RB>(
        self,
        inner: S,
        mut request: Request<B>,
    ) -> Result<Response<Body<RB, S::Error>>, S::Error>
    where
        S: Service<Request<B>, Response = Response<RB>> + Clone + Send + Sync + 'static,
        S::Future: Send,
        S::Error: Send + 'static,
        B: HttpBody + Default + Send + 'static,
        RB: ResponseBody,
    {
        if !self.concerns_cache() {
            return self.carry_out(inner.oneshot(request)).await;
        }
        self.hide_unkeyed(&mut request);
        let permit = self.core.background.permit();
        let place = self.place(&mut request);
        match (permit, place) {
            (Some(permit), Some(place)) => permit.finish(self.post(place, inner, request)).await,
            (Some(permit), None) => permit.finish(self.carry_out(inner.oneshot(request))).await,
            (None, _) => self.carry_out(inner.oneshot(request)).await,
        }
    }

    /// Whether the write can change something that is cached by the rules, whatever its answer says.
    fn concerns_cache(&self) -> bool {
        let has_targets = self.table.find(&self.path).is_some_and(|m| m.rule().targets(&self.method).next().is_some());
        self.table.is_enabled() && (has_targets || self.table.caches(&self.path))
    }

    fn hide_unkeyed<B>(&self, request: &mut Request<B>) {
        if let Routing::Rule(rule) = self.table.routing(&self.path)
            && rule.is_cached()
        {
            ask::drop_unkeyed(request.headers_mut(), &rule.policy().vary_on);
        }
    }

    pub(super) async fn carry_out<RB: ResponseBody, E: Send + 'static>(
        self,
        answer: impl Future<Output = Result<Response<RB>, E>>,
    ) -> Result<Response<Body<RB, E>>, E> {
        let (parts, body) = answer.await?.into_parts();
        self.clear(&parts).await;
        Ok(own(Response::from_parts(parts, body), self.signs, Outcome::forwarded(Forward::Method)))
    }

    /// Clears what a successful answer says was changed.
    pub(super) async fn clear(&self, answer: &response::Parts) {
        for selector in self.changed_by(answer) {
            self.done(&selector, self.core.invalidate(&selector).await);
        }
    }

    /// The same, and leaves this flight its right to store.
    pub(super) async fn clear_around(&self, answer: &response::Parts, flight: u64, lease: &LeaseGuard) {
        for selector in self.changed_by(answer) {
            self.done(&selector, self.core.invalidate_around(&selector, flight, lease).await);
        }
    }

    fn done(&self, selector: &Selector, cleared: Result<Cleared, StoreError>) {
        // Kept by the store when it cannot be carried out now; the write's own answer stands either way.
        if let Err(error) = cleared {
            tracing::warn!(%selector, %error, "could not invalidate after a write");
        }
    }

    /// What a successful answer means for the cache: the write's own path, what the answer names, and the rule's targets.
    fn changed_by(&self, answer: &response::Parts) -> Vec<Selector> {
        if !self.table.is_enabled() || !(answer.status.is_success() || answer.status.is_redirection()) {
            return Vec::new();
        }
        let mut selectors = targets(&self.table, &self.method, &self.path, self.host.as_deref());
        selectors.extend(self.named_by(answer));
        let groups = policy::cleared_groups(&answer.headers);
        selectors.extend(groups.iter().map(|group| Selector::Tag(Tag::group(self.keyed_host(), group))));
        without_repeats(&mut selectors);
        selectors
    }

    /// `Location` and `Content-Location` of this origin, where they fall under a cached route.
    fn named_by(&self, answer: &response::Parts) -> Vec<Selector> {
        let hosts = self.hosts();
        let named = policy::named_resources(&self.path, &hosts, &answer.headers);
        let keys = named.iter().filter_map(|target| {
            let (path, query) = target.split_once('?').map_or((&**target, None), |(path, query)| (path, Some(query)));
            self.table.caches(path).then(|| self.table.canonical(&Key::new(self.keyed_host(), path, query, None)))
        });
        keys.map(Selector::Key).collect()
    }

    /// The names under which this origin is known.
    pub(super) fn hosts(&self) -> Vec<&str> {
        let fixed = match self.table.host() {
            HostRule::Fixed(host) => host.to_str().ok(),
            HostRule::Keyed => None,
        };
        self.host.as_deref().into_iter().chain(fixed).collect()
    }

    fn keyed_host(&self) -> Option<&str> {
        keyed_host(&self.table, self.host.as_deref())
    }
}

/// What a successful write clears whatever its answer says: its own path, and the targets of its rule.
pub(super) fn targets(table: &Table, method: &Method, path: &str, host: Option<&str>) -> Vec<Selector> {
    let host = keyed_host(table, host);
    let mut selectors = Vec::new();
    if table.caches(path) {
        selectors.push(Selector::Key(Key::new(host, path, None, None)));
    }
    if let Some(matched) = table.find(path) {
        let params = matched.params();
        let bound = matched.rule().targets(method).filter_map(|target| target.bind(&params, host));
        selectors.extend(bound.map(|selector| match selector {
            Selector::Key(key) => Selector::Key(table.canonical(&key)),
            other => other,
        }));
    }
    without_repeats(&mut selectors);
    selectors
}

fn without_repeats(selectors: &mut Vec<Selector>) {
    let mut seen = HashSet::new();
    selectors.retain(|selector| seen.insert(selector.clone()));
}

fn keyed_host<'h>(table: &Table, host: Option<&'h str>) -> Option<&'h str> {
    match table.host() {
        HostRule::Keyed => host,
        HostRule::Fixed(_) => None,
    }
}

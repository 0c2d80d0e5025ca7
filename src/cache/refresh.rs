//! Refreshing what is stored behind the back of whoever is served it.

use std::sync::Arc;

use http::{Request, Response};
use http_body::Body as HttpBody;
use tower_service::Service;

use super::fill::Reader;
use super::flight::Boarding;
use super::flow::{Cause, Flow, because};
use super::handle::Core;
use super::{ResponseBody, background};
use crate::clock::Timestamp;
use crate::entry::Entry;
use crate::outcome::{Forward, Reason};
use crate::policy::{self, Lookup, Portion};
use crate::route::Rule;

impl<S, B, RB> Flow<S, B>
where
    S: Service<Request<B>, Response = Response<RB>> + Clone + Send + Sync + 'static,
    S::Future: Send,
    S::Error: Send + 'static,
    B: HttpBody + Default + Send + 'static,
    RB: ResponseBody,
{
    /// Refreshes a stored response behind the back of whoever is served it, stale or `ahead` of that. One at a time per key.
    pub(super) fn refresh(&self, stale: &Arc<Entry>, ahead: bool) {
        let outcome = because(Forward::Stale, Reason::StaleWhileRevalidate);
        let landed = self.core.flights.landed(&self.key);
        let cause = Cause { outcome, stale: Some(stale.clone()), near: false, ahead, landed };
        if let Boarding::Lead(fill) = self.board(true, &cause, &[], &mut None) {
            background::drain(&self.core, Reader::new(fill, true));
        }
    }
}

/// Whether a fresh response is to be refreshed, once, because it is near its end: not on behalf of a request that could not
/// share what is fetched, nor where the last answer could not be stored.
pub(super) fn wants_refresh(core: &Core, rule: &Rule, lookup: &Lookup, entry: &Entry, now: Timestamp) -> bool {
    let ahead = rule.policy().refresh_ahead;
    ahead != Portion::NONE
        && policy::is_due(entry.meta(), ahead, now)
        && !lookup.authorized
        && lookup.client.is_empty()
        && !core.uncacheable.contains(&entry.meta().key, now)
        && entry.claim_refresh()
}

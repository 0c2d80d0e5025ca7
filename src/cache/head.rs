//! A HEAD for which a GET is stored that cannot answer it: it is sent on as it is, and its answer says what the stored GET
//! is still worth (RFC 9111 §4.3.5).
//!
//! It stores what it freshens as a fetch does, under a fence and a lease taken before it is sent: what is invalidated
//! meanwhile is not freshened.

use std::sync::Arc;

use http::{Request, Response, response};
use http_body::Body as HttpBody;
use tower::ServiceExt as _;
use tower_service::Service;

use super::ResponseBody;
use super::body::Body;
use super::fill::Keep;
use super::flow::{Flow, Stock, found_by};
use super::lease::{self, Granted, LeaseGuard};
use super::service::{Looked, own};
use super::unshared::Unshared;
use crate::entry::Entry;
use crate::outcome::{Fault, Outcome, Reason};
use crate::policy::{self, AfterHead, Reuse, Storable, Times};
use crate::store::{Claim, Labels, Reply};

/// What a HEAD holds while it is under way, so that it may store what it freshens.
struct Held {
    flight: Arc<Unshared>,
    lease: Option<LeaseGuard>,
    labels: Labels,
}

impl<S, B, RB> Flow<S, B>
where
    S: Service<Request<B>, Response = Response<RB>> + Clone + Send + Sync + 'static,
    S::Future: Send,
    S::Error: Send + 'static,
    B: HttpBody + Default + Send + 'static,
    RB: ResponseBody,
{
    /// Sends the HEAD on and holds its answer against what is stored.
    pub(super) async fn confirm(
        self,
        body: B,
        outcome: Outcome,
        stored: Arc<Entry>,
    ) -> Result<Response<Body<RB, S::Error>>, S::Error> {
        let held = self.hold(&stored).await;
        // What was read before the lease was taken may have been cleared since.
        let looked = Looked { found: self.core.store.get(&self.key), varied: false };
        let Stock::Entry(stored) = self.stock(looked).await else {
            drop(held);
            return self.alone(body, outcome).await;
        };
        let requested_at = self.core.clock.now();
        if policy::reuse(&self.lookup, stored.meta(), requested_at) == Reuse::Serve {
            return Ok(self.serve(stored, None, requested_at));
        }
        let request = Request::from_parts(self.parts.as_ref().clone(), body);
        let answer = self.inner.clone().oneshot(request).await;
        let times = Times { requested_at, received_at: self.core.clock.now() };
        let response = match answer {
            Ok(response) => response,
            Err(error) => {
                return self.stale_on_failure(&stored, times).ok_or_else(|| {
                    self.count(&outcome);
                    error
                });
            }
        };
        let (parts, body) = response.into_parts();
        if parts.extensions.get::<Fault>().is_some() {
            if let Some(stale) = self.stale_on_failure(&stored, times) {
                return Ok(stale);
            }
        } else if let Some(reason) = self.judge(&parts, times, &stored, held) {
            return Ok(self.serve(stored, Some(reason), times.received_at));
        }
        self.count(&outcome);
        Ok(own(Response::from_parts(parts, body), self.signs, outcome))
    }

    /// Takes the right to store. Without it the HEAD is sent all the same.
    async fn hold(&self, stored: &Entry) -> Option<Held> {
        let labels = lease::labels(&self.rule, self.parts.uri.path());
        let known = Labels { category: labels.category.clone(), tags: found_by(labels.tags.clone(), Some(stored)) };
        let flight = Unshared::board(&self.core, &self.key, &known)?;
        let asked = lease::ask(&self.core, &self.key, &known, flight.fence(), Claim::Yielding).await;
        Some(Held { flight, lease: asked.ok().and_then(Granted::at_once), labels })
    }

    /// Acts on what the answer says of the stored response; the reason to serve that in place of the answer.
    fn judge(&self, answer: &response::Parts, times: Times, stored: &Arc<Entry>, held: Option<Held>) -> Option<Reason> {
        match policy::after_head(&self.parts, &self.lookup, stored, answer, times, self.rule.policy()) {
            AfterHead::Freshen(storable) => {
                if let Some(held) = held {
                    self.freshen(storable, stored, held);
                }
                None
            }
            AfterHead::Outdate => {
                if let Reply::Later(removal) = self.core.store.remove(&self.key) {
                    self.core.background.run(removal);
                }
                None
            }
            AfterHead::ServeStale(reason) => Some(reason),
            AfterHead::Nothing => None,
        }
    }

    fn freshen(&self, storable: Box<Storable>, stored: &Entry, held: Held) {
        let Held { flight, lease, labels } = held;
        let labels = lease::with_groups(labels, &self.key, &storable);
        if flight.learn(&labels.tags) {
            return;
        }
        if let Some(lease) = lease {
            Keep::new(storable, self.key.clone(), labels, lease, self.rule.clone(), None).freshen_for(stored, flight);
        }
    }

    fn stale_on_failure(&self, stored: &Arc<Entry>, times: Times) -> Option<Response<Body<RB, S::Error>>> {
        let reason = policy::on_failure(stored.meta(), times.received_at)?;
        Some(self.serve(Arc::clone(stored), Some(reason), times.received_at))
    }
}

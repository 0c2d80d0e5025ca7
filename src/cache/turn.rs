//! Whose turn it is to fetch, among all nodes: the lease, or the wait for whoever has it.
//!
//! A fetch whose lease another node has waits for the record to change. What it finds then may answer; if not, it asks
//! for the lease again. It waits for `coalesce_wait` in all, never for more than two holders, and not at all where
//! nobody would tell it of a change: then it fetches for its own requests, and stores nothing.

use std::sync::Arc;

use http::{Request, Response};
use tokio::time::{Instant, timeout_at};
use tower_service::Service;

use super::ResponseBody;
use super::fetch::Errand;
use super::lease::{self, Granted, LeaseGuard};
use crate::entry::Entry;
use crate::outcome::Reason;
use crate::store::{Claim, Held, HeldEnd};

/// Holders that a fetch waits for. A holder that gives up is followed by another; those who wait must not do so one
/// behind the other.
const HOLDERS: usize = 2;

/// What a fetch is to do.
pub(super) enum Turn {
    /// Fetch, with the lease or for this reason without.
    Fetch(Result<LeaseGuard, Reason>),
    /// The same, and nobody is to wait for it.
    FetchForOne(Result<LeaseGuard, Reason>),
    /// Nothing: what another node fetched answers.
    Landed(Arc<Entry>),
}

/// The holders that a fetch has waited for.
#[derive(Default)]
struct Line {
    holders: usize,
    last: Option<u64>,
}

/// Why a wait is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Woken {
    /// The store is worth asking again.
    Ask,
    /// Nothing is to be waited for any more.
    Alone(Reason),
}

impl Line {
    /// Whether a fetch may wait for this holder.
    fn may_wait_for(&mut self, holder: u64) -> bool {
        if self.last.replace(holder) != Some(holder) {
            self.holders += 1;
        }
        self.holders <= HOLDERS
    }
}

impl<S, B, RB> Errand<S, B>
where
    S: Service<Request<B>, Response = Response<RB>>,
    B: Default,
    RB: ResponseBody,
{
    /// Takes the lease, or waits for whoever has it.
    pub(super) async fn turn(&mut self) -> Turn {
        let until = Instant::now() + self.rule.wait();
        let claim = if self.shared { Claim::Firm } else { Claim::Yielding };
        let mut line = Line::default();
        loop {
            let asked = lease::ask(&self.core, &self.key, &self.labels, &self.fence, claim).await;
            let mut held = match asked {
                Ok(Granted::Yes(lease)) => return Turn::Fetch(Ok(lease)),
                Ok(Granted::Uncacheable(lease)) => return self.for_one(lease.ok_or(Reason::LeaseLost)),
                Ok(Granted::Held(held)) if self.waits && line.may_wait_for(held.holder()) => held,
                Ok(Granted::Held(_)) => return Turn::Fetch(Err(Reason::LeaseLost)),
                Err(error) => return Turn::Fetch(Err(error.reason())),
            };
            loop {
                if let Woken::Alone(reason) = self.woken(&mut held, until).await {
                    return Turn::Fetch(Err(reason));
                }
                let known = self.stale.clone();
                let Some(entry) = self.look().await else {
                    if self.is_of_no_use(known.as_ref()) {
                        // What landed is validated before every use: it answers nobody else.
                        self.waits = false;
                        return self.for_one(self.lease_at_once().await);
                    }
                    break;
                };
                // What was read before a change that was told meanwhile may have been cleared by it.
                if held.is_quiet() {
                    return Turn::Landed(entry);
                }
            }
        }
    }

    async fn woken(&self, held: &mut Held, until: Instant) -> Woken {
        match timeout_at(until, held.end()).await {
            Err(_) => Woken::Alone(Reason::CoalesceTimeout),
            Ok(HeldEnd::Untold) => Woken::Alone(Reason::LeaseLost),
            // The requests of this fetch came before an invalidation on this node. It may fetch what they asked for, but
            // not with the lease: that is for those who come after.
            Ok(_) if self.fence.is_closed() => Woken::Alone(Reason::Invalidated),
            Ok(HeldEnd::Changed | HeldEnd::Lapsed) => Woken::Ask,
        }
    }

    /// The lease if it is to be had without waiting.
    async fn lease_at_once(&self) -> Result<LeaseGuard, Reason> {
        let asked = lease::ask(&self.core, &self.key, &self.labels, &self.fence, Claim::Firm).await;
        asked.map_err(|error| error.reason())?.at_once().ok_or(Reason::LeaseLost)
    }

    /// A key that proved uncacheable on another node: requests for it are not queued here either.
    fn for_one(&self, lease: Result<LeaseGuard, Reason>) -> Turn {
        self.core.uncacheable.remember(&self.key, Reason::LeaderUncacheable, self.core.clock.now());
        if self.shared { Turn::FetchForOne(lease) } else { Turn::Fetch(lease) }
    }

    /// Whether something landed since that does not answer.
    fn is_of_no_use(&self, known: Option<&Arc<Entry>>) -> bool {
        let fetched_at = |entry: &Arc<Entry>| (entry.meta().requested_at, entry.meta().received_at);
        self.stale.is_some() && self.stale.as_ref().map(fetched_at) != known.map(fetched_at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fetch_waits_for_two_holders_and_for_each_as_long_as_it_holds() {
        let mut line = Line::default();
        for (holder, may) in [(7, true), (7, true), (8, true), (8, true), (9, false), (8, false)] {
            assert_eq!(line.may_wait_for(holder), may, "{holder}");
        }
    }
}

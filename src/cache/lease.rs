//! Leases, owned: whatever is dropped, and whenever, no lease is left behind.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::handle::Core;
use crate::invalidation::Tag;
use crate::key::Key;
use crate::policy::Storable;
use crate::route::Rule;
use crate::store::{BoxFuture, Claim, Fence, Held, Labels, Lease, Leased, Reply, StoreError, Unused};

/// A lease that is given back when it is dropped unused.
pub(super) struct LeaseGuard {
    core: Arc<Core>,
    lease: Option<Lease>,
}

/// What came of asking for a lease: [`Leased`], owned.
pub(super) enum Granted {
    Yes(LeaseGuard),
    Held(Held),
    Uncacheable(Option<LeaseGuard>),
}

/// A lease that was asked for. Dropped before the store has answered, it is waited for in the background and given back:
/// the store may grant it although nobody is left to use it.
struct Asked {
    core: Arc<Core>,
    answer: Option<BoxFuture<Result<Leased, StoreError>>>,
}

/// Asks for the lease on a key.
pub(super) async fn ask(
    core: &Arc<Core>,
    key: &Key,
    labels: &Labels,
    fence: &Arc<Fence>,
    claim: Claim,
) -> Result<Granted, StoreError> {
    let leased = match core.store.lease(key, labels, fence, claim) {
        Reply::Now(leased) => leased,
        Reply::Later(answer) => Asked { core: core.clone(), answer: Some(answer) }.await,
    };
    leased.map(|leased| Granted::new(core, leased))
}

/// What the responses of a route can be selected by.
pub(super) fn labels(rule: &Rule, path: &str) -> Labels {
    Labels { category: rule.category_name().cloned(), tags: rule.tags_for(path) }
}

/// What a response is stored under: these labels, and the groups that the origin puts it in.
pub(super) fn with_groups(mut labels: Labels, key: &Key, storable: &Storable) -> Labels {
    labels.tags.extend(storable.groups.iter().map(|group| Tag::group(key.host(), group)));
    labels
}

impl Granted {
    /// The lease, if there is one to be had without waiting.
    pub(super) fn at_once(self) -> Option<LeaseGuard> {
        match self {
            Self::Yes(lease) => Some(lease),
            Self::Uncacheable(lease) => lease,
            Self::Held(_) => None,
        }
    }

    fn new(core: &Arc<Core>, leased: Leased) -> Self {
        let guard = |lease| LeaseGuard { core: core.clone(), lease: Some(lease) };
        match leased {
            Leased::Yes(lease) => Self::Yes(guard(lease)),
            Leased::Held(held) => Self::Held(held),
            Leased::Uncacheable(lease) => Self::Uncacheable(lease.map(guard)),
        }
    }
}

impl LeaseGuard {
    pub(super) fn core(&self) -> &Arc<Core> {
        &self.core
    }

    pub(super) fn lease(&self) -> Option<&Lease> {
        self.lease.as_ref()
    }

    /// Takes the lease out, to be used up.
    pub(super) fn take(&mut self) -> Option<Lease> {
        self.lease.take()
    }

    /// Whether an entry was stored under the key when the lease was given.
    pub(super) fn is_beside_an_entry(&self) -> bool {
        self.lease.as_ref().is_some_and(Lease::is_beside_an_entry)
    }

    /// Gives the lease back, and says that what was fetched can answer nobody else.
    pub(super) fn give_back_uncacheable(mut self) {
        self.give_back(Unused::Uncacheable);
    }

    fn give_back(&mut self, why: Unused) {
        if let Some(lease) = self.lease.take()
            && let Reply::Later(release) = self.core.store.release(lease, why)
        {
            self.core.background.run(release);
        }
    }
}

impl Drop for LeaseGuard {
    fn drop(&mut self) {
        self.give_back(Unused::Abandoned);
    }
}

impl Future for Asked {
    type Output = Result<Leased, StoreError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // Out of its place while it is polled: what panicked is not polled again.
        let Some(mut answer) = self.answer.take() else { return Poll::Pending };
        let polled = answer.as_mut().poll(cx);
        if polled.is_pending() {
            self.answer = Some(answer);
        }
        polled
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        if let Some(answer) = self.answer.take() {
            let core = self.core.clone();
            self.core.background.run(async move { drop(answer.await.map(|leased| Granted::new(&core, leased))) });
        }
    }
}

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
use crate::store::{BoxFuture, Fence, Labels, Lease, Reply, StoreError};

/// A lease that is given back when it is dropped unused.
pub(super) struct LeaseGuard {
    core: Arc<Core>,
    lease: Option<Lease>,
}

/// A lease that was asked for. Dropped before the store has answered, it is waited for in the background and given back:
/// the store may grant it although nobody is left to use it.
struct Asked {
    core: Arc<Core>,
    answer: Option<BoxFuture<Result<Lease, StoreError>>>,
}

/// Asks for the lease on a key.
pub(super) async fn ask(
    core: &Arc<Core>,
    key: &Key,
    labels: &Labels,
    fence: &Arc<Fence>,
) -> Result<LeaseGuard, StoreError> {
    let lease = match core.store.lease(key, labels, fence) {
        Reply::Now(lease) => lease,
        Reply::Later(answer) => Asked { core: core.clone(), answer: Some(answer) }.await,
    };
    lease.map(|lease| LeaseGuard::new(core.clone(), lease))
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

impl LeaseGuard {
    fn new(core: Arc<Core>, lease: Lease) -> Self {
        Self { core, lease: Some(lease) }
    }

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
}

impl Drop for LeaseGuard {
    fn drop(&mut self) {
        if let Some(lease) = self.lease.take()
            && let Reply::Later(release) = self.core.store.release(lease)
        {
            self.core.background.run(release);
        }
    }
}

impl Future for Asked {
    type Output = Result<Lease, StoreError>;

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
            self.core.background.run(async move { drop(answer.await.map(|lease| LeaseGuard::new(core, lease))) });
        }
    }
}

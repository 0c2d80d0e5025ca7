//! What a fetch needs to store what it brings: the judgement of policy, and the lease.

use std::any::Any;
use std::sync::Arc;

use bytes::Bytes;

use crate::cache::handle::Core;
use crate::entry::Entry;
use crate::key::Key;
use crate::outcome::Reason;
use crate::policy::{self, Options, Storable, StoreIf};
use crate::store::{Lease, Put, Reply, StoreError, Stored};

/// Keeps a flight in the list until it is let go.
pub(in crate::cache) type Held = Option<Arc<dyn Any + Send + Sync>>;

/// A lease that is given back when it is dropped unused.
pub(in crate::cache) struct LeaseGuard {
    core: Arc<Core>,
    lease: Option<Lease>,
}

/// Stores a response when its body is complete. Dropped before, it gives the lease back and stores nothing.
pub(in crate::cache) struct Keep {
    storable: Box<Storable>,
    lease: LeaseGuard,
    store_if: StoreIf,
    max_variants: usize,
    content_length: Option<u64>,
}

impl LeaseGuard {
    pub(in crate::cache) fn new(core: Arc<Core>, lease: Lease) -> Self {
        Self { core, lease: Some(lease) }
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

impl Keep {
    pub(in crate::cache) fn new(
        storable: Box<Storable>,
        lease: LeaseGuard,
        options: &Options,
        content_length: Option<u64>,
    ) -> Self {
        Self { storable, lease, store_if: options.store_if.clone(), max_variants: options.max_variants, content_length }
    }

    /// Stores the complete body. A store that answers later is waited for in the background: no client waits for it.
    pub(in crate::cache) fn store(mut self, body: Bytes, flight: Held) {
        let core = self.lease.core.clone();
        if self.content_length.is_some_and(|length| length != body.len() as u64) {
            return core.stats.reason(Reason::Incomplete);
        }
        if let Err(reason) = policy::admit_body(&self.store_if, &body) {
            return core.stats.reason(reason);
        }
        let Some(lease) = self.lease.lease.take() else { return };
        let (key, labels) = (lease.key().clone(), lease.labels().clone());
        let names: Arc<[_]> = self.storable.vary.as_slice().into();
        let variant = (!names.is_empty()).then(|| {
            let id = policy::variant_of(&self.storable.selecting);
            (names, id)
        });
        let entry = Arc::new(self.storable.into_entry(key, labels.category, labels.tags, body));
        put(&core, lease, Put { entry, variant, max_variants: self.max_variants, now: core.clock.now() }, flight);
    }

    /// Stores a head that a validation freshened, with the body that is stored already.
    pub(in crate::cache) fn freshen(mut self, key: Key, stored: &Entry) -> Arc<Entry> {
        let core = self.lease.core.clone();
        let names: Arc<[_]> = self.storable.vary.as_slice().into();
        let variant = (!names.is_empty()).then(|| (names, policy::variant_of(&self.storable.selecting)));
        let meta = stored.meta();
        let entry = self.storable.into_entry(key, meta.category.clone(), meta.tags.clone(), stored.body().clone());
        let entry = Arc::new(entry);
        if let Some(lease) = self.lease.lease.take() {
            let put_this =
                Put { entry: entry.clone(), variant, max_variants: self.max_variants, now: core.clock.now() };
            put(&core, lease, put_this, None);
        }
        entry
    }
}

fn put(core: &Arc<Core>, lease: Lease, put: Put, flight: Held) {
    match core.store.put(lease, put) {
        Reply::Now(answer) => count(core, &answer),
        Reply::Later(answer) => {
            let core_then = core.clone();
            let wait = async move {
                count(&core_then, &answer.await);
                // The fetch can be joined until what it brought can be read.
                drop(flight);
            };
            if !core.background.run(wait) {
                core.stats.reason(Reason::Saturated);
            }
        }
    }
}

fn count(core: &Core, answer: &Result<Stored, StoreError>) {
    match answer {
        Ok(Stored::Yes) => {}
        Ok(Stored::LeaseLost) => core.stats.reason(Reason::Invalidated),
        Ok(Stored::TooLarge) => core.stats.reason(Reason::TooLarge),
        Err(error) => core.stats.reason(error.reason()),
    }
}

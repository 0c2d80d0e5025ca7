//! What a fetch needs to store what it brings: the judgement of policy, and the lease.

use std::sync::Arc;

use bytes::Bytes;

use crate::cache::flight::Flight;
use crate::cache::handle::Core;
use crate::cache::lease::LeaseGuard;
use crate::entry::Entry;
use crate::key::Key;
use crate::outcome::Reason;
use crate::policy::{self, Storable};
use crate::route::Rule;
use crate::store::{Labels, Lease, Put, Reply, StoreError, Stored};

/// Closes the doors of a flight when it is dropped, and keeps the flight in the list until then.
pub(super) struct Landing(Option<Arc<dyn Flight>>);

/// Stores a response when its body is complete. Dropped before, it gives the lease back and stores nothing.
pub(in crate::cache) struct Keep {
    storable: Box<Storable>,
    key: Key,
    labels: Labels,
    lease: LeaseGuard,
    rule: Arc<Rule>,
    content_length: Option<u64>,
    arrived: u64,
}

impl Landing {
    pub(super) fn of(flight: Option<Arc<dyn Flight>>) -> Self {
        Self(flight)
    }
}

impl Drop for Landing {
    fn drop(&mut self) {
        if let Some(flight) = &self.0 {
            flight.base().close_doors();
        }
    }
}

impl Keep {
    pub(in crate::cache) fn new(
        mut storable: Box<Storable>,
        key: Key,
        labels: Labels,
        lease: LeaseGuard,
        rule: Arc<Rule>,
        content_length: Option<u64>,
    ) -> Self {
        storable.spread(rule.policy().ttl_jitter, &key);
        Self { storable, key, labels, lease, rule, content_length, arrived: 0 }
    }

    pub(super) fn key(&self) -> &Key {
        &self.key
    }

    /// Whether the body has the length that its head announced once this many bytes more have arrived.
    pub(super) fn is_whole_with(&mut self, more: usize) -> bool {
        self.arrived += more as u64;
        self.content_length == Some(self.arrived)
    }

    /// Stores nothing: the body is more than anybody else may be given.
    pub(super) fn refuse(self) {
        self.lease.give_back_uncacheable();
    }

    /// Stores the complete body. A store that answers later is waited for in the background: no client waits for it,
    /// and the flight can be joined until then.
    pub(super) fn store(mut self, body: Bytes, landing: Landing) {
        let core = self.lease.core().clone();
        if self.content_length.is_some_and(|length| length != body.len() as u64) {
            return core.unstored(&self.key, Reason::Incomplete);
        }
        if let Err(reason) = policy::admit_body(&self.rule.policy().store_if, &body) {
            return core.unstored(&self.key, reason);
        }
        let Some(lease) = self.lease.take() else { return };
        let variant = self.storable.variant();
        let Labels { category, tags } = self.labels;
        let entry = Arc::new(self.storable.into_entry(self.key, category, tags, body));
        let (max_variants, now) = (self.rule.policy().max_variants, core.clock.now());
        put(&core, lease, Put { entry, variant, max_variants, now }, landing);
    }

    /// Stores a head that was freshened outside a shared fetch; `flight` is found by invalidations until it is stored.
    pub(in crate::cache) fn freshen_for(self, stored: &Entry, flight: Arc<dyn Flight>) {
        self.freshen(stored, Landing::of(Some(flight)));
    }

    /// Stores a head that a validation freshened, with the body that is stored already.
    pub(super) fn freshen(mut self, stored: &Entry, landing: Landing) -> Arc<Entry> {
        let core = self.lease.core().clone();
        let variant = self.storable.variant();
        let Labels { category, tags } = self.labels;
        let entry = Arc::new(self.storable.into_entry(self.key, category, tags, stored.body().clone()));
        if let Some(lease) = self.lease.take() {
            let (entry, now, max_variants) = (entry.clone(), core.clock.now(), self.rule.policy().max_variants);
            put(&core, lease, Put { entry, variant, max_variants, now }, landing);
        }
        entry
    }
}

fn put(core: &Arc<Core>, lease: Lease, put: Put, landing: Landing) {
    let key = lease.key().clone();
    match core.store.put(lease, put) {
        Reply::Now(answer) => count(core, &key, &answer),
        Reply::Later(answer) => {
            let (core_then, key_then) = (core.clone(), key.clone());
            let wait = async move {
                count(&core_then, &key_then, &answer.await);
                drop(landing);
            };
            if !core.background.run(wait) {
                core.unstored(&key, Reason::Saturated);
            }
        }
    }
}

fn count(core: &Core, key: &Key, answer: &Result<Stored, StoreError>) {
    match answer {
        Ok(Stored::Yes) => {}
        Ok(Stored::LeaseLost) => core.unstored(key, Reason::Invalidated),
        Ok(Stored::TooLarge) => core.unstored(key, Reason::TooLarge),
        Err(error) => core.unstored(key, error.reason()),
    }
}

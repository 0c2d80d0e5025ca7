//! The handle on a cache: what the admin routes and an embedding program hold.

use std::sync::Arc;

use arc_swap::ArcSwap;

use super::background::Background;
use super::flight::Flights;
use super::keyed::ForwardedProto;
use super::lease::LeaseGuard;
use super::service::CacheLayer;
use super::uncacheable::Uncacheable;
use crate::clock::{Clock, Timestamp};
use crate::invalidation::{Cleared, Selector};
use crate::key::Key;
use crate::outcome::Reason;
use crate::route::Table;
use crate::stats::Stats;
use crate::store::{Health, Inspected, Store, StoreError};

/// A cache. Clones share everything.
#[derive(Clone, Debug)]
pub struct Cache {
    pub(super) core: Arc<Core>,
}

/// Builds a [`Cache`].
#[derive(Debug)]
pub struct Builder {
    table: Table,
    store: Arc<dyn Store>,
    clock: Clock,
    on_error: OnStoreError,
    bypass_token: Option<Box<str>>,
}

/// What a request gets when the shared store fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnStoreError {
    /// A miss: the client never notices.
    #[default]
    Bypass,
    /// A 502 that says why, for finding out what is wrong.
    Error,
}

#[derive(Debug)]
pub(super) struct Core {
    pub(super) table: ArcSwap<Table>,
    pub(super) store: Arc<dyn Store>,
    pub(super) stats: Stats,
    pub(super) clock: Clock,
    pub(super) on_error: OnStoreError,
    pub(super) bypass_token: Option<Box<str>>,
    pub(super) flights: Flights,
    pub(super) uncacheable: Uncacheable,
    pub(super) background: Background,
}

impl Core {
    /// Cuts off what is in flight, clears what is stored, and cuts off what has begun meanwhile: a fetch that began
    /// before this has returned, and may have read what was to be cleared, can be neither joined nor stored after it.
    pub(super) async fn invalidate(&self, selector: &Selector) -> Result<Cleared, StoreError> {
        let _cut = self.flights.cut(selector.clone());
        self.store.invalidate(selector).wait().await
    }

    /// Whether a request is answered with an error when the store fails.
    pub(super) fn refuses_without_store(&self) -> bool {
        self.on_error == OnStoreError::Error
    }

    /// Counts a response that was not stored after all, and remembers why.
    pub(super) fn unstored(&self, key: &Key, reason: Reason) {
        self.stats.reason(reason);
        self.uncacheable.note(key, reason, self.clock.now());
    }
}

impl Core {
    /// The same, for a write whose own answer is to be stored: this flight keeps its lease, and its right to store. Any
    /// other invalidation ends both.
    pub(super) async fn invalidate_around(
        &self,
        selector: &Selector,
        flight: u64,
        lease: &LeaseGuard,
    ) -> Result<Cleared, StoreError> {
        let _cut = self.flights.cut_around(selector.clone(), flight);
        match lease.lease() {
            Some(lease) => self.store.invalidate_around(selector, lease).wait().await,
            None => self.store.invalidate(selector).wait().await,
        }
    }
}

impl Cache {
    /// The layer that puts this cache in front of a service. Every layer of one handle shares everything.
    pub fn layer(&self) -> CacheLayer {
        CacheLayer { core: self.core.clone(), proto: ForwardedProto::default(), maker: None }
    }

    /// A cache for these routes whose entries live in this store.
    pub fn builder(table: Table, store: impl Store) -> Builder {
        Builder {
            table,
            store: Arc::new(store),
            clock: Clock::system(),
            on_error: OnStoreError::default(),
            bypass_token: None,
        }
    }

    /// Clears what the selector names. When this returns, nothing that was fetched before can be served from the cache
    /// on this node, and no fetch in flight can store what it brings.
    ///
    /// `deleted` is 0 and `queued` is true when the shared store cannot be reached: the invalidation is kept and applied
    /// before this process reads from that store again.
    ///
    /// Dropping the future may leave the invalidation done or undone.
    ///
    /// # Errors
    /// [`StoreError`] when the store can neither carry it out nor keep it.
    pub async fn invalidate(&self, selector: &Selector) -> Result<Cleared, StoreError> {
        self.core.invalidate(selector).await
    }

    /// Counts what [`Cache::invalidate`] would delete.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn count(&self, selector: &Selector) -> Result<u64, StoreError> {
        self.core.store.count(selector).wait().await
    }

    /// Looks at the record of a key, without a trace: nothing is counted, copied nearer or made likelier to stay.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer, or what it holds is no entry.
    pub async fn inspect(&self, key: &Key) -> Result<Inspected, StoreError> {
        self.core.store.inspect(key).wait().await
    }

    /// The instant for which decisions are made now.
    pub fn now(&self) -> Timestamp {
        self.core.clock.now()
    }

    /// How the store is.
    pub async fn health(&self) -> Health {
        self.core.store.health().wait().await
    }

    /// The counters of this process.
    pub fn stats(&self) -> &Stats {
        &self.core.stats
    }

    /// The routes in force.
    pub fn table(&self) -> Arc<Table> {
        self.core.table.load_full()
    }

    /// Puts other routes in force. Requests that are under way keep the ones they began with.
    pub fn replace_table(&self, table: Table) {
        self.core.table.store(Arc::new(table));
    }

    /// What a request gets when the shared store fails.
    pub fn on_store_error(&self) -> OnStoreError {
        self.core.on_error
    }

    /// Fetches under way.
    pub fn in_flight(&self) -> usize {
        self.core.flights.len()
    }
}

impl Builder {
    /// Where the time comes from. The system's clock.
    #[must_use]
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// What a request gets when the shared store fails. [`OnStoreError::Bypass`].
    #[must_use]
    pub fn on_store_error(mut self, on_error: OnStoreError) -> Self {
        self.on_error = on_error;
        self
    }

    /// The token that lets a request use the bypass parameter of a route with `allow: token`. None: nobody can.
    #[must_use]
    pub fn bypass_token(mut self, token: impl Into<Box<str>>) -> Self {
        self.bypass_token = Some(token.into());
        self
    }

    /// The cache.
    #[must_use]
    pub fn build(self) -> Cache {
        Cache {
            core: Arc::new(Core {
                table: ArcSwap::from_pointee(self.table),
                store: self.store,
                stats: Stats::default(),
                clock: self.clock,
                on_error: self.on_error,
                bypass_token: self.bypass_token,
                flights: Flights::default(),
                uncacheable: Uncacheable::default(),
                background: Background::default(),
            }),
        }
    }
}

//! Where records live.
//!
//! A [`Store`] keeps entries under keys, hands out leases that fence the filling of a key, and carries invalidations
//! out. It never reads a header field: which variant answers which request, and what may be stored at all, is decided
//! before it is asked.
//!
//! Two things make an invalidation final, whatever was in flight. A [`Fence`] stands in this process: it belongs to
//! one fill, an invalidation closes it, and an insertion happens under its lock. A [`Lease`] stands in the shared
//! store: an invalidation deletes it, and a store without it is refused.

mod lease;
#[cfg(feature = "memory")]
mod memory;
#[cfg(feature = "redis")]
mod reads;
#[cfg(feature = "redis")]
mod redis;
#[cfg(feature = "redis")]
mod tiered;
#[cfg(feature = "redis")]
pub mod wire;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use http::header::HeaderName;

use crate::clock::Timestamp;
use crate::entry::Entry;
use crate::invalidation::{Category, Cleared, Selector, Tag};
use crate::key::Key;

pub use lease::{Changes, Claim, Fence, Held, HeldEnd, Lease, Leased, Teller, Unused};
#[cfg(feature = "memory")]
pub use memory::MemoryStore;
#[cfg(feature = "redis")]
pub use redis::{
    Examination, ExamineError, Finding, Gravity, RedisConfig, RedisConfigError, RedisStore, RedisTls, Trouble, examine,
};
#[cfg(feature = "redis")]
pub use tiered::{NearConfig, TieredStore};

pub use crate::key::VariantId;

/// A future without a borrow, boxed: only answers that wait pay for one.
pub type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// An answer that is there already, or one that must be waited for.
///
/// A store that holds its records in memory answers [`Reply::Now`], and nothing is allocated for it.
#[must_use]
pub enum Reply<T> {
    /// The answer.
    Now(T),
    /// The answer, later. Dropping it abandons the wait; an operation already sent to a server may still take effect.
    Later(BoxFuture<T>),
}

/// What a store keeps: entries under keys.
///
/// Every method may be called from any task at any time. Failures are [`StoreError`]s; the cache treats them as misses
/// and never fails a request over them. A store answers in bounded time, with [`StoreError::Timeout`] if need be: the
/// cache sets no limit of its own to the request that asks, only to those that wait for it.
pub trait Store: Send + Sync + fmt::Debug + 'static {
    /// Reads the record of `key`: its entry, or the fields it varies on when it has variants.
    fn get(&self, key: &Key) -> Reply<Result<Found, StoreError>>;

    /// Reads one variant of `key`. [`Found::Absent`] when there is no such variant.
    fn get_variant(&self, key: &Key, variant: &VariantId) -> Reply<Result<Found, StoreError>>;

    /// Asks for the lease on `key` before it is fetched. When nobody is left to use it, the answer is waited for all the
    /// same, and the lease given back. Once it was given, every invalidation that selects the key by its name, by
    /// `labels` or by pattern ends it.
    ///
    /// Where another fetch has it, whatever changes in the record from before the store was asked is told by
    /// [`Held::end`]; the fence is not cut meanwhile.
    fn lease(&self, key: &Key, labels: &Labels, fence: &Arc<Fence>, claim: Claim) -> Reply<Result<Leased, StoreError>>;

    /// Stores an entry if its lease still holds, replacing the one in its place.
    ///
    /// With `variant` the entry is stored beside the other variants of its key, at most `max_variants` of them.
    fn put(&self, lease: Lease, put: Put) -> Reply<Result<Stored, StoreError>>;

    /// Gives a lease back without storing anything; whoever waits for it is told.
    fn release(&self, lease: Lease, why: Unused) -> Reply<()>;

    /// Removes one record, its variants and its lease. Used for what proved unusable when it was read.
    fn remove(&self, key: &Key) -> Reply<Result<(), StoreError>>;

    /// Carries an invalidation out. When this has answered, nothing that was selected can be read, and no fill that
    /// held a lease before can store.
    fn invalidate(&self, selector: &Selector) -> Reply<Result<Cleared, StoreError>>;

    /// The same, but leaves this lease to its holder, who will store what was made after all that is cleared. It still
    /// ends by any other invalidation, also one that is carried out at the same time.
    ///
    /// A store that cannot tell the two apart ends the lease: then nothing is stored.
    fn invalidate_around(&self, selector: &Selector, _lease: &Lease) -> Reply<Result<Cleared, StoreError>> {
        self.invalidate(selector)
    }

    /// Counts what an invalidation would delete.
    fn count(&self, selector: &Selector) -> Reply<Result<u64, StoreError>>;

    /// What the store says of its own health.
    fn health(&self) -> Reply<Health>;

    /// Looks at the record of `key` without a trace: nothing is made more likely to stay, copied nearer, counted or
    /// removed. For people; it may read all variants. A store that cannot do so refuses.
    fn inspect(&self, key: &Key) -> Reply<Result<Inspected, StoreError>> {
        let _ = key;
        Reply::Now(Err(StoreError::Unavailable("this store does not show its records".into())))
    }

    /// The name under which a shared store keeps the record of `key`.
    fn record_name(&self, key: &Key) -> Option<String> {
        let _ = key;
        None
    }
}

/// A record that was looked at.
#[derive(Clone, Debug)]
pub struct Inspected {
    /// What it holds.
    pub record: Record,
    /// Where it was found.
    pub place: Place,
    /// A fill somewhere holds the lease on the key in the shared store.
    pub leased: bool,
}

/// What a record holds.
#[derive(Clone, Debug)]
pub enum Record {
    /// Nothing.
    Absent,
    /// One entry.
    Single(Arc<Entry>),
    /// Several, chosen by these request fields.
    Varied {
        /// The fields, in the order of their names.
        names: Arc<[HeaderName]>,
        /// The variants.
        variants: Vec<(VariantId, Arc<Entry>)>,
    },
}

/// Where a record was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In this process.
    Memory,
    /// In the shared store.
    Shared,
}

/// What a read found.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Found {
    /// Nothing.
    Absent,
    /// The entry.
    Entry(Arc<Entry>),
    /// The key has variants, chosen by these request fields.
    Varied(Arc<[HeaderName]>),
}

/// What an entry can be selected by besides its key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Labels {
    /// The category of the route.
    pub category: Option<Category>,
    /// The tags that are known before the response arrives.
    pub tags: Vec<Tag>,
}

/// An entry to store.
#[derive(Clone, Debug)]
pub struct Put {
    /// The entry; its key says where.
    pub entry: Arc<Entry>,
    /// For a response with `Vary`: the fields it varies on, in the order of their names, and its place among the variants.
    pub variant: Option<(Arc<[HeaderName]>, VariantId)>,
    /// How many variants a key may have; the oldest leaves.
    pub max_variants: usize,
    /// The instant of the decision.
    pub now: Timestamp,
}

/// What came of a [`Store::put`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stored {
    /// The entry can be read from now on.
    Yes,
    /// An invalidation, or another holder, ended the lease.
    LeaseLost,
    /// The store has no room for an entry of this size.
    TooLarge,
}

/// Why a store did not answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The answer took longer than the configured timeout.
    #[error("the store did not answer in time")]
    Timeout,
    /// The store cannot be reached.
    #[error("the store cannot be reached: {0}")]
    Unavailable(Arc<str>),
    /// What was read is not an entry; it was removed.
    #[error("what the store held is not an entry")]
    Garbage,
}

/// The state of a store.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Health {
    /// `memory` or `redis`.
    pub backend: &'static str,
    /// Whether it answered.
    pub healthy: bool,
    /// How long it took.
    pub latency: Option<Duration>,
    /// The version of the server.
    pub version: Option<String>,
    /// The memory in use, as the server prints it.
    pub used_memory: Option<String>,
    /// Connections to the server.
    pub connected_clients: Option<u64>,
    /// Time since the server started.
    pub uptime: Option<Duration>,
    /// Why it is not healthy.
    pub error: Option<String>,
    /// Invalidations kept until the server is back.
    pub queued_invalidations: u64,
    /// How far the memory in front of a shared store can be relied on, where there is one.
    pub near: Option<Near>,
}

/// The state of the memory in front of a shared store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Near {
    /// Every change in the shared store is told, and drops the copy.
    Coherent,
    /// Changes are not told: copies are kept for a short time only.
    Degraded,
}

impl<T: Send + 'static> Reply<T> {
    /// The answer, waited for where it has to be.
    pub async fn wait(self) -> T {
        match self {
            Self::Now(answer) => answer,
            Self::Later(future) => future.await,
        }
    }
}

impl<T> fmt::Debug for Reply<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Now(_) => "Reply::Now",
            Self::Later(_) => "Reply::Later",
        })
    }
}

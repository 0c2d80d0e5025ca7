//! The shared store: Redis 6.2 or newer, or Valkey; standalone, Cluster or Sentinel.
//!
//! **One response is one hash**, `<prefix>:<key>`. Its root field `r` is the entry, or the list of `Vary` names when
//! there are variants, each in a field `v:<digest>`; `l` is the lease while the key is being fetched. A large body stands in a
//! field of its own, `b` or `b:<digest>`, so that no read of an entry waits for it unasked. So one `DEL`, by anyone,
//! removes all variants and ends the fill in flight. Beside them: `x`, when the entry is of no more use; `g`,
//! the labels it is cleared by; `k`, the full key where the name is hashed; `o`, the variants from old to new. Every
//! key has a time to live.
//!
//! **A fill is fenced by its lease.** The lease is taken before the fetch and stored entries need it; an invalidation
//! deletes the record, lease and all, so what was fetched before it can no longer be stored. A node that misses while
//! another holds the lease gets [`StoreError::Leased`]: it fetches for its client and stores nothing.
//!
//! **Invalidations find fills in flight by the same way as entries.** The key is noted in the indexes of its path, tags
//! and category together with the lease, before the fetch may begin, so an invalidation by any of them deletes the
//! lease too; a pattern, and everything, meets it in a scan. That is why no markers are left behind for fills to look
//! up afterwards. The one exception is a tag that only the response names: clearing a tag leaves a short-lived note,
//! and a store under such a tag looks for one that is younger than its lease.
//!
//! **An invalidation is never lost.** One that does not reach Redis, or is abandoned on its way, is kept; until it was
//! carried out this process reads nothing from Redis and stores nothing in it.
//!
//! Indexes may name keys that are gone, never the other way round, unless the server evicts: see [`clear`].

mod arrival;
mod clear;
mod config;
mod connection;
mod examine;
mod facts;
mod fault;
mod finding;
mod gather;
mod health;
mod inspect;
mod kept;
mod large;
mod link;
mod names;
mod queue;
mod read;
mod recent;
mod record;
mod recovery;
mod scripts;
mod sentinel;
mod socket;
mod talk;
mod tls;
mod tracking;
mod trouble;

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::Instant;

pub use self::config::{RedisConfig, RedisConfigError};
pub use self::examine::{Examination, ExamineError, examine};
pub use self::finding::{Finding, Gravity};
pub(in crate::store) use self::names::Names;
pub use self::tls::RedisTls;
pub(in crate::store) use self::tracking::{Listener, News};
pub use self::trouble::Trouble;

use self::arrival::Acquaintance;
use self::clear::{Spared, Sweep};
use self::fault::Fault;
use self::health::Knowledge;
use self::kept::{Kept, drain};
use self::link::{Link, State};
use self::queue::Queue;
use self::recent::Recent;
use self::sentinel::Watch;
use self::tracking::Access;
use crate::clock::Clock;
use crate::invalidation::{Cleared, Selector};
use crate::key::Key;
use crate::store::reads::Reads;
use crate::store::wire::Packing;
use crate::store::{
    BoxFuture, Fence, Found, Health, Inspected, Labels, Lease, Put, Reply, Store, StoreError, Stored, VariantId,
};

/// How long a count of everything is good for.
const COUNT_FOR: Duration = Duration::from_secs(1);
/// How long counting everything may take.
const COUNT_WITHIN: Duration = Duration::from_secs(5);

/// Entries in Redis.
pub struct RedisStore {
    redis: Arc<Redis>,
    reads: Arc<Reads>,
}

struct Redis {
    link: Arc<Link>,
    access: Access,
    names: Names,
    clock: Clock,
    queue: Queue,
    draining: AtomicBool,
    knowledge: Knowledge,
    acquaintance: Acquaintance,
    recent: Mutex<Recent>,
    garbage: AtomicU64,
    tokens: AtomicU64,
    packing: Packing,
    aside: Arc<Semaphore>,
    counted: Mutex<Option<(Instant, u64)>>,
}

impl RedisStore {
    /// Connects. Waits for the first connection for `connect_timeout` at most; a server that is not there is waited for
    /// in the background, and until it answers everything is a miss. Needs a tokio runtime.
    ///
    /// # Errors
    /// [`RedisConfigError`] when the configuration cannot be used.
    pub async fn connect(config: RedisConfig, clock: Clock) -> Result<Self, RedisConfigError> {
        // No entry has another method, so the indexes' changes are not told.
        let tracked = format!("{}:GET:", config.key_prefix);
        let client = config.client_config()?;
        let watch = Watch::of(&client, config.connect_timeout);
        let access = Access::new(client, tracked, config.connect_timeout);
        let link = Link::open(&config).await?;
        let redis = Arc::new(Redis {
            link,
            access,
            names: Names::new(&config.key_prefix),
            clock,
            queue: Queue::default(),
            draining: AtomicBool::new(false),
            knowledge: Knowledge::default(),
            acquaintance: Acquaintance::default(),
            recent: Mutex::default(),
            garbage: AtomicU64::new(0),
            tokens: AtomicU64::new(0),
            packing: Packing { from: config.compress, largest: config.largest_body },
            aside: large::threads(),
            counted: Mutex::default(),
        });
        let back = Arc::downgrade(&redis);
        let on_return = move || back.upgrade().iter().for_each(Redis::returned);
        let _ = redis.link.on_return.set(Box::new(on_return));
        if let Some(watch) = watch {
            spawn(watch.keep(Arc::downgrade(&redis.link)));
        }
        if redis.link.state() == State::Up {
            let _ = redis.look_around().await;
        } else {
            spawn(explain(Arc::downgrade(&redis.link), config));
        }
        Ok(Self { redis, reads: Arc::default() })
    }

    /// How often something in Redis proved to be no entry and was removed.
    pub fn garbage(&self) -> u64 {
        self.redis.garbage.load(Ordering::Relaxed)
    }

    /// Hears of every change to a record of a `GET`, under the record's physical name, until the listener is dropped.
    pub(in crate::store) fn listen(&self, hear: impl Fn(News<'_>) + Send + Sync + 'static) -> Listener {
        Listener::spawn(self.redis.access.clone(), Arc::clone(&self.redis.link), hear)
    }

    /// What things are called here.
    pub(in crate::store) fn names(&self) -> Names {
        self.redis.names.clone()
    }

    fn redis(&self) -> Arc<Redis> {
        Arc::clone(&self.redis)
    }

    /// Reads a record, or a variant of it, for one that asks.
    pub(in crate::store) fn read(
        &self,
        key: &Key,
        variant: Option<VariantId>,
    ) -> impl Future<Output = Result<Found, StoreError>> + Send + use<> {
        self.redis().read_record(key.clone(), variant)
    }

    /// The same for all that ask meanwhile.
    fn shared_read(&self, key: &Key, variant: Option<VariantId>) -> Reply<Result<Found, StoreError>> {
        self.down().unwrap_or_else(|| {
            // Boxed where it is made: moving it about would cost as much as all the rest.
            let begin = |_| -> BoxFuture<_> { Box::pin(self.read(key, variant)) };
            Reply::Later(Box::pin(self.reads.join(key, variant, begin)))
        })
    }

    /// The refusal that needs no waiting.
    pub(in crate::store) fn down<T>(&self) -> Option<Reply<Result<T, StoreError>>> {
        let down = self.redis.link.state() == State::Down;
        down.then(|| Reply::Now(Err(StoreError::Unavailable(self.redis.link.why()))))
    }
}

/// Looks at leases, for those who hear of changes.
pub(in crate::store) struct Leases(Arc<Redis>);

impl RedisStore {
    fn clear(&self, selector: &Selector, spared: Option<Spared>) -> Reply<Result<Cleared, StoreError>> {
        let kept = Kept::new(self.redis(), selector.clone(), spared);
        let (reads, selector) = (Arc::clone(&self.reads), selector.clone());
        Reply::Later(Box::pin(async move {
            let cleared = kept.carry_out().await;
            // What is read from here on is joined to no read that was sent before.
            reads.pass_selected(&selector);
            Ok(cleared)
        }))
    }

    /// Looks at leases.
    pub(in crate::store) fn leases(&self) -> Leases {
        Leases(self.redis())
    }
}

impl Leases {
    /// Cuts the fill off unless the record of this name still holds the lease.
    pub(in crate::store) fn look(&self, name: &str, token: u64, fence: Arc<Fence>) {
        let (redis, name) = (Arc::clone(&self.0), self.0.names.member(name));
        spawn(async move {
            if !redis.holds(&name, token).await {
                fence.cut();
            }
        });
    }
}

impl Store for RedisStore {
    fn get(&self, key: &Key) -> Reply<Result<Found, StoreError>> {
        self.shared_read(key, None)
    }

    fn get_variant(&self, key: &Key, variant: &VariantId) -> Reply<Result<Found, StoreError>> {
        self.shared_read(key, Some(*variant))
    }

    fn lease(&self, key: &Key, labels: &Labels, fence: &Arc<Fence>) -> Reply<Result<Lease, StoreError>> {
        let lease = || self.redis().lease(key.clone(), labels.clone(), Arc::clone(fence));
        self.down().unwrap_or_else(|| Reply::Later(Box::pin(lease())))
    }

    fn put(&self, lease: Lease, put: Put) -> Reply<Result<Stored, StoreError>> {
        match self.down() {
            Some(refusal) => refusal,
            None => {
                let (redis, reads, key) = (self.redis(), Arc::clone(&self.reads), lease.key().clone());
                Reply::Later(Box::pin(async move {
                    let stored = redis.put(lease, put).await;
                    reads.pass(key.as_str());
                    stored
                }))
            }
        }
    }

    fn release(&self, lease: Lease) -> Reply<()> {
        let redis = self.redis();
        Reply::Later(Box::pin(async move { redis.release(&lease).await }))
    }

    fn remove(&self, key: &Key) -> Reply<Result<(), StoreError>> {
        let (redis, reads, key) = (self.redis(), Arc::clone(&self.reads), key.clone());
        Reply::Later(Box::pin(async move {
            let name = redis.names.record(&key);
            let removed = redis.drop_record(&name, "", Some(""), redis.link.write_timeout).await;
            reads.pass(key.as_str());
            removed.map(drop).map_err(StoreError::from)
        }))
    }

    fn invalidate(&self, selector: &Selector) -> Reply<Result<Cleared, StoreError>> {
        self.clear(selector, None)
    }

    fn invalidate_around(&self, selector: &Selector, lease: &Lease) -> Reply<Result<Cleared, StoreError>> {
        self.clear(selector, self.redis.spared(lease))
    }

    fn count(&self, selector: &Selector) -> Reply<Result<u64, StoreError>> {
        let (redis, selector) = (self.redis(), selector.clone());
        Reply::Later(Box::pin(async move { redis.count(&selector).await }))
    }

    fn health(&self) -> Reply<Health> {
        Reply::Later(Box::pin(self.redis().health()))
    }

    fn inspect(&self, key: &Key) -> Reply<Result<Inspected, StoreError>> {
        self.down().unwrap_or_else(|| Reply::Later(Box::pin(self.redis().inspect(key.clone()))))
    }

    fn record_name(&self, key: &Key) -> Option<String> {
        Some(self.redis.names.record(key))
    }
}

impl Redis {
    /// Whether records may be read and written: nothing waits to be carried out, and no outage has just ended.
    async fn ready(self: &Arc<Self>) -> Result<(), StoreError> {
        if self.queue.len() > 0 {
            // A request waits no longer than for a read; the task that drains the queue has all the time it needs.
            let caught_up = tokio::time::timeout(self.link.read_timeout, self.catch_up());
            caught_up.await.map_err(|_| StoreError::Unavailable("invalidations wait to be carried out".into()))??;
        }
        match self.link.state() {
            State::Up if self.is_sure() => Ok(()),
            _ => Err(StoreError::Unavailable("Redis has just come back".into())),
        }
    }

    /// Carries out what waits, oldest first.
    async fn catch_up(self: &Arc<Self>) -> Result<(), Fault> {
        let _turn = self.queue.turn.lock().await;
        while let Some((number, selector)) = self.queue.first() {
            self.sweep(&selector, Sweep::Delete).await?;
            self.recent.lock().unwrap_or_else(PoisonError::into_inner).push(selector, Instant::now());
            self.queue.done(number);
        }
        Ok(())
    }

    async fn count(self: &Arc<Self>, selector: &Selector) -> Result<u64, StoreError> {
        if *selector != Selector::All {
            return Ok(self.sweep(selector, Sweep::Count).await?);
        }
        let counted = *self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, count)) = counted.filter(|(at, _)| at.elapsed() < COUNT_FOR) {
            return Ok(count);
        }
        let counting = tokio::time::timeout(COUNT_WITHIN, self.sweep(selector, Sweep::Count));
        let count = counting.await.map_err(|_| StoreError::Timeout)??;
        *self.counted.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), count));
        Ok(count)
    }

    /// Keeps an invalidation and sees to it that it is carried out even when nothing is read.
    fn keep(self: &Arc<Self>, selector: Selector) {
        self.queue.push(selector);
        if !self.draining.swap(true, Ordering::AcqRel) {
            spawn(drain(Arc::downgrade(self)));
        }
    }
}

/// Says why there is no connection at the start, in better words than those of the client.
async fn explain(link: Weak<Link>, config: RedisConfig) {
    let why = match examine(&config).await {
        Err(why) => Some(why.to_string()),
        Ok(seen) => seen.findings.first().filter(|finding| finding.gravity() == Gravity::Fatal).map(Finding::to_string),
    };
    let Some(link) = link.upgrade() else { return };
    if let (Some(why), State::Down) = (&why, link.state()) {
        link.explain(why.as_str().into());
    }
    let why = why.unwrap_or_else(|| link.why().as_ref().into());
    tracing::warn!(redis = %link.shown, %why, "Redis cannot be used; serving without it until it can");
}

/// This file owns the task that carries out what waits.
fn spawn(task: impl Future<Output = ()> + Send + 'static) {
    // Without a runtime the process is ending, and its queue with it.
    if let Ok(runtime) = tokio::runtime::Handle::try_current() {
        runtime.spawn(task);
    }
}

impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStore")
            .field("names", &self.redis.names)
            .field("state", &self.redis.link.state())
            .field("queued", &self.redis.queue.len())
            .finish_non_exhaustive()
    }
}

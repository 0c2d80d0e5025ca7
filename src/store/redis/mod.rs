//! The shared store: Redis 6.2 or newer, or Valkey; standalone, Cluster or Sentinel.
//!
//! **One response is one hash**, `<prefix>:<key>`. Its root field `r` is the entry, or the list of `Vary` names when
//! there are variants, each in a field `v:<digest>`; `l` is the lease while the key is being fetched. A large body stands in a
//! field of its own, `b` or `b:<digest>`, so that no read of an entry waits for it unasked. So one `DEL`, by anyone,
//! removes all variants and ends the fill in flight. Beside them: `x`, when the entry is of no more use; `g`,
//! the labels it is cleared by; `k`, the full key where the name is hashed; `o`, the variants from old to new. Every
//! key has a time to live. `w` says that somebody waits for the lease, and `u` until when those who wait are told that the
//! key proved uncacheable.
//!
//! **A fill is fenced by its lease.** The lease is taken before the fetch and stored entries need it; an invalidation
//! deletes the record, lease and all, so what was fetched before it can no longer be stored. A node that misses while
//! another holds the lease gets [`Leased::Held`], and is told when the record changes. A lease holds for two seconds and is
//! renewed while its fetch lasts, so that nobody waits long for a process that was killed.
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
mod hearing;
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
mod streak;
mod talk;
mod tls;
mod tracking;
mod trouble;
mod under_way;

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
pub(in crate::store) use self::tracking::News;
pub use self::trouble::Trouble;

use self::arrival::Acquaintance;
use self::clear::{Spared, Sweep};
use self::health::Knowledge;
use self::hearing::Hearing;
use self::kept::Kept;
use self::link::{Link, State};
use self::queue::Queue;
use self::recent::Recent;
use self::sentinel::Watch;
use self::tracking::{Access, Listener};
use crate::clock::Clock;
use crate::invalidation::{Cleared, Selector};
use crate::key::Key;
use crate::store::reads::Reads;
use crate::store::wire::Packing;
use crate::store::{
    BoxFuture, Claim, Fence, Found, Health, Inspected, Labels, Lease, Leased, Put, Reply, Store, StoreError, Stored,
    Unused, VariantId,
};

/// How long a count of everything is good for.
const COUNT_FOR: Duration = Duration::from_secs(1);
/// How long counting everything may take.
const COUNT_WITHIN: Duration = Duration::from_secs(5);

/// Entries in Redis.
pub struct RedisStore {
    redis: Arc<Redis>,
    reads: Arc<Reads>,
    /// Ends with the store.
    _listener: Listener,
}

struct Redis {
    link: Arc<Link>,
    hearing: Hearing,
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
        let names = Names::new(&config.key_prefix);
        let tracked = [format!("{}:GET:", config.key_prefix), names.news()];
        let client = config.client_config()?;
        let watch = Watch::of(&client, config.connect_timeout);
        let access = Access::new(client, tracked, config.connect_timeout);
        let link = Link::open(&config).await?;
        let redis = Arc::new(Redis {
            link,
            hearing: Hearing::default(),
            names,
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
        redis.renew_leases();
        let reads = Arc::<Reads>::default();
        let (hearer, heard) = (Arc::clone(&redis), Arc::clone(&reads));
        let listener = Listener::spawn(access, Arc::clone(&redis.link), move |news| {
            // What was sent before is joined by nobody who is woken by this.
            match hearer.member(news) {
                Some(member) => heard.pass(member),
                None => heard.pass_all(),
            }
            hearer.hear(news);
        });
        Ok(Self { redis, reads, _listener: listener })
    }

    /// How often something in Redis proved to be no entry and was removed.
    pub fn garbage(&self) -> u64 {
        self.redis.garbage.load(Ordering::Relaxed)
    }

    /// Whether every change in Redis is told to this process, so that it may wait for one.
    pub fn is_told(&self) -> bool {
        self.redis.hearing.under_way.is_told()
    }

    /// Hears of every change to a record of a `GET`, under its whole name, from now on and before anybody is woken by it.
    pub(in crate::store) fn share_news(&self, hear: impl Fn(News<'_>) + Send + 'static) {
        self.redis.hearing.share(Box::new(hear));
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
}

impl Store for RedisStore {
    fn get(&self, key: &Key) -> Reply<Result<Found, StoreError>> {
        self.shared_read(key, None)
    }

    fn get_variant(&self, key: &Key, variant: &VariantId) -> Reply<Result<Found, StoreError>> {
        self.shared_read(key, Some(*variant))
    }

    fn lease(&self, key: &Key, labels: &Labels, fence: &Arc<Fence>, claim: Claim) -> Reply<Result<Leased, StoreError>> {
        let name = key.physical();
        // Before it is asked for: what changes from then on is heard.
        self.redis.hearing.under_way.begin(&name, fence, Instant::now());
        if let Some(refusal) = self.down() {
            self.redis.hearing.under_way.without(&name, fence);
            return refusal;
        }
        let (redis, fence) = (self.redis(), Arc::clone(fence));
        let answer = self.redis().lease(key.clone(), labels.clone(), Arc::clone(&fence), claim);
        Reply::Later(Box::pin(async move {
            let answer = answer.await;
            redis.settle(&name, fence, &answer);
            answer
        }))
    }

    fn put(&self, lease: Lease, put: Put) -> Reply<Result<Stored, StoreError>> {
        self.redis.hearing.under_way.end(&lease.key().physical(), lease.fence());
        if let Some(refusal) = self.down() {
            return refusal;
        }
        let (redis, reads) = (self.redis(), Arc::clone(&self.reads));
        Reply::Later(Box::pin(async move {
            let stored = redis.put(&lease, put).await;
            reads.pass(lease.key().as_str());
            if stored.is_err() {
                // Others wait for it; whoever waits for this answer need not.
                spawn(async move { redis.release(&lease, Unused::Abandoned).await });
            }
            stored
        }))
    }

    fn release(&self, lease: Lease, why: Unused) -> Reply<()> {
        self.redis.hearing.under_way.end(&lease.key().physical(), lease.fence());
        let redis = self.redis();
        Reply::Later(Box::pin(async move { redis.release(&lease, why).await }))
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
    /// Has the fill cut off when its lease is taken away, and renewed until then.
    fn settle(self: &Arc<Self>, name: &str, fence: Arc<Fence>, answer: &Result<Leased, StoreError>) {
        let under_way = &self.hearing.under_way;
        match answer {
            Ok(Leased::Yes(lease) | Leased::Uncacheable(Some(lease))) => {
                let Some(token) = lease.token() else { return };
                if under_way.leased(name, &fence, token) {
                    self.look((name.to_owned(), token, fence));
                }
            }
            Ok(Leased::Held(_)) => {}
            Ok(Leased::Uncacheable(None)) | Err(_) => under_way.without(name, &fence),
        }
    }

    /// Whether records may be read and written: nothing waits to be carried out, and no outage has just ended.
    async fn ready(self: &Arc<Self>) -> Result<(), StoreError> {
        if self.queue.len() > 0 {
            // A request waits no longer than for a read; the task that drains the queue has all the time it needs. Boxed,
            // since it is rare and large, and would make the future of every read as large.
            let caught_up = tokio::time::timeout(self.link.read_timeout, Box::pin(self.catch_up()));
            caught_up.await.map_err(|_| StoreError::Unavailable("invalidations wait to be carried out".into()))??;
        }
        match self.link.state() {
            State::Up if self.is_sure() => Ok(()),
            _ => Err(StoreError::Unavailable("Redis has just come back".into())),
        }
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

/// This file owns the tasks that go on when nobody waits for them.
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

//! Memory in front of Redis, coherent with every other node's.
//!
//! A record that memory has is answered at once, as the embedded store would. Everything else is Redis': leases, stores
//! and invalidations go there, and what it is read from there stays in memory as a copy. So a response is copied when it
//! is first read after it was stored, not when it is stored: what nobody asks for again costs memory nothing.
//!
//! **A copy leaves when its record changes**, whoever changes it, because every node hears of it (see
//! `redis::tracking`). A message that overtakes a read must not be lost on it, so a read notes the *epoch* of its key
//! before it is sent, a message or an invalidation moves the epoch on before it removes the copy, and what was read under
//! another epoch is not kept. Our own writes are told like anybody's: the next read makes a new copy.
//!
//! **While the messages do not come** nothing can be relied on. Memory is emptied, and until they do it keeps what is
//! fetched from then on for `degraded_ttl` at most; what is fetched while Redis cannot be reached either is stored here
//! alone, so that an outage does not reach the upstream with its whole force. When the messages are back memory is
//! emptied once more.
//!
//! **An invalidation through this node** clears memory before it goes to Redis, and once more when it comes back: a read
//! that was answered before Redis carried it out is not kept.

#[cfg(test)]
mod model;
mod tier;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use self::tier::Tier;
use super::redis::{News, RedisStore};
use super::{
    BoxFuture, Claim, Fence, Found, Health, Inspected, Labels, Lease, Leased, MemoryStore, Near, Put, Record, Reply,
    Store, StoreError, Stored, Unused, VariantId,
};
use crate::clock::Clock;
use crate::invalidation::{Cleared, Selector};
use crate::key::Key;

/// How memory is used in front of Redis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NearConfig {
    /// How many bytes it may hold. 256 MiB.
    pub max_bytes: u64,
    /// How long a copy is kept without asking Redis again. 1 h.
    pub max_ttl: Duration,
    /// The same while changes in Redis are not told. 5 s.
    pub degraded_ttl: Duration,
}

/// Entries in Redis, and copies of those that are read in this process's memory.
pub struct TieredStore {
    tier: Arc<Tier>,
    redis: RedisStore,
}

impl Default for NearConfig {
    fn default() -> Self {
        Self { max_bytes: 256 << 20, max_ttl: Duration::from_secs(3600), degraded_ttl: Duration::from_secs(5) }
    }
}

impl TieredStore {
    /// Memory in front of this Redis.
    pub fn new(near: NearConfig, redis: RedisStore, clock: Clock) -> Self {
        let tier = Arc::new(Tier::new(MemoryStore::with_clock(near.max_bytes, clock.clone()), near, clock));
        let (names, hearer) = (redis.names(), Arc::clone(&tier));
        redis.share_news(move |news| match news {
            News::Up => hearer.trust(true),
            News::Down => hearer.trust(false),
            News::Flushed => hearer.forget_all(),
            News::Changed(name) => {
                if let Some(name) = std::str::from_utf8(name).ok().and_then(|name| names.member_of(name)) {
                    hearer.forget_named(name);
                }
            }
        });
        Self { tier, redis }
    }

    /// Whether changes in Redis are told, so that copies may be relied on.
    pub fn is_coherent(&self) -> bool {
        self.tier.is_trusted()
    }

    /// Bytes of memory in use.
    pub fn weight(&self) -> u64 {
        self.tier.memory.weight()
    }
}

impl Store for TieredStore {
    fn get(&self, key: &Key) -> Reply<Result<Found, StoreError>> {
        match self.tier.memory.kept(key, self.tier.clock.now()) {
            Found::Absent => {}
            found => return Reply::Now(Ok(found)),
        }
        self.read(key, None)
    }

    fn get_variant(&self, key: &Key, variant: &VariantId) -> Reply<Result<Found, StoreError>> {
        match self.tier.memory.kept_variant(key, variant, self.tier.clock.now()) {
            Found::Absent => {}
            found => return Reply::Now(Ok(found)),
        }
        self.read(key, Some(*variant))
    }

    fn lease(&self, key: &Key, labels: &Labels, fence: &Arc<Fence>, claim: Claim) -> Reply<Result<Leased, StoreError>> {
        let answer = self.redis.lease(key, labels, fence, claim);
        if self.tier.is_trusted() {
            return answer;
        }
        let alone = Lease::local(key.clone(), labels.clone(), Arc::clone(fence));
        let without_redis = move |answer: Result<Leased, StoreError>| match answer {
            Err(StoreError::Unavailable(_) | StoreError::Timeout) => Ok(Leased::Yes(alone)),
            answer => answer,
        };
        match answer {
            Reply::Now(answer) => Reply::Now(without_redis(answer)),
            Reply::Later(answer) => Reply::Later(Box::pin(async move { without_redis(answer.await) })),
        }
    }

    fn put(&self, lease: Lease, put: Put) -> Reply<Result<Stored, StoreError>> {
        if lease.token().is_none() {
            let stored = lease.fence().commit(|| self.tier.keep_alone(put));
            return Reply::Now(Ok(stored.unwrap_or(Stored::LeaseLost)));
        }
        let (tier, key) = (&self.tier, lease.key().clone());
        later(self.redis.put(lease, put), || {
            let tier = Arc::clone(tier);
            // Not left to the message, which may come a moment later. A store without an answer may have happened too.
            move |stored| {
                tier.forget_named(&key.physical());
                stored
            }
        })
    }

    fn release(&self, lease: Lease, why: Unused) -> Reply<()> {
        match lease.token() {
            Some(_) => self.redis.release(lease, why),
            None => Reply::Now(()),
        }
    }

    fn remove(&self, key: &Key) -> Reply<Result<(), StoreError>> {
        self.tier.forget_named(&key.physical());
        let (tier, key) = (&self.tier, key);
        later(self.redis.remove(key), || {
            let (tier, name) = (Arc::clone(tier), key.physical());
            move |removed| {
                tier.forget_named(&name);
                removed
            }
        })
    }

    fn invalidate(&self, selector: &Selector) -> Reply<Result<Cleared, StoreError>> {
        self.clear(selector, self.redis.invalidate(selector))
    }

    fn invalidate_around(&self, selector: &Selector, lease: &Lease) -> Reply<Result<Cleared, StoreError>> {
        self.clear(selector, self.redis.invalidate_around(selector, lease))
    }

    fn count(&self, selector: &Selector) -> Reply<Result<u64, StoreError>> {
        self.redis.count(selector)
    }

    fn health(&self) -> Reply<Health> {
        let near = Some(if self.is_coherent() { Near::Coherent } else { Near::Degraded });
        later(self.redis.health(), || move |health| Health { near, ..health })
    }

    /// Memory has copies of some variants, Redis has them all.
    fn inspect(&self, key: &Key) -> Reply<Result<Inspected, StoreError>> {
        let near = self.tier.memory.inspect(key);
        let copy = match &near {
            Reply::Now(Ok(Inspected { record: Record::Single(_), .. })) => return near,
            Reply::Now(Ok(Inspected { record: Record::Absent, .. })) => None,
            Reply::Now(Ok(copy)) => Some(copy.clone()),
            _ => None,
        };
        match (self.redis.inspect(key), copy) {
            (Reply::Later(far), Some(copy)) => Reply::Later(Box::pin(async move { far.await.or(Ok(copy)) })),
            (Reply::Now(Err(_)), Some(copy)) => Reply::Now(Ok(copy)),
            (far, _) => far,
        }
    }

    fn record_name(&self, key: &Key) -> Option<String> {
        self.redis.record_name(key)
    }
}

impl TieredStore {
    /// Forgets what Redis is about to clear, and again what may have been read meanwhile. The invalidation is kept from
    /// here on, should nobody wait for the rest.
    fn clear(
        &self,
        selector: &Selector,
        answer: Reply<Result<Cleared, StoreError>>,
    ) -> Reply<Result<Cleared, StoreError>> {
        let (tier, selector) = (Arc::clone(&self.tier), selector.clone());
        Reply::Later(Box::pin(async move {
            tier.forget_aside(&selector).await;
            let cleared = answer.wait().await;
            tier.forget_aside(&selector).await;
            cleared
        }))
    }

    /// Reads Redis, with all that ask for the same meanwhile; one copy is made for all of them.
    fn read(&self, key: &Key, variant: Option<VariantId>) -> Reply<Result<Found, StoreError>> {
        self.redis.down().unwrap_or_else(|| {
            let begin = |seen| -> BoxFuture<_> {
                let (tier, key, read) = (Arc::clone(&self.tier), key.clone(), self.redis.read(key, variant));
                Box::pin(async move {
                    let found = read.await?;
                    Ok(match variant {
                        None => tier.copy(&key, seen, found),
                        Some(id) => tier.copy_variant(&key, id, seen, found),
                    })
                })
            };
            Reply::Later(Box::pin(self.tier.reads.join(key, variant, begin)))
        })
    }
}

impl fmt::Debug for TieredStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TieredStore")
            .field("memory", &self.tier.memory)
            .field("coherent", &self.is_coherent())
            .field("redis", &self.redis)
            .finish_non_exhaustive()
    }
}

/// Has the answer of Redis go through `then`. A refusal without asking changes nothing.
fn later<T, F>(answer: Reply<T>, then: impl FnOnce() -> F) -> Reply<T>
where
    T: Send + 'static,
    F: FnOnce(T) -> T + Send + 'static,
{
    match answer {
        Reply::Now(answer) => Reply::Now(answer),
        Reply::Later(answer) => {
            let then = then();
            Reply::Later(Box::pin(async move { then(answer.await) }))
        }
    }
}

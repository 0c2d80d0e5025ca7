//! The embedded store: entries in this process's memory, bounded by bytes.
//!
//! A key maps to one [`Slot`]: its entry, or its variants. A read answers at once and clones nothing but an `Arc`. The
//! bound is kept by weight: an entry that alone would take more than a quarter of a shard is refused
//! ([`Stored::TooLarge`]) instead of being dropped in silence.
//!
//! **What makes an invalidation final here.** Whoever invalidates closes the fences of the fills that are selected,
//! then calls [`Store::invalidate`]. An insertion runs under its fence, so each lies before the invalidation, which
//! then removes it, or does not happen. Between a read and the insertion of a slot with one variant more, nothing may
//! remove the slot: both sides hold the index's lock. A bare entry without tags replaces whatever is there and needs no
//! lock but its shard's: that is the ordinary miss.
//!
//! An entry past its use is not looked for: policy judges what a read returns. Counts leave such entries out.

mod index;
#[cfg(feature = "redis")]
mod near;
mod slot;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use quick_cache::sync::Cache;
use quick_cache::{Lifecycle, OptionsBuilder, Weighter};

use self::index::Index;
use self::slot::{FOR_GOOD, Slot};
use crate::clock::{Clock, Timestamp};
use crate::invalidation::{Cleared, Selector};
use crate::key::Key;
use crate::store::{
    Claim, Fence, Found, Health, Inspected, Labels, Lease, Leased, Place, Put, Record, Reply, Store, StoreError,
    Stored, Unused, VariantId,
};

/// Entries in this process's memory.
pub struct MemoryStore {
    cache: Cache<Key, Slot, ByWeight, foldhash::fast::RandomState, Farewell>,
    index: Mutex<Index>,
    largest: u64,
    clock: Clock,
}

#[derive(Clone)]
struct ByWeight;

/// Collects the slots that leave during one operation: they are dropped, and leave the index, after the shard's lock.
#[derive(Clone)]
struct Farewell;

impl Weighter<Key, Slot> for ByWeight {
    fn weight(&self, _: &Key, slot: &Slot) -> u64 {
        slot.weight()
    }
}

impl Lifecycle<Key, Slot> for Farewell {
    type RequestState = Vec<(Key, Slot)>;

    fn on_evict(&self, gone: &mut Self::RequestState, key: Key, slot: Slot) {
        gone.push((key, slot));
    }
}

impl MemoryStore {
    /// A store of at most this many bytes. An entry may take a quarter of a shard: with the default of 256 MiB that is
    /// 16 MiB, and never less than a quarter of the whole for stores below 128 MiB.
    pub fn new(max_bytes: u64) -> Self {
        Self::with_clock(max_bytes, Clock::system())
    }

    /// A store that counts what is of use by this clock.
    pub fn with_clock(max_bytes: u64, clock: Clock) -> Self {
        let shards = shards(max_bytes);
        // Only sizes the ghost list and lets the shards stand; within two orders of magnitude is good enough.
        let items = usize::try_from(max_bytes / 2048).unwrap_or(usize::MAX).max(shards * 32);
        let options = OptionsBuilder::new()
            .shards(shards)
            .estimated_items_capacity(items)
            .weight_capacity(max_bytes - max_bytes % shards as u64)
            .build();
        #[expect(clippy::expect_used, reason = "fails only when one of the two capacities above is not given")]
        let options = options.expect("both capacities are given");
        Self {
            cache: Cache::with_options(options, ByWeight, foldhash::fast::RandomState::default(), Farewell),
            index: Mutex::default(),
            largest: max_bytes / shards as u64 / 4,
            clock,
        }
    }

    /// Bytes in use.
    pub fn weight(&self) -> u64 {
        self.cache.weight()
    }

    fn index(&self) -> MutexGuard<'_, Index> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The insertion itself; its caller holds the fence.
    fn insert(&self, put: Put, until: Timestamp) -> Stored {
        let meta = put.entry.meta();
        // The text of the key is shared with the entry.
        let key = meta.key.clone();
        if put.variant.is_none() && !Index::knows(&key) && meta.tags.is_empty() {
            return self.insert_bare(key, Slot::single(put.entry).kept_until(until));
        }
        let mut index = self.index();
        let slot = match put.variant {
            None => Slot::single(put.entry).kept_until(until),
            Some((names, id)) => {
                let before = self.cache.peek(&key).filter(|slot| slot.until() > put.now);
                // What is kept together ends with the first of it.
                let until = before.as_ref().map_or(until, |before| until.min(before.until()));
                let (max, largest) = (put.max_variants, self.largest);
                Slot::with_variant(before.as_ref(), names, id, put.entry, max, largest).kept_until(until)
            }
        };
        self.insert_indexed(&mut index, key, slot)
    }

    /// Inserts a slot that the index knows.
    fn insert_indexed(&self, index: &mut Index, key: Key, slot: Slot) -> Stored {
        if slot.weight() > self.largest {
            return Stored::TooLarge;
        }
        let generation = index.link(&key, slot.tags());
        let mut gone = Vec::new();
        self.cache.insert_with_lifecycle(key, slot.indexed(generation), &mut gone);
        for (key, slot) in &gone {
            index.unlink_generation(key, slot.generation());
        }
        Stored::Yes
    }

    fn insert_bare(&self, key: Key, slot: Slot) -> Stored {
        if slot.weight() > self.largest {
            return Stored::TooLarge;
        }
        let mut gone = Vec::new();
        self.cache.insert_with_lifecycle(key, slot, &mut gone);
        if gone.iter().any(|(_, slot)| slot.generation() != 0) {
            let mut index = self.index();
            for (key, slot) in &gone {
                index.unlink_generation(key, slot.generation());
            }
        }
        Stored::Yes
    }

    /// The keys an invalidation may concern: all that it selects, and none besides that it does not.
    fn selected(&self, selector: &Selector) -> Vec<Key> {
        match selector {
            Selector::Key(named) => {
                let mut keys = self.index().group(named.as_str());
                keys.push(named.clone());
                keys
            }
            Selector::Tag(tag) => self.index().tagged(tag),
            // Those included that hold nothing but the names their variants are chosen by.
            Selector::All => self.cache.iter().map(|(key, _)| key).collect(),
            Selector::Glob(_) | Selector::Category(_) => {
                let hit = self.cache.iter().filter(|(key, slot)| slot.is_hit_by(selector, key));
                hit.map(|(key, _)| key).collect()
            }
        }
    }

    /// Removes keys and says how many of them held something of use.
    fn remove_all(&self, keys: &[Key]) -> u64 {
        // Few at a time, so that a wide invalidation does not hold up the fills of other keys.
        const BATCH: usize = 256;
        let now = self.clock.now();
        let mut deleted = 0;
        for batch in keys.chunks(BATCH) {
            let mut index = self.index();
            for key in batch {
                index.unlink(key);
                deleted += u64::from(self.cache.remove(key).is_some_and(|(_, slot)| slot.is_live(now)));
            }
        }
        deleted
    }
}

impl Store for MemoryStore {
    fn get(&self, key: &Key) -> Reply<Result<Found, StoreError>> {
        Reply::Now(Ok(self.cache.get(key).map_or(Found::Absent, |slot| slot.found())))
    }

    fn get_variant(&self, key: &Key, variant: &VariantId) -> Reply<Result<Found, StoreError>> {
        Reply::Now(Ok(self.cache.get(key).map_or(Found::Absent, |slot| slot.variant(variant))))
    }

    fn lease(&self, key: &Key, labels: &Labels, fence: &Arc<Fence>, _: Claim) -> Reply<Result<Leased, StoreError>> {
        Reply::Now(Ok(Leased::Yes(Lease::local(key.clone(), labels.clone(), Arc::clone(fence)))))
    }

    fn put(&self, lease: Lease, put: Put) -> Reply<Result<Stored, StoreError>> {
        Reply::Now(Ok(lease.fence().commit(|| self.insert(put, FOR_GOOD)).unwrap_or(Stored::LeaseLost)))
    }

    fn release(&self, _: Lease, _: Unused) -> Reply<()> {
        Reply::Now(())
    }

    fn remove(&self, key: &Key) -> Reply<Result<(), StoreError>> {
        self.remove_all(std::slice::from_ref(key));
        Reply::Now(Ok(()))
    }

    fn invalidate(&self, selector: &Selector) -> Reply<Result<Cleared, StoreError>> {
        Reply::Now(Ok(Cleared::deleted(self.remove_all(&self.selected(selector)))))
    }

    fn count(&self, selector: &Selector) -> Reply<Result<u64, StoreError>> {
        let now = self.clock.now();
        let live = |key: &Key| self.cache.peek(key).is_some_and(|slot| slot.is_live(now));
        let count = self.selected(selector).iter().filter(|key| live(key)).count();
        Reply::Now(Ok(count as u64))
    }

    fn health(&self) -> Reply<Health> {
        Reply::Now(Health { backend: "memory", healthy: true, ..Health::default() })
    }

    fn inspect(&self, key: &Key) -> Reply<Result<Inspected, StoreError>> {
        let now = self.clock.now();
        let slot = self.cache.peek(key).filter(|slot| slot.until() > now);
        let record = slot.map_or(Record::Absent, |slot| slot.record());
        Reply::Now(Ok(Inspected { record, place: Place::Memory, leased: false }))
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore").field("weight", &self.cache.weight()).finish_non_exhaustive()
    }
}

/// Shards of at least 64 MiB, so that an entry of 16 MiB finds room in one; at most 64 of them.
fn shards(max_bytes: u64) -> usize {
    const LEAST: u64 = 64 << 20;
    let wanted = usize::try_from(max_bytes / LEAST).unwrap_or(usize::MAX).clamp(1, 64);
    // The cache rounds up to a power of two, which would make the shards too small.
    1 << wanted.ilog2()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::clock::Timestamp;
    use crate::entry::tests::sample;
    use crate::invalidation::Tag;

    const NOW: Timestamp = Timestamp::from_secs(1_000);

    fn put(store: &MemoryStore, key: &str, body: &'static str) -> Stored {
        let entry = Arc::new(sample(key, body, NOW, Duration::from_secs(60)));
        store.insert(Put { entry, variant: None, max_variants: 16, now: NOW }, FOR_GOOD)
    }

    #[test]
    fn a_million_keys_stay_within_the_bound_and_leave_no_index_behind() {
        let max = 8 << 20;
        let store = MemoryStore::new(max);
        let mut state = 1u64;
        for n in 0..1_000_000_u64 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(n | 1);
            let query = if n % 2 == 0 { "" } else { "?q=1" };
            assert_eq!(put(&store, &format!("GET:/{state:x}{query}"), "body"), Stored::Yes);
        }
        assert!(store.weight() <= max, "{}", store.weight());
        assert!(store.cache.len() > 1_000);
        store.remove_all(&store.selected(&Selector::All));
        assert_eq!(store.cache.len(), 0);
        assert!(store.index().is_empty());
    }

    #[test]
    fn an_entry_of_a_quarter_of_a_shard_is_admitted_and_a_larger_one_refused() {
        let store = MemoryStore::new(1 << 20);
        let body: &'static str = Box::leak("x".repeat((1 << 18) - 1024).into_boxed_str());
        assert_eq!(put(&store, "GET:/fits", body), Stored::Yes);
        assert!(matches!(store.get(&Key::parse("GET:/fits").unwrap()), Reply::Now(Ok(Found::Entry(_)))));
        let body: &'static str = Box::leak("x".repeat(1 << 18).into_boxed_str());
        assert_eq!(put(&store, "GET:/large", body), Stored::TooLarge);
        assert_eq!(put(&MemoryStore::new(0), "GET:/a", "x"), Stored::TooLarge);
    }

    #[test]
    fn the_default_size_has_room_for_the_largest_default_body() {
        assert!((256 << 20) / shards(256 << 20) as u64 / 4 > 8 << 20);
        assert_eq!([shards(0), shards(100 << 20), shards(200 << 20), shards(1 << 40)], [1, 1, 2, 64]);
    }

    #[test]
    fn a_bare_entry_that_replaces_a_tagged_one_leaves_the_index() {
        let store = MemoryStore::new(1 << 20);
        let mut tagged = sample("GET:/a", "x", NOW, Duration::from_secs(60)).meta().clone();
        tagged.tags = vec![Tag::new("t")];
        let entry = Arc::new(crate::entry::Entry::new(tagged, &http::HeaderMap::new(), bytes::Bytes::new()));
        store.insert(Put { entry, variant: None, max_variants: 16, now: NOW }, FOR_GOOD);
        assert!(!store.index().is_empty());
        put(&store, "GET:/a", "y");
        assert!(store.index().is_empty());
    }

    #[test]
    fn what_is_past_its_use_is_not_counted() {
        let clock = Clock::manual(NOW);
        let store = MemoryStore::with_clock(1 << 20, clock.clone());
        put(&store, "GET:/a", "x");
        assert!(matches!(store.count(&Selector::All), Reply::Now(Ok(1))));
        clock.advance(Duration::from_secs(3600));
        assert!(matches!(store.count(&Selector::All), Reply::Now(Ok(0))));
    }
}

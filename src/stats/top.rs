//! The keys asked for most, in a sketch of fixed size.
//!
//! Space-Saving (Metwally, Agrawal, El Abbadi, *Efficient Computation of Frequent and Top-k Elements in Data Streams*,
//! ICDT 2005), in shards so that threads rarely meet: a new key takes the place and the count of the least counted.

use std::collections::HashMap;
use std::fmt;
use std::hash::BuildHasher;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::key::Key;

const SHARDS: usize = 16;
/// Keys counted per shard.
const PER_SHARD: usize = 128;

/// Counts per key, at most [`SHARDS`] times [`PER_SHARD`] of them.
pub(super) struct TopKeys {
    shards: [Mutex<HashMap<Key, u64, foldhash::fast::FixedState>>; SHARDS],
    hasher: foldhash::fast::RandomState,
}

impl TopKeys {
    pub(super) fn add(&self, key: &Key) {
        let mut shard = self.shard(key);
        if let Some(count) = shard.get_mut(key) {
            *count += 1;
            return;
        }
        let inherited = if shard.len() < PER_SHARD { 0 } else { evict_least(&mut shard) };
        shard.insert(key.clone(), inherited + 1);
    }

    pub(super) fn highest(&self, limit: usize) -> Vec<(Key, u64)> {
        let mut all: Vec<(Key, u64)> = Vec::new();
        for shard in &self.shards {
            let shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            all.extend(shard.iter().map(|(key, count)| (key.clone(), *count)));
        }
        all.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        all.truncate(limit);
        all
    }

    pub(super) fn clear(&self) {
        for shard in &self.shards {
            shard.lock().unwrap_or_else(PoisonError::into_inner).clear();
        }
    }

    fn shard(&self, key: &Key) -> MutexGuard<'_, HashMap<Key, u64, foldhash::fast::FixedState>> {
        let at = (self.hasher.hash_one(key) >> 32) as usize % SHARDS;
        self.shards[at].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn evict_least(shard: &mut HashMap<Key, u64, foldhash::fast::FixedState>) -> u64 {
    let Some((key, count)) = shard.iter().min_by_key(|(_, count)| **count).map(|(key, count)| (key.clone(), *count))
    else {
        return 0;
    };
    shard.remove(&key);
    count
}

impl Default for TopKeys {
    fn default() -> Self {
        let hasher = foldhash::fast::RandomState::default();
        let seed = hasher.hash_one(0u8);
        Self {
            shards: std::array::from_fn(|_| {
                Mutex::new(HashMap::with_hasher(foldhash::fast::FixedState::with_seed(seed)))
            }),
            hasher,
        }
    }
}

impl fmt::Debug for TopKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TopKeys")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(n: usize) -> Key {
        Key::new(None, &format!("/{n}"), None, None)
    }

    #[test]
    fn a_million_keys_leave_the_sketch_at_its_size_and_the_hot_one_on_top() {
        let top = TopKeys::default();
        for n in 0..100_000 {
            top.add(&key(n));
            top.add(&key(7));
        }
        assert!(top.highest(usize::MAX).len() <= SHARDS * PER_SHARD);
        let (hottest, count) = top.highest(1).remove(0);
        assert_eq!(hottest, key(7));
        assert!(count >= 100_001, "{count}");
    }

    #[test]
    fn few_keys_are_counted_exactly_and_ties_are_ordered() {
        let top = TopKeys::default();
        for n in [1, 2, 2, 3, 3] {
            top.add(&key(n));
        }
        assert_eq!(top.highest(2), [(key(2), 2), (key(3), 2)]);
    }
}

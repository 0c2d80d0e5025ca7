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

type Counts = HashMap<Key, u64, foldhash::fast::FixedState>;

/// Counts per key, at most [`SHARDS`] times [`PER_SHARD`] of them.
pub(super) struct TopKeys {
    shards: [Mutex<Shard>; SHARDS],
    hasher: foldhash::fast::RandomState,
}

struct Shard {
    counts: Counts,
    /// No key is counted less.
    least: u64,
}

impl TopKeys {
    pub(super) fn add(&self, key: &Key) {
        let mut shard = self.shard(key);
        if let Some(count) = shard.counts.get_mut(key) {
            *count += 1;
            return;
        }
        let inherited = if shard.counts.len() < PER_SHARD { 0 } else { shard.evict_least() };
        shard.counts.insert(key.clone(), inherited + 1);
    }

    pub(super) fn highest(&self, limit: usize) -> Vec<(Key, u64)> {
        let mut all: Vec<(Key, u64)> = Vec::new();
        for shard in &self.shards {
            let shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            all.extend(shard.counts.iter().map(|(key, count)| (key.clone(), *count)));
        }
        all.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        all.truncate(limit);
        all
    }

    pub(super) fn clear(&self) {
        for shard in &self.shards {
            let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            shard.counts.clear();
            shard.least = 0;
        }
    }

    fn shard(&self, key: &Key) -> MutexGuard<'_, Shard> {
        let at = (self.hasher.hash_one(key) >> 32) as usize % SHARDS;
        self.shards[at].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shard {
    /// Removes a key that is counted least and gives back its count. Among many such keys, as when every request is for
    /// another one, the search ends at the first.
    fn evict_least(&mut self) -> u64 {
        let mut found: Option<(&Key, u64)> = None;
        for (key, &count) in &self.counts {
            if found.is_none_or(|(_, least)| count < least) {
                found = Some((key, count));
            }
            if count <= self.least {
                break;
            }
        }
        let Some((key, count)) = found.map(|(key, count)| (key.clone(), count)) else { return 0 };
        self.least = count;
        self.counts.remove(&key);
        count
    }
}

impl Default for TopKeys {
    fn default() -> Self {
        let hasher = foldhash::fast::RandomState::default();
        let seed = hasher.hash_one(0u8);
        Self {
            shards: std::array::from_fn(|_| {
                let counts = HashMap::with_hasher(foldhash::fast::FixedState::with_seed(seed));
                Mutex::new(Shard { counts, least: 0 })
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

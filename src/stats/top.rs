//! The keys asked for most, in a sketch of fixed size.
//!
//! Space-Saving (Metwally, Agrawal, El Abbadi, *Efficient Computation of Frequent and Top-k Elements in Data Streams*,
//! ICDT 2005), in shards so that threads rarely meet: a new key takes the place and the rank of the least counted. What it
//! took over is remembered, so that no key is said to have been asked for more often than it was.

use std::collections::HashMap;
use std::fmt;
use std::hash::BuildHasher;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::key::Key;

const SHARDS: usize = 16;
/// Keys counted per shard.
const PER_SHARD: usize = 128;

type Counts = HashMap<Key, Place, foldhash::fast::FixedState>;

/// A key's place among those that are counted.
#[derive(Clone, Copy, Debug)]
struct Place {
    /// What it was seen, and what it took over from the key before it.
    rank: u64,
    inherited: u64,
}

/// Counts per key, at most [`SHARDS`] times [`PER_SHARD`] of them.
pub(super) struct TopKeys {
    shards: [Mutex<Shard>; SHARDS],
    hasher: foldhash::fast::RandomState,
}

struct Shard {
    counts: Counts,
    /// No key has a lower rank.
    least: u64,
}

impl TopKeys {
    pub(super) fn add(&self, key: &Key) {
        let mut shard = self.shard(key);
        if let Some(place) = shard.counts.get_mut(key) {
            place.rank += 1;
            return;
        }
        let inherited = if shard.counts.len() < PER_SHARD { 0 } else { shard.evict_least() };
        shard.counts.insert(key.clone(), Place { rank: inherited + 1, inherited });
    }

    pub(super) fn highest(&self, limit: usize) -> Vec<(Key, u64)> {
        let mut all: Vec<(Key, u64)> = Vec::new();
        for shard in &self.shards {
            let shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            all.extend(shard.counts.iter().map(|(key, place)| (key.clone(), place.rank - place.inherited)));
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
    /// Removes a key of the lowest rank and gives that back. Among many such keys, as when every request is for
    /// another one, the search ends at the first.
    fn evict_least(&mut self) -> u64 {
        let mut found: Option<(&Key, u64)> = None;
        for (key, &Place { rank, .. }) in &self.counts {
            if found.is_none_or(|(_, least)| rank < least) {
                found = Some((key, rank));
            }
            if rank <= self.least {
                break;
            }
        }
        let Some((key, rank)) = found.map(|(key, rank)| (key.clone(), rank)) else { return 0 };
        self.least = rank;
        self.counts.remove(&key);
        rank
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
        let highest = top.highest(2);
        assert_eq!(highest[0], (key(7), 100_001));
        assert_eq!(highest[1].1, 1, "a key that was asked for once is said to have been");
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

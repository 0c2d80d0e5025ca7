//! Whether a fetch has ended since a moment ago.
//!
//! A request that misses in a store which must be waited for may find, by the time it asks for a flight, that the one
//! it could have joined has landed: then what it looked for is stored by now, and it must not be fetched again.

use std::hash::BuildHasher;
use std::sync::atomic::{AtomicU32, Ordering};

use foldhash::fast::RandomState;

use crate::key::Key;

/// Keys share counters: taking another key's landing for one's own costs a second look at the store, nothing else.
const COUNTERS: usize = 1024;

/// Counts fetches that ended, by key.
pub(super) struct Landings {
    counters: Box<[AtomicU32]>,
    hasher: RandomState,
}

/// How many fetches of a key had ended at some moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Landed(u32);

impl Landings {
    /// Taken before the store is asked.
    pub(super) fn of(&self, key: &Key) -> Landed {
        Landed(self.counter(key).load(Ordering::Acquire))
    }

    /// Notes that a fetch of `key` has ended.
    pub(super) fn count(&self, key: &Key) {
        self.counter(key).fetch_add(1, Ordering::AcqRel);
    }

    fn counter(&self, key: &Key) -> &AtomicU32 {
        let hash = self.hasher.hash_one(key);
        &self.counters[usize::try_from(hash % COUNTERS as u64).unwrap_or_default()]
    }
}

impl Default for Landings {
    fn default() -> Self {
        Self { counters: (0..COUNTERS).map(|_| AtomicU32::new(0)).collect(), hasher: RandomState::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_landing_is_seen_by_who_looked_before_it() {
        let (landings, key) = (Landings::default(), Key::parse("GET:/a").unwrap());
        let before = landings.of(&key);
        assert_eq!(landings.of(&key), before);
        landings.count(&key);
        assert_ne!(landings.of(&key), before);
    }
}

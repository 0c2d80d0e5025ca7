//! Keys whose last answer could not be stored. Their requests are not queued behind one another.
//!
//! A table of fixed size that forgets: a slot holds the upper half of a key's hash and the second at which it lapses.

use std::fmt;
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::clock::Timestamp;
use crate::key::Key;

const SLOTS: usize = 4096;
/// How long a key is remembered: long enough to matter under load, short enough that a mended origin is shared again soon.
const REMEMBERED_SECS: u64 = 10;

pub(super) struct Uncacheable {
    slots: Box<[AtomicU64]>,
    hasher: foldhash::fast::RandomState,
}

impl Uncacheable {
    pub(super) fn remember(&self, key: &Key, now: Timestamp) {
        let (slot, mark) = self.place(key);
        let until = (now.as_secs() + REMEMBERED_SECS) & u64::from(u32::MAX);
        slot.store(mark | until, Ordering::Relaxed);
    }

    pub(super) fn forget(&self, key: &Key) {
        let (slot, mark) = self.place(key);
        if slot.load(Ordering::Relaxed) & !u64::from(u32::MAX) == mark {
            slot.store(0, Ordering::Relaxed);
        }
    }

    pub(super) fn contains(&self, key: &Key, now: Timestamp) -> bool {
        let (slot, mark) = self.place(key);
        let held = slot.load(Ordering::Relaxed);
        let until = held & u64::from(u32::MAX);
        held & !u64::from(u32::MAX) == mark && until > now.as_secs() & u64::from(u32::MAX)
    }

    fn place(&self, key: &Key) -> (&AtomicU64, u64) {
        let hash = self.hasher.hash_one(key);
        (&self.slots[hash as usize % SLOTS], hash & !u64::from(u32::MAX))
    }
}

impl Default for Uncacheable {
    fn default() -> Self {
        Self { slots: (0..SLOTS).map(|_| AtomicU64::new(0)).collect(), hasher: foldhash::fast::RandomState::default() }
    }
}

impl fmt::Debug for Uncacheable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Uncacheable")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_remembered_for_a_while_or_until_it_proves_cacheable() {
        let (memory, now) = (Uncacheable::default(), Timestamp::from_secs(1_000));
        let key = Key::new(None, "/a", None, None);
        assert!(!memory.contains(&key, now));
        memory.remember(&key, now);
        assert!(memory.contains(&key, Timestamp::from_secs(1_009)));
        assert!(!memory.contains(&key, Timestamp::from_secs(1_010)));
        assert!(!memory.contains(&Key::new(None, "/b", None, None), now));
        memory.forget(&key);
        assert!(!memory.contains(&key, now));
    }
}

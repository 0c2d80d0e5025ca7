//! Keys whose last answer could not be stored, and why. For a while their requests are not queued behind one another.
//!
//! A table of fixed size that forgets: keys that share a slot take it from each other.

use std::fmt;
use std::hash::BuildHasher;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::clock::Timestamp;
use crate::key::Key;
use crate::outcome::Reason;

const SLOTS: usize = 4096;
/// How long a key's requests are not queued: long enough to matter under load, short enough that a mended origin is
/// shared again soon. Why it was so is told as long as the slot is not taken.
const NOT_QUEUED: Duration = Duration::from_secs(10);

pub(super) struct Uncacheable {
    slots: Box<[Mutex<Option<Slot>>]>,
    hasher: foldhash::fast::RandomState,
}

#[derive(Clone, Copy)]
struct Slot {
    /// The key's hash, which tells it from the others of its slot.
    mark: u64,
    refusal: Refusal,
    not_queued_until: Timestamp,
}

/// Why an answer was not stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) reason: Reason,
    pub(super) at: Timestamp,
}

impl Uncacheable {
    /// Remembers that an answer could not be stored, and that the next ones will likely not be.
    pub(super) fn remember(&self, key: &Key, reason: Reason, now: Timestamp) {
        self.set(key, Refusal { reason, at: now }, now.plus(NOT_QUEUED));
    }

    /// Remembers that an answer could not be stored, for a reason that says nothing of the next.
    pub(super) fn note(&self, key: &Key, reason: Reason, now: Timestamp) {
        let until = self.get(key).map_or(now, |slot| slot.not_queued_until);
        self.set(key, Refusal { reason, at: now }, until);
    }

    pub(super) fn forget(&self, key: &Key) {
        let (mut slot, mark) = self.place(key);
        *slot = slot.filter(|held| held.mark != mark);
    }

    /// Whether requests for the key are not queued.
    pub(super) fn contains(&self, key: &Key, now: Timestamp) -> bool {
        self.get(key).is_some_and(|slot| slot.not_queued_until > now)
    }

    /// Why the last answer under the key was not stored; nothing when it was, or nobody remembers.
    pub(super) fn last(&self, key: &Key) -> Option<Refusal> {
        self.get(key).map(|slot| slot.refusal)
    }

    fn get(&self, key: &Key) -> Option<Slot> {
        let (slot, mark) = self.place(key);
        slot.filter(|held| held.mark == mark)
    }

    fn set(&self, key: &Key, refusal: Refusal, not_queued_until: Timestamp) {
        let (mut slot, mark) = self.place(key);
        *slot = Some(Slot { mark, refusal, not_queued_until });
    }

    fn place(&self, key: &Key) -> (MutexGuard<'_, Option<Slot>>, u64) {
        let mark = self.hasher.hash_one(key);
        let slot = &self.slots[mark as usize % SLOTS];
        (slot.lock().unwrap_or_else(PoisonError::into_inner), mark)
    }
}

impl Default for Uncacheable {
    fn default() -> Self {
        Self { slots: (0..SLOTS).map(|_| Mutex::default()).collect(), hasher: foldhash::fast::RandomState::default() }
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

    const NOW: Timestamp = Timestamp::from_secs(1_000);

    fn after(secs: u64) -> Timestamp {
        NOW.plus(Duration::from_secs(secs))
    }

    #[test]
    fn a_key_is_remembered_for_a_while_or_until_it_proves_cacheable() {
        let memory = Uncacheable::default();
        let key = Key::new(None, "/a", None, None);
        assert!(!memory.contains(&key, NOW));
        memory.remember(&key, Reason::NoStore, NOW);
        assert!(memory.contains(&key, after(9)));
        assert!(!memory.contains(&key, after(10)));
        assert!(!memory.contains(&Key::new(None, "/b", None, None), NOW));
        memory.forget(&key);
        assert!(!memory.contains(&key, NOW));
    }

    #[test]
    fn the_reason_outlives_the_queueing() {
        let (memory, key) = (Uncacheable::default(), Key::new(None, "/a", None, None));
        memory.remember(&key, Reason::SetCookie, NOW);
        assert_eq!(memory.last(&key), Some(Refusal { reason: Reason::SetCookie, at: NOW }));
        assert!(!memory.contains(&key, after(60)));
        assert_eq!(memory.last(&key).map(|refusal| refusal.reason), Some(Reason::SetCookie));
        memory.note(&key, Reason::Authorization, after(60));
        assert_eq!(memory.last(&key), Some(Refusal { reason: Reason::Authorization, at: after(60) }));
        assert!(!memory.contains(&key, after(60)), "what one request rules out says nothing of the next");
        memory.forget(&key);
        assert_eq!(memory.last(&key), None);
    }

    #[test]
    fn a_passing_reason_does_not_queue_what_was_not_queued() {
        let (memory, key) = (Uncacheable::default(), Key::new(None, "/a", None, None));
        memory.remember(&key, Reason::NoStore, NOW);
        memory.note(&key, Reason::Invalidated, after(1));
        assert!(memory.contains(&key, after(9)));
        assert!(!memory.contains(&key, after(10)));
    }
}

//! What is counted: hits and misses, in all, by category and by key, and every reason by its token.
//!
//! Everything here is bounded by the configuration or by a constant, never by what clients send: categories come from
//! routes, reasons are an enum, and keys go through a sketch of fixed size.

mod top;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use crate::clock::Timestamp;
use crate::invalidation::Category;
use crate::key::Key;
use crate::outcome::{Outcome, Reason};
use top::TopKeys;

/// Categories that are counted apart; more than a configuration has routes is never needed, and a reload that renames
/// them cannot grow the list for ever.
const MAX_CATEGORIES: usize = 4096;

/// The counters of one cache in one process. They start at zero with the process.
#[derive(Debug, Default)]
pub struct Stats {
    total: Tally,
    bypasses: AtomicU64,
    categories: RwLock<BTreeMap<Category, Arc<Tally>>>,
    reasons: Mutex<BTreeMap<&'static str, u64>>,
    keys: TopKeys,
}

/// Hits and misses of one thing.
#[derive(Debug, Default)]
pub struct Tally {
    hits: AtomicU64,
    misses: AtomicU64,
    updated: AtomicU64,
}

/// A [`Tally`] at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Count {
    /// Answers from the store, stale ones included.
    pub hits: u64,
    /// Answers that had to be fetched, validated or waited for.
    pub misses: u64,
    /// When either last changed.
    pub last_updated: Option<Timestamp>,
}

impl Count {
    /// Hits and misses together.
    pub fn total(&self) -> u64 {
        self.hits.saturating_add(self.misses)
    }

    /// Hits as a share of all, 0 to 1; 0 when nothing was counted.
    pub fn hit_rate(&self) -> f64 {
        if self.total() == 0 { 0.0 } else { self.hits as f64 / self.total() as f64 }
    }
}

impl Tally {
    fn add(&self, hit: bool, now: Timestamp) {
        let counter = if hit { &self.hits } else { &self.misses };
        counter.fetch_add(1, Ordering::Relaxed);
        self.updated.store(now.as_millis(), Ordering::Relaxed);
    }

    fn read(&self) -> Count {
        let updated = self.updated.load(Ordering::Relaxed);
        Count {
            hits: self.hits.load(Ordering::Relaxed),
            misses: self.misses.load(Ordering::Relaxed),
            last_updated: (updated > 0).then(|| Timestamp::from_millis(updated)),
        }
    }

    fn reset(&self) {
        self.hits.store(0, Ordering::Relaxed);
        self.misses.store(0, Ordering::Relaxed);
        self.updated.store(0, Ordering::Relaxed);
    }
}

impl Stats {
    /// Counts one answered lookup: a hit when it came from the store, else a miss.
    pub(crate) fn lookup(&self, key: &Key, category: Option<&Category>, outcome: &Outcome, now: Timestamp) {
        let hit = outcome.forward.is_none();
        self.total.add(hit, now);
        if let Some(category) = category {
            self.category(category, |tally| tally.add(hit, now));
        }
        self.keys.add(key);
        if let Some(reason) = outcome.detail {
            self.reason(reason);
        }
    }

    /// Counts one request that passed the cache by.
    pub(crate) fn bypass(&self, reason: Reason) {
        self.bypasses.fetch_add(1, Ordering::Relaxed);
        self.reason(reason);
    }

    /// Counts a reason that belongs to no answer, as when a response could not be stored after all.
    pub(crate) fn reason(&self, reason: Reason) {
        *self.reasons.lock().unwrap_or_else(PoisonError::into_inner).entry(reason.token()).or_default() += 1;
    }

    fn category(&self, category: &Category, count: impl FnOnce(&Tally)) {
        if let Some(tally) = self.categories.read().unwrap_or_else(PoisonError::into_inner).get(category) {
            return count(tally);
        }
        let mut categories = self.categories.write().unwrap_or_else(PoisonError::into_inner);
        if categories.len() < MAX_CATEGORIES {
            count(categories.entry(category.clone()).or_default());
        }
    }

    /// Hits and misses in all.
    pub fn total(&self) -> Count {
        self.total.read()
    }

    /// Requests that passed the cache by.
    pub fn bypasses(&self) -> u64 {
        self.bypasses.load(Ordering::Relaxed)
    }

    /// Hits and misses by category.
    pub fn by_category(&self) -> BTreeMap<Category, Count> {
        let categories = self.categories.read().unwrap_or_else(PoisonError::into_inner);
        categories.iter().map(|(category, tally)| (category.clone(), tally.read())).collect()
    }

    /// How often each reason was given.
    pub fn reasons(&self) -> BTreeMap<&'static str, u64> {
        self.reasons.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The keys asked for most, with hits and misses together, highest first. Exact while fewer keys than the sketch
    /// holds are in use; otherwise never too high: a key is counted from when it came among the most asked for.
    pub fn top_keys(&self, limit: usize) -> Vec<(Key, u64)> {
        self.keys.highest(limit)
    }

    /// Starts again from zero.
    pub fn reset(&self) {
        self.total.reset();
        self.bypasses.store(0, Ordering::Relaxed);
        self.categories.write().unwrap_or_else(PoisonError::into_inner).clear();
        self.reasons.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.keys.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::Forward;

    #[test]
    fn hits_and_misses_are_counted_in_all_by_category_and_by_key() {
        let (stats, users) = (Stats::default(), Category::new("users"));
        let key = Key::parse("GET:/api/users/1").unwrap();
        let now = Timestamp::from_secs(5);
        stats.lookup(&key, Some(&users), &Outcome::forwarded(Forward::UriMiss), now);
        stats.lookup(&key, Some(&users), &Outcome::hit(9), now);
        stats.lookup(&key, None, &Outcome::stale(-1, Reason::StaleIfError), now);
        stats.bypass(Reason::NoCacheParam);

        assert_eq!(stats.total(), Count { hits: 2, misses: 1, last_updated: Some(now) });
        assert_eq!(stats.by_category()[&users].total(), 2);
        assert_eq!(stats.top_keys(10), [(key, 3)]);
        assert_eq!(stats.bypasses(), 1);
        assert_eq!(stats.reasons(), BTreeMap::from([("nocache", 1), ("stale-if-error", 1)]));
        assert!((stats.by_category()[&users].hit_rate() - 0.5).abs() < f64::EPSILON);

        stats.reset();
        assert_eq!(stats.total(), Count::default());
        assert!(stats.top_keys(10).is_empty());
    }
}

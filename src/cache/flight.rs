//! The fetches in flight: who may join one, and which of them an invalidation cuts off.
//!
//! A flight is found here as long as somebody holds it; the list keeps none alive. It leaves the list when it is
//! dropped, so that nothing is left behind by any future that was abandoned.

use std::any::Any;
use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use super::landings::{Landed, Landings};
use super::late_tags::{ClearedTags, LateTags};
use crate::invalidation::{Selector, Tag};
use crate::key::Key;
use crate::store::{Fence, Labels};

/// Fetches under way at one time. Past it a miss is fetched without being shared or stored.
pub(super) const MAX_FLIGHTS: usize = 65_536;

type ByKey = HashMap<Key, Vec<Weak<dyn Flight>>, foldhash::fast::RandomState>;

/// What every fetch in flight has, whatever service it runs on.
pub(super) trait Flight: Send + Sync {
    fn base(&self) -> &Base;
    fn into_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync>;
}

/// The part of a flight by which it is found, joined and cut off.
pub(super) struct Base {
    pub(super) id: u64,
    pub(super) key: Key,
    pub(super) labels: Labels,
    pub(super) fence: Arc<Fence>,
    pub(super) late: Arc<LateTags>,
    joinable: AtomicBool,
}

/// All flights of one cache, whatever layers and services they belong to.
pub(super) struct Flights {
    list: Mutex<List>,
    count: AtomicUsize,
    next_id: AtomicU64,
    landings: Landings,
}

#[derive(Default)]
struct List {
    by_key: ByKey,
    /// The invalidations under way.
    cuts: Vec<Clearing>,
    cleared: ClearedTags,
}

/// What an invalidation under way clears.
struct Clearing {
    id: u64,
    selector: Selector,
    /// The flight for whose sake it is done.
    spared: Option<u64>,
}

/// An invalidation under way. A fetch that begins meanwhile can be joined by requests that come meanwhile, and stores
/// nothing: it may have read what is about to be cleared. When this is dropped, such fetches are cut off too.
pub(super) struct Cut<'f> {
    flights: &'f Flights,
    id: u64,
}

/// The fetches of one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct UnderWay {
    pub(super) fetches: usize,
    pub(super) joinable: bool,
}

/// What came of asking for a flight.
pub(super) enum Boarding<F> {
    /// There is one to share.
    Join(Arc<F>),
    /// This is the first: it leads.
    Lead(Arc<F>),
    /// There are too many.
    Full,
}

impl Base {
    pub(super) fn new(id: u64, key: Key, labels: Labels, joinable: bool) -> Self {
        let fence: Arc<Fence> = Arc::default();
        let late = Arc::new(LateTags::new(id, fence.clone(), labels.tags.clone()));
        Self { id, key, labels, fence, late, joinable: joinable.into() }
    }

    /// Takes the flight out of reach of later requests.
    pub(super) fn close_doors(&self) {
        self.joinable.store(false, Ordering::Release);
    }

    pub(super) fn is_joinable(&self) -> bool {
        self.joinable.load(Ordering::Acquire) && !self.fence.is_cut()
    }

    fn is_hit_by(&self, selector: &Selector) -> bool {
        selector.hits(&self.key, &self.labels.tags, self.labels.category.as_ref()) || self.late.are_hit_by(selector)
    }
}

impl Flights {
    /// How many flights of a key have landed, to be asked before the store is.
    pub(super) fn landed(&self, key: &Key) -> Landed {
        self.landings.of(key)
    }

    /// Joins a flight for `key` that was not `tried` yet, or adds the one that `launch` makes. Both happen under one
    /// lock, so that of any number of requests one leads.
    ///
    /// `launch` is told whether another flight that could have been joined has landed `since`: the store is worth
    /// asking again.
    pub(super) fn board<F: Flight + 'static>(
        &self,
        key: &Key,
        shared: bool,
        tried: &[u64],
        since: Landed,
        launch: impl FnOnce(u64, bool) -> F,
    ) -> Boarding<F> {
        // Flights that are looked at may be dropped here as the last of their kind, and leave the list by doing so:
        // that must wait until the list is unlocked.
        let mut looked_at = Vec::new();
        let mut list = self.lock();
        // One that is listed and cannot be joined has landed, or is about to leave.
        let mut landed = self.landings.of(key) != since;
        if shared {
            for flight in list.by_key.get(key).into_iter().flatten() {
                let flight = flight.upgrade();
                landed |= flight.as_ref().is_none_or(|flight| !flight.base().is_joinable());
                let Some(flight) = flight else { continue };
                let suits = flight.base().is_joinable() && !tried.contains(&flight.base().id);
                looked_at.push(flight.clone());
                if suits && let Ok(flight) = flight.into_any().downcast::<F>() {
                    return Boarding::Join(flight);
                }
            }
        }
        if self.count.fetch_add(1, Ordering::AcqRel) >= MAX_FLIGHTS {
            self.count.fetch_sub(1, Ordering::AcqRel);
            return Boarding::Full;
        }
        let flight = Arc::new(launch(self.next_id.fetch_add(1, Ordering::Relaxed), shared && landed));
        if list.cuts.iter().any(|cut| flight.base().is_hit_by(&cut.selector)) {
            flight.base().fence.close();
        }
        let as_flight: Arc<dyn Flight> = flight.clone();
        list.by_key.entry(key.clone()).or_default().push(Arc::downgrade(&as_flight));
        Boarding::Lead(flight)
    }

    /// Called by a flight that is being dropped.
    pub(super) fn leave(&self, base: &Base) {
        let mut list = self.lock();
        self.landings.count(&base.key);
        if let Some(flights) = list.by_key.get_mut(&base.key) {
            // The one that leaves can no longer be upgraded; any other that cannot is leaving too.
            flights.retain(|flight| flight.strong_count() > 0);
            if flights.is_empty() {
                list.by_key.remove(&base.key);
            }
        }
        drop(list);
        self.count.fetch_sub(1, Ordering::AcqRel);
    }

    /// Cuts off every flight that the selector hits: it takes no more followers and stores nothing. So are those that
    /// begin before the cut is dropped, when it is dropped.
    pub(super) fn cut(&self, selector: Selector) -> Cut<'_> {
        self.cut_but(selector, None)
    }

    /// The same, but for one flight.
    pub(super) fn cut_around(&self, selector: Selector, flight: u64) -> Cut<'_> {
        self.cut_but(selector, Some(flight))
    }

    fn cut_but(&self, selector: Selector, spared: Option<u64>) -> Cut<'_> {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let mut list = self.lock();
        let hit = list.hit_by(&selector, spared);
        list.note_cleared(&selector, id);
        list.cuts.push(Clearing { id, selector, spared });
        drop(list);
        hit.close();
        Cut { flights: self, id }
    }

    /// How many fetches of a key are under way, and whether one of them takes another request in.
    pub(super) fn under_way(&self, key: &Key) -> UnderWay {
        // Dropped when the list is unlocked, as in `board`.
        let flights: Vec<_> = self.lock().by_key.get(key).into_iter().flatten().filter_map(Weak::upgrade).collect();
        UnderWay { fetches: flights.len(), joinable: flights.iter().any(|flight| flight.base().is_joinable()) }
    }

    /// Adds the tags that an answer names to what its flight is found by; true when one of them was cleared since the
    /// flight began. It takes no more followers then and stores nothing, and its answer may be given to nobody who came
    /// after that.
    pub(super) fn learn(&self, late: &LateTags, tags: &[Tag]) -> bool {
        if tags.is_empty() {
            return false;
        }
        let list = self.lock();
        let clearing =
            |tag: &Tag| list.cuts.iter().any(|cut| matches!(&cut.selector, Selector::Tag(cut) if cut == tag));
        late.add(tags, &list.cleared, clearing)
    }

    /// Fetches under way.
    pub(super) fn len(&self) -> usize {
        self.count.load(Ordering::Acquire)
    }

    fn lock(&self) -> MutexGuard<'_, List> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl List {
    fn note_cleared(&mut self, selector: &Selector, now: u64) {
        let nobody = self.by_key.is_empty();
        self.cleared.note(selector, now, nobody);
    }

    fn hit_by(&self, selector: &Selector, spared: Option<u64>) -> Hit {
        let flights = self.by_key.values().flatten().filter_map(Weak::upgrade);
        let (hit, missed) =
            flights.partition(|flight| spared != Some(flight.base().id) && flight.base().is_hit_by(selector));
        Hit { hit, _missed: missed }
    }
}

/// The flights that a selector hits, and the others: those may be dropped here as the last of their kind, and leave the
/// list by doing so, which must wait until the list is unlocked.
#[must_use]
struct Hit {
    hit: Vec<Arc<dyn Flight>>,
    _missed: Vec<Arc<dyn Flight>>,
}

impl Hit {
    fn close(self) {
        for flight in &self.hit {
            flight.base().close_doors();
            flight.base().fence.close();
        }
    }
}

impl Drop for Cut<'_> {
    fn drop(&mut self) {
        let mut list = self.flights.lock();
        let Some(at) = list.cuts.iter().position(|cut| cut.id == self.id) else { return };
        let Clearing { selector, spared, .. } = list.cuts.swap_remove(at);
        let hit = list.hit_by(&selector, spared);
        let now = self.flights.next_id.fetch_add(1, Ordering::Relaxed);
        list.note_cleared(&selector, now);
        drop(list);
        hit.close();
    }
}

impl Default for Flights {
    fn default() -> Self {
        let (count, next_id) = (AtomicUsize::new(0), AtomicU64::new(1));
        Self { list: Mutex::default(), count, next_id, landings: Landings::default() }
    }
}

impl fmt::Debug for Flights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Flights({})", self.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flight_that_was_cut_off_elsewhere_takes_nobody_more() {
        let flight = Base::new(1, Key::new(None, "/a", None, None), Labels::default(), true);
        flight.fence.close();
        assert!(flight.is_joinable(), "it may not store, and those who came meanwhile may share it");
        flight.fence.cut();
        assert!(!flight.is_joinable());
    }
}

//! The fills of this node, as far as changes of their keys concern them.
//!
//! A lease that is gone was taken away by an invalidation: what its fill fetched may be what was cleared, and no later
//! request may be given it. So a change message for a key with a fill under way has its lease looked at; our own lease
//! is told like any change, and still holds. A fill that got no lease cannot be told apart from what was cleared, and is
//! cut off by any change of its key and by the word that something, somewhere, was cleared. A fill that waits for
//! another's lease has fetched nothing yet: it is told.
//!
//! A fill is noted before its lease is asked for, so no message that follows the answer finds it missing.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::time::Instant;

use crate::store::{Changes, Fence, Teller};

/// The fills under way, by the names of their records.
#[derive(Default)]
pub(super) struct UnderWay(Mutex<Fills>);

#[derive(Default)]
struct Fills {
    by_name: HashMap<String, Vec<Fill>>,
    /// Whether changes are told.
    told: bool,
}

struct Fill {
    fence: Weak<Fence>,
    since: Instant,
    hold: Hold,
}

/// What a fill has of a lease.
enum Hold {
    /// It was asked for; whether a change was heard of meanwhile.
    Asked {
        heard: bool,
    },
    Lease(u64),
    /// Another has it. Once nobody listens any more the fill goes on without.
    Another(Teller),
    Nothing,
}

/// A lease of this node: the name of its record, its token, and the fence of its fill.
pub(super) type Ours = (String, u64, Arc<Fence>);

impl UnderWay {
    /// A lease is being asked for, for the first time or once more.
    pub(super) fn begin(&self, name: &str, fence: &Arc<Fence>, now: Instant) {
        let fill = Fill { fence: Arc::downgrade(fence), since: now, hold: Hold::Asked { heard: false } };
        let fills = &mut self.lock().by_name;
        // What ended without a word, as when Redis was away, leaves when the table would grow.
        if fills.len() == fills.capacity() {
            fills.retain(|_, here| here.iter().any(|fill| fill.fence.strong_count() > 0));
        }
        let here = fills.entry(name.to_owned()).or_default();
        here.retain(|other| !other.is(fence) && other.fence.strong_count() > 0);
        here.push(fill);
    }

    /// The lease was given. True when it must be looked at, because a change was heard of meanwhile.
    pub(super) fn leased(&self, name: &str, fence: &Arc<Fence>, token: u64) -> bool {
        self.settle(name, fence, Hold::Lease(token))
    }

    /// Another has the lease. What has changed since it was asked for is told, if changes are.
    pub(super) fn held(&self, name: &str, fence: &Arc<Fence>) -> Option<Changes> {
        let (teller, changes) = Teller::new();
        let mut fills = self.lock();
        let told = fills.told;
        let fill = fills.find(name, fence)?;
        if let Hold::Asked { heard: true } = fill.hold {
            teller.tell();
        }
        fill.hold = if told { Hold::Another(teller) } else { Hold::Nothing };
        told.then_some(changes)
    }

    /// There will be no lease.
    pub(super) fn without(&self, name: &str, fence: &Arc<Fence>) {
        if self.settle(name, fence, Hold::Nothing) {
            fence.cut();
        }
    }

    /// The fill stores, or gives up.
    pub(super) fn end(&self, name: &str, fence: &Arc<Fence>) {
        let mut fills = self.lock();
        if let Some(here) = fills.by_name.get_mut(name) {
            here.retain(|fill| !fill.is(fence) && fill.fence.strong_count() > 0);
            if here.is_empty() {
                fills.by_name.remove(name);
            }
        }
    }

    /// A key changed. Gives back the leases that are to be looked at.
    pub(super) fn changed(&self, name: &str) -> Vec<Ours> {
        let mut fills = self.lock();
        let Some(here) = fills.by_name.get_mut(name) else { return Vec::new() };
        let mut leases = Vec::new();
        here.retain_mut(|fill| match fill.hear() {
            Some(Heard::Look(token, fence)) => {
                leases.push((name.to_owned(), token, fence));
                true
            }
            Some(Heard::Done) => true,
            None => false,
        });
        if here.is_empty() {
            fills.by_name.remove(name);
        }
        leases
    }

    /// Something was cleared: what has no lease may have fetched it.
    pub(super) fn cleared(&self) {
        self.lock().by_name.values_mut().flatten().for_each(Fill::clear);
    }

    /// Changes are told from now on; some may have been missed. Gives back the leases that are to be looked at.
    pub(super) fn told(&self) -> Vec<Ours> {
        let mut fills = self.lock();
        fills.told = true;
        let names: Vec<String> = fills.by_name.keys().cloned().collect();
        drop(fills);
        names.iter().flat_map(|name| self.changed(name)).collect()
    }

    /// Whether changes are told.
    pub(super) fn is_told(&self) -> bool {
        self.lock().told
    }

    /// Changes are told no more: what is under way can be relied on by nobody who comes later, and nobody waits.
    pub(super) fn untold(&self) {
        let mut fills = self.lock();
        fills.told = false;
        fills.by_name.values_mut().flatten().for_each(Fill::lose);
    }

    /// Everything changed, every lease included.
    pub(super) fn flushed(&self) {
        self.lock().by_name.values_mut().flatten().for_each(Fill::flush);
    }

    /// The leases of fills that have been under way for longer than `least` and not for `most`.
    pub(super) fn lasting(&self, now: Instant, least: Duration, most: Duration) -> Vec<Ours> {
        let fills = self.lock();
        let all = fills.by_name.iter().flat_map(|(name, here)| here.iter().map(move |fill| (name, fill)));
        let lasting = all.filter(|(_, fill)| (least..most).contains(&now.duration_since(fill.since)));
        lasting
            .filter_map(|(name, fill)| match fill.hold {
                Hold::Lease(token) => Some((name.clone(), token, fill.fence.upgrade()?)),
                _ => None,
            })
            .collect()
    }

    /// Whether a change was heard of while the lease was asked for.
    fn settle(&self, name: &str, fence: &Arc<Fence>, hold: Hold) -> bool {
        let mut fills = self.lock();
        let Some(fill) = fills.find(name, fence) else { return false };
        matches!(std::mem::replace(&mut fill.hold, hold), Hold::Asked { heard: true })
    }

    fn lock(&self) -> MutexGuard<'_, Fills> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Fills {
    fn find(&mut self, name: &str, fence: &Arc<Fence>) -> Option<&mut Fill> {
        self.by_name.get_mut(name)?.iter_mut().find(|fill| fill.is(fence))
    }
}

/// What a fill makes of a change of its key.
enum Heard {
    Look(u64, Arc<Fence>),
    Done,
}

impl Fill {
    fn is(&self, fence: &Arc<Fence>) -> bool {
        std::ptr::eq(self.fence.as_ptr(), Arc::as_ptr(fence))
    }

    /// `None` when the fill is over.
    fn hear(&mut self) -> Option<Heard> {
        let fence = self.fence.upgrade()?;
        match &mut self.hold {
            Hold::Asked { heard } => *heard = true,
            Hold::Lease(token) => return Some(Heard::Look(*token, fence)),
            Hold::Another(teller) if teller.is_heard() => teller.tell(),
            Hold::Another(_) | Hold::Nothing => fence.cut(),
        }
        Some(Heard::Done)
    }

    fn clear(&mut self) {
        match &mut self.hold {
            Hold::Asked { heard } => *heard = true,
            Hold::Another(teller) if !teller.is_heard() => self.cut(),
            Hold::Nothing => self.cut(),
            Hold::Another(_) | Hold::Lease(_) => {}
        }
    }

    fn lose(&mut self) {
        match &self.hold {
            // Its teller is dropped, which says it all.
            Hold::Another(teller) if teller.is_heard() => {}
            _ => self.cut(),
        }
        self.hold = Hold::Nothing;
    }

    fn flush(&mut self) {
        match &self.hold {
            Hold::Another(teller) if teller.is_heard() => teller.tell(),
            _ => self.cut(),
        }
    }

    fn cut(&self) {
        if let Some(fence) = self.fence.upgrade() {
            fence.cut();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: &str = "GET:/a";

    fn begun() -> (UnderWay, Arc<Fence>) {
        let (under_way, fence) = (UnderWay::default(), Arc::<Fence>::default());
        under_way.told();
        under_way.begin(NAME, &fence, Instant::now());
        (under_way, fence)
    }

    fn tokens(ours: &[Ours]) -> Vec<u64> {
        ours.iter().map(|(_, token, _)| *token).collect()
    }

    fn quiet(changes: Option<Changes>) -> Option<bool> {
        changes.map(|changes| crate::store::Held::new(1, Duration::ZERO, Some(changes)).is_quiet())
    }

    #[test]
    fn a_lease_is_looked_at_when_its_key_changes() {
        let (under_way, fence) = begun();
        assert!(under_way.changed(NAME).is_empty());
        assert!(under_way.leased(NAME, &fence, 7), "a change was heard of before the lease was known");
        assert_eq!(tokens(&under_way.changed(NAME)), [7]);
        assert_eq!(tokens(&under_way.told()), [7], "and when some may have been missed");
        assert!(under_way.changed("GET:/b").is_empty());
        under_way.cleared();
        under_way.end(NAME, &fence);
        assert!(under_way.changed(NAME).is_empty() && under_way.lock().by_name.is_empty());
        assert!(!fence.is_cut());
    }

    #[test]
    fn a_fill_without_a_lease_is_cut_off_by_any_change_that_may_concern_it() {
        type Event = fn(&UnderWay);
        let concerns: [(&str, Event); 5] = [
            ("its key", |under_way| drop(under_way.changed(NAME))),
            ("something was cleared", UnderWay::cleared),
            ("changes are told again", |under_way| drop(under_way.told())),
            ("changes are not told", UnderWay::untold),
            ("a flush", UnderWay::flushed),
        ];
        for (what, happens) in concerns {
            let (under_way, fence) = begun();
            under_way.without(NAME, &fence);
            drop(under_way.changed("GET:/b"));
            assert!(!fence.is_cut());
            happens(&under_way);
            assert!(fence.is_cut() && fence.is_closed(), "{what}");

            let (under_way, fence) = begun();
            happens(&under_way);
            under_way.without(NAME, &fence);
            assert!(fence.is_cut(), "{what}, while the lease was asked for");

            let (under_way, fence) = begun();
            drop(under_way.held(NAME, &fence));
            happens(&under_way);
            assert!(fence.is_cut(), "{what}, after it gave up waiting");
        }
    }

    #[test]
    fn who_waits_is_told_and_not_cut_off() {
        let (under_way, fence) = begun();
        assert_eq!(quiet(under_way.held(NAME, &fence)), Some(true));
        under_way.begin(NAME, &fence, Instant::now());
        drop(under_way.changed(NAME));
        assert_eq!(quiet(under_way.held(NAME, &fence)), Some(false), "before it was known that another has the lease");
        under_way.begin(NAME, &fence, Instant::now());
        let changes = under_way.held(NAME, &fence);
        drop(under_way.changed(NAME));
        under_way.flushed();
        under_way.untold();
        assert_eq!((quiet(changes), fence.is_cut()), (Some(false), false));
        assert!(under_way.held(NAME, &fence).is_none(), "nobody waits where nothing is told");
        assert_eq!(under_way.lock().by_name[NAME].len(), 1, "asked for again and again, it is one fill");
    }

    #[test]
    fn leases_of_fetches_that_last_are_renewed() {
        let (under_way, fence) = begun();
        let (began, second) = (Instant::now(), Duration::from_secs(1));
        under_way.leased(NAME, &fence, 7);
        let lasting = |after: u64| tokens(&under_way.lasting(began + second * after as u32, second / 2, second * 30));
        assert_eq!((lasting(0), lasting(1), lasting(29), lasting(31)), (vec![], vec![7], vec![7], vec![]));
        under_way.end(NAME, &fence);
        assert_eq!(lasting(1), [0; 0]);
    }

    #[test]
    fn a_million_fills_that_ended_without_a_word_leave_the_table_small() {
        let under_way = UnderWay::default();
        for n in 0..1_000_000 {
            under_way.begin(&format!("GET:/{n}"), &Arc::default(), Instant::now());
        }
        assert!(under_way.lock().by_name.capacity() < 100);
    }

    #[test]
    fn fills_that_were_abandoned_leave_nothing_behind() {
        let under_way = UnderWay::default();
        under_way.begin(NAME, &Arc::default(), Instant::now());
        assert!(under_way.changed(NAME).is_empty());
        assert!(under_way.lock().by_name.is_empty());
    }
}

//! The fills of this node that a change on another node may cut off.
//!
//! A lease that is gone was taken away by an invalidation: what its fill fetched may be what was cleared, and no later
//! request may be given it. So a change message for a key with a fill under way has its lease looked at; our own lease
//! is told like any change, and still holds. A fill that got no lease cannot be told apart from what was cleared, and is
//! cut off by any change of its key.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use crate::store::Fence;

/// The fills under way, by the names of their records.
#[derive(Default)]
pub(super) struct UnderWay(Mutex<HashMap<String, Vec<Fill>>>);

struct Fill {
    fence: Weak<Fence>,
    hold: Hold,
}

/// What a fill has of its lease.
enum Hold {
    /// It was asked for; whether a change was heard of meanwhile.
    Asked {
        heard: bool,
    },
    Lease(u64),
    Nothing,
}

impl UnderWay {
    /// A lease is being asked for.
    pub(super) fn begin(&self, name: &str, fence: &Arc<Fence>) {
        let fill = Fill { fence: Arc::downgrade(fence), hold: Hold::Asked { heard: false } };
        let mut fills = self.lock();
        // What ended without a word, as when Redis was away, leaves when the table would grow.
        if fills.len() == fills.capacity() {
            fills.retain(|_, here| here.iter().any(|fill| fill.fence.strong_count() > 0));
        }
        let here = fills.entry(name.to_owned()).or_default();
        here.retain(|fill| fill.fence.strong_count() > 0);
        here.push(fill);
    }

    /// The lease was given, or not. True when it must be looked at, because a change was heard of meanwhile.
    pub(super) fn settle(&self, name: &str, fence: &Arc<Fence>, token: Option<u64>) -> bool {
        let mut fills = self.lock();
        let Some(fill) = fills.get_mut(name).and_then(|fills| fills.iter_mut().find(|fill| fill.is(fence))) else {
            return false;
        };
        let heard = matches!(fill.hold, Hold::Asked { heard: true });
        fill.hold = token.map_or(Hold::Nothing, Hold::Lease);
        heard
    }

    /// The fill stores, or gives up.
    pub(super) fn end(&self, name: &str, fence: &Arc<Fence>) {
        let mut fills = self.lock();
        if let Some(here) = fills.get_mut(name) {
            here.retain(|fill| !fill.is(fence) && fill.fence.strong_count() > 0);
            if here.is_empty() {
                fills.remove(name);
            }
        }
    }

    /// A key changed. Gives back the fills whose leases are to be looked at.
    pub(super) fn changed(&self, name: &str) -> Vec<(Arc<Fence>, u64)> {
        let mut fills = self.lock();
        let Some(here) = fills.get_mut(name) else { return Vec::new() };
        let mut leases = Vec::new();
        here.retain_mut(|fill| {
            let Some(fence) = fill.fence.upgrade() else { return false };
            match &mut fill.hold {
                Hold::Asked { heard } => *heard = true,
                Hold::Lease(token) => leases.push((fence, *token)),
                Hold::Nothing => fence.cut(),
            }
            true
        });
        if here.is_empty() {
            fills.remove(name);
        }
        leases
    }

    /// Changes are told no more, or everything changed: what is under way can be relied on by nobody who comes later.
    pub(super) fn cut_all(&self) {
        let fills = std::mem::take(&mut *self.lock());
        for fence in fills.into_values().flatten().filter_map(|fill| fill.fence.upgrade()) {
            fence.cut();
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Vec<Fill>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Fill {
    fn is(&self, fence: &Arc<Fence>) -> bool {
        std::ptr::eq(self.fence.as_ptr(), Arc::as_ptr(fence))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_is_looked_at_when_its_key_changes() {
        let (under_way, fence) = (UnderWay::default(), Arc::<Fence>::default());
        under_way.begin("GET:/a", &fence);
        assert!(under_way.changed("GET:/a").is_empty());
        assert!(under_way.settle("GET:/a", &fence, Some(7)), "a change was heard of before the lease was known");
        assert_eq!(under_way.changed("GET:/a").iter().map(|(_, token)| *token).collect::<Vec<_>>(), [7]);
        assert!(under_way.changed("GET:/b").is_empty());
        under_way.end("GET:/a", &fence);
        assert!(under_way.changed("GET:/a").is_empty() && under_way.lock().is_empty());
        assert!(!fence.is_cut());
    }

    #[test]
    fn a_fill_without_a_lease_is_cut_off_by_any_change() {
        let (under_way, fence) = (UnderWay::default(), Arc::<Fence>::default());
        under_way.begin("GET:/a", &fence);
        assert!(!under_way.settle("GET:/a", &fence, None));
        assert!(under_way.changed("GET:/a").is_empty());
        assert!(fence.is_cut() && fence.is_closed());
    }

    #[test]
    fn a_million_fills_that_ended_without_a_word_leave_the_table_small() {
        let under_way = UnderWay::default();
        for n in 0..1_000_000 {
            under_way.begin(&format!("GET:/{n}"), &Arc::default());
        }
        assert!(under_way.lock().capacity() < 100);
    }

    #[test]
    fn fills_that_were_abandoned_leave_nothing_behind() {
        let under_way = UnderWay::default();
        under_way.begin("GET:/a", &Arc::default());
        assert!(under_way.changed("GET:/a").is_empty());
        assert!(under_way.lock().is_empty());
    }
}

//! Tags that a fetch learns from its answer: the groups that the origin puts it in.
//!
//! An invalidation finds the fetches that it must cut off by what is known of them when it comes. What an answer names is
//! known only then, and may have been cleared while the answer was on its way. So tags that were cleared are remembered
//! while fetches are under way.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::invalidation::{Selector, Tag};
use crate::store::Fence;

/// Tags remembered at one time. Past it, all are taken for cleared by those that began before.
const MAX_CLEARED: usize = 4096;

/// The tags by which a flight is known so far, shared by its fetch and the list of flights.
pub(super) struct LateTags {
    /// Grows with every flight and every invalidation of one cache.
    began: u64,
    fence: Arc<Fence>,
    tags: Mutex<Vec<Tag>>,
}

/// The tags that were cleared lately, and when.
#[derive(Default)]
pub(super) struct ClearedTags {
    at: HashMap<Tag, u64, foldhash::fast::RandomState>,
    /// Whoever began before this must take every tag for cleared.
    all_before: u64,
}

impl LateTags {
    pub(super) fn new(began: u64, fence: Arc<Fence>, known: Vec<Tag>) -> Self {
        Self { began, fence, tags: known.into() }
    }

    pub(super) fn are_hit_by(&self, selector: &Selector) -> bool {
        matches!(selector, Selector::Tag(tag) if self.lock().contains(tag))
    }

    /// Adds tags; true, and the fetch is cut off, when one that is new here was cleared since it began. Clearing one that
    /// was known has cut the fetch off by itself.
    pub(super) fn add(&self, tags: &[Tag], cleared: &ClearedTags, mut clearing: impl FnMut(&Tag) -> bool) -> bool {
        let (mut known, mut late) = (self.lock(), false);
        for tag in tags {
            if !known.contains(tag) {
                late |= cleared.since(self.began, tag) || clearing(tag);
                known.push(tag.clone());
            }
        }
        drop(known);
        if late {
            self.fence.cut();
        }
        late
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Tag>> {
        self.tags.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ClearedTags {
    /// Notes that a selector was carried out at `now`. Nobody asks what was cleared while `nobody` is under way.
    pub(super) fn note(&mut self, selector: &Selector, now: u64, nobody: bool) {
        if nobody {
            self.at.clear();
        }
        let Selector::Tag(tag) = selector else { return };
        if self.at.len() >= MAX_CLEARED {
            self.at.clear();
            self.all_before = now;
        }
        self.at.insert(tag.clone(), now);
    }

    fn since(&self, began: u64, tag: &Tag) -> bool {
        self.all_before > began || self.at.get(tag).is_some_and(|at| *at > began)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tag(name: &str) -> Tag {
        Tag::group(None, name)
    }

    fn fetch(began: u64) -> LateTags {
        LateTags::new(began, Arc::default(), vec![tag("known")])
    }

    #[test]
    fn a_tag_that_was_cleared_since_the_fetch_began_cuts_it_off() {
        let mut cleared = ClearedTags::default();
        cleared.note(&Selector::Tag(tag("a")), 5, false);
        cleared.note(&Selector::All, 6, false);
        for (began, name, late) in [(4, "a", true), (6, "a", false), (4, "b", false)] {
            let fetch = fetch(began);
            assert_eq!(fetch.add(&[tag(name)], &cleared, |_| false), late, "{name} since {began}");
            assert_eq!(fetch.fence.is_cut(), late);
            assert!(fetch.are_hit_by(&Selector::Tag(tag(name))));
        }
        cleared.note(&Selector::Tag(tag("known")), 7, false);
        assert!(!fetch(4).add(&[tag("known")], &cleared, |_| true));
        assert!(fetch(9).add(&[tag("a")], &cleared, |_| true), "it is being cleared");
    }

    #[test]
    fn what_is_remembered_is_bounded_and_forgotten_on_the_safe_side() {
        let mut cleared = ClearedTags::default();
        for n in 0..=MAX_CLEARED {
            cleared.note(&Selector::Tag(tag(&n.to_string())), 10 + n as u64, false);
        }
        assert!(cleared.at.len() <= MAX_CLEARED);
        assert!(fetch(5).add(&[tag("0")], &cleared, |_| false));
        assert!(!fetch(100_000).add(&[tag("0")], &cleared, |_| false));
        cleared.note(&Selector::All, 100_001, true);
        assert!(cleared.at.is_empty());
    }
}

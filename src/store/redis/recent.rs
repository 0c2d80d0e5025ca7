//! What was cleared in Redis of late.
//!
//! A server that is restarted or replaced may have forgotten the last of what it acknowledged: a replica that was
//! promoted lacks what had not reached it, an append-only file what was not on disk, a snapshot everything since it was
//! made. The entries that were cleared meanwhile are then back. So every process remembers what it cleared, and does it
//! again before it reads from another server than before.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use crate::invalidation::Selector;

/// Invalidations that are remembered. When more are asked for, everything is cleared.
const KEPT: usize = 1_000;
/// What a replica or an append-only file may lack. An append-only file lacks a second or two; a master that was cut off
/// from its sentinels goes on acknowledging until they have agreed on another.
const LAG: Duration = Duration::from_secs(60);

/// How much a server may have forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Loss {
    /// It is the one from before.
    Nothing,
    /// The last seconds before it was lost.
    Seconds,
    /// Whatever came after some moment in the past.
    Snapshot,
}

/// The invalidations that Redis acknowledged.
#[derive(Debug, Default)]
pub(super) struct Recent {
    kept: VecDeque<(Instant, Selector)>,
    /// The newest of those that were dropped.
    dropped: Option<Instant>,
}

impl Recent {
    /// One was carried out.
    pub(super) fn push(&mut self, selector: Selector, now: Instant) {
        if selector == Selector::All {
            // Nothing that was cleared before can have come back but what this clears again.
            (self.kept, self.dropped) = (VecDeque::new(), None);
        } else if self.kept.back().is_some_and(|(_, last)| *last == selector) {
            self.kept.pop_back();
        } else if self.kept.len() >= KEPT {
            self.dropped = self.kept.pop_front().map(|(at, _)| at);
        }
        self.kept.push_back((now, selector));
    }

    /// What is to be cleared again on a server that forgot so much, lost at `fell`.
    pub(super) fn again(&self, loss: Loss, fell: Option<Instant>) -> Vec<Selector> {
        let since = match loss {
            Loss::Nothing => return Vec::new(),
            Loss::Seconds => fell.and_then(|fell| fell.checked_sub(LAG)),
            Loss::Snapshot => None,
        };
        let concerns = |at: Instant| since.is_none_or(|since| at >= since);
        if self.dropped.is_some_and(concerns) {
            return vec![Selector::All];
        }
        self.kept.iter().filter(|(at, _)| concerns(*at)).map(|(_, selector)| selector.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::invalidation::Tag;

    fn tag(name: u64) -> Selector {
        Selector::Tag(Tag::new(name.to_string()))
    }

    #[test]
    fn as_much_is_cleared_again_as_the_server_may_have_forgotten() {
        let (mut recent, began) = (Recent::default(), Instant::now());
        let at = |secs| began + Duration::from_secs(secs);
        for secs in [100, 235, 245] {
            recent.push(tag(secs), at(secs));
        }
        assert_eq!(recent.again(Loss::Nothing, Some(at(300))), []);
        assert_eq!(recent.again(Loss::Seconds, Some(at(300))), [tag(245)]);
        assert_eq!(recent.again(Loss::Seconds, Some(at(295))), [tag(235), tag(245)]);
        assert_eq!(recent.again(Loss::Snapshot, Some(at(300))), [tag(100), tag(235), tag(245)]);
        recent.push(Selector::All, at(296));
        assert_eq!(recent.again(Loss::Snapshot, None), [Selector::All]);
    }

    #[test]
    fn what_is_not_remembered_is_made_up_for_by_clearing_everything() {
        let (mut recent, began) = (Recent::default(), Instant::now());
        for n in 0..=KEPT as u64 {
            recent.push(tag(n), began + Duration::from_secs(n));
        }
        let fell = began + Duration::from_secs(KEPT as u64);
        assert_eq!(recent.again(Loss::Snapshot, Some(fell)), [Selector::All]);
        assert_eq!(recent.again(Loss::Seconds, Some(fell)).len(), 61);
        assert_eq!(recent.again(Loss::Seconds, Some(began)), [Selector::All]);
    }

    #[test]
    fn the_same_again_and_again_is_one() {
        let (mut recent, now) = (Recent::default(), Instant::now());
        for _ in 0..5_000 {
            recent.push(tag(1), now);
        }
        assert_eq!(recent.again(Loss::Snapshot, None), [tag(1)]);
    }
}

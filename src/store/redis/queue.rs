//! Invalidations that could not reach Redis. They are kept, in order, and carried out before this process reads from
//! Redis again. Past ten thousand they become one that clears everything.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::invalidation::Selector;

/// Invalidations kept one by one.
const KEPT: usize = 10_000;

/// The invalidations of one store.
#[derive(Debug, Default)]
pub(super) struct Queue {
    waiting: Mutex<Waiting>,
    /// Read by every lookup, so that an empty queue costs one load.
    len: AtomicUsize,
    /// Held by whoever carries the queue out.
    pub(super) turn: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct Waiting {
    list: VecDeque<(u64, Selector)>,
    last: u64,
}

impl Queue {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.len.load(Ordering::Acquire)
    }

    /// Keeps one more.
    pub(super) fn push(&self, selector: Selector) {
        let mut waiting = self.waiting();
        waiting.last += 1;
        let number = waiting.last;
        if waiting.list.len() >= KEPT {
            waiting.list.clear();
            waiting.list.push_back((number, Selector::All));
        } else {
            waiting.list.push_back((number, selector));
        }
        self.len.store(waiting.list.len(), Ordering::Release);
    }

    /// The oldest.
    pub(super) fn first(&self) -> Option<(u64, Selector)> {
        self.waiting().list.front().cloned()
    }

    /// Takes out what was carried out, unless the queue has changed into another since.
    pub(super) fn done(&self, number: u64) {
        let mut waiting = self.waiting();
        if waiting.list.front().is_some_and(|(first, _)| *first == number) {
            waiting.list.pop_front();
        }
        self.len.store(waiting.list.len(), Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::invalidation::Tag;

    fn tag(name: &str) -> Selector {
        Selector::Tag(Tag::new(name))
    }

    #[test]
    fn the_oldest_comes_first() {
        let queue = Queue::default();
        queue.push(tag("a"));
        queue.push(tag("b"));
        let (number, first) = queue.first().unwrap();
        assert_eq!((first, queue.len()), (tag("a"), 2));
        queue.done(number);
        queue.done(number);
        assert_eq!((queue.first().unwrap().1, queue.len()), (tag("b"), 1));
    }

    #[test]
    fn too_many_become_all() {
        let queue = Queue::default();
        for n in 0..=KEPT {
            queue.push(tag(&n.to_string()));
        }
        assert_eq!((queue.first().unwrap().1, queue.len()), (Selector::All, 1));
    }

    #[test]
    fn what_collapsed_while_it_was_carried_out_is_not_taken_for_done() {
        let queue = Queue::default();
        queue.push(tag("a"));
        let (number, _) = queue.first().unwrap();
        for n in 0..KEPT {
            queue.push(tag(&n.to_string()));
        }
        queue.done(number);
        assert_eq!(queue.first().unwrap().1, Selector::All);
    }
}

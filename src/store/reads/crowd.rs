//! One waker for all that wait for a read.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Wake, Waker};

/// Everybody who waits, each under a number.
#[derive(Default)]
pub(super) struct Crowd(Mutex<Members>);

#[derive(Default)]
struct Members {
    last: u64,
    wakers: Vec<(u64, Waker)>,
}

impl Crowd {
    /// A number for one more.
    pub(super) fn number(&self) -> u64 {
        let mut members = self.lock();
        members.last += 1;
        members.last
    }

    /// Has this one woken with the others.
    pub(super) fn enter(&self, number: u64, waker: &Waker) {
        let mut members = self.lock();
        match members.wakers.iter_mut().find(|(other, _)| *other == number) {
            Some((_, known)) => known.clone_from(waker),
            None => members.wakers.push((number, waker.clone())),
        }
    }

    /// This one waits no longer.
    pub(super) fn leave(&self, number: u64) {
        let mut members = self.lock();
        if let Some(at) = members.wakers.iter().position(|(other, _)| *other == number) {
            members.wakers.swap_remove(at);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Members> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wake for Crowd {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // Out of the lock: a waker may run what it wakes.
        let wakers = std::mem::take(&mut self.lock().wakers);
        wakers.into_iter().for_each(|(_, waker)| waker.wake());
    }
}

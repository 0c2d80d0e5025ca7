//! One read, and everybody who waits for it.

use std::mem::replace;
use std::pin::Pin;
use std::sync::{Arc, Mutex, OnceLock, TryLockError};
use std::task::{Context, Poll, Waker};

use super::crowd::Crowd;
use super::{Answer, Reads};
use crate::store::{BoxFuture, StoreError};

/// A read that several may wait for. It ends with the last of them.
pub(super) struct Read {
    reads: Arc<Reads>,
    place: usize,
    crowd: Arc<Crowd>,
    waker: Waker,
    state: Mutex<State>,
    /// Looked at without the lock: of all who are woken by the end, whoever found the lock taken would wait for ever.
    answer: OnceLock<Answer>,
}

enum State {
    UnderWay(BoxFuture<Answer>),
    /// There is an answer, or it panicked.
    Over,
}

/// Waits for a read. Dropping it leaves the read to the others.
pub(in crate::store) struct Waiting {
    read: Arc<Read>,
    number: u64,
    answered: bool,
}

impl Read {
    pub(super) fn new(reads: Arc<Reads>, place: usize, read: BoxFuture<Answer>) -> Self {
        let crowd = Arc::<Crowd>::default();
        let waker = Waker::from(Arc::clone(&crowd));
        Self { reads, place, crowd, waker, state: Mutex::new(State::UnderWay(read)), answer: OnceLock::new() }
    }

    fn poll(&self, number: u64, context: &Context<'_>) -> Poll<Answer> {
        // Dropped last, when the state can be looked at again.
        let _watch = Watch(self);
        // Before anything is looked at: whoever ends the read then wakes this one.
        self.crowd.enter(number, context.waker());
        if let Some(answer) = self.answer.get() {
            return Poll::Ready(answer.clone());
        }
        let mut state = match self.state.try_lock() {
            Ok(state) => state,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            // Somebody else drives.
            Err(TryLockError::WouldBlock) => return Poll::Pending,
        };
        let State::UnderWay(mut read) = replace(&mut *state, State::Over) else {
            return Poll::Ready(self.answer.get().cloned().unwrap_or_else(broken));
        };
        // Should this panic, the read stays over.
        let Poll::Ready(answer) = read.as_mut().poll(&mut Context::from_waker(&self.waker)) else {
            *state = State::UnderWay(read);
            return Poll::Pending;
        };
        // Nobody sets it but who drives.
        let _ = self.answer.set(answer.clone());
        self.reads.leave(self.place, self);
        drop(state);
        self.crowd.leave(number);
        self.waker.wake_by_ref();
        Poll::Ready(answer)
    }
}

fn broken() -> Answer {
    Err(StoreError::Unavailable("a shared read broke off".into()))
}

/// Answers everybody after a panic: they would wait for ever.
struct Watch<'r>(&'r Read);

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let _ = self.0.answer.set(broken());
            self.0.reads.leave(self.0.place, self.0);
            self.0.waker.wake_by_ref();
        }
    }
}

impl Drop for Read {
    fn drop(&mut self) {
        if self.answer.get().is_none() {
            self.reads.leave(self.place, self);
        }
    }
}

impl Waiting {
    pub(super) fn new(read: Arc<Read>) -> Self {
        let number = read.crowd.number();
        Self { read, number, answered: false }
    }
}

impl Future for Waiting {
    type Output = Answer;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Answer> {
        let polled = self.read.poll(self.number, context);
        self.answered = polled.is_ready();
        polled
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.read.crowd.leave(self.number);
        if !self.answered {
            // It may have been woken to drive, and another that was woken too have found it driving still.
            self.read.waker.wake_by_ref();
        }
    }
}

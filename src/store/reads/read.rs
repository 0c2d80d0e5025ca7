//! One read, and everybody who waits for it.

use std::mem::replace;
use std::pin::Pin;
use std::sync::{Arc, Mutex, TryLockError};
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
}

enum State {
    UnderWay(BoxFuture<Answer>),
    Done(Answer),
    /// It panicked.
    Broken,
}

/// Waits for a read. Dropping it leaves the read to the others.
pub(in crate::store) struct Waiting {
    read: Arc<Read>,
    number: u64,
}

impl Read {
    pub(super) fn new(reads: Arc<Reads>, place: usize, read: BoxFuture<Answer>) -> Self {
        let crowd = Arc::<Crowd>::default();
        let waker = Waker::from(Arc::clone(&crowd));
        Self { reads, place, crowd, waker, state: Mutex::new(State::UnderWay(read)) }
    }

    fn poll(&self, number: u64, context: &Context<'_>) -> Poll<Answer> {
        // Dropped last, when the state can be looked at again.
        let _watch = Watch(&self.waker);
        // Before the state is looked at: whoever holds it then wakes this one when the read is done.
        self.crowd.enter(number, context.waker());
        let mut state = match self.state.try_lock() {
            Ok(state) => state,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            // Somebody else drives.
            Err(TryLockError::WouldBlock) => return Poll::Pending,
        };
        let mut read = match replace(&mut *state, State::Broken) {
            State::UnderWay(read) => read,
            State::Done(answer) => {
                *state = State::Done(answer.clone());
                return Poll::Ready(answer);
            }
            State::Broken => return Poll::Ready(Err(StoreError::Unavailable("a shared read broke off".into()))),
        };
        // Should this panic, the read stays broken.
        let Poll::Ready(answer) = read.as_mut().poll(&mut Context::from_waker(&self.waker)) else {
            *state = State::UnderWay(read);
            return Poll::Pending;
        };
        *state = State::Done(answer.clone());
        self.reads.leave(self.place, self);
        drop(state);
        self.crowd.leave(number);
        self.waker.wake_by_ref();
        Poll::Ready(answer)
    }
}

/// Wakes everybody after a panic: they would wait for ever.
struct Watch<'a>(&'a Waker);

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.wake_by_ref();
        }
    }
}

impl Drop for Read {
    fn drop(&mut self) {
        if !matches!(self.state.get_mut(), Ok(State::Done(_))) {
            self.reads.leave(self.place, self);
        }
    }
}

impl Waiting {
    pub(super) fn new(read: Arc<Read>) -> Self {
        let number = read.crowd.number();
        Self { read, number }
    }
}

impl Future for Waiting {
    type Output = Answer;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Answer> {
        self.read.poll(self.number, context)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.read.crowd.leave(self.number);
    }
}

//! What a connection has to say before the answer that it is working on: interim responses (RFC 9110 §15.2).
//!
//! They come from the upstream's connection, whose task is another one, and are written by the client's. Between the
//! two lies one [`Outbox`] a connection. A request that is answered at once never locks it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use bytes::{Bytes, BytesMut};

/// How many interim responses a client gets before an answer. What comes after is dropped.
const MAX_HEADS: usize = 32;
/// How many bytes they may have together.
const MAX_BYTES: usize = 32 * 1024;

/// The interim responses of one HTTP/1 connection that have not been written yet.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    /// Odd while the answer to a request is awaited; each request has a number of its own. Only the connection's task
    /// changes it, so that what it reads there still holds when it acts.
    turn: AtomicU64,
    /// Something is queued, or taken and not yet written.
    waiting: AtomicBool,
    queue: Mutex<Queue>,
}

#[derive(Debug, Default)]
struct Queue {
    /// The request that the rest is about.
    turn: u64,
    heads: usize,
    bytes: usize,
    text: BytesMut,
    /// The connection's task, where it waits.
    task: Option<Waker>,
}

/// The way back to the client of one request.
///
/// It closes when the final answer is given: what is sent after is dropped, and never reaches a later request of the
/// same connection.
#[derive(Clone, Debug)]
pub(super) struct Interim {
    outbox: Arc<Outbox>,
    turn: u64,
}

/// The client's side: the task of the connection.
impl Outbox {
    /// A request has come.
    pub(super) fn begin(self: &Arc<Self>) -> Interim {
        let turn = (self.turn.load(Ordering::Relaxed) | 1) + 2;
        self.turn.store(turn, Ordering::Release);
        Interim { outbox: Arc::clone(self), turn }
    }

    /// The final answer is about to be written.
    pub(super) fn end(&self) {
        self.turn.store(self.turn.load(Ordering::Relaxed) & !1, Ordering::Release);
    }

    /// Whether something may have to be written first.
    pub(super) fn is_waiting(&self) -> bool {
        self.waiting.load(Ordering::Acquire)
    }

    /// Has the task woken when something comes, or has been written.
    pub(super) fn listen(&self, waker: &Waker) {
        let task = &mut self.lock().task;
        match task {
            Some(known) => known.clone_from(waker),
            None => *task = Some(waker.clone()),
        }
    }

    /// What is to be written now. What was meant for a request that has its answer already is dropped.
    pub(super) fn take(&self) -> Bytes {
        let turn = self.turn.load(Ordering::Relaxed);
        let mut queue = self.lock();
        let text = queue.text.split().freeze();
        let taken = if queue.turn == turn { text } else { Bytes::new() };
        if taken.is_empty() {
            self.waiting.store(false, Ordering::Release);
            let task = queue.task.take();
            drop(queue);
            if let Some(task) = task {
                task.wake();
            }
        }
        taken
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The upstream's side.
impl Interim {
    /// Queues the head of an interim response, unless the answer has been given or this request has had its share.
    pub(super) fn send(&self, head: &[u8]) {
        let mut queue = self.outbox.lock();
        if self.outbox.turn.load(Ordering::Acquire) != self.turn {
            return;
        }
        if queue.turn != self.turn {
            let task = queue.task.take();
            *queue = Queue { turn: self.turn, task, ..Queue::default() };
        }
        if queue.heads == MAX_HEADS || queue.bytes + head.len() > MAX_BYTES {
            return tracing::debug!("an interim response too many was dropped");
        }
        queue.heads += 1;
        queue.bytes += head.len();
        queue.text.extend_from_slice(head);
        self.outbox.waiting.store(true, Ordering::Release);
        let task = queue.task.take();
        drop(queue);
        if let Some(task) = task {
            task.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::task::Wake;

    use super::*;

    #[derive(Default)]
    struct Bell(AtomicBool);

    impl Wake for Bell {
        fn wake(self: Arc<Self>) {
            self.0.store(true, Ordering::Relaxed);
        }
    }

    fn taken(outbox: &Outbox) -> String {
        String::from_utf8(outbox.take().to_vec()).unwrap()
    }

    #[test]
    fn what_is_sent_is_taken_in_order() {
        let outbox = Arc::new(Outbox::default());
        let interim = outbox.begin();
        assert!(!outbox.is_waiting());
        interim.send(b"a");
        interim.clone().send(b"b");
        assert!(outbox.is_waiting());
        assert_eq!(taken(&outbox), "ab");
        assert!(outbox.is_waiting(), "taken is not written");
        assert_eq!(taken(&outbox), "");
        assert!(!outbox.is_waiting());
    }

    #[test]
    fn nothing_comes_after_the_answer_or_before_the_next() {
        let outbox = Arc::new(Outbox::default());
        let first = outbox.begin();
        first.send(b"a");
        outbox.end();
        first.send(b"b");
        let second = outbox.begin();
        first.send(b"c");
        assert_eq!(taken(&outbox), "", "nothing of the first");
        second.send(b"d");
        first.send(b"e");
        assert_eq!(taken(&outbox), "d");
    }

    #[test]
    fn a_request_has_a_share_and_the_next_has_its_own() {
        let outbox = Arc::new(Outbox::default());
        let interim = outbox.begin();
        (0..MAX_HEADS + 5).for_each(|_| interim.send(b"a"));
        assert_eq!(taken(&outbox).len(), MAX_HEADS);
        interim.send(b"a");
        assert_eq!(taken(&outbox), "");
        outbox.end();
        let interim = outbox.begin();
        interim.send(&[b'a'; MAX_BYTES + 1]);
        interim.send(b"small");
        assert_eq!(taken(&outbox), "small");
        interim.send(&[b'a'; MAX_BYTES - 4]);
        assert_eq!(taken(&outbox), "", "taking does not make room");
    }

    #[test]
    fn the_task_is_woken_when_something_comes_and_when_it_is_written() {
        let outbox = Arc::new(Outbox::default());
        let interim = outbox.begin();
        let bell = Arc::new(Bell::default());
        let rang = || bell.0.swap(false, Ordering::Relaxed);
        outbox.listen(&Waker::from(Arc::clone(&bell)));
        interim.send(b"a");
        assert!(rang());
        outbox.listen(&Waker::from(Arc::clone(&bell)));
        assert_eq!(taken(&outbox), "a");
        assert!(!rang());
        assert_eq!(taken(&outbox), "");
        assert!(rang());
    }
}

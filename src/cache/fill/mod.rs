//! One fetch, many readers.
//!
//! A [`Fill`] holds the fetch itself, first as a future and then as a body, and whatever has arrived of it. Everybody who
//! waits holds a [`Reader`]; **whoever is polled and finds nothing new drives the fetch**. There is no task behind it
//! and no leader whose departure matters: a reader that is dropped wakes the others, a reader that is slow stands in
//! nobody's way, and when the last one is dropped the fetch is dropped with it.
//!
//! Two locks, neither held while anybody waits. `seen` guards what has arrived and is held for moments. `stage` is held
//! while the fetch is polled and is only ever tried: who does not get it leaves a note (`contended`), and the holder
//! wakes the crowd after it let go, so that no wake-up is lost between the two.

mod crowd;
mod keep;
mod reader;
mod seen;
mod shown;

use std::any::Any;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, TryLockError, Weak};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::Response;
use http::header::HeaderMap;
use http_body::Frame;

use super::ResponseBody;
use super::flight::{Base, Flight};
use super::handle::Core;
use crate::entry::Entry;
use crate::outcome::{Outcome, Reason};
use crowd::Crowd;
pub(super) use keep::{Keep, LeaseGuard};
pub(super) use reader::Reader;
pub(super) use seen::Landed;
use seen::Seen;
pub(super) use shown::Shown;

/// The future of a fetch: the lease, the request to the inner service, and the judgement of its answer.
pub(super) type Fetch<RB, E> = Pin<Box<dyn Future<Output = Fetched<RB, E>> + Send>>;

/// What a fetch brought.
pub(super) enum Fetched<RB, E> {
    /// A response that all may share; it is stored where there is something to keep it with.
    Share { shown: Arc<Shown>, keep: Option<Keep>, body: RB },
    /// Something for the request that caused the fetch alone.
    Hand(Result<Response<RB>, E>, Reason),
    /// A stored response answers after all.
    Stored(Arc<Entry>, Outcome),
}

/// A fetch in flight, and what has arrived of it.
pub(super) struct Fill<RB, E> {
    base: Base,
    core: Arc<Core>,
    crowd: Arc<Crowd>,
    seen: Mutex<Seen<RB, E>>,
    stage: Mutex<Stage<RB, E>>,
    contended: AtomicBool,
    /// The fill itself, to be held on to while its store is under way.
    myself: OnceLock<Weak<Self>>,
}

/// Where the fetch stands. Owned by whoever drives.
enum Stage<RB, E> {
    Head(Fetch<RB, E>),
    Body(Pin<Box<RB>>, Option<Keep>),
    Over,
}

impl<RB: ResponseBody, E: Send + 'static> Fill<RB, E> {
    pub(super) fn new(base: Base, core: Arc<Core>, fetch: Fetch<RB, E>) -> Self {
        Self {
            base,
            core,
            crowd: Arc::default(),
            seen: Mutex::default(),
            stage: Mutex::new(Stage::Head(fetch)),
            contended: AtomicBool::new(false),
            myself: OnceLock::new(),
        }
    }

    /// Polls the fetch unless somebody else does. True when something may have changed.
    fn drive(&self) -> bool {
        let Some(mut stage) = self.try_stage() else { return false };
        let waker = Waker::from(self.crowd.clone());
        let progress = self.advance(&mut stage, &mut Context::from_waker(&waker));
        drop(stage);
        if self.contended.swap(false, Ordering::SeqCst) || progress {
            self.crowd.wake_all();
        }
        progress
    }

    /// The right to drive. Who does not get it the first time leaves a note and tries once more: either the second
    /// try succeeds, or the holder has yet to look for notes.
    fn try_stage(&self) -> Option<MutexGuard<'_, Stage<RB, E>>> {
        let attempt = || match self.stage.try_lock() {
            Ok(stage) => Some(stage),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        };
        attempt().or_else(|| {
            self.contended.store(true, Ordering::SeqCst);
            attempt()
        })
    }

    fn advance(&self, stage: &mut Stage<RB, E>, cx: &mut Context<'_>) -> bool {
        match stage {
            Stage::Over => true,
            Stage::Head(fetch) => match fetch.as_mut().poll(cx) {
                Poll::Pending => false,
                Poll::Ready(fetched) => {
                    *stage = self.land(fetched);
                    true
                }
            },
            Stage::Body(body, keep) => match body.as_mut().poll_frame(cx) {
                Poll::Pending => false,
                Poll::Ready(frame) => {
                    if self.take(frame, body.is_end_stream(), keep) {
                        *stage = Stage::Over;
                    }
                    true
                }
            },
        }
    }

    fn land(&self, fetched: Fetched<RB, E>) -> Stage<RB, E> {
        match fetched {
            Fetched::Share { shown, keep, body } => {
                self.seen().share(shown);
                if !body.is_end_stream() {
                    return Stage::Body(Box::pin(body), keep);
                }
                self.finish(keep, None);
            }
            Fetched::Hand(result, reason) => {
                self.base.close_doors();
                self.seen().hand(result, reason);
            }
            Fetched::Stored(entry, outcome) => self.seen().answer_from(entry, outcome),
        }
        Stage::Over
    }

    /// Takes in what the body gave; true when it is over.
    fn take(&self, frame: Option<Result<Frame<Bytes>, RB::Error>>, last: bool, keep: &mut Option<Keep>) -> bool {
        let frame = match frame {
            None => {
                self.finish(keep.take(), None);
                return true;
            }
            Some(Err(error)) => {
                // Invariant: nothing half. What was kept is dropped with its lease.
                drop(keep.take());
                self.base.close_doors();
                self.core.stats.reason(Reason::Incomplete);
                self.seen().fail(error.into());
                return true;
            }
            Some(Ok(frame)) => frame,
        };
        match frame.into_data() {
            Ok(data) => self.push(data, keep),
            Err(frame) => {
                if let Ok(trailers) = frame.into_trailers() {
                    self.finish(keep.take(), Some(trailers));
                    return true;
                }
            }
        }
        if last {
            self.finish(keep.take(), None);
        }
        last
    }

    /// Records a chunk. Past `max_body` nothing is kept, and nobody else may join.
    fn push(&self, data: Bytes, keep: &mut Option<Keep>) {
        let recording = self.seen().push(data);
        if !recording && keep.is_some() {
            self.base.close_doors();
            drop(keep.take());
            self.core.stats.reason(Reason::TooLarge);
        }
    }

    /// Keeps what has arrived, now that it is complete, and then says so.
    fn finish(&self, keep: Option<Keep>, trailers: Option<HeaderMap>) {
        if let Some(keep) = keep {
            let body = self.seen().collect();
            let held = self.myself.get().and_then(Weak::upgrade);
            keep.store(body, held.map(|fill| fill as Arc<dyn Any + Send + Sync>));
        }
        self.seen().complete(trailers);
    }
}

impl<RB, E> Fill<RB, E> {
    fn seen(&self) -> MutexGuard<'_, Seen<RB, E>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<RB, E> Drop for Fill<RB, E> {
    fn drop(&mut self) {
        self.core.flights.leave(&self.base);
    }
}

impl<RB: Send + 'static, E: Send + 'static> Flight for Fill<RB, E> {
    fn base(&self) -> &Base {
        &self.base
    }

    fn into_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
    }
}

//! One fetch, many readers.
//!
//! A [`Fill`] holds the fetch itself, first as a future and then as a body, and whatever has arrived of it. Everybody who
//! waits holds a [`Reader`]; **whoever is polled and finds nothing new drives the fetch**. There is no task behind it
//! and no leader whose departure matters: a reader that is dropped wakes the others, a reader that is slow stands in
//! nobody's way, and when the last one is dropped the fetch is dropped with it.
//!
//! Two locks, neither held while anybody waits. `seen` guards what has arrived and is held for moments. `stage` is held
//! while the fetch is polled, by the one whose [`Turn`] it is.
//!
//! A panic of the inner service while it is polled is not the driver's: it goes on in the request that caused the fetch,
//! and the others are told that the fetch failed.

mod crowd;
mod keep;
#[cfg(test)]
mod model;
mod reader;
mod seen;
mod shown;
mod turn;

use std::any::Any;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
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
pub(super) use keep::Keep;
use keep::Landing;
pub(super) use reader::Reader;
pub(super) use seen::Landed;
use seen::Seen;
pub(super) use shown::Shown;
use turn::Turn;

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
    /// Nothing yet, but nobody else is to wait for it: the others are released, and the fetch goes on.
    Dispersed(Fetch<RB, E>, Reason),
    /// A stored response is good again, under a new head that is stored with it.
    Freshened { keep: Keep, stored: Arc<Entry>, outcome: Outcome },
}

/// A fetch in flight, and what has arrived of it.
pub(super) struct Fill<RB, E> {
    base: Base,
    core: Arc<Core>,
    crowd: Arc<Crowd>,
    seen: Mutex<Seen<RB, E>>,
    stage: Mutex<Stage<RB, E>>,
    turn: Turn,
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
        let fill = Self {
            base,
            core,
            crowd: Arc::default(),
            seen: Mutex::default(),
            stage: Mutex::new(Stage::Head(fetch)),
            turn: Turn::default(),
            myself: OnceLock::new(),
        };
        // The leader's place is taken before anybody can join, so that nobody can read the beginning away from it.
        fill.seen().enter(fill.crowd.enter());
        fill
    }

    pub(super) fn id(&self) -> u64 {
        self.base.id
    }

    /// Polls the fetch unless somebody else does. True when something may have changed.
    fn drive(&self, driver: usize) -> bool {
        if !self.turn.take() {
            return false;
        }
        let progress = self.advance();
        if self.turn.give_back() || progress {
            self.crowd.wake_others(driver);
        }
        progress
    }

    /// Polls the fetch; true when that brought something. Whatever happens in there, this returns.
    fn advance(&self) -> bool {
        let mut stage = self.stage.lock().unwrap_or_else(PoisonError::into_inner);
        let waker = Waker::from(self.crowd.clone());
        let polled = catch_unwind(AssertUnwindSafe(|| self.poll(&mut stage, &mut Context::from_waker(&waker))));
        polled.unwrap_or_else(|panic| {
            let remains = std::mem::replace(&mut *stage, Stage::Over);
            // Nothing is left to say about a second panic.
            let _ = catch_unwind(AssertUnwindSafe(|| drop(remains)));
            self.base.close_doors();
            self.core.stats.reason(Reason::LeaderFailed);
            self.seen().fall(panic);
            true
        })
    }

    fn poll(&self, stage: &mut Stage<RB, E>, cx: &mut Context<'_>) -> bool {
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
            Fetched::Share { shown, mut keep, body } => {
                self.seen().share(shown);
                if !body.is_end_stream() {
                    // A length of nothing is matched already, and a server that has announced it asks for nothing more.
                    if keep.as_mut().is_some_and(|keep| keep.is_whole_with(0)) {
                        self.store(keep.take());
                    }
                    return Stage::Body(Box::pin(body), keep);
                }
                self.finish(keep, None);
            }
            Fetched::Hand(result, reason) => {
                self.base.close_doors();
                self.seen().hand(result, reason);
            }
            Fetched::Stored(entry, outcome) => {
                self.base.close_doors();
                self.seen().answer_from(entry, outcome);
            }
            Fetched::Dispersed(fetch, reason) => {
                self.base.close_doors();
                self.seen().disperse(reason);
                return Stage::Head(fetch);
            }
            Fetched::Freshened { keep, stored, outcome } => {
                let entry = keep.freshen(&stored, self.landing());
                self.seen().answer_from(entry, outcome);
            }
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
                self.core.unstored(&self.base.key, Reason::Incomplete);
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
        let whole = keep.as_mut().is_some_and(|keep| keep.is_whole_with(data.len()));
        if !self.seen().push(data) {
            self.base.close_doors();
            if let Some(keep) = keep.take() {
                self.core.uncacheable.remember(keep.key(), Reason::TooLarge, self.core.clock.now());
                self.core.stats.reason(Reason::TooLarge);
                keep.refuse();
            }
        } else if whole {
            // The length is matched. Nobody may ask for more: a server that has sent as much as it announced stops.
            self.store(keep.take());
        }
    }

    /// Keeps what has arrived, now that it is complete, and then says so.
    fn finish(&self, keep: Option<Keep>, trailers: Option<HeaderMap>) {
        self.store(keep);
        self.seen().complete(trailers);
    }

    /// Stores what has arrived. Where there is nothing to store it with it was shared, and that is over.
    fn store(&self, keep: Option<Keep>) {
        let landing = self.landing();
        if let Some(keep) = keep {
            let body = self.seen().collect();
            keep.store(body, landing);
        }
    }

    /// Once this is dropped nobody joins any more: what was fetched is found in the store or must be fetched anew.
    fn landing(&self) -> Landing {
        Landing::of(self.myself.get().and_then(Weak::upgrade).map(|fill| fill as Arc<dyn Flight>))
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

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

use std::any::Any;
use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, TryLockError, Weak};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::Response;
use http::header::HeaderMap;
use http_body::Frame;

use super::crowd::Crowd;
use super::flight::{Base, Flight};
use super::handle::Core;
use super::keep::Keep;
use super::shown::Shown;
use super::{BoxError, ResponseBody};
use crate::entry::Entry;
use crate::outcome::{Outcome, Reason};

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

/// What all readers see.
struct Seen<RB, E> {
    head: Head<RB, E>,
    chunks: VecDeque<Bytes>,
    /// How many chunks have been let go of in front of `chunks`.
    gone: usize,
    held: u64,
    /// How many bytes may be held.
    window: u64,
    recording: bool,
    end: Option<End>,
    /// The next chunk of each reader, by its place in the crowd.
    at: Vec<Option<usize>>,
}

enum Head<RB, E> {
    Awaited,
    Shared(Arc<Shown>),
    Handed(Option<Result<Response<RB>, E>>, Reason),
    Stored(Arc<Entry>, Outcome),
}

enum End {
    Complete(Option<HeaderMap>),
    Broken(Option<BoxError>),
}

/// One request's view of a fetch.
pub(super) struct Reader<RB, E> {
    fill: Arc<Fill<RB, E>>,
    place: usize,
    leads: bool,
}

/// What a reader learns when the head has arrived.
pub(super) enum Landed<RB, E> {
    /// A response to share; its body is read from this reader.
    Shared(Arc<Shown>),
    /// The response is this request's alone.
    Mine(Result<Response<RB>, E>, Reason),
    /// The response was another's alone: fetch for yourself.
    Released(Reason),
    /// A stored response answers.
    Stored(Arc<Entry>, Outcome),
}

/// Why a reader's body ends early.
#[derive(Debug, thiserror::Error)]
pub(super) enum Cut {
    #[error("the upstream's body ended early")]
    Upstream,
    #[error("this reader fell too far behind the others")]
    Lagged,
}

impl<RB: ResponseBody, E: Send + 'static> Fill<RB, E> {
    pub(super) fn new(base: Base, core: Arc<Core>, fetch: Fetch<RB, E>) -> Self {
        let seen = Seen {
            head: Head::Awaited,
            chunks: VecDeque::new(),
            gone: 0,
            held: 0,
            window: 0,
            recording: true,
            end: None,
            at: Vec::new(),
        };
        Self {
            base,
            core,
            crowd: Arc::default(),
            seen: Mutex::new(seen),
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
                let over = body.is_end_stream();
                let mut seen = self.seen();
                seen.window = shown.window();
                seen.head = Head::Shared(shown);
                if over {
                    drop(seen);
                    self.finish(keep, None);
                    return Stage::Over;
                }
                Stage::Body(Box::pin(body), keep)
            }
            Fetched::Hand(result, reason) => {
                self.base.close_doors();
                self.seen().head = Head::Handed(Some(result), reason);
                Stage::Over
            }
            Fetched::Stored(entry, outcome) => {
                self.seen().head = Head::Stored(entry, outcome);
                Stage::Over
            }
        }
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
                self.seen().end = Some(End::Broken(Some(error.into())));
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

    /// Records a chunk. Past `max_body` the recording stops, never the stream.
    fn push(&self, data: Bytes, keep: &mut Option<Keep>) {
        let mut seen = self.seen();
        if data.is_empty() {
            return;
        }
        seen.held += data.len() as u64;
        seen.chunks.push_back(data);
        if seen.recording && seen.held > seen.window {
            seen.recording = false;
            self.base.close_doors();
            drop(keep.take());
            self.core.stats.reason(Reason::TooLarge);
        }
        if !seen.recording {
            seen.trim();
        }
    }

    /// Keeps what has arrived, now that it is complete, and then says so.
    fn finish(&self, keep: Option<Keep>, trailers: Option<HeaderMap>) {
        if let Some(keep) = keep {
            let body = self.seen().collect();
            let held = self.myself.get().and_then(Weak::upgrade);
            keep.store(body, held.map(|fill| fill as Arc<dyn Any + Send + Sync>));
        }
        self.seen().end = Some(End::Complete(trailers));
    }

    fn seen(&self) -> MutexGuard<'_, Seen<RB, E>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<RB, E> Seen<RB, E> {
    /// The body in one buffer of its exact size.
    fn collect(&self) -> Bytes {
        let mut whole = Vec::with_capacity(usize::try_from(self.held).unwrap_or_default());
        for chunk in &self.chunks {
            whole.extend_from_slice(chunk);
        }
        Bytes::from(whole)
    }

    /// Lets go of chunks that every reader has had, and of those that would exceed the window whoever still wants them.
    fn trim(&mut self) {
        let slowest = self.at.iter().flatten().min().copied().unwrap_or(usize::MAX);
        while let Some(chunk) = self.chunks.front()
            && (self.gone < slowest || self.held > self.window)
            && self.chunks.len() > 1
        {
            self.held -= chunk.len() as u64;
            self.chunks.pop_front();
            self.gone += 1;
        }
    }

    fn next(&mut self, place: usize) -> Option<Result<Bytes, BoxError>> {
        let at = self.at.get(place).copied().flatten()?;
        if at < self.gone {
            return Some(Err(Cut::Lagged.into()));
        }
        let chunk = self.chunks.get(at - self.gone)?.clone();
        self.at[place] = Some(at + 1);
        if !self.recording {
            self.trim();
        }
        Some(Ok(chunk))
    }
}

impl<RB: ResponseBody, E: Send + 'static> Reader<RB, E> {
    pub(super) fn new(fill: Arc<Fill<RB, E>>, leads: bool) -> Self {
        fill.myself.get_or_init(|| Arc::downgrade(&fill));
        let place = fill.crowd.enter();
        let mut seen = fill.seen();
        if seen.at.len() <= place {
            seen.at.resize(place + 1, None);
        }
        // Who comes when the beginning is gone already is no reader, and is released.
        seen.at[place] = (seen.gone == 0).then_some(0);
        drop(seen);
        Self { fill, place, leads }
    }

    pub(super) fn id(&self) -> u64 {
        self.fill.base.id
    }

    /// The head of the response, once it is there.
    pub(super) async fn head(&mut self) -> Landed<RB, E> {
        std::future::poll_fn(|cx| self.poll_head(cx)).await
    }

    fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<Landed<RB, E>> {
        loop {
            if let Some(landed) = self.landed() {
                return Poll::Ready(landed);
            }
            self.fill.crowd.wait(self.place, cx.waker());
            if let Some(landed) = self.landed() {
                return Poll::Ready(landed);
            }
            if !self.fill.drive() {
                return Poll::Pending;
            }
        }
    }

    fn landed(&self) -> Option<Landed<RB, E>> {
        let mut seen = self.fill.seen();
        let came_late = seen.at.get(self.place).copied().flatten().is_none();
        match &mut seen.head {
            Head::Awaited => None,
            Head::Shared(_) if came_late => Some(Landed::Released(Reason::TooLarge)),
            Head::Shared(shown) => Some(Landed::Shared(shown.clone())),
            Head::Stored(entry, outcome) => Some(Landed::Stored(entry.clone(), *outcome)),
            Head::Handed(slot, reason) => Some(match slot.take_if(|_| self.leads) {
                Some(result) => Landed::Mine(result, *reason),
                None => Landed::Released(*reason),
            }),
        }
    }

    /// The next frame of the shared body.
    pub(super) fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        loop {
            if let Some(frame) = self.next() {
                return Poll::Ready(frame);
            }
            self.fill.crowd.wait(self.place, cx.waker());
            if let Some(frame) = self.next() {
                return Poll::Ready(frame);
            }
            if !self.fill.drive() {
                return Poll::Pending;
            }
        }
    }

    fn next(&mut self) -> Option<Option<Result<Frame<Bytes>, BoxError>>> {
        let mut seen = self.fill.seen();
        if let Some(chunk) = seen.next(self.place) {
            return Some(Some(chunk.map(Frame::data)));
        }
        match seen.end.as_mut()? {
            End::Complete(trailers) => {
                let trailers = trailers.clone().filter(|_| seen.at[self.place].is_some());
                seen.at[self.place] = None;
                Some(trailers.map(|trailers| Ok(Frame::trailers(trailers))))
            }
            // The first to notice gets the error itself, the others a word about it.
            End::Broken(error) => Some(Some(Err(error.take().unwrap_or_else(|| Cut::Upstream.into())))),
        }
    }

    /// Whether everything has been read.
    pub(super) fn is_over(&self) -> bool {
        let seen = self.fill.seen();
        let read_all = seen.at.get(self.place).copied().flatten().is_none_or(|at| at >= seen.gone + seen.chunks.len());
        read_all && matches!(seen.end, Some(End::Complete(None)))
    }
}

/// Drop means abandoned: the others go on.
impl<RB, E> Drop for Reader<RB, E> {
    fn drop(&mut self) {
        let mut seen = self.fill.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.at[self.place] = None;
        if !seen.recording {
            seen.trim();
        }
        drop(seen);
        self.fill.crowd.leave(self.place);
        self.fill.crowd.wake_all();
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

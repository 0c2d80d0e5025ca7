//! What has arrived of a fetch, as its readers see it.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use http::Response;
use http::header::HeaderMap;
use http_body::Frame;

use super::shown::Shown;
use crate::cache::BoxError;
use crate::entry::Entry;
use crate::outcome::{Outcome, Reason};

/// What has arrived: the head, the chunks of the body that are still wanted, and the end.
pub(super) struct Seen<RB, E> {
    head: Head<RB, E>,
    chunks: VecDeque<Bytes>,
    /// How many chunks have been let go of in front of `chunks`.
    gone: usize,
    held: u64,
    /// How many bytes may be held.
    window: u64,
    recording: bool,
    end: Option<End>,
    /// Why nobody but the request that caused the fetch waits for it.
    dispersed: Option<Reason>,
    /// The next chunk of each reader, by its place in the crowd.
    at: Vec<Option<usize>>,
}

enum Head<RB, E> {
    Awaited,
    Shared(Arc<Shown>),
    Handed(Option<Result<Response<RB>, E>>, Reason),
    Stored(Arc<Entry>, Outcome),
    Fallen(Option<Panic>),
}

enum End {
    Complete(Option<HeaderMap>),
    Broken(Option<BoxError>),
}

/// What a panic of the inner service carries.
pub(super) type Panic = Box<dyn std::any::Any + Send>;

/// What a reader learns when the head has arrived.
pub(in crate::cache) enum Landed<RB, E> {
    /// A response to share; its body is read from this reader.
    Shared(Arc<Shown>),
    /// The response is this request's alone.
    Mine(Result<Response<RB>, E>, Reason),
    /// The response was another's alone: fetch for yourself.
    Released(Reason),
    /// A stored response answers.
    Stored(Arc<Entry>, Outcome),
    /// The inner service panicked. Whose request caused the fetch panics too, as it would have without a cache.
    Fallen(Panic),
}

/// Why a reader's body ends early.
#[derive(Debug, thiserror::Error)]
pub(super) enum Cut {
    #[error("the upstream's body ended early")]
    Upstream,
    #[error("the upstream's body panicked")]
    Panicked,
    #[error("this reader fell too far behind the others")]
    Lagged,
}

impl<RB, E> Default for Seen<RB, E> {
    fn default() -> Self {
        Self {
            head: Head::Awaited,
            chunks: VecDeque::new(),
            gone: 0,
            held: 0,
            window: 0,
            recording: true,
            end: None,
            dispersed: None,
            at: Vec::new(),
        }
    }
}

/// The driver's side.
impl<RB, E> Seen<RB, E> {
    pub(super) fn share(&mut self, shown: Arc<Shown>) {
        self.window = shown.window();
        self.head = Head::Shared(shown);
    }

    pub(super) fn hand(&mut self, result: Result<Response<RB>, E>, reason: Reason) {
        self.head = Head::Handed(Some(result), reason);
    }

    pub(super) fn answer_from(&mut self, entry: Arc<Entry>, outcome: Outcome) {
        self.head = Head::Stored(entry, outcome);
    }

    /// Releases everybody but the request that caused the fetch.
    pub(super) fn disperse(&mut self, reason: Reason) {
        self.dispersed = Some(reason);
    }

    /// Records a chunk; false once more has arrived than may be held. Then recording stops, never the stream.
    pub(super) fn push(&mut self, data: Bytes) -> bool {
        if !data.is_empty() {
            self.held += data.len() as u64;
            self.chunks.push_back(data);
            self.recording &= self.held <= self.window;
            self.trim();
        }
        self.recording
    }

    pub(super) fn complete(&mut self, trailers: Option<HeaderMap>) {
        self.end = Some(End::Complete(trailers));
    }

    pub(super) fn fail(&mut self, error: BoxError) {
        self.end = Some(End::Broken(Some(error)));
    }

    /// Takes in that the inner service panicked.
    pub(super) fn fall(&mut self, panic: Panic) {
        if matches!(self.head, Head::Awaited) {
            self.head = Head::Fallen(Some(panic));
        } else if self.end.is_none() {
            self.fail(Cut::Panicked.into());
        }
    }

    /// The body in one buffer of its exact size.
    pub(super) fn collect(&self) -> Bytes {
        let mut whole = Vec::with_capacity(usize::try_from(self.held).unwrap_or_default());
        for chunk in &self.chunks {
            whole.extend_from_slice(chunk);
        }
        Bytes::from(whole)
    }

    /// Once nothing is recorded any more: lets go of chunks that every reader has had, and of those that would exceed
    /// the window whoever still wants them.
    fn trim(&mut self) {
        if self.recording {
            return;
        }
        let slowest = self.at.iter().flatten().min().copied().unwrap_or(usize::MAX);
        while self.chunks.len() > 1
            && (self.gone < slowest || self.held > self.window)
            && let Some(chunk) = self.chunks.pop_front()
        {
            self.held -= chunk.len() as u64;
            self.gone += 1;
        }
    }
}

/// The readers' side.
impl<RB, E> Seen<RB, E> {
    /// Takes in a reader. Who comes when the beginning is gone already is none, and will be released.
    pub(super) fn enter(&mut self, place: usize) {
        if self.at.len() <= place {
            self.at.resize(place + 1, None);
        }
        self.at[place] = (self.gone == 0).then_some(0);
    }

    pub(super) fn leave(&mut self, place: usize) {
        self.at[place] = None;
        self.trim();
    }

    pub(super) fn landed(&mut self, place: usize, leads: bool) -> Option<Landed<RB, E>> {
        if let Some(reason) = self.dispersed.filter(|_| !leads) {
            return Some(Landed::Released(reason));
        }
        let came_late = self.position(place).is_none();
        match &mut self.head {
            Head::Awaited => None,
            Head::Shared(_) if came_late => Some(Landed::Released(Reason::TooLarge)),
            Head::Shared(shown) => Some(Landed::Shared(shown.clone())),
            Head::Stored(entry, outcome) => Some(Landed::Stored(entry.clone(), *outcome)),
            Head::Handed(slot, reason) => Some(match slot.take_if(|_| leads) {
                Some(result) => Landed::Mine(result, *reason),
                None => Landed::Released(*reason),
            }),
            Head::Fallen(panic) => Some(match panic.take_if(|_| leads) {
                Some(panic) => Landed::Fallen(panic),
                None => Landed::Released(Reason::LeaderFailed),
            }),
        }
    }

    /// The next frame of the body: `None` when it has yet to arrive, `Some(None)` at the end.
    pub(super) fn next(&mut self, place: usize) -> Option<Option<Result<Frame<Bytes>, BoxError>>> {
        if let Some(at) = self.position(place) {
            if at < self.gone {
                return Some(Some(Err(Cut::Lagged.into())));
            }
            if let Some(chunk) = self.chunks.get(at - self.gone).cloned() {
                self.at[place] = Some(at + 1);
                self.trim();
                return Some(Some(Ok(Frame::data(chunk))));
            }
        }
        let unfinished = self.position(place).is_some();
        match self.end.as_mut()? {
            End::Complete(trailers) => {
                let trailers = trailers.clone().filter(|_| unfinished);
                self.at[place] = None;
                Some(trailers.map(|trailers| Ok(Frame::trailers(trailers))))
            }
            // The first to notice gets the error itself, the others a word about it.
            End::Broken(error) => Some(Some(Err(error.take().unwrap_or_else(|| Cut::Upstream.into())))),
        }
    }

    /// Whether a reader has had everything.
    pub(super) fn is_over(&self, place: usize) -> bool {
        let read_all = self.position(place).is_none_or(|at| at >= self.gone + self.chunks.len());
        read_all && matches!(self.end, Some(End::Complete(None)))
    }

    fn position(&self, place: usize) -> Option<usize> {
        self.at.get(place).copied().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(frame: Option<Option<Result<Frame<Bytes>, BoxError>>>) -> Option<String> {
        let data = frame??.ok()?.into_data().ok()?;
        String::from_utf8(data.to_vec()).ok()
    }

    fn seen(window: u64, readers: usize) -> Seen<(), ()> {
        let mut seen = Seen { window, ..Seen::default() };
        (0..readers).for_each(|place| seen.enter(place));
        seen
    }

    #[test]
    fn a_recorded_body_is_there_for_whoever_comes() {
        let mut seen = seen(100, 1);
        seen.push("ab".into());
        assert_eq!(text(seen.next(0)), Some("ab".into()));
        assert!(seen.next(0).is_none());
        seen.enter(1);
        assert_eq!(text(seen.next(1)), Some("ab".into()));
        seen.push("c".into());
        seen.complete(None);
        assert!(!seen.is_over(1));
        assert_eq!(text(seen.next(1)), Some("c".into()));
        assert!(seen.is_over(1));
        assert_eq!(seen.collect(), "abc");
    }

    #[test]
    fn past_the_window_a_lone_reader_holds_one_chunk() {
        let mut seen = seen(4, 1);
        for chunk in ["abc", "def", "ghi", "jkl"] {
            seen.push(chunk.into());
            assert_eq!(text(seen.next(0)), Some(chunk.into()));
        }
        assert!(seen.held <= 3);
    }

    #[test]
    fn past_the_window_a_slow_reader_is_cut_and_stands_in_nobodys_way() {
        let mut seen = seen(4, 2);
        for chunk in ["abc", "def", "ghi"] {
            seen.push(chunk.into());
            assert_eq!(text(seen.next(0)), Some(chunk.into()));
        }
        assert!(seen.held <= 4);
        assert!(matches!(seen.next(1), Some(Some(Err(_)))));
        seen.enter(2);
        seen.share(Arc::default());
        assert!(matches!(seen.landed(2, false), Some(Landed::Released(Reason::TooLarge))));
    }

    #[test]
    fn everybody_gets_the_trailers_once() {
        let mut seen = seen(4, 2);
        seen.complete(Some(HeaderMap::new()));
        for place in [0, 1] {
            assert!(matches!(seen.next(place), Some(Some(Ok(frame))) if frame.is_trailers()));
            assert!(matches!(seen.next(place), Some(None)));
        }
    }

    #[test]
    fn a_broken_body_breaks_for_everybody() {
        let mut seen = seen(4, 2);
        seen.push("a".into());
        seen.fail("reset".into());
        for place in [0, 1] {
            assert_eq!(text(seen.next(place)), Some("a".into()));
            assert!(matches!(seen.next(place), Some(Some(Err(_)))));
        }
    }
}

//! Bodies in both directions. Neither is collected: a frame is passed on as it arrives.

use std::error::Error;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use http_body_util::BodyExt;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::Incoming;

use super::expect::{Gate, Latch};

pub(super) type BoxError = Box<dyn Error + Send + Sync>;

/// The body of an answer: the upstream's, or larder's own words about why there is none.
///
/// When the upstream's body breaks off, this one fails, and so the client's connection breaks as it would have without
/// a proxy.
#[derive(Debug)]
pub struct Body(Kind);

#[derive(Debug)]
enum Kind {
    Upstream { body: Incoming, _latch: Option<Latch> },
    Own(Option<Bytes>),
}

/// The body of a request on its way to the upstream.
#[derive(Debug)]
pub(super) enum Upload {
    Empty,
    Stream { inner: UnsyncBoxBody<Bytes, BoxError>, progress: Progress, gate: Option<Gate> },
}

/// How far a request's body has come, counted in frames. What waits for the answer looks here to tell an upstream that
/// is silent from one that is still being told.
#[derive(Clone, Debug, Default)]
pub(super) struct Progress(Arc<AtomicU64>);

impl Body {
    pub(super) fn upstream(body: Incoming, latch: Option<Latch>) -> Self {
        Self(Kind::Upstream { body, _latch: latch })
    }

    pub(super) fn own(words: Bytes) -> Self {
        Self(Kind::Own(Some(words)))
    }

    pub(super) fn empty() -> Self {
        Self(Kind::Own(None))
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match &mut self.get_mut().0 {
            Kind::Upstream { body, .. } => Pin::new(body).poll_frame(cx),
            Kind::Own(words) => Poll::Ready(words.take().map(|words| Ok(Frame::data(words)))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Kind::Upstream { body, .. } => body.is_end_stream(),
            Kind::Own(words) => words.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Upstream { body, .. } => body.size_hint(),
            Kind::Own(words) => SizeHint::with_exact(words.as_ref().map_or(0, |words| words.len() as u64)),
        }
    }
}

impl Upload {
    pub(super) fn new<B>(body: B) -> Self
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        if body.is_end_stream() {
            return Self::Empty;
        }
        Self::Stream { inner: body.map_err(Into::into).boxed_unsync(), progress: Progress::default(), gate: None }
    }

    /// Keeps the body back until the gate opens.
    pub(super) fn put_behind(&mut self, shut: Gate) {
        if let Self::Stream { gate, .. } = self {
            *gate = Some(shut);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        matches!(self, Self::Empty)
    }

    pub(super) fn progress(&self) -> Option<Progress> {
        match self {
            Self::Empty => None,
            Self::Stream { progress, .. } => Some(progress.clone()),
        }
    }
}

impl http_body::Body for Upload {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match self.get_mut() {
            Self::Empty => Poll::Ready(None),
            Self::Stream { inner, progress, gate } => {
                if let Some(gate) = gate {
                    ready!(gate.poll_open(cx))?;
                }
                let polled = Pin::new(inner).poll_frame(cx);
                if polled.is_ready() {
                    progress.advance();
                }
                polled
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Stream { inner, .. } => inner.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Stream { inner, .. } => inner.size_hint(),
        }
    }
}

impl Progress {
    fn advance(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn frames(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

//! `Expect: 100-continue` (RFC 9110 §10.1.1): the client is told to go on when the upstream says so, and not before.
//!
//! The client's connection says `100 Continue` when its body is first asked for. So the body is kept behind a gate that
//! the upstream's `100` opens. An upstream that refuses at once leaves it shut, and nothing is uploaded in vain.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use http::StatusCode;
use http::header::{EXPECT, HeaderMap};
use tokio::sync::oneshot;
use tokio::time::Sleep;

/// Before a body that the upstream has not asked for yet.
#[derive(Debug)]
pub(super) struct Gate {
    opened: oneshot::Receiver<()>,
    /// Upstreams that never heard of expectations read on and say nothing.
    patience: Pin<Box<Sleep>>,
    open: bool,
}

/// Keeps a shut gate from being given up. Held as long as an answer is read that came instead of a `100`.
#[derive(Clone, Debug)]
pub(super) struct Latch {
    _opener: Opener,
}

/// Opens a gate. Dropping the last one gives it up.
#[derive(Clone, Debug)]
pub(super) struct Opener(Arc<Mutex<Option<oneshot::Sender<()>>>>);

/// The upstream answered without having asked for the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the upstream answered without reading the request")]
pub(super) struct Refused;

/// Whether the client waits for a `100`.
pub(super) fn is_expected(headers: &HeaderMap) -> bool {
    headers.get(EXPECT).is_some_and(|expectation| expectation.as_bytes().eq_ignore_ascii_case(b"100-continue"))
}

/// A gate, and what opens it before this time is over.
pub(super) fn gate(patience: Duration) -> (Gate, Opener) {
    let (opener, opened) = oneshot::channel();
    let gate = Gate { opened, patience: Box::pin(tokio::time::sleep(patience)), open: false };
    (gate, Opener(Arc::new(Mutex::new(Some(opener)))))
}

impl Opener {
    /// Opens the gate at a `100`.
    pub(super) fn heard(&self, interim: StatusCode) {
        if interim == StatusCode::CONTINUE {
            let opener = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
            // Nobody waits any more when the request was abandoned.
            let _ = opener.map(|opener| opener.send(()));
        }
    }

    /// Keeps the gate from being given up.
    pub(super) fn latch(&self) -> Latch {
        Latch { _opener: self.clone() }
    }
}

impl Gate {
    pub(super) fn poll_open(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Refused>> {
        if !self.open {
            match Pin::new(&mut self.opened).poll(cx) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(_)) => return Poll::Ready(Err(Refused)),
                Poll::Pending if self.patience.as_mut().poll(cx).is_pending() => return Poll::Pending,
                Poll::Pending => {}
            }
            self.open = true;
        }
        Poll::Ready(Ok(()))
    }
}

//! Clients that end their side of the connection behind their request, and still listen.
//!
//! TCP does not tell one that left from one that has said all it has to say. hyper takes the end of what a client sends
//! for its leaving, and drops the request even where the answer is ready. So the end is held back while an answer is
//! owed, until nothing was sent for a while.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

use super::patience::Patience;

/// How long an answer is owed, with nothing sent, to a client that ended its side. Then it is taken for gone.
const GRACE: Duration = Duration::from_secs(2);

/// A connection whose end is held back while an answer is owed.
#[derive(Debug)]
pub(super) struct HalfClosed<I> {
    io: I,
    /// Knows whether a head is waited for; where it is not, an answer is owed.
    patience: Patience,
    /// Runs once the client has ended its side.
    grace: Option<Pin<Box<Sleep>>>,
}

impl<I> HalfClosed<I> {
    pub(super) fn new(io: I, patience: Patience) -> Self {
        Self { io, patience, grace: None }
    }

    /// Begins the grace anew, where it runs: something was sent.
    fn sent(&mut self, cx: &Context<'_>) {
        if let Some(grace) = &mut self.grace {
            *grace = Box::pin(tokio::time::sleep(GRACE));
            // The new one wakes nobody before it is polled, which the next read does.
            cx.waker().wake_by_ref();
        }
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for HalfClosed<I> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let before = buf.filled().len();
        ready!(Pin::new(&mut this.io).poll_read(cx, buf))?;
        if buf.filled().len() == before && !this.patience.waits() {
            let grace = this.grace.get_or_insert_with(|| Box::pin(tokio::time::sleep(GRACE)));
            ready!(grace.as_mut().poll(cx));
        }
        Poll::Ready(Ok(()))
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for HalfClosed<I> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let sent = ready!(Pin::new(&mut self.io).poll_write(cx, buf));
        self.sent(cx);
        Poll::Ready(sent)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let sent = ready!(Pin::new(&mut self.io).poll_write_vectored(cx, bufs));
        self.sent(cx);
        Poll::Ready(sent)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

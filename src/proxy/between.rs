//! Writing between the answers of an HTTP/1 connection.
//!
//! hyper writes final responses only. What comes before one is put into the byte stream underneath it, at a moment at
//! which hyper has nothing to write: when it flushes while the answer is still awaited. Everything before, the end of
//! the answer to an earlier request included, has been written then. An answer that comes meanwhile is held back until
//! what stands before it has been written.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use hyper::rt::{Read, ReadBufCursor, Write};
use pin_project_lite::pin_project;

use super::outbox::Outbox;

/// A client's connection, into which the outbox is emptied whenever it is flushed.
#[derive(Debug)]
pub(super) struct Between<T> {
    io: T,
    outbox: Arc<Outbox>,
    /// Taken from the outbox, and not written yet.
    unwritten: Bytes,
}

pin_project! {
    /// An answer that does not overtake what stands before it.
    pub(super) struct After<F: Future> {
        #[pin]
        answer: F,
        // None where nothing can stand before it.
        outbox: Option<Arc<Outbox>>,
        // Boxed: it is nearly never there, and the rest is moved about for every request.
        held: Option<Box<F::Output>>,
    }
}

impl<F: Future> After<F> {
    pub(super) fn new(answer: F, outbox: Option<Arc<Outbox>>) -> Self {
        Self { answer, outbox, held: None }
    }
}

impl<F: Future> Future for After<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let Some(outbox) = this.outbox else { return this.answer.poll(cx) };
        let polled = match this.held.take() {
            Some(answer) => Poll::Ready(*answer),
            None => this.answer.poll(cx),
        };
        match polled {
            Poll::Ready(answer) if !outbox.is_waiting() => {
                outbox.end();
                return Poll::Ready(answer);
            }
            Poll::Ready(answer) => *this.held = Some(Box::new(answer)),
            Poll::Pending => {}
        }
        outbox.listen(cx.waker());
        Poll::Pending
    }
}

impl<T: Write + Unpin> Between<T> {
    pub(super) fn new(io: T, outbox: Arc<Outbox>) -> Self {
        Self { io, outbox, unwritten: Bytes::new() }
    }

    /// Writes what was begun.
    fn poll_rest(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.unwritten.is_empty() {
            match ready!(Pin::new(&mut self.io).poll_write(cx, &self.unwritten))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => self.unwritten.advance(written),
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Writes all there is.
    fn poll_outbox(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_rest(cx))?;
        while self.outbox.is_waiting() {
            self.unwritten = self.outbox.take();
            ready!(self.poll_rest(cx))?;
        }
        Poll::Ready(Ok(()))
    }
}

impl<T: Read + Unpin> Read for Between<T> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl<T: Write + Unpin> Write for Between<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.poll_rest(cx))?;
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_outbox(cx))?;
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_rest(cx))?;
        Pin::new(&mut self.io).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_rest(cx))?;
        Pin::new(&mut self.io).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, poll_fn, ready};
    use std::pin::pin;
    use std::task::Waker;

    use super::*;

    /// A connection that takes a few bytes whenever it is asked, and then wants to be asked again.
    struct Narrow {
        taken: Vec<u8>,
        width: usize,
        blocked: bool,
    }

    impl Write for Narrow {
        fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
            self.blocked = !self.blocked;
            if self.blocked {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            let width = self.width.min(buf.len());
            self.taken.extend_from_slice(&buf[..width]);
            Poll::Ready(Ok(width))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    fn connection(width: usize) -> (Between<Narrow>, Arc<Outbox>) {
        let outbox = Arc::new(Outbox::default());
        (Between::new(Narrow { taken: Vec::new(), width, blocked: false }, Arc::clone(&outbox)), outbox)
    }

    async fn write(connection: &mut Between<Narrow>, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let written = poll_fn(|cx| Pin::new(&mut *connection).poll_write(cx, bytes)).await.unwrap();
            bytes = &bytes[written..];
        }
    }

    async fn flush(connection: &mut Between<Narrow>) {
        poll_fn(|cx| Pin::new(&mut *connection).poll_flush(cx)).await.unwrap();
    }

    #[tokio::test]
    async fn a_flush_writes_what_waits_to_its_end() {
        let (mut connection, outbox) = connection(2);
        let interim = outbox.begin();
        interim.send(b"early");
        flush(&mut connection).await;
        interim.send(b"hints");
        flush(&mut connection).await;
        assert_eq!(connection.io.taken, b"earlyhints");
        assert!(!outbox.is_waiting());
    }

    #[tokio::test]
    async fn a_write_breaks_into_nothing_and_begins_nothing() {
        let (mut connection, outbox) = connection(2);
        let interim = outbox.begin();
        interim.send(b"early");
        let mut cx = Context::from_waker(Waker::noop());
        for _ in 0..3 {
            assert!(Pin::new(&mut connection).poll_flush(&mut cx).is_pending());
        }
        interim.send(b"hints");
        write(&mut connection, b"final").await;
        assert_eq!(connection.io.taken, b"earlyfinal");
    }

    #[tokio::test]
    async fn an_answer_waits_for_what_stands_before_it() {
        let (mut connection, outbox) = connection(100);
        let interim = outbox.begin();
        interim.send(b"early");
        let mut answer = pin!(After::new(ready(7), Some(Arc::clone(&outbox))));
        let mut cx = Context::from_waker(Waker::noop());
        assert!(answer.as_mut().poll(&mut cx).is_pending());
        flush(&mut connection).await;
        assert_eq!(answer.as_mut().poll(&mut cx), Poll::Ready(7));
        interim.send(b"late");
        flush(&mut connection).await;
        assert_eq!(connection.io.taken, b"early");
    }

    #[tokio::test]
    async fn an_awaited_answer_lets_what_comes_wake_the_connection() {
        let (mut connection, outbox) = connection(100);
        let interim = outbox.begin();
        let mut answer = pin!(After::new(pending::<()>(), Some(outbox)));
        let both = async {
            poll_fn(|cx| {
                assert!(answer.as_mut().poll(cx).is_pending());
                let _ = Pin::new(&mut connection).poll_flush(cx);
                if connection.io.taken.is_empty() { Poll::Pending } else { Poll::Ready(()) }
            })
            .await;
        };
        tokio::join!(both, async { interim.send(b"early") });
    }
}

//! The body of a client's request, in a form that others can make an empty one of: a cache fetches on its own too.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use super::outbox::Interim;

/// What a client sends, or nothing; and the way back to it for interim responses.
///
/// The way back travels in the body because the body goes with the one request that is the client's own: what is made
/// up on the way has the [default](ClientBody::default) one, and nobody to tell.
#[derive(Debug, Default)]
pub struct ClientBody {
    content: Content,
    interim: Option<Interim>,
}

#[derive(Debug)]
enum Content {
    /// What the client sends.
    Incoming(Incoming),
    /// What has been collected.
    Whole(Bytes),
}

impl Default for Content {
    fn default() -> Self {
        Self::Whole(Bytes::new())
    }
}

impl From<Bytes> for ClientBody {
    /// A body that somebody collected, or made up.
    fn from(bytes: Bytes) -> Self {
        Self { content: Content::Whole(bytes), interim: None }
    }
}

impl ClientBody {
    pub(super) fn new(body: Incoming, interim: Option<Interim>) -> Self {
        Self { content: Content::Incoming(body), interim }
    }

    pub(super) fn take_interim(&mut self) -> Option<Interim> {
        self.interim.take()
    }
}

impl Body for ClientBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match &mut self.content {
            Content::Incoming(body) => Pin::new(body).poll_frame(cx),
            Content::Whole(bytes) if bytes.is_empty() => Poll::Ready(None),
            Content::Whole(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.content {
            Content::Incoming(body) => body.is_end_stream(),
            Content::Whole(bytes) => bytes.is_empty(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Incoming(body) => body.size_hint(),
            Content::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn anybody_can_make_an_empty_one() {
        let mut body = ClientBody::default();
        assert!(body.is_end_stream() && body.take_interim().is_none());
        assert_eq!(body.size_hint().exact(), Some(0));
    }
}

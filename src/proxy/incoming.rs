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
    body: Option<Incoming>,
    interim: Option<Interim>,
}

impl ClientBody {
    pub(super) fn new(body: Incoming, interim: Option<Interim>) -> Self {
        Self { body: Some(body), interim }
    }

    pub(super) fn take_interim(&mut self) -> Option<Interim> {
        self.interim.take()
    }
}

impl Body for ClientBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match &mut self.body {
            Some(body) => Pin::new(body).poll_frame(cx),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
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

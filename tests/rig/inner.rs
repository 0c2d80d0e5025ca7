//! An inner service whose answers the test holds in its hand.

#![allow(dead_code, reason = "no test uses all of the rig")]

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::{Request, Response, StatusCode, request};
use http_body::{Body, Frame};
use larder::cache::BoxError;
use tokio::sync::{mpsc, oneshot};
use tower::Service;

/// The body of requests: there is none.
pub(crate) type Empty = http_body_util::Empty<Bytes>;

/// A service that counts its calls and answers each when the test says so, or from a script.
#[derive(Clone)]
pub(crate) struct Inner {
    calls: Arc<AtomicUsize>,
    held: mpsc::UnboundedSender<Held>,
    script: Arc<Mutex<Script>>,
}

/// The test's side of an [`Inner`].
pub(crate) struct Hand {
    calls: Arc<AtomicUsize>,
    held: mpsc::UnboundedReceiver<Held>,
    script: Arc<Mutex<Script>>,
}

type Make = dyn FnMut(&request::Parts) -> Response<String> + Send;

#[derive(Default)]
struct Script(Option<Box<Make>>);

/// One call that waits for its answer.
pub(crate) struct Held {
    answer: oneshot::Sender<Play>,
}

/// What a call comes to.
enum Play {
    Answer(Response<Stream>),
    Panic,
}

/// In place of a frame: the body panics.
#[derive(Debug, thiserror::Error)]
#[error("the body panics")]
struct Bang;

/// A body whose frames the test sends one by one.
pub(crate) struct Stream {
    frames: mpsc::UnboundedReceiver<Result<Frame<Bytes>, BoxError>>,
    ready: VecDeque<Bytes>,
}

/// The sending end of a [`Stream`]. Dropped, the body is complete.
pub(crate) struct Tap(mpsc::UnboundedSender<Result<Frame<Bytes>, BoxError>>);

pub(crate) fn inner() -> (Inner, Hand) {
    let (held, receiver) = mpsc::unbounded_channel();
    let (calls, script) = (Arc::<AtomicUsize>::default(), Arc::<Mutex<Script>>::default());
    (Inner { calls: calls.clone(), held, script: script.clone() }, Hand { calls, held: receiver, script })
}

impl Hand {
    /// Answers every call from now on with what `make` gives.
    pub(crate) fn answer_with(&self, make: impl FnMut(&request::Parts) -> Response<String> + Send + 'static) {
        self.script.lock().unwrap().0 = Some(Box::new(make));
    }

    /// Holds every call from now on.
    pub(crate) fn hold(&self) {
        self.script.lock().unwrap().0 = None;
    }

    /// The next call that waits.
    pub(crate) async fn next(&mut self) -> Held {
        self.held.recv().await.expect("the service is gone")
    }

    /// The next call that waits already.
    pub(crate) fn take(&mut self) -> Option<Held> {
        self.held.try_recv().ok()
    }

    pub(crate) fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }
}

impl Held {
    /// Answers with this text.
    pub(crate) fn answer(self, response: Response<String>) {
        let (parts, text) = response.into_parts();
        let (_, frames) = mpsc::unbounded_channel();
        let stream = Stream { frames, ready: VecDeque::from([Bytes::from(text)]) };
        // The caller may be gone: that is what some tests are about.
        let _ = self.answer.send(Play::Answer(Response::from_parts(parts, stream)));
    }

    /// Answers with a head; the body follows through the tap.
    pub(crate) fn stream(self, head: Response<()>) -> Tap {
        let (tap, frames) = mpsc::unbounded_channel();
        let _ = self.answer.send(Play::Answer(head.map(|()| Stream { frames, ready: VecDeque::new() })));
        Tap(tap)
    }

    /// Panics in place of an answer.
    pub(crate) fn panic(self) {
        let _ = self.answer.send(Play::Panic);
    }

    /// Whether somebody still waits for the answer.
    pub(crate) fn is_awaited(&self) -> bool {
        !self.answer.is_closed()
    }
}

impl Tap {
    pub(crate) fn send(&self, data: &'static str) {
        self.send_bytes(Bytes::from_static(data.as_bytes()));
    }

    pub(crate) fn send_bytes(&self, data: Bytes) {
        let _ = self.0.send(Ok(Frame::data(data)));
    }

    /// Ends the body with trailers.
    pub(crate) fn trailers(self, name: &'static str, value: &'static str) {
        let trailers = HeaderMap::from_iter([(HeaderName::from_static(name), HeaderValue::from_static(value))]);
        let _ = self.0.send(Ok(Frame::trailers(trailers)));
    }

    /// The body panics when it is asked for more.
    pub(crate) fn panic(self) {
        let _ = self.0.send(Err(Bang.into()));
    }

    pub(crate) fn fail(self) {
        let _ = self.0.send(Err("reset by peer".into()));
    }
}

impl Body for Stream {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match self.ready.pop_front() {
            Some(data) if !data.is_empty() => Poll::Ready(Some(Ok(Frame::data(data)))),
            _ => match self.frames.poll_recv(cx) {
                Poll::Ready(Some(Err(error))) if error.is::<Bang>() => panic!("{error}"),
                polled => polled,
            },
        }
    }

    fn is_end_stream(&self) -> bool {
        self.ready.iter().all(Bytes::is_empty) && self.frames.is_closed() && self.frames.is_empty()
    }
}

impl Service<Request<Empty>> for Inner {
    type Response = Response<Stream>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Stream>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Empty>) -> Self::Future {
        self.calls.fetch_add(1, Ordering::SeqCst);
        let (parts, _) = request.into_parts();
        let (answer, answered) = oneshot::channel();
        let scripted = self.script.lock().unwrap().0.as_mut().map(|make| make(&parts));
        let held = Held { answer };
        match scripted {
            Some(response) => held.answer(response),
            None => self.held.send(held).unwrap_or(()),
        }
        Box::pin(async move {
            match answered.await {
                Ok(Play::Answer(response)) => Ok(response),
                Ok(Play::Panic) => panic!("the service panics"),
                Err(_) => std::future::pending().await,
            }
        })
    }
}

/// A 200 with this body.
pub(crate) fn ok(body: &str) -> Response<String> {
    Response::new(body.to_owned())
}

/// An answer of this status.
pub(crate) fn status(code: u16) -> Response<String> {
    let mut response = Response::new(String::new());
    *response.status_mut() = StatusCode::from_u16(code).unwrap();
    response
}

/// A 200 with this body and these fields.
pub(crate) fn with(body: &str, fields: &[(&'static str, &str)]) -> Response<String> {
    let mut response = ok(body);
    for (name, value) in fields {
        response.headers_mut().append(*name, value.parse().unwrap());
    }
    response
}

//! One accepted connection: which protocol it speaks, and serving it until its end.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use http::header::UPGRADE;
use http::{Request, Response, Version};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use pin_project_lite::pin_project;
use tokio::net::TcpStream;
use tower::util::{Oneshot, ServiceExt};
use tower_service::Service;

use super::aside::Aside;
use super::between::{After, Between};
use super::body::BoxError;
use super::drain::{Guard, Phase};
use super::half_closed::HalfClosed;
use super::incoming::ClientBody;
use super::listen::Limits;
use super::outbox::Outbox;
use super::patience::Patience;

/// How connections are served.
#[derive(Clone, Debug)]
pub(super) struct Protocols {
    http1: http1::Builder,
    http2: http2::Builder<TokioExecutor>,
    head_timeout: Duration,
}

/// What the first bytes of a connection are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Opening {
    Http1,
    Http2,
    /// The beginning of what may become either.
    Undecided,
    Nothing,
}

/// Hands the requests of a connection to its service, with the connection's place where that may outlive HTTP.
struct Entrance<S> {
    service: RefCell<S>,
    guard: Guard,
    /// Where interim responses wait; HTTP/2 has none, since hyper sends none there.
    outbox: Option<Arc<Outbox>>,
    /// Hears of the first request, where nobody else does.
    first: Option<Patience>,
}

pin_project! {
    /// Drives a connection, tells it when to finish, and knows when it is over.
    struct Attended<C, F, D, E> {
        #[pin]
        connection: C,
        finish: F,
        finishing: bool,
        #[pin]
        draining: Aside<D>,
        #[pin]
        over: Aside<E>,
    }
}

pin_project! {
    /// A call of a connection's service: at once where it is ready, as it nearly always is, else once it is.
    #[project = Calling]
    enum Call<S: Service<Request<ClientBody>>> {
        Direct { #[pin] answer: S::Future },
        Waiting { answer: Pin<Box<Oneshot<S, Request<ClientBody>>>> },
    }
}

impl Protocols {
    pub(super) fn new(limits: &Limits) -> Self {
        let mut http1 = http1::Builder::new();
        http1
            .header_read_timeout(limits.head_timeout)
            .max_header_size(limits.head_bytes)
            .max_buf_size(limits.head_bytes.max(64 * 1024))
            .keep_alive(true)
            .half_close(false)
            .pipeline_flush(false);
        if limits.fields != Limits::FIELDS {
            http1.max_headers(limits.fields);
        }
        let mut http2 = http2::Builder::new(TokioExecutor::new());
        http2
            .timer(TokioTimer::new())
            .max_concurrent_streams(limits.streams)
            .max_header_list_size(u32::try_from(limits.head_bytes).unwrap_or(u32::MAX))
            .keep_alive_interval(Duration::from_secs(20))
            .keep_alive_timeout(Duration::from_secs(20));
        Self { http1, http2, head_timeout: limits.head_timeout }
    }

    /// Serves a connection until either side has had enough of it.
    pub(super) async fn serve<S, B>(&self, stream: TcpStream, service: S, guard: Guard)
    where
        S: Service<Request<ClientBody>, Response = Response<B>> + Clone + Send + 'static,
        S::Future: Send + 'static,
        S::Error: Into<BoxError> + Send,
        B: http_body::Body + Send + 'static,
        B::Data: Send,
        B::Error: Into<BoxError>,
    {
        let opening = tokio::select! {
            opening = tokio::time::timeout(self.head_timeout, opening(&stream)) => opening,
            () = guard.watch().reaches(Phase::Draining) => return,
        };
        let service = RefCell::new(service);
        match opening {
            Ok(Ok(Opening::Http1)) => {
                let patience = Patience::new();
                let outbox = Arc::new(Outbox::default());
                let io = TokioIo::new(HalfClosed::new(stream, patience.clone()));
                let io = Between::new(io, Arc::clone(&outbox));
                let entrance = Entrance { service, guard: guard.clone(), outbox: Some(outbox), first: None };
                let http1 = self.http1.clone().timer(patience.clone()).serve_connection(io, entrance).with_upgrades();
                attend(http1, |http1| http1.graceful_shutdown(), self.over(&guard, patience), guard).await;
            }
            Ok(Ok(Opening::Http2)) => {
                // HTTP/2 has a timeout of its own only once both sides have greeted.
                let patience = Patience::waiting();
                let entrance = Entrance { service, guard: guard.clone(), outbox: None, first: Some(patience.clone()) };
                let http2 = self.http2.serve_connection(TokioIo::new(stream), entrance);
                attend(http2, |http2| http2.graceful_shutdown(), self.over(&guard, patience), guard).await;
            }
            Ok(Ok(Opening::Undecided | Opening::Nothing) | Err(_)) | Err(_) => {}
        }
    }

    /// Ends when a connection is to be dropped as it stands.
    fn over(&self, guard: &Guard, patience: Patience) -> impl Future<Output = ()> + use<> {
        let (guard, timeout) = (guard.clone(), self.head_timeout);
        async move {
            tokio::select! {
                () = guard.cut() => {}
                () = patience.lost(timeout) => tracing::debug!("no request came in time"),
            }
        }
    }
}

/// Looks at the first bytes of a connection without taking them.
async fn opening(stream: &TcpStream) -> io::Result<Opening> {
    let mut pause = Duration::from_millis(1);
    loop {
        let mut head = [0; 4];
        let seen = stream.peek(&mut head).await?;
        match recognise(&head[..seen]) {
            // Bytes that were seen wake nobody again, so this is the one wait that looks again after a while. Only a
            // client that sends its request line by the byte comes here, and only if it begins with a P.
            Opening::Undecided => tokio::time::sleep(pause).await,
            opening => return Ok(opening),
        }
        pause = (pause * 2).min(Duration::from_millis(500));
    }
}

/// RFC 9113 §3.4: no request of HTTP/1 begins as the preface of HTTP/2 does.
fn recognise(head: &[u8]) -> Opening {
    const PREFACE: &[u8] = b"PRI ";
    match head {
        [] => Opening::Nothing,
        head if head.starts_with(PREFACE) => Opening::Http2,
        head if PREFACE.starts_with(head) => Opening::Undecided,
        _ => Opening::Http1,
    }
}

impl<S> hyper::service::Service<Request<Incoming>> for Entrance<S>
where
    S: Service<Request<ClientBody>> + Clone,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = After<Call<S>>;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        if let Some(first) = &self.first {
            first.heard();
        }
        if request.headers().contains_key(UPGRADE) {
            request.extensions_mut().insert(self.guard.clone());
        }
        // RFC 9110 §15.2: a client of HTTP/1.0 is sent no interim response.
        let outbox = self.outbox.as_ref().filter(|_| request.version() == Version::HTTP_11);
        let interim = outbox.map(Outbox::begin);
        let request = request.map(|body| ClientBody::new(body, interim));
        let mut service = self.service.borrow_mut();
        let call = match service.poll_ready(&mut Context::from_waker(Waker::noop())) {
            // Invariant: readiness is used once, by the service that has it.
            Poll::Ready(Ok(())) => Call::Direct { answer: service.call(request) },
            _ => Call::Waiting { answer: Box::pin(service.clone().oneshot(request)) },
        };
        After::new(call, outbox.map(Arc::clone))
    }
}

impl<S: Service<Request<ClientBody>>> Future for Call<S> {
    type Output = Result<S::Response, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project() {
            Calling::Direct { answer } => answer.poll(cx),
            Calling::Waiting { answer } => answer.as_mut().poll(cx),
        }
    }
}

async fn attend<C>(connection: C, finish: impl Fn(Pin<&mut C>), over: impl Future<Output = ()>, guard: Guard)
where
    C: Future<Output = hyper::Result<()>>,
{
    let draining = Aside::new(guard.watch().reaches(Phase::Draining));
    Attended { connection, finish, finishing: false, draining, over: Aside::new(over) }.await;
}

impl<C, F, D, E> Future for Attended<C, F, D, E>
where
    C: Future<Output = hyper::Result<()>>,
    F: Fn(Pin<&mut C>),
    D: Future<Output = ()>,
    E: Future<Output = ()>,
{
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut this = self.project();
        if this.over.has_ended(cx) {
            return Poll::Ready(());
        }
        if !*this.finishing && this.draining.has_ended(cx) {
            *this.finishing = true;
            (this.finish)(this.connection.as_mut());
        }
        this.connection.poll(cx).map(|ended| {
            if let Err(error) = ended {
                tracing::debug!(?error, "connection ended");
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_preface_of_http2_is_told_from_a_request() {
        for (head, opening) in [
            (&b""[..], Opening::Nothing),
            (b"P", Opening::Undecided),
            (b"PRI", Opening::Undecided),
            (b"PRI ", Opening::Http2),
            (b"PUT ", Opening::Http1),
            (b"PO", Opening::Http1),
            (b"G", Opening::Http1),
            (b"PRIN", Opening::Http1),
            (b"\x16\x03\x01\x02", Opening::Http1),
        ] {
            assert_eq!(recognise(head), opening, "{head:?}");
        }
    }
}

//! An upstream that speaks HTTP/2: what is complete there, and what is not (RFC 9113 §8.1).

use std::collections::VecDeque;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::header::HeaderMap;
use http::{HeaderValue, Request, Response};
use http_body_util::Empty;
use hyper::body::{Body, Frame};
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use larder::cache::Cache;
use larder::policy::{Options, StoreStatus};
use larder::proxy::{ClientBody, Edge, EdgeRules, Limits, Proxy, ProxyConfig, serve};
use larder::route::{Rule, Table};
use larder::store::MemoryStore;
use tokio::net::TcpListener;
use tower::ServiceBuilder;
use tower_layer::Layer as _;

use crate::lab::{Call, Gate};

type Framed = Result<Frame<Bytes>, std::io::Error>;

/// A body of these frames. An error, which resets its stream, waits until the gate is open.
struct Frames {
    frames: VecDeque<Framed>,
    broken: Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl Body for Frames {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Framed>> {
        if let Some(Err(_)) = self.frames.front() {
            ready!(self.broken.as_mut().poll(cx));
        }
        Poll::Ready(self.frames.pop_front())
    }
}

type Script = Arc<Mutex<VecDeque<Response<Frames>>>>;

/// Answers with what is in the script.
async fn origin(script: Script) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let address = listener.local_addr().expect("bound");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let script = script.clone();
            let service = service_fn(move |_: Request<hyper::body::Incoming>| {
                let answer = script.lock().unwrap().pop_front().expect("an answer is left");
                async move { Ok::<_, Infallible>(answer) }
            });
            let connection = http2::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service);
            tokio::spawn(async move { drop(connection.await) });
        }
    });
    address
}

/// larder before it.
async fn front(origin: SocketAddr) -> SocketAddr {
    let options = Options { store_status: StoreStatus::Cacheable, ..Options::default() };
    let rule = Rule::new("/{rest*}").expect("a path").options(options).ttl(Duration::from_secs(60));
    let table = Table::builder().route(rule).build().expect("a table");
    let cache = Cache::builder(table, MemoryStore::new(1 << 20)).build().layer();
    let upstream = format!("http://{origin}").parse().expect("a URL");
    let proxy = Proxy::new(ProxyConfig::new(upstream).expect("an upstream").http2(true));
    let rules = Arc::new(EdgeRules::default());
    let connect = move |client| {
        let bodiless =
            ServiceBuilder::new().map_request(|request: Request<ClientBody>| request.map(|_| Empty::<Bytes>::new()));
        Edge::new(bodiless.service(cache.layer(proxy.for_client(client))), Arc::clone(&rules))
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let address = listener.local_addr().expect("bound");
    let serving = serve(vec![listener], connect, Limits::default(), std::future::pending());
    tokio::spawn(async move { serving.await.cut() });
    address
}

fn data(text: &'static str) -> Framed {
    Ok(Frame::data(Bytes::from_static(text.as_bytes())))
}

fn answer(length: Option<&'static str>, frames: impl IntoIterator<Item = Framed>, gate: &Gate) -> Response<Frames> {
    let gate = gate.clone();
    let broken = Box::pin(async move { gate.passed().await });
    let mut answer = Response::new(Frames { frames: frames.into_iter().collect(), broken });
    if let Some(length) = length {
        answer.headers_mut().insert("content-length", HeaderValue::from_static(length));
    }
    answer
}

#[tokio::test]
async fn only_a_stream_that_ended_well_is_stored() {
    let script = Script::default();
    let larder = front(origin(script.clone()).await).await;
    let reset = || Err(std::io::Error::other("reset"));
    let mut trailers = HeaderMap::new();
    trailers.insert("x-sum", HeaderValue::from_static("7"));
    for (name, length, frames, whole, word) in [
        ("an end", None, vec![data("01234")], true, "HIT"),
        ("several frames", None, vec![data("01"), data("234")], true, "HIT"),
        ("a length", Some("5"), vec![data("01234")], true, "HIT"),
        ("trailers", None, vec![data("01234"), Ok(Frame::trailers(trailers))], true, "HIT"),
        ("nothing", Some("0"), vec![], true, "HIT"),
        ("more than the length", Some("3"), vec![data("01234")], false, "MISS"),
        ("less than the length", Some("9"), vec![data("01234")], false, "MISS"),
        ("a reset", None, vec![data("012"), reset()], false, "MISS"),
        ("a reset and a length", Some("5"), vec![data("012"), reset()], false, "MISS"),
        ("a reset before anything", None, vec![reset()], false, "MISS"),
    ] {
        let (line, gate) = (format!("GET /{}", name.replace(' ', "-")), Gate::shut());
        script.lock().unwrap().clear();
        script.lock().unwrap().extend([answer(length, frames, &gate), answer(None, [data("second")], &gate)]);
        let mut call = Call::send(larder, &line, &[] as &[&str], "").await;
        call.sees("HTTP/1.1 200").await;
        gate.open();
        let got = call.got("GET").await;
        assert_eq!(got.whole, whole, "{name}: {got:?}");
        let got = Call::send(larder, &line, &[] as &[&str], "").await.got("GET").await;
        assert_eq!(got.word(), word, "{name}: {got:?}");
    }
}

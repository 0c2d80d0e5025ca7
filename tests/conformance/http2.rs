//! An upstream that speaks HTTP/2: what is complete there, and what is not (RFC 9113 §8.1).

use std::collections::VecDeque;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::header::HeaderMap;
use http::{HeaderValue, Request, Response};
use http_body_util::Empty;
use hyper::body::{Body, Frame, Incoming};
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use larder::cache::Cache;
use larder::policy::{Options, StoreStatus};
use larder::proxy::{Edge, EdgeRules, Limits, Proxy, ProxyConfig, serve};
use larder::route::{Rule, Table};
use larder::store::MemoryStore;
use tokio::net::TcpListener;
use tower::ServiceBuilder;
use tower_layer::Layer as _;

use crate::lab::Call;

/// A body of these frames; an error resets its stream.
struct Frames(VecDeque<Result<Frame<Bytes>, std::io::Error>>);

impl Body for Frames {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        Poll::Ready(self.0.pop_front())
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
            let service = service_fn(move |_: Request<Incoming>| {
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
            ServiceBuilder::new().map_request(|request: Request<Incoming>| request.map(|_| Empty::<Bytes>::new()));
        Edge::new(bodiless.service(cache.layer(proxy.for_client(client))), Arc::clone(&rules))
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let address = listener.local_addr().expect("bound");
    tokio::spawn(async move { drop(serve(vec![listener], connect, Limits::default(), std::future::pending()).await) });
    address
}

fn data(text: &'static str) -> Result<Frame<Bytes>, std::io::Error> {
    Ok(Frame::data(Bytes::from_static(text.as_bytes())))
}

fn answer(
    length: Option<&'static str>,
    frames: impl IntoIterator<Item = Result<Frame<Bytes>, std::io::Error>>,
) -> Response<Frames> {
    let mut answer = Response::new(Frames(frames.into_iter().collect()));
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
    for (name, first, whole, word) in [
        ("an end", answer(None, [data("01234")]), true, "HIT"),
        ("several frames", answer(None, [data("01"), data("234")]), true, "HIT"),
        ("a length", answer(Some("5"), [data("01234")]), true, "HIT"),
        ("trailers", answer(None, [data("01234"), Ok(Frame::trailers(trailers.clone()))]), true, "HIT"),
        ("nothing", answer(Some("0"), []), true, "HIT"),
        ("more than the length", answer(Some("3"), [data("01234")]), false, "MISS"),
        ("less than the length", answer(Some("9"), [data("01234")]), false, "MISS"),
        ("a reset", answer(None, [data("012"), reset()]), false, "MISS"),
        ("a reset and a length", answer(Some("5"), [data("012"), reset()]), false, "MISS"),
        ("a reset before anything", answer(None, [reset()]), false, "MISS"),
    ] {
        let path = format!("/{}", name.replace(' ', "-"));
        script.lock().unwrap().clear();
        script.lock().unwrap().extend([first, answer(None, [data("second")])]);
        let line = format!("GET {path}");
        let got = Call::send(larder, &line, &[] as &[&str], "").await.got("GET").await;
        assert_eq!(got.whole, whole, "{name}: {got:?}");
        let got = Call::send(larder, &line, &[] as &[&str], "").await.got("GET").await;
        assert_eq!(got.word(), word, "{name}: {got:?}");
    }
}

//! Bare hyper servers: the least that each kind of answer can cost. One of them is also the origin.

use std::convert::Infallible;
use std::error::Error;
use std::future::Future;
use std::io::Write;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Context;
use bytes::Bytes;
use fred::clients::Client as Redis;
use fred::interfaces::{ClientLike, HashesInterface, KeysInterface};
use fred::types::Expiration;
use fred::types::config::Config;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use http::uri::{Authority, Scheme};
use http::{Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Either, Full};
use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;

/// Which server.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Bare {
    pub(crate) what: What,
    /// Of what lies behind it: the origin, Redis.
    pub(crate) behind: Vec<SocketAddr>,
}

/// What it does for a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum What {
    /// Answers with a body it holds. `/count` tells how many such answers it gave.
    Static,
    /// Answers with one `HGET`.
    Hget,
    /// Passes the request on, and the answer back.
    Proxy,
    /// The same, and one `SET` with the body.
    ProxySet,
}

/// The body of this length that the origin sends.
pub(crate) fn body(length: usize) -> Vec<u8> {
    (b' '..=b'~').cycle().take(length).collect()
}

/// Serves until the process is ended; prints the address first.
pub(crate) fn run(bare: &Bare) -> anyhow::Result<()> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let behind = |at: usize| bare.behind.get(at).copied().context("an address is missing");
        match bare.what {
            What::Static => {
                announce(address)?;
                let origin = Arc::new(Static::new());
                serve(listener, move |request| std::future::ready(origin.answer(request.uri()))).await
            }
            What::Hget => {
                let redis = connect(behind(0)?).await?;
                for length in LENGTHS {
                    let () = redis.hset(format!("hget:/hit/{length}"), ("v", Bytes::from(body(length)))).await?;
                }
                announce(address)?;
                serve(listener, move |request| hget(redis.clone(), request)).await
            }
            What::Proxy => {
                announce(address)?;
                let upstream = Upstream::new(behind(0)?)?;
                serve(listener, move |request| upstream.clone().pass(request)).await
            }
            What::ProxySet => {
                let (upstream, redis) = (Upstream::new(behind(0)?)?, connect(behind(1)?).await?);
                announce(address)?;
                serve(listener, move |request| pass_and_set(upstream.clone(), redis.clone(), request)).await
            }
        }
    })
}

/// The lengths that the static server holds ready.
const LENGTHS: [usize; 3] = [1024, 10 * 1024, 100 * 1024];

fn announce(address: SocketAddr) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{address}")?;
    Ok(out.flush()?)
}

async fn serve<F, A, B>(listener: TcpListener, answer: F) -> anyhow::Result<()>
where
    F: Fn(Request<Incoming>) -> A + Clone + Send + Sync + 'static,
    A: Future<Output = Response<B>> + Send,
    B: Body<Data: Send, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
{
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let answer = answer.clone();
        tokio::spawn(async move {
            let service = service_fn(move |request| {
                let response = answer(request);
                async move { Ok::<_, Infallible>(response.await) }
            });
            // The client ends the connection, at the end of its run.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

struct Static {
    bodies: [Bytes; 3],
    answers: AtomicU64,
}

impl Static {
    fn new() -> Self {
        Self { bodies: LENGTHS.map(|length| body(length).into()), answers: AtomicU64::new(0) }
    }

    fn answer(&self, uri: &Uri) -> Response<Full<Bytes>> {
        let mut segments = uri.path().split('/').skip(1);
        let length = match segments.next() {
            Some("count") => return found(self.answers.load(Ordering::Relaxed).to_string().into()),
            _ => segments.next().and_then(|length| length.parse().ok()),
        };
        self.answers.fetch_add(1, Ordering::Relaxed);
        match LENGTHS.iter().position(|held| Some(*held) == length) {
            Some(at) => found(self.bodies[at].clone()),
            None => status(StatusCode::NOT_FOUND),
        }
    }
}

fn found(body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("max-age=3600"));
    response
}

fn status(status: StatusCode) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = status;
    response
}

async fn connect(address: SocketAddr) -> anyhow::Result<Redis> {
    let redis = Redis::new(Config::from_url(&format!("redis://{address}"))?, None, None, None);
    redis.init().await?;
    Ok(redis)
}

async fn hget(redis: Redis, request: Request<Incoming>) -> Response<Full<Bytes>> {
    match redis.hget::<Option<Bytes>, _, _>(format!("hget:{}", request.uri().path()), "v").await {
        Ok(Some(body)) => found(body),
        Ok(None) => status(StatusCode::NOT_FOUND),
        Err(_) => status(StatusCode::BAD_GATEWAY),
    }
}

#[derive(Clone)]
struct Upstream {
    client: Client<HttpConnector, Incoming>,
    authority: Authority,
}

impl Upstream {
    fn new(address: SocketAddr) -> anyhow::Result<Self> {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let client = Client::builder(TokioExecutor::new()).build(connector);
        Ok(Self { client, authority: address.to_string().parse()? })
    }

    /// Answers with what the origin answers, as it arrives.
    async fn pass(self, request: Request<Incoming>) -> Response<Either<Incoming, Full<Bytes>>> {
        match self.fetch(request).await {
            Ok(response) => response.map(Either::Left),
            Err(_) => status(StatusCode::BAD_GATEWAY).map(Either::Right),
        }
    }

    async fn fetch(&self, mut request: Request<Incoming>) -> anyhow::Result<Response<Incoming>> {
        let mut parts = std::mem::take(request.uri_mut()).into_parts();
        parts.scheme = Some(Scheme::HTTP);
        parts.authority = Some(self.authority.clone());
        *request.uri_mut() = Uri::from_parts(parts)?;
        Ok(self.client.request(request).await?)
    }
}

async fn pass_and_set(upstream: Upstream, redis: Redis, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let key = format!("set:{}", request.uri().path());
    let Ok(response) = upstream.fetch(request).await else { return status(StatusCode::BAD_GATEWAY) };
    let (parts, body) = response.into_parts();
    let Ok(body) = body.collect().await else { return status(StatusCode::BAD_GATEWAY) };
    let body = body.to_bytes();
    let stored = body.clone();
    tokio::spawn(async move { redis.set::<(), _, _>(key, stored, Some(Expiration::EX(3600)), None, false).await });
    Response::from_parts(parts, Full::new(body))
}

#![allow(warnings)]
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use larder::proxy::*;
use std::convert::Infallible;
use tokio::net::TcpListener;

#[global_allocator]
static A: mimalloc::MiMalloc = mimalloc::MiMalloc;

async fn hello(_: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    static B: [u8; 1024] = [b'x'; 1024];
    Ok(Response::builder().header("content-type", "application/json").body(Full::new(Bytes::from_static(&B))).unwrap())
}
fn cpu() -> f64 {
    let s = std::fs::read_to_string("/proc/self/stat").unwrap();
    let f: Vec<&str> = s.rsplit(')').next().unwrap().split_whitespace().collect();
    (f[11].parse::<f64>().unwrap() + f[12].parse::<f64>().unwrap()) / 100.0
}
fn main() {
    let mode = std::env::args().nth(1).unwrap();
    let port: u16 = std::env::args().nth(2).unwrap().parse().unwrap();
    let up = std::env::args().nth(3).unwrap_or_default();
    let rt = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    rt.block_on(async move {
        let l = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
        let stop = async {
            tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()).unwrap().recv().await;
        };
        match mode.as_str() {
            "bare" | "timer" => {
                let mut h = hyper::server::conn::http1::Builder::new();
                if mode == "timer" {
                    h.timer(TokioTimer::new());
                }
                let run = async {
                    loop {
                        let (s, _) = l.accept().await.unwrap();
                        s.set_nodelay(true).unwrap();
                        let c = h.serve_connection(TokioIo::new(s), hyper::service::service_fn(hello));
                        tokio::spawn(async move {
                            let _ = c.await;
                        });
                    }
                };
                tokio::select! { _ = run => {}, _ = stop => {} }
            }
            "serve" => {
                let _ = serve(
                    vec![l],
                    tower::service_fn(hello),
                    Limits::default().drain_timeout(std::time::Duration::ZERO),
                    stop,
                )
                .await;
            }
            "edge" => {
                let _ = serve(
                    vec![l],
                    Edge::new(tower::service_fn(hello), EdgeRules::default()),
                    Limits::default().drain_timeout(std::time::Duration::ZERO),
                    stop,
                )
                .await;
            }
            "proxy" => {
                let _ = serve(
                    vec![l],
                    Edge::new(Proxy::new(ProxyConfig::new(up.parse().unwrap()).unwrap()), EdgeRules::default()),
                    Limits::default().drain_timeout(std::time::Duration::ZERO),
                    stop,
                )
                .await;
            }
            "bareproxy" => {
                let client = hyper_util::client::legacy::Client::builder(TokioExecutor::new()).build_http::<Incoming>();
                let h = hyper::server::conn::http1::Builder::new();
                let run = async {
                    loop {
                        let (s, _) = l.accept().await.unwrap();
                        s.set_nodelay(true).unwrap();
                        let client = client.clone();
                        let up = up.clone();
                        let c = h.serve_connection(
                            TokioIo::new(s),
                            hyper::service::service_fn(move |mut r: Request<Incoming>| {
                                let uri = format!("{up}{}", r.uri().path()).parse().unwrap();
                                *r.uri_mut() = uri;
                                client.request(r)
                            }),
                        );
                        tokio::spawn(async move {
                            let _ = c.await;
                        });
                    }
                };
                tokio::select! { _ = run => {}, _ = stop => {} }
            }
            _ => panic!(),
        }
    });
    println!("{:.2}", cpu());
}

//! The proxy as the tests start it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper_util::rt::{TokioExecutor, TokioIo};
use larder::cache::Cache;
use larder::policy::Options;
use larder::proxy::{ClientBody, Drained, Edge, EdgeRules, Limits, Proxy, ProxyConfig, serve};
use larder::route::{Rule, Table};
use larder::store::MemoryStore;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tower::Layer as _;

use crate::origin::Origin;
use crate::wire::Wire;

/// A running proxy.
pub(crate) struct Front {
    address: SocketAddr,
    stop: Arc<Notify>,
    ended: JoinHandle<Drained>,
}

/// What a test changes about one.
pub(crate) struct Setting {
    pub(crate) config: ProxyConfig,
    pub(crate) rules: EdgeRules,
    pub(crate) limits: Limits,
}

impl Front {
    pub(crate) async fn before(origin: &Origin) -> Self {
        Self::with(origin, |setting| setting).await
    }

    pub(crate) async fn with(origin: &Origin, change: impl FnOnce(Setting) -> Setting) -> Self {
        Self::at(&origin.url(), change).await
    }

    pub(crate) async fn at(upstream: &str, change: impl FnOnce(Setting) -> Setting) -> Self {
        let config = ProxyConfig::new(upstream.parse().expect("a URL")).expect("an upstream");
        let setting = change(Setting { config, rules: EdgeRules::default(), limits: Limits::default() });
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
        let address = listener.local_addr().expect("bound");
        let stop = Arc::new(Notify::new());
        let told = Arc::clone(&stop);
        let (proxy, rules) = (Proxy::new(setting.config), Arc::new(setting.rules));
        let connect = move |client| Edge::new(proxy.for_client(client), Arc::clone(&rules));
        let serving = serve(vec![listener], connect, setting.limits, async move { told.notified().await });
        Self { address, stop, ended: tokio::spawn(serving) }
    }

    /// A new HTTP/2 connection to it.
    pub(crate) async fn http2(&self) -> SendRequest<Full<Bytes>> {
        let stream = TcpStream::connect(self.address).await.expect("connects");
        let (client, connection) = handshake(TokioExecutor::new(), TokioIo::new(stream)).await.expect("greets");
        tokio::spawn(connection);
        client
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// A new connection to it.
    pub(crate) async fn client(&self) -> Wire {
        Wire::connect(self.address).await
    }

    /// Tells it to end.
    pub(crate) fn stop(&self) {
        self.stop.notify_one();
    }

    /// Waits until it has ended.
    pub(crate) async fn ended(self) -> Drained {
        self.ended.await.expect("serves")
    }
}

/// A proxy that caches `/a` for a minute.
pub(crate) async fn caching(origin: &Origin, change: impl FnOnce(&mut Options)) -> Front {
    let mut options = Options { ttl: Some(Duration::from_secs(60)), ..Options::default() };
    change(&mut options);
    let rule = Rule::new("/a").expect("a pattern").ttl(Duration::from_secs(60)).options(options);
    let table = Table::builder().route(rule).build().expect("a table");
    let cache = Cache::builder(table, MemoryStore::new(1 << 20)).build();
    let proxy = Proxy::new(ProxyConfig::new(origin.url().parse().expect("a URL")).expect("an upstream"));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let address = listener.local_addr().expect("bound");
    let stop = Arc::new(Notify::new());
    let told = Arc::clone(&stop);
    let connect = move |client| {
        let layer = cache.layer().with_query::<ClientBody>();
        Edge::new(layer.layer(proxy.for_client(client)), EdgeRules::default())
    };
    let serving = serve(vec![listener], connect, Limits::default(), async move { told.notified().await });
    Front { address, stop, ended: tokio::spawn(serving) }
}

//! The proxy as the tests start it.

use std::net::SocketAddr;
use std::sync::Arc;

use larder::proxy::{Drained, Edge, EdgeRules, Limits, Proxy, ProxyConfig, serve};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

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

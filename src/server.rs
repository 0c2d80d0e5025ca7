//! The composition root: a configuration becomes a store, a cache, a proxy behind it and the admin routes beside it.
//!
//! The caller owns sockets and signals. [`run`] serves until `shutdown` ends, drains, and says how that went:
//!
//! ```no_run
//! use larder::config::{Config, Env};
//! use larder::server::{self, Listeners};
//!
//! # async fn serve() -> Result<(), Box<dyn std::error::Error>> {
//! let config = Config::load("routes.yaml".as_ref(), &Env::empty())?;
//! let listeners = Listeners { proxy: server::bind(config.listen)?, admin: server::bind(config.admin.listen)?.pop() };
//! let report = server::run(config, listeners, async { drop(tokio::signal::ctrl_c().await) }).await?;
//! println!("{} connections were cut", report.cut());
//! # Ok(())
//! # }
//! ```

mod access;
mod admin;
mod bind;
mod gate;
mod reload;
mod start;

use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::oneshot;

pub use bind::bind;
pub use gate::EdgeGate;
pub use reload::{Reload, judge};
pub use start::{StartError, cache, check_exposure, redis_config};

use crate::admin::Readiness;
use crate::cache::Cache;
use crate::clock::Clock;
use crate::config::Config;
use crate::proxy::{self, Drained, Limits};
use access::AccessLog;

/// The most that is set aside of the drain timeout for what follows the last request.
const LONGEST_FAREWELL: Duration = Duration::from_secs(1);

/// Sockets that are listened on already.
#[derive(Debug, Default)]
pub struct Listeners {
    /// For clients. Each is accepted from on its own.
    pub proxy: Vec<TcpListener>,
    /// For the admin routes; without one there are none.
    pub admin: Option<TcpListener>,
}

/// Everything that a configuration asks for, put together and not yet serving.
#[derive(Debug)]
pub struct Server {
    cache: Cache,
    stack: start::Stack,
    gate: EdgeGate,
    admin_token: Option<String>,
    drain_timeout: Duration,
}

/// How a server ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report {
    drained: Drained,
}

/// Builds a [`Server`] and serves until `shutdown` ends.
///
/// # Errors
/// As [`Server::start`] and [`Server::run`].
pub async fn run(
    config: Config,
    listeners: Listeners,
    shutdown: impl Future<Output = ()>,
) -> Result<Report, StartError> {
    Server::start(&config).await?.run(listeners, shutdown).await
}

impl Server {
    /// Puts together what the configuration asks for. Waits for Redis no longer than its `connect_timeout`, and starts
    /// without it when it is away.
    ///
    /// # Errors
    /// [`StartError`] when the configuration lacks what a server needs.
    pub async fn start(config: &Config) -> Result<Self, StartError> {
        Self::start_by(config, Clock::system()).await
    }

    /// The same with a clock of the caller's: what is stored ages by it. A [`Clock::manual`] lets a test wait an hour in no
    /// time; connections and their timeouts keep to the system's time.
    ///
    /// # Errors
    /// As [`Server::start`].
    pub async fn start_by(config: &Config, clock: Clock) -> Result<Self, StartError> {
        let cache = start::cache_by(config, clock).await?;
        let stack = start::stack(config, &cache)?;
        let gate = EdgeGate::of(config)?;
        let admin_token = config.admin.token.as_ref().map(|token| token.expose().to_owned());
        Ok(Self { cache, stack, gate, admin_token, drain_timeout: config.drain_timeout })
    }

    /// The cache, for those who change its routes or clear it from within.
    pub fn cache(&self) -> &Cache {
        &self.cache
    }

    /// Serves until `shutdown` ends. Then new connections are refused and requests in flight are finished, while
    /// `/health/ready` answers 503; the future is ready within the configuration's `drain_timeout`.
    ///
    /// Requests are logged when a subscriber wants the target `larder::access` at the moment this is called.
    ///
    /// Dropping the future cuts every connection.
    ///
    /// # Errors
    /// [`StartError::AdminExposed`] before anything is served.
    pub async fn run(self, listeners: Listeners, shutdown: impl Future<Output = ()>) -> Result<Report, StartError> {
        if let Some(Ok(address)) = listeners.admin.as_ref().map(TcpListener::local_addr) {
            check_exposure(address, self.admin_token.as_deref())?;
        }
        let (farewell, limits) = self.limits();
        let readiness = Readiness::default();
        let (proxy_ended, end_admin) = oneshot::channel::<()>();
        let admin = admin::serve(admin::Admin {
            listener: listeners.admin,
            cache: self.cache.clone(),
            token: self.admin_token,
            gate: self.gate,
            readiness: readiness.clone(),
            drain_timeout: farewell,
            // An error says that the sender is gone, which says the same.
            shutdown: async { drop(end_admin.await) },
        });
        let shutdown = async move {
            shutdown.await;
            readiness.end();
        };
        let (stack, cache) = (self.stack, self.cache);
        let proxy = async move {
            let drained = if access::is_wanted() {
                let connect = move |client| AccessLog::new(stack.connect(client), cache.clone(), client);
                proxy::serve(listeners.proxy, connect, limits, shutdown).await
            } else {
                proxy::serve(listeners.proxy, move |client| stack.connect(client), limits, shutdown).await
            };
            drop(proxy_ended);
            drained
        };
        let (drained, ()) = tokio::join!(proxy, admin);
        Ok(Report { drained })
    }

    /// What is left of the drain timeout for the admin listener, and what clients may use.
    fn limits(&self) -> (Duration, Limits) {
        let farewell = (self.drain_timeout / 4).min(LONGEST_FAREWELL);
        (farewell / 2, Limits::default().drain_timeout(self.drain_timeout.saturating_sub(farewell)))
    }
}

impl Report {
    /// How many connections were still busy when the time was up.
    pub fn cut(&self) -> usize {
        self.drained.cut()
    }
}

//! The admin routes: invalidation, statistics and health over HTTP.
//!
//! [`router`] is an ordinary axum router. The program serves it on a listener of its own; an app that uses the layer
//! merges it, or nests it under a path of its choice:
//!
//! ```
//! use larder::admin::{self, Options};
//! # fn mount(cache: larder::cache::Cache, app: axum::Router) -> axum::Router {
//! app.nest("/internal", admin::router(cache, Options::default().token("correct horse battery")))
//! # }
//! ```
//!
//! No GET changes anything. With a token everything but `/health/*` asks for it. Without one, whoever reaches the
//! routes may use them: mount them where only operators get to.

mod answer;
mod decode;
mod entry;
pub mod explain;
mod guard;
mod health;
mod invalidate;
mod key_path;
mod metrics;
mod request;
mod rfc3339;
mod stats;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{delete, get, post};

use crate::cache::Cache;
use explain::{Gate, SharedGate};
use metrics::EntryCount;

/// Bytes of a request body; an invalidation that needs more is several.
const MAX_BODY: usize = 64 * 1024;

/// How the admin routes behave. [`Options::default`] asks for no token.
#[derive(Clone, Default)]
pub struct Options {
    token: Option<Arc<str>>,
    readiness: Readiness,
    gate: Option<SharedGate>,
}

/// Whether this process takes requests. Clones share the answer; it is yes until [`Readiness::end`].
#[derive(Clone, Debug, Default)]
pub struct Readiness {
    ended: Arc<AtomicBool>,
}

/// What every route is handed.
#[derive(Clone, Debug)]
struct Admin {
    cache: Cache,
    readiness: Readiness,
    gate: Option<SharedGate>,
    entries: Arc<EntryCount>,
}

/// The admin routes of a cache, without a fallback, so that they can be merged into an app.
///
/// Serve it with `into_make_service_with_connect_info::<SocketAddr>()` to have the peer's address in the audit log.
pub fn router(cache: Cache, options: Options) -> Router {
    let Options { token, readiness, gate } = options;
    let admin = Admin { cache, readiness, gate, entries: Arc::default() };
    let health = Router::new()
        .route("/health/live", get(health::live).fallback(answer::method_not_allowed))
        .route("/health/ready", get(health::ready).fallback(answer::method_not_allowed))
        .route("/health/cache", get(health::cache).fallback(answer::method_not_allowed));
    let mut guarded = Router::new()
        .route("/invalidate", post(invalidate::many).fallback(answer::method_not_allowed))
        .route("/invalidate/", delete(invalidate::key).fallback(answer::method_not_allowed))
        .route("/invalidate/{*key}", delete(invalidate::key).fallback(answer::method_not_allowed))
        .route("/metrics/cache", get(metrics::metrics).fallback(answer::method_not_allowed))
        .route("/cache/entry/{*key}", get(entry::entry).fallback(answer::method_not_allowed))
        .route("/cache/explain", get(explain::explain).fallback(answer::method_not_allowed))
        .route("/cache/stats", get(stats::all).fallback(answer::method_not_allowed))
        .route("/cache/stats/reset", post(stats::reset).fallback(answer::method_not_allowed))
        .route("/cache/stats/{category}", get(stats::one).fallback(answer::method_not_allowed))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .route_layer(from_fn(guard::refuse_other_sites));
    if let Some(token) = token {
        guarded = guarded.route_layer(from_fn_with_state(guard::Token::new(&token), guard::require_token));
    }
    health.merge(guarded).with_state(admin)
}

impl Options {
    /// The bearer token that everything but `/health/*` asks for. An empty one counts as none. None.
    #[must_use]
    pub fn token(mut self, token: impl Into<Arc<str>>) -> Self {
        self.token = Some(token.into()).filter(|token| !token.is_empty());
        self
    }

    /// What stands before the cache, so that `/cache/explain` can say whether a request would get past it. Nothing that
    /// it knows of: the cache is a layer in an app.
    #[must_use]
    pub fn gate(mut self, gate: impl Gate + 'static) -> Self {
        self.gate = Some(Arc::new(gate));
        self
    }

    /// What `/health/ready` says about this process. Ready.
    #[must_use]
    pub fn readiness(mut self, readiness: Readiness) -> Self {
        self.readiness = readiness;
        self
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let token = self.token.as_ref().map(|_| "…");
        f.debug_struct("Options").field("token", &token).field("readiness", &self.readiness).finish()
    }
}

impl Readiness {
    /// No more requests are taken: the process is about to end.
    pub fn end(&self) {
        self.ended.store(true, Ordering::Release);
    }

    /// Whether requests are taken.
    pub fn is_ready(&self) -> bool {
        !self.ended.load(Ordering::Acquire)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_is_not_printed() {
        let printed = format!("{:?}", Options::default().token("hunter2"));
        assert!(!printed.contains("hunter2"), "{printed}");
        assert!(Options::default().token("").token.is_none());
    }
}

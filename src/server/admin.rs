//! The admin routes on a listener of their own.

use std::net::SocketAddr;
use std::time::Duration;

use axum::extract::ConnectInfo;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json, Router};
use http::StatusCode;
use tokio::net::TcpListener;

use super::EdgeGate;
use crate::admin::{self, Options, Readiness};
use crate::cache::Cache;
use crate::proxy::{self, ClientAddr, Limits};

/// Connections that are open at once.
const CONNECTIONS: u32 = 256;

/// What the admin listener serves, and until when.
pub(super) struct Admin<F> {
    pub(super) listener: Option<TcpListener>,
    pub(super) cache: Cache,
    pub(super) token: Option<String>,
    pub(super) gate: EdgeGate,
    pub(super) readiness: Readiness,
    pub(super) drain_timeout: Duration,
    pub(super) shutdown: F,
}

/// Serves the admin routes until `shutdown` ends; without a listener there is nothing to do.
pub(super) async fn serve(admin: Admin<impl Future<Output = ()>>) {
    let Some(listener) = admin.listener else { return };
    let mut options = Options::default().readiness(admin.readiness).gate(admin.gate);
    if let Some(token) = admin.token {
        options = options.token(token);
    }
    let limits = Limits::default().connections(CONNECTIONS).drain_timeout(admin.drain_timeout);
    let app = app(admin.cache, options);
    // Tells the routes where a request came from in the way that axum does.
    let connect = move |ClientAddr(peer)| app.clone().layer(Extension(ConnectInfo::<SocketAddr>(peer)));
    let drained = proxy::serve(vec![listener], connect, limits, admin.shutdown).await;
    tracing::debug!(cut = drained.cut(), "the admin listener is closed");
}

fn app(cache: Cache, options: Options) -> Router {
    admin::router(cache, options).fallback(not_found)
}

async fn not_found() -> Response {
    (StatusCode::NOT_FOUND, Json(serde_json::json!({ "error": "there is no such admin route" }))).into_response()
}

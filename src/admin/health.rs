//! `GET /health/live`, `/health/ready` and `/health/cache`.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::Serialize;
use tokio::time::Instant;

use super::Admin;
use crate::cache::OnStoreError;
use crate::store::{Health, Near};

#[derive(Serialize)]
struct Status {
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

#[derive(Serialize)]
struct CacheStatus {
    status: &'static str,
    cache: Shown,
}

/// The state of the store as it is shown: what the store does not know is left out.
#[derive(Serialize)]
struct Shown {
    healthy: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    backend: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    latency_ms: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    used_memory: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    connected_clients: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    uptime_seconds: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    queued_invalidations: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    memory: Option<&'static str>,
}

/// The process runs.
pub(super) async fn live() -> Response {
    status(StatusCode::OK, "live", None)
}

/// The process takes requests. The store is asked only where requests fail without it.
pub(super) async fn ready(State(admin): State<Admin>) -> Response {
    if !admin.readiness.is_ready() {
        return status(StatusCode::SERVICE_UNAVAILABLE, "draining", None);
    }
    if admin.cache.on_store_error() == OnStoreError::Error {
        let health = admin.cache.health().await;
        if !health.healthy {
            return status(StatusCode::SERVICE_UNAVAILABLE, "unavailable", health.error);
        }
    }
    status(StatusCode::OK, "ready", None)
}

/// How the store is.
pub(super) async fn cache(State(admin): State<Admin>) -> Response {
    let asked = Instant::now();
    let mut health = admin.cache.health().await;
    // A store that answers from memory does not time itself.
    health.latency = health.latency.or(health.healthy.then(|| asked.elapsed()));
    let code = code(health.healthy, admin.cache.on_store_error());
    let status = if health.healthy { "healthy" } else { "degraded" };
    (code, Json(CacheStatus { status, cache: health.into() })).into_response()
}

fn status(code: StatusCode, status: &'static str, error: Option<String>) -> Response {
    (code, Json(Status { status, error })).into_response()
}

/// A store that is away costs speed, not answers, unless the operator wants errors.
fn code(healthy: bool, on_error: OnStoreError) -> StatusCode {
    match (healthy, on_error) {
        (false, OnStoreError::Error) => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::OK,
    }
}

impl From<Health> for Shown {
    fn from(health: Health) -> Self {
        let shows_queue = !health.healthy || health.queued_invalidations > 0;
        Self {
            healthy: health.healthy,
            backend: (health.backend == "memory").then_some(health.backend),
            latency_ms: health.latency.map(|latency| (latency.as_secs_f64() * 100_000.0).round() / 100.0),
            version: health.version,
            used_memory: health.used_memory,
            connected_clients: health.connected_clients,
            uptime_seconds: health.uptime.map(|uptime| uptime.as_secs()),
            error: health.error,
            queued_invalidations: shows_queue.then_some(health.queued_invalidations),
            memory: (health.near == Some(Near::Degraded)).then_some("degraded"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn shown(health: Health) -> String {
        serde_json::to_string(&Shown::from(health)).unwrap()
    }

    #[test]
    fn a_server_shows_itself() {
        let health = Health {
            backend: "redis",
            healthy: true,
            latency: Some(Duration::from_micros(2449)),
            version: Some("7.0.5".into()),
            used_memory: Some("2.5M".into()),
            connected_clients: Some(5),
            uptime: Some(Duration::from_secs(86_400)),
            near: Some(Near::Coherent),
            ..Health::default()
        };
        assert_eq!(
            shown(health),
            r#"{"healthy":true,"latency_ms":2.45,"version":"7.0.5","used_memory":"2.5M","connected_clients":5,"uptime_seconds":86400}"#
        );
    }

    #[test]
    fn the_embedded_store_names_itself_in_place_of_a_server() {
        let health = Health { backend: "memory", healthy: true, ..Health::default() };
        assert_eq!(shown(health), r#"{"healthy":true,"backend":"memory"}"#);
    }

    #[test]
    fn a_server_that_is_away_gives_the_reason_and_what_waits_for_it() {
        let health = Health {
            backend: "redis",
            error: Some("connection refused".into()),
            queued_invalidations: 3,
            near: Some(Near::Degraded),
            ..Health::default()
        };
        assert_eq!(
            shown(health),
            r#"{"healthy":false,"error":"connection refused","queued_invalidations":3,"memory":"degraded"}"#
        );
        assert_eq!(code(false, OnStoreError::Bypass), StatusCode::OK);
        assert_eq!(code(false, OnStoreError::Error), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(code(true, OnStoreError::Error), StatusCode::OK);
    }
}

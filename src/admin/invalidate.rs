//! `DELETE /invalidate/<key>` and `POST /invalidate`.

use std::fmt;
use std::net::SocketAddr;

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{ConnectInfo, State};
use axum::response::{IntoResponse, Response};
use http::{Extensions, StatusCode, Uri};
use serde::Serialize;
use tokio::time::Instant;

use super::answer::Refusal;
use super::request::Request;
use super::{Admin, key_path};
use crate::cache::Cache;
use crate::invalidation::{Cleared, Selector};
use crate::store::StoreError;

/// Who asked, for the audit log.
struct Actor(Option<SocketAddr>);

#[derive(Serialize)]
struct Answer<'a> {
    message: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'a str>,
    deleted: u64,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    queued: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    dry_run: bool,
}

/// Clears one key. What follows `/invalidate/` is the key, its query included.
pub(super) async fn key(State(admin): State<Admin>, extensions: Extensions, uri: Uri) -> Result<Response, Refusal> {
    let named = uri.path().strip_prefix("/invalidate/").unwrap_or_default();
    let key = admin.cache.table().canonical(&key_path::read(named, uri.query())?);
    let selector = Selector::Key(key.clone());
    let cleared = clear(&admin.cache, &selector, &Actor::of(&extensions)).await?;
    Ok(answer(Answer {
        message: if cleared.queued { "Cache key will be deleted" } else { "Cache key deleted" },
        key: Some(key.as_str()),
        deleted: cleared.deleted,
        queued: cleared.queued,
        dry_run: false,
    }))
}

/// Clears, or counts, what the body names.
pub(super) async fn many(
    State(admin): State<Admin>,
    extensions: Extensions,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Refusal> {
    let request = Request::read(&body?, &admin.cache.table())?;
    if request.dry_run {
        return Ok(answer(Answer {
            message: "Nothing was deleted",
            key: None,
            deleted: count(&admin.cache, &request.selectors).await?,
            queued: false,
            dry_run: true,
        }));
    }
    let cleared = clear_all(&admin.cache, &request.selectors, &Actor::of(&extensions)).await?;
    Ok(answer(Answer {
        message: if cleared.queued { "Cache keys will be deleted" } else { "Cache keys deleted" },
        key: None,
        deleted: cleared.deleted,
        queued: cleared.queued,
        dry_run: false,
    }))
}

fn answer(answer: Answer<'_>) -> Response {
    let status = if answer.queued { StatusCode::ACCEPTED } else { StatusCode::OK };
    (status, Json(answer)).into_response()
}

async fn count(cache: &Cache, selectors: &[Selector]) -> Result<u64, StoreError> {
    let mut total = 0u64;
    for selector in selectors {
        total = total.saturating_add(cache.count(selector).await?);
    }
    Ok(total)
}

/// Clears every selector, also those behind one that fails: what was asked to go should be gone where it can be.
async fn clear_all(cache: &Cache, selectors: &[Selector], actor: &Actor) -> Result<Cleared, StoreError> {
    let mut all = Ok(Cleared::default());
    for selector in selectors {
        all = match (all, clear(cache, selector, actor).await) {
            (Ok(sum), Ok(cleared)) => Ok(sum.and(cleared)),
            (Err(error), _) | (_, Err(error)) => Err(error),
        };
    }
    all
}

/// Clears one selector and leaves a line in the audit log, whatever comes of it.
async fn clear(cache: &Cache, selector: &Selector, actor: &Actor) -> Result<Cleared, StoreError> {
    let began = Instant::now();
    let cleared = cache.invalidate(selector).await;
    let dur_ms = began.elapsed().as_secs_f64() * 1000.0;
    let (actor, selector) = (actor.to_string(), selector.to_string());
    let (actor, selector) = (actor.as_str(), selector.as_str());
    match &cleared {
        Ok(Cleared { deleted, queued }) => {
            tracing::info!(target: "larder::audit", event = "purge", actor, selector, deleted, queued, dur_ms);
        }
        Err(error) => {
            let error = error.to_string();
            tracing::warn!(target: "larder::audit", event = "purge", actor, selector, error = error.as_str(), dur_ms);
        }
    }
    cleared
}

impl Actor {
    fn of(extensions: &Extensions) -> Self {
        Self(extensions.get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(peer)| *peer))
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(peer) => peer.fmt(f),
            None => f.write_str("admin"),
        }
    }
}

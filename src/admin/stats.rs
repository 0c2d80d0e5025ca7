//! `GET /cache/stats`, `GET /cache/stats/{category}`, `POST /cache/stats/reset`.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::{Path, State};
use serde::Serialize;

use super::answer::Refusal;
use super::{Admin, rfc3339};
use crate::cache::Cache;
use crate::stats::Count;

/// The name under which everything is counted together. A category of this name is not shown apart.
const OVERALL: &str = "overall";

#[derive(Serialize)]
pub(super) struct Answer<T> {
    success: bool,
    data: T,
}

#[derive(Serialize)]
pub(super) struct Done {
    success: bool,
    message: &'static str,
}

#[derive(Serialize)]
pub(super) struct Shown {
    hits: u64,
    misses: u64,
    hit_rate: f64,
    total_ops: u64,
    last_updated: Option<String>,
}

/// Hits and misses by category, and in all.
pub(super) async fn all(State(admin): State<Admin>) -> Json<Answer<BTreeMap<String, Shown>>> {
    let data = counts(&admin.cache).into_iter().map(|(name, count)| (name, count.into())).collect();
    Json(Answer { success: true, data })
}

/// Hits and misses of one category.
pub(super) async fn one(
    State(admin): State<Admin>,
    Path(category): Path<String>,
) -> Result<Json<Answer<Shown>>, Refusal> {
    let count = counts(&admin.cache).remove(&category).ok_or(Refusal::Category)?;
    Ok(Json(Answer { success: true, data: count.into() }))
}

/// Starts counting from zero, for `/metrics/cache` too.
pub(super) async fn reset(State(admin): State<Admin>) -> Json<Done> {
    admin.cache.stats().reset();
    tracing::info!(target: "larder::audit", event = "stats-reset");
    Json(Done { success: true, message: "Cache statistics reset successfully" })
}

/// Every category that a route has or that was counted, and the sum of all lookups.
fn counts(cache: &Cache) -> BTreeMap<String, Count> {
    let table = cache.table();
    let configured = table.rules().iter().filter_map(|rule| rule.category_name());
    let mut counts: BTreeMap<_, _> =
        configured.map(|category| (category.as_str().to_owned(), Count::default())).collect();
    counts
        .extend(cache.stats().by_category().into_iter().map(|(category, count)| (category.as_str().to_owned(), count)));
    counts.insert(OVERALL.to_owned(), cache.stats().total());
    counts
}

impl From<Count> for Shown {
    fn from(count: Count) -> Self {
        Self {
            hits: count.hits,
            misses: count.misses,
            hit_rate: count.hit_rate(),
            total_ops: count.total(),
            last_updated: count.last_updated.map(rfc3339::format),
        }
    }
}

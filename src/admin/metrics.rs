//! `GET /metrics/cache`.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::Admin;
use crate::cache::Cache;
use crate::invalidation::Selector;
use crate::store::StoreError;

/// Keys that are listed.
const TOP_KEYS: usize = 20;
/// A count older than this is never given out.
const OLDEST_COUNT: Duration = Duration::from_secs(1);
/// A count is kept this many times as long as it took: counting takes at most a tenth of the store's time.
const REST: u32 = 10;

/// How many entries the store holds, counted by one request at a time and not more often than the store can bear.
#[derive(Debug)]
pub(super) struct EntryCount {
    last: Mutex<Option<Counted>>,
    turn: Semaphore,
}

#[derive(Clone, Copy, Debug)]
struct Counted {
    entries: u64,
    at: Instant,
    took: Duration,
}

#[derive(Serialize)]
pub(super) struct Metrics {
    hits: u64,
    misses: u64,
    top_keys: Vec<(String, u64)>,
    /// `null` when the store does not answer.
    total_cached_keys: Option<u64>,
    bypasses: u64,
    hit_rate: f64,
    by_reason: BTreeMap<&'static str, u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// What was counted since the process started, or since the last reset.
pub(super) async fn metrics(State(admin): State<Admin>) -> Json<Metrics> {
    let entries = admin.entries.of(&admin.cache).await;
    let stats = admin.cache.stats();
    let total = stats.total();
    Json(Metrics {
        hits: total.hits,
        misses: total.misses,
        top_keys: stats.top_keys(TOP_KEYS).into_iter().map(|(key, count)| (key.as_str().to_owned(), count)).collect(),
        total_cached_keys: entries.as_ref().ok().copied(),
        bypasses: stats.bypasses(),
        hit_rate: total.hit_rate(),
        by_reason: stats.reasons(),
        error: entries.err().map(|error| error.to_string()),
    })
}

impl EntryCount {
    async fn of(&self, cache: &Cache) -> Result<u64, StoreError> {
        if let Some(entries) = self.fresh() {
            return Ok(entries);
        }
        // The semaphore is never closed; were it, counting at the same time as another would do no harm.
        let _turn = self.turn.acquire().await;
        if let Some(entries) = self.fresh() {
            return Ok(entries);
        }
        let began = Instant::now();
        let entries = cache.count(&Selector::All).await?;
        let counted = Counted { entries, at: began, took: began.elapsed() };
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(counted);
        Ok(entries)
    }

    fn fresh(&self) -> Option<u64> {
        let last = (*self.last.lock().unwrap_or_else(PoisonError::into_inner))?;
        (last.at.elapsed() < last.kept()).then_some(last.entries)
    }
}

impl Counted {
    /// How long the count is given out, from when it began.
    fn kept(&self) -> Duration {
        self.took.saturating_mul(REST).min(OLDEST_COUNT)
    }
}

impl Default for EntryCount {
    fn default() -> Self {
        Self { last: Mutex::new(None), turn: Semaphore::new(1) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_that_was_cheap_is_taken_again_soon() {
        let counted = |took| Counted { entries: 0, at: Instant::now(), took }.kept();
        assert_eq!(counted(Duration::from_micros(50)), Duration::from_micros(500));
        assert_eq!(counted(Duration::from_secs(2)), OLDEST_COUNT);
    }
}

//! Commands that fail in a row: how many, and for how long.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// The failures since the last success. Noting a success costs one store.
#[derive(Debug, Default)]
pub(super) struct Streak {
    failures: AtomicU32,
    /// When the first of them came.
    since: Mutex<Option<Instant>>,
}

/// How long a streak is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Length {
    pub(super) failures: u32,
    pub(super) lasts: Duration,
}

impl Streak {
    /// Adds a failure.
    pub(super) fn lengthen(&self, now: Instant) -> Length {
        let before = self.failures.fetch_add(1, Ordering::Relaxed);
        let mut since = self.since.lock().unwrap_or_else(PoisonError::into_inner);
        let first = if before == 0 { *since.insert(now) } else { *since.get_or_insert(now) };
        Length { failures: before + 1, lasts: now.saturating_duration_since(first) }
    }

    /// Notes a success.
    pub(super) fn end(&self) {
        self.failures.store(0, Ordering::Relaxed);
    }

    /// Whether the last thing heard is a failure.
    pub(super) fn is_on(&self) -> bool {
        self.failures.load(Ordering::Relaxed) > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_streak_lasts_from_its_first_failure_and_ends_with_a_success() {
        let (streak, start) = (Streak::default(), Instant::now());
        let after = |secs| start + Duration::from_secs(secs);
        let length = |failures, secs| Length { failures, lasts: Duration::from_secs(secs) };
        assert!(!streak.is_on());
        assert_eq!(streak.lengthen(after(0)), length(1, 0));
        assert_eq!(streak.lengthen(after(3)), length(2, 3));
        assert!(streak.is_on());
        streak.end();
        assert!(!streak.is_on());
        assert_eq!(streak.lengthen(after(9)), length(1, 0));
        assert_eq!(streak.lengthen(after(10)), length(2, 1));
    }
}

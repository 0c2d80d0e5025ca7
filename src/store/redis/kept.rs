//! Invalidations that are never lost: what does not reach Redis, or is abandoned on its way, waits for it.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError, Weak};
use std::time::Duration;

use tokio::time::Instant;

use super::clear::{Spared, Sweep};
use super::fault::Fault;
use super::link::State;
use super::{Redis, spawn};
use crate::invalidation::{Cleared, Selector};

/// An invalidation that is kept unless it was carried out, dropped futures included.
pub(super) struct Kept {
    redis: Arc<Redis>,
    selector: Option<Selector>,
    /// A lease that stays, unless the invalidation has to wait.
    spared: Option<Spared>,
}

impl Kept {
    pub(super) fn new(redis: Arc<Redis>, selector: Selector, spared: Option<Spared>) -> Self {
        Self { redis, selector: Some(selector), spared }
    }

    /// Carries the invalidation out, or keeps it.
    pub(super) async fn carry_out(mut self) -> Cleared {
        let Some(selector) = self.selector.clone() else { return Cleared::default() };
        let redis = Arc::clone(&self.redis);
        let mut swept = if redis.queue.len() > 0 { redis.catch_up_soon().await } else { Ok(0) };
        if swept.is_ok() {
            let sweep = self.spared.as_ref().map_or(Sweep::Delete, Sweep::Around);
            swept = redis.sweep(&selector, sweep).await;
        }
        match swept {
            Ok(deleted) => {
                self.selector = None;
                redis.recent.lock().unwrap_or_else(PoisonError::into_inner).push(selector, Instant::now());
                *redis.counted.lock().unwrap_or_else(PoisonError::into_inner) = None;
                Cleared::deleted(deleted)
            }
            Err(fault) => {
                tracing::debug!(%selector, ?fault, "keeping an invalidation until Redis can be reached");
                Cleared::queued()
            }
        }
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        if let Some(selector) = self.selector.take() {
            self.redis.keep(selector);
        }
    }
}

impl Redis {
    /// Carries out what waits, oldest first.
    pub(super) async fn catch_up(self: &Arc<Self>) -> Result<(), Fault> {
        let _turn = self.queue.turn.lock().await;
        while let Some((number, selector)) = self.queue.first() {
            self.sweep(&selector, Sweep::Delete).await?;
            self.recent.lock().unwrap_or_else(PoisonError::into_inner).push(selector, Instant::now());
            self.queue.done(number);
        }
        Ok(())
    }

    /// The same for one who has an invalidation to add: he waits for a write's time, not for all the others' too.
    async fn catch_up_soon(self: &Arc<Self>) -> Result<u64, Fault> {
        let caught_up = tokio::time::timeout(self.link.write_timeout, self.catch_up()).await;
        caught_up.unwrap_or(Err(Fault::Timeout)).map(|()| 0)
    }

    /// Keeps an invalidation and sees to it that it is carried out even when nothing is read.
    pub(super) fn keep(self: &Arc<Self>, selector: Selector) {
        self.queue.push(selector);
        if !self.draining.swap(true, Ordering::AcqRel) {
            spawn(drain(Arc::downgrade(self)));
        }
    }
}

/// Carries out what waits as soon as the server can be reached.
async fn drain(redis: Weak<Redis>) {
    const PAUSE: Duration = Duration::from_millis(50);
    loop {
        tokio::time::sleep(PAUSE).await;
        let Some(redis) = redis.upgrade() else { return };
        if redis.link.state() != State::Down {
            let _ = redis.catch_up().await;
        }
        if redis.queue.len() == 0 {
            redis.draining.store(false, Ordering::Release);
            // One that came before the line above saw a drain under way and left it at that.
            if redis.queue.len() == 0 || redis.draining.swap(true, Ordering::AcqRel) {
                return;
            }
        }
    }
}

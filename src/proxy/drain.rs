//! How a server comes to its end: every connection holds a place, hears of the phases, and gives its place back.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

/// Where a server stands in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    /// Connections come and go.
    Open,
    /// None come; those there finish what they are doing.
    Draining,
    /// None are left.
    Cut,
}

/// The owner's end. Dropping it cuts every connection.
#[derive(Debug)]
pub(super) struct Drain {
    watch: Watch,
    places: Arc<Semaphore>,
    total: u32,
}

/// Sees the phase.
#[derive(Clone, Debug)]
pub(super) struct Watch(Arc<Shared>);

/// The place of one connection. Clones are one place.
#[derive(Clone, Debug)]
pub(super) struct Guard {
    watch: Watch,
    _place: Arc<OwnedSemaphorePermit>,
}

#[derive(Debug)]
struct Shared {
    phase: AtomicU8,
    changed: Notify,
}

impl Drain {
    pub(super) fn new(places: u32) -> Self {
        let shared = Shared { phase: AtomicU8::new(Phase::Open as u8), changed: Notify::new() };
        Self { watch: Watch(Arc::new(shared)), places: Arc::new(Semaphore::new(places as usize)), total: places }
    }

    pub(super) fn watch(&self) -> Watch {
        self.watch.clone()
    }

    pub(super) fn places(&self) -> Places {
        Places { watch: self.watch.clone(), places: Arc::clone(&self.places) }
    }

    pub(super) fn enter(&self, phase: Phase) {
        self.watch.0.phase.store(phase as u8, Ordering::Release);
        self.watch.0.changed.notify_waiters();
    }

    /// Waits until every place has been given back. Returns how many were not.
    pub(super) async fn emptied(&self, within: Duration) -> usize {
        match tokio::time::timeout(within, self.places.acquire_many(self.total)).await {
            Ok(_) => 0,
            Err(_) => self.total as usize - self.places.available_permits(),
        }
    }
}

impl Drop for Drain {
    fn drop(&mut self) {
        self.enter(Phase::Cut);
    }
}

/// Where a place for a new connection comes from.
#[derive(Clone, Debug)]
pub(super) struct Places {
    watch: Watch,
    places: Arc<Semaphore>,
}

impl Places {
    /// A place, once there is one.
    pub(super) async fn take(&self) -> Option<Guard> {
        let place = Arc::clone(&self.places).acquire_owned().await.ok()?;
        Some(Guard { watch: self.watch.clone(), _place: Arc::new(place) })
    }
}

impl Watch {
    pub(super) fn phase(&self) -> Phase {
        match self.0.phase.load(Ordering::Acquire) {
            0 => Phase::Open,
            1 => Phase::Draining,
            _ => Phase::Cut,
        }
    }

    /// Waits until this phase, or a later one.
    pub(super) async fn reaches(&self, phase: Phase) {
        loop {
            // Made before the phase is read: it hears of every change from here on.
            let changed = self.0.changed.notified();
            if self.phase() >= phase {
                return;
            }
            changed.await;
        }
    }
}

impl Guard {
    pub(super) fn watch(&self) -> &Watch {
        &self.watch
    }

    /// Waits until the server cuts what is left.
    pub(super) async fn cut(&self) {
        self.watch.reaches(Phase::Cut).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_place_is_held_until_its_last_clone_is_gone() {
        let drain = Drain::new(3);
        let guard = drain.places().take().await.unwrap();
        let tunnel = guard.clone();
        drop(guard);
        assert_eq!(drain.emptied(Duration::from_secs(1)).await, 1);
        drop(tunnel);
        assert_eq!(drain.emptied(Duration::from_secs(1)).await, 0);
    }

    #[tokio::test]
    async fn a_dropped_owner_cuts_everything() {
        let drain = Drain::new(1);
        let guard = drain.places().take().await.unwrap();
        drop(drain);
        guard.cut().await;
    }
}

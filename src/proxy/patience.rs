//! How long a connection keeps its place without bringing a request.
//!
//! hyper sets a timer before it reads each head and drops it after: two turns of the runtime's timer wheel a request,
//! for a deadline that hardly ever comes. Here a head that is waited for, and one that came, are counted instead, and
//! one timer a connection looks at the count a few times in the length of the timeout.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use hyper::rt::{Sleep, Timer};

/// Counts the heads of one connection. Clones count together.
#[derive(Clone, Debug)]
pub(super) struct Patience(Arc<Turns>);

#[derive(Debug)]
struct Turns {
    /// Odd while a head is waited for.
    count: AtomicU64,
    /// hyper computes deadlines from the time, and nothing here looks at them: any instant will do.
    start: Instant,
}

/// A head that is waited for. Dropped when it came.
struct Waiting(Arc<Turns>);

impl Patience {
    /// How often the count is looked at in the length of the timeout: it is exceeded by a fourth at most.
    const LOOKS: u32 = 4;

    pub(super) fn new() -> Self {
        Self(Arc::new(Turns { count: AtomicU64::new(0), start: tokio::time::Instant::now().into_std() }))
    }

    /// Waits for a head until [`Patience::heard`].
    pub(super) fn waiting() -> Self {
        let patience = Self::new();
        patience.0.count.store(1, Ordering::Relaxed);
        patience
    }

    /// The first request came on a connection that began as [`Patience::waiting`], whose later ones are not waited for.
    pub(super) fn heard(&self) {
        self.0.count.store(2, Ordering::Relaxed);
    }

    /// Whether a head is waited for. Where none is, an answer is owed.
    pub(super) fn waits(&self) -> bool {
        self.0.count.load(Ordering::Relaxed) % 2 == 1
    }

    /// Ends when one head was waited for so long.
    pub(super) async fn lost(&self, timeout: Duration) {
        let (mut seen, mut looks) = (self.0.count.load(Ordering::Relaxed), 0);
        while looks < Self::LOOKS {
            tokio::time::sleep(timeout / Self::LOOKS).await;
            let count = self.0.count.load(Ordering::Relaxed);
            looks = if count == seen && count % 2 == 1 { looks + 1 } else { 0 };
            seen = count;
        }
    }
}

impl Timer for Patience {
    fn sleep(&self, _: Duration) -> Pin<Box<dyn Sleep>> {
        self.0.turn();
        Box::pin(Waiting(Arc::clone(&self.0)))
    }

    fn sleep_until(&self, _: Instant) -> Pin<Box<dyn Sleep>> {
        self.sleep(Duration::ZERO)
    }

    fn now(&self) -> Instant {
        self.0.start
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.turn();
    }
}

impl Turns {
    /// Only the task of the connection counts, so the two halves need not be one step.
    fn turn(&self) {
        self.count.store(self.count.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
    }
}

impl Future for Waiting {
    type Output = ();

    /// The connection is ended by who watches over it, not by its own timer.
    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        Poll::Pending
    }
}

impl Sleep for Waiting {}

#[cfg(test)]
mod tests {
    use tokio::time::{Instant, timeout};

    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(60);

    async fn lasts(patience: &Patience) -> Option<Duration> {
        let start = Instant::now();
        timeout(TIMEOUT * 100, patience.lost(TIMEOUT)).await.ok().map(|()| start.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_that_does_not_come_is_waited_for_as_long_as_agreed() {
        let patience = Patience::new();
        let head = patience.sleep(TIMEOUT);
        let waited = lasts(&patience).await.unwrap();
        assert!(waited >= TIMEOUT && waited <= TIMEOUT * 5 / 4 + Duration::from_secs(1), "{waited:?}");
        drop(head);
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_may_take_as_long_as_it_likes() {
        let patience = Patience::new();
        drop(patience.sleep(TIMEOUT));
        assert_eq!(lasts(&patience).await, None);
    }

    #[tokio::test(start_paused = true)]
    async fn every_head_has_the_whole_time() {
        let patience = Patience::new();
        let watched = patience.clone();
        let heads = async {
            for _ in 0..10 {
                let head = watched.sleep(TIMEOUT);
                tokio::time::sleep(TIMEOUT * 9 / 10).await;
                drop(head);
            }
        };
        tokio::select! {
            () = heads => {}
            () = patience.lost(TIMEOUT) => panic!("lost"),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_first_request_is_enough_for_http_2() {
        let patience = Patience::waiting();
        assert!(lasts(&patience).await.is_some());
        patience.heard();
        assert_eq!(lasts(&patience).await, None);
    }
}

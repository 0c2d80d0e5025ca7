//! What large bodies need: time on the network, and threads that no request waits for.

use std::num::NonZero;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::Redis;
use super::fault::Fault;

/// Bytes that are handled where the answer is awaited: a quarter of a millisecond of inflating.
const AT_ONCE: usize = 256 << 10;
/// Bytes for which a millisecond is granted: 16 MiB/s.
const PER_MILLISECOND: usize = 16 << 10;

/// As many threads as there are cores may work on large bodies.
pub(super) fn threads() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(std::thread::available_parallelism().map_or(2, NonZero::get)))
}

/// What a body of this many bytes may take on its way beyond what any command may.
pub(super) fn patience(bytes: usize) -> Duration {
    Duration::from_millis((bytes / PER_MILLISECOND) as u64)
}

impl Redis {
    /// Does work that goes through so many bytes: at once when they are few, else on a thread of its own, for which it
    /// waits no longer than for a write. Dropping the wait does not stop work that began.
    pub(super) async fn aside<T: Send + 'static>(
        &self,
        bytes: usize,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Fault> {
        if bytes <= AT_ONCE {
            return Ok(work());
        }
        let turn = timeout(self.link.write_timeout, Arc::clone(&self.aside).acquire_owned()).await;
        let Ok(Ok(permit)) = turn else { return Err(Fault::Timeout) };
        let done = tokio::task::spawn_blocking(move || {
            let done = work();
            drop(permit);
            done
        });
        done.await.map_err(|_| Fault::Refused("work on a large body ended early".into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_body_has_time_on_a_slow_network() {
        assert_eq!([patience(16 << 10), patience(8 << 20)], [Duration::from_millis(1), Duration::from_millis(512)]);
    }
}

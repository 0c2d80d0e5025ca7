//! Work that no client waits for: stores on a slow store, refreshes, the rest of a body whose client needed only its
//! head. The one file of this room that spawns tasks.

use std::future::{Future, poll_fn};
use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinHandle;

use super::ResponseBody;
use super::fill::{Landed, Reader};
use super::handle::Core;

/// Tasks at one time. What does not fit is dropped: a response is then not stored, a refresh not begun.
const MAX_TASKS: usize = 16_384;

/// Runs tasks, a bounded number of them.
#[derive(Debug)]
pub(super) struct Background {
    permits: Arc<Semaphore>,
}

impl Default for Background {
    fn default() -> Self {
        Self { permits: Arc::new(Semaphore::new(MAX_TASKS)) }
    }
}

/// The right to run one task.
pub(super) struct Permit {
    permit: OwnedSemaphorePermit,
    runtime: Handle,
}

impl Background {
    /// The right to run one task. `None` when there are too many already, or no runtime.
    pub(super) fn permit(&self) -> Option<Permit> {
        let permit = self.permits.clone().try_acquire_owned().ok()?;
        Some(Permit { permit, runtime: Handle::try_current().ok()? })
    }

    /// Runs a future to its end, whoever is gone meanwhile. False when there was no permit: the future is dropped then.
    pub(super) fn run(&self, work: impl Future<Output: Send + 'static> + Send + 'static) -> bool {
        self.permit().map(|permit| permit.spawn(work)).is_some()
    }
}

impl Permit {
    fn spawn<T: Send + 'static>(self, work: impl Future<Output = T> + Send + 'static) -> JoinHandle<T> {
        let Self { permit, runtime } = self;
        runtime.spawn(async move {
            let done = work.await;
            drop(permit);
            done
        })
    }

    /// Runs a future to its end and waits for it. Dropping the wait does not drop the future.
    pub(super) async fn finish<T: Send + 'static>(self, work: impl Future<Output = T> + Send + 'static) -> T {
        match self.spawn(work).await {
            Ok(done) => done,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // The runtime is shutting down, and this task with it.
                Err(_) => std::future::pending().await,
            },
        }
    }
}

/// Reads a shared fetch to its end for nobody, so that it is stored.
pub(super) fn drain<RB: ResponseBody, E: Send + 'static>(core: &Core, mut reader: Reader<RB, E>) {
    core.background.run(async move {
        if let Landed::Shared(_) = reader.head().await {
            while let Some(Ok(_)) = poll_fn(|cx| reader.poll_frame(cx)).await {}
        }
    });
}

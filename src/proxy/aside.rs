//! Waiting for something rare in a task that is busy with something else.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Wake, Waker};

use pin_project_lite::pin_project;

pin_project! {
    /// A future that is polled when it was woken itself, and not whenever its task is.
    ///
    /// A timer or a signal that is polled with every request costs a few dozen nanoseconds each time; here it is one
    /// load. It must be polled by one task only, the one that owns it.
    pub(super) struct Aside<F> {
        #[pin]
        future: F,
        bell: Arc<Bell>,
        waker: Waker,
        ended: bool,
    }
}

/// Rung by what the future waits for.
#[derive(Default)]
struct Bell {
    rung: AtomicBool,
    task: OnceLock<Waker>,
}

impl<F: Future<Output = ()>> Aside<F> {
    pub(super) fn new(future: F) -> Self {
        let bell = Arc::new(Bell { rung: AtomicBool::new(true), task: OnceLock::new() });
        Self { future, waker: Waker::from(Arc::clone(&bell)), bell, ended: false }
    }

    /// Whether the future has ended, now or before.
    pub(super) fn has_ended(self: Pin<&mut Self>, cx: &mut Context<'_>) -> bool {
        let this = self.project();
        if !*this.ended && this.bell.rung.load(Ordering::Acquire) {
            this.bell.task.get_or_init(|| cx.waker().clone());
            this.bell.rung.store(false, Ordering::Release);
            let polled = this.future.poll(&mut Context::from_waker(this.waker));
            *this.ended = matches!(polled, Poll::Ready(()));
        }
        *this.ended
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.rung.store(true, Ordering::Release);
        if let Some(task) = self.task.get() {
            task.wake_by_ref();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::future::poll_fn;
    use std::pin::pin;

    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn it_is_polled_only_when_it_was_woken() {
        let (tell, told) = oneshot::channel::<()>();
        let (mut told, polls) = (pin!(told), Cell::new(0));
        let mut aside = pin!(Aside::new(poll_fn(|cx| {
            polls.set(polls.get() + 1);
            told.as_mut().poll(cx).map(drop)
        })));
        for _ in 0..3 {
            poll_fn(|cx| {
                assert!(!aside.as_mut().has_ended(cx));
                Poll::Ready(())
            })
            .await;
        }
        assert_eq!(polls.get(), 1);
        tell.send(()).unwrap();
        poll_fn(|cx| if aside.as_mut().has_ended(cx) { Poll::Ready(()) } else { Poll::Pending }).await;
        assert_eq!(polls.get(), 2);
    }

    #[tokio::test]
    async fn its_end_wakes_the_task() {
        let (tell, told) = oneshot::channel::<()>();
        let mut aside = pin!(Aside::new(async { drop(told.await) }));
        let waiting = poll_fn(|cx| if aside.as_mut().has_ended(cx) { Poll::Ready(()) } else { Poll::Pending });
        tokio::join!(waiting, async { tell.send(()).unwrap() });
    }
}

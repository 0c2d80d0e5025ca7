//! One request's view of a fetch.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::Frame;

use super::{Fill, Landed};
use crate::cache::{BoxError, ResponseBody};

/// The place in the crowd that is taken from the beginning.
const LEADER: usize = 0;

/// Reads a [`Fill`], and drives it when there is nothing to read.
///
/// Drop means abandoned: the others go on.
pub(in crate::cache) struct Reader<RB, E> {
    fill: Arc<Fill<RB, E>>,
    place: usize,
    leads: bool,
}

impl<RB: ResponseBody, E: Send + 'static> Reader<RB, E> {
    /// Takes a place among the readers. The one that leads is handed what the others may not see.
    pub(in crate::cache) fn new(fill: Arc<Fill<RB, E>>, leads: bool) -> Self {
        fill.myself.get_or_init(|| Arc::downgrade(&fill));
        let place = if leads { LEADER } else { fill.crowd.enter() };
        if !leads {
            fill.seen().enter(place);
        }
        Self { fill, place, leads }
    }

    /// A follower beside this one.
    pub(in crate::cache) fn beside(&self) -> Self {
        Self::new(self.fill.clone(), false)
    }

    /// The head of the response, once it is there.
    pub(in crate::cache) async fn head(&mut self) -> Landed<RB, E> {
        let (place, leads) = (self.place, self.leads);
        poll_fn(|cx| self.poll(cx, |fill| fill.seen().landed(place, leads))).await
    }

    /// The next frame of the shared body.
    pub(in crate::cache) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let place = self.place;
        self.poll(cx, |fill| fill.seen().next(place))
    }

    /// Whether everything has been read.
    pub(in crate::cache) fn is_over(&self) -> bool {
        self.fill.seen().is_over(self.place)
    }

    /// Looks, asks to be woken, looks again, and drives; until there is something or driving brings nothing.
    fn poll<T>(&self, cx: &mut Context<'_>, look: impl Fn(&Fill<RB, E>) -> Option<T>) -> Poll<T> {
        loop {
            if let Some(found) = look(&self.fill) {
                return Poll::Ready(found);
            }
            self.fill.crowd.wait(self.place, cx.waker());
            if let Some(found) = look(&self.fill) {
                return Poll::Ready(found);
            }
            if !self.fill.drive(self.place) {
                return Poll::Pending;
            }
        }
    }
}

impl<RB, E> Drop for Reader<RB, E> {
    fn drop(&mut self) {
        self.fill.seen().leave(self.place);
        self.fill.crowd.leave(self.place);
    }
}

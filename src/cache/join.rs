//! Joining a fetch that another request began.
//!
//! A request may be answered by the fetch of another exactly where it could be answered by what that fetch stores
//! (RFC 9111 §4): the variant must be its own, and the response must not be one that is validated before every use.

use std::future::{Future as _, poll_fn};
use std::pin::{Pin, pin};
use std::task::Poll;

use http::{Request, Response};
use http_body::Body as HttpBody;
use tokio::time::Sleep;
use tower_service::Service;

use super::ResponseBody;
use super::body::Body;
use super::fill::{Landed, Reader};
use super::flow::Flow;
use crate::clock::Timestamp;
use crate::entry::Entry;
use crate::outcome::{Outcome, Reason};
use crate::policy::{self, Reuse};

/// What came of waiting for a fetch that another request began.
pub(super) enum Joined<T> {
    Answer(T),
    /// It answers another variant.
    OtherVariant,
    /// It answers nobody else.
    Released(Reason),
}

impl<S, B, RB> Flow<S, B>
where
    S: Service<Request<B>, Response = Response<RB>> + Clone + Send + Sync + 'static,
    S::Future: Send,
    S::Error: Send + 'static,
    B: HttpBody + Default + Send + 'static,
    RB: ResponseBody,
{
    /// Waits for the fetch of another request, as long as there is patience left.
    pub(super) async fn join(
        &self,
        mut reader: Reader<RB, S::Error>,
        outcome: Outcome,
        mut patience: Pin<&mut Option<Sleep>>,
    ) -> Joined<Response<Body<RB, S::Error>>> {
        let landed = {
            let mut head = pin!(reader.head());
            poll_fn(|cx| match head.as_mut().poll(cx) {
                Poll::Ready(landed) => Poll::Ready(Some(landed)),
                Poll::Pending => match patience.as_mut().as_pin_mut() {
                    Some(patience) => patience.poll(cx).map(|()| None),
                    None => Poll::Pending,
                },
            })
            .await
        };
        let now = self.core.clock.now();
        match landed {
            None => Joined::Released(Reason::CoalesceTimeout),
            Some(Landed::Shared(shown)) if !shown.suits(&self.parts.headers) => Joined::OtherVariant,
            Some(Landed::Shared(shown)) if shown.is_reusable(now) => {
                Joined::Answer(self.share(reader, &shown, Outcome { collapsed: true, ..outcome }, false))
            }
            Some(Landed::Stored(entry, _)) if !self.selects(&entry) => Joined::OtherVariant,
            Some(Landed::Stored(entry, how)) if how.forward.is_none() => Joined::Answer(self.served(&entry, how)),
            Some(Landed::Stored(entry, how)) if self.is_reusable(&entry, now) => {
                Joined::Answer(self.served(&entry, Outcome { collapsed: true, ..how }))
            }
            Some(Landed::Shared(_) | Landed::Stored(..)) => Joined::Released(Reason::LeaderUncacheable),
            Some(Landed::Mine(_, reason) | Landed::Released(reason)) => Joined::Released(released(reason)),
            Some(Landed::Fallen(_)) => Joined::Released(Reason::LeaderFailed),
        }
    }

    fn is_reusable(&self, entry: &Entry, now: Timestamp) -> bool {
        matches!(policy::reuse(&self.lookup, entry.meta(), now), Reuse::Serve | Reuse::ServeStale(_))
    }

    /// Whether a stored response was stored for the fields of this request.
    fn selects(&self, entry: &Entry) -> bool {
        let names: Vec<_> = entry.meta().selecting.iter().map(|(name, _)| name.clone()).collect();
        policy::selecting(&names, &self.parts.headers) == entry.meta().selecting
    }
}

/// What a follower says when the request it waited for got an answer of its own.
fn released(reason: Reason) -> Reason {
    match reason {
        Reason::LeaderFailed
        | Reason::ConnectFailed
        | Reason::ConnectTimeout
        | Reason::UpstreamTimeout
        | Reason::UpstreamClosed
        | Reason::UpstreamGarbage
        | Reason::UpstreamCoding => Reason::LeaderFailed,
        _ => Reason::LeaderUncacheable,
    }
}

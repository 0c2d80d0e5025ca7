//! Requests that the program makes itself, so that clients find their answers stored.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::Poll;

use http::Request;
use http_body::Body as HttpBody;
use tower_layer::Layer as _;
use tower_service::Service as _;

use super::ResponseBody;
use super::handle::Cache;
use super::service::CacheService;

/// What came of [`Cache::warm`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Warmed {
    /// Requests that were answered with a success, from the store or not, and whose body is complete.
    pub done: u64,
    /// The others.
    pub failed: u64,
}

impl Cache {
    /// Sends requests through the cache in front of `service`, at most `concurrency` at a time, and reads their answers to
    /// the end. What is stored and fresh already is not fetched again.
    ///
    /// Dropping the future abandons the requests under way.
    pub async fn warm<S, B, RB>(
        &self,
        service: S,
        requests: impl IntoIterator<Item = Request<B>>,
        concurrency: usize,
    ) -> Warmed
    where
        S: tower_service::Service<Request<B>, Response = http::Response<RB>> + Clone + Send + Sync + 'static,
        S::Future: Send,
        S::Error: Send + 'static,
        B: HttpBody + Default + Send + 'static,
        RB: ResponseBody,
    {
        let service = self.layer().layer(service);
        let mut waiting = requests.into_iter();
        let mut under_way = VecDeque::new();
        let mut warmed = Warmed::default();
        poll_fn(|cx| {
            loop {
                while under_way.len() < concurrency.max(1) {
                    let Some(request) = waiting.next() else { break };
                    under_way.push_back(Box::pin(ask(service.clone(), request)));
                }
                let before = under_way.len();
                under_way.retain_mut(|answer| match Pin::as_mut(answer).poll(cx) {
                    Poll::Ready(true) => {
                        warmed.done += 1;
                        false
                    }
                    Poll::Ready(false) => {
                        warmed.failed += 1;
                        false
                    }
                    Poll::Pending => true,
                });
                if under_way.is_empty() && before == 0 {
                    return Poll::Ready(());
                }
                if under_way.len() == before {
                    return Poll::Pending;
                }
            }
        })
        .await;
        warmed
    }
}

/// Whether the request was answered with a success, completely.
async fn ask<S, B, RB>(mut service: CacheService<S>, request: Request<B>) -> bool
where
    S: tower_service::Service<Request<B>, Response = http::Response<RB>> + Clone + Send + Sync + 'static,
    S::Future: Send,
    S::Error: Send + 'static,
    B: HttpBody + Default + Send + 'static,
    RB: ResponseBody,
{
    let Ok(answer) = service.call(request).await else { return false };
    let success = answer.status().is_success();
    let mut body = pin!(answer.into_body());
    while let Some(frame) = poll_fn(|cx| body.as_mut().poll_frame(cx)).await {
        if frame.is_err() {
            return false;
        }
    }
    success
}

//! The middleware over a store whose every answer comes later: what fails, what is waited for, and what is left behind
//! when a future is dropped at any of its awaits.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test that cannot go on fails"
)]

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use http::request::Builder;
use http::{HeaderMap, Request, Response};
use http_body::Body as _;
use http_body_util::BodyExt as _;
use larder::cache::{Body, Cache, CacheService, OnStoreError};
use larder::clock::{Clock, Timestamp};
use larder::invalidation::{Cleared, Selector, Tag};
use larder::key::Key;
use larder::policy::Options;
use larder::route::{Rule, Table};
use larder::store::{MemoryStore, StoreError};
use tower::{Layer as _, ServiceExt as _};

#[path = "rig/inner.rs"]
mod inner;
#[path = "rig/slow_store.rs"]
mod slow_store;
use inner::{Empty, Hand, Held, Inner, Stream, ok, status, with};
use slow_store::{Op, SlowStore};

const POSTS: &str = "/api/posts/";

struct Rig {
    cache: Cache,
    clock: Clock,
    service: CacheService<Inner>,
    store: SlowStore,
    hand: Hand,
}

struct Answer {
    status: u16,
    headers: HeaderMap,
    body: String,
}

type Open = Response<Body<Stream, Infallible>>;
type Waiting = tokio::task::JoinHandle<Answer>;

impl Rig {
    fn new() -> Self {
        Self::with(|rule| rule, OnStoreError::Bypass)
    }

    fn with(change: impl FnOnce(Rule) -> Rule, on_error: OnStoreError) -> Self {
        let posts = Rule::new(POSTS).unwrap().ttl(Duration::from_secs(90)).tag("posts").unwrap();
        let posts = posts.invalidates("POST", ["GET:/api/posts/"]).unwrap();
        let table = Table::builder().route(change(posts)).build().unwrap();
        let clock = Clock::manual(Timestamp::from_secs(1_800_000_000));
        let store = SlowStore::over(MemoryStore::with_clock(8 << 20, clock.clone()));
        let cache = Cache::builder(table, store.clone()).clock(clock.clone()).on_store_error(on_error).build();
        let (inner, hand) = inner::inner();
        Self { service: cache.layer().layer(inner), cache, clock, store, hand }
    }

    fn call(&self, request: Builder) -> impl Future<Output = Open> + Send + use<> {
        let call = self.service.clone().oneshot(request.body(Empty::new()).unwrap());
        async move { call.await.unwrap() }
    }

    fn begin(&self, request: Builder) -> Waiting {
        let call = self.call(request);
        tokio::spawn(async move { read(call.await).await })
    }

    async fn get(&self, path: &str) -> Answer {
        let answer = read(self.call(Request::get(path)).await).await;
        self.settle().await;
        answer
    }

    /// Lets everything come as far as it can.
    async fn settle(&self) {
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
    }

    fn why(&self, reason: &str) -> u64 {
        self.cache.stats().reasons().get(reason).copied().unwrap_or_default()
    }

    /// Nothing is under way, and no lease is left.
    #[track_caller]
    fn is_at_rest(&self, when: &str) {
        assert_eq!((self.cache.in_flight(), self.store.leased()), (0, 0), "{when}");
    }
}

async fn read(response: Open) -> Answer {
    let (parts, body) = response.into_parts();
    let body = body.collect().await.map_or_else(|_| "<broken>".into(), |body| body.to_bytes());
    Answer { status: parts.status.as_u16(), headers: parts.headers, body: String::from_utf8_lossy(&body).into_owned() }
}

impl Answer {
    #[track_caller]
    fn says(&self, cache_status: &str, body: &str) {
        let said = self.headers["cache-status"].to_str().unwrap();
        assert_eq!((said, self.body.as_str()), (cache_status, body), "{}", self.status);
    }
}

fn unavailable() -> StoreError {
    StoreError::Unavailable("refused".into())
}

#[tokio::test]
async fn a_slow_store_is_a_store() {
    let rig = Rig::new();
    rig.hand.answer_with(|_| ok("one"));
    rig.get(POSTS).await.says("larder; fwd=uri-miss; stored", "one");
    rig.get(POSTS).await.says("larder; hit; ttl=90", "one");
    rig.is_at_rest("after a hit");
}

#[tokio::test]
async fn what_landed_between_a_lookup_and_its_flight_is_not_fetched_again() {
    let rig = Rig::new();
    rig.hand.answer_with(|_| ok("one"));
    let mut late = pin!(rig.call(Request::get(POSTS)));
    for _ in 0..2 {
        assert!(poll_once(late.as_mut()).await.is_none(), "it has looked, and knows nothing of it yet");
    }
    rig.get(POSTS).await.says("larder; fwd=uri-miss; stored", "one");
    read(late.await).await.says("larder; hit; ttl=90", "one");
    rig.settle().await;
    rig.is_at_rest("after the late one");
}

#[tokio::test]
async fn a_lookup_that_fails_is_a_miss_that_says_so() {
    for (error, token) in
        [(StoreError::Timeout, "store-timeout"), (unavailable(), "store-error"), (StoreError::Garbage, "store-garbage")]
    {
        let rig = Rig::new();
        rig.hand.answer_with(|_| ok("one"));
        rig.store.fail(Op::Get, error.clone());
        for _ in 0..2 {
            rig.get(POSTS).await.says(&format!("larder; fwd=uri-miss; stored; detail={token}"), "one");
        }
        assert_eq!((rig.why(token), rig.cache.stats().total().misses), (2, 2));
        rig.store.mend(Op::Get);
        rig.get(POSTS).await.says("larder; hit; ttl=90", "one");

        let strict = Rig::with(|rule| rule, OnStoreError::Error);
        strict.store.fail(Op::Get, error);
        let refused = strict.get(POSTS).await;
        assert_eq!(refused.status, 502);
        refused.says(
            &format!("larder; detail={token}"),
            &format!("{{\"error\":\"the shared store failed\",\"reason\":\"{token}\"}}\n"),
        );
        assert_eq!((strict.hand.calls(), strict.why(token)), (0, 1));
        strict.is_at_rest(token);
    }
}

#[tokio::test]
async fn without_a_lease_the_fetch_is_shared_and_nothing_is_stored() {
    for (error, token) in
        [(StoreError::Garbage, "store-garbage"), (unavailable(), "store-error"), (StoreError::Timeout, "store-timeout")]
    {
        let mut rig = Rig::new();
        rig.store.fail(Op::Lease, error);
        let (leader, follower) = (rig.begin(Request::get(POSTS)), rig.begin(Request::get(POSTS)));
        let held = rig.hand.next().await;
        rig.settle().await;
        held.answer(ok("one"));
        leader.await.unwrap().says(&format!("larder; fwd=uri-miss; detail={token}"), "one");
        follower.await.unwrap().says("larder; fwd=uri-miss; collapsed", "one");
        assert_eq!((rig.hand.calls(), rig.store.calls(Op::Put), rig.why(token)), (1, 0, 1));
        rig.is_at_rest(token);
        rig.hand.answer_with(|_| ok("two"));
        rig.get(POSTS).await.says(&format!("larder; fwd=uri-miss; detail={token}"), "two");
    }
}

#[tokio::test]
async fn nobody_waits_for_the_put_and_the_flight_can_be_joined_until_it_answers() {
    let rig = Rig::new();
    rig.hand.answer_with(|_| ok("one"));
    rig.store.hold(Op::Put);
    rig.get(POSTS).await.says("larder; fwd=uri-miss; stored", "one");
    assert_eq!(rig.cache.in_flight(), 1);
    rig.get(POSTS).await.says("larder; fwd=uri-miss; collapsed", "one");
    rig.store.mend(Op::Put);
    rig.settle().await;
    rig.is_at_rest("after the put");
    rig.get(POSTS).await.says("larder; hit; ttl=90", "one");
    assert_eq!(rig.hand.calls(), 1);
}

#[tokio::test]
async fn a_freshened_response_can_be_joined_until_it_is_stored() {
    let rig = Rig::new();
    rig.hand.answer_with(|_| with("one", &[("etag", "\"1\"")]));
    rig.get(POSTS).await;
    rig.clock.advance(Duration::from_secs(100));
    rig.hand.answer_with(|_| status(304));
    rig.store.hold(Op::Put);
    rig.get(POSTS).await.says("larder; fwd=stale; fwd-status=304", "one");
    rig.get(POSTS).await.says("larder; fwd=stale; fwd-status=304; collapsed", "one");
    rig.store.mend(Op::Put);
    rig.settle().await;
    rig.is_at_rest("after the put");
    rig.get(POSTS).await.says("larder; hit; ttl=90", "one");
    assert_eq!(rig.hand.calls(), 2);
}

#[tokio::test]
async fn a_put_that_fails_costs_nobody_anything() {
    for (error, token) in [(StoreError::Timeout, "store-timeout"), (unavailable(), "store-error")] {
        let rig = Rig::new();
        rig.hand.answer_with(|_| ok("one"));
        rig.store.fail(Op::Put, error);
        rig.get(POSTS).await.says("larder; fwd=uri-miss; stored", "one");
        assert_eq!((rig.why(token), rig.cache.in_flight()), (1, 0));
        rig.get(POSTS).await.says("larder; fwd=uri-miss; stored", "one");
    }
}

#[tokio::test]
async fn an_unused_lease_is_given_back_once() {
    let small = |rule: Rule| {
        let options = Options { max_body: 4, ..rule.policy().clone() };
        rule.options(options)
    };
    type Play = fn(Held);
    let plays: [(&str, Play); 5] = [
        ("uncacheable", |held| held.answer(with("one", &[("cache-control", "no-store")]))),
        ("a failure", |held| held.answer(status(500))),
        ("broken", |held| {
            let tap = held.stream(Response::new(()));
            tap.send("a");
            tap.fail();
        }),
        ("too large", |held| {
            let tap = held.stream(Response::new(()));
            ["abc", "def", "ghi"].iter().for_each(|piece| tap.send(piece));
        }),
        ("panic", Held::panic),
    ];
    for (what, play) in plays {
        let mut rig = Rig::with(small, OnStoreError::Bypass);
        let waiting = rig.begin(Request::get(POSTS));
        let held = rig.hand.next().await;
        assert_eq!(rig.store.leased(), 1, "{what}");
        play(held);
        let _ = waiting.await;
        rig.settle().await;
        assert_eq!((rig.store.calls(Op::Release), rig.store.calls(Op::Put)), (1, 0), "{what}");
        rig.is_at_rest(what);
    }
    let mut rig = Rig::new();
    let waiting = rig.begin(Request::get(POSTS));
    let _held = rig.hand.next().await;
    waiting.abort();
    rig.settle().await;
    assert_eq!(rig.store.calls(Op::Release), 1);
    rig.is_at_rest("abandoned");
}

#[tokio::test]
async fn a_lease_granted_to_nobody_is_given_back() {
    let rig = Rig::new();
    rig.store.hold(Op::Lease);
    let waiting = rig.begin(Request::get(POSTS));
    rig.settle().await;
    waiting.abort();
    rig.settle().await;
    assert_eq!((rig.store.calls(Op::Lease), rig.cache.in_flight()), (1, 0));
    rig.store.mend(Op::Lease);
    rig.settle().await;
    assert_eq!(rig.store.calls(Op::Release), 1);
    rig.is_at_rest("after the grant");
}

/// A store promises to answer in time. One that does not holds up the request that asked it, and nobody for longer than
/// `coalesce_wait`.
#[tokio::test(start_paused = true)]
async fn a_store_that_never_grants_the_lease_holds_followers_no_longer_than_they_wait() {
    let rig = Rig::with(|rule| rule.coalesce_wait(Duration::from_millis(300)), OnStoreError::Bypass);
    rig.hand.answer_with(|_| ok("own"));
    rig.store.hold(Op::Lease);
    let leader = rig.begin(Request::get(POSTS));
    rig.settle().await;
    let follower = rig.begin(Request::get(POSTS));
    rig.settle().await;
    tokio::time::advance(Duration::from_millis(299)).await;
    rig.settle().await;
    assert_eq!(rig.store.calls(Op::Lease), 1);
    tokio::time::advance(Duration::from_millis(2)).await;
    rig.settle().await;
    assert_eq!(rig.store.calls(Op::Lease), 2);
    rig.store.mend(Op::Lease);
    follower.await.unwrap().says("larder; fwd=uri-miss; detail=coalesce-timeout", "own");
    leader.await.unwrap().says("larder; fwd=uri-miss; stored", "own");
}

#[tokio::test]
async fn a_varied_key_takes_a_second_read() {
    let rig = Rig::new();
    rig.hand.answer_with(|_| with("one", &[("vary", "accept-language")]));
    rig.get(POSTS).await.says("larder; fwd=uri-miss; stored", "one");
    rig.get(POSTS).await.says("larder; hit; ttl=90", "one");
    assert_eq!((rig.store.calls(Op::Get), rig.store.calls(Op::GetVariant)), (2, 1));
    rig.store.fail(Op::GetVariant, StoreError::Timeout);
    rig.get(POSTS).await.says("larder; fwd=uri-miss; stored; detail=store-timeout", "one");
    rig.store.mend(Op::GetVariant);
    let french = rig.call(Request::get(POSTS).header("accept-language", "fr")).await;
    read(french).await.says("larder; fwd=vary-miss; stored", "one");
}

#[tokio::test]
async fn an_invalidation_before_the_upstream_is_asked_lets_the_answer_be_new() {
    for moment in [Op::Get, Op::Lease] {
        let rig = Rig::new();
        rig.hand.answer_with(|_| ok("new"));
        rig.store.hold(moment);
        let early = rig.begin(Request::get(POSTS));
        rig.settle().await;
        rig.cache.invalidate(&Selector::All).await.unwrap();
        assert_eq!(rig.hand.calls(), 0);
        rig.store.mend(moment);
        assert_eq!(early.await.unwrap().body, "new");
        rig.settle().await;
        assert_eq!(rig.get(POSTS).await.body, "new", "{moment:?}");
        rig.is_at_rest(&format!("{moment:?}"));
    }
}

#[tokio::test]
async fn an_invalidation_during_the_put_refuses_it() {
    for selector in [Selector::All, Selector::Key(Key::parse("GET:/api/posts/").unwrap())] {
        let rig = Rig::new();
        rig.hand.answer_with(|_| ok("old"));
        rig.store.hold(Op::Put);
        rig.get(POSTS).await.says("larder; fwd=uri-miss; stored", "old");
        rig.cache.invalidate(&selector).await.unwrap();
        rig.hand.answer_with(|_| ok("new"));
        let late = rig.begin(Request::get(POSTS));
        rig.settle().await;
        rig.store.mend(Op::Put);
        late.await.unwrap().says("larder; fwd=uri-miss; stored", "new");
        rig.settle().await;
        rig.get(POSTS).await.says("larder; hit; ttl=90", "new");
        assert_eq!(rig.why("invalidated"), 1);
        rig.is_at_rest("after the put");
    }
}

#[tokio::test]
async fn a_fetch_under_way_is_neither_joined_nor_stored_after_an_invalidation() {
    let mut rig = Rig::new();
    let early = rig.begin(Request::get(POSTS));
    let held = rig.hand.next().await;
    rig.cache.invalidate(&Selector::Tag(Tag::new("posts"))).await.unwrap();
    let late = rig.begin(Request::get(POSTS));
    let second = rig.hand.next().await;
    held.answer(ok("old"));
    early.await.unwrap().says("larder; fwd=uri-miss; detail=invalidated", "old");
    second.answer(ok("new"));
    late.await.unwrap().says("larder; fwd=uri-miss; stored", "new");
    rig.settle().await;
    rig.get(POSTS).await.says("larder; hit; ttl=90", "new");
}

/// What was read before an invalidation must not come back by being found still good, or for want of anything better.
#[tokio::test]
async fn what_was_cleared_after_the_lookup_is_neither_freshened_nor_served_for_an_error() {
    let patient = |rule: Rule| {
        let options = Options { stale_if_error: Duration::from_secs(600), ..rule.policy().clone() };
        rule.options(options)
    };
    let rig = Rig::with(patient, OnStoreError::Bypass);
    rig.hand.answer_with(|_| with("old", &[("etag", "\"1\"")]));
    rig.get(POSTS).await;
    rig.clock.advance(Duration::from_secs(100));

    // The lookup of the early request has taken effect, and finds the stale response; its answer is on the way.
    let mut early = Box::pin(rig.call(Request::get(POSTS)));
    for _ in 0..2 {
        assert!(poll_once(early.as_mut()).await.is_none());
    }
    assert_eq!(rig.cache.in_flight(), 0);
    rig.cache.invalidate(&Selector::All).await.unwrap();

    rig.hand.answer_with(|request| {
        assert!(!request.headers.contains_key("if-none-match"), "there is nothing left to validate");
        status(500)
    });
    let late = rig.begin(Request::get(POSTS));
    assert_eq!(read(early.await).await.status, 500);
    assert_eq!(late.await.unwrap().status, 500);
}

#[tokio::test]
async fn what_begins_during_an_invalidation_is_cut_off_when_it_ends() {
    let mut rig = Rig::new();
    rig.store.hold(Op::Invalidate);
    let cache = rig.cache.clone();
    let clearing = tokio::spawn(async move { cache.invalidate(&Selector::All).await.unwrap() });
    rig.settle().await;
    let (one, two) = (rig.begin(Request::get(POSTS)), rig.begin(Request::get(POSTS)));
    let held = rig.hand.next().await;
    rig.settle().await;
    rig.store.mend(Op::Invalidate);
    clearing.await.unwrap();
    let late = rig.begin(Request::get(POSTS));
    rig.hand.next().await.answer(ok("new"));
    held.answer(ok("old"));
    // They came meanwhile: they share, and nobody else does.
    assert_eq!((one.await.unwrap().body, two.await.unwrap().body), ("old".into(), "old".into()));
    late.await.unwrap().says("larder; fwd=uri-miss; stored", "new");
    rig.settle().await;
    rig.get(POSTS).await.says("larder; hit; ttl=90", "new");
    assert_eq!(rig.hand.calls(), 2);
}

#[tokio::test]
async fn an_abandoned_invalidation_leaves_nothing_behind() {
    let rig = Rig::new();
    rig.store.hold(Op::Invalidate);
    let cache = rig.cache.clone();
    let clearing = tokio::spawn(async move { cache.invalidate(&Selector::All).await });
    rig.settle().await;
    clearing.abort();
    rig.settle().await;
    rig.hand.answer_with(|_| ok("one"));
    rig.get(POSTS).await;
    rig.get(POSTS).await.says("larder; hit; ttl=90", "one");
}

#[tokio::test]
async fn a_queued_invalidation_is_told_from_one_that_was_carried_out() {
    let rig = Rig::new();
    assert_eq!(rig.cache.invalidate(&Selector::All).await, Ok(Cleared::deleted(0)));
    rig.store.queue_invalidations();
    assert_eq!(rig.cache.invalidate(&Selector::All).await, Ok(Cleared::queued()));
    rig.hand.answer_with(|_| ok("done"));
    let write = read(rig.call(Request::post(POSTS)).await).await;
    assert_eq!((write.status, write.body.as_str()), (200, "done"));
    rig.store.fail(Op::Invalidate, unavailable());
    assert_eq!(rig.cache.invalidate(&Selector::All).await, Err(unavailable()));
    assert_eq!(read(rig.call(Request::post(POSTS)).await).await.status, 200);
}

async fn poll_once<T>(mut future: Pin<&mut (impl Future<Output = T> + ?Sized)>) -> Option<T> {
    poll_fn(|cx| {
        Poll::Ready(match future.as_mut().poll(cx) {
            Poll::Ready(value) => Some(value),
            Poll::Pending => None,
        })
    })
    .await
}

/// One request, its body included, as one future that is dropped where the test drops it.
async fn whole(call: impl Future<Output = Open>) -> String {
    let mut body = call.await.into_body();
    let mut text = String::new();
    while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        text.push_str(std::str::from_utf8(&frame.unwrap().into_data().unwrap_or_default()).unwrap());
    }
    text
}

/// The origin answers step by step: a head, and the body in two pieces.
async fn play(held: Held) {
    tokio::task::yield_now().await;
    let tap = held.stream(Response::builder().header("etag", "\"2\"").body(()).unwrap());
    for piece in ["on", "e"] {
        tokio::task::yield_now().await;
        tap.send(piece);
    }
    tokio::task::yield_now().await;
}

/// Plays `scene` with a request that is polled `n` times and dropped then, for every `n` until it completes; afterwards
/// nothing is left behind, and the next request works.
async fn dropped_everywhere(scene: &str, with_others: bool, leads: bool, request: fn() -> Builder, stale: bool) {
    for polls in 0.. {
        let mut rig = Rig::new();
        if stale {
            rig.hand.answer_with(|_| with("one", &[("etag", "\"1\"")]));
            rig.get(POSTS).await;
            rig.clock.advance(Duration::from_secs(100));
            rig.hand.hold();
        }
        let mut other = (with_others && !leads).then(|| rig.begin(Request::get(POSTS)));
        if other.is_some() {
            rig.settle().await;
        }
        let mut dropped = Box::pin(whole(rig.call(request())));
        let mut origin: Pin<Box<dyn Future<Output = ()>>> = Box::pin(std::future::pending());
        let mut done = false;
        for poll in 0..polls {
            if poll == 1 && with_others && leads {
                other = Some(rig.begin(Request::get(POSTS)));
            }
            if let Some(text) = poll_once(dropped.as_mut()).await {
                assert_eq!(text, "one", "{scene}");
                done = true;
                break;
            }
            if let Some(held) = rig.hand.take() {
                origin = Box::pin(play(held));
            }
            if poll_once(origin.as_mut()).await.is_some() {
                origin = Box::pin(std::future::pending());
            }
            tokio::task::yield_now().await;
        }
        drop(dropped);
        let at = format!("{scene}, dropped after {polls} polls");
        // What is left goes on by itself, as far as somebody still wants it.
        for _ in 0..300 {
            if let Some(held) = rig.hand.take() {
                origin = Box::pin(play(held));
            }
            if poll_once(origin.as_mut()).await.is_some() {
                origin = Box::pin(std::future::pending());
            }
            tokio::task::yield_now().await;
        }
        if let Some(other) = other {
            assert!(other.is_finished(), "the other request hangs: {at}");
            assert_eq!(other.await.unwrap().body, "one", "{at}");
        }
        rig.is_at_rest(&at);
        rig.hand.answer_with(|_| ok("one"));
        assert_eq!(rig.get(POSTS).await.body, "one", "{at}");
        rig.is_at_rest(&at);
        if done {
            assert!(polls > 3, "{scene} has awaits");
            return;
        }
        assert!(polls < 200, "{scene} never ends");
    }
}

#[tokio::test]
async fn a_request_alone_can_be_dropped_anywhere() {
    dropped_everywhere("alone", false, true, || Request::get(POSTS), false).await;
    dropped_everywhere("a validation", false, true, || Request::get(POSTS), true).await;
}

#[tokio::test]
async fn a_leader_can_be_dropped_anywhere() {
    dropped_everywhere("a leader", true, true, || Request::get(POSTS), false).await;
    dropped_everywhere("a validating leader", true, true, || Request::get(POSTS), true).await;
}

#[tokio::test]
async fn a_follower_can_be_dropped_anywhere() {
    dropped_everywhere("a follower", true, false, || Request::get(POSTS), false).await;
    dropped_everywhere("a validating follower", true, false, || Request::get(POSTS), true).await;
}

#[tokio::test]
async fn a_write_can_be_dropped_anywhere_and_clears_once_it_was_sent() {
    for polls in 0.. {
        let mut rig = Rig::new();
        rig.hand.answer_with(|_| ok("old"));
        rig.get(POSTS).await;
        rig.hand.hold();
        let mut write = Box::pin(rig.call(Request::post(POSTS)));
        let mut sent = false;
        let mut done = false;
        for _ in 0..polls {
            done = poll_once(write.as_mut()).await.is_some();
            if done {
                break;
            }
            tokio::task::yield_now().await;
            if let Some(held) = rig.hand.take() {
                held.answer(ok("done"));
                sent = true;
            }
        }
        drop(write);
        // The task may have yet to send it.
        rig.settle().await;
        if let Some(held) = rig.hand.take() {
            held.answer(ok("done"));
            sent = true;
        }
        rig.settle().await;
        rig.hand.answer_with(|_| ok("new"));
        let seen = rig.get(POSTS).await.body;
        assert_eq!(seen, if sent { "new" } else { "old" }, "dropped after {polls} polls");
        rig.is_at_rest("after a write");
        if done {
            return;
        }
        assert!(polls < 100);
    }
}

//! Who shares a fetch, for how long, and what each of them gets; and what the cache says and counts on every path.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test that cannot go on fails"
)]

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::request::Builder;
use http::{HeaderMap, Request, Response};
use http_body_util::BodyExt as _;
use larder::cache::{Body, Cache, CacheService};
use larder::clock::{Clock, Timestamp};
use larder::policy::{ClientCacheControl, Options};
use larder::route::{Rule, Table};
use larder::store::MemoryStore;
use tower::{Layer as _, ServiceExt as _};

#[path = "rig/inner.rs"]
mod inner;
use inner::{Empty, Hand, Inner, Stream, ok, status, with};

const POSTS: &str = "/api/posts/";

struct Rig {
    cache: Cache,
    clock: Clock,
    service: CacheService<Inner>,
    hand: Hand,
}

#[derive(Debug)]
struct Answer {
    status: u16,
    headers: HeaderMap,
    trailers: Option<HeaderMap>,
    body: String,
}

type Open = Response<Body<Stream, Infallible>>;
type Waiting = tokio::task::JoinHandle<Answer>;

impl Rig {
    fn new() -> Self {
        Self::with(|_| {})
    }

    fn with(change: impl FnOnce(&mut Options)) -> Self {
        let posts = Rule::new(POSTS).unwrap().ttl(Duration::from_secs(90));
        let mut options = posts.policy().clone();
        change(&mut options);
        let table = Table::builder().route(posts.options(options)).build().unwrap();
        let clock = Clock::manual(Timestamp::from_secs(1_800_000_000));
        let store = MemoryStore::with_clock(8 << 20, clock.clone());
        let cache = Cache::builder(table, store).clock(clock.clone()).build();
        let (inner, hand) = inner::inner();
        Self { service: cache.layer().layer(inner), cache, clock, hand }
    }

    async fn open(&self, request: Builder) -> Open {
        self.service.clone().oneshot(request.body(Empty::new()).unwrap()).await.unwrap()
    }

    async fn send(&self, request: Builder) -> Answer {
        read(self.open(request).await).await
    }

    async fn get(&self) -> Answer {
        self.send(Request::get(POSTS)).await
    }

    /// Sends a request that is expected to wait.
    fn begin(&self, request: Builder) -> Waiting {
        let call = self.service.clone().oneshot(request.body(Empty::new()).unwrap());
        tokio::spawn(async move { read(call.await.unwrap()).await })
    }

    async fn settle(&self) {
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
    }

    fn counts(&self) -> (u64, u64, u64) {
        let stats = self.cache.stats();
        (stats.total().hits, stats.total().misses, stats.bypasses())
    }
}

async fn read(response: Open) -> Answer {
    let (parts, body) = response.into_parts();
    let (status, headers) = (parts.status.as_u16(), parts.headers);
    match body.collect().await {
        Ok(body) => {
            let trailers = body.trailers().cloned();
            let body = String::from_utf8_lossy(&body.to_bytes()).into_owned();
            Answer { status, headers, trailers, body }
        }
        Err(error) => Answer { status, headers, trailers: None, body: format!("<{error}>") },
    }
}

impl Answer {
    fn field(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    #[track_caller]
    fn says(&self, cache_status: &str, body: &str) {
        assert_eq!((self.field("cache-status"), self.body.as_str()), (cache_status, body), "{}", self.status);
    }
}

#[tokio::test]
async fn a_panic_is_the_leaders_and_the_others_ask_for_themselves() {
    let mut rig = Rig::new();
    let leader = rig.begin(Request::get(POSTS));
    let held = rig.hand.next().await;
    let followers = [rig.begin(Request::get(POSTS)), rig.begin(Request::get(POSTS))];
    rig.settle().await;
    held.panic();
    for _ in 0..2 {
        rig.hand.next().await.answer(ok("one"));
    }
    for follower in followers {
        follower.await.unwrap().says("larder; fwd=uri-miss; stored; detail=leader-failed", "one");
    }
    assert!(leader.await.unwrap_err().is_panic());
    assert_eq!(rig.cache.in_flight(), 0);
    rig.get().await.says("larder; hit; ttl=90", "one");
}

#[tokio::test]
async fn a_body_that_panics_breaks_for_everybody_and_hangs_for_nobody() {
    let mut rig = Rig::new();
    let leader = rig.begin(Request::get(POSTS));
    let tap = rig.hand.next().await.stream(Response::new(()));
    let follower = rig.begin(Request::get(POSTS));
    tap.send("a");
    rig.settle().await;
    tap.panic();
    for reader in [leader, follower] {
        assert!(reader.await.unwrap().body.starts_with('<'));
    }
    assert_eq!(rig.cache.in_flight(), 0);
    rig.hand.answer_with(|_| ok("whole"));
    rig.get().await.says("larder; fwd=uri-miss; stored", "whole");
}

#[tokio::test]
async fn a_fetch_that_is_over_is_not_joined_whoever_still_reads_it() {
    let rig = Rig::new();
    rig.hand.answer_with(|_| ok("one"));
    let slow = rig.open(Request::get(POSTS)).await;
    // Another one has driven the fetch to its end.
    let mut fast = rig.open(Request::get(POSTS)).await;
    while fast.body_mut().frame().await.is_some() {}
    assert_eq!(rig.cache.in_flight(), 1);
    rig.clock.advance(Duration::from_secs(100));
    rig.hand.answer_with(|_| ok("two"));
    rig.get().await.says("larder; fwd=stale; stored", "two");
    assert_eq!(read(slow).await.body, "one");
}

#[tokio::test]
async fn a_fetch_that_outlives_its_freshness_is_not_joined() {
    let mut rig = Rig::new();
    let early = rig.begin(Request::get(POSTS));
    let tap = rig.hand.next().await.stream(Response::new(()));
    tap.send("old");
    rig.settle().await;
    rig.clock.advance(Duration::from_secs(90));
    let late = rig.begin(Request::get(POSTS));
    rig.hand.next().await.answer(ok("new"));
    late.await.unwrap().says("larder; fwd=uri-miss; stored; detail=leader-uncacheable", "new");
    drop(tap);
    early.await.unwrap().says("larder; fwd=uri-miss; stored", "old");
}

#[tokio::test]
async fn what_is_validated_before_every_use_is_shared_with_nobody() {
    let mut rig = Rig::new();
    let fields = [("cache-control", "no-cache"), ("etag", "\"1\"")];
    let (one, two) = (rig.begin(Request::get(POSTS)), rig.begin(Request::get(POSTS)));
    let held = rig.hand.next().await;
    rig.settle().await;
    held.answer(with("one", &fields));
    rig.hand.next().await.answer(with("two", &fields));
    assert_eq!((one.await.unwrap().body, two.await.unwrap().body), ("one".into(), "two".into()));
    // Nor are those who validate it queued behind one another.
    let waiting = [rig.begin(Request::get(POSTS)), rig.begin(Request::get(POSTS))];
    let (first, second) = (rig.hand.next().await, rig.hand.next().await);
    for held in [first, second] {
        let mut answer = status(304);
        answer.headers_mut().insert("etag", "\"1\"".parse().unwrap());
        held.answer(answer);
    }
    for answer in waiting {
        answer.await.unwrap().says("larder; fwd=stale; fwd-status=304; detail=must-validate", "two");
    }
}

#[tokio::test]
async fn a_followers_answer_has_an_age() {
    let mut rig = Rig::new();
    let leader = rig.begin(Request::get(POSTS));
    let head = Response::builder().header("age", "20").header("set-cookie2", "x").body(()).unwrap();
    let tap = rig.hand.next().await.stream(head);
    tap.send("one");
    rig.settle().await;
    rig.clock.advance(Duration::from_secs(5));
    let follower = rig.begin(Request::get(POSTS));
    rig.settle().await;
    drop(tap);
    assert_eq!(leader.await.unwrap().field("age"), "20");
    let follower = follower.await.unwrap();
    follower.says("larder; fwd=uri-miss; collapsed", "one");
    assert_eq!(follower.field("age"), "25");
}

#[tokio::test]
async fn a_body_of_the_announced_length_is_stored_though_nobody_asks_for_its_end() {
    let mut rig = Rig::new();
    let open = tokio::spawn({
        let call = rig.service.clone().oneshot(Request::get(POSTS).body(Empty::new()).unwrap());
        async move { call.await.unwrap() }
    });
    let head = Response::builder().header("content-length", "5").body(()).unwrap();
    let tap = rig.hand.next().await.stream(head);
    let mut open = open.await.unwrap();
    for piece in ["on", "e!!"] {
        tap.send(piece);
        assert_eq!(open.body_mut().frame().await.unwrap().unwrap().into_data().unwrap(), piece);
    }
    // A server that has sent five bytes lets go of the body.
    drop(open);
    assert!(rig.hand.take().is_none());
    rig.get().await.says("larder; hit; ttl=90", "one!!");
    assert_eq!(rig.cache.in_flight(), 0);
}

#[tokio::test]
async fn trailers_reach_everybody_and_are_not_stored() {
    let mut rig = Rig::new();
    for length in [None, Some("3")] {
        rig.clock.advance(Duration::from_secs(100));
        let leader = rig.begin(Request::get(POSTS));
        let mut head = Response::new(());
        if let Some(length) = length {
            head.headers_mut().insert("content-length", length.parse().unwrap());
        }
        let tap = rig.hand.next().await.stream(head);
        let follower = rig.begin(Request::get(POSTS));
        rig.settle().await;
        tap.send("one");
        rig.settle().await;
        tap.trailers("x-checksum", "7");
        for reader in [leader, follower] {
            let answer = reader.await.unwrap();
            assert_eq!((answer.body.as_str(), &answer.trailers.unwrap()["x-checksum"]), ("one", &"7".parse().unwrap()));
        }
        let hit = rig.get().await;
        hit.says("larder; hit; ttl=90", "one");
        assert!(hit.trailers.is_none());
    }
}

#[tokio::test]
async fn one_that_never_reads_holds_up_neither_the_others_nor_the_fill() {
    let mut rig = Rig::new();
    let leader = rig.begin_open();
    let tap = rig.hand.next().await.stream(Response::new(()));
    let unread_leader = leader.await.unwrap();
    let unread_follower = rig.open(Request::get(POSTS)).await;
    let reading = rig.begin(Request::get(POSTS));
    for piece in ["a", "b", "c", "d"] {
        tap.send(piece);
        rig.settle().await;
    }
    drop(tap);
    reading.await.unwrap().says("larder; fwd=uri-miss; collapsed", "abcd");
    rig.get().await.says("larder; hit; ttl=90", "abcd");
    assert_eq!(read(unread_follower).await.body, "abcd");
    assert_eq!(read(unread_leader).await.body, "abcd");
}

impl Rig {
    fn begin_open(&self) -> tokio::task::JoinHandle<Open> {
        let call = self.service.clone().oneshot(Request::get(POSTS).body(Empty::new()).unwrap());
        tokio::spawn(async move { call.await.unwrap() })
    }
}

/// A chunk that is counted as long as somebody holds it.
struct Counted(Vec<u8>, Arc<AtomicUsize>);

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.1.fetch_sub(self.0.len(), Ordering::SeqCst);
    }
}

#[tokio::test]
async fn past_max_body_a_fill_holds_no_more_than_that() {
    const MAX: usize = 10_000;
    let mut rig = Rig::with(|options| options.max_body = MAX as u64);
    let leader = rig.begin_open();
    let tap = rig.hand.next().await.stream(Response::new(()));
    let mut leader = leader.await.unwrap();
    let unread = rig.open(Request::get(POSTS)).await;
    let held = Arc::<AtomicUsize>::default();
    for _ in 0..100 {
        held.fetch_add(1000, Ordering::SeqCst);
        tap.send_bytes(Bytes::from_owner(Counted(vec![0; 1000], held.clone())));
        assert_eq!(leader.body_mut().frame().await.unwrap().unwrap().into_data().unwrap().len(), 1000);
        assert!(held.load(Ordering::SeqCst) <= MAX);
    }
    drop(unread);
    tap.send("x");
    leader.body_mut().frame().await.unwrap().unwrap();
    assert!(held.load(Ordering::SeqCst) <= 1000, "what everybody has had is let go of");
    // Nobody joins what can no longer be read from its beginning.
    let late = rig.begin(Request::get(POSTS));
    rig.hand.next().await.answer(ok("own"));
    late.await.unwrap().says("larder; fwd=uri-miss; stored", "own");
}

#[tokio::test]
async fn extensions_go_both_ways() {
    #[derive(Clone, Debug, PartialEq)]
    struct Mark(u8);
    let rig = Rig::new();
    rig.hand.answer_with(|request| {
        assert_eq!(request.extensions.get(), Some(&Mark(1)));
        let mut answer = ok("one");
        answer.extensions_mut().insert(Mark(2));
        answer
    });
    let mut request = Request::get(POSTS).body(Empty::new()).unwrap();
    request.extensions_mut().insert(Mark(1));
    let answer = rig.service.clone().oneshot(request).await.unwrap();
    assert_eq!(answer.extensions().get(), Some(&Mark(2)));
}

#[tokio::test]
async fn a_stale_response_is_refreshed_once_however_many_are_served_it() {
    let mut rig = Rig::with(|options| options.stale_while_revalidate = Duration::from_secs(60));
    rig.hand.answer_with(|_| ok("old"));
    rig.get().await;
    rig.hand.hold();
    rig.clock.advance(Duration::from_secs(100));
    for _ in 0..10 {
        rig.get().await.says("larder; hit; ttl=-10; detail=stale-while-revalidate", "old");
    }
    rig.hand.next().await.answer(ok("new"));
    rig.settle().await;
    assert!(rig.hand.take().is_none());
    rig.get().await.says("larder; hit; ttl=90", "new");
    assert_eq!((rig.hand.calls(), rig.counts()), (2, (11, 1, 0)));
}

#[tokio::test]
async fn credentials_of_one_do_not_undo_the_sharing_of_others() {
    let mut rig = Rig::new();
    rig.hand.answer_with(|_| ok("one"));
    rig.send(Request::get(POSTS).header("authorization", "x"))
        .await
        .says("larder; fwd=bypass; detail=authorization", "one");
    rig.hand.hold();
    let waiting = [rig.begin(Request::get(POSTS)), rig.begin(Request::get(POSTS))];
    let held = rig.hand.next().await;
    rig.settle().await;
    assert!(rig.hand.take().is_none(), "they share");
    held.answer(ok("two"));
    for answer in waiting {
        assert_eq!(answer.await.unwrap().body, "two");
    }
}

#[tokio::test]
async fn a_client_that_is_obeyed_neither_joins_nor_leads_others() {
    let mut rig = Rig::with(|options| options.client_cache_control = ClientCacheControl::Honor);
    let _first = rig.begin(Request::get(POSTS));
    let _held = rig.hand.next().await;
    let asked = rig.begin(Request::get(POSTS).header("cache-control", "no-cache"));
    rig.hand.next().await.answer(ok("its own"));
    assert_eq!(asked.await.unwrap().body, "its own");
    let refused = rig.send(Request::get("/api/posts/?b").header("cache-control", "only-if-cached")).await;
    assert_eq!(refused.status, 504);
    assert_eq!(refused.field("cache-status"), "larder; detail=only-if-cached");
}

#[tokio::test]
async fn every_answered_lookup_is_counted_once() {
    let rig = Rig::with(|options| options.stale_if_error = Duration::from_secs(600));
    let fresh = |_: &http::request::Parts| with("one", &[("etag", "\"1\"")]);
    rig.hand.answer_with(fresh);
    let head = || Request::head(POSTS);
    let mut expected = (0, 0, 0);
    let mut step = |what: &str, change: (u64, u64, u64)| {
        expected = (expected.0 + change.0, expected.1 + change.1, expected.2 + change.2);
        assert_eq!(rig.counts(), expected, "{what}");
    };
    rig.send(head()).await;
    step("a HEAD that misses", (0, 1, 0));
    rig.send(Request::get(POSTS).header("range", "bytes=0-1")).await;
    step("a part that misses", (0, 1, 0));
    rig.get().await;
    step("a miss", (0, 1, 0));
    rig.get().await;
    rig.send(head()).await;
    rig.send(Request::get(POSTS).header("range", "bytes=0-1")).await;
    rig.send(Request::get(POSTS).header("if-none-match", "\"1\"")).await;
    step("hits", (4, 0, 0));
    rig.send(Request::get("/api/posts/?nocache=1")).await;
    rig.send(Request::get(POSTS).header("authorization", "x")).await;
    step("bypasses", (0, 0, 2));
    rig.clock.advance(Duration::from_secs(100));
    rig.hand.answer_with(|_| status(500));
    rig.get().await;
    step("stale for an error", (1, 0, 0));
    rig.hand.answer_with(|_| status(304));
    rig.get().await;
    step("validated", (0, 1, 0));
    rig.hand.answer_with(|_| with("mine", &[("cache-control", "private")]));
    rig.send(Request::get("/api/posts/?b")).await;
    step("uncacheable", (0, 1, 0));
    rig.send(Request::post(POSTS)).await;
    rig.send(Request::get("/elsewhere")).await;
    step("what is no lookup", (0, 0, 0));
}

#[tokio::test]
async fn what_a_request_asks_of_a_stale_response_is_answered_from_the_freshened_one() {
    let aged = || async {
        let rig = Rig::new();
        rig.hand.answer_with(|_| with("0123456789", &[("etag", "\"1\"")]));
        rig.get().await;
        rig.clock.advance(Duration::from_secs(100));
        rig.hand.answer_with(|request| {
            assert_eq!(request.headers["if-none-match"], "\"1\"");
            assert!(!request.headers.contains_key("range"));
            status(304)
        });
        rig
    };
    let part = aged().await.send(Request::get(POSTS).header("range", "bytes=2-4")).await;
    assert_eq!(part.status, 206);
    part.says("larder; fwd=stale; fwd-status=304", "234");
    let conditional = aged().await.send(Request::get(POSTS).header("if-none-match", "\"1\"")).await;
    assert_eq!(conditional.status, 304);
    conditional.says("larder; fwd=stale; fwd-status=304", "");
    assert_eq!((conditional.field("x-cache"), conditional.field("age")), ("REVALIDATED", "0"));

    let rig = aged().await;
    rig.hand.answer_with(|request| {
        assert_eq!(request.method, "HEAD");
        ok("")
    });
    rig.send(Request::head(POSTS)).await.says("larder; fwd=stale; detail=head", "");
}

#[tokio::test]
async fn the_origin_confirms_what_is_for_one_client_alone() {
    let rig = Rig::new();
    rig.hand.answer_with(|request| match request.headers.get("if-none-match") {
        Some(_) => status(304),
        None => with("mine", &[("cache-control", "private"), ("etag", "\"1\"")]),
    });
    rig.get().await.says("larder; fwd=uri-miss; detail=private", "mine");
    let confirmed = rig.send(Request::get(POSTS).header("if-none-match", "\"1\"")).await;
    assert_eq!(confirmed.status, 304);
    confirmed.says("larder; fwd=uri-miss", "");
    assert_eq!(rig.counts(), (0, 2, 0));
}

#[tokio::test]
async fn a_refused_path_says_why() {
    let rig = Rig::new();
    let table = Table::builder().route(Rule::new("/api/{id}").unwrap().ttl(Duration::from_secs(9))).build().unwrap();
    rig.cache.replace_table(table);
    let refused = rig.send(Request::get("/api/a%5cb")).await;
    assert_eq!((refused.status, refused.field("x-cache")), (400, "BYPASS"));
    refused.says("larder; detail=bad-path", "{\"error\":\"the path contains a backslash\",\"reason\":\"bad-path\"}\n");
    assert_eq!(rig.cache.stats().reasons()["bad-path"], 1);
}

#[tokio::test]
async fn an_upgrade_passes_untouched() {
    let rig = Rig::new();
    rig.hand.answer_with(|_| status(101));
    let upgrade = Request::get(POSTS).header("connection", "upgrade").header("upgrade", "websocket");
    let answer = rig.open(upgrade).await;
    assert_eq!((answer.status().as_u16(), answer.headers().len()), (101, 0));
}

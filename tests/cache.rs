//! The middleware over the memory store, with the inner service's answers in the test's hand and a clock that is moved.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test that cannot go on fails"
)]

use std::time::Duration;

use http::{HeaderMap, Request, Response};
use http_body_util::BodyExt as _;
use larder::cache::{Body, Cache};
use larder::clock::{Clock, Timestamp};
use larder::invalidation::Selector;
use larder::key::Key;
use larder::policy::Options;
use larder::route::{Coalesce, Rule, Table};
use larder::store::MemoryStore;
use tower::{Layer as _, Service as _, ServiceExt as _};

#[path = "rig/inner.rs"]
mod inner;
use inner::{Empty, Hand, Inner, Stream, ok, status, with};

struct Rig {
    cache: Cache,
    clock: Clock,
    service: larder::cache::CacheService<Inner>,
    hand: Hand,
}

struct Answer {
    status: u16,
    headers: HeaderMap,
    body: String,
}

type Waiting = tokio::task::JoinHandle<Answer>;
type Open = Response<Body<Stream, std::convert::Infallible>>;

impl Rig {
    fn new() -> Self {
        Self::with(|rule| rule)
    }

    /// Users for 120 s, posts for 90 s, as in the example; `change` may alter the rule for posts.
    fn with(change: impl FnOnce(Rule) -> Rule) -> Self {
        let users = Rule::new("/api/users/{id}").unwrap().ttl(Duration::from_secs(120));
        let users = users.tag("user:{id}").unwrap().invalidates("PUT", ["GET:/api/users/{id}"]).unwrap();
        let posts = Rule::new("/api/posts/").unwrap().ttl(Duration::from_secs(90));
        let posts = posts.invalidates("POST", ["GET:/api/posts/"]).unwrap();
        let table = Table::builder().route(users).route(change(posts)).build().unwrap();
        let clock = Clock::manual(Timestamp::from_secs(1_800_000_000));
        let store = MemoryStore::with_clock(8 << 20, clock.clone());
        let cache = Cache::builder(table, store).clock(clock.clone()).build();
        let (inner, hand) = inner::inner();
        Self { service: cache.layer().layer(inner), cache, clock, hand }
    }

    async fn send(&self, request: http::request::Builder) -> Answer {
        read(self.open(request).await).await
    }

    async fn open(&self, request: http::request::Builder) -> Open {
        self.service.clone().oneshot(request.body(Empty::new()).unwrap()).await.unwrap()
    }

    async fn get(&self, path: &str) -> Answer {
        self.send(Request::get(path)).await
    }

    /// Sends a request that is expected to wait.
    fn begin(&self, path: &str) -> Waiting {
        let (mut service, request) = (self.service.clone(), Request::get(path).body(Empty::new()).unwrap());
        tokio::spawn(async move { read(service.ready().await.unwrap().call(request).await.unwrap()).await })
    }

    /// Lets every request that was begun come as far as it can.
    async fn settle(&self) {
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
    }

    async fn clear(&self, key: &str) -> u64 {
        self.cache.invalidate(&Selector::Key(Key::parse(key).unwrap())).await.unwrap().deleted
    }
}

async fn read(response: Open) -> Answer {
    let (parts, body) = response.into_parts();
    let body = body.collect().await.map_or_else(|_| "<broken>".into(), |body| body.to_bytes());
    Answer { status: parts.status.as_u16(), headers: parts.headers, body: String::from_utf8_lossy(&body).into_owned() }
}

impl Answer {
    fn says(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    #[track_caller]
    fn is(&self, word: &str, body: &str) -> &Self {
        let seen = (self.says("x-cache"), self.body.as_str());
        assert_eq!(seen, (word, body), "{}: {}", self.status, self.says("cache-status"));
        self
    }

    #[track_caller]
    fn because(&self, status: &str) -> &Self {
        assert_eq!(self.says("cache-status"), status);
        self
    }
}

#[tokio::test]
async fn a_miss_is_stored_and_hit_until_it_expires() {
    let rig = Rig::new();
    rig.hand.answer_with(|_| with("one", &[("content-type", "text/plain")]));
    rig.get("/api/posts/").await.is("MISS", "one").because("larder; fwd=uri-miss; stored");
    rig.clock.advance(Duration::from_secs(3));
    let hit = rig.get("/api/posts/").await;
    hit.is("HIT", "one").because("larder; hit; ttl=87");
    assert_eq!((hit.says("age"), hit.says("content-type")), ("3", "text/plain"));
    rig.clock.advance(Duration::from_secs(87));
    rig.hand.answer_with(|_| ok("two"));
    rig.get("/api/posts/").await.is("MISS", "two");
    assert_eq!(rig.hand.calls(), 2);
}

#[tokio::test]
async fn the_bypass_parameter_neither_reads_nor_stores() {
    let rig = Rig::new();
    rig.hand.answer_with(|request| ok(&request.uri.to_string()));
    rig.get("/api/posts/?nocache=true").await.is("BYPASS", "/api/posts/").because("larder; fwd=bypass; detail=nocache");
    rig.get("/api/posts/?nocache=false").await.is("MISS", "/api/posts/");
    rig.get("/api/posts/").await.is("HIT", "/api/posts/");
    rig.get("/api/posts/?NOCACHE=true").await.is("MISS", "/api/posts/?NOCACHE=true");
    assert_eq!(rig.cache.stats().bypasses(), 1);
    assert_eq!((rig.cache.stats().total().hits, rig.cache.stats().total().misses), (1, 2));
}

#[tokio::test]
async fn what_is_not_200_is_not_stored() {
    let rig = Rig::new();
    for code in [404, 500, 204, 301] {
        rig.hand.answer_with(move |_| status(code));
        assert_eq!(rig.get("/api/posts/").await.status, code);
        rig.get("/api/posts/").await.because("larder; fwd=uri-miss; detail=status");
    }
}

#[tokio::test]
async fn a_write_clears_before_its_answer_is_seen() {
    let rig = Rig::new();
    rig.hand.answer_with(|_| ok("old"));
    for path in ["/api/posts/", "/api/posts/?page=2", "/api/users/7", "/api/users/8"] {
        rig.get(path).await.is("MISS", "old");
    }
    rig.hand.answer_with(|_| ok("new"));
    rig.send(Request::post("/api/posts/")).await.is("BYPASS", "new").because("larder; fwd=method");
    rig.get("/api/posts/").await.is("MISS", "new");
    rig.get("/api/posts/?page=2").await.is("MISS", "new");
    rig.get("/api/users/7").await.is("HIT", "old");
    rig.send(Request::put("/api/users/7")).await;
    rig.get("/api/users/7").await.is("MISS", "new");
    rig.get("/api/users/8").await.is("HIT", "old");
}

#[tokio::test]
async fn a_write_that_failed_clears_nothing() {
    let rig = Rig::new();
    rig.hand.answer_with(|_| ok("old"));
    rig.get("/api/users/7").await;
    for code in [400, 404, 500, 503] {
        rig.hand.answer_with(move |_| status(code));
        rig.send(Request::put("/api/users/7")).await;
        rig.get("/api/users/7").await.is("HIT", "old");
    }
}

#[tokio::test]
async fn a_write_clears_what_its_answer_names() {
    let rig = Rig::new();
    rig.hand.answer_with(|_| ok("old"));
    rig.get("/api/users/7").await;
    rig.get("/api/users/8").await;
    rig.hand.answer_with(|_| {
        with("", &[("location", "/api/users/7"), ("content-location", "http://evil.example/api/users/8")])
    });
    rig.send(Request::post("/elsewhere")).await;
    rig.hand.answer_with(|_| ok("new"));
    rig.get("/api/users/7").await.is("MISS", "new");
    rig.get("/api/users/8").await.is("HIT", "old");
}

#[tokio::test]
async fn concurrent_misses_make_one_request() {
    let mut rig = Rig::new();
    let waiting: Vec<_> = (0..100).map(|_| rig.begin("/api/posts/")).collect();
    let held = rig.hand.next().await;
    rig.settle().await;
    held.answer(ok("one"));
    let mut collapsed = 0;
    for answer in waiting {
        let answer = answer.await.unwrap();
        answer.is("MISS", "one");
        collapsed += usize::from(answer.says("cache-status").contains("collapsed"));
    }
    assert_eq!((rig.hand.calls(), collapsed), (1, 99));
    assert_eq!(rig.cache.in_flight(), 0);
}

#[tokio::test]
async fn followers_read_the_bytes_as_they_arrive() {
    let mut rig = Rig::new();
    let leader = rig.begin("/api/posts/");
    let tap = rig.hand.next().await.stream(Response::new(()));
    tap.send("a");
    let mut follower = rig.open(Request::get("/api/posts/")).await;
    assert_eq!(follower.body_mut().frame().await.unwrap().unwrap().into_data().unwrap(), "a");
    tap.send("b");
    assert_eq!(follower.body_mut().frame().await.unwrap().unwrap().into_data().unwrap(), "b");
    drop(tap);
    assert!(follower.body_mut().frame().await.is_none());
    leader.await.unwrap().is("MISS", "ab");
    rig.get("/api/posts/").await.is("HIT", "ab");
    assert_eq!(rig.hand.calls(), 1);
}

#[tokio::test]
async fn a_leader_that_leaves_holds_nobody_up() {
    let mut rig = Rig::new();
    let leader = rig.begin("/api/posts/");
    let held = rig.hand.next().await;
    let follower = rig.begin("/api/posts/");
    rig.settle().await;
    leader.abort();
    assert!(leader.await.is_err());
    held.answer(ok("one"));
    follower.await.unwrap().is("MISS", "one");
    assert_eq!(rig.hand.calls(), 1);

    // And in the middle of the body.
    let leader = rig.begin("/api/posts/?b");
    let tap = rig.hand.next().await.stream(Response::new(()));
    tap.send("a");
    let follower = rig.begin("/api/posts/?b");
    rig.settle().await;
    leader.abort();
    tap.send("b");
    drop(tap);
    follower.await.unwrap().is("MISS", "ab");
    rig.get("/api/posts/?b").await.is("HIT", "ab");
}

#[tokio::test]
async fn a_fetch_that_everybody_left_is_abandoned() {
    let mut rig = Rig::new();
    let alone = rig.begin("/api/posts/");
    let held = rig.hand.next().await;
    alone.abort();
    assert!(alone.await.is_err());
    assert!(!held.is_awaited());
    assert_eq!(rig.cache.in_flight(), 0);
}

#[tokio::test]
async fn an_uncacheable_answer_releases_the_others_at_once() {
    let mut rig = Rig::new();
    let waiting: Vec<_> = (0..3).map(|_| rig.begin("/api/posts/")).collect();
    let first = rig.hand.next().await;
    rig.settle().await;
    first.answer(with("mine", &[("cache-control", "private")]));
    // The others ask for themselves, beside one another.
    let (second, third) = (rig.hand.next().await, rig.hand.next().await);
    third.answer(with("theirs", &[("cache-control", "private")]));
    second.answer(with("theirs", &[("cache-control", "private")]));
    let mut bodies = Vec::new();
    for answer in waiting {
        bodies.push(answer.await.unwrap().body);
    }
    bodies.sort();
    assert_eq!(bodies, ["mine", "theirs", "theirs"]);
    // And who comes later is not queued behind anybody either.
    let (_a, _b) = (rig.begin("/api/posts/"), rig.begin("/api/posts/"));
    let (_one, _two) = (rig.hand.next().await, rig.hand.next().await);
}

#[tokio::test(start_paused = true)]
async fn a_follower_waits_so_long_and_then_asks_for_itself() {
    let mut rig = Rig::with(|rule| rule.coalesce_wait(Duration::from_millis(300)));
    let _leader = rig.begin("/api/posts/");
    let _stalled = rig.hand.next().await;
    let follower = rig.begin("/api/posts/");
    rig.hand.next().await.answer(ok("own"));
    follower.await.unwrap().is("MISS", "own").because("larder; fwd=uri-miss; stored; detail=coalesce-timeout");
}

#[tokio::test]
async fn without_coalescing_each_asks_for_itself() {
    let mut rig = Rig::with(|rule| rule.coalesce(Coalesce::Off));
    let (one, two) = (rig.begin("/api/posts/"), rig.begin("/api/posts/"));
    rig.hand.next().await.answer(ok("x"));
    rig.hand.next().await.answer(ok("x"));
    assert_eq!((one.await.unwrap().body, two.await.unwrap().body), ("x".into(), "x".into()));
}

#[tokio::test]
async fn an_invalidation_cannot_be_undone_by_a_fetch_in_flight() {
    let mut rig = Rig::new();
    let early = rig.begin("/api/posts/?page=2");
    let held = rig.hand.next().await;
    assert_eq!(rig.clear("GET:/api/posts/").await, 0);
    // A later request is not joined to the fetch that began before.
    let late = rig.begin("/api/posts/?page=2");
    let second = rig.hand.next().await;
    held.answer(ok("old"));
    early.await.unwrap().is("MISS", "old");
    second.answer(ok("new"));
    late.await.unwrap().is("MISS", "new");
    rig.get("/api/posts/?page=2").await.is("HIT", "new");
    assert_eq!(rig.cache.stats().reasons()["invalidated"], 1);
}

#[tokio::test]
async fn an_invalidation_in_the_middle_of_a_body_counts_too() {
    let mut rig = Rig::new();
    let early = rig.begin("/api/posts/");
    let tap = rig.hand.next().await.stream(Response::new(()));
    tap.send("old");
    rig.cache.invalidate(&Selector::All).await.unwrap();
    drop(tap);
    early.await.unwrap().is("MISS", "old");
    rig.hand.answer_with(|_| ok("new"));
    rig.get("/api/posts/").await.is("MISS", "new");
}

#[tokio::test]
async fn nothing_half_is_stored() {
    let mut rig = Rig::new();
    let broken = rig.begin("/api/posts/");
    let tap = rig.hand.next().await.stream(Response::new(()));
    tap.send("half");
    tap.fail();
    assert_eq!(broken.await.unwrap().body, "<broken>");

    let short = rig.begin("/api/posts/");
    let head = Response::builder().header("content-length", "10").body(()).unwrap();
    let tap = rig.hand.next().await.stream(head);
    tap.send("short");
    drop(tap);
    short.await.unwrap();

    rig.hand.answer_with(|_| ok("whole"));
    rig.get("/api/posts/").await.is("MISS", "whole");
    assert_eq!(rig.cache.stats().reasons()["incomplete"], 2);
}

#[tokio::test]
async fn past_max_body_the_stream_goes_on_and_nothing_is_kept() {
    let mut rig = Rig::with(|rule| {
        let options = Options { max_body: 4, ..rule.policy().clone() };
        rule.options(options)
    });
    let waiting = rig.begin("/api/posts/");
    let tap = rig.hand.next().await.stream(Response::new(()));
    for piece in ["abc", "def", "ghi"] {
        tap.send(piece);
    }
    drop(tap);
    waiting.await.unwrap().is("MISS", "abcdefghi");
    rig.hand.answer_with(|_| ok("next"));
    rig.get("/api/posts/").await.is("MISS", "next");
}

#[tokio::test]
async fn credentials_are_for_one_user_unless_the_origin_says_otherwise() {
    let rig = Rig::new();
    rig.hand.answer_with(|_| ok("mine"));
    let mine = || Request::get("/api/users/7").header("authorization", "Bearer a");
    rig.send(mine()).await.is("BYPASS", "mine").because("larder; fwd=bypass; detail=authorization");
    rig.hand.answer_with(|_| ok("everybody's"));
    rig.get("/api/users/7").await.is("MISS", "everybody's");
    rig.send(mine()).await.is("BYPASS", "everybody's");
    rig.hand.answer_with(|_| with("public", &[("cache-control", "public")]));
    rig.clear("GET:/api/users/7").await;
    rig.send(mine()).await.is("MISS", "public");
    rig.get("/api/users/7").await.is("HIT", "public");
    rig.send(mine()).await.is("HIT", "public");
}

#[tokio::test]
async fn variants_live_side_by_side_and_go_together() {
    let rig = Rig::new();
    rig.hand.answer_with(|request| {
        let language = request.headers.get("accept-language").map_or("none", |v| v.to_str().unwrap()).to_owned();
        with(&language, &[("vary", "accept-language")])
    });
    let ask = |language: &'static str| Request::get("/api/posts/").header("accept-language", language);
    rig.send(ask("de")).await.is("MISS", "de");
    rig.send(ask("fr")).await.is("MISS", "fr").because("larder; fwd=vary-miss; stored");
    rig.get("/api/posts/").await.is("MISS", "none");
    rig.send(ask("de")).await.is("HIT", "de");
    rig.send(ask("fr")).await.is("HIT", "fr");
    rig.get("/api/posts/").await.is("HIT", "none");
    assert_eq!(rig.clear("GET:/api/posts/").await, 1);
    rig.send(ask("fr")).await.is("MISS", "fr");
}

#[tokio::test]
async fn a_follower_that_selects_another_variant_asks_for_itself() {
    let mut rig = Rig::new();
    let leader = rig.begin("/api/posts/");
    let held = rig.hand.next().await;
    let mut service = rig.service.clone();
    let request = Request::get("/api/posts/").header("accept-language", "fr").body(Empty::new()).unwrap();
    let other = tokio::spawn(async move { read(service.ready().await.unwrap().call(request).await.unwrap()).await });
    rig.settle().await;
    held.answer(with("default", &[("vary", "accept-language")]));
    rig.hand.next().await.answer(with("french", &[("vary", "accept-language")]));
    leader.await.unwrap().is("MISS", "default");
    other.await.unwrap().is("MISS", "french");
}

#[tokio::test]
async fn a_clients_copy_is_confirmed_from_the_store() {
    let rig = Rig::new();
    rig.hand.answer_with(|request| {
        assert!(!request.headers.contains_key("if-none-match"), "the cache fetches the whole");
        with("one", &[("etag", "\"v1\"")])
    });
    let ask = || Request::get("/api/posts/").header("if-none-match", "\"v1\"");
    let missed = rig.send(ask()).await;
    assert_eq!((missed.status, missed.body.as_str()), (304, ""));
    // What was fetched for the answer is stored, though the client needed only its head.
    while rig.cache.in_flight() > 0 {
        tokio::task::yield_now().await;
    }
    let hit = rig.send(ask()).await;
    assert_eq!((hit.status, hit.says("x-cache"), hit.says("etag")), (304, "HIT", "\"v1\""));
    rig.get("/api/posts/").await.is("HIT", "one");
}

#[tokio::test]
async fn a_stale_response_is_validated_and_freshened() {
    let rig = Rig::new();
    rig.hand.answer_with(|_| with("one", &[("etag", "\"v1\"")]));
    rig.get("/api/posts/").await.is("MISS", "one");
    rig.clock.advance(Duration::from_secs(100));
    rig.hand.answer_with(|request| {
        assert_eq!(request.headers["if-none-match"], "\"v1\"");
        let mut answer = status(304);
        answer.headers_mut().insert("x-new", "yes".parse().unwrap());
        answer
    });
    let validated = rig.get("/api/posts/").await;
    validated.is("REVALIDATED", "one").because("larder; fwd=stale; fwd-status=304");
    assert_eq!(validated.says("x-new"), "yes");
    rig.get("/api/posts/").await.is("HIT", "one");
}

#[tokio::test]
async fn a_head_is_answered_from_a_stored_get() {
    let rig = Rig::new();
    rig.hand.answer_with(|_| ok("twelve bytes"));
    rig.send(Request::head("/api/posts/")).await.because("larder; fwd=uri-miss; detail=head");
    rig.get("/api/posts/").await;
    let head = rig.send(Request::head("/api/posts/")).await;
    assert_eq!((head.says("x-cache"), head.says("content-length"), head.body.as_str()), ("HIT", "12", ""));
}

#[tokio::test]
async fn a_part_is_cut_from_what_is_stored() {
    let rig = Rig::new();
    rig.hand.answer_with(|_| ok("0123456789"));
    rig.get("/api/posts/").await;
    let part = rig.send(Request::get("/api/posts/").header("range", "bytes=2-4")).await;
    assert_eq!((part.status, part.body.as_str(), part.says("content-range")), (206, "234", "bytes 2-4/10"));
    let none = rig.send(Request::get("/api/posts/").header("range", "bytes=20-")).await;
    assert_eq!((none.status, none.says("content-range")), (416, "bytes */10"));
}

#[tokio::test]
async fn a_path_that_others_read_otherwise_is_refused() {
    let rig = Rig::new();
    rig.hand.answer_with(|_| ok("x"));
    for path in ["/api/users/%2e%2e", "/api/users/a%5cb", "/api/users/a%00"] {
        assert_eq!(rig.get(path).await.status, 400, "{path}");
    }
    for path in ["/api/users/..", "/elsewhere/../api/users/7", "/elsewhere/%2e%2e/api/users/7"] {
        assert_eq!(rig.send(Request::put(path)).await.status, 400, "{path}");
    }
    rig.get("/api/users/7;x").await.is("BYPASS", "x").because("larder; fwd=bypass; detail=no-route");
    assert_eq!(rig.hand.calls(), 1);
}

#[tokio::test]
async fn a_write_whose_client_left_still_clears() {
    let mut rig = Rig::new();
    rig.hand.answer_with(|_| ok("old"));
    rig.get("/api/users/7").await;
    rig.hand.hold();
    let (mut service, request) = (rig.service.clone(), Request::put("/api/users/7").body(Empty::new()).unwrap());
    let write = tokio::spawn(async move { service.ready().await.unwrap().call(request).await.map(|_| ()) });
    let held = rig.hand.next().await;
    write.abort();
    assert!(write.await.is_err());
    assert!(held.is_awaited(), "the write goes on");
    held.answer(ok("done"));
    rig.hand.answer_with(|_| ok("new"));
    let mut seen = rig.get("/api/users/7").await;
    for _ in 0..1000 {
        if seen.body == "new" {
            break;
        }
        tokio::task::yield_now().await;
        seen = rig.get("/api/users/7").await;
    }
    assert_eq!(seen.body, "new");
}

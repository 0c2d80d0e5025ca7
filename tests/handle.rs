//! The cache in code: responses read, placed and asked after, requests made ahead of clients, results of functions.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test that cannot go on fails"
)]

#[path = "rig/inner.rs"]
mod inner;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, request};
use inner::{Empty, Inner, inner, ok, status, with};
use larder::cache::{Cache, PutError, Warmed};
use larder::clock::{Clock, Timestamp};
use larder::invalidation::{Category, Selector, Tag};
use larder::key::Key;
use larder::memo::Memo;
use larder::outcome::Reason;
use larder::route::{Rule, Table};
use larder::store::MemoryStore;
use tokio::sync::Semaphore;
use tower::{Layer as _, ServiceExt as _};

const NOW: Timestamp = Timestamp::from_secs(1_000_000);

struct Scene {
    cache: Cache,
    clock: Clock,
}

fn scene() -> Scene {
    let clock = Clock::manual(NOW);
    let rule = Rule::new("/posts/{id}").unwrap().ttl(Duration::from_secs(60)).tag("post:{id}").unwrap();
    let table = Table::builder().route(rule).build().unwrap();
    let store = MemoryStore::with_clock(1 << 20, clock.clone());
    Scene { cache: Cache::builder(table, store).clock(clock.clone()).build(), clock }
}

fn get(target: &str) -> request::Parts {
    Request::get(target).body(()).unwrap().into_parts().0
}

fn page(body: &'static str, fields: &[(&'static str, &str)]) -> Response<Bytes> {
    with(body, fields).map(Bytes::from)
}

async fn body(cache: &Cache, target: &str) -> Option<Bytes> {
    cache.get(&get(target)).await.unwrap().map(Response::into_body)
}

/// What a client of the layer gets, and how often the inner service was asked for it.
async fn through_the_layer(cache: &Cache, target: &str) -> (Bytes, usize) {
    let (service, hand) = inner();
    hand.answer_with(|_| ok("fetched"));
    let answer = cache.layer().layer(service).oneshot(Request::get(target).body(Empty::new()).unwrap()).await.unwrap();
    (http_body_util::BodyExt::collect(answer.into_body()).await.unwrap().to_bytes(), hand.calls())
}

#[tokio::test]
async fn what_is_placed_answers_requests_until_it_expires_or_is_cleared() {
    let Scene { cache, clock } = scene();
    assert_eq!((body(&cache, "/posts/1").await, cache.ttl(&get("/posts/1")).await.unwrap()), (None, None));
    cache.put(&get("/posts/1?b=2&a=1"), page("placed", &[])).await.unwrap();
    assert!(cache.exists(&get("/posts/1?a=1&b=2")).await.unwrap() && !cache.exists(&get("/posts/1")).await.unwrap());
    assert_eq!(through_the_layer(&cache, "/posts/1?a=1&b=2").await, (Bytes::from("placed"), 0));

    clock.advance(Duration::from_secs(20));
    assert_eq!(cache.ttl(&get("/posts/1?a=1&b=2")).await.unwrap(), Some(Duration::from_secs(40)));
    clock.advance(Duration::from_secs(40));
    assert_eq!(body(&cache, "/posts/1?a=1&b=2").await, None);

    cache.put(&get("/posts/1"), page("again", &[])).await.unwrap();
    assert_eq!(cache.invalidate(&Selector::Tag(Tag::new("post:1"))).await.unwrap().deleted, 1);
    assert_eq!(body(&cache, "/posts/1").await, None);
}

#[tokio::test]
async fn what_is_placed_is_judged_as_an_answer_would_be() {
    let Scene { cache, .. } = scene();
    for (target, response, reason) in [
        ("/other", page("x", &[]), Reason::NoRoute),
        ("/posts/1?nocache=true", page("x", &[]), Reason::NoCacheParam),
        ("/posts/1", page("x", &[("cache-control", "private")]), Reason::Private),
        ("/posts/1", page("x", &[("set-cookie", "a=1")]), Reason::SetCookie),
        ("/posts/1", status(404).map(Bytes::from), Reason::Status),
        ("/posts/1", Response::new(Bytes::from(vec![0; 9 << 20])), Reason::TooLarge),
    ] {
        assert_eq!(cache.put(&get(target), response).await, Err(PutError::Refused(reason)), "{target}");
        assert_eq!(body(&cache, target).await, None);
    }
}

#[tokio::test]
async fn a_variant_is_placed_and_found_by_its_fields() {
    let Scene { cache, .. } = scene();
    let mut german = get("/posts/1");
    german.headers.insert("x-lang", "de".parse().unwrap());
    cache.put(&german, page("hallo", &[("vary", "x-lang")])).await.unwrap();
    assert_eq!(cache.get(&german).await.unwrap().unwrap().body(), "hallo");
    assert_eq!(body(&cache, "/posts/1").await, None);
}

#[tokio::test]
async fn a_fetch_under_way_does_not_replace_what_was_placed_after_it_began() {
    let Scene { cache, .. } = scene();
    let (service, mut hand) = inner();
    let request = Request::get("/posts/1").body(Empty::new()).unwrap();
    let fetch = tokio::spawn(cache.layer().layer(service).oneshot(request));
    let held = hand.next().await;
    cache.put(&get("/posts/1"), page("placed", &[])).await.unwrap();
    held.answer(ok("old"));
    let answer = fetch.await.unwrap().unwrap();
    assert_eq!(http_body_util::BodyExt::collect(answer.into_body()).await.unwrap().to_bytes(), "old");
    assert_eq!(body(&cache, "/posts/1").await.unwrap(), "placed");
    assert_eq!(cache.in_flight(), 0, "and nothing is left behind");
}

#[tokio::test]
async fn what_was_placed_is_cleared_with_its_group() {
    let Scene { cache, .. } = scene();
    cache.put(&get("/posts/1"), page("placed", &[("cache-groups", "\"home\"")])).await.unwrap();
    let home = larder::invalidation::Selector::Tag(larder::invalidation::Tag::group(None, "home"));
    assert_eq!(cache.invalidate(&home).await.unwrap().deleted, 1);
}

#[tokio::test]
async fn warming_stores_what_clients_will_ask_for_and_counts_what_failed() {
    let Scene { cache, .. } = scene();
    let (service, hand) = inner();
    hand.answer_with(|parts| if parts.uri.path().ends_with('9') { status(500) } else { ok("warm") });
    let requests = |n: u32| (0..n).map(|n| Request::get(format!("/posts/{n}")).body(Empty::new()).unwrap());
    assert_eq!(cache.warm(service.clone(), requests(10), 3).await, Warmed { done: 9, failed: 1 });
    assert_eq!(cache.warm(service, requests(9), 3).await, Warmed { done: 9, failed: 0 });
    assert_eq!(hand.calls(), 10);
    assert_eq!(through_the_layer(&cache, "/posts/5").await, (Bytes::from("warm"), 0));
}

#[tokio::test]
async fn no_more_requests_are_under_way_than_were_allowed() {
    let Scene { cache, .. } = scene();
    let (service, mut hand): (Inner, _) = inner();
    let requests: Vec<_> = (0..5).map(|n| Request::get(format!("/posts/{n}")).body(Empty::new()).unwrap()).collect();
    let warming = tokio::spawn({
        let cache = cache.clone();
        async move { cache.warm(service, requests, 2).await }
    });
    for answered in 0..5 {
        let held = hand.next().await;
        tokio::task::yield_now().await;
        assert!(hand.calls() <= answered + 2);
        held.answer(ok("warm"));
    }
    assert_eq!(warming.await.unwrap(), Warmed { done: 5, failed: 0 });
}

/// Lets every task go as far as it can.
async fn settle() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

/// A function that counts its calls and returns how many there were.
fn counted(
    calls: &Arc<AtomicUsize>,
) -> impl Fn() -> std::future::Ready<Result<usize, String>> + Clone + Send + Sync + use<> {
    let calls = calls.clone();
    move || std::future::ready(Ok(calls.fetch_add(1, Ordering::SeqCst) + 1))
}

#[tokio::test]
async fn a_function_is_called_once_a_key_and_lifetime() {
    let Scene { cache, clock } = scene();
    let calls = Arc::<AtomicUsize>::default();
    let memo = Memo::<usize>::new(&cache, "sums", Duration::from_secs(30));
    assert_eq!(memo.get("a", counted(&calls)).await, Ok(1));
    assert_eq!(memo.clone().get("a", counted(&calls)).await, Ok(1));
    assert_eq!(memo.get("b", counted(&calls)).await, Ok(2));
    clock.advance(Duration::from_secs(30));
    assert_eq!(memo.get("a", counted(&calls)).await, Ok(3));
    let count = memo.stats();
    assert_eq!((count.hits, count.misses), (1, 3));
}

#[tokio::test]
async fn values_are_cleared_by_key_by_function_by_tag_and_by_pattern() {
    let Scene { cache, .. } = scene();
    let calls = Arc::<AtomicUsize>::default();
    let memo = Memo::<usize>::new(&cache, "sums", Duration::from_secs(30)).tag(Tag::new("all sums"));
    let clears = [
        Selector::Key(memo.key("a/b?")),
        Selector::Key(Key::parse("GET://MEMO/sums/a%2Fb%3F").unwrap()),
        Selector::Tag(Tag::new("all sums")),
        Selector::Tag(Tag::new("one sum")),
        Selector::Category(Category::new("sums")),
        Selector::Glob(larder::invalidation::Glob::new("GET://MEMO/sums/*")),
        Selector::All,
    ];
    for (n, selector) in clears.iter().enumerate() {
        for _ in 0..2 {
            let value = memo.get_tagged("a/b?", [Tag::new("one sum")], counted(&calls)).await;
            assert_eq!(value, Ok(n + 1), "{selector}");
        }
        assert_eq!(cache.invalidate(selector).await.unwrap().deleted, 1, "{selector}");
    }
    assert_eq!(memo.get("a", counted(&calls)).await, Ok(8));
    assert_eq!(memo.forget("a").await.unwrap().deleted, 1);
    assert_eq!(memo.get("a", counted(&calls)).await, Ok(9));
    assert_eq!(memo.clear().await.unwrap().deleted, 1);
}

#[tokio::test]
async fn what_does_not_meet_the_condition_and_what_failed_is_not_kept() {
    let Scene { cache, .. } = scene();
    let memo = Memo::<Vec<u8>>::new(&cache, "lists", Duration::from_secs(30)).when(|list| !list.is_empty());
    let calls = Arc::<AtomicUsize>::default();
    let lists = {
        let calls = calls.clone();
        move || {
            let answers: [Result<Vec<u8>, &str>; 3] = [Err("down"), Ok(vec![]), Ok(vec![1])];
            std::future::ready(answers[calls.fetch_add(1, Ordering::SeqCst).min(2)].clone())
        }
    };
    for expected in [Err("down"), Ok(vec![]), Ok(vec![1]), Ok(vec![1])] {
        assert_eq!(memo.get("a", lists.clone()).await, expected);
    }
    assert_eq!(calls.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn of_concurrent_calls_one_computes_and_an_invalidation_cannot_be_undone() {
    let Scene { cache, .. } = scene();
    let memo = Memo::<usize>::new(&cache, "slow", Duration::from_secs(30));
    let (calls, gate) = (Arc::<AtomicUsize>::default(), Arc::new(Semaphore::new(0)));
    let compute = {
        let (calls, gate) = (calls.clone(), gate.clone());
        move || {
            let (call, gate) = (calls.fetch_add(1, Ordering::SeqCst) + 1, gate.clone());
            async move {
                gate.acquire().await.unwrap().forget();
                Ok::<_, String>(call)
            }
        }
    };
    let begin = || {
        let (memo, compute) = (memo.clone(), compute.clone());
        tokio::spawn(async move { memo.get("a", compute).await })
    };
    let first: Vec<_> = (0..20).map(|_| begin()).collect();
    settle().await;
    memo.clear().await.unwrap();
    let later = begin();
    settle().await;
    gate.add_permits(2);
    for call in first {
        assert_eq!(call.await.unwrap(), Ok(1));
    }
    assert_eq!(later.await.unwrap(), Ok(2), "it began after the invalidation was acknowledged");
    assert_eq!(memo.get("a", compute).await, Ok(2));
    assert_eq!(calls.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_stored_value_of_another_shape_is_computed_anew() {
    let Scene { cache, .. } = scene();
    let words = Memo::<String>::new(&cache, "shape", Duration::from_secs(30));
    let numbers = Memo::<u8>::new(&cache, "shape", Duration::from_secs(30));
    let word = || std::future::ready(Ok::<_, String>("word".to_owned()));
    let number = || std::future::ready(Ok::<_, String>(7));
    assert_eq!(words.get("a", word).await.unwrap(), "word");
    assert_eq!(numbers.get("a", number).await, Ok(7));
    assert_eq!(cache.stats().reasons()["store-garbage"], 1);
    assert_eq!(numbers.get("a", number).await, Ok(7));
    assert_eq!(numbers.get("a", || std::future::ready(Ok::<_, String>(8))).await, Ok(7), "it is stored again");
}

#[tokio::test]
async fn what_json_cannot_hold_and_a_cache_that_is_off_are_computed_by_each() {
    let Scene { cache, .. } = scene();
    let memo = Memo::<f64>::new(&cache, "odd", Duration::from_secs(30));
    assert!(memo.get("nan", || std::future::ready(Ok::<_, String>(f64::NAN))).await.unwrap().is_nan());
    cache.replace_table(Table::builder().enabled(false).build().unwrap());
    let calls = Arc::<AtomicUsize>::default();
    let memo = Memo::<usize>::new(&cache, "off", Duration::from_secs(30));
    assert_eq!((memo.get("a", counted(&calls)).await, memo.get("a", counted(&calls)).await), (Ok(1), Ok(2)));
    assert_eq!(cache.put(&get("/posts/1"), ok("x").map(Bytes::from)).await, Err(PutError::Refused(Reason::Disabled)));
}

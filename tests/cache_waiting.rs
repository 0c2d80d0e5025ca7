//! Two nodes and one store: who fetches, who waits, and what ends the wait.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test that cannot go on fails"
)]

use std::convert::Infallible;
use std::time::Duration;

use http::request::Builder;
use http::{Request, Response};
use http_body_util::BodyExt as _;
use larder::cache::{Body, Cache, CacheService};
use larder::clock::{Clock, Timestamp};
use larder::invalidation::Selector;
use larder::key::Key;
use larder::route::{Coalesce, Rule, Table};
use larder::store::{MemoryStore, StoreError};
use tower::{Layer as _, ServiceExt as _};

#[path = "rig/inner.rs"]
mod inner;
#[path = "rig/slow_store.rs"]
mod slow_store;
use inner::{Empty, Hand, Inner, Stream, ok, with};
use slow_store::{Op, SlowStore};

const POSTS: &str = "/api/posts/";

/// Nodes that share a store and a clock; each has an upstream connection of its own, in the test's hand.
struct Rig {
    nodes: Vec<Node>,
    store: SlowStore,
}

struct Node {
    cache: Cache,
    service: CacheService<Inner>,
    hand: Hand,
}

struct Answer {
    status: String,
    body: String,
}

type Open = Response<Body<Stream, Infallible>>;
type Waiting = tokio::task::JoinHandle<Answer>;

impl Rig {
    fn of(nodes: usize) -> Self {
        Self::with(nodes, |rule| rule)
    }

    fn with(nodes: usize, change: impl Fn(Rule) -> Rule) -> Self {
        let clock = Clock::manual(Timestamp::from_secs(1_800_000_000));
        let store = SlowStore::over(MemoryStore::with_clock(8 << 20, clock.clone()));
        let node = |_| {
            let posts = change(Rule::new(POSTS).unwrap().ttl(Duration::from_secs(90)));
            let table = Table::builder().route(posts).build().unwrap();
            let cache = Cache::builder(table, store.clone()).clock(clock.clone()).build();
            let (inner, hand) = inner::inner();
            Node { service: cache.layer().layer(inner), cache, hand }
        };
        Self { nodes: (0..nodes).map(node).collect(), store: store.clone() }
    }

    fn get(&self, node: usize) -> Waiting {
        self.send(node, Request::get(POSTS))
    }

    fn send(&self, node: usize, request: Builder) -> Waiting {
        let call = self.nodes[node].service.clone().oneshot(request.body(Empty::new()).unwrap());
        tokio::spawn(async move { read(call.await.unwrap()).await })
    }

    /// Requests on every node, once the first node's fetch has begun and the others wait for it.
    async fn queue(&mut self, each: usize) -> (inner::Held, Vec<Waiting>) {
        let mut asked = vec![self.get(0)];
        let held = self.nodes[0].hand.next().await;
        for node in 0..self.nodes.len() {
            asked.extend((usize::from(node == 0)..each).map(|_| self.get(node)));
        }
        self.settle().await;
        assert_eq!(self.store.waiting(), self.nodes.len() - 1);
        (held, asked)
    }

    /// Lets everything come as far as it can.
    async fn settle(&self) {
        for _ in 0..300 {
            tokio::task::yield_now().await;
        }
    }

    fn calls(&self) -> Vec<usize> {
        self.nodes.iter().map(|node| node.hand.calls()).collect()
    }

    /// Nothing is under way, and no lease is left.
    #[track_caller]
    fn is_at_rest(&self) {
        assert!(self.nodes.iter().all(|node| node.cache.in_flight() == 0));
        assert_eq!(self.store.leased(), 0);
    }
}

async fn read(response: Open) -> Answer {
    let (parts, body) = response.into_parts();
    let body = body.collect().await.map_or_else(|_| "<broken>".into(), |body| body.to_bytes());
    let status = parts.headers["cache-status"].to_str().unwrap().to_owned();
    assert_eq!(parts.headers["x-cache"], if status.contains("hit") { "HIT" } else { "MISS" }, "{status}");
    Answer { status, body: String::from_utf8_lossy(&body).into_owned() }
}

fn posts() -> Key {
    Key::parse("GET:/api/posts/").unwrap()
}

#[track_caller]
fn says(answer: Answer, cache_status: &str, body: &str) {
    assert_eq!((answer.status.as_str(), answer.body.as_str()), (cache_status, body));
}

#[tokio::test]
async fn one_request_for_all_nodes_and_everybody_has_the_answer() {
    let mut rig = Rig::of(3);
    let (held, asked) = rig.queue(100).await;
    held.answer(ok("one"));
    for (n, asked) in asked.into_iter().enumerate() {
        let status = if n == 0 { "larder; fwd=uri-miss; stored" } else { "larder; fwd=uri-miss; collapsed" };
        says(asked.await.unwrap(), status, "one");
    }
    rig.settle().await;
    assert_eq!((rig.calls(), rig.store.calls(Op::Put)), (vec![1, 0, 0], 1));
    rig.is_at_rest();
    says(rig.get(2).await.unwrap(), "larder; hit; ttl=90", "one");
}

#[tokio::test]
async fn a_change_that_is_none_lets_the_others_wait_on() {
    let mut rig = Rig::of(2);
    let (held, asked) = rig.queue(2).await;
    for _ in 0..5 {
        rig.store.tell(&posts());
        rig.settle().await;
    }
    assert_eq!((rig.calls(), rig.store.waiting()), (vec![1, 0], 1));
    held.answer(ok("one"));
    for asked in asked {
        assert_eq!(asked.await.unwrap().body, "one");
    }
    assert_eq!(rig.calls(), [1, 0]);
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_for_longer_than_the_route_says() {
    let mut rig = Rig::with(2, |rule| rule.coalesce_wait(Duration::from_millis(300)));
    let (_held, asked) = rig.queue(1).await;
    rig.nodes[1].hand.answer_with(|_| ok("own"));
    tokio::time::advance(Duration::from_millis(299)).await;
    // Changes that are none give nobody more time.
    rig.store.tell(&posts());
    rig.settle().await;
    assert_eq!(rig.calls(), [1, 0]);
    tokio::time::advance(Duration::from_millis(2)).await;
    rig.settle().await;
    assert_eq!(rig.calls(), [1, 1]);
    let mut asked = asked.into_iter();
    let (_first, other) = (asked.next().unwrap(), asked.next().unwrap());
    says(other.await.unwrap(), "larder; fwd=uri-miss; detail=coalesce-timeout", "own");
    assert_eq!(rig.store.calls(Op::Put), 0);
}

#[tokio::test]
async fn what_is_found_uncacheable_releases_everybody_at_once_and_queues_nobody() {
    let mut rig = Rig::of(3);
    let (held, mut asked) = rig.queue(20).await;
    let others = asked.split_off(20);
    held.answer(with("mine", &[("cache-control", "private")]));
    rig.settle().await;
    // One fetch for each request, all of them under way at once, and none of them answered yet.
    assert_eq!(rig.calls(), [20, 20, 20]);
    for node in &mut rig.nodes {
        while let Some(held) = node.hand.take() {
            held.answer(with("own", &[("cache-control", "private")]));
        }
    }
    says(asked.remove(0).await.unwrap(), "larder; fwd=uri-miss; detail=private", "mine");
    for asked in asked.into_iter().chain(others) {
        says(asked.await.unwrap(), "larder; fwd=uri-miss; detail=private", "own");
    }
    rig.settle().await;
    rig.is_at_rest();
    // The others know it as well: they do not share a fetch.
    let asked: Vec<_> = (0..5).map(|_| rig.get(1)).collect();
    rig.settle().await;
    assert_eq!(rig.calls(), [20, 25, 20]);
    drop(asked);
}

#[tokio::test]
async fn what_lands_and_answers_nobody_else_queues_nobody() {
    let mut rig = Rig::of(3);
    let (held, mut asked) = rig.queue(5).await;
    let others = asked.split_off(5);
    held.answer(with("mine", &[("cache-control", "no-cache"), ("etag", "\"1\"")]));
    rig.settle().await;
    assert_eq!(rig.calls(), [5, 5, 5]);
    for node in &mut rig.nodes {
        while let Some(held) = node.hand.take() {
            held.answer(with("own", &[("cache-control", "no-cache"), ("etag", "\"1\"")]));
        }
    }
    for asked in others {
        assert_eq!(asked.await.unwrap().body, "own");
    }
}

#[tokio::test]
async fn a_fetch_that_fails_or_is_abandoned_is_followed_by_another_at_once() {
    for fails in [true, false] {
        let mut rig = Rig::of(2);
        let (held, mut asked) = rig.queue(1).await;
        if fails {
            held.panic();
        } else {
            asked.remove(0).abort();
        }
        rig.nodes[1].hand.next().await.answer(ok("two"));
        says(asked.pop().unwrap().await.unwrap(), "larder; fwd=uri-miss; stored", "two");
        rig.settle().await;
        rig.is_at_rest();
        says(rig.get(0).await.unwrap(), "larder; hit; ttl=90", "two");
    }
}

#[tokio::test]
async fn fetches_that_fail_are_waited_for_twice_and_no_more() {
    let mut rig = Rig::of(5);
    let (held, asked) = rig.queue(1).await;
    held.panic();
    rig.settle().await;
    let second = rig.nodes.iter_mut().find_map(|node| node.hand.take()).expect("one has followed");
    assert_eq!(rig.calls().iter().sum::<usize>(), 2);
    second.panic();
    rig.settle().await;
    assert_eq!(rig.calls().iter().sum::<usize>(), 5, "the others are not queued behind one another");
    drop(asked);
}

#[tokio::test]
async fn an_invalidation_while_a_node_waits_lets_it_fetch_anew_and_nobody_has_the_old() {
    for on in [0, 1] {
        let mut rig = Rig::of(2);
        let (held, asked) = rig.queue(3).await;
        rig.nodes[on].cache.invalidate(&Selector::All).await.unwrap();
        rig.settle().await;
        assert_eq!(rig.calls(), [1, 1], "the lease that was taken away is nobody's");
        let later = rig.get(1);
        rig.settle().await;
        // Where the invalidation was, those who came before it are not joined.
        assert_eq!(rig.calls(), [1, if on == 1 { 2 } else { 1 }]);
        held.answer(ok("old"));
        rig.settle().await;
        rig.nodes[1].hand.answer_with(|_| ok("new"));
        while let Some(held) = rig.nodes[1].hand.take() {
            held.answer(ok("new"));
        }
        assert_eq!(later.await.unwrap().body, "new");
        let mut bodies = Vec::new();
        for asked in asked {
            bodies.push(asked.await.unwrap().body);
        }
        assert_eq!(bodies[3..], ["new", "new", "new"], "invalidated on {on}");
        rig.settle().await;
        says(rig.get(0).await.unwrap(), "larder; hit; ttl=90", "new");
        says(rig.get(1).await.unwrap(), "larder; hit; ttl=90", "new");
    }
}

#[tokio::test]
async fn what_was_read_before_a_change_is_read_again() {
    let mut rig = Rig::of(2);
    let (held, mut asked) = rig.queue(1).await;
    // The entry of the first is read, and cleared before the answer arrives.
    rig.store.hold_answers(Op::Get);
    held.answer(ok("old"));
    rig.settle().await;
    rig.nodes[0].cache.invalidate(&Selector::All).await.unwrap();
    rig.store.tell(&posts());
    rig.store.mend(Op::Get);
    rig.nodes[1].hand.next().await.answer(ok("new"));
    says(asked.pop().unwrap().await.unwrap(), "larder; fwd=uri-miss; stored", "new");
}

#[tokio::test]
async fn where_changes_are_not_told_nobody_waits() {
    for silent_before in [true, false] {
        let mut rig = Rig::of(2);
        if silent_before {
            rig.store.fall_silent();
        }
        let first = rig.get(0);
        let held = rig.nodes[0].hand.next().await;
        let second = rig.get(1);
        rig.settle().await;
        if !silent_before {
            assert_eq!((rig.calls(), rig.store.waiting()), (vec![1, 0], 1));
            rig.store.fall_silent();
        }
        rig.nodes[1].hand.next().await.answer(ok("two"));
        says(second.await.unwrap(), "larder; fwd=uri-miss; detail=lease-lost", "two");
        held.answer(ok("one"));
        says(first.await.unwrap(), "larder; fwd=uri-miss; stored", "one");
    }
}

#[tokio::test]
async fn a_store_that_fails_while_a_node_waits_fails_nobody() {
    for op in [Op::Get, Op::Lease] {
        let mut rig = Rig::of(2);
        let (_held, mut asked) = rig.queue(1).await;
        rig.store.fail(op, StoreError::Timeout);
        rig.nodes[1].hand.answer_with(|_| ok("two"));
        rig.store.tell(&posts());
        rig.settle().await;
        if op == Op::Get {
            // It can still be told that the lease is free.
            assert_eq!(rig.calls(), [1, 0]);
            rig.store.fall_silent();
        }
        assert_eq!(asked.pop().unwrap().await.unwrap().body, "two");
    }
}

#[tokio::test]
async fn a_request_for_itself_alone_neither_waits_nor_is_waited_for() {
    let mut rig = Rig::of(2);
    let mine = || Request::get(POSTS).header("authorization", "Basic eDp5");
    let (held, _asked) = rig.queue(1).await;
    let alone = rig.send(1, mine());
    rig.nodes[1].hand.next().await.answer(with("mine", &[("cache-control", "public")]));
    assert_eq!(alone.await.unwrap().body, "mine");
    held.answer(ok("one"));
    rig.settle().await;
    rig.nodes[0].cache.invalidate(&Selector::All).await.unwrap();

    let alone = rig.send(0, mine());
    let held = rig.nodes[0].hand.next().await;
    let other = rig.get(1);
    rig.nodes[1].hand.next().await.answer(ok("two"));
    says(other.await.unwrap(), "larder; fwd=uri-miss; stored", "two");
    held.answer(with("mine", &[("cache-control", "public")]));
    assert_eq!(alone.await.unwrap().body, "mine");
    rig.settle().await;
    says(rig.get(0).await.unwrap(), "larder; hit; ttl=90", "two");
}

#[tokio::test]
async fn who_may_share_a_fetch_is_the_routes_to_say() {
    for (coalesce, calls) in [(Coalesce::Cluster, [1, 0]), (Coalesce::Node, [1, 1]), (Coalesce::Off, [3, 3])] {
        let mut rig = Rig::with(2, |rule| rule.coalesce(coalesce));
        let first = rig.get(0);
        let held = rig.nodes[0].hand.next().await;
        let others: Vec<_> = [0, 0, 1, 1, 1].into_iter().map(|node| rig.get(node)).collect();
        rig.settle().await;
        assert_eq!(rig.calls(), calls, "{coalesce:?}");
        held.answer(ok("one"));
        for node in &mut rig.nodes {
            while let Some(held) = node.hand.take() {
                held.answer(ok("one"));
            }
        }
        for asked in others.into_iter().chain([first]) {
            assert_eq!(asked.await.unwrap().body, "one");
        }
    }
}

#[tokio::test]
async fn another_variant_is_fetched_without_waiting_for_the_first_to_end() {
    let mut rig = Rig::of(1);
    let ask = |accept| Request::get(POSTS).header("accept", accept);
    let (one, two) = (rig.send(0, ask("a/a")), rig.send(0, ask("b/b")));
    let head = Response::builder().header("vary", "accept").body(()).unwrap();
    let tap = rig.nodes[0].hand.next().await.stream(head);
    tap.send("on");
    rig.nodes[0].hand.next().await.answer(with("two", &[("vary", "accept")]));
    assert_eq!(two.await.unwrap().body, "two");
    tap.send("e");
    drop(tap);
    assert_eq!(one.await.unwrap().body, "one");
}

#[tokio::test]
async fn what_landed_elsewhere_between_the_lookup_and_the_lease_is_not_fetched_again() {
    let mut rig = Rig::of(2);
    rig.store.hold(Op::Lease);
    let late = rig.get(1);
    rig.settle().await;
    let gate = rig.store.let_later_pass(Op::Lease);
    let first = rig.get(0);
    rig.nodes[0].hand.next().await.answer(ok("one"));
    says(first.await.unwrap(), "larder; fwd=uri-miss; stored", "one");
    rig.settle().await;
    gate.add_permits(1);
    says(late.await.unwrap(), "larder; hit; ttl=90", "one");
    assert_eq!(rig.calls(), [1, 0]);
}

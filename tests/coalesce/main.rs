//! One fetch for all nodes of one Redis: nodes in one process on a real server, and the program itself.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test that cannot go on fails"
)]

#[path = "../rig/inner.rs"]
mod inner;
mod programs;
#[path = "../rig/redis_cluster.rs"]
#[expect(dead_code, reason = "no master is killed here")]
mod redis_cluster;
#[path = "../rig/redis_server.rs"]
#[expect(dead_code, reason = "what lies in Redis is the contract's")]
mod redis_server;

use std::convert::Infallible;
use std::time::Duration;

use http::Request;
use http_body_util::BodyExt as _;
use larder::cache::{Cache, CacheService};
use larder::clock::Clock;
use larder::invalidation::{Glob, Selector};
use larder::route::{Rule, Table};
use larder::store::{NearConfig, RedisConfig, RedisStore, TieredStore};
use tokio::time::Instant;
use tower::{Layer as _, ServiceExt as _};

use inner::{Empty, Hand, Held, Inner, ok, with};
use redis_server::RedisServer;

/// What a server or a connection may take that is under no promise.
const PATIENCE: Duration = Duration::from_secs(15);

/// What came back.
#[derive(Debug)]
struct Answer {
    status: String,
    body: String,
}

type Waiting = tokio::task::JoinHandle<Answer>;

/// A cache on a shared Redis, with an upstream of its own in the test's hand.
struct Node {
    cache: Cache,
    service: CacheService<Inner>,
    hand: Hand,
}

/// Whether memory stands in front of Redis.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Memory {
    On,
    Off,
}

impl Node {
    async fn at(config: RedisConfig, memory: Memory, wait: Duration) -> Self {
        let redis = RedisStore::connect(config, Clock::system()).await.unwrap();
        let start = Instant::now();
        while !redis.is_told() {
            assert!(start.elapsed() < PATIENCE, "{redis:?}");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let rule = Rule::new("/a/{n}").unwrap().ttl(Duration::from_secs(90)).coalesce_wait(wait);
        let table = Table::builder().route(rule).build().unwrap();
        let cache = match memory {
            Memory::On => Cache::builder(table, TieredStore::new(NearConfig::default(), redis, Clock::system())),
            Memory::Off => Cache::builder(table, redis),
        };
        let (cache, (inner, hand)) = (cache.build(), inner::inner());
        Self { service: cache.layer().layer(inner), cache, hand }
    }

    fn get(&self, path: &str) -> Waiting {
        let call = self.service.clone().oneshot(Request::get(path).body(Empty::new()).unwrap());
        tokio::spawn(async move { read(call).await })
    }
}

async fn read(call: impl Future<Output = Result<http::Response<Body>, Infallible>>) -> Answer {
    let (parts, body) = call.await.unwrap().into_parts();
    let body = body.collect().await.map_or_else(|_| "<broken>".into(), |body| body.to_bytes());
    let status = parts.headers["cache-status"].to_str().unwrap().to_owned();
    Answer { status, body: String::from_utf8_lossy(&body).into_owned() }
}

type Body = larder::cache::Body<inner::Stream, Infallible>;

/// With deadlines that a loaded machine keeps.
fn patient(url: String) -> RedisConfig {
    let (read_timeout, write_timeout) = (Duration::from_secs(5), Duration::from_secs(5));
    RedisConfig { read_timeout, write_timeout, ..RedisConfig::at(url) }
}

/// As they are by default, but for a machine that is loaded.
fn impatient(url: String) -> RedisConfig {
    let (read_timeout, write_timeout) = (Duration::from_millis(200), Duration::from_millis(200));
    RedisConfig { read_timeout, write_timeout, ..RedisConfig::at(url) }
}

async fn two(url: String, memory: Memory) -> [Node; 2] {
    two_of(patient(url), memory, Duration::from_secs(10)).await
}

async fn two_of(config: RedisConfig, memory: Memory, wait: Duration) -> [Node; 2] {
    [Node::at(config.clone(), memory, wait).await, Node::at(config, memory, wait).await]
}

/// Has the first node fetch and the second wait for it, each for so many requests.
async fn queue(nodes: &mut [Node; 2], server: &RedisServer, path: &str, each: usize) -> (Held, [Vec<Waiting>; 2]) {
    let mut ours = vec![nodes[0].get(path)];
    let held = nodes[0].hand.next().await;
    ours.extend((1..each).map(|_| nodes[0].get(path)));
    let theirs = (0..each).map(|_| nodes[1].get(path)).collect();
    let start = Instant::now();
    // The lease says that somebody waits for it.
    while server.cli(&["HEXISTS", &format!("larder:GET:{path}"), "w"]) != "1" {
        assert!(start.elapsed() < PATIENCE, "nobody waits");
    }
    (held, [ours, theirs])
}

async fn all(waiting: Vec<Waiting>) -> Vec<Answer> {
    let mut answers = Vec::new();
    for waiting in waiting {
        answers.push(waiting.await.unwrap());
    }
    answers
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_cold_requests_on_each_node_are_one_request_to_the_upstream() {
    let server = RedisServer::start();
    for memory in [Memory::On, Memory::Off] {
        let mut nodes = two(server.url(), memory).await;
        let path = format!("/a/{memory:?}");
        let (held, [ours, theirs]) = queue(&mut nodes, &server, &path, 100).await;
        held.answer(ok("one"));
        let answers: Vec<_> = all(ours).await.into_iter().chain(all(theirs).await).collect();
        assert!(answers.iter().all(|answer| answer.body == "one"));
        // Who asked late found it stored.
        let collapsed = |answer: &&Answer| answer.status == "larder; fwd=uri-miss; collapsed";
        let stored = |answer: &&Answer| answer.status.starts_with("larder; hit; ttl=");
        let (collapsed, stored) = (answers.iter().filter(collapsed).count(), answers.iter().filter(stored).count());
        assert!(collapsed > 0 && collapsed + stored == 199, "{answers:?}");
        assert_eq!((nodes[0].hand.calls(), nodes[1].hand.calls()), (1, 0), "{memory:?}");
    }
}

/// However quick the upstream is, and whoever comes first.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_quick_upstream_is_asked_once_for_each_key() {
    let server = RedisServer::start();
    let nodes = two(server.url(), Memory::On).await;
    for node in &nodes {
        node.hand.answer_with(|request| ok(request.uri.path()));
    }
    for n in 0..100 {
        let path = format!("/a/{n}");
        let waiting: Vec<_> = (0..40).map(|k| nodes[(n + k) % 2].get(&path)).collect();
        for answer in all(waiting).await {
            assert_eq!(answer.body, path, "{}", answer.status);
        }
        let calls = nodes[0].hand.calls() + nodes[1].hand.calls();
        assert_eq!(calls, n + 1, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_of_redis_servers_wakes_those_who_wait() {
    let cluster = redis_cluster::RedisCluster::start();
    let mut nodes = two(cluster.url(), Memory::On).await;
    for n in 0..12 {
        let path = format!("/a/{n}");
        let ours = nodes[0].get(&path);
        let held = nodes[0].hand.next().await;
        let theirs: Vec<_> = (0..20).map(|_| nodes[1].get(&path)).collect();
        tokio::time::sleep(Duration::from_millis(20)).await;
        held.answer(ok("one"));
        for answer in all(theirs).await {
            assert_eq!(answer.body, "one");
        }
        ours.await.unwrap();
        assert_eq!(nodes[1].hand.calls(), 0, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_found_uncacheable_releases_the_other_node_at_once_and_queues_nobody() {
    let server = RedisServer::start();
    let mut nodes = two(server.url(), Memory::Off).await;
    let (held, [ours, theirs]) = queue(&mut nodes, &server, "/a/1", 20).await;
    held.answer(with("mine", &[("cache-control", "private")]));
    let mut under_way = Vec::new();
    for node in &mut nodes {
        // All of them are asked before any of them is answered.
        let calls = if under_way.is_empty() { 19 } else { 20 };
        for _ in 0..calls {
            under_way.push(node.hand.next().await);
        }
    }
    for held in under_way {
        held.answer(with("own", &[("cache-control", "private")]));
    }
    for answer in all(ours).await.into_iter().skip(1).chain(all(theirs).await) {
        assert_eq!((answer.status.as_str(), answer.body.as_str()), ("larder; fwd=uri-miss; detail=private", "own"));
    }
    assert_eq!((nodes[0].hand.calls(), nodes[1].hand.calls()), (20, 20));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_uncacheable_answer_that_nobody_waited_for_leaves_nothing_in_redis() {
    let server = RedisServer::start();
    let [node, _] = two(server.url(), Memory::Off).await;
    node.hand.answer_with(|_| with("own", &[("cache-control", "no-store")]));
    assert_eq!(node.get("/a/1").await.unwrap().body, "own");
    redis_server::until("the lease is given back", || server.keys().iter().all(|name| name.contains(":~")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lease_is_renewed_while_its_fetch_lasts() {
    let server = RedisServer::start();
    let mut nodes = two(server.url(), Memory::Off).await;
    let (held, [ours, theirs]) = queue(&mut nodes, &server, "/a/1", 2).await;
    // Longer than a lease holds by itself.
    tokio::time::sleep(Duration::from_millis(2_700)).await;
    assert_eq!(nodes[1].hand.calls(), 0);
    held.answer(ok("one"));
    for answer in all(ours).await.into_iter().chain(all(theirs).await) {
        assert_eq!(answer.body, "one");
    }
    assert_eq!(nodes[1].hand.calls(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_hangs_while_a_node_waits_holds_nobody_up_for_long() {
    for memory in [Memory::On, Memory::Off] {
        let server = RedisServer::start();
        let mut nodes = two_of(impatient(server.url()), memory, Duration::from_secs(10)).await;
        let (held, [ours, theirs]) = queue(&mut nodes, &server, "/a/1", 10).await;
        server.freeze();
        let frozen = Instant::now();
        nodes[1].hand.answer_with(|_| ok("two"));
        for answer in all(theirs).await {
            assert_eq!(answer.body, "two");
        }
        assert!(frozen.elapsed() < Duration::from_secs(3), "{memory:?}: {:?}", frozen.elapsed());
        held.answer(ok("one"));
        for answer in all(ours).await {
            assert_eq!(answer.body, "one");
        }
        server.thaw();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_that_is_lost_while_a_node_waits_releases_it_at_once() {
    let server = RedisServer::start();
    let mut nodes = two(server.url(), Memory::Off).await;
    let (held, [ours, theirs]) = queue(&mut nodes, &server, "/a/1", 10).await;
    let list = server.cli(&["CLIENT", "LIST"]);
    let tracks = |line: &&str| line.split(' ').any(|f| f.strip_prefix("flags=").is_some_and(|f| f.contains('B')));
    let id = |line: &str| line.split(' ').find_map(|field| field.strip_prefix("id=").map(str::to_owned));
    let ids: Vec<String> = list.lines().filter(tracks).filter_map(id).collect();
    assert_eq!(ids.len(), 2, "{list}");
    nodes[1].hand.answer_with(|_| ok("two"));
    let killed = Instant::now();
    for id in ids {
        server.cli(&["CLIENT", "KILL", "ID", &id]);
    }
    for answer in all(theirs).await {
        assert_eq!(answer.body, "two");
    }
    assert!(killed.elapsed() < Duration::from_secs(2), "{:?}", killed.elapsed());
    held.answer(ok("one"));
    all(ours).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_invalidation_while_a_node_waits_is_followed_by_a_fetch_that_begins_after_it() {
    let server = RedisServer::start();
    let mut nodes = two(server.url(), Memory::On).await;
    let by_hand = |_: &Cache, path: &str| server.cli(&["DEL", &format!("larder:GET:{path}")]);
    for (n, how) in ["by hand", "by its node", "by the other node"].into_iter().enumerate() {
        let path = format!("/a/{n}");
        let (held, [ours, theirs]) = queue(&mut nodes, &server, &path, 5).await;
        let calls = nodes[1].hand.calls();
        let selector = Selector::Glob(Glob::new("GET:/a/*"));
        // The upstream changes. Who waits asks it anew, on whichever node, and so does who comes after.
        nodes.iter().for_each(|node| node.hand.answer_with(|_| ok("new")));
        match how {
            "by hand" => drop(by_hand(&nodes[0].cache, &path)),
            "by its node" => drop(nodes[0].cache.invalidate(&selector).await.unwrap()),
            _ => drop(nodes[1].cache.invalidate(&selector).await.unwrap()),
        }
        let later: Vec<_> = (0..5).map(|k| nodes[k % 2].get(&path)).collect();
        held.answer(ok("old"));
        for answer in all(theirs).await.into_iter().chain(all(later).await) {
            if how != "by hand" || answer.body != "old" {
                assert_eq!(answer.body, "new", "{how}: {}", answer.status);
            }
        }
        all(ours).await;
        assert!(nodes[1].hand.calls() - calls <= 2, "{how}");
        nodes.iter().for_each(|node| node.hand.hold());
    }
}

/// From the upstream's answer on one node to the last byte on the other, over what it takes on the first.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_waits_on_another_node_has_the_answer_within_the_push_delay() {
    const ROUNDS: usize = 300;
    let server = RedisServer::start();
    let mut nodes = two(server.url(), Memory::On).await;
    let mut delays = Vec::with_capacity(ROUNDS);
    for n in 0..ROUNDS {
        let path = format!("/a/{n}");
        let ours = nodes[0].get(&path);
        let held = nodes[0].hand.next().await;
        let theirs = nodes[1].get(&path);
        tokio::time::sleep(Duration::from_millis(2)).await;
        held.answer(ok("one"));
        ours.await.unwrap();
        let answered = Instant::now();
        assert_eq!(theirs.await.unwrap().body, "one");
        delays.push(answered.elapsed());
    }
    assert_eq!(nodes[1].hand.calls(), 0);
    delays.sort_unstable();
    println!("after the first has it: p50 {:?}, p99 {:?}, most {:?}", delays[150], delays[297], delays[299]);
    assert!(delays[ROUNDS / 2] < Duration::from_millis(50), "{delays:?}");
}

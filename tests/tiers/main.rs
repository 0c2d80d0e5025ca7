//! Memory in front of Redis: what leaves it, when, and what never gets in.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "../rig/redis_cluster.rs"]
#[expect(dead_code, reason = "no replica takes over here")]
mod redis_cluster;
#[path = "../rig/redis_server.rs"]
#[expect(dead_code, reason = "what lies in Redis is the contract's")]
mod redis_server;
#[path = "../rig/store.rs"]
#[expect(dead_code, reason = "counts and single variants are the contract's")]
mod rig;
mod under_way;

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use larder::clock::Clock;
use larder::invalidation::{Category, Cleared, Glob, Selector, Tag};
use larder::store::{
    Fence, Found, Near, NearConfig, Place, Record, RedisConfig, RedisStore, Reply, Store, StoreError, Stored,
    TieredStore,
};
use redis_server::RedisServer;
use rig::{Page, Rig, key, page};
use tokio::time::Instant;

type Node = Rig<TieredStore>;

/// How soon a change by anybody has left every node's memory.
const TOLD_WITHIN: Duration = Duration::from_millis(200);
/// How soon a lost link is noticed.
const NOTICED_WITHIN: Duration = Duration::from_secs(1);
/// What a server, a connection or a client may take that is under no promise.
const PATIENCE: Duration = Duration::from_secs(15);

async fn node_of(config: RedisConfig, clock: Clock) -> Node {
    let redis = RedisStore::connect(config, clock.clone()).await.unwrap();
    let store = Box::new(TieredStore::new(NearConfig::default(), redis, clock.clone()));
    Rig { fences: true, flights: Mutex::default(), clock, store }
}

/// A node that is told of changes, with deadlines that a loaded machine keeps.
async fn node_at(url: String) -> Node {
    let (read_timeout, write_timeout) = (Duration::from_secs(5), Duration::from_secs(5));
    let node = node_of(RedisConfig { read_timeout, write_timeout, ..RedisConfig::at(url) }, Clock::system()).await;
    coherent(&node).await;
    node
}

async fn node(server: &RedisServer) -> Node {
    node_at(server.url()).await
}

/// A node with deadlines that a test can wait for, on a clock that stands.
async fn impatient_node(server: &RedisServer) -> Node {
    let (read_timeout, write_timeout) = (Duration::from_millis(50), Duration::from_millis(100));
    let clock = Clock::manual(Clock::system().now());
    let node = node_of(RedisConfig { read_timeout, write_timeout, ..RedisConfig::at(server.url()) }, clock).await;
    coherent(&node).await;
    node
}

/// Waits until `holds`, and says how long that took.
async fn waited(what: &str, limit: Duration, mut holds: impl FnMut() -> bool) -> Duration {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < limit, "not within {limit:?}: {what}");
        tokio::time::sleep(Duration::from_micros(200)).await;
    }
    start.elapsed()
}

async fn coherent(node: &Node) {
    waited("changes are told", PATIENCE, || node.store.is_coherent()).await;
}

/// The body that memory has, without asking Redis.
fn near(node: &Node, text: &str) -> Option<String> {
    match node.store.get(&key(text)) {
        Reply::Now(Ok(Found::Entry(entry))) => Some(String::from_utf8(entry.body().to_vec()).unwrap()),
        _ => None,
    }
}

/// Reads until memory has a copy: messages about earlier writes may keep the first out.
async fn warm(node: &Node, text: &str) {
    let start = Instant::now();
    while near(node, text).is_none() {
        let _ = node.store.get(&key(text)).wait().await;
        assert!(start.elapsed() < PATIENCE, "{text} does not get into memory: {:?}", node.store);
    }
}

async fn left(node: &Node, text: &str, why: &str) {
    waited(why, TOLD_WITHIN, || near(node, text).is_none()).await;
}

fn named(text: &str) -> Selector {
    Selector::Key(key(text))
}

/// The connection on which a server tells changes, as the server knows it.
fn tracking_connection(server: &RedisServer) -> String {
    let list = server.cli(&["CLIENT", "LIST"]);
    let tracking =
        |line: &&str| line.split(' ').any(|field| field.strip_prefix("flags=").is_some_and(|f| f.contains('B')));
    let line = list.lines().find(tracking).expect("a tracking connection");
    line.split(' ').find_map(|field| field.strip_prefix("id=")).unwrap().to_owned()
}

#[tokio::test]
async fn the_second_read_comes_from_memory_and_a_store_is_read_at_once() {
    let server = RedisServer::start();
    let node = node(&server).await;
    node.fill(page("GET:/a", "one")).await;
    assert_eq!(node.body("GET:/a").await.as_deref(), Some("one"));
    warm(&node, "GET:/a").await;
    // However often, and whatever of its own messages is still on the way.
    for body in ["two", "three", "four"] {
        node.fill(page("GET:/a", body)).await;
        assert_eq!(node.body("GET:/a").await.as_deref(), Some(body));
        warm(&node, "GET:/a").await;
        assert_eq!(near(&node, "GET:/a").as_deref(), Some(body));
    }
    // While a fetch is under way what is stored is read, and kept.
    let lease = node.lease(&page("GET:/a", "five")).await.unwrap();
    warm(&node, "GET:/a").await;
    assert_eq!(node.put(lease, &page("GET:/a", "five")).await, Ok(Stored::Yes));
    assert_eq!(node.body("GET:/a").await.as_deref(), Some("five"));
}

#[tokio::test]
async fn variants_are_read_from_memory_too() {
    let server = RedisServer::start();
    let (one, two) = (node(&server).await, node(&server).await);
    one.fill(page("GET:/a", "x").variant("accept", 1)).await;
    one.fill(page("GET:/a", "y").variant("accept", 2)).await;
    let id = |id| larder::store::VariantId::new([id; 32]);
    let near = || {
        let names = matches!(one.store.get(&key("GET:/a")), Reply::Now(Ok(Found::Varied(_))));
        let has = |n| matches!(one.store.get_variant(&key("GET:/a"), &id(n)), Reply::Now(Ok(Found::Entry(_))));
        (names, has(1), has(2))
    };
    let start = Instant::now();
    while near() != (true, true, true) {
        assert!(one.store.get(&key("GET:/a")).wait().await.is_ok());
        assert_eq!(one.variant("GET:/a", 1).await.as_deref(), Some("x"));
        assert_eq!(one.variant("GET:/a", 2).await.as_deref(), Some("y"));
        assert!(start.elapsed() < PATIENCE);
    }
    two.fill(page("GET:/a", "z").variant("accept", 3)).await;
    waited("a third variant", TOLD_WITHIN, || near() == (false, false, false)).await;
}

#[tokio::test]
async fn a_change_by_another_node_leaves_memory() {
    let server = RedisServer::start();
    let (one, two) = (node(&server).await, node(&server).await);
    for text in ["GET:/a", "GET:/a?x=1"] {
        let page = page(text, "old").tag("t").category("c");
        one.fill(page.clone()).await;
        warm(&one, text).await;
        two.fill(Page { body: "new", ..page.clone() }).await;
        left(&one, text, "a store").await;
        assert_eq!(one.body(text).await.as_deref(), Some("new"));
        let glob = Selector::Glob(Glob::new("GET:/a*"));
        let (tag, category) = (Selector::Tag(Tag::new("t")), Selector::Category(Category::new("c")));
        for selector in [named("GET:/a"), glob, tag, category, Selector::All] {
            one.fill(page.clone()).await;
            warm(&one, text).await;
            warm(&two, text).await;
            assert_eq!(two.invalidate(&selector).await, Cleared::deleted(1));
            assert_eq!(near(&two, text), None, "{selector} on its own node");
            left(&one, text, "an invalidation").await;
            assert_eq!(one.body(text).await, None, "{selector}");
        }
    }
}

#[tokio::test]
async fn a_change_by_anybody_leaves_memory() {
    let server = RedisServer::start();
    let node = node(&server).await;
    let long: &'static str = Box::leak(format!("GET:/long?q={}", "v".repeat(300)).into_boxed_str());
    for text in ["GET:/a", "GET:/a?x=1", long] {
        let name = format!("larder:{}", key(text).physical());
        let changes: [&[&str]; 4] = [&["DEL", &name], &["UNLINK", &name], &["FLUSHALL"], &["SET", &name, "rubbish"]];
        for change in changes {
            node.fill(page(text, "x")).await;
            warm(&node, text).await;
            server.cli(change);
            left(&node, text, change[0]).await;
            assert!(!matches!(node.store.get(&key(text)).wait().await, Ok(Found::Entry(_))), "{change:?}");
        }
    }
}

#[tokio::test]
async fn a_great_many_deletions_at_once_are_told() {
    let server = RedisServer::start();
    let node = node(&server).await;
    node.fill(page("GET:/a", "x")).await;
    let each = |command: &str| format!("for n = 1, 100000 do redis.call({command}) end");
    server.cli(&["EVAL", &each("'SET', 'larder:GET:/' .. n, 'x', 'PX', 60000"), "0"]);
    warm(&node, "GET:/a").await;
    let delete = each("'DEL', 'larder:GET:/' .. n");
    server.cli(&["EVAL", &format!("{delete} redis.call('DEL', 'larder:GET:/a')"), "0"]);
    waited("one message of 100 000 keys", PATIENCE, || near(&node, "GET:/a").is_none()).await;
}

#[tokio::test]
async fn what_expires_or_is_evicted_in_redis_leaves_memory() {
    let server = RedisServer::start();
    let node = node(&server).await;
    node.fill(page("GET:/a", "x")).await;
    server.cli(&["PEXPIRE", "larder:GET:/a", "300"]);
    warm(&node, "GET:/a").await;
    // The server looks for what has expired ten times a second.
    waited("expiry", PATIENCE, || near(&node, "GET:/a").is_none()).await;
    assert_eq!(node.body("GET:/a").await, None);
    node.fill(page("GET:/a", "x")).await;
    warm(&node, "GET:/a").await;
    server.cli(&["CONFIG", "SET", "maxmemory-policy", "allkeys-random"]);
    server.cli(&["CONFIG", "SET", "maxmemory", "1"]);
    left(&node, "GET:/a", "eviction").await;
}

#[tokio::test]
async fn memory_ends_a_copy_by_itself_when_the_entry_is_of_no_more_use() {
    let server = RedisServer::start();
    let node = impatient_node(&server).await;
    node.fill(page("GET:/a", "x")).await;
    warm(&node, "GET:/a").await;
    node.clock.advance(Duration::from_secs(59));
    assert!(near(&node, "GET:/a").is_some());
    node.clock.advance(Duration::from_secs(1));
    assert!(near(&node, "GET:/a").is_none());
}

#[tokio::test]
async fn a_cut_connection_empties_memory_until_it_is_back() {
    let server = RedisServer::start();
    let node = impatient_node(&server).await;
    node.fill(page("GET:/a", "x")).await;
    warm(&node, "GET:/a").await;
    server.cli(&["CLIENT", "KILL", "ID", &tracking_connection(&server)]);
    waited("memory is empty", NOTICED_WITHIN, || near(&node, "GET:/a").is_none()).await;
    coherent(&node).await;
    warm(&node, "GET:/a").await;
    server.cli(&["DEL", "larder:GET:/a"]);
    left(&node, "GET:/a", "a deletion after it").await;
}

#[tokio::test]
async fn without_messages_a_copy_is_kept_for_the_degraded_time_only() {
    let server = RedisServer::start();
    let node = impatient_node(&server).await;
    node.fill(page("GET:/a", "x")).await;
    warm(&node, "GET:/a").await;
    // Redis goes on; only what tells of changes is refused.
    server.cli(&["ACL", "SETUSER", "default", "-client|tracking"]);
    server.cli(&["CLIENT", "KILL", "ID", &tracking_connection(&server)]);
    waited("memory is empty", NOTICED_WITHIN, || !node.store.is_coherent() && near(&node, "GET:/a").is_none()).await;
    let health = node.store.health().wait().await;
    assert_eq!((health.healthy, health.near), (true, Some(Near::Degraded)));
    warm(&node, "GET:/a").await;
    server.cli(&["DEL", "larder:GET:/a"]);
    node.clock.advance(Duration::from_millis(4999));
    assert!(near(&node, "GET:/a").is_some(), "nobody told");
    node.clock.advance(Duration::from_millis(1));
    assert!(near(&node, "GET:/a").is_none());
    node.fill(page("GET:/a", "y")).await;
    warm(&node, "GET:/a").await;
    assert_eq!(node.invalidate(&named("GET:/a")).await, Cleared::deleted(1));
    assert!(near(&node, "GET:/a").is_none(), "an invalidation through the node needs no message");
    node.fill(page("GET:/a", "z")).await;
    warm(&node, "GET:/a").await;
    server.cli(&["ACL", "SETUSER", "default", "+client|tracking"]);
    coherent(&node).await;
    assert_eq!(node.store.health().wait().await.near, Some(Near::Coherent));
    assert!(near(&node, "GET:/a").is_none(), "emptied when it is back");
    warm(&node, "GET:/a").await;
    node.clock.advance(Duration::from_secs(6));
    assert!(near(&node, "GET:/a").is_some(), "and relied on");
}

/// Fills a key while Redis is away, as often as it takes the store to notice that it is.
async fn fill_alone(node: &Node, text: &'static str) {
    let start = Instant::now();
    loop {
        let page = page(text, "alone");
        if let Ok(lease) = node.lease(&page).await
            && lease.token().is_none()
            && node.put(lease, &page).await == Ok(Stored::Yes)
        {
            return;
        }
        assert!(start.elapsed() < PATIENCE, "{:?}", node.store);
    }
}

#[tokio::test]
async fn a_hung_server_empties_memory_and_an_outage_is_survived_on_what_is_fetched_in_it() {
    let server = RedisServer::start();
    let node = impatient_node(&server).await;
    node.fill(page("GET:/a", "x")).await;
    warm(&node, "GET:/a").await;
    server.freeze();
    waited("memory is empty", NOTICED_WITHIN, || near(&node, "GET:/a").is_none()).await;
    outage(&node).await;
    server.thaw();
    coherent(&node).await;
    assert!(near(&node, "GET:/alone").is_none(), "emptied when it is back");
    warm(&node, "GET:/a").await;
}

#[tokio::test]
async fn a_killed_server_empties_memory_and_is_relied_on_again_when_it_is_back() {
    let mut server = RedisServer::start();
    let node = impatient_node(&server).await;
    node.fill(page("GET:/a", "x")).await;
    warm(&node, "GET:/a").await;
    server.kill();
    waited("memory is empty", NOTICED_WITHIN, || near(&node, "GET:/a").is_none()).await;
    outage(&node).await;
    server.launch();
    coherent(&node).await;
    assert!(near(&node, "GET:/alone").is_none(), "emptied when it is back");
    let start = Instant::now();
    while node.store.get(&key("GET:/a")).wait().await.is_err() {
        assert!(start.elapsed() < PATIENCE);
    }
    node.fill(page("GET:/a", "y")).await;
    warm(&node, "GET:/a").await;
}

async fn outage(node: &Node) {
    fill_alone(node, "GET:/alone").await;
    assert_eq!(near(node, "GET:/alone").as_deref(), Some("alone"));
    let lease = loop {
        let lease = node.lease(&page("GET:/alone", "late")).await;
        if let Ok(lease) = lease {
            break lease;
        }
    };
    assert_eq!(node.invalidate(&named("GET:/alone")).await, Cleared::queued());
    assert_eq!(near(node, "GET:/alone"), None, "an invalidation through the node");
    assert_eq!(node.put(lease, &page("GET:/alone", "late")).await, Ok(Stored::LeaseLost), "a fetch before it");
    fill_alone(node, "GET:/alone").await;
    node.clock.advance(Duration::from_secs(5));
    assert_eq!(near(node, "GET:/alone"), None, "its time is over");
    fill_alone(node, "GET:/alone").await;
}

#[tokio::test]
async fn while_changes_are_told_nothing_is_stored_without_redis() {
    let server = RedisServer::start();
    let node = node(&server).await;
    let page = page("GET:/a", "x");
    let lease = larder::store::Lease::local(key(page.key), page.labels(), Arc::new(Fence::default()));
    assert_eq!(node.put(lease, &page).await, Ok(Stored::LeaseLost));
    assert_eq!(node.body("GET:/a").await, None);
}

/// A read of which the answer is there and was not looked at yet.
async fn held(
    server: &RedisServer,
    node: &Node,
    text: &str,
) -> Pin<Box<dyn Future<Output = Result<Found, StoreError>> + Send>> {
    server.cli(&["CONFIG", "RESETSTAT"]);
    let Reply::Later(mut read) = node.store.get(&key(text)) else { panic!("{text} is in memory") };
    server.freeze();
    poll_fn(|context| {
        assert!(read.as_mut().poll(context).is_pending());
        Poll::Ready(())
    })
    .await;
    server.thaw();
    redis_server::until("Redis has answered", || server.cli(&["INFO", "commandstats"]).contains("cmdstat_hget"));
    read
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_that_was_overtaken_does_not_get_into_memory() {
    let server = RedisServer::start();
    let node = node(&server).await;
    for by_message in [true, false] {
        for text in ["GET:/a", "GET:/witness"] {
            node.fill(page(text, "old")).await;
        }
        // A node that is not told of these stores any more.
        let other = node_at(server.url()).await;
        let read = held(&server, &other, "GET:/a").await;
        if by_message {
            warm(&other, "GET:/witness").await;
            // One command, one message.
            server.cli(&["DEL", "larder:GET:/a", "larder:GET:/witness"]);
            left(&other, "GET:/witness", "the message").await;
        } else {
            other.invalidate(&Selector::Glob(Glob::new("GET:/a"))).await;
        }
        assert!(matches!(read.await, Ok(Found::Entry(_))), "what was read is still the answer");
        assert_eq!(near(&other, "GET:/a"), None, "by message: {by_message}");
        assert_eq!(other.body("GET:/a").await, None);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_master_of_a_cluster_is_listened_to() {
    let cluster = redis_cluster::RedisCluster::start();
    let (one, two) = (node_at(cluster.url()).await, node_at(cluster.url()).await);
    for n in 0..12 {
        let text: &'static str = Box::leak(format!("GET:/{n}").into_boxed_str());
        one.fill(page(text, "x")).await;
        warm(&one, text).await;
        two.invalidate(&named(text)).await;
        left(&one, text, "an invalidation in a cluster").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_one_master_of_a_cluster_memory_is_not_relied_on() {
    let mut cluster = redis_cluster::RedisCluster::start();
    let node = node_at(cluster.url()).await;
    let texts = ["GET:/1", "GET:/2", "GET:/3", "GET:/4"];
    for text in texts {
        node.fill(page(text, "x")).await;
        warm(&node, text).await;
    }
    cluster.kill_one();
    let empty = || !node.store.is_coherent() && texts.iter().all(|text| near(&node, text).is_none());
    waited("memory is empty", NOTICED_WITHIN, empty).await;
}

#[tokio::test]
async fn a_master_that_a_sentinel_names_is_listened_to() {
    let server = RedisServer::on_tcp();
    let sentinel = RedisServer::sentinel_of(&server);
    let url = format!("{}?master=mymaster", sentinel.tcp_url().replace("redis://", "redis-sentinel://"));
    told_of_a_deletion(&server, url).await;
}

#[tokio::test]
async fn a_password_and_a_user_with_no_more_rights_than_needed_will_do() {
    let server = RedisServer::on_tcp();
    let user = ["ACL", "SETUSER", "app", "on", ">p@ss", "~larder:*", "+@all"];
    assert_eq!(server.cli(&user), "OK");
    told_of_a_deletion(&server, server.tcp_url().replace("redis://", "redis://app:p%40ss@")).await;
    server.cli(&["CONFIG", "SET", "requirepass", "secret"]);
    let store = node_at(server.tcp_url().replace("redis://", "redis://:secret@")).await;
    assert!(store.store.is_coherent());
}

async fn told_of_a_deletion(server: &RedisServer, url: String) {
    let node = node_at(url).await;
    node.fill(page("GET:/a", "x")).await;
    warm(&node, "GET:/a").await;
    server.cli(&["DEL", "larder:GET:/a"]);
    left(&node, "GET:/a", "a deletion").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_invalidation_is_in_every_memory_within_the_push_delay() {
    const ROUNDS: usize = 300;
    let server = RedisServer::start();
    let (one, two) = (node(&server).await, node(&server).await);
    let mut delays = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS {
        one.fill(page("GET:/a", "x")).await;
        warm(&one, "GET:/a").await;
        assert_eq!(two.invalidate(&named("GET:/a")).await, Cleared::deleted(1));
        let acknowledged = Instant::now();
        while near(&one, "GET:/a").is_some() {
            tokio::task::yield_now().await;
        }
        delays.push(acknowledged.elapsed());
    }
    delays.sort_unstable();
    println!("after the acknowledgement: p50 {:?}, p99 {:?}, most {:?}", delays[150], delays[297], delays[299]);
    assert!(delays[ROUNDS / 2] < Duration::from_millis(50), "{delays:?}");
}

#[tokio::test]
async fn who_looks_at_a_record_leaves_no_copy_and_removes_no_garbage() {
    let server = RedisServer::start();
    let node = node(&server).await;
    node.fill(page("GET:/a", "body")).await;
    let look = async |text| node.store.inspect(&key(text)).wait().await;
    for _ in 0..3 {
        let shown = look("GET:/a").await.unwrap();
        assert!(matches!(shown.record, Record::Single(_)));
        assert_eq!((shown.place, shown.leased), (Place::Shared, false));
    }
    assert_eq!(near(&node, "GET:/a"), None);
    warm(&node, "GET:/a").await;
    assert_eq!(look("GET:/a").await.unwrap().place, Place::Memory);

    let lease = node.lease(&page("GET:/b", "")).await.unwrap();
    let shown = look("GET:/b").await.unwrap();
    assert!(matches!(shown.record, Record::Absent) && shown.leased);
    node.release(lease).await;

    server.cli(&["SET", "larder:GET:/c", "x", "EX", "60"]);
    assert_eq!(look("GET:/c").await.unwrap_err(), StoreError::Garbage);
    assert_eq!(server.cli(&["EXISTS", "larder:GET:/c"]).trim(), "1");
}

//! What the shared store does when Redis is away, slow, full or holds rubbish, and between two nodes.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "rig/redis_cluster.rs"]
#[expect(dead_code, reason = "no master is killed here")]
mod redis_cluster;
#[path = "rig/redis_server.rs"]
mod redis_server;
#[path = "rig/store.rs"]
#[expect(dead_code, reason = "variants are the contract's")]
mod rig;

use std::sync::Mutex;
use std::time::Duration;

use larder::clock::Clock;
use larder::invalidation::{Category, Cleared, Glob, Selector, Tag};
use larder::store::{Claim, Found, HeldEnd, Leased, RedisConfig, RedisStore, Store, StoreError, Stored};
use redis_server::RedisServer;
use rig::{Page, Rig, key, page};
use tokio::time::Instant;

async fn node_with(config: RedisConfig) -> Rig<RedisStore> {
    let store = RedisStore::connect(config, Clock::system()).await.unwrap();
    Rig { fences: false, flights: Mutex::default(), clock: Clock::system(), store: Box::new(store) }
}

/// With deadlines that a loaded machine keeps.
async fn node(server: &RedisServer) -> Rig<RedisStore> {
    let (read_timeout, write_timeout) = (Duration::from_secs(5), Duration::from_secs(5));
    node_with(RedisConfig { read_timeout, write_timeout, ..RedisConfig::at(server.url()) }).await
}

/// With deadlines that a test can wait for.
async fn impatient_node(server: &RedisServer) -> Rig<RedisStore> {
    let (read_timeout, write_timeout) = (Duration::from_millis(50), Duration::from_millis(100));
    node_with(RedisConfig { read_timeout, write_timeout, ..RedisConfig::at(server.url()) }).await
}

async fn get(rig: &Rig<RedisStore>, text: &str) -> Result<Found, StoreError> {
    rig.store.get(&key(text)).wait().await
}

/// Asks again until the store answers; real servers take their time to come back.
async fn answer(rig: &Rig<RedisStore>, text: &str) -> Found {
    let deadline = Instant::now() + Duration::from_secs(15);
    loop {
        match get(rig, text).await {
            Ok(found) => return found,
            Err(error) => assert!(Instant::now() < deadline, "in vain: {error}"),
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Waits until the node is told of changes.
async fn told(rig: &Rig<RedisStore>) {
    let deadline = Instant::now() + Duration::from_secs(15);
    while !rig.store.is_told() {
        assert!(Instant::now() < deadline, "{:?}", rig.store);
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

fn named(text: &str) -> Selector {
    Selector::Key(key(text))
}

#[tokio::test]
async fn a_server_that_is_not_there_is_waited_for_in_the_background() {
    let mut server = RedisServer::absent();
    let start = Instant::now();
    let rig = node(&server).await;
    assert!(matches!(get(&rig, "GET:/a").await, Err(StoreError::Unavailable(_))));
    assert!(rig.lease(&page("GET:/a", "x")).await.is_err());
    assert!(start.elapsed() < Duration::from_secs(1), "the process serves at once");
    server.launch();
    assert!(matches!(answer(&rig, "GET:/a").await, Found::Absent));
    rig.fill(page("GET:/a", "x")).await;
}

#[tokio::test]
async fn a_hung_server_costs_a_few_timeouts_and_then_nothing() {
    let server = RedisServer::start();
    let rig = impatient_node(&server).await;
    rig.fill(page("GET:/a", "x")).await;
    server.freeze();
    assert_eq!(get(&rig, "GET:/a").await.err(), Some(StoreError::Timeout));
    for _ in 0..20 {
        let _ = get(&rig, "GET:/a").await;
    }
    let start = Instant::now();
    for _ in 0..1000 {
        assert!(matches!(get(&rig, "GET:/a").await, Err(StoreError::Unavailable(_))));
    }
    assert!(start.elapsed() < Duration::from_millis(500), "{:?} for 1000 refusals", start.elapsed());
    assert!(!rig.store.health().wait().await.healthy);
    server.thaw();
    assert!(matches!(answer(&rig, "GET:/a").await, Found::Entry(_)));
    assert!(rig.store.health().wait().await.healthy);
}

#[tokio::test]
async fn scripts_keep_their_deadlines_on_a_hung_server() {
    let server = RedisServer::start();
    let rig = impatient_node(&server).await;
    rig.fill(page("GET:/a", "x")).await;
    server.freeze();
    let start = Instant::now();
    assert_eq!(rig.lease(&page("GET:/b", "x")).await.err(), Some(Some(StoreError::Timeout)));
    assert!(start.elapsed() < Duration::from_secs(1), "a lease took {:?}", start.elapsed());
    let start = Instant::now();
    assert_eq!(rig.invalidate(&Selector::Tag(Tag::new("t"))).await, Cleared::queued());
    assert!(start.elapsed() < Duration::from_secs(1), "a cleared tag took {:?}", start.elapsed());
}

/// Queued ones included: whoever adds one waits for a write's time, not for all that wait already.
#[tokio::test]
async fn an_invalidation_on_a_hung_server_is_queued_within_a_writes_time() {
    let server = RedisServer::start();
    let config = RedisConfig { write_timeout: Duration::from_millis(300), ..RedisConfig::at(server.url()) };
    let rig = node_with(config).await;
    rig.fill(page("GET:/a?q", "x").tag("t").category("c")).await;
    server.freeze();
    let (tag, category) = (Selector::Tag(Tag::new("t")), Selector::Category(Category::new("c")));
    for selector in [named("GET:/a"), named("GET:/a?q"), category, tag, Selector::All] {
        let start = Instant::now();
        assert_eq!(rig.invalidate(&selector).await, Cleared::queued());
        assert!(start.elapsed() < Duration::from_millis(600), "{selector}: {:?}", start.elapsed());
    }
    let all = ["GET:/1", "GET:/2", "GET:/3", "GET:/4"].map(named);
    let start = Instant::now();
    let [a, b, c, d] = &all;
    tokio::join!(rig.invalidate(a), rig.invalidate(b), rig.invalidate(c), rig.invalidate(d));
    assert!(start.elapsed() < Duration::from_millis(700), "four at once: {:?}", start.elapsed());
}

#[tokio::test]
async fn an_index_of_thousands_of_keys_is_read_in_steps_and_missed_by_none() {
    let server = RedisServer::start();
    let rig = node(&server).await;
    for n in 0..2_500 {
        rig.fill(page(Box::leak(format!("GET:/a?n={n}").into_boxed_str()), "x").tag("t")).await;
    }
    assert_eq!(rig.count(&Selector::Tag(Tag::new("t"))).await, 2_500);
    assert_eq!(rig.invalidate(&named("GET:/a")).await, Cleared::deleted(2_500));
    assert!(server.keys().iter().all(|name| !name.starts_with("larder:GET:")));
}

/// Whatever ends the lease of one node, and whatever has not.
#[tokio::test]
async fn who_waits_for_a_lease_is_told_when_it_ends() {
    let server = RedisServer::start();
    let (one, two) = (node(&server).await, node(&server).await);
    told(&two).await;
    for what in ["stored", "given back", "cleared elsewhere", "deleted by hand", "flushed", "killed"] {
        let page = page("GET:/a", "x");
        let lease = one.lease(&page).await.unwrap();
        let Ok(Leased::Held(mut held)) = two.ask(&page, Claim::Firm).await else { panic!("{what}") };
        // The note that somebody waits is told like any change.
        assert_eq!(held.end().await, HeldEnd::Changed);
        while !held.is_quiet() {
            held.end().await;
        }
        match what {
            "stored" => drop(one.put(lease, &page).await.unwrap()),
            "given back" => one.release(lease).await,
            "cleared elsewhere" => drop(one.invalidate(&Selector::Glob(Glob::new("GET:/*"))).await),
            "deleted by hand" => drop(server.cli(&["DEL", "larder:GET:/a"])),
            "flushed" => drop(server.cli(&["FLUSHALL"])),
            // Nobody renews it.
            _ => drop((lease, one.flights.lock().unwrap().drain(..))),
        }
        let start = Instant::now();
        let end = held.end().await;
        assert_eq!(end, if what == "killed" { HeldEnd::Lapsed } else { HeldEnd::Changed }, "{what}");
        assert!(start.elapsed() < Duration::from_millis(2_500), "{what}: {:?}", start.elapsed());
        one.invalidate(&Selector::All).await;
    }
}

#[tokio::test]
async fn a_fill_without_a_lease_is_cut_off_by_what_is_cleared_anywhere_though_nothing_is_stored() {
    let server = RedisServer::start();
    // A user that may run no script gets no lease, and leaves no record.
    server.cli(&["ACL", "SETUSER", "app", "on", ">pass", "~larder:*", "+@all", "-eval", "-evalsha"]);
    let url = format!("unix://app:pass@{}", server.socket().display());
    let (one, two) = (node(&server).await, node_with(RedisConfig::at(url)).await);
    told(&two).await;
    for selector in [
        named("GET:/a"),
        Selector::Glob(Glob::new("GET:/a*")),
        Selector::Tag(Tag::new("t")),
        Selector::Category(Category::new("c")),
        Selector::All,
    ] {
        assert!(matches!(two.lease(&page("GET:/a?q", "x")).await, Err(Some(StoreError::Unavailable(_)))));
        let fence = two.flights.lock().unwrap().last().unwrap().2.clone();
        one.fill(page("GET:/b", "x")).await;
        assert!(!fence.is_cut(), "{selector}");
        one.invalidate(&selector).await;
        let deadline = Instant::now() + Duration::from_secs(5);
        while !fence.is_cut() {
            assert!(Instant::now() < deadline, "{selector}");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

#[tokio::test]
async fn a_killed_server_is_found_again_when_it_is_back() {
    let mut server = RedisServer::start();
    let rig = node(&server).await;
    rig.fill(page("GET:/a", "x")).await;
    server.kill();
    assert!(get(&rig, "GET:/a").await.is_err());
    server.launch();
    assert!(matches!(answer(&rig, "GET:/a").await, Found::Absent));
    rig.fill(page("GET:/a", "y")).await;
    assert_eq!(rig.body("GET:/a").await.as_deref(), Some("y"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_an_outage_nothing_is_read_for_a_moment() {
    let mut server = RedisServer::start();
    let rig = node(&server).await;
    server.kill();
    assert!(get(&rig, "GET:/a").await.is_err());
    server.launch();
    redis_server::until("the server is seen", || format!("{:?}", rig.store).contains("Settling"));
    assert_eq!(rig.invalidate(&Selector::All).await, Cleared::deleted(0), "invalidations are carried out");
    assert!(matches!(get(&rig, "GET:/a").await, Err(StoreError::Unavailable(_))));
    answer(&rig, "GET:/a").await;
}

#[tokio::test]
async fn one_node_fetches_for_the_store_and_the_other_for_its_client() {
    let server = RedisServer::start();
    let (one, two) = (node(&server).await, node(&server).await);
    let page = page("GET:/a?q", "x").tag("t");
    let lease = one.lease(&page).await.unwrap();
    assert_eq!(two.lease(&page).await.err(), Some(None));
    one.release(lease).await;
    two.fill(page).await;
    assert_eq!(one.body("GET:/a?q").await.as_deref(), Some("x"));
}

#[tokio::test]
async fn an_invalidation_on_one_node_ends_the_fill_of_another() {
    let server = RedisServer::start();
    let (one, two) = (node(&server).await, node(&server).await);
    for selector in [
        named("GET:/a"),
        named("GET:/a?q"),
        Selector::Glob(Glob::new("*a?q")),
        Selector::Tag(Tag::new("t")),
        Selector::Category(Category::new("c")),
        Selector::All,
    ] {
        let page = page("GET:/a?q", "late").tag("t").category("c");
        let lease = one.lease(&page).await.unwrap();
        assert_eq!(two.invalidate(&selector).await, Cleared::deleted(0), "a fill is no entry: {selector}");
        let newer = two.lease(&page).await.unwrap();
        assert_eq!(one.put(lease, &page).await, Ok(Stored::LeaseLost), "{selector}");
        assert_eq!(two.put(newer, &page).await, Ok(Stored::Yes), "{selector}");
        assert_eq!(one.invalidate(&selector).await, Cleared::deleted(1), "{selector}");
    }
    let page = page("GET:/a", "late");
    let lease = one.lease(&page).await.unwrap();
    server.cli(&["DEL", "larder:GET:/a"]);
    assert_eq!(one.put(lease, &page).await, Ok(Stored::LeaseLost), "deleted by hand");
}

#[tokio::test]
async fn a_tag_that_only_the_response_names_is_guarded_as_well() {
    let server = RedisServer::start();
    let (one, two) = (node(&server).await, node(&server).await);
    let (asked, answered) = (page("GET:/a", "late"), page("GET:/a", "late").tag("origin"));
    let lease = one.lease(&asked).await.unwrap();
    two.invalidate(&Selector::Tag(Tag::new("origin"))).await;
    assert_eq!(one.put(lease, &answered).await, Ok(Stored::LeaseLost));
    tokio::time::sleep(Duration::from_millis(5)).await;
    let lease = one.lease(&asked).await.unwrap();
    assert_eq!(one.put(lease, &answered).await, Ok(Stored::Yes), "a tag cleared before is no hindrance");
    assert_eq!(two.invalidate(&Selector::Tag(Tag::new("origin"))).await, Cleared::deleted(1));
}

#[tokio::test]
async fn an_invalidation_that_cannot_reach_redis_is_carried_out_before_anything_is_read() {
    let server = RedisServer::start();
    let (rig, other) = (impatient_node(&server).await, node(&server).await);
    rig.fill(page("GET:/a", "stale")).await;
    rig.fill(page("GET:/b?q", "stale")).await;
    let lease = rig.lease(&page("GET:/c", "late")).await.unwrap();
    server.freeze();
    assert_eq!(rig.invalidate(&named("GET:/a")).await, Cleared::queued());
    assert_eq!(rig.invalidate(&named("GET:/b")).await, Cleared::queued());
    assert_eq!(rig.store.health().wait().await.queued_invalidations, 2);
    assert!(get(&rig, "GET:/a").await.is_err());
    assert!(rig.put(lease, &page("GET:/c", "late")).await.is_err());
    server.thaw();
    assert!(matches!(answer(&rig, "GET:/a").await, Found::Absent), "never stale");
    assert!(matches!(answer(&rig, "GET:/b?q").await, Found::Absent), "never stale");
    assert_eq!(other.body("GET:/a").await, None);
    assert_eq!(rig.store.health().wait().await.queued_invalidations, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queued_invalidation_needs_no_reader() {
    let server = RedisServer::start();
    let (rig, other) = (impatient_node(&server).await, node(&server).await);
    rig.fill(page("GET:/a", "stale")).await;
    server.freeze();
    assert_eq!(rig.invalidate(&named("GET:/a")).await, Cleared::queued());
    server.thaw();
    redis_server::until("it is carried out", || server.keys().is_empty());
    assert_eq!(other.body("GET:/a").await, None);
}

#[tokio::test]
async fn an_abandoned_invalidation_is_carried_out_all_the_same() {
    let server = RedisServer::start();
    let rig = node(&server).await;
    rig.fill(page("GET:/a", "stale")).await;
    drop(rig.store.invalidate(&named("GET:/a")));
    assert!(matches!(answer(&rig, "GET:/a").await, Found::Absent));
}

#[tokio::test]
async fn invalidations_stay_complete_while_redis_evicts() {
    let server = RedisServer::with(&["--maxmemory", "2mb", "--maxmemory-policy", "allkeys-lru"]);
    let rig = node(&server).await;
    let body: &'static str = Box::leak("x".repeat(2_000).into_boxed_str());
    let texts: Vec<&'static str> =
        (0..1_500).map(|n| &*Box::leak(format!("GET:/p{}?n={n}", n % 10).into_boxed_str())).collect();
    for text in &texts {
        // A server this full may refuse; what it took must be found.
        let page = page(text, body).tag("t");
        if let Ok(lease) = rig.lease(&page).await {
            let _ = rig.put(lease, &page).await;
        }
    }
    assert_ne!(
        server.cli(&["INFO", "stats"]).lines().find(|line| line.starts_with("evicted_keys:0")),
        Some("evicted_keys:0")
    );
    for n in 0..10 {
        server.cli(&["DEL", &format!("larder:~p:GET:/p{n}")]);
    }
    rig.invalidate(&named("GET:/p3")).await;
    assert_eq!(server.keys().iter().filter(|name| name.starts_with("larder:GET:/p3?")).count(), 0);
    server.cli(&["DEL", "larder:~t:t"]);
    rig.invalidate(&Selector::Tag(Tag::new("t"))).await;
    assert_eq!(server.keys().iter().filter(|name| name.starts_with("larder:GET:")).count(), 0);
}

#[tokio::test]
async fn a_released_lease_leaves_nothing_and_foreign_keys_are_never_touched() {
    let server = RedisServer::start();
    let rig = node(&server).await;
    server.cli(&["SET", "other", "1"]);
    server.cli(&["SET", "larder2:GET:/a", "1"]);
    let lease = rig.lease(&page("GET:/a", "x")).await.unwrap();
    assert_eq!(server.keys().len(), 3);
    rig.release(lease).await;
    rig.fill(page("GET:/a", "x")).await;
    assert_eq!(rig.invalidate(&Selector::All).await, Cleared::deleted(1));
    let mut keys = server.keys();
    keys.sort();
    assert_eq!(keys, ["larder2:GET:/a", "other"]);
    let commands = server.cli(&["INFO", "commandstats"]);
    for never in ["cmdstat_keys:", "cmdstat_flushdb:", "cmdstat_flushall:"] {
        assert!(!commands.contains(never), "{never}");
    }
}

#[tokio::test]
async fn scripts_that_the_server_forgot_are_sent_again() {
    let server = RedisServer::start();
    let rig = node(&server).await;
    rig.fill(page("GET:/a?q", "x")).await;
    server.cli(&["SCRIPT", "FLUSH"]);
    rig.fill(page("GET:/b?q", "x").variant("accept", 1)).await;
    server.cli(&["SCRIPT", "FLUSH"]);
    assert_eq!(rig.invalidate(&Selector::Glob(Glob::new("GET:/*"))).await, Cleared::deleted(2));
}

#[tokio::test]
async fn a_password_is_used_and_never_shown() {
    let server = RedisServer::with(&["--requirepass", "hunter2"]);
    let url = format!("unix://:hunter2@{}", server.socket().display());
    let rig = node_with(RedisConfig::at(url)).await;
    assert!(rig.store.health().wait().await.healthy);
    assert!(!format!("{:?}", rig.store).contains("hunter2"));

    let refused = node_with(RedisConfig::at(format!("unix://:hunter3@{}", server.socket().display()))).await;
    let health = refused.store.health().wait().await;
    assert!(!health.healthy);
    assert!(!format!("{health:?} {:?}", refused.store).contains("hunter"));
}

#[tokio::test]
async fn an_entry_lives_as_long_as_it_is_of_use() {
    let server = RedisServer::start();
    let rig = node(&server).await;
    rig.fill(Page { lifetime: Some(Duration::from_secs(90)), ..page("GET:/a", "x") }).await;
    let left: u64 = server.cli(&["PTTL", "larder:GET:/a"]).parse().unwrap();
    assert!((80_000..=90_000).contains(&left), "{left}");
    let lease = rig.lease(&page("GET:/a", "x")).await.unwrap();
    rig.release(lease).await;
    let left: u64 = server.cli(&["PTTL", "larder:GET:/a"]).parse().unwrap();
    assert!(left <= 90_000, "{left}");
}

#[tokio::test]
async fn a_count_of_everything_is_kept_for_a_second_at_most() {
    let server = RedisServer::start();
    let rig = node(&server).await;
    rig.fill(page("GET:/a", "x")).await;
    assert_eq!(rig.count(&Selector::All).await, 1);
    rig.fill(page("GET:/b", "x")).await;
    let deadline = Instant::now() + Duration::from_millis(1_500);
    while rig.count(&Selector::All).await != 2 {
        assert!(Instant::now() < deadline);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    rig.invalidate(&Selector::All).await;
    assert_eq!(rig.count(&Selector::All).await, 0);
}

#[tokio::test]
async fn a_hung_server_that_was_sent_large_entries_is_found_again() {
    let server = RedisServer::on_tcp();
    let config = RedisConfig {
        read_timeout: Duration::from_millis(50),
        write_timeout: Duration::from_millis(100),
        ..RedisConfig::at(server.tcp_url())
    };
    let rig = node_with(config).await;
    let body: &'static str = Box::leak("x".repeat(4 << 20).into_boxed_str());
    let mut leases = Vec::new();
    for text in ["GET:/1", "GET:/2", "GET:/3", "GET:/4"] {
        leases.push((text, rig.lease(&page(text, body)).await.unwrap()));
    }
    server.freeze();
    for (text, lease) in leases {
        assert_ne!(rig.put(lease, &page(text, body)).await, Ok(Stored::Yes));
    }
    let queued = rig.invalidate(&Selector::All).await;
    assert_eq!(queued, Cleared::queued());
    server.thaw();
    for text in ["GET:/1", "GET:/2", "GET:/3", "GET:/4"] {
        assert!(matches!(answer(&rig, text).await, Found::Absent), "cleared after it was sent");
    }
}

#[tokio::test]
async fn a_cluster_keeps_every_promise_across_its_slots() {
    let cluster = redis_cluster::RedisCluster::start();
    let timeout = Duration::from_secs(5);
    let config = RedisConfig { read_timeout: timeout, write_timeout: timeout, ..RedisConfig::at(cluster.url()) };
    let (one, two) = (node_with(config.clone()).await, node_with(config).await);
    let texts: Vec<&'static str> = (0..40).map(|n| &*Box::leak(format!("GET:/a?n={n}").into_boxed_str())).collect();
    for selector in [
        named("GET:/a"),
        Selector::Glob(Glob::new("GET:/a?*")),
        Selector::Tag(Tag::new("t")),
        Selector::Category(Category::new("c")),
        Selector::All,
    ] {
        for text in &texts {
            one.fill(page(text, "x").tag("t").category("c")).await;
        }
        let late = page("GET:/a?late", "late").tag("t").category("c");
        let lease = one.lease(&late).await.unwrap();
        assert_eq!(two.body("GET:/a?n=7").await.as_deref(), Some("x"));
        assert_eq!(two.count(&selector).await, 40, "{selector}");
        assert_eq!(two.invalidate(&selector).await, Cleared::deleted(40), "{selector}");
        assert_eq!(one.put(lease, &late).await, Ok(Stored::LeaseLost), "{selector}");
        assert_eq!(one.body("GET:/a?n=7").await, None, "{selector}");
    }
    assert!(one.store.health().wait().await.healthy);
}

#[tokio::test]
async fn a_master_is_found_through_sentinel() {
    let server = RedisServer::on_tcp();
    let sentinel = RedisServer::sentinel_of(&server);
    let timeout = Duration::from_secs(5);
    let url = format!("{}?master=mymaster", sentinel.tcp_url().replace("redis://", "redis-sentinel://"));
    let rig = node_with(RedisConfig { read_timeout: timeout, write_timeout: timeout, ..RedisConfig::at(url) }).await;
    rig.fill(page("GET:/a", "x")).await;
    assert_eq!(rig.invalidate(&named("GET:/a")).await, Cleared::deleted(1));
}

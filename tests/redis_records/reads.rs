//! Concurrent reads of one key are one command, and never older than what was cleared before them.

use std::sync::Arc;
use std::task::Poll;

use larder::entry::Entry;
use larder::invalidation::{Selector, Tag};
use larder::store::{BoxFuture, NearConfig, Reply, TieredStore};

use super::*;
use crate::rig::page;

/// How many records were read since this was asked last.
fn hgets(server: &RedisServer) -> usize {
    let stats = server.cli(&["INFO", "commandstats"]);
    server.cli(&["CONFIG", "RESETSTAT"]);
    let calls = stats.lines().find_map(|line| line.strip_prefix("cmdstat_hget:calls=")).unwrap_or("0");
    calls.split(',').next().unwrap().parse().unwrap()
}

async fn tiered(server: &RedisServer) -> Rig<TieredStore> {
    let near = TieredStore::new(NearConfig::default(), *node(server).await.store, Clock::system());
    while !near.is_coherent() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    Rig { fences: true, flights: Mutex::default(), clock: Clock::system(), store: Box::new(near) }
}

async fn a_thousand_read<S: Store>(rig: &Rig<S>, server: &RedisServer) {
    rig.fill(page("GET:/a", "x")).await;
    // The message about the store drops no copy that is made from here on.
    tokio::time::sleep(Duration::from_millis(50)).await;
    hgets(server);
    let asked: Vec<_> = (0..1000).map(|_| rig.store.get(&key("GET:/a"))).collect();
    assert!(asked.iter().all(|reply| matches!(reply, Reply::Later(_))));
    let mut entries: Vec<Arc<Entry>> = Vec::new();
    for reply in asked {
        let Ok(Found::Entry(entry)) = reply.wait().await else { panic!("not an entry") };
        entries.push(entry);
    }
    assert!(entries.iter().all(|entry| Arc::ptr_eq(entry, &entries[0])));
    assert_eq!(hgets(server), 1);
}

#[tokio::test]
async fn a_thousand_concurrent_reads_of_one_key_are_one_command() {
    let server = RedisServer::start();
    a_thousand_read(&node(&server).await, &server).await;
    server.cli(&["DEL", "larder:GET:/a"]);
    a_thousand_read(&tiered(&server).await, &server).await;
}

/// Has a read sent, without waiting for its answer.
async fn sent(reply: Reply<Result<Found, StoreError>>) -> BoxFuture<Result<Found, StoreError>> {
    let Reply::Later(mut read) = reply else { panic!("answered at once") };
    assert!(std::future::poll_fn(|context| Poll::Ready(read.as_mut().poll(context).is_pending())).await);
    read
}

#[tokio::test]
async fn a_read_after_an_invalidation_is_not_answered_by_one_before_it() {
    let server = RedisServer::start();
    let rig = node(&server).await;
    for selector in [Selector::Key(key("GET:/a")), Selector::Tag(Tag::new("t")), Selector::All] {
        rig.fill(page("GET:/a", "old").tag("t")).await;
        let before = sent(rig.store.get(&key("GET:/a"))).await;
        rig.store.invalidate(&selector).wait().await.unwrap();
        let after = rig.store.get(&key("GET:/a"));
        assert!(matches!(after.wait().await, Ok(Found::Absent)), "{selector}");
        assert!(matches!(before.await, Ok(Found::Entry(_))), "{selector}");
    }
}

#[tokio::test]
async fn a_read_after_a_store_is_not_answered_by_one_before_it() {
    let server = RedisServer::start();
    let rig = node(&server).await;
    let before = sent(rig.store.get(&key("GET:/a"))).await;
    rig.fill(page("GET:/a", "new")).await;
    assert_eq!(rig.body("GET:/a").await.as_deref(), Some("new"));
    assert!(matches!(before.await, Ok(Found::Absent)));
}

#[tokio::test]
async fn whoever_leaves_does_not_take_the_read_along() {
    let server = RedisServer::start();
    let rig = node(&server).await;
    rig.fill(page("GET:/a", "x")).await;
    hgets(&server);
    let (first, second) = (rig.store.get(&key("GET:/a")), rig.store.get(&key("GET:/a")));
    drop(sent(first).await);
    assert!(matches!(second.wait().await, Ok(Found::Entry(_))));
    assert_eq!(hgets(&server), 1);
}

#[tokio::test]
async fn a_thousand_readers_of_rubbish_remove_it_once() {
    let server = RedisServer::start();
    let rig = node(&server).await;
    server.cli(&["SET", "larder:GET:/a", "rubbish", "EX", "100"]);
    let asked: Vec<_> = (0..1000).map(|_| rig.store.get(&key("GET:/a"))).collect();
    for reply in asked {
        assert_eq!(reply.wait().await.err(), Some(StoreError::Garbage));
    }
    assert_eq!(rig.store.garbage(), 1);
}

//! Readers, fills and invalidations of one key on two nodes, all at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use larder::invalidation::Selector;
use larder::store::{Claim, Fence, Found, Labels, Leased, Reply, Store, Stored};

use crate::redis_server::RedisServer;
use crate::rig::{key, page};
use crate::{Node, TOLD_WITHIN, named, node, waited};

/// What two nodes, their readers and their writers share: the version that the upstream has, and on each node the least
/// version that may still be read there.
#[derive(Default)]
struct Versions {
    upstream: AtomicU64,
    least: [AtomicU64; 2],
    reads: [AtomicU64; 2],
    over: AtomicBool,
}

async fn read_on(nodes: Arc<[Node; 2]>, versions: Arc<Versions>, at: usize) {
    while !versions.over.load(Ordering::Acquire) {
        let least = versions.least[at].load(Ordering::Acquire);
        let reply = nodes[at].store.get(&key("GET:/a?x=1"));
        let near = usize::from(matches!(reply, Reply::Now(_)));
        if let Ok(Found::Entry(entry)) = reply.wait().await {
            let version: u64 = std::str::from_utf8(entry.body()).unwrap().parse().unwrap();
            assert!(version >= least, "node {at} reads {version} after {least} was acknowledged; from memory: {near}");
            versions.reads[near].fetch_add(1, Ordering::Relaxed);
        }
        tokio::task::yield_now().await;
    }
}

async fn fill_on(nodes: Arc<[Node; 2]>, versions: Arc<Versions>, at: usize) {
    while !versions.over.load(Ordering::Acquire) {
        if let Ok(lease) = nodes[at].lease(&page("GET:/a?x=1", "")).await {
            let version = versions.upstream.load(Ordering::Acquire).to_string().leak();
            let _ = nodes[at].put(lease, &page("GET:/a?x=1", version)).await;
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_as_cleared_is_never_read_again_whatever_is_under_way() {
    let server = RedisServer::start();
    let nodes = Arc::new([node(&server).await, node(&server).await]);
    let versions = Arc::new(Versions::default());
    let mut tasks = tokio::task::JoinSet::new();
    for at in [0, 1, 0, 1] {
        tasks.spawn(read_on(Arc::clone(&nodes), Arc::clone(&versions), at));
        tasks.spawn(fill_on(Arc::clone(&nodes), Arc::clone(&versions), at));
    }
    for round in 0..400 {
        let (here, there) = (round % 2, 1 - round % 2);
        let version = versions.upstream.fetch_add(1, Ordering::AcqRel) + 1;
        let selector = if round % 3 == 0 { Selector::All } else { named("GET:/a") };
        assert!(!nodes[here].store.invalidate(&selector).wait().await.unwrap().queued);
        versions.least[here].fetch_max(version, Ordering::AcqRel);
        let versions = Arc::clone(&versions);
        tasks.spawn(async move {
            tokio::time::sleep(TOLD_WITHIN).await;
            versions.least[there].fetch_max(version, Ordering::AcqRel);
        });
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    versions.over.store(true, Ordering::Release);
    while let Some(ended) = tasks.join_next().await {
        ended.unwrap();
    }
    let [redis, memory] = [0, 1].map(|near| versions.reads[near].load(Ordering::Relaxed));
    assert!(redis > 100 && memory > 100, "{redis} reads of Redis, {memory} of memory");
}

#[tokio::test]
async fn a_fill_is_cut_off_by_an_invalidation_on_another_node_and_by_nothing_less() {
    let server = RedisServer::start();
    let [here, there] = [node(&server).await, node(&server).await];
    let (labels, held, without) = (Labels::default(), Arc::<Fence>::default(), Arc::<Fence>::default());
    let lease = |node: &Node, fence| node.store.lease(&key("GET:/a?x=1"), &labels, fence, Claim::Firm);
    let (lease, refused) = (lease(&here, &held).wait().await, lease(&there, &without).wait().await);
    let (Ok(Leased::Yes(lease)), Ok(Leased::Held(refused))) = (lease, refused) else { panic!("one node has it") };
    // It does not wait, so it fetches without.
    drop(refused);

    // Our own lease is told like any change, and another key's change too: neither cuts the fill off.
    there.store.invalidate(&named("GET:/b")).wait().await.unwrap();
    for _ in 0..50 {
        here.store.get(&key("GET:/c")).wait().await.unwrap();
    }
    assert!(!held.is_cut());

    there.store.invalidate(&named("GET:/a")).wait().await.unwrap();
    waited("a fill with a lease is cut off", TOLD_WITHIN, || held.is_cut()).await;
    waited("a fill without one is cut off", TOLD_WITHIN, || without.is_cut()).await;
    assert_eq!(here.put(lease, &page("GET:/a?x=1", "old")).await, Ok(Stored::LeaseLost));
}

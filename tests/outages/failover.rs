//! A master is lost, and a replica takes its place: in a Cluster, and under Sentinel.

use std::sync::Arc;
use std::time::Duration;

use crate::redis_cluster::RedisCluster;
use crate::redis_sentinel::Sentinels;
use crate::rig::Rig;
use crate::table::SLOWEST;

/// A page whose master is lost, and what Redis calls it.
const PAGE: &str = "/p/7";
const NAME: &str = "larder:GET:/p/7";

fn configuration(url: &str) -> String {
    format!("redis: {{ url: '{url}', read_timeout: 100ms }}\nmemory: {{ max_bytes: 16MiB }}\n")
}

/// Requests without end, until they are told to end. Gives back the longest that one took.
fn load_on(rig: &Arc<Rig>) -> (tokio::sync::oneshot::Sender<()>, tokio::task::JoinHandle<Duration>) {
    let rig = Arc::clone(rig);
    let (stop, mut stopped) = tokio::sync::oneshot::channel();
    let load = tokio::spawn(async move {
        let mut slowest = Duration::ZERO;
        while stopped.try_recv() == Err(tokio::sync::oneshot::error::TryRecvError::Empty) {
            slowest = slowest.max(rig.load(160).await.at(1.0));
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        slowest
    });
    (stop, load)
}

/// What is true once the replica has taken over: `del` deletes on the new master, as an operator would.
async fn is_whole(rig: &Arc<Rig>, mut del: impl FnMut(&str) -> String) {
    rig.logs("Redis is used again").await;
    rig.stores_again().await;
    rig.health_with(r#""status":"healthy""#).await;
    rig.look_at_all().await;
    is_told_of_changes(rig, &mut del).await;
}

/// What changes on this master leaves memory.
async fn is_told_of_changes(rig: &Arc<Rig>, mut del: impl FnMut(&str) -> String) {
    for _ in 0..3 {
        rig.is_told().await;
        rig.stores(PAGE).await;
        let fetches = rig.fetches();
        assert_eq!(rig.get(PAGE).await, "HIT");
        assert_eq!(del(NAME), "1");
        tokio::time::sleep(Duration::from_millis(200)).await;
        assert_ne!(rig.get(PAGE).await, "HIT", "a change on the new master was not told");
        assert_eq!(rig.fetches(), fetches + 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_master_of_a_cluster_is_lost_under_load() {
    let mut cluster = tokio::task::spawn_blocking(RedisCluster::with_replicas).await.unwrap();
    let rig = Rig::start(&configuration(&cluster.url())).await;
    rig.load(160).await;
    rig.stores(PAGE).await;
    let lost = cluster.master_of(NAME);
    let (stop, load) = load_on(&rig);
    cluster.kill(lost);
    rig.logs("Redis is not used").await;
    assert!(rig.clear(PAGE).await, "queued");
    let (cluster, found) = tokio::task::spawn_blocking(move || {
        let found = cluster.moved_from(lost, NAME);
        (cluster, found)
    })
    .await
    .unwrap();
    assert_ne!(found, lost);
    rig.logs("Redis is used again").await;
    drop(stop);
    let slowest = load.await.unwrap_or_else(|failed| std::panic::resume_unwind(failed.into_panic()));
    println!("a master of a Cluster lost: slowest request {slowest:?}");
    assert!(slowest < SLOWEST, "{slowest:?}");
    is_whole(&rig, |name| cluster.cli(found, &["DEL", name])).await;
    assert_eq!((rig.logged("Redis is not used"), rig.logged("Redis is used again")), (1, 1), "{}", rig.log());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_master_under_sentinel_is_lost_under_load() {
    let mut sentinels = tokio::task::spawn_blocking(Sentinels::start).await.unwrap();
    let rig = Rig::start(&configuration(&sentinels.url())).await;
    rig.load(160).await;
    rig.stores(PAGE).await;
    let lost = sentinels.master();
    let (stop, load) = load_on(&rig);
    sentinels.kill(lost);
    rig.logs("Redis is not used").await;
    assert!(rig.clear(PAGE).await, "queued");
    let (sentinels, found) = tokio::task::spawn_blocking(move || {
        let found = sentinels.moved_from(lost);
        (sentinels, found)
    })
    .await
    .unwrap();
    rig.logs("Redis is used again").await;
    drop(stop);
    let slowest = load.await.unwrap_or_else(|failed| std::panic::resume_unwind(failed.into_panic()));
    println!("a master under Sentinel lost: slowest request {slowest:?}");
    assert!(slowest < SLOWEST, "{slowest:?}");
    is_whole(&rig, |name| sentinels.cli(found, &["DEL", name])).await;
    assert_eq!((rig.logged("Redis is not used"), rig.logged("Redis is used again")), (1, 1), "{}", rig.log());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_master_under_sentinel_is_replaced_while_it_is_well() {
    let sentinels = tokio::task::spawn_blocking(Sentinels::start).await.unwrap();
    let rig = Rig::start(&configuration(&sentinels.url())).await;
    rig.load(160).await;
    let lost = sentinels.master();
    sentinels.fail_over();
    let (sentinels, found) = tokio::task::spawn_blocking(move || {
        let found = sentinels.moved_from(lost);
        (sentinels, found)
    })
    .await
    .unwrap();
    rig.load(160).await;
    is_whole(&rig, |name| sentinels.cli(found, &["DEL", name])).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slot_moves_to_another_master_under_load() {
    let cluster = tokio::task::spawn_blocking(RedisCluster::start).await.unwrap();
    let rig = Rig::start(&configuration(&cluster.url())).await;
    rig.load(160).await;
    rig.stores(PAGE).await;
    let from = cluster.master_of(NAME);
    let to = (from + 1) % 3;
    let (stop, load) = load_on(&rig);
    let cluster = tokio::task::spawn_blocking(move || {
        cluster.move_slot(NAME, from, to);
        cluster
    })
    .await
    .unwrap();
    drop(stop);
    let slowest = load.await.unwrap_or_else(|failed| std::panic::resume_unwind(failed.into_panic()));
    assert!(slowest < SLOWEST, "{slowest:?}");
    // A client that is redirected again and again while the nodes disagree may take that for an outage.
    assert!(rig.logged("Redis is not used") <= 1, "{}", rig.log());
    rig.stores_again().await;
    rig.look_at_all().await;
    is_told_of_changes(&rig, |name| cluster.cli(to, &["DEL", name])).await;
}

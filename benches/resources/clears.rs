//! Wide invalidations: how long they take, and what hits wait meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use larder::clock::Clock;
use larder::invalidation::{Glob, Selector, Tag};
use larder::store::{NearConfig, Store, TieredStore};
use tokio::runtime::Runtime;

use crate::Times;
use crate::pages::{entry, fill, fill_many, key, noise, redis};
use crate::redis_server::RedisServer;

const KEYS: usize = 100_000;

pub(crate) fn measure(_: &Runtime) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let server = RedisServer::start();
        let near = TieredStore::new(NearConfig::default(), redis(&server, 10).await, Clock::system());
        let store = Arc::new(near);
        while !store.is_coherent() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        for (what, selector) in [
            ("a tag of 100,000 keys", Selector::Tag(Tag::new("t"))),
            ("a path of 100,000 queries", Selector::Key(key("GET:/p"))),
            ("a pattern of 100,000 keys", Selector::Glob(Glob::new("GET:/p*"))),
            ("everything", Selector::All),
        ] {
            prepare(&store).await;
            let store_then = Arc::clone(&store);
            beside(&store, what, async move { store_then.invalidate(&selector).wait().await.unwrap().deleted }).await;
        }
        prepare(&store).await;
        let script = "local names = redis.call('KEYS', 'larder:GET:/p*') \
                      for at = 1, #names, 1000 do redis.call('UNLINK', unpack(names, at, math.min(at + 999, #names))) end \
                      return #names";
        let deleted = tokio::task::spawn_blocking(move || {
            let deleted = server.cli(&["EVAL", script, "0"]);
            (server, deleted)
        });
        beside(&store, "100,000 keys in one command by somebody else", async move {
            let (_server, deleted) = deleted.await.unwrap();
            tokio::time::sleep(Duration::from_secs(1)).await;
            deleted.parse().unwrap()
        })
        .await;
    });
}

/// Stores the keys, reads them all into memory, and one beside them.
async fn prepare(store: &Arc<TieredStore>) {
    let body = noise(256);
    fill_many(store, (0..KEYS).map(|n| entry(&format!("GET:/p?q={n:06}"), body.clone(), &["t"]))).await;
    fill(&**store, entry("GET:/other", body.clone(), &[])).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    for number in 0..KEYS {
        let _ = store.get(&key(&format!("GET:/p?q={number:06}"))).wait().await.unwrap();
    }
}

/// Works, while a hit is asked for again and again, and a Redis read.
async fn beside(store: &Arc<TieredStore>, what: &str, work: impl Future<Output = u64>) {
    let over = Arc::new(AtomicBool::new(false));
    let probe = |key_text: &'static str| {
        let (store, over) = (Arc::clone(store), Arc::clone(&over));
        tokio::spawn(async move {
            let mut times = Times::default();
            while !over.load(Ordering::Relaxed) {
                // The wait is part of it: a worker that is held up answers nobody.
                let look = async {
                    tokio::task::yield_now().await;
                    store.get(&key(key_text)).wait().await
                };
                let _ = times.of(look).await;
                tokio::time::sleep(Duration::from_micros(200)).await;
            }
            times
        })
    };
    let (hits, misses) = (probe("GET:/other"), probe("GET:/absent"));
    let began = Instant::now();
    let deleted = work.await;
    let took = began.elapsed();
    over.store(true, Ordering::Relaxed);
    println!("  {what}: {deleted} deleted in {:.0} ms", took.as_secs_f64() * 1e3);
    hits.await.unwrap().print("  hits in memory meanwhile");
    misses.await.unwrap().print("  reads of Redis meanwhile");
}

//! Reads of Redis: what one costs, and how long a small one takes beside large ones.

use std::sync::Arc;
use std::time::Instant;

use larder::store::{Found, RedisStore, Store};
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

use crate::pages::{entry, fill, key, noise, redis};
use crate::redis_server::RedisServer;
use crate::{Times, cpu};

const READERS: usize = 64;
const READS: usize = 4_000;
const LARGE: usize = 8 << 20;

async fn read(store: &RedisStore, text: &str) {
    let found = store.get(&key(text)).wait().await.unwrap();
    assert!(matches!(found, Found::Entry(_)), "{text}: {found:?}");
}

/// CPU of a read that nobody shares, on this side.
pub(crate) fn lone(runtime: &Runtime) {
    runtime.block_on(async {
        let server = RedisServer::start();
        let store = Arc::new(redis(&server, 10).await);
        for number in 0..READERS {
            fill(&*store, entry(&format!("GET:/{number}"), noise(1024), &[])).await;
        }
        let mut rounds = Vec::new();
        for _ in 0..9 {
            let began = cpu();
            let mut readers = JoinSet::new();
            for number in 0..READERS {
                let store = Arc::clone(&store);
                readers.spawn(async move {
                    let text = format!("GET:/{number}");
                    for _ in 0..READS {
                        read(&store, &text).await;
                    }
                });
            }
            readers.join_all().await;
            rounds.push((cpu() - began).as_nanos() as usize / READERS / READS);
        }
        rounds.sort_unstable();
        println!("  a read of 1 KiB, {READERS} keys at a time: {} ns of CPU ({rounds:?})", rounds[4]);
    });
}

/// Small reads while others read large bodies.
pub(crate) fn beside_large_bodies(runtime: &Runtime) {
    runtime.block_on(async {
        let server = RedisServer::start();
        for (what, pool_size, readers) in [
            ("nothing else is read", 10, 0),
            ("8 MiB by two, each kind on its own connection", 10, 2),
            ("8 MiB by two, all on one connection", 1, 2),
        ] {
            let store = Arc::new(redis(&server, pool_size).await);
            fill(&*store, entry("GET:/small", noise(1024), &[])).await;
            let mut large = JoinSet::new();
            for number in 0..readers {
                let text = format!("GET:/large/{number}");
                fill(&*store, entry(&text, noise(LARGE), &[])).await;
                let store = Arc::clone(&store);
                large.spawn(async move {
                    loop {
                        read(&store, &text).await;
                    }
                });
            }
            let (mut times, began) = (Times::default(), Instant::now());
            while began.elapsed().as_secs() < 3 {
                times.of(read(&store, "GET:/small")).await;
                tokio::time::sleep(std::time::Duration::from_micros(500)).await;
            }
            drop(large);
            times.print(what);
        }
    });
}

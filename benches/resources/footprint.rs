//! Bytes for an entry besides its key, its head and its body.

use std::sync::Arc;

use bytes::Bytes;
use larder::store::{Found, MemoryStore, Reply, Store};
use tokio::runtime::Runtime;

use crate::pages::{entry, fill_many, key, noise, redis};
use crate::redis_server::RedisServer;

const ENTRIES: usize = 100_000;
/// Bodies are of all lengths from half a kilobyte to one and a half, since allocators round up.
const BODIES: std::ops::Range<usize> = 512..1536;
const TAGS: &[&str] = &["posts", "user:1"];

/// What the entries of one measurement are like.
#[derive(Clone, Copy)]
struct Kind {
    name: &'static str,
    query: bool,
    tags: &'static [&'static str],
}

const KINDS: [Kind; 3] = [
    Kind { name: "a path of its own", query: false, tags: &[] },
    Kind { name: "one query of many of a path", query: true, tags: &[] },
    Kind { name: "two tags", query: false, tags: TAGS },
];

impl Kind {
    fn key(self, number: usize) -> String {
        if self.query { format!("GET:/api/posts/?page={number:06}") } else { format!("GET:/api/posts/{number:06}/") }
    }

    fn entries(self, noise: Bytes) -> impl Iterator<Item = larder::entry::Entry> {
        (0..ENTRIES).map(move |number| {
            let length = BODIES.start + number % BODIES.len();
            entry(&self.key(number), Bytes::copy_from_slice(&noise[..length]), self.tags)
        })
    }

    /// Bytes of an entry that are its own.
    fn payload(self) -> f64 {
        let entry = entry(&self.key(0), Bytes::new(), self.tags);
        let body = (BODIES.start + BODIES.end) / 2;
        (entry.meta().key.as_str().len() + entry.head().as_bytes().len() + body) as f64
    }
}

pub(crate) fn measure(runtime: &Runtime) {
    let program = std::env::current_exe().unwrap();
    for (number, kind) in KINDS.iter().enumerate() {
        // In a process of its own, where no memory is left over.
        let child = std::process::Command::new(&program).args(["memory", &number.to_string()]).status().unwrap();
        assert!(child.success(), "{}", kind.name);
    }
    runtime.block_on(async {
        for kind in KINDS {
            in_redis(kind).await;
        }
    });
}

/// One measurement of memory, in a process of its own.
pub(crate) fn child(runtime: &Runtime, number: usize) {
    runtime.block_on(in_memory(KINDS[number]));
}

async fn in_memory(kind: Kind) {
    let (store, noise) = (Arc::new(MemoryStore::new(4 << 30)), noise(BODIES.end));
    let before = resident();
    fill_many(&store, kind.entries(noise)).await;
    let stored = resident();
    for number in 0..ENTRIES {
        let Reply::Now(Ok(Found::Entry(entry))) = store.get(&key(&kind.key(number))) else { continue };
        std::hint::black_box(entry.headers());
    }
    let read = resident();
    let each = |bytes: u64| bytes as f64 / ENTRIES as f64 - kind.payload();
    println!(
        "  in memory, {:<30} {:>5.0} bytes, {:>5.0} once it was read; accounted for with {:.0}",
        kind.name,
        each(stored - before),
        each(read - before),
        each(store.weight()),
    );
}

async fn in_redis(kind: Kind) {
    let server = RedisServer::start();
    let (store, noise) = (Arc::new(redis(&server, 10).await), noise(BODIES.end));
    let used = || {
        let info = server.cli(&["INFO", "memory"]);
        let line = info.lines().find_map(|line| line.strip_prefix("used_memory_dataset:"));
        line.unwrap().trim().parse::<u64>().unwrap()
    };
    fill_many(&store, std::iter::once(entry("GET:/first", noise.clone(), kind.tags))).await;
    let before = used();
    fill_many(&store, kind.entries(noise)).await;
    let each = (used() - before) as f64 / ENTRIES as f64 - kind.payload();
    let name = |number| format!("larder:{}", kind.key(number));
    let usage = |number| server.cli(&["MEMORY", "USAGE", &name(number), "SAMPLES", "0"]).parse::<usize>().unwrap();
    let record = (0..512).map(|n| usage(n * 2)).sum::<usize>() as f64 / 512.0 - kind.payload();
    let fields = server.cli(&["HKEYS", &name(7)]).split_whitespace().collect::<Vec<_>>().join(" ");
    println!("  in Redis, {:<31} {each:>5.0} bytes, {record:.0} of them its record ({fields})", kind.name);
}

/// Memory of this process, in bytes.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or("0");
    line.split_whitespace().next().and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0) << 10
}

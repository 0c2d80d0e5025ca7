//! How soon a change in Redis leaves another node's memory, and how soon a node is back after its connection, or its
//! server, was lost: `cargo run --release --example push_delay`. Needs `redis-server`, which it runs for itself.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use larder::clock::Clock;
use larder::entry::{Entry, Meta, Terms};
use larder::invalidation::Selector;
use larder::key::Key;
use larder::store::{
    Claim, Fence, Found, Labels, Leased, NearConfig, Put, RedisConfig, RedisStore, Reply, Store, TieredStore,
};
use tokio::time::{Instant, sleep};

type Failure = Box<dyn std::error::Error>;

const CHANGES: usize = 2_000;
const LOSSES: usize = 20;

/// A server of our own; it ends with its owner.
struct Server {
    folder: PathBuf,
    process: Child,
}

impl Server {
    async fn start(folder: &Path) -> Result<Self, Failure> {
        let socket = folder.join("redis.sock");
        let _ = std::fs::remove_file(&socket);
        let mut command = Command::new("redis-server");
        command.args(["--port", "0", "--save", "", "--unixsocket"]).arg(&socket).arg("--dir").arg(folder);
        let process = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn()?;
        let server = Self { folder: folder.to_owned(), process };
        while std::os::unix::net::UnixStream::connect(&socket).is_err() {
            sleep(Duration::from_millis(2)).await;
        }
        Ok(server)
    }

    fn url(&self) -> String {
        format!("unix://{}", self.folder.join("redis.sock").display())
    }

    fn cli(&self, arguments: &[&str]) -> Result<(), Failure> {
        Command::new("redis-cli").arg("-s").arg(self.folder.join("redis.sock")).args(arguments).output()?;
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

async fn node(url: String) -> Result<TieredStore, Failure> {
    let redis = RedisStore::connect(RedisConfig::at(url), Clock::system()).await?;
    Ok(TieredStore::new(NearConfig::default(), redis, Clock::system()))
}

fn page(key: &Key) -> Put {
    let now = Clock::system().now();
    let meta = Meta {
        key: key.clone(),
        status: StatusCode::OK,
        requested_at: now,
        received_at: now,
        initial_age: Duration::ZERO,
        lifetime: Duration::from_secs(60),
        stale_while_revalidate: Duration::ZERO,
        stale_if_error: Duration::ZERO,
        terms: Terms::default(),
        selecting: Vec::new(),
        category: None,
        tags: Vec::new(),
    };
    let entry = Arc::new(Entry::new(meta, &HeaderMap::new(), Bytes::from_static(b"a page")));
    Put { entry, variant: None, max_variants: 16, now }
}

/// Stores a page through this node. False when it could not.
async fn store(node: &TieredStore, key: &Key) -> bool {
    let fence = Arc::new(Fence::default());
    match node.lease(key, &Labels::default(), &fence, Claim::Firm).wait().await {
        Ok(Leased::Yes(lease)) => node.put(lease, page(key)).wait().await.is_ok(),
        _ => false,
    }
}

/// Whether this node's memory has the page.
fn remembers(node: &TieredStore, key: &Key) -> bool {
    matches!(node.get(key), Reply::Now(Ok(Found::Entry(_))))
}

async fn coherent(node: &TieredStore) {
    while !node.is_coherent() {
        sleep(Duration::from_millis(1)).await;
    }
}

/// From the moment an invalidation was acknowledged on one node until it has left the memory of another.
async fn delays(one: &TieredStore, two: &TieredStore, key: &Key) -> Vec<Duration> {
    let mut delays = Vec::with_capacity(CHANGES);
    while delays.len() < CHANGES {
        store(one, key).await;
        // The message of the store itself may still be on its way.
        while !remembers(two, key) {
            let _ = two.get(key).wait().await;
            tokio::task::yield_now().await;
        }
        sleep(Duration::from_micros(300)).await;
        if !remembers(two, key) {
            continue;
        }
        let _ = one.invalidate(&Selector::Key(key.clone())).wait().await;
        let acknowledged = Instant::now();
        while remembers(two, key) {
            tokio::task::yield_now().await;
        }
        delays.push(acknowledged.elapsed());
    }
    delays
}

/// From the loss until the node hears of changes, stores and reads again.
async fn back(node: &TieredStore, key: &Key, lost: Instant) -> Duration {
    while node.is_coherent() {
        sleep(Duration::from_millis(1)).await;
    }
    loop {
        if node.is_coherent() && store(node, key).await && matches!(node.get(key).wait().await, Ok(Found::Entry(_))) {
            return lost.elapsed();
        }
        sleep(Duration::from_millis(1)).await;
    }
}

fn report(what: &str, mut took: Vec<Duration>) {
    took.sort_unstable();
    let at = |share: f64| took[((took.len() - 1) as f64 * share) as usize];
    let (p50, p99, p999) = (at(0.5), at(0.99), at(0.999));
    println!("{what} ({} times): p50 {p50:.1?}, p99 {p99:.1?}, p99.9 {p999:.1?}, max {:.1?}", took.len(), at(1.0));
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let folder = std::env::temp_dir().join(format!("larder-push-delay-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let mut server = Server::start(&folder).await?;
    let (one, two) = (node(server.url()).await?, node(server.url()).await?);
    coherent(&one).await;
    coherent(&two).await;
    let key = Key::parse("GET:/page")?;
    report("a change leaves another node's memory", delays(&one, &two, &key).await);

    let mut losses = Vec::new();
    for _ in 0..LOSSES {
        let lost = Instant::now();
        server.cli(&["CLIENT", "KILL", "TYPE", "normal"])?;
        losses.push(back(&two, &key, lost).await);
        // Soon after one another they would count as one that comes and goes.
        sleep(Duration::from_millis(10_100)).await;
        coherent(&one).await;
    }
    report("back after its connections were killed", losses);

    let mut losses = Vec::new();
    for _ in 0..LOSSES / 4 {
        drop(server);
        server = Server::start(&folder).await?;
        losses.push(back(&two, &key, Instant::now()).await);
        sleep(Duration::from_millis(10_100)).await;
    }
    report("back after its server was killed and started", losses);
    drop(server);
    std::fs::remove_dir_all(&folder)?;
    Ok(())
}

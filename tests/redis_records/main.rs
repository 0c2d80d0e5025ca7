//! What lies in Redis: bodies, rubbish, and the commands that are sent.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod bodies;
mod commands;
mod garbage;
mod reads;
#[path = "../rig/redis_server.rs"]
#[expect(dead_code, reason = "no server is frozen or killed here")]
mod redis_server;
#[path = "../rig/store.rs"]
mod rig;

use std::sync::Mutex;
use std::time::Duration;

use larder::clock::Clock;
use larder::store::{Found, RedisConfig, RedisStore, Store, StoreError};
use redis_server::RedisServer;
use rig::{Rig, key};

/// A node with deadlines that a loaded machine keeps.
async fn node(server: &RedisServer) -> Rig<RedisStore> {
    node_with(server, |_| {}).await
}

async fn node_with(server: &RedisServer, change: impl FnOnce(&mut RedisConfig)) -> Rig<RedisStore> {
    let (read_timeout, write_timeout) = (Duration::from_secs(5), Duration::from_secs(5));
    let mut config = RedisConfig { read_timeout, write_timeout, ..RedisConfig::at(server.url()) };
    change(&mut config);
    let store = RedisStore::connect(config, Clock::system()).await.unwrap();
    Rig { fences: false, flights: Mutex::default(), clock: Clock::system(), store: Box::new(store) }
}

async fn get(rig: &Rig<RedisStore>, text: &str) -> Result<Found, StoreError> {
    rig.store.get(&key(text)).wait().await
}

/// A text of this many bytes that nothing shortens to less than two thirds.
fn noise(length: usize) -> &'static str {
    let mut state = 1u64;
    let text: String = std::iter::repeat_with(|| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        char::from(b' ' + (state >> 58) as u8)
    })
    .take(length)
    .collect();
    text.leak()
}

/// A text of this many bytes that becomes very short.
fn words(length: usize) -> &'static str {
    let text: String = "{\"id\":17},".chars().cycle().take(length).collect();
    text.leak()
}

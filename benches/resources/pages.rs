//! Entries of typical heads.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use http::header::{HeaderMap, HeaderValue};
use larder::clock::{Clock, Timestamp};
use larder::entry::{Entry, Meta, Terms};
use larder::invalidation::{Category, Tag};
use larder::key::Key;
use larder::store::{Claim, Fence, Labels, Leased, Put, RedisConfig, RedisStore, Store, Stored};

use crate::redis_server::RedisServer;

pub(crate) fn key(text: &str) -> Key {
    Key::parse(text).unwrap()
}

/// Bytes that nothing compresses.
pub(crate) fn noise(length: usize) -> Bytes {
    let mut state = 1u64;
    let next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    std::iter::repeat_with(next).take(length).collect::<Vec<u8>>().into()
}

/// What a JSON API and the servers before it say.
pub(crate) fn fields() -> HeaderMap {
    let mut fields = HeaderMap::new();
    for (name, value) in [
        ("content-type", "application/json; charset=utf-8"),
        ("date", "Sat, 21 Nov 2026 15:00:00 GMT"),
        ("etag", "W/\"3f8-Zk1T9sB0cYJ3m5q7\""),
        ("cache-control", "public, max-age=300"),
        ("vary", "accept-encoding"),
        ("server", "nginx"),
        ("x-request-id", "5f0c1c1e-7a53-4f3e-9d55-6a0f0d1f2a3b"),
        ("strict-transport-security", "max-age=31536000"),
    ] {
        fields.insert(name, HeaderValue::from_static(value));
    }
    fields
}

pub(crate) fn entry(text: &str, body: Bytes, tags: &[&str]) -> Entry {
    let now = Clock::system().now();
    let meta = Meta {
        key: key(text),
        status: StatusCode::OK,
        requested_at: now,
        received_at: now,
        initial_age: Duration::ZERO,
        lifetime: Duration::from_secs(300),
        stale_while_revalidate: Duration::ZERO,
        stale_if_error: Duration::ZERO,
        terms: Terms { has_validator: true, ..Terms::default() },
        selecting: Vec::new(),
        category: None::<Category>,
        tags: tags.iter().map(|tag| Tag::new(*tag)).collect(),
    };
    Entry::new(meta, &fields(), body)
}

/// Leases and stores.
pub(crate) async fn fill(store: &impl Store, entry: Entry) {
    let (key, fence) = (entry.meta().key.clone(), Arc::<Fence>::default());
    let labels = Labels { category: None, tags: entry.meta().tags.clone() };
    let Leased::Yes(lease) = store.lease(&key, &labels, &fence, Claim::Firm).wait().await.unwrap() else {
        panic!("nobody else fills it")
    };
    let now: Timestamp = entry.meta().received_at;
    let put = Put { entry: Arc::new(entry), variant: None, max_variants: 16, now };
    assert_eq!(store.put(lease, put).wait().await.unwrap(), Stored::Yes);
}

/// Stores many, so many at a time.
pub(crate) async fn fill_many(store: &Arc<impl Store>, entries: impl Iterator<Item = Entry>) {
    let mut tasks = tokio::task::JoinSet::new();
    for entry in entries {
        if tasks.len() >= 256 {
            tasks.join_next().await.unwrap().unwrap();
        }
        let store = Arc::clone(store);
        tasks.spawn(async move { fill(&*store, entry).await });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
}

pub(crate) async fn redis(server: &RedisServer, pool_size: usize) -> RedisStore {
    let seconds = Duration::from_secs(5);
    let config =
        RedisConfig { pool_size, read_timeout: seconds, write_timeout: seconds, ..RedisConfig::at(server.url()) };
    RedisStore::connect(config, Clock::system()).await.unwrap()
}

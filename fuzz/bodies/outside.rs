//! Bytes that other programs and people write: entries in a shared store, configuration, admin requests.

use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, HeaderMap, HeaderValue};
use http::{Request, StatusCode, Uri};
use http_body_util::Full;
use larder::admin;
use larder::cache::Cache;
use larder::clock::Timestamp;
use larder::config::{Config, Env, Source};
use larder::entry::{Entry, Meta, Terms};
use larder::invalidation::{Category, Tag};
use larder::key::Key;
use larder::route::Table;
use larder::store::MemoryStore;
use larder::store::wire;
use tower::ServiceExt as _;
use xxhash_rust::xxh3::xxh3_64_with_seed;

pub(crate) const ENVELOPE: &[&str] = &[
    "LRDE\u{1}",
    "LRDV\u{1}",
    "\0\0\0\0",
    "\u{1}\0\0\0",
    "\u{4}\0\0\0",
    "\u{8}\0\0\0",
    "\0",
    "\u{c8}",
    "\u{1f}",
    "\n",
    "GET:/a",
    "GET://h/a?b#c",
    "accept",
    "é",
    "\r\n",
    "x: y",
];
pub(crate) const CONFIG: &[&str] = &[
    "routes:",
    "\n",
    "  - path: ",
    "/a",
    "/{id}",
    "{rest*}",
    "    ttl: ",
    "60s",
    "short",
    "defaults: ",
    "invalidate: ",
    "{",
    "}",
    "[",
    "]",
    ", ",
    ": ",
    "\"",
    "'",
    "${",
    "${A:-b}",
    "$${",
    "&x",
    "*x",
    "!!str",
    "|",
    ">",
    "#",
    "- ",
    "<<",
    "GET:/a",
    "GET:/{id}",
    "PUT",
    "tag",
    "query: ",
    "include",
    "vary_on: ",
    "headers",
    "redis: ",
    "url: ",
    "redis://u:p@h:1/0",
    "memory: off",
    "max_bytes: ",
    "1MiB",
    "99999999999999999999",
    "hosts: ",
    "trusted_proxies: ",
    "10.0.0.0/8",
    "admin: ",
    "listen: ",
    "127.0.0.1:0",
    "true",
    "never",
    "é",
    "\t",
    "\u{feff}",
];
pub(crate) const ADMIN: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "\"keys\"",
    "\"patterns\"",
    "\"tags\"",
    "\"category\"",
    "\"all\"",
    "\"dry_run\"",
    "\"soft\"",
    "true",
    "false",
    "null",
    "\"GET:/a\"",
    "\"GET:/a?b=1\"",
    "\"GET:*\"",
    "\"*\"",
    "\"\\u0000\"",
    "\"x\"",
    "1",
    "/invalidate/",
    "GET:/a",
    "GET:",
    "%2F",
    "%",
    "?",
    "/",
    "%00",
];

/// Bytes found in a shared store: an entry or an error. What is an entry survives being written again.
pub(crate) fn envelope(bytes: &[u8]) {
    survives(Bytes::copy_from_slice(bytes));
    let entry = entry_of(bytes);
    let read = wire::decode(wire::encode(&entry)).unwrap();
    assert_eq!((read.meta(), read.headers(), read.body()), (entry.meta(), entry.headers(), entry.body()));
    // Behind the magic, the version and a checksum that fits, everything else is reached too.
    let mut sealed = [b"LRDE\x01", bytes].concat();
    if sealed.len() >= 16
        && let Some(seed) = sealed.first_chunk::<8>().map(|seed| u64::from_le_bytes(*seed))
    {
        let checksum = xxh3_64_with_seed(&sealed[16..], seed).to_le_bytes();
        sealed[8..16].copy_from_slice(&checksum);
        survives(sealed.into());
    }
}

/// An entry that is made of these bytes.
fn entry_of(bytes: &[u8]) -> Entry {
    let flag = |bit: u8| bytes.first().is_some_and(|byte| byte >> bit & 1 == 1);
    let texts: Vec<String> =
        bytes.split(|byte| *byte == b'\n').map(|text| String::from_utf8_lossy(text).into()).collect();
    let millis = |at: usize| u64::from(bytes.get(at).copied().unwrap_or_default()) << (at * 3);
    let mut headers = HeaderMap::new();
    for value in bytes.split(|byte| *byte == b'\n').filter_map(|value| HeaderValue::from_bytes(value).ok()) {
        headers.append("x-any", value);
    }
    let key = texts.iter().find_map(|text| Key::parse(text).ok());
    let meta = Meta {
        key: key.unwrap_or_else(|| Key::new(None, "/a", None, None)),
        status: StatusCode::OK,
        requested_at: Timestamp::from_millis(millis(1)),
        received_at: Timestamp::from_millis(millis(2)),
        initial_age: Duration::from_millis(millis(3)),
        lifetime: Duration::from_millis(millis(4)),
        stale_while_revalidate: Duration::from_millis(millis(5)),
        stale_if_error: Duration::from_millis(millis(6)),
        terms: Terms {
            always_validate: flag(0),
            never_stale: flag(1),
            shared_with_authorization: flag(2),
            heuristic: flag(3),
            has_validator: flag(4),
            immutable: flag(6),
        },
        selecting: texts.iter().map(|text| (ACCEPT, flag(5).then(|| text.clone()))).collect(),
        category: texts.get(1).map(|text| Category::new(text.as_str())),
        tags: texts.iter().skip(2).map(|text| Tag::new(text.as_str())).collect(),
    };
    Entry::new(meta, &headers, Bytes::copy_from_slice(bytes))
}

fn survives(bytes: Bytes) {
    let Ok(entry) = wire::decode(bytes) else { return };
    for value in entry.headers().values() {
        assert!(!value.as_bytes().iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)), "a field that injects another");
    }
    let again = wire::decode(wire::encode(&entry)).unwrap();
    assert_eq!(again.meta(), entry.meta());
    assert_eq!((again.headers(), again.body()), (entry.headers(), entry.body()));
}

/// A configuration file: a configuration, or faults that can be shown.
pub(crate) fn config_text(bytes: &[u8]) {
    let source = Source::new("routes.yaml", String::from_utf8_lossy(bytes));
    if let Err(faults) = Config::parse(&source, &Env::empty()) {
        assert!(!faults.to_string().is_empty());
    }
}

/// A body for `POST /invalidate`, and what may follow `DELETE`: an answer that is not the server's fault.
pub(crate) fn admin_body(bytes: &[u8]) {
    let table = Table::builder().build().unwrap();
    let cache = Cache::builder(table, MemoryStore::new(1 << 16)).build();
    let router = admin::router(cache, admin::Options::default());
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let post = Request::post("/invalidate").header("content-type", "application/json");
    let mut requests = vec![post.body(Full::new(Bytes::copy_from_slice(bytes))).unwrap()];
    if let Ok(target) = Uri::try_from(bytes)
        && target.path().starts_with('/')
    {
        requests.push(Request::delete(target).body(Full::default()).unwrap());
    }
    for request in requests {
        let what = format!("{} {}", request.method(), request.uri());
        let answer = runtime.block_on(router.clone().oneshot(request)).unwrap();
        assert!(!answer.status().is_server_error(), "{what}: {}", answer.status());
    }
}

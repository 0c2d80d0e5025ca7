//! Bytes that other programs and people write: entries in a shared store, configuration, admin requests.

use bytes::Bytes;
use http::{Request, Uri};
use http_body_util::Full;
use larder::admin;
use larder::cache::Cache;
use larder::config::{Config, Env, Source};
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
    "GET:/a",
    "accept",
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

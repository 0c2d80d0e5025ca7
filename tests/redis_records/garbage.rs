//! Whatever lies under a key that is no entry of it: a miss, counted, and removed or replaced.

use larder::invalidation::{Selector, Tag};
use larder::store::wire;
use larder::store::{StoreError, VariantId};

use super::*;
use crate::rig::page;

const NAME: &str = "larder:GET:/a";

/// Puts bytes where an operator's shell cannot.
fn put(server: &RedisServer, field: &str, bytes: &[u8]) {
    const SCRIPT: &str =
        "local bytes = string.gsub(ARGV[2], '..', function(hex) return string.char(tonumber(hex, 16)) end)
        return redis.call('HSET', KEYS[1], ARGV[1], bytes)";
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    server.cli(&["EVAL", SCRIPT, "1", NAME, field, &hex]);
}

/// Envelopes that are none, or none of this key.
fn envelopes() -> Vec<(&'static str, Vec<u8>)> {
    let whole = wire::encode(&page("GET:/a", "whole").entry(Clock::system().now())).to_vec();
    let other = wire::encode(&page("GET:/b", "whole").entry(Clock::system().now())).to_vec();
    let changed = |at: usize, byte: u8| {
        let mut bytes = whole.clone();
        bytes[at] = byte;
        bytes
    };
    vec![
        ("nothing", Vec::new()),
        ("text", b"hello".to_vec()),
        ("the beginning", b"LRDE".to_vec()),
        ("another program's", changed(0, b'X')),
        ("a later version", changed(4, 3)),
        ("the last version there will be", changed(4, 255)),
        ("version 2 that is version 1", changed(4, 2)),
        ("half", whole[..whole.len() / 2].to_vec()),
        ("all but a byte", whole[..whole.len() - 1].to_vec()),
        ("a byte more", [whole.as_slice(), b"x"].concat()),
        ("a changed body", changed(whole.len() - 1, b'x')),
        ("a changed checksum", changed(8, whole[8] ^ 1)),
        ("the entry of another key", other),
        ("half a list of names", b"LRDV\x01".to_vec()),
        ("a list of names with a wrong checksum", b"LRDV\x01\x06\0\0\0accept12345678".to_vec()),
    ]
}

/// Rubbish that is stored by a command.
const COMMANDS: &[&[&str]] = &[
    &["SET", NAME, "a string"],
    &["RPUSH", NAME, "a", "list"],
    &["SADD", NAME, "a", "set"],
    &["ZADD", NAME, "1", "a sorted set"],
    &["XADD", NAME, "*", "a", "stream"],
    &["PFADD", NAME, "a sketch"],
];

/// It is a miss, counted once; then nothing is there, and a store works whether somebody looked before or not.
async fn is_a_miss_and_gone(rig: &Rig<RedisStore>, what: &str, mut lay: impl FnMut()) {
    let before = rig.store.garbage();
    lay();
    assert_eq!(get(rig, "GET:/a").await.err(), Some(StoreError::Garbage), "{what}");
    assert_eq!(rig.store.garbage(), before + 1, "{what}");
    assert!(matches!(get(rig, "GET:/a").await, Ok(Found::Absent)), "{what}");
    lay();
    rig.fill(page("GET:/a", "fresh")).await;
    assert_eq!(rig.body("GET:/a").await.as_deref(), Some("fresh"), "{what}");
    rig.store.remove(&key("GET:/a")).wait().await.unwrap();
}

#[tokio::test]
async fn whatever_lies_under_a_key_is_a_miss_and_is_removed() {
    let server = RedisServer::start();
    let rig = node(&server).await;
    for command in COMMANDS {
        is_a_miss_and_gone(&rig, command[0], || drop(server.cli(command))).await;
    }
    for (what, bytes) in envelopes() {
        is_a_miss_and_gone(&rig, what, || put(&server, "r", &bytes)).await;
    }
}

#[tokio::test]
async fn whatever_lies_in_the_place_of_a_variant_is_a_miss_and_is_removed() {
    let server = RedisServer::start();
    let rig = node(&server).await;
    let id = VariantId::new([1; 32]);
    for (what, bytes) in envelopes() {
        rig.fill(page("GET:/a", "whole").variant("accept", 1)).await;
        put(&server, &format!("v:{}", "01".repeat(32)), &bytes);
        let found = rig.store.get_variant(&key("GET:/a"), &id).wait().await;
        assert_eq!(found.err(), Some(StoreError::Garbage), "{what}");
        assert!(matches!(get(&rig, "GET:/a").await, Ok(Found::Absent)), "{what}");
    }
    for command in COMMANDS {
        server.cli(command);
        let found = rig.store.get_variant(&key("GET:/a"), &id).wait().await;
        assert_eq!(found.err(), Some(StoreError::Garbage), "{command:?}");
    }
}

#[tokio::test]
async fn other_fields_that_make_no_sense_hinder_nothing() {
    let server = RedisServer::start();
    let rig = node(&server).await;
    for field in ["l", "x", "g", "k", "o", "b", "v:", "unknown"] {
        put(&server, field, b"\xff\0rubbish");
        assert!(matches!(get(&rig, "GET:/a").await, Ok(Found::Absent)), "{field}");
        rig.fill(page("GET:/a", "x").variant("accept", 1)).await;
        rig.fill(page("GET:/a", "x").tag("t")).await;
        put(&server, field, b"\xff\0rubbish");
        assert_eq!(rig.body("GET:/a").await.as_deref(), Some("x"), "{field}");
        rig.fill(page("GET:/a", "y").tag("t")).await;
        rig.store.invalidate(&Selector::Key(key("GET:/a"))).wait().await.unwrap();
        assert_eq!(server.cli(&["EXISTS", NAME]), "0", "{field}");
    }
}

#[tokio::test]
async fn an_index_that_is_none_is_done_without_and_made_anew() {
    let server = RedisServer::start();
    let rig = node(&server).await;
    rig.fill(page("GET:/a", "x").tag("t")).await;
    server.cli(&["SET", "larder:~t:t", "no index"]);
    assert_eq!(rig.store.invalidate(&Selector::Tag(Tag::new("t"))).wait().await.unwrap().deleted, 1);
    rig.fill(page("GET:/a", "x").tag("t")).await;
    assert_eq!(server.cli(&["TYPE", "larder:~t:t"]), "zset");
}

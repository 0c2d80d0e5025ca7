//! Bodies in Redis: compressed where it pays, apart where they are large, and whole when they are read.

use larder::store::{StoreError, VariantId};

use super::*;
use crate::rig::{Page, page};

fn length(server: &RedisServer, field: &str) -> usize {
    server.cli(&["HSTRLEN", "larder:GET:/a", field]).parse().unwrap()
}

fn variant_fields(server: &RedisServer) -> usize {
    server.cli(&["HKEYS", "larder:GET:/a"]).lines().filter(|field| field.contains(':')).count()
}

#[tokio::test]
async fn a_body_of_any_size_is_read_as_it_was_stored() {
    let server = RedisServer::start();
    for compress in [None, Some(0), Some(4096)] {
        let rig = node_with(&server, |config| config.compress = compress).await;
        for body in ["", "x", words(10_000), words(1 << 20), noise(10_000), noise(1 << 20), noise(8 << 20)] {
            rig.fill(page("GET:/a", body)).await;
            assert!(rig.body("GET:/a").await.as_deref() == Some(body), "{compress:?}: {}", body.len());
            rig.fill(page("GET:/v", body).variant("accept", 1)).await;
            assert!(rig.variant("GET:/v", 1).await.as_deref() == Some(body), "{compress:?}: {}", body.len());
        }
    }
    assert_eq!(node(&server).await.store.garbage(), 0);
}

#[tokio::test]
async fn bodies_are_compressed_from_the_configured_size_on() {
    let server = RedisServer::start();
    for (compress, small) in [(None, false), (Some(10_001), false), (Some(10_000), true)] {
        let rig = node_with(&server, |config| config.compress = compress).await;
        rig.fill(page("GET:/a", words(10_000))).await;
        assert_eq!(length(&server, "r") < 1000, small, "{compress:?}");
    }
}

#[tokio::test]
async fn a_large_body_lies_apart_and_leaves_with_its_entry() {
    let server = RedisServer::start();
    let rig = node(&server).await;
    rig.fill(page("GET:/a", noise(1 << 20))).await;
    assert!(length(&server, "r") < 1000 && length(&server, "b") > 1 << 19);
    rig.fill(page("GET:/a", "small")).await;
    assert_eq!(length(&server, "b"), 0);
    let variant = |id, body| Page { max_variants: Some(2), ..page("GET:/a", body).variant("accept", id) };
    rig.fill(variant(1, noise(100_000))).await;
    rig.fill(variant(2, noise(100_000))).await;
    assert_eq!((length(&server, "b"), variant_fields(&server)), (0, 4));
    rig.fill(variant(1, "small")).await;
    assert_eq!(variant_fields(&server), 3, "the body that was replaced is gone");
    rig.fill(variant(3, noise(100_000))).await;
    assert_eq!(variant_fields(&server), 3, "the oldest variant left with its body");
    server.cli(&["DEL", "larder:GET:/a"]);
    assert_eq!(rig.variant("GET:/a", 3).await, None);
}

#[tokio::test]
async fn nothing_is_inflated_to_more_than_the_largest_body() {
    let server = RedisServer::start();
    let (rig, strict) = (node(&server).await, node_with(&server, |config| config.largest_body = 9_999).await);
    for (body, apart) in [(words(10_000), false), (noise(200_000), true)] {
        rig.fill(page("GET:/a", body)).await;
        assert_eq!(length(&server, "b") > 0, apart);
        assert_eq!(get(&strict, "GET:/a").await.err(), Some(StoreError::Garbage));
        assert_eq!(rig.body("GET:/a").await, None, "it was removed");
        strict.fill(page("GET:/a", body)).await;
        assert!(strict.body("GET:/a").await.as_deref() == Some(body), "what it stores itself is not compressed");
    }
}

#[tokio::test]
async fn a_body_that_is_gone_or_another_is_garbage() {
    let server = RedisServer::start();
    let rig = node(&server).await;
    for command in [["HDEL", "", ""], ["HSET", "", "another"], ["HSET", "", ""]] {
        for (variant, id) in [(false, String::new()), (true, format!(":{}", "01".repeat(32)))] {
            let page = page("GET:/a", noise(200_000));
            rig.fill(if variant { page.variant("accept", 1) } else { page }).await;
            let field = format!("b{id}");
            let command: &[&str] = if command[0] == "HDEL" {
                &["HDEL", "larder:GET:/a", &field]
            } else {
                &["HSET", "larder:GET:/a", &field, command[2]]
            };
            server.cli(command);
            let found = if variant {
                rig.store.get_variant(&key("GET:/a"), &VariantId::new([1; 32])).wait().await
            } else {
                get(&rig, "GET:/a").await
            };
            assert_eq!(found.err(), Some(StoreError::Garbage), "{command:?}");
            assert!(matches!(get(&rig, "GET:/a").await, Ok(Found::Absent)), "{command:?}");
        }
    }
}

/// Whoever reads while another replaces gets one or the other, and removes neither.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_is_replaced_while_it_is_read_is_no_garbage() {
    let server = RedisServer::start();
    let (writer, reader) = (node(&server).await, node(&server).await);
    let bodies = [noise(150_000), noise(150_001)];
    writer.fill(page("GET:/a", bodies[0])).await;
    let reading = async {
        for _ in 0..300 {
            match get(&reader, "GET:/a").await.unwrap() {
                Found::Entry(entry) => assert!(bodies.iter().any(|body| body.as_bytes() == &entry.body()[..])),
                found => assert!(matches!(found, Found::Absent), "{found:?}"),
            }
        }
    };
    let mut turn = 0;
    let writing = async {
        loop {
            turn += 1;
            writer.fill(page("GET:/a", bodies[turn % 2])).await;
        }
    };
    tokio::select! { () = reading => {}, () = writing => {} }
    assert_eq!(reader.store.garbage(), 0);
    assert!(turn > 3, "{turn} stores in that time");
}

/// `make resources` measures it closely; this holds the order of magnitude.
#[tokio::test]
async fn a_record_costs_little_besides_its_own_bytes() {
    let server = RedisServer::start();
    let rig = node(&server).await;
    for (page, most) in [(page("GET:/a", noise(1024)), 600), (page("GET:/a", noise(1024)).tag("t"), 700)] {
        rig.fill(page).await;
        let usage: usize = server.cli(&["MEMORY", "USAGE", "larder:GET:/a"]).parse().unwrap();
        assert!(usage < 1024 + most, "{usage} bytes for a body of 1024");
    }
}

//! Connections that leave HTTP.

use std::time::Duration;

use crate::front::Front;
use crate::origin::Origin;

const ASK: &str = "GET /chat HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\
                   Sec-WebSocket-Key: x\r\n\r\n";
const SWITCH: &str = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";

#[tokio::test]
async fn after_a_101_both_sides_are_joined() {
    let origin = Origin::start().await;
    let front = Front::before(&origin).await;
    let mut client = front.client().await;
    client.send(ASK).await;
    let mut upstream = origin.accept().await;
    let head = upstream.head().await;
    for field in ["connection: upgrade\r\n", "upgrade: websocket\r\n", "sec-websocket-key: x\r\n"] {
        assert!(head.contains(field), "{head}");
    }
    upstream.send(format!("{SWITCH}early")).await;
    let head = client.head().await;
    assert!(head.starts_with("HTTP/1.1 101 ") && head.contains("upgrade: websocket\r\n"), "{head}");
    assert!(head.contains("connection: upgrade\r\n"), "{head}");
    assert_eq!(client.exactly(5).await, b"early");
    client.send([0, 255, 1]).await;
    assert_eq!(upstream.exactly(3).await, [0, 255, 1]);
    upstream.send("pong").await;
    assert_eq!(client.exactly(4).await, b"pong");
    client.finish().await;
    assert_eq!(upstream.rest().await, "");
    upstream.send("bye").await;
    drop(upstream);
    assert_eq!(client.rest().await, "bye");
}

#[tokio::test]
async fn nothing_is_passed_before_the_101() {
    let origin = Origin::start().await;
    let front = Front::before(&origin).await;
    let mut client = front.client().await;
    client.send(format!("{ASK}GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n")).await;
    let mut upstream = origin.accept().await;
    upstream.head().await;
    upstream.send("HTTP/1.1 426 Upgrade Required\r\nContent-Length: 0\r\n\r\n").await;
    assert!(client.head().await.starts_with("HTTP/1.1 426 "));
    // It was a request of its own, and is treated as one.
    let head = upstream.head().await;
    assert!(head.starts_with("GET /smuggled ") && head.contains("via: 1.1 larder\r\n"), "{head}");
}

#[tokio::test]
async fn a_switch_that_nobody_asked_for_is_no_answer() {
    let origin = Origin::start().await;
    let front = Front::before(&origin).await;
    let mut client = front.client().await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let mut upstream = origin.accept().await;
    upstream.head().await;
    upstream.send(format!("{SWITCH}HTTP/1.1 200 OK\r\n\r\n")).await;
    let (head, body) = client.message().await;
    assert!(head.starts_with("HTTP/1.1 502 ") && body.contains("upstream-garbage"), "{head}{body}");
}

#[tokio::test]
async fn an_upgrade_that_is_half_asked_for_is_none() {
    for request in [
        "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade, http2-settings\r\nUpgrade: h2c\r\nHTTP2-Settings: x\r\n\r\n",
        "GET / HTTP/1.0\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 1\r\n\r\nx",
    ] {
        let origin = Origin::start().await;
        let front = Front::before(&origin).await;
        let mut client = front.client().await;
        client.send(request).await;
        let head = origin.accept().await.head().await;
        assert!(!head.contains("upgrade") && !head.contains("http2-settings"), "{request}: {head}");
    }
}

#[tokio::test]
async fn a_tunnel_is_a_connection_and_is_cut_with_the_last_ones() {
    let origin = Origin::start().await;
    let front = Front::with(&origin, |mut setting| {
        setting.limits = setting.limits.drain_timeout(Duration::from_millis(50));
        setting
    })
    .await;
    let mut client = front.client().await;
    client.send(ASK).await;
    let mut upstream = origin.accept().await;
    upstream.head().await;
    upstream.send(SWITCH).await;
    client.head().await;
    front.stop();
    assert_eq!(front.ended().await.cut(), 1);
    assert_eq!(client.rest().await, "");
    assert_eq!(upstream.rest().await, "");
}

//! A pooled connection that turns out dead.

use crate::front::Front;
use crate::origin::Origin;
use crate::wire::Wire;

const FIRST: &str = "GET /first HTTP/1.1\r\nHost: a\r\n\r\n";
const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// A client, and the upstream's connection after it carried one answer.
async fn warm(origin: &Origin, front: &Front) -> (Wire, Wire) {
    let mut client = front.client().await;
    client.send(FIRST).await;
    let mut upstream = origin.accept().await;
    upstream.head().await;
    upstream.send(OK).await;
    assert_eq!(client.message().await.1, "ok");
    (client, upstream)
}

#[tokio::test]
async fn a_safe_request_that_an_idle_connection_swallowed_is_sent_again() {
    for method in ["GET", "HEAD", "OPTIONS"] {
        let origin = Origin::start().await;
        let front = Front::before(&origin).await;
        let (mut client, mut upstream) = warm(&origin, &front).await;
        client.send(format!("{method} /second HTTP/1.1\r\nHost: a\r\nX-Kept: 1\r\n\r\n")).await;
        let swallowed = upstream.head().await;
        drop(upstream);
        let mut upstream = origin.accept().await;
        assert_eq!(upstream.head().await, swallowed);
        upstream.send(OK).await;
        assert!(client.head().await.starts_with("HTTP/1.1 200 OK\r\n"), "{method}");
    }
}

#[tokio::test]
async fn a_reset_counts_as_dead_too() {
    let origin = Origin::start().await;
    let front = Front::before(&origin).await;
    let (mut client, mut upstream) = warm(&origin, &front).await;
    client.send("GET /second HTTP/1.1\r\nHost: a\r\n\r\n").await;
    upstream.head().await;
    upstream.reset();
    let mut upstream = origin.accept().await;
    assert!(upstream.head().await.starts_with("GET /second "));
    upstream.send(OK).await;
    assert_eq!(client.message().await.1, "ok");
}

#[tokio::test]
async fn it_is_sent_again_once() {
    let origin = Origin::start().await;
    let front = Front::before(&origin).await;
    let (mut client, mut upstream) = warm(&origin, &front).await;
    client.send("GET /second HTTP/1.1\r\nHost: a\r\n\r\n").await;
    upstream.head().await;
    drop(upstream);
    let mut upstream = origin.accept().await;
    upstream.head().await;
    drop(upstream);
    let (head, body) = client.message().await;
    assert!(head.starts_with("HTTP/1.1 502 ") && body.contains("upstream-closed"), "{head}{body}");
    assert!(!origin.has_caller());
}

#[tokio::test]
async fn it_is_not_sent_to_another_idle_connection() {
    let origin = Origin::start().await;
    let front = Front::before(&origin).await;
    let (mut one, mut other) = (front.client().await, front.client().await);
    let mut idle = Vec::new();
    one.send(FIRST).await;
    other.send(FIRST).await;
    for _ in 0..2 {
        let mut upstream = origin.accept().await;
        upstream.head().await;
        idle.push(upstream);
    }
    for upstream in &mut idle {
        upstream.send(OK).await;
    }
    one.message().await;
    other.message().await;
    one.send("GET /second HTTP/1.1\r\nHost: a\r\n\r\n").await;
    // Either may have been chosen; both die, and only one of them got the request.
    let [mut a, mut b] = <[Wire; 2]>::try_from(idle).unwrap_or_else(|_| panic!("two"));
    tokio::select! {
        _ = a.head() => {}
        _ = b.head() => {}
    }
    drop((a, b));
    let mut upstream = origin.accept().await;
    assert!(upstream.head().await.starts_with("GET /second "));
    upstream.send(OK).await;
    assert_eq!(one.message().await.1, "ok");
}

#[tokio::test]
async fn an_unsafe_request_is_never_sent_twice() {
    for request in [
        "POST /second HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi",
        "POST /second HTTP/1.1\r\nHost: a\r\n\r\n",
        "DELETE /second HTTP/1.1\r\nHost: a\r\n\r\n",
        "PUT /second HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
        "GET /second HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi",
    ] {
        let origin = Origin::start().await;
        let front = Front::before(&origin).await;
        let (mut client, mut upstream) = warm(&origin, &front).await;
        client.send(request).await;
        upstream.head().await;
        drop(upstream);
        let (head, body) = client.message().await;
        assert!(head.starts_with("HTTP/1.1 502 ") && body.contains("upstream-closed"), "{head}{body}");
        assert!(!origin.has_caller(), "{request}");
    }
}

#[tokio::test]
async fn a_connection_that_was_closed_in_time_is_not_used() {
    let origin = Origin::start().await;
    let front = Front::before(&origin).await;
    let mut client = front.client().await;
    client.send(FIRST).await;
    let mut upstream = origin.accept().await;
    upstream.head().await;
    upstream.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok").await;
    client.message().await;
    client.send("POST /second HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi").await;
    let mut next = origin.accept().await;
    assert!(next.head().await.starts_with("POST /second "));
    next.send(OK).await;
    assert_eq!(client.message().await.1, "ok");
}

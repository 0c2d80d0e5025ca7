//! Interim responses reach the client before the answer, in order, and nobody else.

use crate::front::{Front, caching};
use crate::origin::Origin;
use crate::wire::Wire;

const GET: &str = "GET /a HTTP/1.1\r\nHost: a\r\n\r\n";
const HINTS: &str = "HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n";
const PASSED: &str = "HTTP/1.1 103 Early Hints\r\nlink: </a.css>; rel=preload\r\nvia: 1.1 larder\r\n\r\n";
const FINAL: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// A client and the upstream connection on which its request lies.
async fn asked(front: &Front, origin: &Origin) -> (Wire, Wire) {
    let mut client = front.client().await;
    client.send(GET).await;
    let mut upstream = origin.accept().await;
    upstream.head().await;
    (client, upstream)
}

#[tokio::test]
async fn early_hints_arrive_before_the_answer_is_sent() {
    let origin = Origin::start().await;
    let front = Front::before(&origin).await;
    let (mut client, mut upstream) = asked(&front, &origin).await;
    upstream.send(HINTS).await;
    assert_eq!(client.head().await, PASSED);
    upstream.send("HTTP/1.1 102 Processing\r\n\r\n").await;
    assert_eq!(client.head().await, "HTTP/1.1 102 Processing\r\nvia: 1.1 larder\r\n\r\n");
    upstream.send(HINTS).await;
    assert_eq!(client.head().await, PASSED);
    upstream.send(FINAL).await;
    let (head, body) = client.message().await;
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n") && !head.contains("link:"), "{head}");
    assert_eq!(body, "ok");
}

#[tokio::test]
async fn what_comes_in_one_piece_leaves_in_order() {
    let origin = Origin::start().await;
    let front = Front::before(&origin).await;
    let (mut client, mut upstream) = asked(&front, &origin).await;
    for _ in 0..50 {
        upstream.send([HINTS, HINTS, FINAL].concat()).await;
        assert_eq!((client.head().await, client.head().await), (PASSED.to_owned(), PASSED.to_owned()));
        assert_eq!(client.message().await.1, "ok");
        client.send(GET).await;
        upstream.head().await;
    }
}

#[tokio::test]
async fn a_client_of_http_1_0_gets_the_answer_alone() {
    let origin = Origin::start().await;
    let front = Front::before(&origin).await;
    let mut client = front.client().await;
    client.send("GET /a HTTP/1.0\r\nHost: a\r\n\r\n").await;
    let mut upstream = origin.accept().await;
    upstream.head().await;
    upstream.send([HINTS, FINAL].concat()).await;
    let all = client.rest().await;
    assert!(all.starts_with("HTTP/1.0 200 OK\r\n") || all.starts_with("HTTP/1.1 200 OK\r\n"), "{all}");
    assert!(!all.contains("103"), "{all}");
}

#[tokio::test]
async fn each_of_several_pipelined_requests_gets_its_own() {
    let origin = Origin::start().await;
    let front = Front::before(&origin).await;
    let mut client = front.client().await;
    client.send([GET, &GET.replace("/a", "/b"), &GET.replace("/a", "/c")].concat()).await;
    // More than lies in the buffers between the two: the end of an answer waits while the next request is under way.
    let body = "x".repeat(8 << 20);
    let answering = async {
        for path in ["/a", "/b", "/c"] {
            let mut upstream = origin.accept().await;
            assert!(upstream.head().await.starts_with(&format!("GET {path} ")));
            let head = format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", body.len() + 2);
            upstream.send([&HINTS.replace("/a.css", path), head.as_str(), body.as_str(), path].concat()).await;
        }
    };
    let reading = async {
        for path in ["/a", "/b", "/c"] {
            assert!(client.head().await.contains(&format!("link: <{path}>")));
            assert!(client.message().await.1.ends_with(path));
        }
    };
    tokio::join!(answering, reading);
}

#[tokio::test]
async fn an_expectation_is_met_beside_them() {
    let origin = Origin::start().await;
    let front = Front::before(&origin).await;
    let mut client = front.client().await;
    client.send("PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n").await;
    let mut upstream = origin.accept().await;
    upstream.head().await;
    upstream.send(HINTS).await;
    assert_eq!(client.head().await, PASSED);
    upstream.send("HTTP/1.1 100 Continue\r\n\r\n").await;
    assert_eq!(client.head().await, "HTTP/1.1 100 Continue\r\n\r\n");
    client.send("hi").await;
    assert_eq!(upstream.exactly(2).await, b"hi");
    upstream.send([HINTS, FINAL].concat()).await;
    assert_eq!(client.head().await, PASSED);
    assert_eq!(client.message().await.1, "ok");
}

#[tokio::test]
async fn a_switch_of_protocols_is_final() {
    let origin = Origin::start().await;
    let front = Front::before(&origin).await;
    let mut client = front.client().await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: chat\r\n\r\n").await;
    let mut upstream = origin.accept().await;
    upstream.head().await;
    let switch = "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: chat\r\n\r\n";
    upstream.send([HINTS, switch, "hello"].concat()).await;
    assert_eq!(client.head().await, PASSED);
    assert!(client.head().await.starts_with("HTTP/1.1 101 "));
    assert_eq!(client.exactly(5).await, b"hello");
    client.send("hi").await;
    assert_eq!(upstream.exactly(2).await, b"hi");
}

#[tokio::test]
async fn fields_of_the_connection_and_of_the_framing_stay_behind() {
    let origin = Origin::start().await;
    let front = Front::before(&origin).await;
    let (mut client, mut upstream) = asked(&front, &origin).await;
    let bad = "HTTP/1.1 103 Early Hints\r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\nConnection: x-a, close\r\n\
               X-A: 1\r\nX-B: 2\r\n\r\n";
    upstream.send([bad, FINAL].concat()).await;
    assert_eq!(client.head().await, "HTTP/1.1 103 Early Hints\r\nx-b: 2\r\nvia: 1.1 larder\r\n\r\n");
    assert_eq!(client.message().await.1, "ok");
}

#[tokio::test]
async fn one_too_large_is_dropped_and_so_are_too_many() {
    let origin = Origin::start().await;
    let front = Front::before(&origin).await;
    let (mut client, mut upstream) = asked(&front, &origin).await;
    let large = format!("HTTP/1.1 103 Early Hints\r\nX-Large: {}\r\n\r\n", "x".repeat(33 * 1024));
    upstream.send([&large, &HINTS.repeat(40), FINAL].concat()).await;
    for _ in 0..32 {
        assert_eq!(client.head().await, PASSED);
    }
    assert_eq!(client.message().await.1, "ok");
}

#[tokio::test]
async fn one_that_is_not_http_is_a_502() {
    let origin = Origin::start().await;
    let front = Front::before(&origin).await;
    let (mut client, mut upstream) = asked(&front, &origin).await;
    upstream.send("HTTP/1.1 103 Early Hints\r\nLink </a.css>\0\r\n\r\n").await;
    assert!(client.head().await.starts_with("HTTP/1.1 502 "));
}

#[tokio::test]
async fn an_upstream_that_breaks_off_after_them_is_a_502() {
    let origin = Origin::start().await;
    let front = Front::before(&origin).await;
    let (mut client, mut upstream) = asked(&front, &origin).await;
    upstream.send(HINTS).await;
    assert_eq!(client.head().await, PASSED);
    drop(upstream);
    // The connection was a fresh one: nothing is tried again.
    assert!(client.head().await.starts_with("HTTP/1.1 502 "));
}

#[tokio::test]
async fn they_are_not_stored_and_not_repeated() {
    let origin = Origin::start().await;
    let mut client = caching(&origin, |_| {}).await.client().await;
    client.send(GET).await;
    let mut upstream = origin.accept().await;
    upstream.head().await;
    upstream.send(HINTS).await;
    assert_eq!(client.head().await, PASSED);
    upstream.send(FINAL).await;
    assert!(client.message().await.0.contains("x-cache: MISS\r\n"));
    for _ in 0..2 {
        client.send(GET).await;
        let (head, _) = client.message().await;
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n") && head.contains("x-cache: HIT\r\n"), "{head}");
        assert!(!head.contains("link:"), "{head}");
    }
}

#[tokio::test]
async fn who_joins_a_fetch_gets_the_answer_alone() {
    let origin = Origin::start().await;
    let front = caching(&origin, |_| {}).await;
    let mut leader = front.client().await;
    leader.send(GET).await;
    let mut upstream = origin.accept().await;
    upstream.head().await;
    let mut follower = front.client().await;
    follower.send(GET).await;
    upstream.send(HINTS).await;
    assert_eq!(leader.head().await, PASSED);
    upstream.send(FINAL).await;
    assert!(leader.head().await.starts_with("HTTP/1.1 200 "));
    assert!(follower.head().await.starts_with("HTTP/1.1 200 "));
}

//! Bodies are passed on as they come, and break as they break.

use std::time::Duration;

use crate::front::Front;
use crate::origin::Origin;

#[tokio::test]
async fn the_first_byte_leaves_when_it_arrives() {
    let origin = Origin::start().await;
    let front = Front::before(&origin).await;
    let mut client = front.client().await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let mut upstream = origin.accept().await;
    upstream.head().await;
    upstream.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n").await;
    client.head().await;
    assert_eq!(client.until("one\r\n").await, "3\r\none\r\n");
    upstream.send("3\r\ntwo\r\n0\r\n\r\n").await;
    assert_eq!(client.until("0\r\n\r\n").await, "3\r\ntwo\r\n0\r\n\r\n");
}

#[tokio::test]
async fn a_body_that_breaks_off_breaks_the_clients_connection() {
    for (head, part) in [
        ("Content-Length: 10\r\n", "half"),
        ("Transfer-Encoding: chunked\r\n", "4\r\nhalf\r\n"),
        ("Transfer-Encoding: chunked\r\n", "4\r\nhalf\r\n0\r\n"),
    ] {
        let origin = Origin::start().await;
        let front = Front::before(&origin).await;
        let mut client = front.client().await;
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        let mut upstream = origin.accept().await;
        upstream.head().await;
        upstream.send(format!("HTTP/1.1 200 OK\r\n{head}\r\n{part}")).await;
        client.until("half").await;
        drop(upstream);
        assert!(!client.rest().await.contains("0\r\n\r\n"), "the end is not made up");
    }
}

#[tokio::test]
async fn trailers_pass_in_both_directions() {
    let origin = Origin::start().await;
    let front = Front::before(&origin).await;
    let mut client = front.client().await;
    client
        .send("POST / HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nX-Sum: 7\r\n\r\n")
        .await;
    let mut upstream = origin.accept().await;
    let head = upstream.head().await;
    assert!(head.contains("trailer: X-Sum\r\n") && head.contains("transfer-encoding: chunked\r\n"), "{head}");
    assert_eq!(upstream.head().await, "2\r\nhi\r\n0\r\nx-sum: 7\r\n\r\n");
    upstream
        .send("HTTP/1.1 200 OK\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nho\r\n0\r\nX-Sum: 8\r\n\r\n")
        .await;
    assert!(client.head().await.contains("trailer: X-Sum\r\n"));
    assert_eq!(client.head().await, "2\r\nho\r\n0\r\nx-sum: 8\r\n\r\n");
}

#[tokio::test]
async fn a_get_with_a_body_in_chunks_keeps_it() {
    let origin = Origin::start().await;
    let front = Front::before(&origin).await;
    let mut client = front.client().await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n").await;
    let mut upstream = origin.accept().await;
    assert!(upstream.head().await.contains("transfer-encoding: chunked\r\n"));
    assert_eq!(upstream.until("0\r\n\r\n").await, "2\r\nhi\r\n0\r\n\r\n");
}

#[tokio::test]
async fn a_large_upload_streams_through_after_the_expected_continue() {
    const SIZE: usize = 10 * 1024 * 1024;
    let origin = Origin::start().await;
    let front = Front::before(&origin).await;
    let mut client = front.client().await;
    client
        .send(format!("PUT /big HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: {SIZE}\r\n\r\n"))
        .await;
    let mut upstream = origin.accept().await;
    let head = upstream.head().await;
    assert!(
        head.contains("expect: 100-continue\r\n") && head.contains(&format!("content-length: {SIZE}\r\n")),
        "{head}"
    );
    upstream.send("HTTP/1.1 100 Continue\r\n\r\n").await;
    assert_eq!(client.head().await, "HTTP/1.1 100 Continue\r\n\r\n");
    let body: Vec<u8> = (0..SIZE).map(|i| u8::try_from(i % 251).unwrap()).collect();
    // The first bytes are there before the last ones are sent.
    client.send(&body[..1000]).await;
    let first = upstream.exactly(1000).await;
    let (_, rest) = tokio::join!(client.send(&body[1000..]), upstream.exactly(SIZE - 1000));
    assert!(first == body[..1000] && rest == body[1000..]);
    upstream.send("HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n").await;
    assert!(client.head().await.starts_with("HTTP/1.1 201 Created\r\n"));
}

const EXPECTING: &str = "PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue\r\nContent-Length: 2\r\n\r\n";

#[tokio::test]
async fn a_client_is_not_told_to_go_on_with_what_the_upstream_refuses() {
    let origin = Origin::start().await;
    let front = Front::before(&origin).await;
    let mut client = front.client().await;
    client.send(EXPECTING).await;
    let mut upstream = origin.accept().await;
    upstream.head().await;
    upstream.send("HTTP/1.1 413 Content Too Large\r\nContent-Length: 2\r\n\r\nn").await;
    assert!(client.head().await.starts_with("HTTP/1.1 413 "));
    upstream.send("o").await;
    assert_eq!(client.rest().await, "no");
    assert_eq!(upstream.rest().await, "", "a connection with an unread request is of no more use");
}

#[tokio::test]
async fn an_upstream_that_does_not_ask_gets_the_body_after_a_while() {
    let origin = Origin::start().await;
    let front = Front::with(&origin, |mut setting| {
        setting.config = setting.config.continue_timeout(Duration::from_millis(20));
        setting
    })
    .await;
    let mut client = front.client().await;
    client.send(EXPECTING).await;
    let mut upstream = origin.accept().await;
    upstream.head().await;
    assert_eq!(client.head().await, "HTTP/1.1 100 Continue\r\n\r\n");
    client.send("hi").await;
    assert_eq!(upstream.exactly(2).await, b"hi");
}

#[tokio::test]
async fn an_upload_that_breaks_off_is_not_completed() {
    let origin = Origin::start().await;
    let front = Front::before(&origin).await;
    let mut client = front.client().await;
    client.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n").await;
    let mut upstream = origin.accept().await;
    upstream.head().await;
    upstream.until("hi\r\n").await;
    drop(client);
    assert_eq!(upstream.rest().await, "");
}

//! Accepting, limiting and ending.

use std::time::Duration;

use tokio::net::TcpStream;

use crate::front::Front;
use crate::origin::Origin;

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

#[tokio::test]
async fn a_request_in_flight_is_finished_while_new_connections_are_refused() {
    let origin = Origin::start().await;
    let front = Front::before(&origin).await;
    let address = front.address();
    let (mut idle, mut silent, mut busy) = (front.client().await, front.client().await, front.client().await);
    idle.send(GET).await;
    let mut upstream = origin.accept().await;
    upstream.head().await;
    upstream.send(OK).await;
    idle.message().await;
    busy.send(GET).await;
    upstream.head().await;
    front.stop();
    // The idle connections are closed by the same signal that closed the listener.
    assert_eq!(idle.rest().await, "");
    assert_eq!(silent.rest().await, "");
    assert!(TcpStream::connect(address).await.is_err());
    upstream.send(OK).await;
    let (head, body) = busy.message().await;
    assert!(head.contains("connection: close\r\n"), "{head}");
    assert_eq!(body, "ok");
    assert_eq!(busy.rest().await, "");
    assert_eq!(front.ended().await.cut(), 0);
}

#[tokio::test]
async fn what_does_not_finish_in_time_is_cut() {
    let origin = Origin::start().await;
    let front = Front::with(&origin, |mut setting| {
        setting.limits = setting.limits.drain_timeout(Duration::from_millis(50));
        setting
    })
    .await;
    let mut busy = front.client().await;
    busy.send(GET).await;
    let mut upstream = origin.accept().await;
    upstream.head().await;
    front.stop();
    assert_eq!(front.ended().await.cut(), 1);
    assert_eq!(busy.rest().await, "");
    assert_eq!(upstream.rest().await, "");
}

#[tokio::test]
async fn a_head_that_does_not_come_ends_the_connection() {
    let (http1, http2) = ("GET / HTTP/1.1\r\nHost: a\r\nX-Slow: ", "PRI * HTTP/2.0\r\n");
    for said in ["", "P", "PRI", http1, http2] {
        let origin = Origin::start().await;
        let front = Front::with(&origin, |mut setting| {
            setting.limits = setting.limits.head_timeout(Duration::from_millis(50));
            setting
        })
        .await;
        let mut client = front.client().await;
        client.send(said).await;
        // HTTP/2 lets the server greet first.
        let greeting = client.closed().await;
        assert!(said == http2 || greeting.is_empty(), "{said}");
    }
}

#[tokio::test]
async fn a_request_may_come_byte_by_byte() {
    let origin = Origin::start().await;
    let front = Front::before(&origin).await;
    let mut client = front.client().await;
    let sending = async {
        for byte in "POST / HTTP/1.1\r\nHost: a\r\n\r\n".bytes() {
            client.send([byte]).await;
            tokio::task::yield_now().await;
        }
    };
    let (head, ()) = tokio::join!(async { origin.accept().await.head().await }, sending);
    assert!(head.starts_with("POST / HTTP/1.1\r\n"));
}

#[tokio::test]
async fn a_head_that_is_too_large_is_refused() {
    let origin = Origin::start().await;
    let front = Front::before(&origin).await;
    let long = "x".repeat(33 * 1024);
    let many: String = (0..101).map(|i| format!("X-{i}: 1\r\n")).collect();
    for fields in [format!("X: {long}\r\n"), many] {
        let mut client = front.client().await;
        client.send(format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n")).await;
        let answer = client.rest().await;
        assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
    }
    assert!(!origin.has_caller());
}

#[tokio::test]
async fn fields_may_be_limited_further() {
    let origin = Origin::start().await;
    let front = Front::with(&origin, |mut setting| {
        setting.limits = setting.limits.fields(2);
        setting
    })
    .await;
    let mut client = front.client().await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\nA: 1\r\nB: 1\r\n\r\n").await;
    assert!(client.rest().await.starts_with("HTTP/1.1 431 "));
}

#[tokio::test]
async fn a_connection_past_the_limit_waits_for_a_place() {
    let origin = Origin::start().await;
    let front = Front::with(&origin, |mut setting| {
        setting.limits = setting.limits.connections(1);
        setting
    })
    .await;
    let mut first = front.client().await;
    first.send(GET).await;
    let mut upstream = origin.accept().await;
    upstream.head().await;
    let mut second = front.client().await;
    second.send("GET /second HTTP/1.1\r\nHost: a\r\n\r\n").await;
    upstream.send(OK).await;
    first.message().await;
    first.send("GET /third HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert!(upstream.head().await.starts_with("GET /third "), "the second connection was not served yet");
    upstream.send(OK).await;
    first.message().await;
    drop(first);
    assert!(upstream.head().await.starts_with("GET /second "));
}

#[tokio::test]
async fn a_client_that_has_ended_its_side_gets_its_answer_and_then_the_end() {
    let origin = Origin::start().await;
    let front = Front::before(&origin).await;
    let mut client = front.client().await;
    client.send(GET).await;
    client.finish().await;
    let mut upstream = origin.accept().await;
    upstream.head().await;
    upstream.send(OK).await;
    assert!(client.rest().await.ends_with("ok"));
}

#[tokio::test]
async fn a_client_that_asks_twice_and_ends_its_side_gets_both_answers() {
    let origin = Origin::start().await;
    let front = Front::before(&origin).await;
    let mut client = front.client().await;
    client.send(GET.repeat(2)).await;
    client.finish().await;
    let mut upstream = origin.accept().await;
    for _ in 0..2 {
        upstream.head().await;
        upstream.send(OK).await;
    }
    assert_eq!(client.rest().await.matches("200 OK").count(), 2);
}

#[tokio::test]
async fn a_client_that_left_is_waited_for_no_longer_than_one_that_only_listens() {
    let origin = Origin::start().await;
    let front = Front::before(&origin).await;
    let mut client = front.client().await;
    client.send(GET).await;
    let mut upstream = origin.accept().await;
    upstream.head().await;
    drop(client);
    assert_eq!(upstream.rest().await, "");
}

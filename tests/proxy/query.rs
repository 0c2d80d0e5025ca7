//! QUERY is answered from the cache by its content, where the route says so.

use crate::front::{Front, caching};
use crate::origin::Origin;
use crate::wire::Wire;

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const MISS: &str = "x-cache: MISS\r\n";
const HIT: &str = "x-cache: HIT\r\n";

fn query(content: &str, fields: &str) -> String {
    format!("QUERY /a HTTP/1.1\r\nHost: a\r\n{fields}Content-Length: {}\r\n\r\n{content}", content.len())
}

async fn querying(origin: &Origin) -> Front {
    caching(origin, |options| options.query_method = Some(16)).await
}

/// A client, and the connection on which its requests come out.
struct Between {
    client: Wire,
    upstream: Option<Wire>,
    origin: Origin,
}

impl Between {
    async fn new(front: &Front, origin: Origin) -> Self {
        Self { client: front.client().await, upstream: None, origin }
    }

    /// Sends a request that goes upstream with this content, and says what the client is answered.
    async fn goes_on(&mut self, request: &str, content: &str) -> String {
        self.client.send(request).await;
        let upstream = match &mut self.upstream {
            Some(upstream) => upstream,
            none => none.insert(self.origin.accept().await),
        };
        let head = upstream.head().await;
        assert_eq!(head.split(' ').next(), request.split(' ').next());
        assert_eq!(upstream.exactly(content.len()).await, content.as_bytes());
        upstream.send(OK).await;
        self.client.message().await.0
    }

    async fn is_answered(&mut self, request: &str) -> String {
        self.client.send(request).await;
        self.client.message().await.0
    }
}

#[tokio::test]
async fn the_same_question_is_asked_once() {
    let origin = Origin::start().await;
    let front = querying(&origin).await;
    let mut between = Between::new(&front, origin).await;
    let head = between.goes_on(&query("one", ""), "one").await;
    assert!(head.contains(MISS) && head.contains("fwd=uri-miss; stored"), "{head}");
    assert!(between.is_answered(&query("one", "")).await.contains(HIT));
    assert!(between.goes_on(&query("two", ""), "two").await.contains(MISS));
    assert!(between.goes_on(&query("one", "Content-Type: text/plain\r\n"), "one").await.contains(MISS));
    assert!(between.goes_on("GET /a HTTP/1.1\r\nHost: a\r\n\r\n", "").await.contains(MISS));
    for known in [query("two", ""), query("one", "Content-Type: text/plain\r\n")] {
        assert!(between.is_answered(&known).await.contains(HIT));
    }
}

#[tokio::test]
async fn what_clears_the_path_clears_its_questions() {
    let origin = Origin::start().await;
    let front = querying(&origin).await;
    let mut between = Between::new(&front, origin).await;
    between.goes_on(&query("one", ""), "one").await;
    between.goes_on("DELETE /a HTTP/1.1\r\nHost: a\r\n\r\n", "").await;
    assert!(between.goes_on(&query("one", ""), "one").await.contains(MISS));
}

#[tokio::test]
async fn those_who_ask_at_once_share_an_answer() {
    let origin = Origin::start().await;
    let front = querying(&origin).await;
    let (mut leader, mut follower) = (front.client().await, front.client().await);
    leader.send(query("one", "")).await;
    let mut upstream = origin.accept().await;
    upstream.until("one").await;
    upstream.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\no").await;
    leader.head().await;
    follower.send(query("one", "")).await;
    assert!(follower.head().await.contains("collapsed"));
    upstream.send("k").await;
    assert_eq!(follower.exactly(2).await, b"ok");
    assert!(!origin.has_caller());
}

#[tokio::test]
async fn what_cannot_be_keyed_is_passed_on_and_clears_nothing() {
    let origin = Origin::start().await;
    let front = querying(&origin).await;
    let mut between = Between::new(&front, origin).await;
    between.goes_on(&query("one", ""), "one").await;
    let long = "more than sixteen";
    assert!(between.goes_on(&query(long, ""), long).await.contains("fwd=bypass; detail=query-content"));
    let chunked = "QUERY /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n";
    let head = between.goes_on(chunked, "2\r\nhi\r\n0\r\n\r\n").await;
    assert!(head.contains("detail=query-content"), "{head}");
    assert!(between.is_answered(&query("one", "")).await.contains(HIT));
}

#[tokio::test]
async fn where_the_route_does_not_say_so_it_is_passed_on_and_clears_nothing() {
    let origin = Origin::start().await;
    let front = caching(&origin, |_| {}).await;
    let mut between = Between::new(&front, origin).await;
    let get = "GET /a HTTP/1.1\r\nHost: a\r\n\r\n";
    between.goes_on(get, "").await;
    for _ in 0..2 {
        assert!(between.goes_on(&query("one", ""), "one").await.contains("larder; fwd=method"));
    }
    assert!(between.is_answered(get).await.contains(HIT));
}

#[tokio::test]
async fn a_client_that_waits_to_be_asked_is_asked() {
    let origin = Origin::start().await;
    let front = querying(&origin).await;
    let mut between = Between::new(&front, origin).await;
    between.client.send("QUERY /a HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n").await;
    assert_eq!(between.client.head().await, "HTTP/1.1 100 Continue\r\n\r\n");
    between.client.send("one").await;
    let mut upstream = between.origin.accept().await;
    assert!(!upstream.head().await.contains("expect"));
    assert_eq!(upstream.exactly(3).await, b"one");
    upstream.send(OK).await;
    assert!(between.client.message().await.0.contains(MISS));
}

#[tokio::test]
async fn what_is_asked_in_part_and_not_stored_is_asked_again_with_its_content() {
    let origin = Origin::start().await;
    let front = caching(&origin, |options| (options.query_method, options.range_fill) = (Some(16), true)).await;
    let mut client = front.client().await;
    client.send(query("one", "Range: bytes=0-0\r\n")).await;
    let mut upstream = origin.accept().await;
    assert!(!upstream.head().await.contains("range:"));
    assert_eq!(upstream.exactly(3).await, b"one");
    upstream.send("HTTP/1.1 200 OK\r\nCache-Control: no-store\r\nContent-Length: 9\r\n\r\n").await;
    let mut second = origin.accept().await;
    assert!(second.head().await.contains("range: bytes=0-0\r\n"));
    assert_eq!(second.exactly(3).await, b"one");
}

//! Trailers go with the body that they came with, and no further.

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt as _, Full};

use crate::front::caching;
use crate::origin::Origin;

const GET: &str = "GET /a HTTP/1.1\r\nHost: a\r\nTE: trailers\r\n\r\n";
const HEAD: &str = "HTTP/1.1 200 OK\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n";
const BODY: &str = "2\r\nho\r\n0\r\nX-Sum: 8\r\n\r\n";

#[tokio::test]
async fn they_reach_all_who_share_the_body_and_are_not_stored() {
    let origin = Origin::start().await;
    let front = caching(&origin, |_| {}).await;
    let (mut leader, mut follower) = (front.client().await, front.client().await);
    leader.send(GET).await;
    let mut upstream = origin.accept().await;
    assert!(upstream.head().await.contains("te: trailers\r\n"));
    upstream.send(HEAD).await;
    leader.head().await;
    follower.send(GET).await;
    assert!(follower.head().await.contains("trailer: X-Sum\r\n"));
    upstream.send(BODY).await;
    for client in [&mut leader, &mut follower] {
        assert_eq!(client.head().await, "2\r\nho\r\n0\r\nx-sum: 8\r\n\r\n");
    }
    leader.send(GET).await;
    let (head, body) = leader.message().await;
    assert!(head.contains("x-cache: HIT\r\n") && !head.contains("trailer:"), "{head}");
    assert_eq!(body, "ho");
}

#[tokio::test]
async fn a_client_that_does_not_ask_for_them_gets_the_body_alone() {
    let origin = Origin::start().await;
    let front = caching(&origin, |_| {}).await;
    let mut client = front.client().await;
    client.send(GET.replace("TE: trailers\r\n", "")).await;
    let mut upstream = origin.accept().await;
    assert!(!upstream.head().await.contains("te: "));
    upstream.send([HEAD, BODY].concat()).await;
    client.head().await;
    assert_eq!(client.head().await, "2\r\nho\r\n0\r\n\r\n");
}

#[tokio::test]
async fn http2_carries_them_without_being_told_their_names() {
    let origin = Origin::start().await;
    let front = caching(&origin, |_| {}).await;
    let mut client = front.http2().await;
    let get = || Request::get("http://a/a").header("te", "trailers").body(Full::<Bytes>::default()).unwrap();
    let answered = client.send_request(get());
    let serving = async {
        let mut upstream = origin.accept().await;
        upstream.head().await;
        upstream.send([&HEAD.replace("Trailer: X-Sum\r\n", ""), BODY].concat()).await;
        upstream
    };
    let (response, _upstream) = tokio::join!(answered, serving);
    let body = response.unwrap().into_body().collect().await.unwrap();
    assert_eq!(body.trailers().unwrap()["x-sum"], "8");
    let hit = client.send_request(get()).await.unwrap();
    assert_eq!(hit.headers()["x-cache"], "HIT");
    assert!(hit.into_body().collect().await.unwrap().trailers().is_none());
}

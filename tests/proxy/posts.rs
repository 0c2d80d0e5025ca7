//! The answer to a POST that says that it stands for a GET is stored for it, where the route says so.

use crate::front::{Front, caching};
use crate::origin::Origin;
use crate::wire::Wire;

const GET: &str = "GET /a HTTP/1.1\r\nHost: a\r\n\r\n";
const POST: &str = "POST /a HTTP/1.1\r\nHost: a\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nhi";
const DELETE: &str = "DELETE /a HTTP/1.1\r\nHost: a\r\n\r\n";
const OLD: &str = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nold";
const DONE: &str = "HTTP/1.1 204 No Content\r\n\r\n";
const STANDS: &str =
    "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Location: /a\r\nContent-Length: 3\r\n\r\n";

async fn storing(origin: &Origin) -> Front {
    caching(origin, |options| options.store_post = true).await
}

/// Sends a request and takes it up at the origin.
async fn ask(client: &mut Wire, origin: &Origin, request: &str) -> Wire {
    client.send(request.replace("\r\nHost", "\r\nConnection: keep-alive\r\nHost")).await;
    let mut upstream = origin.accept().await;
    let head = upstream.head().await;
    if head.contains("content-length: 2") {
        assert_eq!(upstream.exactly(2).await, b"hi");
    }
    upstream
}

fn closing(answer: &str) -> String {
    answer.replacen("\r\n", "\r\nConnection: close\r\n", 1)
}

async fn is_hit(front: &Front) -> Option<String> {
    let mut client = front.client().await;
    client.send(GET.replace("\r\n\r\n", "\r\nCache-Control: only-if-cached\r\n\r\n")).await;
    let (head, body) = client.message().await;
    head.contains("x-cache: HIT\r\n").then_some(body)
}

/// As the front of a route that honours a client's `only-if-cached`, so that a test can look without causing a fetch.
async fn looking(origin: &Origin) -> Front {
    caching(origin, |options| {
        options.store_post = true;
        options.client_cache_control = larder::policy::ClientCacheControl::Honor;
    })
    .await
}

#[tokio::test]
async fn it_replaces_what_was_stored() {
    let origin = Origin::start().await;
    let front = looking(&origin).await;
    let mut client = front.client().await;
    let mut upstream = ask(&mut client, &origin, GET).await;
    upstream.send(closing(OLD)).await;
    client.message().await;
    assert_eq!(is_hit(&front).await.as_deref(), Some("old"));
    let mut upstream = ask(&mut client, &origin, POST).await;
    upstream.send(closing(STANDS)).await;
    let head = client.head().await;
    assert!(head.contains("larder; fwd=method; stored\r\n"), "{head}");
    assert_eq!(is_hit(&front).await, None, "what was stored is cleared before the client sees the answer");
    upstream.send("new").await;
    assert_eq!(client.exactly(3).await, b"new");
    assert_eq!(is_hit(&front).await.as_deref(), Some("new"));
}

#[tokio::test]
async fn what_does_not_say_so_is_not_stored() {
    let origin = Origin::start().await;
    let front = looking(&origin).await;
    let mut client = front.client().await;
    for (answer, detail) in [
        (STANDS.replace("Content-Location: /a\r\n", ""), "detail=post"),
        (STANDS.replace("Content-Location: /a", "Content-Location: /b"), "detail=post"),
        (STANDS.replace("Cache-Control: max-age=60\r\n", ""), "detail=post"),
        (STANDS.replace("200 OK", "201 Created"), "detail=post"),
        (STANDS.replace("max-age=60", "max-age=60, private"), "detail=private"),
    ] {
        let mut upstream = ask(&mut client, &origin, POST).await;
        upstream.send(closing(&[&answer, "new"].concat())).await;
        let (head, body) = client.message().await;
        assert!(head.contains(detail) && !head.contains("stored"), "{head}");
        assert_eq!((body.as_str(), is_hit(&front).await), ("new", None), "{answer}");
    }
}

#[tokio::test]
async fn where_the_route_does_not_say_so_nothing_is_stored() {
    let origin = Origin::start().await;
    let front = caching(&origin, |_| {}).await;
    let mut client = front.client().await;
    let mut upstream = ask(&mut client, &origin, POST).await;
    upstream.send(closing(&[STANDS, "new"].concat())).await;
    let head = client.message().await.0;
    assert!(head.contains("larder; fwd=method\r\n"), "{head}");
    ask(&mut client, &origin, GET).await;
}

#[tokio::test]
async fn another_write_that_is_acknowledged_meanwhile_keeps_it_out() {
    // Before the answer's head, and before its body is complete.
    for headed in [false, true] {
        let origin = Origin::start().await;
        let front = looking(&origin).await;
        let (mut client, mut other) = (front.client().await, front.client().await);
        let mut upstream = ask(&mut client, &origin, POST).await;
        if headed {
            upstream.send(closing(STANDS)).await;
            client.head().await;
        }
        let mut deleting = ask(&mut other, &origin, DELETE).await;
        deleting.send(closing(DONE)).await;
        other.head().await;
        if !headed {
            upstream.send(closing(STANDS)).await;
            let head = client.head().await;
            assert!(head.contains("detail=invalidated") && !head.contains("stored"), "{head}");
        }
        upstream.send("new").await;
        assert_eq!(client.exactly(3).await, b"new");
        assert_eq!(is_hit(&front).await, None, "{headed}");
    }
}

#[tokio::test]
async fn a_query_that_is_not_the_keyed_one_has_no_place() {
    let origin = Origin::start().await;
    let front = storing(&origin).await;
    let mut client = front.client().await;
    for query in ["?b&a", "?nocache=1", "?a&nocache=0"] {
        let mut upstream = ask(&mut client, &origin, &POST.replace("/a", &format!("/a{query}"))).await;
        let stands = STANDS.replace("Location: /a", &format!("Location: /a{query}"));
        upstream.send(closing(&[&stands, "new"].concat())).await;
        let head = client.message().await.0;
        assert!(head.contains("larder; fwd=method\r\n"), "{query} {head}");
    }
    let mut upstream = ask(&mut client, &origin, &POST.replace("/a", "/a?a&b")).await;
    upstream.send(closing(&[&STANDS.replace("Location: /a", "Location: /a?a&b"), "new"].concat())).await;
    assert!(client.message().await.0.contains("larder; fwd=method; stored\r\n"));
    client.send(GET.replace("/a", "/a?a&b")).await;
    assert!(client.message().await.0.contains("x-cache: HIT\r\n"));
}

#[tokio::test]
async fn a_post_whose_client_leaves_is_finished_and_clears() {
    let origin = Origin::start().await;
    let front = looking(&origin).await;
    let mut client = front.client().await;
    let mut upstream = ask(&mut client, &origin, GET).await;
    upstream.send(closing(OLD)).await;
    client.message().await;
    let mut upstream = ask(&mut client, &origin, POST).await;
    drop(client);
    upstream.send(closing(&[STANDS, "new"].concat())).await;
    upstream.rest().await;
    for _ in 0..1000 {
        if is_hit(&front).await.as_deref() != Some("old") {
            return;
        }
    }
    panic!("what the POST changed is still there");
}

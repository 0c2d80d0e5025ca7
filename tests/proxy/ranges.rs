//! Parts of responses: of what is stored, of what is being fetched, and of what is not stored.

use crate::front::{Front, caching};
use crate::origin::Origin;
use crate::wire::Wire;

const HEAD: &str = "HTTP/1.1 200 OK\r\nETag: \"1\"\r\nContent-Length: 10\r\n\r\n";

fn get(fields: &str) -> String {
    format!("GET /a HTTP/1.1\r\nHost: a\r\n{fields}\r\n")
}

async fn filling(origin: &Origin) -> Front {
    caching(origin, |options| options.range_fill = true).await
}

/// A client that asked for a part, and the upstream that was asked for the whole.
async fn asked(front: &Front, origin: &Origin, range: &str) -> (Wire, Wire) {
    let mut client = front.client().await;
    client.send(get(range)).await;
    let mut upstream = origin.accept().await;
    let asked = upstream.head().await;
    assert!(!asked.contains("range:"), "{asked}");
    (client, upstream)
}

#[tokio::test]
async fn a_stored_response_gives_parts_of_itself() {
    let origin = Origin::start().await;
    let front = caching(&origin, |_| {}).await;
    let mut client = front.client().await;
    client.send(get("")).await;
    let mut upstream = origin.accept().await;
    upstream.head().await;
    upstream.send([HEAD, "0123456789"].concat()).await;
    client.message().await;
    for (fields, status, says, body) in [
        ("Range: bytes=2-4\r\n", "206", "content-range: bytes 2-4/10\r\n", "234"),
        ("Range: bytes=7-\r\n", "206", "content-range: bytes 7-9/10\r\n", "789"),
        ("Range: bytes=-2\r\n", "206", "content-range: bytes 8-9/10\r\n", "89"),
        ("Range: bytes=-99\r\n", "206", "content-range: bytes 0-9/10\r\n", "0123456789"),
        ("Range: bytes=10-\r\n", "416", "content-range: bytes */10\r\n", ""),
        ("Range: bytes=0-1,3-4\r\n", "200", "x-cache: HIT\r\n", "0123456789"),
        ("Range: lines=0-1\r\n", "200", "x-cache: HIT\r\n", "0123456789"),
        ("Range: bytes=0-1\r\nIf-Range: \"1\"\r\n", "206", "content-range: bytes 0-1/10\r\n", "01"),
        ("Range: bytes=0-1\r\nIf-Range: W/\"1\"\r\n", "200", "x-cache: HIT\r\n", "0123456789"),
        ("Range: bytes=0-1\r\nIf-Range: \"2\"\r\n", "200", "x-cache: HIT\r\n", "0123456789"),
    ] {
        client.send(get(fields)).await;
        let (head, sent) = client.message().await;
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")) && head.contains(says), "{fields}{head}");
        assert_eq!(sent, body, "{fields}");
    }
}

#[tokio::test]
async fn a_part_of_what_is_not_stored_is_passed_on_and_not_stored() {
    let origin = Origin::start().await;
    let front = caching(&origin, |_| {}).await;
    let (mut client, mut upstream) = (front.client().await, None);
    for _ in 0..2 {
        client.send(get("Range: bytes=2-4\r\n")).await;
        let upstream: &mut Wire = match &mut upstream {
            Some(upstream) => upstream,
            none => none.insert(origin.accept().await),
        };
        assert!(upstream.head().await.contains("range: bytes=2-4\r\n"));
        let part = "HTTP/1.1 206 Partial Content\r\nCache-Control: max-age=60\r\nContent-Range: bytes 2-4/10\r\n\
                    Content-Length: 3\r\n\r\n234";
        upstream.send(part).await;
        let (head, body) = client.message().await;
        assert!(head.contains("detail=range") && head.contains("content-range: bytes 2-4/10\r\n"), "{head}");
        assert_eq!(body, "234");
    }
}

#[tokio::test]
async fn a_part_leaves_as_its_bytes_arrive_and_the_whole_is_stored() {
    let origin = Origin::start().await;
    let front = filling(&origin).await;
    let (mut client, mut upstream) = asked(&front, &origin, "Range: bytes=2-5\r\n").await;
    upstream.send([HEAD, "0123"].concat()).await;
    let head = client.head().await;
    assert!(head.starts_with("HTTP/1.1 206 ") && head.contains("content-range: bytes 2-5/10\r\n"), "{head}");
    assert!(head.contains("content-length: 4\r\n") && head.contains("fwd=uri-miss; stored"), "{head}");
    assert_eq!(client.exactly(2).await, b"23");
    upstream.send("4").await;
    assert_eq!(client.exactly(1).await, b"4");
    // Another wants what has been sent already, and more.
    let mut other = front.client().await;
    other.send(get("Range: bytes=0-\r\n")).await;
    assert!(other.head().await.contains("content-range: bytes 0-9/10\r\n"));
    upstream.send("56789").await;
    assert_eq!(client.exactly(1).await, b"5");
    assert_eq!(other.exactly(10).await, b"0123456789");
    other.send(get("")).await;
    let (head, body) = other.message().await;
    assert!(head.contains("x-cache: HIT\r\n"), "{head}");
    assert_eq!(body, "0123456789");
}

#[tokio::test]
async fn the_rest_is_fetched_when_the_client_has_its_part() {
    let origin = Origin::start().await;
    let front = filling(&origin).await;
    let (mut client, mut upstream) = asked(&front, &origin, "Range: bytes=0-1\r\n").await;
    upstream.send([HEAD, "01"].concat()).await;
    assert_eq!(client.message().await.1, "01");
    drop(client);
    let mut other = front.client().await;
    other.send(get("")).await;
    other.head().await;
    upstream.send("23456789").await;
    assert_eq!(other.exactly(10).await, b"0123456789");
    assert!(!origin.has_caller());
}

#[tokio::test]
async fn a_part_that_lies_outside_is_known_from_the_head() {
    let origin = Origin::start().await;
    let front = filling(&origin).await;
    let (mut client, mut upstream) = asked(&front, &origin, "Range: bytes=10-\r\n").await;
    upstream.send(HEAD).await;
    let head = client.head().await;
    assert!(head.starts_with("HTTP/1.1 416 ") && head.contains("content-range: bytes */10\r\n"), "{head}");
}

#[tokio::test]
async fn a_whole_of_unknown_length_is_sent_whole() {
    let origin = Origin::start().await;
    let front = filling(&origin).await;
    let (mut client, mut upstream) = asked(&front, &origin, "Range: bytes=0-1\r\n").await;
    upstream.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n").await;
    assert!(client.head().await.starts_with("HTTP/1.1 200 "));
    assert_eq!(client.until("0\r\n\r\n").await, "2\r\nhi\r\n0\r\n\r\n");
}

#[tokio::test]
async fn what_is_not_stored_after_all_is_asked_for_again_in_part() {
    let origin = Origin::start().await;
    let front = filling(&origin).await;
    let (mut client, mut upstream) = asked(&front, &origin, "Range: bytes=2-4\r\n").await;
    upstream.send("HTTP/1.1 200 OK\r\nContent-Length: 9000000\r\n\r\n012").await;
    let part = "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 2-4/9000000\r\nContent-Length: 3\r\n\r\n234";
    let mut second = origin.accept().await;
    assert!(second.head().await.contains("range: bytes=2-4\r\n"));
    assert_eq!(upstream.rest().await, "", "the whole is given up");
    second.send(part).await;
    let (head, body) = client.message().await;
    assert!(head.starts_with("HTTP/1.1 206 ") && head.contains("detail=too-large"), "{head}");
    assert_eq!(body, "234");
    // From now on it is known.
    client.send(get("Range: bytes=2-4\r\n")).await;
    assert!(second.head().await.contains("range: bytes=2-4\r\n"));
    second.send(part).await;
    assert_eq!(client.message().await.1, "234");
}

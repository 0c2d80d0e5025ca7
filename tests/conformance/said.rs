//! What answers say of how they came about (RFC 9211), and to whom they can be given.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::lab::{Answer, Lab, Row, hit, miss, stale, validated};

#[tokio::test]
async fn cache_status_rfc_9211() {
    const ROWS: &[Row] = &[
        hit("a hit", &["Cache-Control: max-age=60"]).got(&["Cache-Status: larder; hit; ttl=50", "X-Cache: HIT"]),
        hit("after the upstream's own", &["Cache-Control: max-age=60", "Cache-Status: up; hit"])
            .got(&["Cache-Status: up; hit", "Cache-Status: larder; hit; ttl=50"]),
        stale("a stale hit", &["Cache-Control: max-age=5, stale-while-revalidate=60"])
            .got(&["Cache-Status: larder; hit; ttl=-5; detail=stale-while-revalidate", "X-Cache: STALE"]),
        validated("a validation", &["Cache-Control: max-age=5", "ETag: \"a\""])
            .got(&["Cache-Status: larder; fwd=stale; fwd-status=304", "X-Cache: REVALIDATED"]),
        validated("of what is validated before every use", &["Cache-Control: no-cache", "ETag: \"a\""])
            .got(&["Cache-Status: larder; fwd=stale; fwd-status=304; detail=must-validate"]),
        miss("nothing is there", &[]).got(&["Cache-Status: larder; fwd=uri-miss; detail=no-lifetime"]),
        miss("another variant is", &["Cache-Control: max-age=60", "Vary: Foo"])
            .second(&["Foo: 1"])
            .got(&["Cache-Status: larder; fwd=vary-miss; detail=no-lifetime"]),
        miss("credentials", &["Cache-Control: max-age=60"])
            .second(&["Authorization: Basic eA=="])
            .got(&["Cache-Status: larder; fwd=bypass; detail=authorization", "X-Cache: BYPASS"]),
        miss("a condition that is the origin's to judge", &["Cache-Control: max-age=60"])
            .second(&["If-Match: \"a\""])
            .got(&["Cache-Status: larder; fwd=bypass; detail=precondition"]),
    ];
    Lab::new().await.holds(ROWS).await;
}

#[tokio::test]
async fn every_refusal_to_store_has_its_own_detail() {
    let lab = Lab::with("max_body: 16").await;
    for (status, fields, detail) in [
        (200, &["Cache-Control: no-store"][..], "no-store"),
        (200, &["Cache-Control: private"], "private"),
        (200, &["Cache-Control: max-age=60", "Vary: *"], "vary-star"),
        (200, &["Cache-Control: max-age=60", "Vary: Cookie"], "vary-cookie"),
        (200, &["Cache-Control: max-age=60", "Vary: Authorization"], "vary-authorization"),
        (200, &["Cache-Control: max-age=60", "Content-Type: text/event-stream"], "stream"),
        (200, &["Cache-Control: max-age=60", "Age: 60"], "expired"),
        (200, &["Cache-Control: max-age=60, x=\"y"], "bad-response"),
        (200, &["Cache-Control: no-cache"], "no-lifetime"),
        (200, &[], "no-lifetime"),
        (206, &["Cache-Control: max-age=60"], "partial"),
    ] {
        let path = lab.path();
        lab.says(&path, status, fields, "first");
        let got = lab.get(&path, &[]).await;
        assert_eq!(got.cache_status(), format!("larder; fwd=uri-miss; detail={detail}"), "{fields:?}");
    }
    lab.says("/large", 200, &["Cache-Control: max-age=60"], "more than sixteen bytes");
    assert_eq!(lab.get("/large", &[]).await.cache_status(), "larder; fwd=uri-miss; detail=too-large");
}

/// Sends bytes and reads what comes until the connection ends.
async fn exchange(lab: &Lab, sent: &str) -> String {
    let mut stream = TcpStream::connect(lab.address()).await.unwrap();
    stream.write_all(sent.as_bytes()).await.unwrap();
    let mut got = Vec::new();
    stream.read_to_end(&mut got).await.unwrap();
    String::from_utf8(got).unwrap()
}

#[tokio::test]
async fn requests_behind_one_another_are_answered_in_their_order() {
    let lab = Lab::new().await;
    for path in ["/a", "/b"] {
        lab.says(path, 200, &["Cache-Control: max-age=60"], path);
    }
    lab.get("/a", &[]).await;
    let requests = ["GET /a", "GET /b", "HEAD /a", "GET /a", "GET /b"];
    let sent: String = requests.iter().map(|line| format!("{line} HTTP/1.1\r\nHost: a\r\n\r\n")).collect();
    let got = exchange(&lab, &format!("{sent}GET /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")).await;
    let ends: Vec<&str> = got.split("\r\n\r\n").skip(1).map(|part| part.split("HTTP/1.1").next().unwrap()).collect();
    assert_eq!(ends, ["/a", "/b", "", "/a", "/b", "/a"], "{got}");
    assert_eq!((lab.origin.count("/a"), lab.origin.count("/b")), (1, 1));
}

#[tokio::test]
async fn a_client_of_http_1_0_gets_no_chunks() {
    let lab = Lab::new().await;
    let chunked =
        || Answer::head(200, &["Cache-Control: max-age=60", "Transfer-Encoding: chunked"]).send("2\r\nhi\r\n0\r\n\r\n");
    lab.origin.answers("/a", [chunked()]);
    for word in ["MISS", "HIT"] {
        let got = exchange(&lab, "GET /a HTTP/1.0\r\nHost: a\r\n\r\n").await;
        assert!(got.ends_with("\r\n\r\nhi") && got.contains(&format!("x-cache: {word}\r\n")), "{got}");
        assert!(!got.contains("transfer-encoding"), "{got}");
    }
}

#[tokio::test]
async fn a_field_is_stored_byte_for_byte() {
    let lab = Lab::new().await;
    let mut answer =
        b"HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nX-Name: caf\xe9 \xf0\x9f\x8d\x93;\"q\\\"\r\n".to_vec();
    answer.extend(b"Content-Length: 2\r\n\r\n\x00\xff");
    lab.origin.answers("/a", [Answer::raw(answer)]);
    for word in ["MISS", "HIT"] {
        let mut call = lab.call("GET", "/a", &[]).await;
        call.sees(b"x-name: caf\xe9 \xf0\x9f\x8d\x93;\"q\\\"\r\n").await;
        call.sees(b"\r\n\r\n\x00\xff").await;
        call.sees(format!("x-cache: {word}\r\n")).await;
    }
}

#[tokio::test]
async fn a_status_without_a_body_has_no_length() {
    let lab = Lab::new().await;
    lab.says("/a", 204, &["Cache-Control: max-age=60"], "");
    for word in ["MISS", "HIT"] {
        let got = lab.get("/a", &[]).await;
        assert_eq!((got.status, got.word(), got.whole), (204, word, true), "{}", got.head);
        assert_eq!((got.field("content-length"), got.field("transfer-encoding")), (None, None), "{}", got.head);
    }
}

//! Ranges that overflow, overlap or multiply.

use crate::rig::{CACHED, Rig};

const BODY: &str = "0123456789";

#[tokio::test]
async fn range_overflow() {
    let rig = Rig::answering(CACHED, |seen| {
        assert!(!seen.fields.contains("range:"), "what is stored is asked for whole");
        format!("HTTP/1.1 200 OK\r\nETag: \"1\"\r\nContent-Length: {}\r\n\r\n{BODY}", BODY.len()).into_bytes()
    })
    .await;
    rig.get("/c/a").await;
    let many = format!("bytes={}", (0..1000).map(|_| "0-").collect::<Vec<_>>().join(","));
    for (range, status, body) in [
        ("bytes=0-0", 206, "0"),
        ("bytes=2-4", 206, "234"),
        ("bytes=-3", 206, "789"),
        ("bytes=8-100", 206, "89"),
        ("bytes=0-18446744073709551615", 206, BODY),
        ("bytes=-18446744073709551615", 206, BODY),
        ("bytes=18446744073709551615-", 416, ""),
        ("bytes=10-", 416, ""),
        ("bytes=-0", 416, ""),
        ("bytes=4-2", 200, BODY),
        ("bytes=0-0,2-3", 200, BODY),
        ("bytes=-9223372036854775808,-9223372036854775608", 200, BODY),
        ("bytes=0-99999999999999999999999", 206, BODY),
        ("bytes=--1", 200, BODY),
        ("bytes=", 200, BODY),
        ("lines=0-1", 200, BODY),
        (&many, 200, BODY),
    ] {
        let answer = rig.ask("GET /c/a", &[&format!("Range: {range}")]).await;
        assert_eq!(answer.verdict(), "HIT", "{range}");
        let part = if answer.status == 416 { "" } else { answer.body.as_str() };
        let whole_instead = answer.status == 200 && answer.body == BODY;
        assert!((answer.status, part) == (status, body) || whole_instead, "{range}: {answer:?}");
    }
}

#[tokio::test]
async fn part_of_an_answer_for_the_whole() {
    let rig = Rig::answering(CACHED, |seen| {
        if seen.fields.contains("range:") {
            b"HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-0/10\r\nContent-Length: 1\r\n\r\n0".to_vec()
        } else {
            format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{BODY}", BODY.len()).into_bytes()
        }
    })
    .await;
    rig.ask("GET /c/a", &["Range: bytes=0-0"]).await;
    assert_eq!(rig.get("/c/a").await.body, BODY);
}

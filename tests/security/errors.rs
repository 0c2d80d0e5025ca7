//! Answers that one broken request must not leave behind for everybody.

use crate::rig::{CACHED, Rig};
use crate::strict::Seen;

/// An origin that refuses what is marked, each time with the status that the mark names.
fn refusing(seen: &Seen) -> Vec<u8> {
    let marked = seen.fields.lines().find_map(|line| line.strip_prefix("x-mark: "));
    let status = marked.and_then(|mark| mark.split(' ').next()).unwrap_or("200");
    let body = if status == "204" || status == "304" { "" } else { "text" };
    let length = if body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
    format!("HTTP/1.1 {status} X\r\nCache-Control: public, max-age=60\r\n{length}\r\n{body}").into_bytes()
}

#[tokio::test]
async fn oversized_header_and_meta_characters() {
    // The origin's limits are tighter than larder's: its refusal is for that request alone.
    let rig = Rig::answering(CACHED, refusing).await;
    for status in
        ["400", "401", "403", "404", "405", "406", "410", "413", "414", "416", "431", "500", "501", "502", "503"]
    {
        let path = format!("/c/{status}");
        let poisoned = rig.ask(&format!("GET {path}"), &[&format!("X-Mark: {status}")]).await;
        assert_eq!(poisoned.status.to_string(), status);
        let clean = rig.get(&path).await;
        assert_eq!((clean.status, clean.verdict()), (200, "MISS"), "after {status}");
    }
}

#[tokio::test]
async fn empty_answer() {
    let rig = Rig::answering(CACHED, refusing).await;
    for status in ["204", "206", "301", "304"] {
        let path = format!("/c/{status}");
        rig.ask(&format!("GET {path}"), &[&format!("X-Mark: {status}")]).await;
        let clean = rig.get(&path).await;
        assert_eq!((clean.status, clean.body.as_str(), clean.verdict()), (200, "text", "MISS"), "after {status}");
    }
}

#[tokio::test]
async fn what_no_header_may_hold_never_arrives() {
    let rig = Rig::echoing(CACHED).await;
    for field in [
        "X: a\0b",
        "X: a\x01b",
        "X: a\x7fb",
        "X: a\rb",
        "X: a\n b",
        "X: a\r\n b",
        "X\0: a",
        "X : a",
        " X: a",
        "X\t: a",
        "X",
    ] {
        let answer = rig.raw(format!("GET /c/a HTTP/1.1\r\nHost: a\r\n{field}\r\nConnection: close\r\n\r\n")).await;
        assert_eq!(answer.status, 400, "{field:?}: {answer:?}");
    }
    assert_eq!(rig.origin.seen(), []);
    assert_eq!(rig.get("/c/a").await.verdict(), "MISS");
}

#[tokio::test]
async fn a_head_has_its_limits() {
    let rig = Rig::echoing(CACHED).await;
    let long = "x".repeat(40 * 1024);
    let many = "X: 1\r\n".repeat(101);
    for (name, request) in [
        ("a long field", format!("GET /c/a HTTP/1.1\r\nHost: a\r\nX: {long}\r\n\r\n")),
        ("many fields", format!("GET /c/a HTTP/1.1\r\nHost: a\r\n{many}\r\n")),
        ("a long target", format!("GET /c/{long} HTTP/1.1\r\nHost: a\r\n\r\n")),
        ("a long method", format!("{long} /c/a HTTP/1.1\r\nHost: a\r\n\r\n")),
    ] {
        let status = rig.raw(&request).await.status;
        assert!(matches!(status, 0 | 400 | 414 | 431), "{name}: {status}");
    }
    assert_eq!(rig.origin.seen(), []);
    assert_eq!(rig.get("/c/a").await.verdict(), "MISS");
}

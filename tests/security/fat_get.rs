//! A GET with a body: no key covers it.

use crate::rig::{CACHED, Rig};

#[tokio::test]
async fn fat_get() {
    let rig = Rig::echoing(CACHED).await;
    for (at, (fields, body)) in [
        (&["Content-Length: 4"][..], "evil"),
        (&["Transfer-Encoding: chunked"], "4\r\nevil\r\n0\r\n\r\n"),
        (&["Content-Length: 4", "Content-Type: application/x-www-form-urlencoded"], "a=ev"),
    ]
    .into_iter()
    .enumerate()
    {
        for method in ["GET", "HEAD"] {
            let head: String = fields.iter().map(|field| format!("{field}\r\n")).collect();
            let fat = format!("{method} /c/{at} HTTP/1.1\r\nHost: a\r\n{head}Connection: close\r\n\r\n{body}");
            let mut client = rig.client().await;
            client.send(&fat).await;
            let answer = String::from_utf8_lossy(&client.rest().await).into_owned();
            assert!(answer.contains("BYPASS") && answer.contains("detail=request-body"), "{fat}: {answer}");
        }
        let clean = rig.get(&format!("/c/{at}")).await;
        assert!(clean.verdict() == "MISS" && !clean.holds("ev"), "{clean:?}");
    }
}

#[tokio::test]
async fn a_fat_get_beside_a_hit_is_read_to_its_end() {
    // What is in the store is not what answers it, and its body is not the next request.
    let rig = Rig::echoing(CACHED).await;
    rig.get("/c/a").await;
    rig.origin.seen();
    let hidden = "GET /hidden HTTP/1.1\r\nHost: a\r\n\r\n";
    for head in [format!("Content-Length: {}", hidden.len()), "Transfer-Encoding: chunked".to_owned()] {
        let body = if head.starts_with('T') {
            format!("{:x}\r\n{hidden}\r\n0\r\n\r\n", hidden.len())
        } else {
            hidden.to_owned()
        };
        let mut client = rig.client().await;
        client.send(format!("GET /c/a HTTP/1.1\r\nHost: a\r\n{head}\r\n\r\n{body}")).await;
        assert_eq!(client.answer().await.unwrap().verdict(), "BYPASS");
        client.send("GET /probe HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
        let probe = String::from_utf8_lossy(&client.rest().await).into_owned();
        assert!(probe.contains("GET /probe\r\n"), "{probe}");
        let lines: Vec<_> = rig.origin.seen().into_iter().map(|seen| (seen.line, seen.body)).collect();
        assert_eq!(lines, [("GET /c/a".into(), hidden.into()), ("GET /probe".into(), String::new())]);
    }
    assert_eq!(rig.get("/c/a").await.verdict(), "HIT");
}

#[tokio::test]
async fn a_length_of_nothing_is_no_body() {
    let rig = Rig::echoing(CACHED).await;
    rig.ask("GET /c/a", &["Content-Length: 0"]).await;
    assert_eq!(rig.get("/c/a").await.verdict(), "HIT");
}

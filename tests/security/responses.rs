//! What an upstream's answer could smuggle into the client's connection or into the store.

use crate::rig::{CACHED, Rig};

#[tokio::test]
async fn response_header_injection() {
    for (at, field) in [
        "X: a\rSet-Cookie: evil",
        "X: a\0evil",
        "X: a\x01evil",
        "X : evil",
        "X\r: evil",
        "X: a\r\n\tevil: folded",
        ": evil",
        "evil",
        "X\u{e9}: evil",
    ]
    .into_iter()
    .enumerate()
    {
        let rig = Rig::answering(CACHED, move |seen| {
            let field = if seen.fields.contains("x-whole") { String::new() } else { format!("{field}\r\n") };
            format!("HTTP/1.1 200 OK\r\n{field}Content-Length: 2\r\nConnection: close\r\n\r\nok").into_bytes()
        })
        .await;
        let path = format!("/c/{at}");
        let answer = rig.get(&path).await;
        let injected = answer.field("set-cookie").or(answer.field("evil"));
        assert!(injected.is_none() && !answer.head.contains('\0'), "{field:?}: {answer:?}");
        let clean = rig.ask(&format!("GET {path}"), &["X-Whole: 1"]).await;
        assert!(clean.field("set-cookie").or(clean.field("evil")).is_none(), "{field:?}: {clean:?}");
    }
}

#[tokio::test]
async fn response_splitting() {
    // Whatever the framing of the upstream's answer, the client reads one answer, and the next request gets its own.
    let hidden = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil";
    for (name, fields, body) in [
        (
            "a length and chunks",
            "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n",
            format!("2\r\nok\r\n0\r\n\r\n{hidden}"),
        ),
        ("two lengths", "Content-Length: 2\r\nContent-Length: 50\r\n", format!("ok{hidden}")),
        ("a length that is none", "Content-Length: 2x\r\n", format!("ok{hidden}")),
        ("more than its length", "Content-Length: 2\r\n", format!("ok{hidden}")),
        ("chunks twice", "Transfer-Encoding: chunked, chunked\r\n", format!("2\r\nok\r\n0\r\n\r\n{hidden}")),
        ("more than its chunks", "Transfer-Encoding: chunked\r\n", format!("2\r\nok\r\n0\r\n\r\n{hidden}")),
    ] {
        let answer = format!("HTTP/1.1 200 OK\r\n{fields}\r\n{body}");
        let rig = Rig::answering(CACHED, move |seen| {
            if seen.line.contains("split") { answer.clone().into_bytes() } else { crate::strict::echo(seen) }
        })
        .await;
        for path in ["/c/split", "/u/split"] {
            let mut client = rig.client().await;
            client.send(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n")).await;
            if client.answer().await.is_none() {
                continue;
            }
            client.send("GET /u/next HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
            let rest = String::from_utf8_lossy(&client.rest().await).into_owned();
            assert!(rest.is_empty() || rest.contains("GET /u/next\r\n"), "{name}: {rest}");
            assert_eq!(rest.matches("HTTP/1.1 200").count(), usize::from(!rest.is_empty()), "{name}: {rest}");
        }
        for path in ["/c/other", "/u/other"] {
            let other = rig.get(path).await;
            assert!(other.status == 200 && !other.holds("evil"), "{name}: {other:?}");
        }
    }
}

#[tokio::test]
async fn trailers_and_interim_answers_are_not_stored() {
    let rig = Rig::answering(CACHED, |_| {
        b"HTTP/1.1 103 Early Hints\r\nLink: </evil>\r\n\r\nHTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 200 OK\r\n\
          Trailer: X-Evil\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-Evil: 1\r\n\r\n"
            .to_vec()
    })
    .await;
    let mut client = rig.client().await;
    client.send("GET /c/a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
    client.rest().await;
    let hit = rig.get("/c/a").await;
    assert_eq!((hit.status, hit.verdict(), hit.body.as_str()), (200, "HIT", "ok"));
    for gone in ["evil", "Evil", "railer", "103", "Link"] {
        assert!(!hit.holds(gone), "{gone}: {hit:?}");
    }
}

#[tokio::test]
async fn fields_of_the_upstreams_connection_are_not_stored() {
    let rig = Rig::answering(CACHED, |_| {
        b"HTTP/1.1 200 OK\r\nConnection: X-Hop, Cache-Control\r\nX-Hop: evil\r\nKeep-Alive: evil\r\n\
          Proxy-Authenticate: evil\r\nProxy-Authentication-Info: evil\r\nUpgrade: evil\r\nContent-Length: 2\r\n\r\nok"
            .to_vec()
    })
    .await;
    for verdict in ["MISS", "HIT"] {
        let answer = rig.get("/c/a").await;
        assert!(answer.verdict() == verdict && !answer.holds("evil"), "{answer:?}");
    }
}

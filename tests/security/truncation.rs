//! Bodies that end too early, or too late.

use crate::rig::{CACHED, Rig};

#[tokio::test]
async fn truncated_storage() {
    for (name, answer) in [
        ("a short body", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\nConnection: close\r\n\r\nhalf"),
        ("no last chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n4\r\nhalf\r\n"),
        ("half a chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n9\r\nhalf"),
        (
            "no end of trailers",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n4\r\nhalf\r\n0\r\n",
        ),
        (
            "a chunk size that is none",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\nzz\r\nhalf\r\n0\r\n\r\n",
        ),
        ("neither length nor chunks", "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhalf"),
        ("HTTP/1.0 to the end", "HTTP/1.0 200 OK\r\nConnection: close\r\n\r\nhalf"),
        ("another coding last", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\nConnection: close\r\n\r\nhalf"),
    ] {
        let rig = Rig::answering(CACHED, move |seen| {
            let whole = seen.fields.contains("x-whole");
            if whole { crate::strict::echo(seen) } else { answer.as_bytes().to_vec() }
        })
        .await;
        rig.get("/c/a").await;
        let clean = rig.ask("GET /c/a", &["X-Whole: 1"]).await;
        assert_eq!((clean.status, clean.verdict()), (200, "MISS"), "{name}: {clean:?}");
    }
}

#[tokio::test]
async fn a_client_learns_that_a_body_was_cut() {
    let cut = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\nConnection: close\r\n\r\nhalf";
    for path in ["/c/a", "/u/a"] {
        let rig = Rig::answering(CACHED, move |_| cut.as_bytes().to_vec()).await;
        let mut client = rig.client().await;
        client.send(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n")).await;
        assert!(client.answer().await.is_none(), "{path}");
    }
}

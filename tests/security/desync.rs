//! Requests that hide a second one. Larder refuses them, or reads them as the strict origin behind it does: the origin
//! never sees two requests where one was sent, and the next request of the connection gets its own answer.

use crate::rig::{CACHED, Rig};
use crate::strict::Seen;

/// What hides behind, or inside, the first request.
const HIDDEN: &str = "GET /hidden HTTP/1.1\r\nHost: a\r\n\r\n";

/// What becomes of the bytes.
#[derive(Debug, PartialEq, Eq)]
enum End {
    /// The origin sees nothing of them.
    Refused,
    /// The origin sees one request with this body.
    One(&'static str),
    /// The grammar says that these are two requests, and the origin sees both.
    Two(&'static str),
    /// The origin may see a request whose body breaks off, and nothing after it.
    Cut,
}

use End::{Cut, One, Refused, Two};

/// `{T}` is the target, `{H}` the hidden request, `{L}` its length and `{X}` that in hexadecimal.
const CORPUS: &[(&str, End)] = &[
    // Two lengths, or one that is none.
    ("POST {T} HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nContent-Length: 34\r\n\r\n{H}", Refused),
    ("POST {T} HTTP/1.1\r\nHost: a\r\nContent-Length: 34\r\nContent-Length: 0\r\n\r\n{H}", Refused),
    ("POST {T} HTTP/1.1\r\nHost: a\r\nContent-Length: 0, 34\r\n\r\n{H}", Refused),
    ("POST {T} HTTP/1.1\r\nHost: a\r\nContent-Length: +0\r\n\r\n{H}", Refused),
    ("POST {T} HTTP/1.1\r\nHost: a\r\nContent-Length: -0\r\n\r\n{H}", Refused),
    ("POST {T} HTTP/1.1\r\nHost: a\r\nContent-Length: 0x0\r\n\r\n{H}", Refused),
    ("POST {T} HTTP/1.1\r\nHost: a\r\nContent-Length: 0 0\r\n\r\n{H}", Refused),
    ("POST {T} HTTP/1.1\r\nHost: a\r\nContent-Length: 0\x0b\r\n\r\n{H}", Refused),
    ("POST {T} HTTP/1.1\r\nHost: a\r\nContent-Length: \r\n\r\n{H}", Refused),
    ("POST {T} HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n{H}", Refused),
    ("POST {T} HTTP/1.1\r\nHost: a\r\nContent-Length : 0\r\n\r\n{H}", Refused),
    ("POST {T} HTTP/1.1\r\nHost: a\r\nContent-Length\0: 0\r\n\r\n{H}", Refused),
    // A length and chunks: the chunks count, the origin is told of nothing else, and the connection ends behind them
    // (RFC 9112 §6.3).
    ("POST {T} HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{H}", One("")),
    ("POST {T} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 39\r\n\r\n0\r\n\r\n{H}", One("")),
    ("GET {T} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n{H}", One("")),
    (
        "POST {T} HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n{X}\r\n{H}\r\n0\r\n\r\n",
        One(HIDDEN),
    ),
    // Chunks that are not the last coding, or not quite the word.
    ("POST {T} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n{H}", Refused),
    ("POST {T} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity, chunked\r\n\r\n0\r\n\r\n{H}", Refused),
    ("POST {T} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n{H}", Refused),
    ("POST {T} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n{H}", Refused),
    ("POST {T} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n{H}", Refused),
    ("POST {T} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked;x=1\r\n\r\n0\r\n\r\n{H}", Refused),
    ("POST {T} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n{H}", Refused),
    (
        "POST {T} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n{H}",
        Refused,
    ),
    (
        "POST {T} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{H}",
        Refused,
    ),
    ("POST {T} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n{H}", Refused),
    ("POST {T} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n{H}", Refused),
    ("POST {T} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n : x\r\n\r\n0\r\n\r\n{H}", Refused),
    // Lines that are folded, or that end in other ways.
    ("POST {T} HTTP/1.1\r\nHost: a\r\n Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n{H}", Refused),
    ("POST {T} HTTP/1.1\r\nHost: a\r\nX: y\r\n\tTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{H}", Refused),
    ("POST {T} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n{H}", Refused),
    ("GET {T} HTTP/1.1\r\nHost: a\r\nX: y\rTransfer-Encoding: chunked\r\n\r\n{H}", Refused),
    ("GET {T} HTTP/1.1\r\nHost: a\r\nX: y\r\r\n\r\n{H}", Refused),
    ("GET {T} HTTP/1.1\r\nHost: a\r\nX: y\0z\r\n\r\n{H}", Refused),
    ("GET {T} HTTP/1.1\r\nHost: a\r\nX y: z\r\n\r\n{H}", Refused),
    ("GET {T} HTTP/1.1\r\nHost: a\r\n: z\r\n\r\n{H}", Refused),
    ("GET {T} HTTP/1.1\r\nHost: a\r\nX\r\n\r\n{H}", Refused),
    // HTTP/1.0 knows no chunks, and other versions nobody knows.
    ("POST {T} HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{H}", Refused),
    (
        "POST {T} HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n{H}",
        Refused,
    ),
    ("GET {T} HTTP/2.0\r\nHost: a\r\n\r\n{H}", Refused),
    ("GET {T} HTTP/1.1 \r\nHost: a\r\n\r\n{H}", Refused),
    ("GET {T}  HTTP/1.1\r\nHost: a\r\n\r\n{H}", Refused),
    // Two hosts.
    ("GET {T} HTTP/1.1\r\nHost: a\r\nHost: b\r\nConnection: close\r\n\r\n{H}", Refused),
    ("GET http://b{T} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n{H}", Refused),
    // Chunks that are no chunks.
    ("POST {T} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n\r\n{H}", Cut),
    ("POST {T} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0x0\r\n\r\n{H}", Cut),
    ("POST {T} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n+0\r\n\r\n{H}", Cut),
    ("POST {T} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\r\n0\r\n\r\n{H}", Cut),
    ("POST {T} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n\r\n{H}", Cut),
    ("POST {T} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nxx\r\n0\r\n\r\n{H}", Cut),
    ("POST {T} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1;a\nb\r\nx\r\n0\r\n\r\n{H}", Cut),
    ("POST {T} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\nx\n0\n\n{H}", Cut),
    ("POST {T} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\rx\r0\r\r{H}", Cut),
    ("POST {T} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0 1\r\n\r\n{H}", Cut),
    // What is well-formed is read as it is meant.
    ("POST {T} HTTP/1.1\r\nHost: a\r\nContent-Length: {L}\r\n\r\n{H}", One(HIDDEN)),
    ("GET {T} HTTP/1.1\r\nHost: a\r\nContent-Length: {L}\r\n\r\n{H}", One(HIDDEN)),
    ("DELETE {T} HTTP/1.1\r\nHost: a\r\nContent-Length: {L}\r\n\r\n{H}", One(HIDDEN)),
    ("POST {T} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{X}\r\n{H}\r\n0\r\n\r\n", One(HIDDEN)),
    ("GET {T} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n{X};x=\"y\"\r\n{H}\r\n0\r\n\r\n", One(HIDDEN)),
    (
        "POST {T} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0{X}\r\n{H}\r\n00\r\nX: y\r\n\r\n",
        One(HIDDEN),
    ),
    ("POST {T} HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n{H}", Two("")),
    ("POST {T} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{H}", Two("")),
    ("GET {T} HTTP/1.1\r\nHost: a\r\n\r\n{H}", Two("")),
    ("POST {T} HTTP/1.1\r\nHost: a\r\n\r\n{H}", Two("")),
    // A switch that the upstream does not make leaves the connection what it was.
    ("GET {T} HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n{H}", Two("")),
    (
        "GET {T} HTTP/1.1\r\nHost: a\r\nConnection: upgrade, http2-settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AA\r\n\r\n{H}",
        Two(""),
    ),
    (
        "POST {T} HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\nContent-Length: {L}\r\n\r\n{H}",
        One(HIDDEN),
    ),
    // Framing fields that `Connection` would take away.
    ("POST {T} HTTP/1.1\r\nHost: a\r\nConnection: content-length\r\nContent-Length: {L}\r\n\r\n{H}", One(HIDDEN)),
    (
        "POST {T} HTTP/1.1\r\nHost: a\r\nConnection: transfer-encoding\r\nTransfer-Encoding: chunked\r\n\r\n{X}\r\n{H}\r\n0\r\n\r\n",
        One(HIDDEN),
    ),
    // Fields that only look like framing to somebody.
    ("POST {T} HTTP/1.1\r\nHost: a\r\nTransfer_Encoding: chunked\r\nContent-Length: {L}\r\n\r\n{H}", One(HIDDEN)),
    ("POST {T} HTTP/1.1\r\nHost: a\r\nContent_Length: 0\r\nContent-Length: {L}\r\n\r\n{H}", One(HIDDEN)),
    ("GET {T} HTTP/1.1\r\nHost: a\r\nX: Transfer-Encoding: chunked\r\n\r\n{H}", Two("")),
];

#[tokio::test]
async fn request_smuggling() {
    let rig = Rig::echoing(CACHED).await;
    let mut wrong = Vec::new();
    for target in ["/u/a", "/c/a"] {
        for (bytes, end) in CORPUS {
            let (length, hex) = (HIDDEN.len().to_string(), format!("{:x}", HIDDEN.len()));
            let bytes =
                bytes.replace("{T}", target).replace("{H}", HIDDEN).replace("{L}", &length).replace("{X}", &hex);
            let (seen, answered) = after(&rig, &bytes).await;
            if !answered || !end.is(target, &seen) {
                wrong.push(format!("{bytes:?} should be {end:?} and is {seen:?}, the next one answered: {answered}"));
            }
            // Forgets what the cached path may have been given, which is another test's business.
            rig.ask(&format!("DELETE {target}"), &[]).await;
            rig.origin.seen();
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

impl End {
    fn is(&self, target: &str, seen: &[Seen]) -> bool {
        let is_first = |seen: &Seen, body: &str| {
            seen.fault.is_none() && seen.line.ends_with(&format!(" {target}")) && seen.body == body
        };
        match (self, seen) {
            (Refused | Cut, []) => true,
            (One(body), [only]) => is_first(only, body),
            (Two(body), [first, second]) => is_first(first, body) && second.line == "GET /hidden",
            (Cut, [cut]) => cut.fault.is_some(),
            _ => false,
        }
    }
}

/// What the origin saw of the bytes, and whether a request behind them, if it was answered at all, got its own answer.
async fn after(rig: &Rig, bytes: &str) -> (Vec<Seen>, bool) {
    let mut client = rig.client().await;
    client.send(bytes).await;
    let mut answered = true;
    if client.answer().await.is_some() {
        client.send("GET /probe HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
        let rest = String::from_utf8_lossy(&client.rest().await).into_owned();
        let last = rest.rfind("HTTP/1.1 ").map_or("", |at| &rest[at..]);
        answered = !last.starts_with("HTTP/1.1 200") || last.contains("GET /probe\r\n");
    }
    (rig.origin.seen().into_iter().filter(|seen| seen.line != "GET /probe").collect(), answered)
}

#[tokio::test]
async fn a_cut_upload_is_not_a_request() {
    let rig = Rig::echoing(CACHED).await;
    for framing in ["Content-Length: 100\r\n\r\nhalf", "Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n"] {
        let mut client = rig.client().await;
        client.send(format!("POST /u/a HTTP/1.1\r\nHost: a\r\n{framing}")).await;
        drop(client);
        rig.get("/u/next").await;
        let whole: Vec<_> = rig.origin.seen().into_iter().filter(|seen| seen.fault.is_none()).collect();
        assert_eq!(whole.iter().map(|seen| seen.line.as_str()).collect::<Vec<_>>(), ["GET /u/next"], "{framing}");
    }
}

#[tokio::test]
async fn a_refused_request_takes_its_body_with_it() {
    // Turned away before its body was read: the body is not the next request.
    let rig = Rig::echoing(CACHED).await;
    for line in ["TRACE /c/a", "POST /c/a\\b", "POST /c/../a", "GET /c/%2e%2e/a", "POST http://b/c/a"] {
        let mut client = rig.client().await;
        client.send(format!("{line} HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{HIDDEN}", HIDDEN.len())).await;
        let refused = client.answer().await.unwrap();
        assert!(matches!(refused.status, 400 | 405), "{line}: {refused:?}");
        client.send("GET /probe HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
        client.rest().await;
        assert!(rig.origin.seen().iter().all(|seen| seen.line == "GET /probe"), "{line}");
    }
}

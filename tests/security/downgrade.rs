//! HTTP/2 requests that would be something else as HTTP/1.1. The frames are written by hand: no client would send them.

use crate::rig::{CACHED, Client, Rig};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The fields of an ordinary request, to be changed.
const ORDINARY: [(&str, &str); 4] = [(":method", "GET"), (":scheme", "http"), (":authority", "a"), (":path", "/c/a")];

#[tokio::test]
async fn http_2_downgrade() {
    let rig = Rig::echoing(CACHED).await;
    for (name, changed, added) in [
        ("CRLF in a value", None, Some(("x", "1\r\nX-Forwarded-Host: evil"))),
        ("LF in a value", None, Some(("x", "1\nevil: 1"))),
        ("NUL in a value", None, Some(("x", "1\0evil"))),
        ("CRLF in a name", None, Some(("x: 1\r\nevil", "1"))),
        ("a colon in a name", None, Some(("x: evil", "1"))),
        ("a capital in a name", None, Some(("X-Evil", "1"))),
        ("an empty name", None, Some(("", "evil"))),
        ("chunks", None, Some(("transfer-encoding", "chunked"))),
        ("a connection", None, Some(("connection", "evil"))),
        ("an upgrade", None, Some(("upgrade", "h2c"))),
        ("TE", None, Some(("te", "chunked"))),
        ("a length without a body", None, Some(("content-length", "9"))),
        ("a second path", None, Some((":path", "/hidden"))),
        ("an unknown pseudo-field", None, Some((":evil", "1"))),
        ("another host", None, Some(("host", "evil"))),
        ("a method with a line in it", Some((":method", "GET /hidden HTTP/1.1\r\nX: ")), None),
        ("a method with a space", Some((":method", "GET /hidden")), None),
        ("a path with a line in it", Some((":path", "/c/a HTTP/1.1\r\nX-Evil: 1")), None),
        ("a path with a space", Some((":path", "/c/a HTTP/1.1")), None),
        ("a path that is none", Some((":path", "c/a")), None),
        ("an empty path", Some((":path", "")), None),
        ("a user", Some((":authority", "evil@a")), None),
        ("an authority with a path", Some((":authority", "a/evil")), None),
        ("a scheme with a line in it", Some((":scheme", "http://evil/\r\n")), None),
        ("a scheme that is none", Some((":scheme", "ftp")), None),
    ] {
        let mut fields = ORDINARY.to_vec();
        if let Some((name, value)) = changed {
            fields.iter_mut().filter(|field| field.0 == name).for_each(|field| field.1 = value);
        }
        fields.extend(added);
        let ended = ask(&rig, &fields).await;
        assert!(ended.is_some_and(|end| end != End::Ok), "{name}");
        assert_eq!(rig.origin.seen(), [], "{name}");
    }
    assert_eq!(ask(&rig, &ORDINARY).await, Some(End::Ok));
    assert_eq!(rig.origin.seen()[0].line, "GET /c/a");
    assert_eq!(rig.get("/c/a").await.verdict(), "HIT", "both protocols share the key");
}

/// How a stream ended.
#[derive(Debug, PartialEq, Eq)]
enum End {
    /// 200
    Ok,
    /// Another status.
    Refused,
    /// A reset, of the stream or of the connection.
    Reset,
}

/// Sends a request of these fields and no body on a connection of its own.
async fn ask(rig: &Rig, fields: &[(&str, &str)]) -> Option<End> {
    const SETTINGS: u8 = 4;
    const HEADERS: u8 = 1;
    let mut block = Vec::new();
    for (name, value) in fields {
        // Literal without indexing, new name (RFC 7541 §6.2.2), both as they are.
        block.push(0);
        for text in [name, value] {
            block.push(u8::try_from(text.len()).unwrap());
            block.extend_from_slice(text.as_bytes());
        }
    }
    let mut client = rig.client().await;
    // END_STREAM and END_HEADERS
    let opening = [PREFACE, &frame(SETTINGS, 0, 0, &[]), &frame(HEADERS, 5, 1, &block)].concat();
    client.send(opening).await;
    while let Some((kind, payload)) = next(&mut client).await {
        match kind {
            // The first field of a response is its status; 200 is entry 8 of the static table (RFC 7541 §A).
            HEADERS => return Some(if payload.first() == Some(&0x88) { End::Ok } else { End::Refused }),
            3 | 7 => return Some(End::Reset),
            _ => {}
        }
    }
    Some(End::Reset)
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

async fn next(client: &mut Client) -> Option<(u8, Vec<u8>)> {
    let head = client.exactly(9).await?;
    let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
    Some((head[3], client.exactly(usize::try_from(length).unwrap()).await?))
}

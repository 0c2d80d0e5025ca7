//! Messages as they are framed: bodies that end too early, transfer codings, trailers (RFC 9112 §6, §8; RFC 9111 §3.3).

use crate::lab::{Answer, Call, Lab};

const FRESH: &str = "Cache-Control: max-age=3600";

/// Asks twice: the first answer whole or not, and what becomes of the second.
async fn twice(lab: &Lab, answer: Answer) -> (crate::lab::Got, String) {
    let path = lab.path();
    lab.origin.answers(&path, [answer]);
    let first = lab.get(&path, &[]).await;
    let second = lab.get(&path, &[]).await;
    (first, second.word().to_owned())
}

#[tokio::test]
async fn what_is_complete_is_stored_and_nothing_else_rfc_9111_3_3() {
    let lab = Lab::new().await;
    let sized = |body: &str| Answer::head(200, &[FRESH, "Content-Length: 10"]).send(body);
    let chunked = |body: &str| Answer::head(200, &[FRESH, "Transfer-Encoding: chunked"]).send(body);
    let bare = |body: &str| Answer::head(200, &[FRESH]).send(body);
    for (name, answer, whole, word) in [
        ("a length that is matched", sized("0123456789"), true, "HIT"),
        ("a length that is not", sized("01234").close(), false, "MISS"),
        ("a length and nothing", sized("").close(), false, "MISS"),
        ("a length, and a reset", sized("01234").reset(), false, "MISS"),
        ("the last chunk", chunked("5\r\n01234\r\n0\r\n\r\n"), true, "HIT"),
        ("several chunks", chunked("2\r\n01\r\n3;x=y\r\n234\r\n0\r\n\r\n"), true, "HIT"),
        ("the last chunk alone", chunked("0\r\n\r\n"), true, "HIT"),
        ("no last chunk", chunked("5\r\n01234\r\n").close(), false, "MISS"),
        ("half a chunk", chunked("9\r\n01234").close(), false, "MISS"),
        ("half a last chunk", chunked("5\r\n01234\r\n0\r\n").close(), false, "MISS"),
        ("a chunk without a size", chunked("x\r\n01234\r\n0\r\n\r\n").close(), false, "MISS"),
        ("a chunk longer than its size", chunked("2\r\n01234\r\n0\r\n\r\n").close(), false, "MISS"),
        ("chunks, and a reset", chunked("5\r\n01234\r\n").reset(), false, "MISS"),
        ("the end of the connection", bare("01234").close(), true, "MISS"),
        ("an empty body", Answer::head(200, &[FRESH, "Content-Length: 0"]), true, "HIT"),
        (
            "HTTP/1.0 with a length",
            Answer::raw(format!("HTTP/1.0 200 OK\r\n{FRESH}\r\nContent-Length: 2\r\n\r\nok")).close(),
            true,
            "HIT",
        ),
        ("HTTP/1.0 to the end", Answer::raw(format!("HTTP/1.0 200 OK\r\n{FRESH}\r\n\r\nok")).close(), true, "MISS"),
        (
            "HTTP/1.0 with chunks",
            Answer::raw(format!("HTTP/1.0 200 OK\r\n{FRESH}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")).close(),
            true,
            "MISS",
        ),
        ("204", Answer::head(204, &[FRESH]), true, "HIT"),
    ] {
        let (first, second) = twice(&lab, answer).await;
        assert_eq!((first.whole, second.as_str()), (whole, word), "{name}: {first:?}");
    }
}

#[tokio::test]
async fn what_came_before_the_break_reaches_the_client() {
    let lab = Lab::new().await;
    for fields in [&[FRESH, "Content-Length: 10"][..], &["Cache-Control: no-store", "Content-Length: 10"]] {
        let (first, _) = twice(&lab, Answer::head(200, fields).send("01234").close()).await;
        assert_eq!((first.status, first.body.as_str(), first.whole), (200, "01234", false), "{fields:?}");
    }
}

#[tokio::test]
async fn a_head_that_frames_two_messages_is_502_rfc_9112_6_3() {
    let lab = Lab::new().await;
    for (name, fields) in [
        ("two lengths", &[FRESH, "Content-Length: 5", "Content-Length: 6"][..]),
        ("two lengths in one line", &[FRESH, "Content-Length: 5, 6"]),
        ("a length that is none", &[FRESH, "Content-Length: five"]),
        ("a negative length", &[FRESH, "Content-Length: -5"]),
        ("a signed length", &[FRESH, "Content-Length: +5"]),
        ("a length too large", &[FRESH, "Content-Length: 99999999999999999999999"]),
        ("a folded field", &[FRESH, "X-A: 1\r\n 2"]),
        ("a space before the colon", &[FRESH, "X-A : 1"]),
        ("a field without a name", &[FRESH, ": 1"]),
        ("a field without a colon", &[FRESH, "X-A"]),
        ("a bare carriage return", &[FRESH, "X-A: 1\r2"]),
        ("a NUL", &[FRESH, "X-A: 1\0"]),
    ] {
        let (first, second) = twice(&lab, Answer::head(200, fields).send("01234").close()).await;
        assert_eq!((first.status, second.as_str()), (502, "MISS"), "{name}: {first:?}");
        assert!(first.cache_status().contains("detail=upstream-garbage"), "{name}: {}", first.head);
    }
}

#[tokio::test]
async fn a_transfer_coding_is_never_taken_for_the_content_rfc_9112_6_1() {
    let lab = Lab::new().await;
    let coded =
        |coding: &str, body: &str| Answer::head(200, &[FRESH, &format!("Transfer-Encoding: {coding}")]).send(body);
    for (coding, status) in [
        ("gzip, chunked", 502),
        ("GZIP, chunked", 502),
        ("x-gzip, chunked", 502),
        ("deflate, chunked", 502),
        ("foo, chunked", 502),
        ("chunked, chunked", 502),
        ("chunked, gzip", 502),
        ("gzip", 502),
        ("compress", 502),
        ("gzip;q=1", 502),
        ("foo", 200),
        ("foo, bar", 200),
        ("identity", 200),
        ("chunked", 200),
        ("Chunked", 200),
    ] {
        let is_chunked = coding.to_ascii_lowercase().ends_with("chunked");
        let (first, second) = match is_chunked {
            true => twice(&lab, coded(coding, "5\r\n01234\r\n0\r\n\r\n").close()).await,
            false => twice(&lab, coded(coding, "01234").close()).await,
        };
        let stored = coding.eq_ignore_ascii_case("chunked");
        assert_eq!((first.status, second == "HIT"), (status, stored), "{coding}: {first:?}");
        assert!(
            !first.head.to_ascii_lowercase().contains(&coding.to_ascii_lowercase()) || stored,
            "{coding}: {}",
            first.head
        );
        if status == 200 {
            assert_eq!((first.body.as_str(), first.whole), ("01234", true), "{coding}");
        } else {
            assert!(first.cache_status().contains("detail=upstream-coding"), "{coding}: {}", first.head);
        }
    }
}

#[tokio::test]
async fn a_connection_that_ends_its_body_carries_no_other() {
    let lab = Lab::new().await;
    let smuggled = "01234HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged";
    for fields in [&[FRESH, "Transfer-Encoding: foo"][..], &[FRESH]] {
        let (first, _) = twice(&lab, Answer::head(200, fields).send(smuggled).close()).await;
        assert_eq!(first.body, smuggled, "{fields:?}");
    }
    let (first, second) = twice(&lab, Answer::head(200, &[FRESH, "Content-Length: 5"]).send(smuggled)).await;
    assert_eq!((first.body.as_str(), second.as_str()), ("01234", "HIT"));
    assert_eq!(lab.get("/other", &[]).await.body, "second", "what followed the body is nobody's answer");
}

#[tokio::test]
async fn chunks_count_before_a_length_rfc_9112_6_3() {
    let lab = Lab::new().await;
    let answer = Answer::head(200, &[FRESH, "Content-Length: 3", "Transfer-Encoding: chunked"]);
    let (first, second) = twice(&lab, answer.send("5\r\n01234\r\n0\r\n\r\n")).await;
    assert_eq!((first.body.as_str(), first.whole, second.as_str()), ("01234", true, "HIT"));
    assert_eq!(first.field("content-length"), None);
}

#[tokio::test]
async fn trailers_pass_and_are_not_stored_rfc_9111_3_1() {
    let lab = Lab::new().await;
    let fields = [FRESH, "Transfer-Encoding: chunked", "Trailer: X-Sum"];
    lab.origin.answers("/a", [Answer::head(200, &fields).send("5\r\n01234\r\n0\r\nX-Sum: 7\r\n\r\n")]);
    let call = Call::send(lab.address(), "GET /a", &["TE: trailers"], "").await;
    let got = call.got("GET").await;
    assert_eq!((got.body.as_str(), got.whole, got.trailers.contains("x-sum: 7\r\n")), ("01234", true, true), "{got:?}");
    let got = lab.get("/a", &["TE: trailers"]).await;
    assert_eq!((got.word(), got.body.as_str(), got.trailers.as_str()), ("HIT", "01234", ""));
    assert_eq!((got.field("trailer"), got.field("x-sum")), (None, None));
}

#[tokio::test]
async fn no_answer_is_502_and_is_not_stored() {
    let lab = Lab::new().await;
    for (name, answer) in [
        ("nothing", Answer::default().close()),
        ("a reset", Answer::default().reset()),
        ("half a head", Answer::raw("HTTP/1.1 200 OK\r\nCache-Con").close()),
        ("garbage", Answer::raw("garbage\r\n\r\n").close()),
        ("another protocol", Answer::raw("SSH-2.0-x\r\n\r\n").close()),
        ("a status of four digits", Answer::raw("HTTP/1.1 2000 OK\r\n\r\n").close()),
        ("a switch that nobody asked for", Answer::head(101, &["Upgrade: x", "Connection: upgrade"]).close()),
    ] {
        // A connection that was used before and dies is tried once more on a new one.
        let path = lab.path();
        lab.origin.answers(&path, [answer.clone(), answer]);
        let (first, second) = (lab.get(&path, &[]).await, lab.get(&path, &[]).await);
        assert_eq!((first.status, second.word()), (502, "MISS"), "{name}: {first:?}");
        assert!(first.cache_status().contains("detail=upstream-"), "{name}: {}", first.head);
    }
}

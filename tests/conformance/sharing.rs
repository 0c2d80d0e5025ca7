//! Concurrent requests for one response, as bytes arrive.

use crate::lab::{Answer, Call, Gate, Lab};

const FRESH: &str = "Cache-Control: max-age=3600";

/// An answer of a hundred bytes of which ten arrive, and the rest when the gate opens.
fn slow(gate: &Gate) -> Answer {
    Answer::head(200, &[FRESH, "Content-Length: 100"]).send("0123456789").wait(gate).send("x".repeat(90))
}

/// Begins a request and waits until the body's beginning is there.
async fn beginning(lab: &Lab, target: &str) -> Call {
    let mut call = lab.call("GET", target, &[]).await;
    call.sees("0123456789").await;
    call
}

#[tokio::test]
async fn a_follower_gets_the_bytes_as_they_arrive() {
    let lab = Lab::new().await;
    let gate = Gate::shut();
    lab.origin.answers("/a", [slow(&gate)]);
    let leader = beginning(&lab, "/a").await;
    let followers = [beginning(&lab, "/a").await, beginning(&lab, "/a").await];
    assert_eq!(lab.origin.count("/a"), 1);
    gate.open();
    let got = leader.got("GET").await;
    assert_eq!((got.body.len(), got.whole, got.cache_status()), (100, true, "larder; fwd=uri-miss; stored"));
    for follower in followers {
        let got = follower.got("GET").await;
        assert_eq!((got.body.len(), got.whole, got.word()), (100, true, "MISS"));
        assert_eq!(got.cache_status(), "larder; fwd=uri-miss; collapsed");
        assert_eq!(got.field("age"), Some("0"));
    }
    let got = lab.get("/a", &[]).await;
    assert_eq!((got.word(), got.body.len(), lab.origin.count("/a")), ("HIT", 100, 1));
}

#[tokio::test]
async fn a_leader_that_leaves_costs_its_followers_nothing() {
    let lab = Lab::new().await;
    let gate = Gate::shut();
    lab.origin.answers("/a", [slow(&gate)]);
    let leader = beginning(&lab, "/a").await;
    let follower = beginning(&lab, "/a").await;
    drop(leader);
    gate.open();
    let got = follower.got("GET").await;
    assert_eq!((got.body.len(), got.whole), (100, true));
    assert_eq!((lab.get("/a", &[]).await.word(), lab.origin.count("/a")), ("HIT", 1));
}

#[tokio::test]
async fn a_reader_that_stands_still_holds_nobody_up() {
    let lab = Lab::new().await;
    let gate = Gate::shut();
    let body = "y".repeat(4 * 1024 * 1024);
    let head = Answer::head(200, &[FRESH, &format!("Content-Length: {}", body.len() + 10)]);
    lab.origin.answers("/a", [head.send("0123456789").wait(&gate).send(&body)]);
    let standing = beginning(&lab, "/a").await;
    let reading = beginning(&lab, "/a").await;
    gate.open();
    let got = reading.got("GET").await;
    assert_eq!((got.body.len(), got.whole), (body.len() + 10, true));
    assert_eq!(lab.get("/a", &[]).await.word(), "HIT", "it is stored although somebody has yet to read it");
    let got = standing.got("GET").await;
    assert_eq!((got.body.len(), got.whole), (body.len() + 10, true));
    assert_eq!(lab.origin.count("/a"), 1);
}

#[tokio::test]
async fn a_body_that_breaks_off_breaks_for_all_and_is_not_stored() {
    let lab = Lab::new().await;
    let gate = Gate::shut();
    let broken = Answer::head(200, &[FRESH, "Content-Length: 100"]).send("0123456789").wait(&gate).close();
    lab.origin.answers("/a", [broken]);
    let calls = [beginning(&lab, "/a").await, beginning(&lab, "/a").await];
    gate.open();
    for call in calls {
        let got = call.got("GET").await;
        assert_eq!((got.body.as_str(), got.whole), ("0123456789", false));
    }
    assert_eq!(lab.get("/a", &[]).await.body, "second");
}

#[tokio::test]
async fn past_max_body_the_stream_goes_on_and_nothing_is_stored() {
    let lab = Lab::with("max_body: 64KiB").await;
    let body = "z".repeat(200 * 1024);
    let chunked = format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
    for answer in [
        Answer::head(200, &[FRESH, &format!("Content-Length: {}", body.len())]).send(&body),
        Answer::head(200, &[FRESH, "Transfer-Encoding: chunked"]).send(chunked),
    ] {
        let path = lab.path();
        lab.origin.answers(&path, [answer]);
        let got = lab.get(&path, &[]).await;
        assert_eq!((got.body.len(), got.whole), (body.len(), true));
        let got = lab.get(&path, &[]).await;
        assert_eq!((got.word(), got.body.as_str()), ("MISS", "second"));
    }
}

#[tokio::test]
async fn what_proved_uncacheable_is_not_queued_for() {
    let lab = Lab::new().await;
    lab.says("/a", 200, &["Cache-Control: no-store"], "first");
    lab.get("/a", &[]).await;
    let gate = Gate::shut();
    let held = || Answer::default().wait(&gate).send(Answer::with(200, &["Cache-Control: no-store"], "mine").bytes());
    lab.origin.answers("/a", [held(), held(), held()]);
    let mut calls = Vec::new();
    for _ in 0..3 {
        calls.push(lab.call("GET", "/a", &[]).await);
    }
    lab.origin.until_asked("/a", 4).await;
    gate.open();
    for call in calls {
        assert_eq!(call.got("GET").await.body, "mine");
    }
}

#[tokio::test]
async fn who_waited_for_what_proved_uncacheable_is_released_at_once() {
    let lab = Lab::new().await;
    let (first, others) = (Gate::shut(), Gate::shut());
    let said =
        |gate: &Gate| Answer::default().wait(gate).send(Answer::with(200, &["Cache-Control: private"], "mine").bytes());
    lab.origin.answers("/a", [said(&first), said(&others), said(&others)]);
    let leader = lab.call("GET", "/a", &[]).await;
    lab.origin.until_asked("/a", 1).await;
    let followers = [lab.call("GET", "/a", &[]).await, lab.call("GET", "/a", &[]).await];
    first.open();
    assert_eq!(leader.got("GET").await.body, "mine");
    lab.origin.until_asked("/a", 3).await;
    others.open();
    for follower in followers {
        let got = follower.got("GET").await;
        assert_eq!(got.body, "mine");
    }
}

#[tokio::test]
async fn stored_is_said_only_of_what_the_head_decides() {
    let file =
        |store_if: &str| format!("routes: [ {{ path: \"/{{rest*}}\", ttl: 60s, store_if: {{ {store_if} }} }} ]\n");
    let sized = |body: &str| Answer::with(200, &[] as &[&str], body);
    let chunked = |body: &str| {
        Answer::head(200, &["Transfer-Encoding: chunked"]).send(format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len()))
    };
    for (store_if, answer, said, word) in [
        ("min_body: 3", sized("first"), "larder; fwd=uri-miss; stored", "HIT"),
        ("min_body: 3", chunked("first"), "larder; fwd=uri-miss", "HIT"),
        ("min_body: 9", sized("first"), "larder; fwd=uri-miss; detail=body-too-small", "MISS"),
        ("min_body: 9", chunked("first"), "larder; fwd=uri-miss", "MISS"),
        ("body_not: [\"[]\"]", sized("first"), "larder; fwd=uri-miss", "HIT"),
        ("body_not: [\"[]\"]", sized("[] "), "larder; fwd=uri-miss", "MISS"),
        ("body_not: [\"[]\"]", chunked("[]"), "larder; fwd=uri-miss", "MISS"),
        ("min_body: 0", chunked("first"), "larder; fwd=uri-miss; stored", "HIT"),
    ] {
        let lab = Lab::configured(&file(store_if)).await;
        lab.origin.answers("/a", [answer]);
        let got = lab.get("/a", &[]).await;
        assert_eq!(got.cache_status(), said, "{store_if}");
        assert_eq!(lab.get("/a", &[]).await.word(), word, "{store_if}");
    }
}

//! Crowds of requests for what is stale, what varies, what fails, and what must not be collected.

use crate::lab::{Answer, Call, Gate, Lab};

/// This answer, once the gate is open.
fn held(gate: &Gate, answer: &Answer) -> Answer {
    Answer::default().wait(gate).send(answer.bytes())
}

async fn calls(lab: &Lab, target: &str, requests: &[&[&str]]) -> Vec<Call> {
    let mut calls = Vec::new();
    for fields in requests {
        calls.push(lab.call("GET", target, fields).await);
    }
    calls
}

#[tokio::test]
async fn what_is_stale_is_validated_once_for_all() {
    let lab = Lab::new().await;
    let gate = Gate::shut();
    lab.says("/a", 200, &["Cache-Control: max-age=5", "ETag: \"a\""], "first");
    lab.get("/a", &[]).await;
    lab.after(10);
    let renewed = lab.answer(304, &["Cache-Control: max-age=60", "ETag: \"a\""], "");
    lab.origin.answers("/a", [held(&gate, &renewed)]);
    let leader = lab.call("GET", "/a", &[]).await;
    lab.origin.until_asked("/a", 2).await;
    let crowd = calls(&lab, "/a", &[&[], &["If-None-Match: \"a\""], &["Range: bytes=1-2"], &[]]).await;
    gate.open();
    assert_eq!(leader.got("GET").await.word(), "REVALIDATED");
    let mut statuses = Vec::new();
    for call in crowd {
        let got = call.got("GET").await;
        assert!(["REVALIDATED", "HIT"].contains(&got.word()), "{}", got.head);
        statuses.push(got.status);
    }
    assert_eq!((statuses, lab.origin.count("/a")), (vec![200, 304, 206, 200], 2));
}

#[tokio::test]
async fn a_fetch_answers_only_its_own_variant() {
    let lab = Lab::new().await;
    let gate = Gate::shut();
    let variant = |body| lab.answer(200, &["Cache-Control: max-age=60", "Vary: Foo"], body);
    lab.origin.answers("/a", [held(&gate, &variant("one"))]);
    let leader = lab.call("GET", "/a", &["Foo: 1"]).await;
    lab.origin.until_asked("/a", 1).await;
    let same = lab.call("GET", "/a", &["Foo: 1"]).await;
    let other = lab.call("GET", "/a", &["Foo: 2"]).await;
    lab.origin.answers("/a", [variant("two")]);
    gate.open();
    assert_eq!(leader.got("GET").await.body, "one");
    assert_eq!(same.got("GET").await.body, "one");
    let got = other.got("GET").await;
    assert_eq!((got.body.as_str(), got.cache_status()), ("two", "larder; fwd=vary-miss; stored"));
    assert_eq!(lab.origin.count("/a"), 2);
    for (field, body) in [("Foo: 1", "one"), ("Foo: 2", "two")] {
        let got = lab.get("/a", &[field]).await;
        assert_eq!((got.word(), got.body.as_str()), ("HIT", body));
    }
}

#[tokio::test]
async fn a_leader_that_fails_releases_the_others() {
    let lab = Lab::new().await;
    let gate = Gate::shut();
    lab.origin.answers("/a", [Answer::default().wait(&gate).close()]);
    let leader = lab.call("GET", "/a", &[]).await;
    lab.origin.until_asked("/a", 1).await;
    let follower = lab.call("GET", "/a", &[]).await;
    lab.says("/a", 200, &["Cache-Control: max-age=60"], "second");
    gate.open();
    let got = leader.got("GET").await;
    assert_eq!((got.status, got.cache_status()), (502, "larder; fwd=uri-miss; detail=upstream-closed"));
    let got = follower.got("GET").await;
    assert_eq!((got.status, got.body.as_str()), (200, "second"), "{}", got.head);
    assert_eq!(lab.get("/a", &[]).await.word(), "HIT");
}

#[tokio::test]
async fn a_follower_s_condition_is_judged_by_what_arrives() {
    let lab = Lab::new().await;
    let gate = Gate::shut();
    lab.origin.answers("/a", [held(&gate, &lab.answer(200, &["Cache-Control: max-age=60", "ETag: \"a\""], "first"))]);
    let leader = lab.call("GET", "/a", &[]).await;
    lab.origin.until_asked("/a", 1).await;
    let crowd = calls(&lab, "/a", &[&["If-None-Match: \"a\""], &["If-None-Match: \"b\""]]).await;
    gate.open();
    assert_eq!(leader.got("GET").await.body, "first");
    let mut answers = Vec::new();
    for call in crowd {
        let got = call.got("GET").await;
        answers.push((got.status, got.body));
    }
    assert_eq!(answers, [(304, String::new()), (200, "first".to_owned())]);
    assert_eq!(lab.origin.count("/a"), 1);
}

#[tokio::test]
async fn streams_are_passed_on_as_they_come_each_to_its_own_client() {
    let lab = Lab::new().await;
    for fields in [
        &["Content-Type: text/event-stream", "Cache-Control: max-age=60"][..],
        &["Content-Type: application/grpc+proto", "Cache-Control: max-age=60"],
        &["Content-Type: text/plain", "Cache-Control: max-age=60", "X-Accel-Buffering: no"],
        &["Content-Type: text/plain", "Cache-Control: no-store"],
    ] {
        let (path, gate) = (lab.path(), Gate::shut());
        let chunked = [fields, &["Transfer-Encoding: chunked"]].concat();
        let stream =
            || Answer::head(200, &chunked).send("6\r\nevent1\r\n").wait(&gate).send("6\r\nevent2\r\n0\r\n\r\n");
        lab.origin.answers(&path, [stream(), stream()]);
        let mut crowd = calls(&lab, &path, &[&[], &[]]).await;
        for call in &mut crowd {
            call.sees("event1").await;
        }
        assert_eq!(lab.origin.count(&path), 2, "{fields:?}");
        gate.open();
        for call in crowd {
            let got = call.got("GET").await;
            assert_eq!((got.body.as_str(), got.whole), ("event1event2", true), "{fields:?}");
        }
        assert_eq!(lab.get(&path, &[]).await.body, "second", "{fields:?}");
    }
}

#[tokio::test]
async fn past_max_body_all_who_read_get_all_of_it() {
    let lab = Lab::with("max_body: 64KiB").await;
    let (begun, gate) = (Gate::shut(), Gate::shut());
    let chunk = |size: usize| format!("{size:x}\r\n{}\r\n", "z".repeat(size));
    let mut answer = Answer::head(200, &["Cache-Control: max-age=60", "Transfer-Encoding: chunked"]);
    answer = answer.send("5\r\nbegin\r\n").wait(&begun).send(chunk(60_000)).wait(&gate);
    for _ in 0..40 {
        answer = answer.send(chunk(10_000));
    }
    lab.origin.answers("/a", [answer.send("0\r\n\r\n")]);
    let mut crowd = calls(&lab, "/a", &[&[]]).await;
    crowd[0].sees("begin").await;
    crowd.extend(calls(&lab, "/a", &[&[], &[]]).await);
    for call in &mut crowd {
        call.sees("begin").await;
    }
    begun.open();
    gate.open();
    let mut whole = 0;
    let mut readers = tokio::task::JoinSet::new();
    for call in crowd {
        readers.spawn(call.got("GET"));
    }
    while let Some(got) = readers.join_next().await {
        let got = got.unwrap();
        whole += usize::from(got.whole && got.body.len() == 5 + 60_000 + 400_000);
    }
    assert!(whole >= 1, "nobody got the whole");
    assert_eq!(lab.origin.count("/a"), 1);
    assert_eq!(lab.get("/a", &[]).await.body, "second", "and nothing is stored");
}

//! HEAD beside GET (RFC 9111 §4, §4.3.5).

use crate::lab::{Answer, Lab};

#[tokio::test]
async fn a_head_is_answered_from_a_fresh_get() {
    let lab = Lab::new().await;
    lab.says("/a", 200, &["Cache-Control: max-age=60", "ETag: \"a\"", "Content-Type: text/plain"], "first");
    lab.get("/a", &[]).await;
    lab.after(10);
    let got = lab.ask("HEAD", "/a", &[]).await;
    assert_eq!((got.status, got.word(), got.whole), (200, "HIT", true), "{}", got.head);
    for (name, value) in [("content-length", "5"), ("etag", "\"a\""), ("content-type", "text/plain"), ("age", "10")] {
        assert_eq!(got.fields(name), [value]);
    }
    let got = lab.ask("HEAD", "/a", &["If-None-Match: \"a\""]).await;
    assert_eq!((got.status, got.whole), (304, true));
    assert_eq!(lab.origin.count("/a"), 1);
}

#[tokio::test]
async fn a_head_that_nothing_stored_answers_goes_on_as_a_head_and_stores_nothing() {
    let lab = Lab::new().await;
    lab.origin.answers("/a", [Answer::head(200, &["Cache-Control: max-age=60", "Content-Length: 5"])]);
    let got = lab.ask("HEAD", "/a", &[]).await;
    assert_eq!((got.status, got.field("content-length")), (200, Some("5")));
    assert_eq!(lab.origin.asked("/a")[0].method, "HEAD");
    lab.says("/a", 200, &["Cache-Control: max-age=60"], "first");
    let got = lab.get("/a", &[]).await;
    assert_eq!((got.word(), got.body.as_str()), ("MISS", "first"));
}

#[tokio::test]
async fn a_head_that_finds_it_stale_goes_on() {
    let lab = Lab::new().await;
    lab.says("/a", 200, &["Cache-Control: max-age=5"], "first");
    lab.get("/a", &[]).await;
    lab.after(10);
    let got = lab.ask("HEAD", "/a", &[]).await;
    assert_eq!((got.status, got.whole, lab.origin.count("/a")), (200, true, 2));
}

#[tokio::test]
async fn the_answer_to_a_head_takes_the_place_of_nothing() {
    let lab = Lab::new().await;
    for status in [404, 410, 500, 301] {
        let path = lab.path();
        lab.says(&path, 200, &["Cache-Control: max-age=5", "ETag: \"a\""], "first");
        lab.get(&path, &[]).await;
        lab.after(10);
        lab.origin.answers(&path, [Answer::head(status, &["Cache-Control: max-age=60", "Content-Length: 9"])]);
        assert_eq!(lab.ask("HEAD", &path, &[]).await.status, status);
        let got = lab.get(&path, &[]).await;
        assert_eq!((got.status, got.body.as_str()), (200, "first"), "{status}: {}", got.head);
    }
}

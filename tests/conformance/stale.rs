//! Answers that are stale, and when they may be given all the same (RFC 9111 §4.2.4, RFC 5861).

use crate::lab::{Answer, Gate, Lab};

/// Stores what these fields allow, lets it go stale by five seconds, and asks again while the origin answers so.
async fn while_it_fails(lab: &Lab, fields: &[&str], failure: Answer) -> (u16, String, String, String) {
    let path = lab.path();
    lab.says(&path, 200, fields, "first");
    assert_eq!(lab.get(&path, &[]).await.body, "first");
    lab.after(65);
    lab.origin.answers(&path, [failure.clone(), failure]);
    let got = lab.get(&path, &[]).await;
    (got.status, got.body.clone(), got.word().to_owned(), got.head.clone())
}

#[tokio::test]
async fn serving_stale_rfc_5861_4_when_the_origin_fails() {
    let lab = Lab::new().await;
    let failing = |status| Answer::with(status, &["X-From: the origin"], "failed");
    for (fields, failure, status, word) in [
        (&["Cache-Control: max-age=60, stale-if-error=60"][..], Answer::default().close(), 200, "STALE"),
        (&["Cache-Control: max-age=60, stale-if-error=60"], Answer::default().reset(), 200, "STALE"),
        (&["Cache-Control: max-age=60, stale-if-error=60"], Answer::raw("garbage\r\n\r\n").close(), 200, "STALE"),
        (&["Cache-Control: max-age=60, stale-if-error=60"], failing(500), 200, "STALE"),
        (&["Cache-Control: max-age=60, stale-if-error=60"], failing(502), 200, "STALE"),
        (&["Cache-Control: max-age=60, stale-if-error=60"], failing(503), 200, "STALE"),
        (&["Cache-Control: max-age=60, stale-if-error=60"], failing(504), 200, "STALE"),
        (&["Cache-Control: max-age=60, stale-if-error=60", "ETag: \"a\""], failing(503), 200, "STALE"),
        (&["Cache-Control: max-age=60, stale-if-error=60", "ETag: \"a\""], Answer::default().close(), 200, "STALE"),
        (&["Cache-Control: max-age=60, stale-if-error=60"], failing(404), 404, "MISS"),
        (&["Cache-Control: max-age=60, stale-if-error=60"], failing(501), 501, "MISS"),
        (&["Cache-Control: max-age=60, stale-if-error=3"], failing(503), 503, "MISS"),
        (&["Cache-Control: max-age=60, stale-if-error=5", "ETag: \"a\""], failing(503), 503, "MISS"),
        (&["Cache-Control: max-age=60", "ETag: \"a\""], failing(503), 503, "MISS"),
        (&["Cache-Control: max-age=60", "ETag: \"a\""], Answer::default().close(), 502, "MISS"),
        (&["Cache-Control: max-age=60, must-revalidate, stale-if-error=60", "ETag: \"a\""], failing(503), 503, "MISS"),
        (&["Cache-Control: max-age=60, proxy-revalidate, stale-if-error=60", "ETag: \"a\""], failing(503), 503, "MISS"),
        (&["Cache-Control: s-maxage=60, stale-if-error=60", "ETag: \"a\""], failing(503), 503, "MISS"),
        (&["Cache-Control: no-cache, max-age=60, stale-if-error=60", "ETag: \"a\""], failing(503), 503, "MISS"),
        (&["CDN-Cache-Control: max-age=60, stale-if-error=60"], failing(503), 200, "STALE"),
    ] {
        let (got, body, said, head) = while_it_fails(&lab, fields, failure.clone()).await;
        let name = format!("{fields:?} and then {failure:?}: {head}");
        assert_eq!((got, said.as_str()), (status, word), "{name}");
        assert_eq!(body == "first", word == "STALE", "{name}");
        assert_eq!(head.contains("detail=stale-if-error"), word == "STALE", "{name}");
        assert!(!head.to_ascii_lowercase().contains("\r\nwarning:"), "{name}");
    }
}

#[tokio::test]
async fn what_must_be_validated_is_never_served_stale_rfc_9111_4_2_4() {
    let lab = Lab::new().await;
    for directives in ["must-revalidate", "proxy-revalidate", "no-cache", "s-maxage=60"] {
        let fields =
            [&*format!("Cache-Control: max-age=60, stale-if-error=3600, {directives}"), "ETag: \"a\"", "X-Stored: 1"];
        let (status, body, _, head) = while_it_fails(&lab, &fields, Answer::default().close()).await;
        assert_eq!(status, 502, "{directives}");
        assert!(
            !body.contains("first") && !head.contains("x-stored") && !head.contains("etag"),
            "{directives}: {head}"
        );
    }
    let others = &["Cache-Control: max-age=60, stale-if-error=3600"];
    let (status, body, word, _) = while_it_fails(&lab, others, Answer::default().close()).await;
    assert_eq!((status, body.as_str(), word.as_str()), (200, "first", "STALE"), "the others are");
}

#[tokio::test]
async fn stale_while_revalidate_rfc_5861_3() {
    let lab = Lab::new().await;
    let gate = Gate::shut();
    lab.says("/a", 200, &["Cache-Control: max-age=60, stale-while-revalidate=30", "ETag: \"a\""], "first");
    lab.get("/a", &[]).await;
    lab.after(60);
    let renewed = lab.fields(&["Cache-Control: max-age=60, stale-while-revalidate=30", "ETag: \"a\""]);
    lab.origin.answers("/a", [Answer::default().wait(&gate).send(Answer::head(304, &renewed).bytes())]);
    for _ in 0..3 {
        let got = lab.get("/a", &[]).await;
        assert_eq!((got.word(), got.body.as_str(), got.field("age")), ("STALE", "first", Some("60")));
        assert_eq!(got.cache_status(), "larder; hit; ttl=0; detail=stale-while-revalidate");
    }
    lab.origin.until_asked("/a", 2).await;
    assert_eq!(lab.origin.asked("/a")[1].field("if-none-match"), Some("\"a\""), "one request in the background");
    gate.open();
    lab.until("/a", "HIT").await;
    assert_eq!(lab.origin.count("/a"), 2);
    assert_eq!(lab.get("/a", &[]).await.field("age"), Some("0"));
}

#[tokio::test]
async fn past_its_window_the_client_waits_for_the_origin() {
    let lab = Lab::new().await;
    lab.says("/a", 200, &["Cache-Control: max-age=60, stale-while-revalidate=30", "ETag: \"a\""], "first");
    lab.get("/a", &[]).await;
    lab.after(90);
    let got = lab.get("/a", &[]).await;
    assert_eq!((got.word(), lab.origin.count("/a")), ("REVALIDATED", 2));
}

#[tokio::test]
async fn what_turned_to_no_cache_behind_the_back_is_not_served_stale() {
    let lab = Lab::new().await;
    lab.says("/a", 200, &["Cache-Control: max-age=60, stale-while-revalidate=300", "ETag: \"a\""], "first");
    lab.get("/a", &[]).await;
    lab.after(61);
    lab.says("/a", 200, &["Cache-Control: no-cache", "ETag: \"b\""], "newer");
    assert_eq!(lab.get("/a", &[]).await.word(), "STALE");
    lab.until("/a", "REVALIDATED").await;
    assert_eq!(lab.get("/a", &[]).await.body, "newer");
}

#[tokio::test]
async fn never_stale_while_revalidate_where_the_origin_insists() {
    let lab = Lab::new().await;
    for (directives, word) in [
        ("max-age=60, stale-while-revalidate=3600", "STALE"),
        ("max-age=60, must-revalidate, stale-while-revalidate=3600", "REVALIDATED"),
        ("max-age=60, proxy-revalidate, stale-while-revalidate=3600", "REVALIDATED"),
        ("s-maxage=60, stale-while-revalidate=3600", "REVALIDATED"),
        ("max-age=60, no-cache, stale-while-revalidate=3600", "REVALIDATED"),
        ("max-age=60, stale-while-revalidate=1", "REVALIDATED"),
    ] {
        let path = lab.path();
        lab.says(&path, 200, &[&format!("Cache-Control: {directives}"), "ETag: \"a\""], "first");
        lab.get(&path, &[]).await;
        lab.after(70);
        assert_eq!(lab.get(&path, &[]).await.word(), word, "{directives}");
    }
}

#[tokio::test]
async fn windows_that_the_file_gives_end_where_the_origin_insists_rfc_9111_4_2_4() {
    let lab = Lab::with("stale_if_error: 1h").await;
    for (fields, failed) in [
        (&["Cache-Control: max-age=60"][..], false),
        (&["Cache-Control: max-age=60, stale-if-error=3"], true),
        (&["Cache-Control: max-age=60, must-revalidate", "X-Stored: 1"], true),
        (&["Cache-Control: max-age=60, proxy-revalidate", "X-Stored: 1"], true),
        (&["Cache-Control: s-maxage=60", "X-Stored: 1"], true),
        (&["Cache-Control: max-age=60, no-cache", "ETag: \"a\"", "X-Stored: 1"], true),
        (&["Expires: {now+60}"], false),
        (&["CDN-Cache-Control: max-age=60, must-revalidate", "Cache-Control: max-age=60"], true),
    ] {
        let (status, body, word, head) = while_it_fails(&lab, fields, Answer::default().close()).await;
        let expected = if failed { (502, "MISS") } else { (200, "STALE") };
        assert_eq!((status, word.as_str()), expected, "{fields:?}: {head}");
        assert_eq!(body == "first", !failed, "{fields:?}");
        assert!(!failed || !head.contains("x-stored"), "{fields:?}: {head}");
    }
    let lab = Lab::with("stale_while_revalidate: 1h").await;
    for (fields, word) in [
        (&["Cache-Control: max-age=60", "ETag: \"a\""][..], "STALE"),
        (&["Cache-Control: max-age=60, stale-while-revalidate=3", "ETag: \"a\""], "REVALIDATED"),
        (&["Cache-Control: max-age=60, must-revalidate", "ETag: \"a\""], "REVALIDATED"),
        (&["Cache-Control: s-maxage=60", "ETag: \"a\""], "REVALIDATED"),
        (&["Cache-Control: max-age=60, no-cache", "ETag: \"a\""], "REVALIDATED"),
    ] {
        let path = lab.path();
        lab.says(&path, 200, fields, "first");
        lab.get(&path, &[]).await;
        lab.after(65);
        assert_eq!(lab.get(&path, &[]).await.word(), word, "{fields:?}");
    }
}

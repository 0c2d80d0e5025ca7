//! What a 304 changes in what is stored (RFC 9111 §3.2, §4.3.4).

use crate::lab::{Got, Lab};

/// Stores these fields, goes stale, and is told of those by a 304: the answer to that, and the hit that follows.
async fn updated(lab: &Lab, stored: &[&str], news: &[&str]) -> [Got; 2] {
    let path = lab.path();
    lab.says(&path, 200, stored, "first");
    lab.get(&path, &[]).await;
    lab.after(10);
    lab.says(&path, 304, news, "");
    let now = lab.get(&path, &[]).await;
    assert_eq!((now.status, now.body.as_str(), now.word()), (200, "first", "REVALIDATED"), "{news:?}: {}", now.head);
    lab.after(1);
    let next = lab.get(&path, &[]).await;
    assert_eq!((next.body.as_str(), next.word()), ("first", "HIT"), "{news:?}: {}", next.head);
    [now, next]
}

#[tokio::test]
async fn freshening_rfc_9111_3_2() {
    const STORED: &[&str] = &["Cache-Control: max-age=5", "ETag: \"a\"", "X-A: 1", "X-A: 2", "X-B: 3"];
    const AGAIN: &str = "Cache-Control: max-age=60";
    let lab = Lab::new().await;
    for (news, name, values) in [
        (&[AGAIN][..], "x-a", &["1", "2"][..]),
        (&[AGAIN], "x-b", &["3"]),
        (&[AGAIN], "etag", &["\"a\""]),
        (&[AGAIN], "cache-control", &["max-age=60"]),
        (&[AGAIN, "ETag: \"a\""], "etag", &["\"a\""]),
        (&[AGAIN, "X-A: 4"], "x-a", &["4"]),
        (&[AGAIN, "X-A: 4", "X-A: 5", "X-A: 6"], "x-a", &["4", "5", "6"]),
        (&[AGAIN, "X-B: 4", "X-B: 5"], "x-b", &["4", "5"]),
        (&[AGAIN, "X-New: 7"], "x-new", &["7"]),
        (&[AGAIN, "Set-Cookie: a=b", "Set-Cookie: c=d"], "set-cookie", &["a=b", "c=d"]),
        (&[AGAIN, "Content-Security-Policy: default-src 'self'"], "content-security-policy", &["default-src 'self'"]),
        (&[AGAIN, "Content-Type: text/plain"], "content-type", &["text/plain"]),
        (&[AGAIN, "Content-Location: /b"], "content-location", &["/b"]),
        (&[AGAIN, "Clear-Site-Data: cookies"], "clear-site-data", &["cookies"]),
        (&[AGAIN, "Content-Length: 99"], "content-length", &["5"]),
        (&[AGAIN, "Content-Encoding: gzip"], "content-encoding", &[]),
        (&[AGAIN, "Content-Range: bytes 0-1/2"], "content-range", &[]),
        (&[AGAIN, "Connection: x-a", "X-A: 9"], "x-a", &["1", "2"]),
        (&[AGAIN, "Keep-Alive: timeout=5"], "keep-alive", &[]),
        (&[AGAIN, "Expires: Fri, 31 Dec 9999 23:59:59 GMT"], "expires", &["Fri, 31 Dec 9999 23:59:59 GMT"]),
        (&["CDN-Cache-Control: max-age=60"], "cdn-cache-control", &["max-age=60"]),
        (&["Cache-Control: s-maxage=60"], "cache-control", &["s-maxage=60"]),
    ] {
        for got in updated(&lab, STORED, news).await {
            assert_eq!(got.fields(name), values, "{name} after {news:?}: {}", got.head);
        }
    }
}

#[tokio::test]
async fn the_age_begins_anew_rfc_9111_4_3_4() {
    const STORED: &[&str] = &["Cache-Control: max-age=5", "ETag: \"a\""];
    let lab = Lab::new().await;
    for (news, ages) in [
        (&["Cache-Control: max-age=60"][..], ["0", "1"]),
        (&["Cache-Control: max-age=60", "Date:"], ["0", "1"]),
        (&["Cache-Control: max-age=60", "Age: 20"], ["20", "21"]),
        (&["Cache-Control: max-age=60", "Date: {now-20}"], ["20", "21"]),
        (&["Expires: {now+60}", "Cache-Control: public"], ["0", "1"]),
        (&[], ["0", "1"]),
    ] {
        let got = updated(&lab, STORED, news).await;
        assert_eq!(got.map(|got| got.field("age").unwrap().to_owned()), ages, "{news:?}");
    }
}

#[tokio::test]
async fn a_304_about_another_response_updates_nothing_rfc_9111_4_3_4() {
    let lab = Lab::new().await;
    for (stored, named) in [
        ("ETag: \"a\"", "ETag: \"b\""),
        ("ETag: W/\"a\"", "ETag: \"a\""),
        ("ETag: W/\"a\"", "ETag: W/\"b\""),
        ("Last-Modified: {now-60}", "Last-Modified: {now-30}"),
    ] {
        let path = lab.path();
        lab.says(&path, 200, &["Cache-Control: max-age=5", stored], "first");
        lab.get(&path, &[]).await;
        lab.after(10);
        lab.says(&path, 304, &["Cache-Control: max-age=60", named, "X-News: 1"], "");
        lab.says(&path, 200, &["Cache-Control: max-age=60", "ETag: \"c\""], "newer");
        for word in ["MISS", "HIT"] {
            let got = lab.get(&path, &[]).await;
            assert_eq!((got.body.as_str(), got.field("x-news"), got.word()), ("newer", None, word), "{stored} {named}");
        }
        let asked = lab.origin.asked(&path);
        assert_eq!((asked.len(), asked[2].is_conditional()), (3, false), "{stored} {named}");
    }
}

#[tokio::test]
async fn a_304_that_forbids_is_obeyed() {
    let lab = Lab::new().await;
    for directives in ["no-store", "private"] {
        let path = lab.path();
        lab.says(&path, 200, &["Cache-Control: max-age=5", "ETag: \"a\""], "first");
        lab.get(&path, &[]).await;
        lab.after(10);
        lab.says(&path, 304, &[&format!("Cache-Control: {directives}")], "");
        let got = lab.get(&path, &[]).await;
        assert_eq!((got.status, got.whole), (200, true), "{directives}: {}", got.head);
        let got = lab.get(&path, &[]).await;
        assert_eq!((got.word(), got.body.as_str()), ("MISS", "second"), "{directives}: {}", got.head);
    }
}

//! Which header fields are stored, and what becomes of those that are larder's to write (RFC 9111 §3.1, §5.1).

use crate::lab::{Lab, Row, hit, miss};

#[tokio::test]
async fn stored_fields_rfc_9111_3_1() {
    const KEPT: [&str; 35] = [
        "Test-Header: a",
        "X-Test: b c",
        "Content-Foo: 1",
        "X-Content-Foo: 2",
        "Content-Disposition: inline",
        "Content-Encoding: identity",
        "Content-Language: en",
        "Content-Location: /x",
        "Content-MD5: Q2hlY2s=",
        "Content-Range: bytes 0-1/99",
        "Content-Security-Policy: default-src 'self'",
        "Content-Security-Policy-Report-Only: default-src 'none'",
        "Content-Type: text/plain;charset=utf-8",
        "Clear-Site-Data: \"cookies\"",
        "ETag: \"a\"",
        "Expires: 0",
        "Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT",
        "Public-Key-Pins: x",
        "Set-Cookie: a=b; Path=/",
        "Set-Cookie2: a=b",
        "X-Frame-Options: deny",
        "X-XSS-Protection: 1",
        "Strict-Transport-Security: max-age=1",
        "Link: </a>; rel=preload",
        "Server: s/1",
        "WWW-Authenticate: Basic",
        "Authentication-Info: x",
        "Retry-After: 5",
        "Pragma: foo",
        "Warning: 110 - \"x\"",
        "Location: /y",
        "Accept-Ranges: bytes",
        "Alt-Svc: clear",
        "Allow: GET",
        "P3P: x",
    ];
    let lab = Lab::new().await;
    for field in KEPT {
        let (name, value) = field.split_once(": ").unwrap();
        let path = lab.path();
        lab.says(&path, 200, &["Cache-Control: max-age=60", field], "first");
        for word in ["MISS", "HIT"] {
            let got = lab.get(&path, &[]).await;
            assert_eq!((got.word(), got.fields(name), got.body.as_str()), (word, vec![value], "first"), "{field}");
        }
    }
}

#[tokio::test]
async fn fields_of_one_connection_are_not_stored_rfc_9111_3_1() {
    const DROPPED: [&str; 8] = [
        "Connection: close",
        "Keep-Alive: timeout=5",
        "Proxy-Authenticate: Basic",
        "Proxy-Authentication-Info: x",
        "Proxy-Authorization: Basic x",
        "Proxy-Connection: close",
        "TE: trailers",
        "Upgrade: h2c",
    ];
    let lab = Lab::new().await;
    for field in DROPPED {
        let (name, value) = field.split_once(": ").unwrap();
        let path = lab.path();
        lab.says(&path, 200, &["Cache-Control: max-age=60", field], "first");
        lab.get(&path, &[]).await;
        let got = lab.get(&path, &[]).await;
        assert_eq!(got.word(), "HIT", "{field}");
        // The client asked for its connection to be closed.
        let own = if name == "Connection" { vec![value] } else { vec![] };
        assert_eq!(got.fields(name), own, "{field}");
    }
    lab.holds(&[
        hit(
            "what Connection names",
            &["Cache-Control: max-age=60", "Connection: X-A, x-b", "X-A: 1", "X-B: 2", "X-C: 3"],
        )
        .got(&["x-a", "x-b", "x-c: 3"]),
        hit("in two lines", &["Cache-Control: max-age=60", "Connection: X-A", "Connection: X-B", "X-A: 1", "X-B: 2"])
            .got(&["x-a", "x-b"]),
        miss("Connection cannot take Cache-Control away", &["Cache-Control: no-store", "Connection: cache-control"]),
        hit("several lines stay several", &["Cache-Control: max-age=60", "Set-Cookie: a=b", "Set-Cookie: c=d, e"])
            .got(&["Set-Cookie: a=b", "Set-Cookie: c=d, e"]),
        hit("an empty field stays", &["Cache-Control: max-age=60", "X-Empty: "]).got(&["X-Empty: "]),
        hit("the length is ours", &["Cache-Control: max-age=60"]).got(&["Content-Length: 5"]),
    ])
    .await;
}

#[tokio::test]
async fn age_and_date_rfc_9111_5_1() {
    const ROWS: &[Row] = &[
        hit("Age counts up", &["Cache-Control: max-age=3600"]).after(60).got(&["Age: 60"]),
        hit("Age is there from the start", &["Cache-Control: max-age=3600"]).after(0).got(&["Age: 0"]),
        hit("upstream's Age goes on", &["Cache-Control: max-age=3600", "Age: 30"]).after(60).got(&["Age: 90"]),
        hit("also by Expires", &["Expires: {now+3600}", "Age: 30"]).after(60).got(&["Age: 90"]),
        hit("Date is left as stored", &["Cache-Control: max-age=3600"]).got(&["Date: {now}"]),
        hit("an old Date is left too", &["Cache-Control: max-age=3600", "Date: {now-600}"]).got(&["Date: {now-600}"]),
        hit("a Date to come is left too", &["Cache-Control: max-age=3600", "Date: {now+600}"])
            .got(&["Date: {now+600}"]),
        hit("without one, the time of receipt", &["Cache-Control: max-age=3600", "Date:"]).got(&["Date: {now}"]),
        hit("Expires is left as stored", &["Expires: {now+3600}"]).got(&["Expires: {now+3600}"]),
        hit("Set-Cookie does not prevent storing", &["Cache-Control: max-age=3600", "Set-Cookie: a=b"])
            .got(&["Set-Cookie: a=b"]),
        hit("nor does a Cookie", &["Cache-Control: max-age=3600"]).first(&["Cookie: a=b"]).second(&["Cookie: c=d"]),
    ];
    Lab::new().await.holds(ROWS).await;
}

#[tokio::test]
async fn the_query_is_part_of_the_key_rfc_9111_2() {
    let lab = Lab::new().await;
    for target in ["/a", "/a?", "/a?b", "/a?b=1", "/a?b=2", "/a?b=1&c=2", "/A", "/a/", "/a%20", "/b"] {
        lab.says(target, 200, &["Cache-Control: max-age=60"], target);
    }
    for target in ["/a", "/a?b", "/a?b=1", "/a?b=2", "/a?b=1&c=2", "/A", "/a/", "/a%20", "/b"] {
        assert_eq!(lab.get(target, &[]).await.body, target);
        let got = lab.get(target, &[]).await;
        assert_eq!((got.word(), got.body.as_str()), ("HIT", target));
    }
    assert_eq!(lab.get("/a?c=2&b=1", &[]).await.body, "/a?b=1&c=2", "its parameters are sorted");
}

#[tokio::test]
async fn authorization_rfc_9111_3_5() {
    const AUTHORIZED: &[&str] = &["Authorization: Basic eA=="];
    let lab = Lab::new().await;
    lab.holds(&[
        miss("not for others", &["Cache-Control: max-age=3600"]).first(AUTHORIZED),
        miss("not even for the same", &["Cache-Control: max-age=3600"]).first(AUTHORIZED).second(AUTHORIZED),
        miss("nor by Expires", &["Expires: {now+3600}"]).first(AUTHORIZED),
        miss("what is for others is not for it", &["Cache-Control: max-age=3600"])
            .second(AUTHORIZED)
            .sent(&["Authorization: Basic eA=="]),
        hit("public", &["Cache-Control: max-age=3600, public"]).first(AUTHORIZED),
        hit("public, for the same", &["Cache-Control: max-age=3600, public"]).first(AUTHORIZED).second(AUTHORIZED),
        hit("public, stored by others", &["Cache-Control: max-age=3600, public"]).second(AUTHORIZED),
        hit("must-revalidate", &["Cache-Control: max-age=3600, must-revalidate"]).first(AUTHORIZED),
        hit("s-maxage", &["Cache-Control: s-maxage=3600"]).first(AUTHORIZED),
        miss("proxy-revalidate does not", &["Cache-Control: max-age=3600, proxy-revalidate"]).first(AUTHORIZED),
        miss("private, all the same", &["Cache-Control: public, private, max-age=3600"]).first(AUTHORIZED),
        miss("no-store, all the same", &["Cache-Control: public, no-store, max-age=3600"]).first(AUTHORIZED),
    ])
    .await;
}

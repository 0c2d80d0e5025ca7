//! What the origin's `Cache-Control` says, however it is written (RFC 9111 §5.2).

use crate::lab::{Lab, hit, miss, validated};

#[tokio::test]
async fn cache_control_syntax_rfc_9111_5_2() {
    let lab = Lab::new().await;
    lab.holds(&[
        hit("a quoted number", &["Cache-Control: max-age=\"3600\""]),
        hit("a quoted number with an escape", &["Cache-Control: max-age=\"3\\600\""]),
        miss("single quotes", &["Cache-Control: max-age='3600'"]),
        hit("leading zeros", &["Cache-Control: max-age=0003600"]),
        miss("a space after =", &["Cache-Control: max-age= 3600"]),
        miss("a space before =", &["Cache-Control: max-age =3600"]),
        miss("spaces on both sides", &["Cache-Control: max-age = 3600"]),
        miss("a decimal", &["Cache-Control: max-age=3600.0"]),
        miss("half a second", &["Cache-Control: max-age=3600.5"]),
        miss("letters after it", &["Cache-Control: max-age=3600s"]),
        miss("letters before it", &["Cache-Control: max-age=a3600"]),
        miss("a sign", &["Cache-Control: max-age=+3600"]),
        miss("two numbers", &["Cache-Control: max-age=3600 7200"]),
        miss("a hexadecimal number", &["Cache-Control: max-age=0xE10"]),
        hit("spaces around commas", &["Cache-Control:   foo ,  max-age=3600  ,bar"]),
        hit("tabs around commas", &["Cache-Control: foo\t,\tmax-age=3600"]),
        hit("empty members", &["Cache-Control: , ,, max-age=3600,,"]),
        hit("an empty line before it", &["Cache-Control: ", "Cache-Control: max-age=3600"]),
        miss("the smaller of two", &["Cache-Control: max-age=3600, max-age=1"]),
        miss("the smaller of two, the other way about", &["Cache-Control: max-age=1, max-age=3600"]),
        miss("the smaller of two lines", &["Cache-Control: max-age=3600", "Cache-Control: max-age=1"]),
        miss(
            "the smaller of two lines, the other way about",
            &["Cache-Control: max-age=1", "Cache-Control: max-age=3600"],
        ),
        hit("the same twice", &["Cache-Control: max-age=3600, max-age=3600"]),
        miss("one of two cannot be read", &["Cache-Control: max-age=3600, max-age=x"]),
        miss("quoted text before is no directive", &["Cache-Control: foo=\"max-age=3600\""]),
        miss("quoted text before does not count", &["Cache-Control: foo=\"max-age=3600, x\", max-age=1"]),
        miss("quoted text after does not count", &["Cache-Control: max-age=1, foo=\"max-age=3600\""]),
        hit("quoted text before does not forbid", &["Cache-Control: foo=\"max-age=1, no-store\", max-age=3600"]),
        hit("quoted text after does not forbid", &["Cache-Control: max-age=3600, foo=\"no-store, private\""]),
        hit("escaped quotes do not end it", &["Cache-Control: foo=\"a\\\", no-store, \\\"b\", max-age=3600"]),
        miss("a quotation without end, before", &["Cache-Control: foo=\"bar, max-age=3600"]),
        miss("a quotation without end, after", &["Cache-Control: max-age=3600, foo=\"bar"]),
        miss("a quotation that ends in a backslash", &["Cache-Control: max-age=3600, foo=\"bar\\"]),
        miss(
            "a quotation does not go on in the next line",
            &["Cache-Control: max-age=3600, foo=\"", "Cache-Control: \""],
        ),
        miss("no-store with a value forbids", &["Cache-Control: max-age=3600, no-store=x"]),
        miss("no-store with an empty value forbids", &["Cache-Control: max-age=3600, no-store="]),
        miss("no-store in another line", &["Cache-Control: max-age=3600", "Cache-Control: no-store"]),
        hit("no-storex", &["Cache-Control: max-age=3600, no-storex"]),
        hit("Pragma in an answer means nothing", &["Cache-Control: max-age=3600", "Pragma: no-cache"]),
        miss("semicolons are no commas", &["Cache-Control: foo; max-age=3600"]),
    ])
    .await;
}

#[tokio::test]
async fn response_directives_rfc_9111_5_2_2() {
    let lab = Lab::new().await;
    lab.holds(&[
        miss("no-store", &["Cache-Control: no-store"]),
        miss("no-store in any case", &["Cache-Control: No-StOrE"]),
        miss("no-store with max-age", &["Cache-Control: no-store, max-age=3600"]),
        miss("no-store after max-age", &["Cache-Control: max-age=3600, no-store"]),
        miss("no-store with Expires", &["Cache-Control: no-store", "Expires: {now+3600}"]),
        miss("no-store with an ETag", &["Cache-Control: no-store", "ETag: \"a\""]),
        miss("private", &["Cache-Control: private"]),
        miss("private in any case", &["Cache-Control: PrIvAtE"]),
        miss("private with max-age", &["Cache-Control: private, max-age=3600"]),
        miss("private with s-maxage", &["Cache-Control: private, s-maxage=3600"]),
        miss("private with public", &["Cache-Control: private, public, max-age=3600"]),
        miss("private with Expires", &["Cache-Control: private", "Expires: {now+3600}"]),
        miss("no-cache", &["Cache-Control: no-cache"]),
        miss("no-cache with max-age", &["Cache-Control: no-cache, max-age=3600"]),
        miss("no-cache in any case", &["Cache-Control: No-CaChE, max-age=3600"]),
        miss("no-cache with Expires", &["Cache-Control: no-cache", "Expires: {now+3600}"]),
        validated("no-cache with an ETag", &["Cache-Control: no-cache, max-age=3600", "ETag: \"a\""])
            .sent(&["If-None-Match: \"a\""]),
        validated("no-cache alone with an ETag", &["Cache-Control: no-cache", "ETag: \"a\""]),
        validated("no-cache with Last-Modified", &["Cache-Control: no-cache", "Last-Modified: {now-60}"])
            .sent(&["If-Modified-Since: {now-60}"]),
        hit("must-revalidate while fresh", &["Cache-Control: max-age=3600, must-revalidate"]),
        validated("must-revalidate once stale", &["Cache-Control: max-age=5, must-revalidate", "ETag: \"a\""]),
        hit("proxy-revalidate while fresh", &["Cache-Control: max-age=3600, proxy-revalidate"]),
        validated("proxy-revalidate once stale", &["Cache-Control: max-age=5, proxy-revalidate", "ETag: \"a\""]),
        hit("public", &["Cache-Control: public, max-age=3600"]),
        hit("no-transform", &["Cache-Control: no-transform, max-age=3600"]),
        hit(
            "no-cache for a field",
            &["Cache-Control: max-age=3600, no-cache=\"x-a, x-b\"", "X-A: 1", "X-B: 2", "X-C: 3"],
        )
        .got(&["x-a", "x-b", "x-c: 3"]),
        hit("private for a field", &["Cache-Control: max-age=3600, private=\"x-a\"", "X-A: 1", "X-C: 3"])
            .got(&["x-a", "x-c: 3"]),
        hit("private for a field in any case", &["Cache-Control: max-age=3600, private=\"X-A\"", "x-a: 1"])
            .got(&["x-a"]),
        miss("a list does not hide what follows", &["Cache-Control: no-cache=\"x-a, x-b\", no-store, max-age=3600"]),
        miss("private for a field and private", &["Cache-Control: max-age=3600, private=\"x-a\", private"]),
        miss("private for nothing", &["Cache-Control: max-age=3600, private=\"\""]),
        miss("private for what is no field", &["Cache-Control: max-age=3600, private=\"a b\""]),
    ])
    .await;
}

#[tokio::test]
async fn must_understand_rfc_9111_5_2_2_3() {
    let lab = Lab::new().await;
    lab.holds(&[
        hit("a known status: no-store does not count", &["Cache-Control: max-age=3600, no-store, must-understand"]),
        hit("the same the other way about", &["Cache-Control: must-understand, no-store, max-age=3600"]),
        hit("404 is known", &["Cache-Control: max-age=3600, no-store, must-understand"]).status(404),
        miss("299 is not", &["Cache-Control: max-age=3600, no-store, must-understand"]).status(299),
        miss("599 is not", &["Cache-Control: max-age=3600, no-store, must-understand"]).status(599),
        miss("not even without no-store", &["Cache-Control: max-age=3600, must-understand"]).status(299),
        hit("a known status without no-store", &["Cache-Control: max-age=3600, must-understand"]),
        miss("private still counts", &["Cache-Control: max-age=3600, private, must-understand"]),
        miss("no-store alone counts", &["Cache-Control: max-age=3600, no-store"]),
    ])
    .await;
}

#[tokio::test]
async fn status_codes_rfc_9111_3() {
    const STATUSES: [u16; 31] = [
        200, 201, 202, 203, 204, 299, 300, 301, 302, 303, 307, 308, 400, 401, 403, 404, 405, 410, 414, 418, 422, 429,
        451, 499, 500, 501, 502, 503, 504, 511, 599,
    ];
    let lab = Lab::new().await;
    for status in STATUSES {
        lab.holds(&[
            hit("fresh", &["Cache-Control: max-age=3600", "Location: /elsewhere"])
                .status(status)
                .got(&["Location: /elsewhere"]),
            hit("fresh by Expires", &["Expires: {now+3600}"]).status(status),
            miss("stale", &["Cache-Control: max-age=3600"]).status(status).after(3600),
            miss("not to be stored", &["Cache-Control: no-store, max-age=3600"]).status(status),
        ])
        .await;
    }
    lab.holds(&[
        miss(
            "part of a resource that nobody asked for",
            &["Cache-Control: max-age=3600", "Content-Range: bytes 0-4/10"],
        )
        .status(206),
        miss("not modified although nobody asked", &["Cache-Control: max-age=3600"]).status(304),
    ])
    .await;
}

#[tokio::test]
async fn one_status_is_not_anothers() {
    let lab = Lab::new().await;
    for status in [200, 404, 503] {
        let path = format!("/{status}");
        lab.says(&path, status, &["Cache-Control: max-age=5"], "first");
        lab.says(&path, 200, &["Cache-Control: max-age=60"], "better");
        assert_eq!(lab.get(&path, &[]).await.status, status);
        lab.after(6);
        for word in ["MISS", "HIT"] {
            let got = lab.get(&path, &[]).await;
            assert_eq!((got.status, got.body.as_str(), got.word()), (200, "better", word));
        }
    }
}

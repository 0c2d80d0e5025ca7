//! Parts of what is stored (RFC 9110 §14, RFC 9111 §3.3).

use crate::lab::{Answer, Lab, Row, hit};

const WHOLE: &[&str] = &["Cache-Control: max-age=3600", "ETag: \"a\"", "Last-Modified: {now-3600}", "X-A: 1"];
const WEAK: &[&str] = &["Cache-Control: max-age=3600", "ETag: W/\"a\""];

#[tokio::test]
async fn parts_of_what_is_stored_rfc_9110_14() {
    const ROWS: &[Row] = &[
        hit("first-last", WHOLE).second(&["Range: bytes=1-3"]).got_status(206).got(&[
            "Content-Range: bytes 1-3/5",
            "Content-Length: 3",
            "X-A: 1",
            "ETag: \"a\"",
            "Age: 10",
        ]),
        hit("first-", WHOLE).second(&["Range: bytes=2-"]).got_status(206).got(&["Content-Range: bytes 2-4/5"]),
        hit("-suffix", WHOLE).second(&["Range: bytes=-2"]).got_status(206).got(&["Content-Range: bytes 3-4/5"]),
        hit("one byte", WHOLE).second(&["Range: bytes=0-0"]).got_status(206).got(&["Content-Range: bytes 0-0/5"]),
        hit("past the end", WHOLE).second(&["Range: bytes=3-99"]).got_status(206).got(&["Content-Range: bytes 3-4/5"]),
        hit("more than there is", WHOLE)
            .second(&["Range: bytes=-99"])
            .got_status(206)
            .got(&["Content-Range: bytes 0-4/5"]),
        hit("beyond", WHOLE).second(&["Range: bytes=5-"]).got_status(416).got(&["Content-Range: bytes */5"]),
        hit("far beyond", WHOLE).second(&["Range: bytes=99-100"]).got_status(416).got(&["Content-Range: bytes */5"]),
        hit("nothing", WHOLE).second(&["Range: bytes=-0"]).got_status(416),
        hit("several may be answered whole", WHOLE).second(&["Range: bytes=0-1,3-4"]).got(&["content-range"]),
        hit("backwards", WHOLE).second(&["Range: bytes=3-1"]),
        hit("another unit", WHOLE).second(&["Range: lines=1-3"]),
        hit("no range", WHOLE).second(&["Range: bytes"]),
        hit("If-Range with the tag", WHOLE).second(&["Range: bytes=1-3", "If-Range: \"a\""]).got_status(206),
        hit("If-Range with another tag", WHOLE)
            .second(&["Range: bytes=1-3", "If-Range: \"b\""])
            .got(&["content-range"]),
        hit("If-Range with a weak tag", WHOLE).second(&["Range: bytes=1-3", "If-Range: W/\"a\""]),
        hit("If-Range of what has a weak tag", WEAK).second(&["Range: bytes=1-3", "If-Range: W/\"a\""]),
        hit("If-Range with the date", WHOLE).second(&["Range: bytes=1-3", "If-Range: {now-3600}"]).got_status(206),
        hit("If-Range with another date", WHOLE).second(&["Range: bytes=1-3", "If-Range: {now}"]),
        hit("a condition that holds comes first", WHOLE)
            .second(&["Range: bytes=1-3", "If-None-Match: \"a\""])
            .got_status(304),
        hit("a condition that does not", WHOLE).second(&["Range: bytes=1-3", "If-None-Match: \"b\""]).got_status(206),
        hit("no part of an error", WHOLE).status(404).second(&["Range: bytes=1-3"]),
    ];
    Lab::new().await.holds(ROWS).await;
}

#[tokio::test]
async fn the_bytes_are_those_that_were_asked_for() {
    let lab = Lab::new().await;
    lab.says("/a", 200, WHOLE, "0123456789");
    lab.get("/a", &[]).await;
    for (range, bytes) in
        [("1-3", "123"), ("0-0", "0"), ("7-", "789"), ("-2", "89"), ("9-9", "9"), ("0-", "0123456789")]
    {
        let got = lab.get("/a", &[&format!("Range: bytes={range}")]).await;
        assert_eq!((got.status, got.body.as_str(), got.whole), (206, bytes, true), "{range}");
    }
    assert_eq!(lab.origin.count("/a"), 1);
}

#[tokio::test]
async fn a_part_is_never_taken_for_the_whole() {
    let lab = Lab::new().await;
    for fields in [
        &["Cache-Control: max-age=3600", "ETag: \"a\"", "Content-Range: bytes 0-4/10"][..],
        &["Cache-Control: max-age=3600", "Content-Range: bytes 0-4/*"],
        &["Cache-Control: max-age=3600", "Content-Range: bytes 0-4/5"],
        &["Cache-Control: max-age=3600"],
        &["Cache-Control: max-age=3600", "Content-Range: nonsense"],
        &["Cache-Control: max-age=3600", "Content-Type: multipart/byteranges; boundary=x"],
    ] {
        let path = lab.path();
        lab.origin.answers(&path, [Answer::with(206, &lab.fields(fields), "01234")]);
        let got = lab.get(&path, &["Range: bytes=0-4"]).await;
        assert_eq!((got.status, got.body.as_str()), (206, "01234"), "{fields:?}");
        lab.says(&path, 200, &["Cache-Control: max-age=3600"], "0123456789");
        assert_eq!(lab.get(&path, &[]).await.body, "0123456789", "{fields:?}");
    }
}

#[tokio::test]
async fn a_part_of_what_is_stale_is_validated_first() {
    let lab = Lab::new().await;
    lab.says("/a", 200, &["Cache-Control: max-age=5", "ETag: \"a\""], "0123456789");
    lab.get("/a", &[]).await;
    lab.after(10);
    lab.says("/a", 304, &["Cache-Control: max-age=5", "ETag: \"a\""], "");
    let got = lab.get("/a", &["Range: bytes=2-4"]).await;
    assert_eq!((got.status, got.body.as_str(), got.word()), (206, "234", "REVALIDATED"), "{}", got.head);
    assert_eq!(lab.origin.asked("/a")[1].field("range"), None, "what is validated is the whole");
}

//! Conditions: those of clients, and larder's own (RFC 9111 §4.3, RFC 9110 §13).

use crate::lab::{Lab, Row, hit, validated};

const TAGGED: &[&str] = &["Cache-Control: max-age=3600", "ETag: \"a\""];
const WEAK: &[&str] = &["Cache-Control: max-age=3600", "ETag: W/\"a\""];
const COMMA: &[&str] = &["Cache-Control: max-age=3600", "ETag: \"a,b\""];
const DATED: &[&str] = &["Cache-Control: max-age=3600", "Last-Modified: {now-3600}"];
const BOTH: &[&str] = &["Cache-Control: max-age=3600", "ETag: \"a\"", "Last-Modified: {now-3600}"];
const LONG_AGO: &[&str] = &["Cache-Control: max-age=3600", "Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT"];

#[tokio::test]
async fn if_none_match_rfc_9110_13_1_2() {
    const ROWS: &[Row] = &[
        hit("the same tag", TAGGED)
            .second(&["If-None-Match: \"a\""])
            .got_status(304)
            .got(&["ETag: \"a\"", "content-length"]),
        hit("another tag", TAGGED).second(&["If-None-Match: \"b\""]),
        hit("another case", TAGGED).second(&["If-None-Match: \"A\""]),
        hit("weak for strong", TAGGED).second(&["If-None-Match: W/\"a\""]).got_status(304),
        hit("strong for weak", WEAK).second(&["If-None-Match: \"a\""]).got_status(304).got(&["ETag: W/\"a\""]),
        hit("weak for weak", WEAK).second(&["If-None-Match: W/\"a\""]).got_status(304),
        hit("first of a list", TAGGED).second(&["If-None-Match: \"a\", \"b\""]).got_status(304),
        hit("last of a list", TAGGED).second(&["If-None-Match: \"b\", \"c\", \"a\""]).got_status(304),
        hit("weak in a list", TAGGED).second(&["If-None-Match: \"b\",W/\"a\",\"c\""]).got_status(304),
        hit("in the second line", TAGGED).second(&["If-None-Match: \"b\"", "If-None-Match: \"a\""]).got_status(304),
        hit("in no place of a list", TAGGED).second(&["If-None-Match: \"b\", \"c\""]),
        hit("any", TAGGED).second(&["If-None-Match: *"]).got_status(304),
        hit("any of what has no tag", &["Cache-Control: max-age=3600"]).second(&["If-None-Match: *"]).got_status(304),
        hit("a tag of what has none", &["Cache-Control: max-age=3600"]).second(&["If-None-Match: \"a\""]),
        hit("a comma in a tag", COMMA).second(&["If-None-Match: \"a,b\""]).got_status(304),
        hit("a comma in a listed tag", COMMA).second(&["If-None-Match: \"x\", \"a,b\""]).got_status(304),
        hit("what a comma seems to divide", TAGGED).second(&["If-None-Match: \"x,\"a\""]),
        hit("a list in one tag", TAGGED).second(&["If-None-Match: \"b,a\""]),
        hit("no quotes", TAGGED).second(&["If-None-Match: a"]),
        hit("no end", TAGGED).second(&["If-None-Match: \"a"]),
        hit("no beginning", TAGGED).second(&["If-None-Match: a\""]),
        hit("single quotes", TAGGED).second(&["If-None-Match: 'a'"]),
        hit("a small w", TAGGED).second(&["If-None-Match: w/\"a\""]),
        hit("before If-Modified-Since", BOTH).second(&["If-None-Match: \"b\"", "If-Modified-Since: {now}"]),
        hit("before If-Modified-Since, and it holds", BOTH)
            .second(&["If-None-Match: \"a\"", "If-Modified-Since: {now-9999}"])
            .got_status(304),
        hit("a stored tag without quotes is none", &["Cache-Control: max-age=3600", "ETag: a"])
            .second(&["If-None-Match: \"a\""]),
        hit("an error is sent", TAGGED).status(404).second(&["If-None-Match: \"a\""]),
        hit("a 304 keeps what belongs to it", &["Cache-Control: max-age=3600", "ETag: \"a\"", "Vary: X", "Expires: 0"])
            .second(&["If-None-Match: \"a\""])
            .got_status(304)
            .got(&["Cache-Control: max-age=3600", "Vary: X", "Expires: 0", "content-type", "Age: 10"]),
    ];
    Lab::new().await.holds(ROWS).await;
}

#[tokio::test]
async fn if_modified_since_rfc_9110_13_1_3() {
    const ROWS: &[Row] = &[
        hit("the same date", DATED).second(&["If-Modified-Since: {now-3600}"]).got_status(304),
        hit("a later date", DATED).second(&["If-Modified-Since: {now-60}"]).got_status(304),
        hit("an earlier date", DATED).second(&["If-Modified-Since: {now-3601}"]),
        hit("the obsolete form", DATED).second(&["If-Modified-Since: {rfc850-3600}"]).got_status(304),
        hit("the other obsolete form", DATED).second(&["If-Modified-Since: {asctime-3600}"]).got_status(304),
        hit("an old date in the obsolete form", LONG_AGO)
            .second(&["If-Modified-Since: Sunday, 06-Nov-94 08:49:37 GMT"])
            .got_status(304),
        hit("no date", DATED).second(&["If-Modified-Since: yesterday"]),
        hit("another zone", DATED).second(&["If-Modified-Since: {utc-60}"]),
        hit("what is not dated is as new as its Date", &["Cache-Control: max-age=3600"])
            .second(&["If-Modified-Since: {now}"])
            .got_status(304),
        hit("and not older", &["Cache-Control: max-age=3600"]).second(&["If-Modified-Since: {now-1}"]),
        hit("an error is sent", DATED).status(404).second(&["If-Modified-Since: {now}"]),
    ];
    Lab::new().await.holds(ROWS).await;
}

#[tokio::test]
async fn validation_rfc_9111_4_3_1() {
    const ROWS: &[Row] = &[
        validated("a strong tag", &["Cache-Control: max-age=5", "ETag: \"a\""])
            .sent(&["If-None-Match: \"a\"", "if-modified-since"])
            .got(&["ETag: \"a\"", "Age: 0"]),
        validated("a weak tag", &["Cache-Control: max-age=5", "ETag: W/\"a\""]).sent(&["If-None-Match: W/\"a\""]),
        validated("a date", &["Cache-Control: max-age=5", "Last-Modified: {now-3600}"])
            .sent(&["If-Modified-Since: {now-3600}", "if-none-match"]),
        validated("both", &["Cache-Control: max-age=5", "ETag: \"a\"", "Last-Modified: {now-3600}"])
            .sent(&["If-Modified-Since: {now-3600}", "If-None-Match: \"a\""]),
        validated("a 404", &["Cache-Control: max-age=5", "ETag: \"a\""]).status(404).sent(&["If-None-Match: \"a\""]),
        validated("the client's own condition is not sent", &["Cache-Control: max-age=5", "ETag: \"a\""])
            .second(&["If-None-Match: \"b\""])
            .sent(&["If-None-Match: \"a\""]),
        validated("a client's condition holds for what was validated", &["Cache-Control: max-age=5", "ETag: \"a\""])
            .second(&["If-None-Match: \"a\""])
            .got_status(304)
            .got(&["ETag: \"a\""]),
        validated("also by date", &["Cache-Control: max-age=5", "Last-Modified: {now-3600}"])
            .second(&["If-Modified-Since: {now-3600}"])
            .got_status(304),
        validated("the answer says nothing of a condition nobody had", &["Cache-Control: max-age=5", "ETag: \"a\""])
            .second(&["If-Modified-Since: {now-9999}"]),
    ];
    Lab::new().await.holds(ROWS).await;
}

#[tokio::test]
async fn a_client_s_condition_on_a_miss_is_answered_and_the_whole_is_stored() {
    let lab = Lab::new().await;
    lab.says("/a", 200, TAGGED, "first");
    let got = lab.get("/a", &["If-None-Match: \"a\""]).await;
    assert_eq!((got.status, got.body.as_str(), got.field("etag")), (304, "", Some("\"a\"")));
    assert_eq!(lab.origin.asked("/a")[0].field("if-none-match"), None);
    lab.until("/a", "HIT").await;
    assert_eq!((lab.get("/a", &[]).await.body.as_str(), lab.origin.count("/a")), ("first", 1));
}

#[tokio::test]
async fn if_match_and_if_unmodified_since_are_the_origin_s_to_judge() {
    let lab = Lab::new().await;
    for condition in ["If-Match: \"a\"", "If-Unmodified-Since: {now}"] {
        let path = lab.path();
        lab.says(&path, 200, TAGGED, "first");
        lab.get(&path, &[]).await;
        lab.says(&path, 412, &[], "no");
        let got = lab.get(&path, &[condition]).await;
        assert_eq!((got.status, got.word()), (412, "BYPASS"), "{condition}");
        assert_eq!(lab.origin.count(&path), 2);
        assert_eq!(lab.get(&path, &[]).await.word(), "HIT");
    }
}

#[tokio::test]
async fn a_tag_that_changed_brings_the_new_response() {
    let lab = Lab::new().await;
    lab.says("/a", 200, &["Cache-Control: max-age=5", "ETag: \"a\""], "first");
    lab.says("/a", 200, &["Cache-Control: max-age=60", "ETag: \"b\""], "newer");
    lab.get("/a", &[]).await;
    lab.after(6);
    for word in ["MISS", "HIT"] {
        let got = lab.get("/a", &[]).await;
        assert_eq!((got.word(), got.body.as_str(), got.field("etag")), (word, "newer", Some("\"b\"")));
    }
}

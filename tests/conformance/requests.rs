//! What a client's own `Cache-Control` and `Pragma` do, honoured and not (RFC 9111 §5.2.1, §5.4).

use crate::lab::{Lab, Row, hit, miss, stale, validated};

const FRESH: &[&str] = &["Cache-Control: max-age=3600", "ETag: \"a\"", "Last-Modified: {now-60}"];
const STALE: &[&str] = &["Cache-Control: max-age=5", "ETag: \"a\""];

#[tokio::test]
async fn request_directives_are_ignored_unless_they_are_to_be_honoured() {
    let rows = [
        "no-cache",
        "no-store",
        "max-age=0",
        "max-age=1",
        "min-fresh=7200",
        "only-if-cached",
        "max-age=0, no-cache, no-store, must-revalidate",
    ];
    let lab = Lab::new().await;
    for directives in rows {
        let path = lab.path();
        let field = format!("Cache-Control: {directives}");
        lab.says(&path, 200, FRESH, "first");
        lab.get(&path, &[&field]).await;
        lab.after(10);
        assert_eq!(lab.get(&path, &[&field]).await.word(), "HIT", "{directives}");
    }
    lab.holds(&[
        hit("Pragma", FRESH).second(&["Pragma: no-cache"]),
        validated("max-stale", STALE).second(&["Cache-Control: max-stale"]),
    ])
    .await;
}

#[tokio::test]
async fn request_directives_rfc_9111_5_2_1_when_honoured() {
    const ROWS: &[Row] = &[
        hit("none", FRESH),
        validated("no-cache", FRESH)
            .second(&["Cache-Control: no-cache"])
            .sent(&["If-None-Match: \"a\"", "If-Modified-Since: {now-60}"]),
        validated("no-cache in any case", FRESH).second(&["Cache-Control: NO-CACHE"]),
        validated("max-age=0", FRESH).second(&["Cache-Control: max-age=0"]).after(0),
        validated("max-age that is less", FRESH).second(&["Cache-Control: max-age=9"]),
        hit("max-age that is enough", FRESH).second(&["Cache-Control: max-age=10"]),
        validated("max-age counts Age", &["Cache-Control: max-age=3600", "Age: 60", "ETag: \"a\""])
            .second(&["Cache-Control: max-age=60"]),
        validated("min-fresh that is not there", FRESH).second(&["Cache-Control: min-fresh=3591"]),
        hit("min-fresh that is there", FRESH).second(&["Cache-Control: min-fresh=3590"]),
        validated("min-fresh counts Age", &["Cache-Control: max-age=3600", "Age: 1000", "ETag: \"a\""])
            .second(&["Cache-Control: min-fresh=2600"]),
        hit("max-stale of what is fresh", FRESH).second(&["Cache-Control: max-stale"]),
        stale("max-stale", STALE).second(&["Cache-Control: max-stale"]),
        stale("max-stale that is enough", STALE).second(&["Cache-Control: max-stale=5"]),
        validated("max-stale that is not", STALE).second(&["Cache-Control: max-stale=4"]),
        validated("max-stale and must-revalidate", &["Cache-Control: max-age=5, must-revalidate", "ETag: \"a\""])
            .second(&["Cache-Control: max-stale=3600"]),
        validated("max-stale and proxy-revalidate", &["Cache-Control: max-age=5, proxy-revalidate", "ETag: \"a\""])
            .second(&["Cache-Control: max-stale=3600"]),
        validated("max-stale and s-maxage", &["Cache-Control: s-maxage=5", "ETag: \"a\""])
            .second(&["Cache-Control: max-stale=3600"]),
        validated("max-stale and no-cache", &["Cache-Control: no-cache", "ETag: \"a\""])
            .second(&["Cache-Control: max-stale=3600"]),
        miss("no-store at first", FRESH).first(&["Cache-Control: no-store"]),
        hit("no-store afterwards", FRESH).second(&["Cache-Control: no-store"]),
        hit("only-if-cached of what is stored", FRESH).second(&["Cache-Control: only-if-cached"]),
        validated("Pragma", FRESH).second(&["Pragma: no-cache"]),
        hit("Pragma beside Cache-Control", FRESH).second(&["Pragma: no-cache", "Cache-Control: foo"]),
        hit("another Pragma", FRESH).second(&["Pragma: foo"]),
        validated("a browser that reloads", FRESH)
            .second(&["Cache-Control: max-age=0", "If-None-Match: \"a\""])
            .got_status(304)
            .got(&["Cache-Status: larder; fwd=request; fwd-status=304; detail=client-cache-control"]),
        validated("max-age that is none", FRESH).second(&["Cache-Control: max-age=x"]),
    ];
    let lab = Lab::with("client_cache_control: honor").await;
    lab.holds(ROWS).await;
}

#[tokio::test]
async fn only_if_cached_is_504_when_it_is_not_rfc_9111_5_2_1_7() {
    let lab = Lab::with("client_cache_control: honor").await;
    let got = lab.get("/a", &["Cache-Control: only-if-cached"]).await;
    assert_eq!((got.status, lab.origin.count("/a")), (504, 0));
    lab.says("/a", 200, STALE, "first");
    lab.get("/a", &[]).await;
    lab.after(10);
    let got = lab.get("/a", &["Cache-Control: only-if-cached"]).await;
    assert_eq!((got.status, lab.origin.count("/a")), (504, 1), "what is stale would have to be asked for");
}

#[tokio::test]
async fn a_request_s_no_store_keeps_what_is_stored() {
    let lab = Lab::with("client_cache_control: honor").await;
    lab.says("/a", 200, FRESH, "first");
    lab.get("/a", &[]).await;
    lab.get("/a", &["Cache-Control: no-store, no-cache"]).await;
    assert_eq!(lab.get("/a", &[]).await.word(), "HIT");
}

#[tokio::test]
async fn what_is_immutable_is_not_validated_for_a_reload_rfc_8246() {
    const IMMUTABLE: &[&str] = &["Cache-Control: max-age=3600, immutable", "ETag: \"a\""];
    let lab = Lab::with("client_cache_control: honor").await;
    lab.holds(&[
        hit("a reload", IMMUTABLE).second(&["Cache-Control: max-age=0"]),
        validated("a forced reload", IMMUTABLE).second(&["Cache-Control: no-cache"]),
        validated("once it is stale", IMMUTABLE).second(&["Cache-Control: max-age=0"]).after(3600),
        validated("and nothing else", &["Cache-Control: max-age=3600", "ETag: \"a\""])
            .second(&["Cache-Control: max-age=0"]),
    ])
    .await;
}

//! `CDN-Cache-Control` (RFC 9213): a dictionary that takes the place of `Cache-Control` and `Expires`.

use crate::lab::{Lab, hit, miss, validated};

#[tokio::test]
async fn targeted_cache_control_rfc_9213() {
    let lab = Lab::new().await;
    lab.holds(&[
        hit("fresh", &["CDN-Cache-Control: max-age=3600"]),
        miss("and then stale", &["CDN-Cache-Control: max-age=3600"]).after(3600),
        hit("in place of a short max-age", &["CDN-Cache-Control: max-age=3600", "Cache-Control: max-age=1"]),
        miss("in place of a long max-age", &["CDN-Cache-Control: max-age=1", "Cache-Control: max-age=3600"]),
        miss("zero in place of a long max-age", &["CDN-Cache-Control: max-age=0", "Cache-Control: max-age=3600"])
            .after(0),
        hit("in place of no-store", &["CDN-Cache-Control: max-age=3600", "Cache-Control: no-store"]),
        hit("in place of no-cache", &["CDN-Cache-Control: max-age=3600", "Cache-Control: no-cache"]),
        hit("in place of private", &["CDN-Cache-Control: max-age=3600", "Cache-Control: private"]),
        hit("in place of s-maxage", &["CDN-Cache-Control: max-age=3600", "Cache-Control: s-maxage=1"]),
        hit("in place of a past Expires", &["CDN-Cache-Control: max-age=3600", "Expires: {now-60}"]),
        hit("in place of an Expires that is none", &["CDN-Cache-Control: max-age=3600", "Expires: 0"]),
        miss("in place of a future Expires", &["CDN-Cache-Control: max-age=1", "Expires: {now+3600}"]),
        miss("no lifetime of its own: Expires stays out", &["CDN-Cache-Control: foo", "Expires: {now+3600}"]),
        miss("no lifetime of its own: max-age stays out", &["CDN-Cache-Control: foo", "Cache-Control: max-age=3600"]),
        miss("no-store", &["CDN-Cache-Control: no-store", "Cache-Control: max-age=3600"]),
        miss("no-store with max-age", &["CDN-Cache-Control: no-store, max-age=3600"]),
        miss("private", &["CDN-Cache-Control: private, max-age=3600", "Cache-Control: max-age=3600"]),
        miss("no-cache", &["CDN-Cache-Control: no-cache, max-age=3600", "Cache-Control: max-age=3600"]),
        validated("no-cache is validated", &["CDN-Cache-Control: no-cache, max-age=3600", "ETag: \"a\""]),
        miss("Age counts", &["CDN-Cache-Control: max-age=3600", "Age: 3595"]),
        hit("Age leaves enough", &["CDN-Cache-Control: max-age=3600", "Age: 60"]).got(&["Age: 70"]),
        hit("a very long time", &["CDN-Cache-Control: max-age=999999999999999"]),
        hit("2^31", &["CDN-Cache-Control: max-age=2147483648"]),
        hit("unknown members", &["CDN-Cache-Control: foo, max-age=3600, bar=\"x, y\", baz=(1 2)"]),
        hit("a parameter", &["CDN-Cache-Control: max-age=3600;foo=bar", "Cache-Control: max-age=1"]),
        hit("two lines", &["CDN-Cache-Control: foo", "CDN-Cache-Control: max-age=3600"]),
        miss("two lines, the last counts", &["CDN-Cache-Control: max-age=3600", "CDN-Cache-Control: max-age=1"]),
        miss("a flag that is set", &["CDN-Cache-Control: no-store=?1, max-age=3600"]),
        hit("a flag that is not set", &["CDN-Cache-Control: no-store=?0, max-age=3600"]),
        hit("passed on", &["CDN-Cache-Control: max-age=3600"]).got(&["CDN-Cache-Control: max-age=3600"]),
        hit("passed on beside the other", &["CDN-Cache-Control: max-age=3600", "Cache-Control: no-store"])
            .got(&["CDN-Cache-Control: max-age=3600", "Cache-Control: no-store"]),
    ])
    .await;
}

#[tokio::test]
async fn what_cannot_be_read_is_passed_over_rfc_9213_2_1() {
    let lab = Lab::new().await;
    lab.holds(&[
        hit("upper case", &["CDN-Cache-Control: MaX-aGe=1", "Cache-Control: max-age=3600"]),
        miss("upper case, and the other is short", &["CDN-Cache-Control: Max-Age=3600", "Cache-Control: max-age=1"]),
        hit("a space before =", &["CDN-Cache-Control: max-age =1", "Cache-Control: max-age=3600"]),
        hit("a space after =", &["CDN-Cache-Control: max-age= 1", "Cache-Control: max-age=3600"]),
        hit("a comma too many", &["CDN-Cache-Control: max-age=1,", "Cache-Control: max-age=3600"]),
        hit("a comma before", &["CDN-Cache-Control: ,max-age=1", "Cache-Control: max-age=3600"]),
        hit("a string", &["CDN-Cache-Control: max-age=\"1\"", "Cache-Control: max-age=3600"]),
        miss("a string, and the other is short", &["CDN-Cache-Control: max-age=\"3600\"", "Cache-Control: max-age=1"]),
        hit("a decimal", &["CDN-Cache-Control: max-age=1.5", "Cache-Control: max-age=3600"]),
        hit("a token", &["CDN-Cache-Control: max-age=one", "Cache-Control: max-age=3600"]),
        hit("a flag", &["CDN-Cache-Control: max-age", "Cache-Control: max-age=3600"]),
        hit("a number too long", &["CDN-Cache-Control: max-age=1000000000000000", "Cache-Control: max-age=3600"]),
        hit("a number for a flag", &["CDN-Cache-Control: no-store=1", "Cache-Control: max-age=3600"]),
        hit("a string without end", &["CDN-Cache-Control: max-age=1, foo=\"bar", "Cache-Control: max-age=3600"]),
        hit("semicolons", &["CDN-Cache-Control: max-age=1; ;", "Cache-Control: max-age=3600"]),
        hit("empty", &["CDN-Cache-Control: ", "Cache-Control: max-age=3600"]),
        miss(
            "another line spoils it",
            &["CDN-Cache-Control: max-age=3600", "CDN-Cache-Control: &", "Cache-Control: max-age=1"],
        ),
    ])
    .await;
}

#[tokio::test]
async fn a_list_of_targeted_fields_rfc_9213_2_2() {
    const OWN: &str = "Larder-Cache-Control: max-age=3600";
    let lab = Lab::with("targeted_fields: [Larder-Cache-Control, CDN-Cache-Control]").await;
    lab.holds(&[
        hit("the first", &[OWN, "CDN-Cache-Control: max-age=1", "Cache-Control: no-store"]),
        hit("the same in another order", &["CDN-Cache-Control: no-store", OWN]),
        hit("the second where there is no first", &["CDN-Cache-Control: max-age=3600", "Cache-Control: no-store"]),
        hit("the second where the first is none", &["Larder-Cache-Control: &", "CDN-Cache-Control: max-age=3600"]),
        miss("the first, and nothing of the second", &["Larder-Cache-Control: foo", "CDN-Cache-Control: max-age=3600"]),
        hit("Cache-Control where there is neither", &["Cache-Control: max-age=3600"]),
    ])
    .await;
    let lab = Lab::with("targeted_fields: []").await;
    lab.holds(&[miss("none", &["CDN-Cache-Control: max-age=3600", "Cache-Control: max-age=1"])]).await;
}

//! How long a response is fresh (RFC 9111 §4.2).

use crate::lab::{Answer, Gate, Lab, hit, miss, validated};

#[tokio::test]
async fn freshness_lifetime_rfc_9111_4_2_1() {
    let lab = Lab::new().await;
    lab.holds(&[
        hit("max-age", &["Cache-Control: max-age=3600"]),
        hit("a second before the end", &["Cache-Control: max-age=3600"]).after(3599),
        miss("equal is stale", &["Cache-Control: max-age=3600"]).after(3600),
        miss("past its end", &["Cache-Control: max-age=3600"]).after(3601),
        miss("no time at all", &["Cache-Control: max-age=0"]).after(0),
        hit("s-maxage", &["Cache-Control: s-maxage=3600"]),
        miss("s-maxage that is over", &["Cache-Control: s-maxage=3"]),
        hit("s-maxage before max-age", &["Cache-Control: max-age=0, s-maxage=3600"]),
        hit("the same the other way about", &["Cache-Control: s-maxage=3600, max-age=0"]),
        miss("a short s-maxage beats a long max-age", &["Cache-Control: max-age=3600, s-maxage=1"]),
        miss("the same the other way about", &["Cache-Control: s-maxage=1, max-age=3600"]),
        miss("the same in two lines", &["Cache-Control: max-age=3600", "Cache-Control: s-maxage=1"]),
        hit("a long one in two lines", &["Cache-Control: s-maxage=3600", "Cache-Control: max-age=1"]),
        miss("max-age=0 beats a future Expires", &["Cache-Control: max-age=0", "Expires: {now+3600}"]),
        miss("the same the other way about", &["Expires: {now+3600}", "Cache-Control: max-age=0"]),
        miss("a short max-age beats a future Expires", &["Cache-Control: max-age=5", "Expires: {now+3600}"]),
        hit("max-age beats a past Expires", &["Cache-Control: max-age=3600", "Expires: {now-3600}"]),
        hit("max-age beats an invalid Expires", &["Cache-Control: max-age=3600", "Expires: 0"]),
        hit("s-maxage beats both", &["Cache-Control: s-maxage=3600, max-age=0", "Expires: {now-60}"]),
        miss("a short s-maxage beats a future Expires", &["Cache-Control: s-maxage=5", "Expires: {now+3600}"]),
        miss("negative", &["Cache-Control: max-age=-3600"]),
        miss("negative beats a future Expires", &["Cache-Control: max-age=-3600", "Expires: {now+3600}"]),
        miss("not a number", &["Cache-Control: max-age=abc"]),
        miss("not a number beats a future Expires", &["Cache-Control: max-age=abc", "Expires: {now+3600}"]),
        miss("s-maxage that is none beats max-age", &["Cache-Control: s-maxage=abc, max-age=3600"]),
        miss("without a value", &["Cache-Control: max-age"]),
        miss("with an empty value", &["Cache-Control: max-age="]),
        hit("2^31 - 1", &["Cache-Control: max-age=2147483647"]),
        hit("2^31", &["Cache-Control: max-age=2147483648"]),
        hit("2^31 + 1", &["Cache-Control: max-age=2147483649"]),
        hit("2^32", &["Cache-Control: max-age=4294967296"]),
        hit("2^63", &["Cache-Control: max-age=9223372036854775808"]),
        hit("2^64", &["Cache-Control: max-age=18446744073709551616"]),
        hit("a great many nines", &["Cache-Control: max-age=99999999999999999999999999999999999999999"]),
        hit("the same for s-maxage", &["Cache-Control: s-maxage=99999999999999999999999999999999999999999"]),
        hit("any case", &["Cache-Control: MaX-aGe=3600"]),
        hit("any case of s-maxage", &["Cache-Control: S-MAXAGE=3600, max-age=0"]),
        hit("any case of the field", &["cache-CONTROL: max-age=3600"]),
        hit("unknown directives are passed over", &["Cache-Control: foobar, max-age=3600, a=b"]),
        hit("also those with a quoted value", &["Cache-Control: foobar=\"x, y\", max-age=3600"]),
        miss("an unknown directive is no lifetime", &["Cache-Control: foobar=3600"]),
        miss("a name that only begins so", &["Cache-Control: max-agee=3600"]),
        miss("a name that only ends so", &["Cache-Control: xmax-age=3600"]),
        miss("nothing", &[]),
        validated("stale and validated", &["Cache-Control: max-age=1", "ETag: \"a\""]).sent(&["If-None-Match: \"a\""]),
        validated("max-age=0", &["Cache-Control: max-age=0", "ETag: \"a\""]).sent(&["If-None-Match: \"a\""]).after(0),
    ])
    .await;
}

#[tokio::test]
async fn age_on_arrival_rfc_9111_4_2_3() {
    let lab = Lab::new().await;
    lab.holds(&[
        hit("Age leaves enough", &["Cache-Control: max-age=3600", "Age: 60"]).got(&["Age: 70"]),
        miss("Age leaves nothing", &["Cache-Control: max-age=3600", "Age: 12000"]),
        miss("Age leaves a moment", &["Cache-Control: max-age=3600", "Age: 3590"]),
        hit("Age leaves a moment more", &["Cache-Control: max-age=3600", "Age: 3589"]).got(&["Age: 3599"]),
        miss("Age counts for Expires", &["Expires: {now+3600}", "Age: 3600"]),
        hit("Expires leaves enough", &["Expires: {now+3600}", "Age: 60"]).got(&["Age: 70"]),
        miss("Date is long ago", &["Cache-Control: max-age=3600", "Date: {now-7200}"]),
        hit("Date is a while ago", &["Cache-Control: max-age=3600", "Date: {now-60}"]).got(&["Age: 70"]),
        hit("the larger of both: Age", &["Cache-Control: max-age=3600", "Date: {now-60}", "Age: 90"])
            .got(&["Age: 100"]),
        hit("the larger of both: Date", &["Cache-Control: max-age=3600", "Date: {now-90}", "Age: 60"])
            .got(&["Age: 100"]),
        hit("a Date to come is no age", &["Cache-Control: max-age=3600", "Date: {now+600}"]).got(&["Age: 10"]),
        hit("no Date", &["Cache-Control: max-age=3600", "Date:"]).got(&["Age: 10"]),
        hit("no date", &["Cache-Control: max-age=3600", "Date: today"]).got(&["Age: 10"]),
        hit("an obsolete Date", &["Cache-Control: max-age=3600", "Date: {rfc850-60}"]).got(&["Age: 70"]),
        hit("another obsolete Date", &["Cache-Control: max-age=3600", "Date: {asctime-60}"]).got(&["Age: 70"]),
    ])
    .await;
}

#[tokio::test]
async fn the_time_on_the_way_counts_rfc_9111_4_2_3() {
    let lab = Lab::new().await;
    for (fields, age) in [
        (&["Cache-Control: max-age=60"][..], "20"),
        (&["Cache-Control: max-age=60", "Date:"], "20"),
        (&["Cache-Control: max-age=60", "Age: 30"], "50"),
        (&["Cache-Control: max-age=60", "Date: {now-25}"], "45"),
        (&["Cache-Control: max-age=60", "Age: 30", "Date: {now-25}"], "50"),
    ] {
        let (path, gate) = (lab.path(), Gate::shut());
        let answer = lab.answer(200, fields, "first");
        lab.origin.answers(&path, [Answer::default().wait(&gate).send(answer.bytes())]);
        let call = lab.call("GET", &path, &[]).await;
        lab.origin.until_asked(&path, 1).await;
        lab.after(20);
        gate.open();
        call.got("GET").await;
        let got = lab.get(&path, &[]).await;
        assert_eq!((got.word(), got.field("age")), ("HIT", Some(age)), "{fields:?}");
    }
}

#[tokio::test]
async fn age_syntax_rfc_9111_5_1() {
    let lab = Lab::new().await;
    lab.holds(&[
        hit("not a number", &["Cache-Control: max-age=3600", "Age: abc"]).got(&["Age: 10"]),
        hit("empty", &["Cache-Control: max-age=3600", "Age: "]).got(&["Age: 10"]),
        hit("negative", &["Cache-Control: max-age=3600", "Age: -7200"]).got(&["Age: 10"]),
        hit("decimal", &["Cache-Control: max-age=3600", "Age: 7200.0"]).got(&["Age: 10"]),
        hit("with letters", &["Cache-Control: max-age=3600", "Age: 7200s"]).got(&["Age: 10"]),
        hit("signed", &["Cache-Control: max-age=3600", "Age: +7200"]).got(&["Age: 10"]),
        hit("quoted", &["Cache-Control: max-age=3600", "Age: \"7200\""]).got(&["Age: 10"]),
        hit("with a parameter", &["Cache-Control: max-age=3600", "Age: 7200;foo=bar"]).got(&["Age: 10"]),
        miss("2^31 - 1", &["Cache-Control: max-age=3600", "Age: 2147483647"]),
        miss("2^31", &["Cache-Control: max-age=3600", "Age: 2147483648"]),
        miss("2^31 + 1", &["Cache-Control: max-age=3600", "Age: 2147483649"]),
        miss("2^64", &["Cache-Control: max-age=3600", "Age: 18446744073709551616"]),
        miss("very old however long it is fresh", &["Cache-Control: max-age=2147483648", "Age: 2147483648"]),
        hit("leading zeros", &["Cache-Control: max-age=3600", "Age: 0000060"]).got(&["Age: 70"]),
        hit("the first of a list: young", &["Cache-Control: max-age=3600", "Age: 0, 7200"]).got(&["Age: 10"]),
        miss("the first of a list: old", &["Cache-Control: max-age=3600", "Age: 7200, 0"]),
        hit("the first of the lines: young", &["Cache-Control: max-age=3600", "Age: 0", "Age: 7200"]).got(&["Age: 10"]),
        miss("the first of the lines: old", &["Cache-Control: max-age=3600", "Age: 7200", "Age: 0"]),
        hit("the first is none", &["Cache-Control: max-age=3600", "Age: abc, 7200"]).got(&["Age: 10"]),
        miss("the first is, the second none", &["Cache-Control: max-age=3600", "Age: 7200, abc"]),
    ])
    .await;
}

#[tokio::test]
async fn expires_rfc_9111_5_3() {
    let lab = Lab::new().await;
    lab.holds(&[
        miss("an hour of one digit", &["Expires: {shorthour+3600}"]).after(0),
        hit("in an hour", &["Expires: {now+3600}"]),
        hit("in a moment", &["Expires: {now+11}"]),
        miss("just now", &["Expires: {now+10}"]),
        miss("at its Date", &["Expires: {now}"]).after(0),
        miss("before its Date", &["Expires: {now-60}"]).after(0),
        miss("zero", &["Expires: 0"]).after(0),
        miss("minus one", &["Expires: -1"]).after(0),
        miss("empty", &["Expires: "]).after(0),
        miss("words", &["Expires: later"]).after(0),
        miss("a number", &["Expires: {seconds+3600}"]).after(0),
        miss("another notation", &["Expires: {iso+3600}"]).after(0),
        hit("without a Date", &["Expires: {now+3600}", "Date:"]),
        hit("with a Date that is none", &["Expires: {now+3600}", "Date: today"]),
        miss("a clock that is fast", &["Date: {now+7200}", "Expires: {now+7205}"]),
        hit("a clock that is fast, and later", &["Date: {now+7200}", "Expires: {now+7300}"]),
        miss("a clock that is fast, Expires at its Date", &["Date: {now+7200}", "Expires: {now+7200}"]).after(0),
        miss("a clock that is slow, and past it", &["Date: {now-60}", "Expires: {now-30}"]).after(0),
        hit("a clock that is slow", &["Date: {now-60}", "Expires: {now+30}"]).got(&["Age: 70"]),
        hit("Age is compared with it", &["Expires: {now+3600}", "Age: 3000"]),
        miss("Age is compared with it, and it is over", &["Expires: {now+3600}", "Age: 3595"]),
        hit("RFC 850", &["Expires: {rfc850+3600}"]),
        hit("asctime", &["Expires: {asctime+3600}"]),
        hit("another day of the week", &["Expires: {otherday+3600}"]),
        hit("asctime on a Thursday that is none", &["Expires: Thu Aug 18 02:01:18 2050"]),
        hit("lower case", &["Expires: {lower+3600}"]),
        hit("upper case", &["Expires: {upper+3600}"]),
        hit("the year 2038", &["Expires: Tue, 19 Jan 2038 14:14:08 GMT"]),
        hit("the year 2286", &["Expires: Sun, 21 Nov 2286 04:46:39 GMT"]),
        hit("the year 9999", &["Expires: Fri, 31 Dec 9999 23:59:59 GMT"]),
        miss("RFC 850, and fifty years are past", &["Expires: Thursday, 18-Aug-90 02:01:18 GMT"]).after(0),
        hit("RFC 850, and fifty years are to come", &["Expires: Thursday, 18-Aug-50 02:01:18 GMT"]),
        miss("the zone UTC", &["Expires: {utc+3600}"]).after(0),
        miss("the zone AEST", &["Expires: {aest+3600}"]).after(0),
        miss("a zone in numbers", &["Expires: {numeric+3600}"]).after(0),
        miss("no zone", &["Expires: {zoneless+3600}"]).after(0),
        miss("a year of two digits", &["Expires: {shortyear+3600}"]).after(0),
        miss("no comma", &["Expires: {commaless+3600}"]).after(0),
        miss("two spaces", &["Expires: {spaces+3600}"]).after(0),
        miss("dashes", &["Expires: {dashes+3600}"]).after(0),
        miss("periods in the time", &["Expires: {periods+3600}"]).after(0),
        miss("two lines", &["Expires: {now+3600}", "Expires: {now+3600}"]).after(0),
        miss("two lines, one past", &["Expires: {now+3600}", "Expires: {now-60}"]).after(0),
        miss("two in one line", &["Expires: {now+3600}, {now+3600}"]).after(0),
        miss("followed by something", &["Expires: {now+3600}; x"]).after(0),
        miss("a day that is none", &["Expires: Fri, 32 Dec 2039 23:59:59 GMT"]).after(0),
        miss("an hour that is none", &["Expires: Fri, 30 Dec 2039 25:59:59 GMT"]).after(0),
        hit("the origin's Expires is left as it was", &["Expires: {now+3600}"]).got(&["Expires: {now+3600}"]),
    ])
    .await;
}

#[tokio::test]
async fn heuristic_freshness_rfc_9111_4_2_2() {
    let lab = Lab::new().await;
    lab.holds(&[
        hit("a tenth of its age", &["Last-Modified: {now-3600}"]).after(359),
        validated("and no more", &["Last-Modified: {now-3600}"]).after(361).sent(&["If-Modified-Since: {now-3600}"]),
        hit("a day at most", &["Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT"]).after(86_399),
        validated("a day at most, and it is over", &["Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT"]).after(86_401),
        miss("never without Last-Modified", &[]).after(0),
        validated("never with an ETag alone", &["ETag: \"a\""]).after(0).sent(&["If-None-Match: \"a\""]),
        validated("modified just now", &["Last-Modified: {now}"]).after(0),
        validated("modified in the future", &["Last-Modified: {now+3600}"]).after(0),
        validated("max-age is explicit", &["Last-Modified: {now-36000}", "Cache-Control: max-age=1"]),
        validated("a past Expires is explicit", &["Last-Modified: {now-36000}", "Expires: {now-1}"]).after(0),
        validated("an Expires that is none is explicit", &["Last-Modified: {now-36000}", "Expires: 0"]).after(0),
        miss("a Last-Modified that is none", &["Last-Modified: yesterday"]).after(0),
        hit("an obsolete Last-Modified", &["Last-Modified: {rfc850-3600}"]),
        hit("200", &["Last-Modified: {now-36000}"]).status(200),
        hit("203", &["Last-Modified: {now-36000}"]).status(203),
        hit("204", &["Last-Modified: {now-36000}"]).status(204),
        hit("300", &["Last-Modified: {now-36000}"]).status(300),
        hit("301", &["Last-Modified: {now-36000}"]).status(301),
        hit("308", &["Last-Modified: {now-36000}"]).status(308),
        hit("404", &["Last-Modified: {now-36000}"]).status(404),
        hit("405", &["Last-Modified: {now-36000}"]).status(405),
        hit("410", &["Last-Modified: {now-36000}"]).status(410),
        hit("414", &["Last-Modified: {now-36000}"]).status(414),
        hit("501", &["Last-Modified: {now-36000}"]).status(501),
        miss("201", &["Last-Modified: {now-36000}"]).status(201),
        miss("202", &["Last-Modified: {now-36000}"]).status(202),
        miss("302", &["Last-Modified: {now-36000}"]).status(302),
        miss("303", &["Last-Modified: {now-36000}"]).status(303),
        miss("307", &["Last-Modified: {now-36000}"]).status(307),
        miss("400", &["Last-Modified: {now-36000}"]).status(400),
        miss("403", &["Last-Modified: {now-36000}"]).status(403),
        miss("418", &["Last-Modified: {now-36000}"]).status(418),
        miss("500", &["Last-Modified: {now-36000}"]).status(500),
        miss("502", &["Last-Modified: {now-36000}"]).status(502),
        miss("503", &["Last-Modified: {now-36000}"]).status(503),
        miss("504", &["Last-Modified: {now-36000}"]).status(504),
        miss("299", &["Last-Modified: {now-36000}"]).status(299),
        miss("499", &["Last-Modified: {now-36000}"]).status(499),
        miss("599", &["Last-Modified: {now-36000}"]).status(599),
        hit("any status that is public: 201", &["Last-Modified: {now-36000}", "Cache-Control: public"]).status(201),
        hit("302", &["Last-Modified: {now-36000}", "Cache-Control: public"]).status(302),
        hit("403", &["Last-Modified: {now-36000}", "Cache-Control: public"]).status(403),
        hit("502", &["Last-Modified: {now-36000}", "Cache-Control: public"]).status(502),
        hit("599", &["Last-Modified: {now-36000}", "Cache-Control: public"]).status(599),
    ])
    .await;
}

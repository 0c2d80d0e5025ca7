//! Variants of one resource (RFC 9111 §4.1).

use crate::lab::{Lab, hit, miss};

#[tokio::test]
async fn vary_rfc_9111_4_1() {
    let lab = Lab::new().await;
    lab.holds(&[
        hit("the same value", &["Cache-Control: max-age=3600", "Vary: Foo"]).first(&["Foo: 1"]).second(&["Foo: 1"]),
        miss("another value", &["Cache-Control: max-age=3600", "Vary: Foo"]).first(&["Foo: 1"]).second(&["Foo: 2"]),
        miss("absent afterwards", &["Cache-Control: max-age=3600", "Vary: Foo"]).first(&["Foo: 1"]),
        miss("absent at first", &["Cache-Control: max-age=3600", "Vary: Foo"]).second(&["Foo: 1"]),
        miss("empty is not absent", &["Cache-Control: max-age=3600", "Vary: Foo"]).second(&["Foo: "]),
        hit("absent both times", &["Cache-Control: max-age=3600", "Vary: Foo"]),
        hit("what is not in Vary does not matter", &["Cache-Control: max-age=3600", "Vary: Foo"])
            .first(&["Foo: 1", "Other: 2"])
            .second(&["Foo: 1", "Other: 3"]),
        hit("any case of the name", &["Cache-Control: max-age=3600", "VARY: fOO"])
            .first(&["Foo: 1"])
            .second(&["FOO: 1"]),
        miss("the case of a value counts", &["Cache-Control: max-age=3600", "Vary: Foo"])
            .first(&["Foo: a"])
            .second(&["Foo: A"]),
        hit("two fields", &["Cache-Control: max-age=3600", "Vary: Foo, Bar"])
            .first(&["Foo: 1", "Bar: 2"])
            .second(&["Bar: 2", "Foo: 1"]),
        miss("two fields, one other", &["Cache-Control: max-age=3600", "Vary: Foo, Bar"])
            .first(&["Foo: 1", "Bar: 2"])
            .second(&["Foo: 1", "Bar: 3"]),
        miss("two fields, the values swapped", &["Cache-Control: max-age=3600", "Vary: Foo, Bar"])
            .first(&["Foo: 1", "Bar: 2"])
            .second(&["Foo: 2", "Bar: 1"]),
        miss("two fields, one absent", &["Cache-Control: max-age=3600", "Vary: Foo, Bar"])
            .first(&["Foo: 1", "Bar: 2"])
            .second(&["Foo: 1"]),
        hit("three fields", &["Cache-Control: max-age=3600", "Vary: Foo, Bar, Baz"])
            .first(&["Foo: 1", "Bar: 2", "Baz: 3"])
            .second(&["Foo: 1", "Bar: 2", "Baz: 3"]),
        miss("three fields, the last other", &["Cache-Control: max-age=3600", "Vary: Foo, Bar, Baz"])
            .first(&["Foo: 1", "Bar: 2", "Baz: 3"])
            .second(&["Foo: 1", "Bar: 2", "Baz: 4"]),
        hit("two lines", &["Cache-Control: max-age=3600", "Vary: Foo", "Vary: Bar"])
            .first(&["Foo: 1", "Bar: 2"])
            .second(&["Foo: 1", "Bar: 2"]),
        miss("two lines, the second counts", &["Cache-Control: max-age=3600", "Vary: Foo", "Vary: Bar"])
            .first(&["Foo: 1", "Bar: 2"])
            .second(&["Foo: 1", "Bar: 3"]),
        miss("an empty line before", &["Cache-Control: max-age=3600", "Vary: ", "Vary: Foo"])
            .first(&["Foo: 1"])
            .second(&["Foo: 2"]),
        miss("an empty line after", &["Cache-Control: max-age=3600", "Vary: Foo", "Vary: "])
            .first(&["Foo: 1"])
            .second(&["Foo: 2"]),
        hit("an empty line alone", &["Cache-Control: max-age=3600", "Vary: "]).first(&["Foo: 1"]).second(&["Foo: 2"]),
        miss("star", &["Cache-Control: max-age=3600", "Vary: *"]),
        miss("star with an ETag", &["Cache-Control: max-age=3600", "Vary: *", "ETag: \"a\""]),
        miss("star first", &["Cache-Control: max-age=3600", "Vary: *, Foo"]).first(&["Foo: 1"]).second(&["Foo: 1"]),
        miss("star last", &["Cache-Control: max-age=3600", "Vary: Foo, *"]).first(&["Foo: 1"]).second(&["Foo: 1"]),
        miss("star in another line", &["Cache-Control: max-age=3600", "Vary: Foo", "Vary: *"]),
        miss("star in a line before", &["Cache-Control: max-age=3600", "Vary: *", "Vary: Foo"]),
        hit("the lines of a request are one list", &["Cache-Control: max-age=3600", "Vary: Foo"])
            .first(&["Foo: 1", "Foo: 2"])
            .second(&["Foo: 1, 2"]),
        hit("spaces around its commas", &["Cache-Control: max-age=3600", "Vary: Foo"])
            .first(&["Foo: 1,2"])
            .second(&["Foo: 1 , 2"]),
        miss("its order", &["Cache-Control: max-age=3600", "Vary: Foo"]).first(&["Foo: 1, 2"]).second(&["Foo: 2, 1"]),
        hit("spaces around the value", &["Cache-Control: max-age=3600", "Vary: Foo"])
            .first(&["Foo: 1"])
            .second(&["Foo:   1  "]),
    ])
    .await;
}

#[tokio::test]
async fn vary_on_what_is_normalised_rfc_9111_4_1() {
    let lab = Lab::new().await;
    lab.holds(&[
        hit("languages in any case", &["Cache-Control: max-age=3600", "Vary: Accept-Language"])
            .first(&["Accept-Language: en, de"])
            .second(&["Accept-Language: EN, De"]),
        hit("languages without spaces", &["Cache-Control: max-age=3600", "Vary: Accept-Language"])
            .first(&["Accept-Language: en, de"])
            .second(&["Accept-Language: en,de"]),
        hit("languages by weight, not order", &["Cache-Control: max-age=3600", "Vary: Accept-Language"])
            .first(&["Accept-Language: en, de;q=0.5"])
            .second(&["Accept-Language: de;q=0.5, en"]),
        miss("other languages", &["Cache-Control: max-age=3600", "Vary: Accept-Language"])
            .first(&["Accept-Language: en, de"])
            .second(&["Accept-Language: fr"]),
        miss("other weights", &["Cache-Control: max-age=3600", "Vary: Accept-Language"])
            .first(&["Accept-Language: en, de;q=0.5"])
            .second(&["Accept-Language: de, en;q=0.5"]),
        hit("codings in any order", &["Cache-Control: max-age=3600", "Vary: Accept-Encoding"])
            .first(&["Accept-Encoding: gzip, br"])
            .second(&["Accept-Encoding: br;q=1.0,gzip"]),
        miss("other codings", &["Cache-Control: max-age=3600", "Vary: Accept-Encoding"])
            .first(&["Accept-Encoding: gzip"])
            .second(&["Accept-Encoding: identity"]),
        miss(
            "an encoded body goes only to who asked alike",
            &["Cache-Control: max-age=3600", "Content-Encoding: gzip"],
        )
        .first(&["Accept-Encoding: gzip"]),
        miss("cookies that are not keyed", &["Cache-Control: max-age=3600", "Vary: Cookie"])
            .first(&["Cookie: a=1"])
            .second(&["Cookie: a=1"]),
    ])
    .await;
}

#[tokio::test]
async fn variants_live_beside_one_another() {
    let lab = Lab::new().await;
    for value in ["1", "2", "3"] {
        lab.says("/a", 200, &["Cache-Control: max-age=60", "Vary: Foo", &format!("X-Foo: {value}")], value);
        assert_eq!(lab.get("/a", &[&format!("Foo: {value}")]).await.body, value);
    }
    for value in ["1", "2", "3", "1"] {
        let got = lab.get("/a", &[&format!("Foo: {value}")]).await;
        assert_eq!((got.word(), got.body.as_str(), got.field("x-foo")), ("HIT", value, Some(value)));
    }
    assert_eq!(lab.get("/a", &["Foo: 4"]).await.cache_status().split("; ").nth(1), Some("fwd=vary-miss"));
}

#[tokio::test]
async fn a_validation_carries_the_selecting_fields() {
    let lab = Lab::new().await;
    lab.says("/a", 200, &["Cache-Control: max-age=5", "Vary: Foo", "ETag: \"one\""], "one");
    lab.says("/a", 200, &["Cache-Control: max-age=5", "Vary: Foo", "ETag: \"two\""], "two");
    for value in ["1", "2"] {
        lab.get("/a", &[&format!("Foo: {value}")]).await;
    }
    lab.after(10);
    for (value, tag, body) in [("2", "\"two\"", "two"), ("1", "\"one\"", "one")] {
        let got = lab.get("/a", &[&format!("Foo: {value}")]).await;
        assert_eq!((got.word(), got.body.as_str()), ("REVALIDATED", body));
        let asked = lab.origin.asked("/a");
        let last = asked.last().unwrap();
        assert_eq!((last.field("foo"), last.field("if-none-match")), (Some(value), Some(tag)));
    }
}

use std::time::Duration;

use bytes::Bytes;
use http::header::HeaderValue;
use http::{Request, Response};

use super::*;
use crate::key::Key;

/// Sun, 06 Nov 1994 08:49:37 GMT
const THEN: Timestamp = Timestamp::from_secs(784_111_777);
const LATER: Timestamp = Timestamp::from_secs(784_111_877);

type Fields<'a> = &'a [(&'static str, &'a str)];

fn request(method: Method) -> request::Parts {
    Request::builder().method(method).uri("/a").body(()).unwrap().into_parts().0
}

fn response(status: u16, fields: Fields<'_>) -> response::Parts {
    let mut parts = Response::builder().status(status).body(()).unwrap().into_parts().0;
    for (name, value) in fields {
        parts.headers.append(*name, HeaderValue::from_str(value).unwrap());
    }
    parts
}

fn at(now: Timestamp) -> Times {
    Times { requested_at: now, received_at: now }
}

fn stored(fields: Fields<'_>) -> Entry {
    let answer = response(200, fields);
    match admit(&request(Method::GET), &Lookup::default(), &answer, at(THEN), &Options::default()) {
        Admission::Store(storable) => {
            storable.into_entry(Key::parse("GET:/a").unwrap(), None, Vec::new(), Bytes::from_static(b"body"))
        }
        Admission::Skip(reason) => panic!("{reason:?}"),
    }
}

fn answered(method: Method, stored: &Entry, status: u16, fields: Fields<'_>) -> After {
    after(&request(method), &Lookup::default(), stored, &response(status, fields), at(LATER), &Options::default())
}

fn freshened(entry: &Entry, fields: Fields<'_>) -> Storable {
    match answered(Method::GET, entry, 304, fields) {
        After::Freshen(storable) => *storable,
        other => panic!("{other:?}"),
    }
}

fn lines<'a>(headers: &'a HeaderMap, name: &str) -> Vec<&'a str> {
    headers.get_all(name).iter().map(|value| value.to_str().unwrap()).collect()
}

#[test]
fn a_304_updates_what_it_carries_and_nothing_else_rfc_9111_3_2() {
    let entry = stored(&[
        ("cache-control", "max-age=60"),
        ("etag", "\"1\""),
        ("x-kept", "old"),
        ("x-two", "a"),
        ("x-two", "b"),
        ("x-three", "c"),
        ("content-type", "text/plain"),
        ("content-encoding", "gzip"),
    ]);
    let fresh = freshened(
        &entry,
        &[
            ("cache-control", "max-age=600"),
            ("etag", "\"1\""),
            ("x-two", "z"),
            ("x-three", "d"),
            ("x-three", "e"),
            ("x-new", "n"),
            ("content-type", "text/html"),
            ("content-encoding", "br"),
            ("content-length", "0"),
            ("connection", "x-hop"),
            ("x-hop", "1"),
        ],
    );
    for (name, values) in [
        ("cache-control", &["max-age=600"][..]),
        ("x-kept", &["old"]),
        ("x-two", &["z"]),
        ("x-three", &["d", "e"]),
        ("x-new", &["n"]),
        ("content-type", &["text/html"]),
        ("content-encoding", &["gzip"]),
        ("content-length", &[]),
        ("x-hop", &[]),
    ] {
        assert_eq!(lines(&fresh.headers, name), values, "{name}");
    }
    assert_eq!(fresh.status, StatusCode::OK);
    assert_eq!(fresh.lifetime, Duration::from_secs(600));
}

#[test]
fn a_304_starts_the_age_anew_rfc_9111_4_3_4() {
    let entry = stored(&[
        ("cache-control", "max-age=60"),
        ("etag", "\"1\""),
        ("date", "Sun, 06 Nov 1994 08:49:37 GMT"),
        ("age", "30"),
    ]);
    assert_eq!(entry.meta().initial_age, Duration::from_secs(30));
    let fresh = freshened(&entry, &[]);
    assert_eq!((fresh.initial_age, fresh.received_at), (Duration::ZERO, LATER));
    assert_eq!(lines(&fresh.headers, "date"), ["Sun, 06 Nov 1994 08:51:17 GMT"]);
    assert_eq!(freshened(&entry, &[("age", "7")]).initial_age, Duration::from_secs(7));
    let dated = freshened(&entry, &[("date", "Sun, 06 Nov 1994 08:51:07 GMT")]);
    assert_eq!(dated.initial_age, Duration::from_secs(10));
}

#[test]
fn a_304_moves_a_response_to_other_groups_rfc_9875() {
    let entry = stored(&[("cache-control", "max-age=60"), ("etag", "\"1\""), ("cache-groups", "\"a\"")]);
    assert_eq!(freshened(&entry, &[]).groups, ["a"]);
    assert_eq!(freshened(&entry, &[("cache-groups", "\"b\", \"c\"")]).groups, ["b", "c"]);
}

#[test]
fn a_304_about_something_else_updates_nothing_rfc_9111_4_3_4() {
    const DAY: (&str, &str) = ("last-modified", "Sat, 05 Nov 1994 08:49:37 GMT");
    const OTHER_DAY: (&str, &str) = ("last-modified", "Fri, 04 Nov 1994 08:49:37 GMT");
    for (stored_with, answered_with, is_about_it) in [
        (&[("etag", "\"1\"")][..], &[("etag", "\"1\"")][..], true),
        (&[("etag", "\"1\"")], &[("etag", "W/\"1\"")], true),
        (&[("etag", "W/\"1\"")], &[("etag", "W/\"1\"")], true),
        (&[("etag", "\"1\"")], &[], true),
        (&[("etag", "\"1\""), DAY], &[("etag", "\"1\""), OTHER_DAY], true),
        (&[DAY], &[DAY], true),
        (&[DAY], &[], true),
        (&[DAY], &[("etag", "\"1\"")], true),
        (&[("etag", "\"1\"")], &[("etag", "\"2\"")], false),
        (&[("etag", "W/\"1\"")], &[("etag", "\"1\"")], false),
        (&[("etag", "W/\"1\"")], &[("etag", "W/\"2\"")], false),
        (&[("etag", "\"1\"")], &[("etag", "1")], false),
        (&[DAY], &[OTHER_DAY], false),
    ] {
        let mut fields = vec![("cache-control", "max-age=60")];
        fields.extend(stored_with);
        let answer = answered(Method::GET, &stored(&fields), 304, answered_with);
        assert_eq!(matches!(answer, After::Freshen(_)), is_about_it, "{stored_with:?} and {answered_with:?}");
        assert_eq!(matches!(answer, After::Refetch), !is_about_it, "{stored_with:?} and {answered_with:?}");
    }
}

#[test]
fn a_304_that_forbids_storing_is_asked_again() {
    let entry = stored(&[("cache-control", "max-age=60"), ("etag", "\"1\"")]);
    for value in ["no-store", "private"] {
        assert!(matches!(answered(Method::GET, &entry, 304, &[("cache-control", value)]), After::Refetch), "{value}");
    }
    assert!(matches!(answered(Method::GET, &entry, 304, &[("set-cookie", "a=1")]), After::Refetch));
    let bound = freshened(&entry, &[("cache-control", "no-cache")]);
    assert!(bound.terms.always_validate);
}

#[test]
fn an_error_is_covered_within_the_window_rfc_5861_4() {
    // Stale since 40 s when the answers come.
    let entry = |directives: &str| stored(&[("cache-control", directives), ("etag", "\"1\"")]);
    let covered = |directives, status| {
        matches!(answered(Method::GET, &entry(directives), status, &[]), After::ServeStale(Reason::StaleIfError))
    };
    for status in [500, 502, 503, 504] {
        assert!(covered("max-age=60, stale-if-error=41", status), "{status}");
        assert!(!covered("max-age=60, stale-if-error=40", status), "{status}");
        assert!(!covered("max-age=60", status), "{status}");
        assert!(!covered("max-age=60, stale-if-error=41, must-revalidate", status), "{status}");
        assert!(!covered("max-age=60, stale-if-error=41, proxy-revalidate", status), "{status}");
        assert!(!covered("s-maxage=60, stale-if-error=41", status), "{status}");
        assert!(!covered("max-age=60, stale-if-error=41, no-cache", status), "{status}");
    }
    assert!(!covered("max-age=60, stale-if-error=41", 501));
    assert!(matches!(answered(Method::GET, &entry("max-age=60"), 500, &[]), After::Replace));
    assert!(matches!(answered(Method::GET, &entry("max-age=60, stale-if-error=99"), 200, &[]), After::Replace));
    assert_eq!(on_failure(entry("max-age=60, stale-if-error=41").meta(), LATER), Some(Reason::StaleIfError));
    assert_eq!(on_failure(entry("max-age=60").meta(), THEN), None);
}

#[test]
fn what_a_head_says_of_a_stored_get_rfc_9111_4_3_5() {
    let entry = stored(&[("cache-control", "max-age=60"), ("etag", "\"1\"")]);
    let head = |entry: &Entry, status, fields: Fields<'_>| {
        let answer = response(status, fields);
        after_head(&request(Method::HEAD), &Lookup::default(), entry, &answer, at(LATER), &Options::default())
    };
    let same = [("etag", "\"1\""), ("content-length", "4"), ("cache-control", "max-age=600")];
    match head(&entry, 200, &same) {
        AfterHead::Freshen(fresh) => assert_eq!(fresh.lifetime, Duration::from_secs(600)),
        other => panic!("{other:?}"),
    }
    for fields in [
        &[("etag", "\"2\""), ("content-length", "4")][..],
        &[("etag", "\"1\""), ("content-length", "5")],
        &[("content-length", "4")],
        &[("etag", "\"1\""), ("content-length", "4"), ("content-encoding", "gzip")],
        &[("etag", "\"1\""), ("cache-control", "no-store")],
    ] {
        assert!(matches!(head(&entry, 200, fields), AfterHead::Outdate), "{fields:?}");
    }
    for status in [204, 206, 301, 304, 404, 410, 500, 503] {
        assert!(matches!(head(&entry, status, &same), AfterHead::Nothing), "{status}");
    }
    let covered = stored(&[("cache-control", "max-age=60, stale-if-error=99"), ("etag", "\"1\"")]);
    assert!(matches!(head(&covered, 503, &[]), AfterHead::ServeStale(Reason::StaleIfError)));
    assert!(matches!(answered(Method::GET, &entry, 200, &same), After::Replace));
}

#[test]
fn a_client_s_no_store_does_not_make_a_304_useless_rfc_9111_5_2_1_5() {
    let entry = stored(&[("cache-control", "max-age=60"), ("etag", "\"1\"")]);
    let client = ClientTerms { no_store: true, no_cache: true, ..ClientTerms::default() };
    let lookup = Lookup { client, ..Lookup::default() };
    let answer = response(304, &[("etag", "\"1\"")]);
    let found = after(&request(Method::GET), &lookup, &entry, &answer, at(LATER), &Options::default());
    assert!(matches!(found, After::Freshen(_)), "{found:?}");
}

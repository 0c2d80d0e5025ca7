use http::header::HeaderValue;
use proptest::prelude::*;

use super::*;

fn secs(seconds: u64) -> Option<Duration> {
    Some(Duration::from_secs(seconds))
}

fn headers(fields: &[(&'static str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        headers.append(*name, HeaderValue::from_str(value).unwrap());
    }
    headers
}

/// As a cache reads them whose one targeted field is the usual one.
fn reading(headers: &HeaderMap) -> Directives {
    Directives::read(headers, &[HeaderName::from_static("cdn-cache-control")])
}

fn cache_control(value: &str) -> Directives {
    reading(&headers(&[("cache-control", value)]))
}

fn cdn(value: &str, untargeted: &str) -> Directives {
    reading(&headers(&[("cdn-cache-control", value), ("cache-control", untargeted)]))
}

#[test]
fn lifetimes_of_rfc_9111_4_2_1() {
    for (value, lifetime) in [
        ("max-age=60", secs(60)),
        ("MAX-AGE=60", secs(60)),
        ("max-age=60, s-maxage=5", secs(5)),
        ("s-maxage=60, max-age=5", secs(60)),
        ("s-maxage=60, max-age=0", secs(60)),
        ("max-age=003600", secs(3600)),
        ("max-age=\"3600\"", secs(3600)),
        ("max-age=2147483648", secs(1 << 31)),
        ("max-age=99999999999", secs(1 << 31)),
        ("max-age=99999999999999999999999999", secs(1 << 31)),
        ("max-age=-1", secs(0)),
        ("max-age=1.5", secs(0)),
        ("max-age=60s", secs(0)),
        ("max-age='60'", secs(0)),
        ("max-age =60", secs(0)),
        ("max-age= 60", secs(0)),
        ("max-age", secs(0)),
        ("max-age=", secs(0)),
        ("max-age=60, max-age=5", secs(5)),
        ("max-age=5, max-age=60", secs(5)),
        ("max-age=60, max-age=x", secs(0)),
        ("x=\"max-age=60\"", None),
        ("x=\"a, max-age=60, b\", max-age=5", secs(5)),
        ("max-age=5, x=\"a, max-age=60\"", secs(5)),
        ("x=\"\\\", max-age=60\", max-age=5", secs(5)),
        ("x-max-age=60", None),
        ("public", None),
        ("", None),
    ] {
        assert_eq!(cache_control(value).lifetime(), lifetime, "{value}");
    }
}

#[test]
fn directives_may_stand_on_several_lines() {
    let read = reading(&headers(&[
        ("cache-control", "max-age=1"),
        ("cache-control", ""),
        ("cache-control", "s-maxage=60, No-Store"),
    ]));
    assert_eq!((read.lifetime(), read.no_store), (secs(60), true));
}

#[test]
fn a_directive_that_restricts_counts_however_it_is_written() {
    for value in ["no-store", "NO-STORE", "no-store=1", "no-store;x", "no-store =x"] {
        assert!(cache_control(value).no_store, "{value}");
    }
    for value in ["public=1", "public;x", "public =x"] {
        assert!(!cache_control(value).public, "{value}");
    }
    assert!(cache_control("max-age=60, x=\"y").malformed);
}

#[test]
fn qualified_restrictions_of_rfc_9111_5_2_2_4() {
    let fields =
        |names: &[&'static str]| Restriction::Fields(names.iter().map(|n| HeaderName::from_static(n)).collect());
    for (value, restriction) in [
        ("max-age=1", Restriction::None),
        ("no-cache", Restriction::Whole),
        ("no-cache=\"x-a, X-B\"", fields(&["x-a", "x-b"])),
        ("no-cache=x-a", fields(&["x-a"])),
        ("no-cache=\"x-a\", no-cache=\"x-b\"", fields(&["x-a", "x-b"])),
        ("no-cache=\"x-a\", no-cache", Restriction::Whole),
        ("no-cache, no-cache=\"x-a\"", Restriction::Whole),
        ("no-cache=\"\"", Restriction::Whole),
        ("no-cache=\"a b\"", Restriction::Whole),
        ("no-cache=\"content-encoding\"", Restriction::Whole),
        ("no-cache =\"x-a\"", Restriction::Whole),
    ] {
        assert_eq!(cache_control(value).no_cache, restriction, "{value}");
        let private = value.replace("no-cache", "private");
        assert_eq!(cache_control(&private).private, restriction, "{private}");
    }
}

#[test]
fn a_targeted_field_takes_the_place_of_cache_control_rfc_9213_2_2() {
    let read = cdn("max-age=60", "no-store, s-maxage=5");
    assert_eq!((read.lifetime(), read.no_store, read.targeted), (secs(60), false, true));
    assert_eq!(cdn("max-age=0", "max-age=60").lifetime(), secs(0));
    assert_eq!(cdn("max-age=-5", "max-age=60").lifetime(), secs(0));
    assert_eq!(cdn("max-age=99999999999", "max-age=60").lifetime(), secs(1 << 31));
    assert_eq!(cdn("max-age=60;x=\"y\", foo=(1 2), bar", "").lifetime(), secs(60));
    assert!(cdn("no-store", "max-age=60").no_store);
    assert_eq!(cdn("private", "max-age=60").private, Restriction::Whole);
    assert_eq!(cdn("no-cache", "max-age=60").no_cache, Restriction::Whole);
    assert_eq!(cdn("must-revalidate", "max-age=60").lifetime(), None);
    let fields = Restriction::Fields(vec![HeaderName::from_static("x-a")]);
    assert_eq!(cdn("private=\"x-a\"", "max-age=60").private, fields);
    let lines = headers(&[("cdn-cache-control", "max-age=60"), ("cdn-cache-control", "no-store=?0")]);
    assert_eq!(reading(&lines).lifetime(), secs(60));
}

#[test]
fn a_targeted_field_that_cannot_be_read_is_ignored_rfc_9213_2_1() {
    for value in [
        "",
        "MaX-aGe=60",
        "max-age =60",
        "max-age=\"60\"",
        "max-age=60.0",
        "max-age",
        "no-store=1",
        "private=x",
        "max-age=60,",
        "max-age=60, &&&",
    ] {
        let read = cdn(value, "max-age=5");
        assert_eq!((read.lifetime(), read.targeted), (secs(5), false), "{value}");
    }
}

#[test]
fn the_first_targeted_field_that_can_be_read_counts_rfc_9213_2_2() {
    let names = ["larder-cache-control", "cdn-cache-control"].map(HeaderName::from_static);
    for (larder, cdn, lifetime) in [
        (Some("max-age=1"), Some("max-age=2"), 1),
        (Some("max-age=1"), None, 1),
        (Some("MAX-AGE=1"), Some("max-age=2"), 2),
        (Some(""), Some("max-age=2"), 2),
        (None, Some("max-age=2"), 2),
        (None, None, 3),
        (Some("x y"), Some("max-age"), 3),
    ] {
        let mut lines = headers(&[("cache-control", "max-age=3")]);
        for (name, value) in names.iter().zip([larder, cdn]) {
            value.map(|value| lines.append(name, HeaderValue::from_str(value).unwrap()));
        }
        let read = Directives::read(&lines, &names);
        assert_eq!((read.lifetime(), read.targeted), (secs(lifetime), lifetime < 3), "{larder:?} and {cdn:?}");
        assert_eq!(Directives::read(&lines, &[]).lifetime(), secs(3), "switched off");
    }
}

#[test]
fn a_targeted_field_cannot_be_withheld() {
    let lines = headers(&[("cache-control", "max-age=3, private=\"x-cache-control\"")]);
    let targeted = [HeaderName::from_static("x-cache-control")];
    assert_eq!(Directives::read(&lines, &targeted).private, Restriction::Whole);
    assert_eq!(Directives::read(&lines, &[]).withheld().count(), 1);
}

#[test]
fn who_may_share_an_authorized_answer_rfc_9111_3_5() {
    for (value, shared) in [
        ("max-age=60", false),
        ("public", true),
        ("s-maxage=60", true),
        ("must-revalidate", true),
        ("proxy-revalidate", false),
        ("public, private", false),
        ("public, no-store", false),
    ] {
        assert_eq!(cache_control(value).shared_with_authorization(), shared, "{value}");
    }
}

proptest! {
    #[test]
    fn no_field_upsets_it(
        lines in proptest::collection::vec(proptest::collection::vec(32..=255_u8, 0..40), 0..3),
        name in prop_oneof![Just("cache-control"), Just("cdn-cache-control")],
    ) {
        let mut headers = HeaderMap::new();
        for line in lines {
            if let Ok(value) = HeaderValue::from_bytes(&line) {
                headers.append(name, value);
            }
        }
        let _ = reading(&headers);
    }

    #[test]
    fn no_order_makes_a_lifetime_longer(first in 0..100_u64, second in 0..100_u64) {
        let value = format!("max-age={first}, max-age={second}");
        prop_assert_eq!(cache_control(&value).lifetime(), secs(first.min(second)));
    }
}

use bytes::Bytes;
use http::header::HeaderValue;
use http::{Request, Response};

use super::*;
use crate::key::Key;
use crate::policy::{ClientTerms, Reuse, StoreStatus, VaryOn, reuse};

/// Sun, 06 Nov 1994 08:49:37 GMT
const NOW: Timestamp = Timestamp::from_secs(784_111_777);
const TIMES: Times = Times { requested_at: NOW, received_at: NOW };
const ETAG: (&str, &str) = ("etag", "\"1\"");
const HOUR: (&str, &str) = ("cache-control", "max-age=3600");

/// A request, what is known of it, and the route, around the answer under test.
pub(super) struct Rig {
    request: request::Parts,
    lookup: Lookup,
    pub(super) options: Options,
}

impl Rig {
    pub(super) fn new() -> Self {
        let request = Request::get("/a").body(()).unwrap().into_parts().0;
        Self { request, lookup: Lookup::default(), options: Options::default() }
    }

    fn with(change: impl FnOnce(&mut Options)) -> Self {
        let mut rig = Self::new();
        change(&mut rig.options);
        rig
    }

    pub(super) fn admit(&self, status: u16, fields: &[(&'static str, &str)]) -> Result<Storable, Reason> {
        let mut answer = Response::builder().status(status).body(()).unwrap().into_parts().0;
        for (name, value) in fields {
            answer.headers.append(*name, HeaderValue::from_str(value).unwrap());
        }
        match admit(&self.request, &self.lookup, &answer, TIMES, &self.options) {
            Admission::Store(storable) => Ok(*storable),
            Admission::Skip(reason) => Err(reason),
        }
    }

    fn lifetime(&self, status: u16, fields: &[(&'static str, &str)]) -> Result<u64, Reason> {
        self.admit(status, fields).map(|storable| storable.lifetime.as_secs())
    }

    fn refusal(&self, fields: &[(&'static str, &str)]) -> Option<Reason> {
        self.admit(200, fields).err()
    }
}

pub(super) fn ttl(seconds: u64) -> Rig {
    Rig::with(|options| options.ttl = Some(Duration::from_secs(seconds)))
}

fn cacheable() -> Rig {
    Rig::with(|options| options.store_status = StoreStatus::Cacheable)
}

#[test]
fn every_refusal_has_its_reason() {
    for (fields, reason) in [
        (&[][..], Reason::NoLifetime),
        (&[("cache-control", "max-age=0")], Reason::Expired),
        (&[("expires", "0")], Reason::Expired),
        (&[HOUR, ("age", "3600")], Reason::Expired),
        (&[("cache-control", "no-cache, max-age=60")], Reason::NoLifetime),
        (&[("cache-control", "no-store, max-age=60")], Reason::NoStore),
        (&[("cache-control", "Private, max-age=60")], Reason::Private),
        (&[("cache-control", "max-age=60, x=\"")], Reason::BadResponse),
        (&[HOUR, ("set-cookie", "a=1")], Reason::SetCookie),
        (&[HOUR, ("vary", "*")], Reason::VaryStar),
        (&[HOUR, ("vary", "cookie")], Reason::VaryCookie),
        (&[HOUR, ("vary", "accept, authorization")], Reason::VaryAuthorization),
        (&[HOUR, ("content-type", "text/event-stream")], Reason::Stream),
        (&[HOUR, ("content-length", "8388609")], Reason::TooLarge),
        (&[HOUR, ("content-length", "x")], Reason::BadResponse),
    ] {
        assert_eq!(Rig::new().refusal(fields), Some(reason), "{fields:?}");
    }
}

#[test]
fn who_gives_the_lifetime() {
    let rig = ttl(300);
    for (fields, lifetime) in [
        (&[][..], Ok(300)),
        (&[HOUR], Ok(3600)),
        (&[("cache-control", "max-age=5")], Ok(5)),
        (&[("expires", "Sun, 06 Nov 1994 08:49:47 GMT")], Ok(10)),
        (&[("cache-control", "max-age=0"), ETAG], Ok(0)),
        (&[("cache-control", "max-age=x"), ETAG], Ok(0)),
        (&[("expires", "0"), ETAG], Ok(0)),
        (&[("cache-control", "public")], Ok(300)),
        (&[("cache-control", "must-revalidate")], Ok(300)),
        (&[("cdn-cache-control", "public"), HOUR], Ok(300)),
        (&[("cdn-cache-control", "max-age=7"), ("cache-control", "no-store")], Ok(7)),
        (&[("cdn-cache-control", "no-store"), HOUR], Err(Reason::NoStore)),
        (&[("last-modified", "Sun, 06 Nov 1994 08:49:27 GMT")], Ok(300)),
        (&[("cache-control", "max-age=999999999")], Ok(24 * 3600)),
        (&[("age", "300")], Err(Reason::Expired)),
    ] {
        assert_eq!(rig.lifetime(200, fields), lifetime, "{fields:?}");
    }
    let short = Rig::with(|options| {
        options.ttl = Some(Duration::from_secs(300));
        options.max_ttl = Duration::from_secs(60);
    });
    assert_eq!((short.lifetime(200, &[]), short.lifetime(200, &[HOUR])), (Ok(60), Ok(60)));
}

#[test]
fn statuses_that_a_route_lists() {
    let code = |status| StatusCode::from_u16(status).unwrap();
    let mut rig = ttl(300);
    assert_eq!([404, 500, 301, 304].map(|status| rig.lifetime(status, &[HOUR])), [Err(Reason::Status); 4]);
    assert_eq!(rig.lifetime(206, &[HOUR]), Err(Reason::Partial));
    let own = Some(Duration::from_secs(10));
    rig.options.store_status = StoreStatus::Listed(vec![(code(200), None), (code(404), own), (code(503), None)]);
    assert_eq!(rig.lifetime(404, &[]), Ok(10));
    assert_eq!(rig.lifetime(404, &[HOUR]), Ok(3600));
    assert_eq!((rig.lifetime(503, &[]), rig.lifetime(200, &[])), (Ok(300), Ok(300)));
    rig.options.ttl = None;
    assert_eq!(rig.lifetime(503, &[ETAG]), Err(Reason::NoLifetime));
}

#[test]
fn statuses_that_rfc_9111_3_lets_a_cache_keep() {
    let rig = cacheable();
    for status in [200, 203, 204, 299, 301, 302, 303, 307, 308, 400, 404, 410, 499, 500, 502, 503, 504, 599] {
        assert_eq!(rig.lifetime(status, &[HOUR]), Ok(3600), "{status}");
    }
    for status in [206, 304] {
        assert!(rig.lifetime(status, &[HOUR]).is_err(), "{status}");
    }
    let day_old = ("last-modified", "Sat, 05 Nov 1994 08:49:37 GMT");
    for status in [200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501] {
        let storable = rig.admit(status, &[day_old]).unwrap();
        assert_eq!((storable.lifetime.as_secs(), storable.terms.heuristic), (8640, true), "{status}");
    }
    for status in [201, 202, 302, 403, 500, 502, 503, 504, 599] {
        assert_eq!(rig.lifetime(status, &[day_old]), Err(Reason::NoLifetime), "{status}");
        assert_eq!(rig.lifetime(status, &[day_old, ("cache-control", "public")]), Ok(8640), "{status}");
    }
    assert_eq!(rig.lifetime(200, &[day_old, ("expires", "x")]), Ok(0), "no guess where an expiry is given");
    let mut with_ttl = cacheable();
    with_ttl.options.ttl = Some(Duration::from_secs(300));
    assert_eq!(with_ttl.lifetime(404, &[]), Ok(300));
    assert_eq!(with_ttl.lifetime(500, &[]), Err(Reason::NoLifetime));
}

#[test]
fn stored_for_validation_alone() {
    let rig = Rig::new();
    for fields in [
        &[ETAG][..],
        &[("cache-control", "max-age=0"), ETAG],
        &[("cache-control", "max-age=0"), ("last-modified", "Sun, 06 Nov 1994 08:49:37 GMT")],
    ] {
        let storable = rig.admit(200, fields).unwrap();
        assert!(storable.terms.has_validator && storable.lifetime.is_zero(), "{fields:?}");
    }
    let bound = rig.admit(200, &[("cache-control", "no-cache, max-age=60"), ETAG]).unwrap();
    assert!(bound.terms.always_validate);
    assert_eq!(rig.refusal(&[("cache-control", "no-cache, max-age=60"), ("etag", "1")]), Some(Reason::NoLifetime));
}

#[test]
fn must_understand_of_rfc_9111_5_2_2_3() {
    let rig = cacheable();
    let both = [("cache-control", "no-store, must-understand, max-age=60")];
    let alone = [("cache-control", "must-understand, max-age=60")];
    assert_eq!((rig.lifetime(200, &both), rig.lifetime(200, &alone)), (Ok(60), Ok(60)));
    assert_eq!(rig.lifetime(599, &both), Err(Reason::NoStore));
    assert_eq!(rig.lifetime(599, &alone), Err(Reason::Status));
}

#[test]
fn credentials_of_rfc_9111_3_5() {
    let mut rig = Rig::new();
    rig.lookup.authorized = true;
    assert_eq!(rig.refusal(&[HOUR]), Some(Reason::Authorization));
    for fields in [("cache-control", "no-store"), ("cache-control", "private"), ("set-cookie", "a=1"), ("vary", "*")] {
        assert_eq!(rig.refusal(&[fields]), Some(Reason::Authorization), "{fields:?}");
    }
    assert_eq!(rig.admit(500, &[]).err(), Some(Reason::Authorization));
    for directives in ["max-age=60, public", "s-maxage=60", "max-age=60, must-revalidate"] {
        let storable = rig.admit(200, &[("cache-control", directives)]).unwrap();
        assert!(storable.terms.shared_with_authorization, "{directives}");
    }
    rig.lookup.authorized = false;
    assert!(!rig.admit(200, &[HOUR]).unwrap().terms.shared_with_authorization);
}

#[test]
fn an_overriding_route_has_the_last_word_but_on_cookies_and_variants() {
    let mut rig = ttl(300);
    rig.options.origin_headers = OriginHeaders::Override;
    for directives in ["no-store", "private", "no-cache", "max-age=0", "max-age=9999, must-revalidate", "x=\""] {
        let storable = rig.admit(200, &[("cache-control", directives)]).unwrap();
        assert_eq!(storable.lifetime.as_secs(), 300, "{directives}");
        assert!(!storable.terms.always_validate && !storable.terms.never_stale, "{directives}");
    }
    let aged = rig.admit(200, &[("age", "1000")]).unwrap();
    assert_eq!((aged.lifetime.as_secs(), aged.initial_age.as_secs()), (1300, 1000), "ttl counts from the arrival");
    assert_eq!(rig.refusal(&[("set-cookie", "a=1")]), Some(Reason::SetCookie));
    assert_eq!(rig.refusal(&[("vary", "*")]), Some(Reason::VaryStar));
    rig.lookup.authorized = true;
    assert_eq!(rig.refusal(&[("cache-control", "private, must-revalidate")]), Some(Reason::Authorization));
}

#[test]
fn cookies_are_refused_stripped_or_kept() {
    let fields = [HOUR, ("set-cookie", "a=1"), ("set-cookie", "b=2")];
    let stored = |set_cookie| {
        let rig = Rig::with(|options| options.set_cookie = set_cookie);
        rig.admit(200, &fields).map(|storable| storable.headers.get_all(SET_COOKIE).iter().count())
    };
    assert_eq!(
        [SetCookie::Refuse, SetCookie::Strip, SetCookie::Keep].map(stored),
        [Err(Reason::SetCookie), Ok(0), Ok(2)]
    );
}

#[test]
fn what_is_keyed_needs_no_variant() {
    let vary = |vary_on: VaryOn, value: &str| {
        let rig = Rig::with(|options| options.vary_on = vary_on);
        rig.admit(200, &[HOUR, ("vary", value)])
            .map(|storable| storable.vary.iter().map(ToString::to_string).collect::<Vec<_>>())
    };
    let headers = |names: &[HeaderName]| VaryOn { headers: names.to_vec(), cookies: Vec::new() };
    let cookies = VaryOn { headers: Vec::new(), cookies: vec!["sid".to_owned()] };
    assert_eq!(vary(VaryOn::default(), "B, a"), Ok(vec!["a".to_owned(), "b".to_owned()]));
    assert_eq!(vary(headers(&[COOKIE]), "cookie"), Ok(Vec::new()));
    assert_eq!(vary(headers(&[AUTHORIZATION]), "authorization, a"), Ok(vec!["a".to_owned()]));
    assert_eq!(vary(headers(&[AUTHORIZATION]), "cookie"), Err(Reason::VaryCookie));
    assert_eq!(vary(cookies.clone(), "cookie"), Ok(Vec::new()));
    assert_eq!(vary(cookies, "authorization"), Err(Reason::VaryAuthorization));
}

#[test]
fn an_encoded_body_is_a_variant_though_its_origin_forgets_to_say_so() {
    let names = |vary: &[(&'static str, &str)]| {
        let fields = [&[HOUR, ("content-encoding", "gzip")], vary].concat();
        let storable = Rig::new().admit(200, &fields).unwrap();
        storable.vary.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(names(&[]), "accept-encoding");
    assert_eq!(names(&[("vary", "Accept-Encoding")]), "accept-encoding");
    assert_eq!(names(&[("vary", "origin, accept")]), "accept accept-encoding origin");
}

#[test]
fn the_selecting_fields_are_those_that_were_sent() {
    let mut rig = Rig::new();
    rig.request.headers.insert("accept-language", HeaderValue::from_static("DE"));
    let storable = rig.admit(200, &[HOUR, ("vary", "X-Absent, Accept-Language")]).unwrap();
    let shown: Vec<_> = storable.selecting.iter().map(|(name, value)| (name.as_str(), value.as_deref())).collect();
    assert_eq!(shown, [("accept-language", Some("de")), ("x-absent", None)]);
}

#[test]
fn stale_windows_of_rfc_5861() {
    let rig = Rig::with(|options| {
        options.stale_while_revalidate = Duration::from_secs(5);
        options.stale_if_error = Duration::from_secs(6);
    });
    for (directives, windows) in [
        ("max-age=60", (5, 6)),
        ("max-age=60, stale-while-revalidate=30", (30, 6)),
        ("max-age=60, stale-while-revalidate=0, stale-if-error=40", (0, 40)),
        ("max-age=60, stale-if-error=x", (5, 0)),
        ("max-age=60, stale-if-error=40, must-revalidate", (0, 0)),
        ("max-age=60, stale-if-error=40, proxy-revalidate", (0, 0)),
        ("s-maxage=60, stale-if-error=40", (0, 0)),
        ("no-cache, stale-if-error=40", (0, 0)),
        ("max-age=0, stale-while-revalidate=30", (30, 6)),
    ] {
        let storable = rig.admit(200, &[("cache-control", directives), ETAG]).unwrap();
        let stored = (storable.stale_while_revalidate.as_secs(), storable.stale_if_error.as_secs());
        assert_eq!(stored, windows, "{directives}");
    }
    assert_eq!(rig.lifetime(200, &[("cache-control", "max-age=0, stale-while-revalidate=30")]), Ok(0));
}

#[test]
fn immutable_of_rfc_8246() {
    let immutable = |fields: &[(&'static str, &str)]| Rig::new().admit(200, fields).unwrap().terms.immutable;
    for (fields, expected) in [
        (&[HOUR][..], false),
        (&[("cache-control", "max-age=60, Immutable")], true),
        (&[("cache-control", "max-age=60, immutable=\"x\"")], true),
        (&[("cache-control", "max-age=60, x=\"immutable\"")], false),
        (&[("cdn-cache-control", "max-age=60, immutable")], true),
        (&[("cdn-cache-control", "max-age=60, immutable=?0")], false),
        (&[("cdn-cache-control", "max-age=60"), ("cache-control", "immutable")], false),
    ] {
        assert_eq!(immutable(fields), expected, "{fields:?}");
    }
    let mut overriding = ttl(300);
    overriding.options.origin_headers = OriginHeaders::Override;
    assert!(!overriding.admit(200, &[("cache-control", "immutable")]).unwrap().terms.immutable);
}

#[test]
fn what_a_route_asks_of_the_body() {
    let mut rig = Rig::new();
    rig.options.store_if.content_type = vec!["application/json".to_owned()];
    assert_eq!(rig.refusal(&[HOUR, ("content-type", "Application/JSON; charset=utf-8")]), None);
    assert_eq!(rig.refusal(&[HOUR, ("content-type", "text/html")]), Some(Reason::ContentType));
    assert_eq!(rig.refusal(&[HOUR]), Some(Reason::ContentType));

    let store_if = StoreIf { min_body: 2, body_not: vec!["[]".to_owned(), " {} ".to_owned()], ..StoreIf::default() };
    assert_eq!(admit_body(&store_if, b"x"), Err(Reason::BodyTooSmall));
    assert_eq!(admit_body(&store_if, b" []\n"), Err(Reason::BodyRefused));
    assert_eq!(admit_body(&store_if, b"{}"), Err(Reason::BodyRefused));
    assert_eq!(admit_body(&store_if, b"[1]"), Ok(()));
    assert_eq!(admit_body(&StoreIf::default(), b""), Ok(()));
}

#[test]
fn what_a_head_tells_of_its_body_holds() {
    use Foreseen::{Open, Refused, Stored};
    let too_small = Refused(Reason::BodyTooSmall);
    for (min_body, body_not, length, foreseen) in [
        (0, &[][..], None, Stored),
        (0, &[], Some(0), Stored),
        (2, &[], None, Open),
        (2, &[], Some(1), too_small),
        (2, &[], Some(2), Stored),
        (0, &["null"], None, Open),
        (0, &["null"], Some(3), Stored),
        (0, &["null"], Some(4), Open),
        (0, &["null"], Some(400), Open),
        (9, &["null"], Some(4), too_small),
    ] {
        let body_not = body_not.iter().map(|&text| text.to_owned()).collect();
        let store_if = StoreIf { min_body, body_not, ..StoreIf::default() };
        assert_eq!(foresee_body(&store_if, length), foreseen, "{store_if:?} {length:?}");
    }
}

#[test]
fn a_client_can_keep_its_answer_out_rfc_9111_5_2_1_5() {
    let mut rig = Rig::new();
    rig.lookup.client = ClientTerms { no_store: true, ..ClientTerms::default() };
    assert_eq!(rig.refusal(&[HOUR]), Some(Reason::ClientCacheControl));
}

#[test]
fn a_head_is_not_stored() {
    let mut rig = Rig::new();
    rig.request.method = Method::HEAD;
    assert_eq!(rig.refusal(&[HOUR]), Some(Reason::Head));
}

mod properties;

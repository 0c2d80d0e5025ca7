//! Conditions: those the cache sends, and those it answers (RFC 9111 §4.3, RFC 9110 §13).

use http::StatusCode;
use http::header::{
    ACCEPT_RANGES, CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, DATE, ETAG,
    HeaderMap, HeaderName, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED,
};

use super::age::single_date;
use super::date::HttpDate;
use super::etag::{EntityTag, Tags};
use super::fields::remove_all;
use crate::clock::Timestamp;

/// Fields that describe a body, and have no place in a 304, which has none.
static OF_THE_BODY: [HeaderName; 9] = [
    ACCEPT_RANGES,
    CONTENT_ENCODING,
    CONTENT_LANGUAGE,
    CONTENT_LENGTH,
    CONTENT_RANGE,
    CONTENT_TYPE,
    HeaderName::from_static("content-digest"),
    HeaderName::from_static("content-md5"),
    HeaderName::from_static("repr-digest"),
];

/// What a request's conditions make of a stored response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precondition {
    /// It is sent.
    Send,
    /// The client has it already: a 304 is sent.
    NotModified,
}

/// The conditions with which a stored response is validated. Empty when it has no validator.
pub fn conditions(stored: &HeaderMap) -> HeaderMap {
    let mut conditions = HeaderMap::new();
    if let (Some(tag), Some(_)) = (stored.get(ETAG), EntityTag::of(stored)) {
        conditions.insert(IF_NONE_MATCH, tag.clone());
    }
    if let (Some(modified), Some(_)) = (stored.get(LAST_MODIFIED), last_modified(stored)) {
        conditions.insert(IF_MODIFIED_SINCE, modified.clone());
    }
    conditions
}

/// Takes the client's own conditions off a request that fills the cache: its answer must be whole.
pub fn strip_conditions(request: &mut HeaderMap) {
    remove_all(request, |name| matches!(name.as_str(), "if-none-match" | "if-modified-since" | "if-range" | "range"));
}

/// Judges a client's conditions against a stored response (RFC 9110 §13.2.2).
///
/// `If-None-Match` leaves `If-Modified-Since` out of account even when it cannot be read. A condition that cannot be
/// read, and one on a response that is no success, is passed over.
pub fn precondition(request: &HeaderMap, status: StatusCode, stored: &HeaderMap) -> Precondition {
    let by_tag = request.contains_key(IF_NONE_MATCH);
    if !by_tag && !request.contains_key(IF_MODIFIED_SINCE) || !status.is_success() {
        return Precondition::Send;
    }
    let client_has_it = if by_tag { names_stored_tag(request, stored) } else { is_not_newer(request, stored) };
    if client_has_it { Precondition::NotModified } else { Precondition::Send }
}

/// The fields that a 304 carries (RFC 9110 §15.4.5): all but those of the body, and `Last-Modified` only where there is
/// no stronger validator.
pub fn not_modified_headers(stored: &HeaderMap) -> HeaderMap {
    let mut headers = stored.clone();
    for name in &OF_THE_BODY {
        headers.remove(name);
    }
    if headers.contains_key(ETAG) {
        headers.remove(LAST_MODIFIED);
    }
    headers
}

/// Whether [`conditions`] has anything to ask.
pub(super) fn has_validator(response: &HeaderMap) -> bool {
    EntityTag::of(response).is_some() || last_modified(response).is_some()
}

/// The stored response's `Last-Modified`.
pub(super) fn last_modified(stored: &HeaderMap) -> Option<HttpDate> {
    // Where it is not there no other date need be read for its century.
    stored.get(LAST_MODIFIED)?;
    single_date(stored, &LAST_MODIFIED, century(stored))
}

/// A date near enough to now to tell the century of a two-digit year: a stored response always has a `Date`.
pub(super) fn century(stored: &HeaderMap) -> HttpDate {
    /// 1 January 2025.
    const RECENTLY: Timestamp = Timestamp::from_secs(1_735_689_600);
    let recently = HttpDate::of(RECENTLY);
    single_date(stored, &DATE, recently).unwrap_or(recently)
}

/// RFC 9110 §13.1.2, with the weak comparison.
fn names_stored_tag(request: &HeaderMap, stored: &HeaderMap) -> bool {
    match Tags::read(request, &IF_NONE_MATCH) {
        None => false,
        Some(Tags::Any) => true,
        Some(Tags::Listed(tags)) => {
            EntityTag::of(stored).is_some_and(|stored| tags.iter().any(|tag| tag.matches_weakly(&stored)))
        }
    }
}

/// RFC 9110 §13.1.3. A stored response without `Last-Modified` is as new as its `Date` (RFC 9111 §4.3.2).
fn is_not_newer(request: &HeaderMap, stored: &HeaderMap) -> bool {
    let century = century(stored);
    let name = if stored.contains_key(LAST_MODIFIED) { &LAST_MODIFIED } else { &DATE };
    let since = single_date(request, &IF_MODIFIED_SINCE, century);
    since.zip(single_date(stored, name, century)).is_some_and(|(since, modified)| modified <= since)
}

#[cfg(test)]
mod tests {
    use http::header::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    const DATE_LINE: (&str, &str) = ("date", "Sun, 06 Nov 1994 09:00:00 GMT");
    const MODIFIED: (&str, &str) = ("last-modified", "Sun, 06 Nov 1994 08:49:37 GMT");
    const STRONG: (&str, &str) = ("etag", "\"a,b\"");
    const WEAK: (&str, &str) = ("etag", "W/\"a,b\"");

    fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    fn is_304(request: &[(&'static str, &'static str)], stored: &[(&'static str, &'static str)]) -> bool {
        precondition(&headers(request), StatusCode::OK, &headers(stored)) == Precondition::NotModified
    }

    #[test]
    fn if_none_match_of_rfc_9110_13_1_2() {
        for (value, matches) in [
            ("\"a,b\"", true),
            ("W/\"a,b\"", true),
            ("\"x\", W/\"y\" , \"a,b\"", true),
            ("\"a,b\",\"x\"", true),
            ("*", true),
            ("\"a\", \"b\"", false),
            ("\"x\"", false),
            ("a,b", false),
            ("\"a,b", false),
            ("\"a,b\" \"x\"", false),
            ("x, \"a,b\"", false),
            ("w/\"a,b\"", false),
            ("", false),
        ] {
            for stored in [STRONG, WEAK] {
                assert_eq!(is_304(&[("if-none-match", value)], &[stored]), matches, "{value} and {stored:?}");
            }
        }
        assert!(!is_304(&[("if-none-match", "\"x\"")], &[]));
        assert!(!is_304(&[("if-none-match", "a")], &[("etag", "a")]));
        assert!(is_304(&[("if-none-match", "\"x\""), ("if-none-match", "\"a,b\"")], &[STRONG]));
    }

    #[test]
    fn if_modified_since_of_rfc_9110_13_1_3() {
        for (value, matches) in [
            ("Sun, 06 Nov 1994 08:49:37 GMT", true),
            ("Sun, 06 Nov 1994 08:49:38 GMT", true),
            ("Sunday, 06-Nov-94 08:49:37 GMT", true),
            ("Sun Nov  6 08:49:37 1994", true),
            ("Sun, 06 Nov 1994 08:49:36 GMT", false),
            ("Sun, 06 Nov 1994 08:49:37 UTC", false),
            ("0", false),
        ] {
            assert_eq!(is_304(&[("if-modified-since", value)], &[DATE_LINE, MODIFIED]), matches, "{value}");
        }
        let since = ("if-modified-since", "Sun, 06 Nov 1994 09:00:00 GMT");
        assert!(is_304(&[since], &[DATE_LINE]), "without Last-Modified, Date stands in (RFC 9111 §4.3.2)");
        assert!(!is_304(&[since], &[DATE_LINE, ("last-modified", "long ago")]));
        assert!(!is_304(&[since, since], &[DATE_LINE, MODIFIED]));
        assert!(!is_304(&[since], &[]));
    }

    #[test]
    fn if_none_match_comes_first_rfc_9110_13_2_2() {
        let since = ("if-modified-since", "Sun, 06 Nov 1994 09:00:00 GMT");
        for tag in ["\"x\"", "x"] {
            assert!(!is_304(&[since, ("if-none-match", tag)], &[DATE_LINE, MODIFIED, STRONG]), "{tag}");
        }
        let before = ("if-modified-since", "Sun, 06 Nov 1994 01:00:00 GMT");
        assert!(is_304(&[before, ("if-none-match", "\"a,b\"")], &[MODIFIED, STRONG]));
    }

    #[test]
    fn only_a_success_turns_into_a_304_rfc_9110_13_2_1() {
        let request = headers(&[("if-none-match", "*")]);
        let at = |status| precondition(&request, StatusCode::from_u16(status).unwrap(), &headers(&[STRONG]));
        assert_eq!(at(203), Precondition::NotModified);
        assert_eq!([301, 404, 500].map(at), [Precondition::Send; 3]);
        assert_eq!(precondition(&HeaderMap::new(), StatusCode::OK, &headers(&[STRONG])), Precondition::Send);
    }

    #[test]
    fn every_validator_that_is_one_is_sent_rfc_9111_4_3_1() {
        let sent = conditions(&headers(&[WEAK, MODIFIED]));
        assert_eq!(sent, headers(&[("if-none-match", WEAK.1), ("if-modified-since", MODIFIED.1)]));
        for none in [&[][..], &[("etag", "a")], &[("last-modified", "0")], &[STRONG, WEAK]] {
            assert!(conditions(&headers(none)).is_empty(), "{none:?}");
            assert!(!has_validator(&headers(none)), "{none:?}");
        }
    }

    #[test]
    fn a_fill_asks_for_the_whole() {
        let mut request = headers(&[
            ("if-none-match", "*"),
            ("if-modified-since", "x"),
            ("if-range", "x"),
            ("range", "bytes=0-1"),
            ("accept", "*/*"),
        ]);
        strip_conditions(&mut request);
        assert_eq!(request, headers(&[("accept", "*/*")]));
    }

    #[test]
    fn fields_of_a_304_rfc_9110_15_4_5() {
        let kept = [
            DATE_LINE,
            STRONG,
            ("vary", "a"),
            ("cache-control", "max-age=1"),
            ("expires", "0"),
            ("content-location", "/"),
        ];
        let mut stored = kept.to_vec();
        stored.extend([("content-type", "a/b"), ("content-encoding", "gzip"), MODIFIED]);
        assert_eq!(not_modified_headers(&headers(&stored)), headers(&kept));
        assert!(not_modified_headers(&headers(&[MODIFIED])).contains_key("last-modified"));
    }

    proptest! {
        #[test]
        fn no_request_upsets_it(tag in "[ -~]{0,30}", since in "[ -~]{0,30}", etag in "[ -~]{0,12}") {
            let value = |text: &str| HeaderValue::from_str(text).unwrap();
            let request = HeaderMap::from_iter([(IF_NONE_MATCH, value(&tag)), (IF_MODIFIED_SINCE, value(&since))]);
            let stored = HeaderMap::from_iter([(ETAG, value(&etag))]);
            let _ = precondition(&request, StatusCode::OK, &stored);
            let _ = conditions(&stored);
        }

        #[test]
        fn a_client_that_has_it_gets_a_304(tag in "(W/)?\"[!#-~]{0,20}\"", other in "\"[!#-~]{0,20}\"") {
            let stored = HeaderMap::from_iter([(ETAG, HeaderValue::from_str(&tag).unwrap())]);
            let list = HeaderValue::from_str(&format!("{other}, {tag}")).unwrap();
            let request = HeaderMap::from_iter([(IF_NONE_MATCH, list)]);
            prop_assert_eq!(precondition(&request, StatusCode::OK, &stored), Precondition::NotModified);
        }
    }
}

//! A response in the form in which it is stored.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use http::header::{AGE, CONTENT_LENGTH, DATE, HeaderMap, HeaderName, SET_COOKIE, TRAILER};

use super::date::HttpDate;
use super::directives::Directives;
use super::{Portion, SetCookie, Times, fields, portion, variant_of};
use crate::clock::Timestamp;
use crate::entry::{Entry, Meta, Terms};
use crate::invalidation::{Category, Tag};
use crate::key::{Key, VariantId};

/// A response as it is stored; its body is still to come.
#[derive(Clone, Debug)]
pub struct Storable {
    /// The status.
    pub status: StatusCode,
    /// When the request was sent.
    pub requested_at: Timestamp,
    /// When the head arrived.
    pub received_at: Timestamp,
    /// Age on arrival (RFC 9111 §4.2.3).
    pub initial_age: Duration,
    /// Freshness lifetime (RFC 9111 §4.2.1), clamped by the route.
    pub lifetime: Duration,
    /// How long past its lifetime it may be served while it is refreshed.
    pub stale_while_revalidate: Duration,
    /// How long past its lifetime it may be served when the upstream fails.
    pub stale_if_error: Duration,
    /// What its directives forbid and allow.
    pub terms: Terms,
    /// The request fields that select it among variants, in the order of their names, without those that are part of
    /// the key.
    pub vary: Vec<HeaderName>,
    /// Their normalised values in the request.
    pub selecting: Vec<(HeaderName, Option<String>)>,
    /// The cache groups that it belongs to (RFC 9875).
    pub groups: Vec<String>,
    /// The fields that are stored.
    pub headers: HeaderMap,
}

impl Storable {
    /// How old the response may become and still answer others without being validated: its lifetime, and the time in
    /// which it may be served while it is refreshed. `None` when it must be validated before every use.
    pub fn reusable_to(&self) -> Option<Duration> {
        let window = if self.terms.never_stale { Duration::ZERO } else { self.stale_while_revalidate };
        (!self.terms.always_validate).then(|| self.lifetime.saturating_add(window))
    }

    /// Its place among the variants of its key, where there are any: the fields that select one, and which it is.
    pub fn variant(&self) -> Option<(Arc<[HeaderName]>, VariantId)> {
        (!self.vary.is_empty()).then(|| (self.vary.as_slice().into(), variant_of(&self.selecting)))
    }

    /// Cuts the lifetime short, so that what is stored in one moment does not expire in one.
    pub fn spread(&mut self, jitter: Portion, key: &Key) {
        self.lifetime = portion::spread(self.lifetime, self.initial_age, jitter, key, self.received_at);
    }

    /// The entry, once the body is complete.
    pub fn into_entry(self, key: Key, category: Option<Category>, tags: Vec<Tag>, body: Bytes) -> Entry {
        let meta = Meta {
            key,
            status: self.status,
            requested_at: self.requested_at,
            received_at: self.received_at,
            initial_age: self.initial_age,
            lifetime: self.lifetime,
            stale_while_revalidate: self.stale_while_revalidate,
            stale_if_error: self.stale_if_error,
            terms: self.terms,
            selecting: self.selecting,
            category,
            tags,
        };
        Entry::new(meta, &self.headers, body)
    }
}

/// The fields of a response that are stored (RFC 9111 §3.1): all but those of its connection, of its framing, and those
/// that the origin or the route keeps out. Trailers are not stored, so nothing announces them. A response without a
/// `Date` gets one (RFC 9110 §6.6.1).
pub(super) fn stored_headers(
    response: &HeaderMap,
    directives: &Directives,
    times: Times,
    set_cookie: SetCookie,
) -> HeaderMap {
    let mut headers = response.clone();
    fields::strip_hop_by_hop(&mut headers);
    for name in [AGE, CONTENT_LENGTH, TRAILER].iter().chain(directives.withheld()) {
        headers.remove(name);
    }
    if set_cookie == SetCookie::Strip {
        headers.remove(SET_COOKIE);
    }
    if !headers.contains_key(DATE) {
        headers.insert(DATE, HttpDate::of(times.received_at).to_value());
    }
    headers
}

#[cfg(test)]
mod tests {
    use http::header::HeaderValue;

    use super::*;

    const NOW: Times =
        Times { requested_at: Timestamp::from_secs(784_111_777), received_at: Timestamp::from_secs(784_111_777) };

    fn stored(fields: &[(&'static str, &'static str)], set_cookie: SetCookie) -> Vec<(String, String)> {
        let response: HeaderMap = fields
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect();
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, HeaderValue::from_static(value));
        }
        let kept = stored_headers(&headers, &Directives::read(&response, &[]), NOW, set_cookie);
        kept.iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect()
    }

    #[test]
    fn end_to_end_fields_are_stored_with_every_line_rfc_9111_3_1() {
        let fields = [
            ("date", "Sun, 06 Nov 1994 08:49:37 GMT"),
            ("cache-control", "max-age=60"),
            ("cdn-cache-control", "max-age=60"),
            ("content-range", "bytes 0-1/2"),
            ("content-security-policy", "default-src 'none'"),
            ("clear-site-data", "\"cookies\""),
            ("etag", "\"1\""),
            ("set-cookie", "a=1"),
            ("set-cookie", "b=2"),
            ("x-unknown", ""),
        ];
        let mut expected: Vec<_> = fields.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        let mut kept = stored(&fields, SetCookie::Keep);
        expected.sort();
        kept.sort();
        assert_eq!(kept, expected);
    }

    #[test]
    fn fields_of_the_connection_and_the_framing_are_not() {
        let fields = [
            ("date", "Sun, 06 Nov 1994 08:49:37 GMT"),
            ("age", "5"),
            ("connection", "x-hop, date"),
            ("content-length", "5"),
            ("keep-alive", "timeout=5"),
            ("proxy-authenticate", "Basic"),
            ("proxy-authentication-info", "x"),
            ("proxy-authorization", "x"),
            ("te", "trailers"),
            ("trailer", "x"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "h2c"),
            ("x-hop", "1"),
        ];
        assert_eq!(stored(&fields, SetCookie::Keep).len(), 1);
    }

    #[test]
    fn what_the_origin_withholds_is_not_stored() {
        let fields = [
            ("cache-control", "max-age=60, private=\"x-user\", no-cache=\"x-cart\""),
            ("date", "Sun, 06 Nov 1994 08:49:37 GMT"),
            ("x-user", "me"),
            ("x-cart", "7"),
        ];
        let names: Vec<_> = stored(&fields, SetCookie::Keep).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["cache-control", "date"]);
    }

    #[test]
    fn a_date_is_added_where_there_is_none_rfc_9110_6_6_1() {
        let date = ("date".to_owned(), "Sun, 06 Nov 1994 08:49:37 GMT".to_owned());
        assert_eq!(stored(&[], SetCookie::Refuse), [date]);
        assert_eq!(stored(&[("date", "x")], SetCookie::Refuse), [("date".to_owned(), "x".to_owned())]);
    }

    #[test]
    fn cookies_are_stripped_on_request() {
        assert_eq!(stored(&[("date", "x"), ("set-cookie", "a=1")], SetCookie::Strip).len(), 1);
    }
}

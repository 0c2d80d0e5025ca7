//! What an answer to a validation means for the stored response (RFC 9111 §4.3.3, §4.3.4), and what its absence means.

use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, DATE, ETAG, HeaderMap, HeaderName, LAST_MODIFIED};
use http::{Method, StatusCode, request, response};

use super::date::HttpDate;
use super::etag::EntityTag;
use super::validate::last_modified;
use super::{Admission, ClientTerms, Lookup, Options, Storable, Times, admit, fields};
use crate::clock::Timestamp;
use crate::entry::{Entry, Meta};
use crate::outcome::Reason;

/// Fields of a 304 that are not taken over: they describe the framing or the coding of a body, and the stored body
/// stays as it is (RFC 9111 §3.2).
static OF_THE_STORED_BODY: [HeaderName; 3] = [CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE];

/// What becomes of a stored response whose validation was answered.
#[derive(Clone, Debug)]
pub enum After {
    /// It is as good as new: its body goes with this head, and both are stored again unless the client said `no-store`.
    Freshen(Box<Storable>),
    /// The answer takes its place; [`admit`] judges it like any other.
    Replace,
    /// It is served stale in place of the answer.
    ServeStale(Reason),
    /// Neither the answer nor what is stored can be used: the request is sent again without conditions, and if that
    /// answer is not stored, what was stored goes too.
    Refetch,
}

/// What becomes of a stored GET when a HEAD that was sent on is answered.
#[derive(Clone, Debug)]
pub enum AfterHead {
    /// It is as good as new, under this head.
    Freshen(Box<Storable>),
    /// It no longer stands, and must not answer anybody as it is.
    Outdate,
    /// It is served stale in place of the answer.
    ServeStale(Reason),
    /// The answer says nothing about it.
    Nothing,
}

/// Decides what the answer to a validation of `stored` means. `request` is the one that was sent upstream.
pub fn after(
    request: &request::Parts,
    lookup: &Lookup,
    stored: &Entry,
    response: &response::Parts,
    times: Times,
    options: &Options,
) -> After {
    match response.status {
        StatusCode::NOT_MODIFIED if is_about(stored.headers(), &response.headers) => {
            freshen(request, lookup, stored, response, times, options).map_or(After::Refetch, After::Freshen)
        }
        StatusCode::NOT_MODIFIED => After::Refetch,
        status if is_failure(status) => {
            on_failure(stored.meta(), times.received_at).map_or(After::Replace, After::ServeStale)
        }
        _ => After::Replace,
    }
}

/// Decides what the answer to a HEAD means for a stored GET that could not answer it (RFC 9111 §4.3.5). What is not 200
/// has no bearing on it.
pub fn after_head(
    request: &request::Parts,
    lookup: &Lookup,
    stored: &Entry,
    response: &response::Parts,
    times: Times,
    options: &Options,
) -> AfterHead {
    match response.status {
        StatusCode::OK if still_stands(stored, &response.headers) => {
            freshen(request, lookup, stored, response, times, options).map_or(AfterHead::Outdate, AfterHead::Freshen)
        }
        StatusCode::OK => AfterHead::Outdate,
        status if is_failure(status) => {
            on_failure(stored.meta(), times.received_at).map_or(AfterHead::Nothing, AfterHead::ServeStale)
        }
        _ => AfterHead::Nothing,
    }
}

/// The errors that a stale response may cover (RFC 5861 §4).
fn is_failure(status: StatusCode) -> bool {
    matches!(status.as_u16(), 500 | 502 | 503 | 504)
}

/// Whether a stored response may be served because the upstream could not be reached (RFC 5861 §4).
pub fn on_failure(stored: &Meta, now: Timestamp) -> Option<Reason> {
    let forbidden = stored.terms.never_stale || stored.terms.always_validate || stored.stale_if_error.is_zero();
    let covered = stored.lifetime.saturating_add(stored.stale_if_error) > stored.age(now);
    (covered && !forbidden).then_some(Reason::StaleIfError)
}

/// The stored response under its new head, if that may still be stored.
fn freshen(
    request: &request::Parts,
    lookup: &Lookup,
    stored: &Entry,
    response: &response::Parts,
    times: Times,
    options: &Options,
) -> Option<Box<Storable>> {
    // A client's `no-store` says nothing about what is stored: it still answers, and whoever would store it again heeds it.
    let lookup = Lookup { client: ClientTerms::default(), ..lookup.clone() };
    let mut request = request.clone();
    // What is stored answered a GET, whatever freshens it.
    request.method = Method::GET;
    let mut merged = response.clone();
    merged.status = stored.meta().status;
    merged.headers = merge(stored.headers(), &response.headers, times);
    match admit(&request, &lookup, &merged, times, options) {
        Admission::Store(storable) => Some(storable),
        Admission::Skip(_) => None,
    }
}

/// The stored fields, each replaced with all its lines where the answer has it (RFC 9111 §3.2). The new `Date`, or the
/// time of receipt where there is none, and the answer's `Age` start the age anew.
fn merge(stored: &HeaderMap, answer: &HeaderMap, times: Times) -> HeaderMap {
    let mut news = answer.clone();
    fields::strip_hop_by_hop(&mut news);
    for name in &OF_THE_STORED_BODY {
        news.remove(name);
    }
    let mut merged = stored.clone();
    for name in news.keys() {
        merged.remove(name);
        for value in news.get_all(name) {
            merged.append(name, value.clone());
        }
    }
    if !news.contains_key(DATE) {
        merged.insert(DATE, HttpDate::of(times.received_at).to_value());
    }
    merged
}

/// Whether a 304 is about the stored response (RFC 9111 §4.3.4). It names it by a tag, where both have one: a strong
/// one must be equal strongly. Without tags the dates of modification must not differ.
fn is_about(stored: &HeaderMap, answer: &HeaderMap) -> bool {
    if answer.contains_key(ETAG) && stored.contains_key(ETAG) {
        let tags = EntityTag::of(stored).zip(EntityTag::of(answer));
        return tags.is_some_and(|(stored, answer)| {
            if answer.is_strong() { answer.matches_strongly(&stored) } else { answer.matches_weakly(&stored) }
        });
    }
    !answer.contains_key(LAST_MODIFIED)
        || !stored.contains_key(LAST_MODIFIED)
        || last_modified(stored) == last_modified(answer)
}

/// Whether the answer to a HEAD has the validators and the length of the stored response (RFC 9111 §4.3.5).
fn still_stands(stored: &Entry, answer: &HeaderMap) -> bool {
    let headers = stored.headers();
    let same = |name: &HeaderName| headers.get_all(name).iter().eq(answer.get_all(name).iter());
    let length = stored.body().len().to_string();
    let same_length = answer.get(CONTENT_LENGTH).is_none_or(|value| value.as_bytes() == length.as_bytes());
    stored.meta().terms.has_validator && same(&ETAG) && same(&LAST_MODIFIED) && same(&CONTENT_ENCODING) && same_length
}

#[cfg(test)]
mod tests;

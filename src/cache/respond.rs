//! Answers from what is stored, and the header fields that say what the cache did.

use bytes::Bytes;
use http::header::{
    ACCEPT_RANGES, AGE, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue,
};
use http::{Response, StatusCode};
use http_body::Body as _;

use super::ResponseBody;
use super::body::Body;
use crate::clock::Timestamp;
use crate::entry::{Entry, Stamp};
use crate::key::Key;
use crate::outcome::{Outcome, Reason};
use crate::policy::{self, Precondition, RangeAnswer};
use crate::route::Table;

const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");
const X_CACHE: HeaderName = HeaderName::from_static("x-cache");

/// Which header fields tell the client what the cache did.
#[derive(Clone, Copy, Debug)]
pub(super) struct Signs {
    x_cache: bool,
    expose_key: bool,
}

impl Signs {
    fn bits(self) -> u8 {
        u8::from(self.x_cache) | u8::from(self.expose_key) << 1
    }

    pub(super) fn of(table: &Table) -> Self {
        Self { x_cache: table.says_x_cache(), expose_key: table.exposes_key() }
    }

    /// Writes `Cache-Status`, after an upstream's own, and `X-Cache`.
    pub(super) fn write(self, headers: &mut HeaderMap, outcome: &Outcome, key: Option<&Key>) {
        let key = key.filter(|_| self.expose_key).map(Key::as_str);
        headers.append(CACHE_STATUS, outcome.cache_status(key));
        if self.x_cache {
            headers.insert(X_CACHE, HeaderValue::from_static(outcome.word()));
        }
    }
}

/// A request's side of an answer from the store.
pub(super) struct Reply<'a> {
    pub(super) request: &'a HeaderMap,
    pub(super) head: bool,
    /// The request asks for no part and knows no copy.
    pub(super) plain: bool,
    pub(super) signs: Signs,
    pub(super) key: &'a Key,
    pub(super) now: Timestamp,
}

impl Reply<'_> {
    /// The answer that a stored response gives: the whole of it, a part, or the news that the client's copy is good.
    pub(super) fn with_entry<RB: ResponseBody, E: Send + 'static>(
        &self,
        entry: &Entry,
        outcome: &Outcome,
    ) -> Response<Body<RB, E>> {
        let meta = entry.meta();
        if self.plain && !self.head && outcome.is_hit() {
            return self.prepared(entry, outcome);
        }
        let mut answer = match policy::precondition(self.request, meta.status, entry.headers()) {
            Precondition::NotModified => not_modified(entry.headers()),
            Precondition::Send => self.part(entry).unwrap_or_else(|| whole(entry)),
        };
        self.sign(entry, outcome, answer.headers_mut());
        if self.head {
            let length = answer.body().size_hint().exact().unwrap_or_default();
            if answer.status() != StatusCode::NOT_MODIFIED {
                answer.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(length));
            }
            *answer.body_mut() = Body::empty();
        }
        answer
    }

    fn sign(&self, entry: &Entry, outcome: &Outcome, headers: &mut HeaderMap) {
        headers.insert(AGE, HeaderValue::from(entry.meta().age(self.now).as_secs()));
        self.signs.write(headers, outcome, Some(self.key));
    }

    /// The whole of a fresh stored response, by the way that most hits go: within one second they carry the same fields,
    /// which are written once.
    fn prepared<RB: ResponseBody, E: Send + 'static>(&self, entry: &Entry, outcome: &Outcome) -> Response<Body<RB, E>> {
        let stamp = Stamp { age: entry.meta().age(self.now).as_secs(), ttl: outcome.ttl, signs: self.signs.bits() };
        let mut answer = Response::new(Body::whole(entry.body().clone()));
        *answer.status_mut() = entry.meta().status;
        *answer.headers_mut() = entry.prepared(stamp, |headers| self.sign(entry, outcome, headers));
        answer
    }

    /// The part that a Range asks for, when it asks for one.
    fn part<RB: ResponseBody, E: Send + 'static>(&self, entry: &Entry) -> Option<Response<Body<RB, E>>> {
        if self.head || !self.request.contains_key(http::header::RANGE) {
            return None;
        }
        let length = entry.body().len() as u64;
        let (start, end) = match policy::range(self.request, entry.meta().status, entry.headers(), length) {
            RangeAnswer::Full => return None,
            RangeAnswer::Unsatisfiable => return Some(unsatisfiable(entry.headers(), length)),
            RangeAnswer::Part { start, end } => (start, end),
        };
        let bytes = usize::try_from(start).ok()?..=usize::try_from(end).ok()?;
        let mut answer = Response::new(Body::whole(entry.body().slice(bytes)));
        *answer.headers_mut() = entry.headers().clone();
        partial(&mut answer, start, end, length);
        Some(answer)
    }
}

/// Makes an answer one with a part (RFC 9110 §15.3.7).
pub(super) fn partial<B>(answer: &mut Response<B>, start: u64, end: u64, length: u64) {
    *answer.status_mut() = StatusCode::PARTIAL_CONTENT;
    if let Ok(range) = HeaderValue::try_from(format!("bytes {start}-{end}/{length}")) {
        answer.headers_mut().insert(CONTENT_RANGE, range);
    }
}

fn whole<RB: ResponseBody, E: Send + 'static>(entry: &Entry) -> Response<Body<RB, E>> {
    let mut answer = Response::new(Body::whole(entry.body().clone()));
    *answer.status_mut() = entry.meta().status;
    *answer.headers_mut() = entry.headers().clone();
    answer
}

/// The news that a response has no such part (RFC 9110 §15.5.17).
pub(super) fn unsatisfiable<RB: ResponseBody, E: Send + 'static>(
    stored: &HeaderMap,
    length: u64,
) -> Response<Body<RB, E>> {
    let mut answer = Response::new(Body::empty());
    *answer.status_mut() = StatusCode::RANGE_NOT_SATISFIABLE;
    *answer.headers_mut() = policy::not_modified_headers(stored);
    answer.headers_mut().insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    if let Ok(range) = HeaderValue::try_from(format!("bytes */{length}")) {
        answer.headers_mut().insert(CONTENT_RANGE, range);
    }
    answer
}

/// The news that the client's copy is good (RFC 9110 §15.4.5).
pub(super) fn not_modified<RB: ResponseBody, E: Send + 'static>(stored: &HeaderMap) -> Response<Body<RB, E>> {
    let mut answer = Response::new(Body::empty());
    *answer.status_mut() = StatusCode::NOT_MODIFIED;
    *answer.headers_mut() = policy::not_modified_headers(stored);
    answer
}

/// An answer of the cache's own: what is wrong, in one line of JSON.
pub(super) fn refusal<RB: ResponseBody, E: Send + 'static>(
    status: StatusCode,
    error: &str,
    reason: Reason,
) -> Response<Body<RB, E>> {
    // The texts are constants of this crate without quotes in them.
    let text = format!("{{\"error\":\"{error}\",\"reason\":\"{}\"}}\n", reason.token());
    let mut answer = Response::new(Body::whole(Bytes::from(text)));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

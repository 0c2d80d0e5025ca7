//! Conditions: those the cache sends, and those it answers (RFC 9111 §4.3, RFC 9110 §13).

use http::StatusCode;
use http::header::{ETAG, HeaderMap, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, LAST_MODIFIED, RANGE};

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
    if let Some(tag) = stored.get(ETAG) {
        conditions.insert(IF_NONE_MATCH, tag.clone());
    }
    if let Some(modified) = stored.get(LAST_MODIFIED) {
        conditions.insert(IF_MODIFIED_SINCE, modified.clone());
    }
    conditions
}

/// Takes the client's own conditions off a request that fills the cache: its answer must be whole.
pub fn strip_conditions(request: &mut HeaderMap) {
    for name in [IF_NONE_MATCH, IF_MODIFIED_SINCE, IF_RANGE, RANGE] {
        request.remove(name);
    }
}

/// Judges a client's conditions against a stored response (RFC 9110 §13.2.2).
pub fn precondition(request: &HeaderMap, status: StatusCode, stored: &HeaderMap) -> Precondition {
    let matches = request.get(IF_NONE_MATCH).is_some_and(|tag| stored.get(ETAG) == Some(tag));
    if status.is_success() && matches { Precondition::NotModified } else { Precondition::Send }
}

/// The fields that a 304 carries (RFC 9110 §15.4.5).
pub fn not_modified_headers(stored: &HeaderMap) -> HeaderMap {
    stored.clone()
}

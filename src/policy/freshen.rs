//! What an answer to a validation means for the stored response (RFC 9111 §4.3.3, §4.3.4), and what its absence means.

use http::{StatusCode, request, response};

use super::{Admission, Lookup, Options, Storable, Times, admit};
use crate::clock::Timestamp;
use crate::entry::{Entry, Meta};
use crate::outcome::Reason;

/// What becomes of a stored response whose validation was answered.
#[derive(Clone, Debug)]
pub enum After {
    /// It is as good as new: its body goes with this head, and both are stored again.
    Freshen(Box<Storable>),
    /// The answer takes its place; [`admit`] judges it like any other.
    Replace,
    /// It is served stale in place of the answer.
    ServeStale(Reason),
    /// The answer cannot be used and neither can what is stored: the request is sent again without conditions, and
    /// if that answer is not stored, what was stored goes too.
    Refetch,
}

/// Decides what the answer to a validation of `stored` means.
pub fn after(
    request: &request::Parts,
    lookup: &Lookup,
    stored: &Entry,
    response: &response::Parts,
    times: Times,
    options: &Options,
) -> After {
    match response.status {
        StatusCode::NOT_MODIFIED => {
            let mut merged = response.clone();
            merged.status = stored.meta().status;
            merged.headers = stored.headers().clone();
            match admit(request, lookup, &merged, times, options) {
                Admission::Store(storable) => After::Freshen(storable),
                Admission::Skip(_) => After::Refetch,
            }
        }
        StatusCode::INTERNAL_SERVER_ERROR
        | StatusCode::BAD_GATEWAY
        | StatusCode::SERVICE_UNAVAILABLE
        | StatusCode::GATEWAY_TIMEOUT => {
            on_failure(stored.meta(), times.received_at).map_or(After::Replace, After::ServeStale)
        }
        _ => After::Replace,
    }
}

/// Whether a stored response may be served because the upstream could not be reached (RFC 5861 §4).
pub fn on_failure(stored: &Meta, now: Timestamp) -> Option<Reason> {
    let forbidden = stored.terms.never_stale || stored.terms.always_validate;
    let covered = stored.lifetime.saturating_add(stored.stale_if_error) > stored.age(now);
    (!forbidden && !stored.stale_if_error.is_zero() && covered).then_some(Reason::StaleIfError)
}

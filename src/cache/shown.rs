//! The head of a fetched response, as those who share it see it.

use http::header::{CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue};
use http::{StatusCode, Version};

use crate::policy;

/// The head of a response that may be shared.
pub(super) struct Shown {
    pub(super) status: StatusCode,
    pub(super) version: Version,
    /// The fields as the upstream sent them, for the request that caused the fetch.
    pub(super) original: HeaderMap,
    /// The fields that everybody may have.
    pub(super) shared: HeaderMap,
    pub(super) vary: Vec<HeaderName>,
    pub(super) selecting: Vec<(HeaderName, Option<String>)>,
    pub(super) content_length: Option<u64>,
    pub(super) max_body: u64,
    pub(super) stored: bool,
}

impl Shown {
    /// Whether the response answers a request with these fields too (RFC 9111 §4.1).
    pub(super) fn suits(&self, request: &HeaderMap) -> bool {
        self.vary.is_empty() || policy::selecting(&self.vary, request) == self.selecting
    }

    /// The fields for a request: the upstream's own for the one that caused the fetch, the shared ones for others.
    pub(super) fn fields(&self, leads: bool) -> HeaderMap {
        if leads {
            return self.original.clone();
        }
        let mut fields = self.shared.clone();
        if let Some(length) = self.content_length {
            fields.insert(CONTENT_LENGTH, HeaderValue::from(length));
        }
        fields
    }

    /// How much of the body is held at most.
    pub(super) fn window(&self) -> u64 {
        self.max_body
    }
}

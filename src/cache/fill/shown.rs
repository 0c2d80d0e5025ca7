//! The head of a fetched response, as those who share it see it.

use http::header::{CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue};
use http::{StatusCode, Version};

use crate::policy;

/// The head of a response that may be shared.
#[derive(Default)]
pub(in crate::cache) struct Shown {
    pub(in crate::cache) status: StatusCode,
    pub(in crate::cache) version: Version,
    /// The fields as the upstream sent them, for the request that caused the fetch.
    pub(in crate::cache) original: HeaderMap,
    /// The fields that everybody may have.
    pub(in crate::cache) shared: HeaderMap,
    pub(in crate::cache) vary: Vec<HeaderName>,
    pub(in crate::cache) selecting: Vec<(HeaderName, Option<String>)>,
    pub(in crate::cache) content_length: Option<u64>,
    pub(in crate::cache) max_body: u64,
    pub(in crate::cache) stored: bool,
}

impl Shown {
    /// Whether the response answers a request with these fields too (RFC 9111 §4.1).
    pub(in crate::cache) fn suits(&self, request: &HeaderMap) -> bool {
        self.vary.is_empty() || policy::selecting(&self.vary, request) == self.selecting
    }

    /// The fields for a request: the upstream's own for the one that caused the fetch, the shared ones for others.
    pub(in crate::cache) fn fields(&self, leads: bool) -> HeaderMap {
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
    pub(in crate::cache) fn window(&self) -> u64 {
        self.max_body
    }
}

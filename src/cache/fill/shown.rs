//! The head of a fetched response, as those who share it see it.

use std::time::Duration;

use http::header::{AGE, CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue, TRAILER};
use http::{Extensions, StatusCode, Version, response};

use crate::clock::Timestamp;
use crate::outcome::Reason;
use crate::policy::{self, Foreseen, Storable};

/// The head of a response that may be shared.
#[derive(Default)]
pub(in crate::cache) struct Shown {
    pub(in crate::cache) status: StatusCode,
    pub(in crate::cache) version: Version,
    /// The fields that everybody may have.
    pub(in crate::cache) shared: HeaderMap,
    pub(in crate::cache) content_length: Option<u64>,
    /// Why the response is not being stored, if that is known.
    pub(in crate::cache) unstored: Option<Reason>,
    /// Whether nothing but the end of its body can keep it out of the store.
    sure: bool,
    /// What the upstream sent, for the request that caused the fetch.
    original: HeaderMap,
    extensions: Extensions,
    vary: Vec<HeaderName>,
    selecting: Vec<(HeaderName, Option<String>)>,
    received_at: Timestamp,
    initial_age: Duration,
    reusable_to: Option<Duration>,
    max_body: u64,
}

impl Shown {
    /// A head as the upstream sent it, and as it may be stored.
    pub(in crate::cache) fn new(
        head: response::Parts,
        storable: &Storable,
        content_length: Option<u64>,
        max_body: u64,
        unstored: Option<Reason>,
        foreseen: Foreseen,
    ) -> Self {
        Self {
            status: head.status,
            version: head.version,
            shared: storable.headers.clone(),
            content_length,
            unstored,
            sure: unstored.is_none() && foreseen == Foreseen::Stored,
            original: head.headers,
            extensions: head.extensions,
            vary: storable.vary.clone(),
            selecting: storable.selecting.clone(),
            received_at: storable.received_at,
            initial_age: storable.initial_age,
            reusable_to: storable.reusable_to(),
            max_body,
        }
    }

    /// Whether it is said to be stored: that is not promised where the body has yet to be judged. One that breaks off, or
    /// that without a length passes `max_body`, is not stored after all; a head cannot tell.
    pub(in crate::cache) fn is_being_stored(&self) -> bool {
        self.sure
    }

    /// Whether the response answers a request with these fields too (RFC 9111 §4.1).
    pub(in crate::cache) fn suits(&self, request: &HeaderMap) -> bool {
        self.vary.is_empty() || policy::selecting(&self.vary, request) == self.selecting
    }

    /// Whether the response may answer another request now. Requests are collapsed only to a response that each of them
    /// could be answered with from the store (RFC 9111 §4).
    pub(in crate::cache) fn is_reusable(&self, now: Timestamp) -> bool {
        self.reusable_to.is_some_and(|end| end > self.age(now))
    }

    /// What the request that caused the fetch gets: the upstream's own fields and extensions.
    pub(in crate::cache) fn for_leader(&self) -> (HeaderMap, Extensions) {
        (self.original.clone(), self.extensions.clone())
    }

    /// The fields for everybody else. Their answer was not made for them, so it has an age (RFC 9111 §5.1).
    pub(in crate::cache) fn for_follower(&self, now: Timestamp) -> HeaderMap {
        let mut fields = self.shared.clone();
        fields.insert(AGE, HeaderValue::from(self.age(now).as_secs()));
        if let Some(length) = self.content_length {
            fields.insert(CONTENT_LENGTH, HeaderValue::from(length));
        }
        // Trailers are not stored, and so not announced by what is; those who share the body get them with it.
        for names in self.original.get_all(TRAILER) {
            fields.append(TRAILER, names.clone());
        }
        fields
    }

    /// How much of the body is held at most.
    pub(in crate::cache) fn window(&self) -> u64 {
        self.max_body
    }

    fn age(&self, now: Timestamp) -> Duration {
        self.initial_age.saturating_add(now.since(self.received_at))
    }
}

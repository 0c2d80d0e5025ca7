//! Whether an answer may be stored, and how (RFC 9111 §3).

use std::time::Duration;

use bytes::Bytes;
use http::header::{AGE, CONTENT_LENGTH, HeaderMap, HeaderName, SET_COOKIE, TRAILER};
use http::{Method, StatusCode, request, response};

use super::vary::{self, Vary};
use super::{Lookup, Options, SetCookie, StoreIf, StoreStatus, fields};
use crate::clock::Timestamp;
use crate::entry::{Entry, Meta, Terms};
use crate::invalidation::{Category, Tag};
use crate::key::Key;
use crate::outcome::Reason;

/// When a request was sent upstream and when the head of its answer arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    /// When the request was sent.
    pub requested_at: Timestamp,
    /// When the response's head arrived.
    pub received_at: Timestamp,
}

/// Whether an answer may be stored.
#[derive(Clone, Debug)]
pub enum Admission {
    /// It may, like this.
    Store(Box<Storable>),
    /// It may not.
    Skip(Reason),
}

/// An answer as it is stored; its body is still to come.
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
    /// The request fields that select it among variants, in the order of their names, without those that are keyed.
    pub vary: Vec<HeaderName>,
    /// Their normalised values in the request.
    pub selecting: Vec<(HeaderName, Option<String>)>,
    /// The fields that are stored.
    pub headers: HeaderMap,
}

impl Storable {
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

/// Decides whether an answer may be stored. `request` is the one that was sent upstream.
pub fn admit(
    request: &request::Parts,
    lookup: &Lookup,
    response: &response::Parts,
    times: Times,
    options: &Options,
) -> Admission {
    if request.method != Method::GET {
        return Admission::Skip(Reason::Head);
    }
    if let StoreStatus::Listed(listed) = &options.store_status
        && !listed.iter().any(|(status, _)| *status == response.status)
    {
        return Admission::Skip(Reason::Status);
    }
    if lookup.authorized {
        return Admission::Skip(Reason::Authorization);
    }
    if options.set_cookie == SetCookie::Refuse && response.headers.contains_key(SET_COOKIE) {
        return Admission::Skip(Reason::SetCookie);
    }
    let vary = match vary::parse_vary(&response.headers) {
        Vary::Star => return Admission::Skip(Reason::VaryStar),
        Vary::None => Vec::new(),
        Vary::On(names) => names,
    };
    let Some(lifetime) = options.ttl else { return Admission::Skip(Reason::NoLifetime) };
    let mut headers = response.headers.clone();
    fields::strip_hop_by_hop(&mut headers);
    for name in [AGE, CONTENT_LENGTH, TRAILER] {
        headers.remove(name);
    }
    Admission::Store(Box::new(Storable {
        status: response.status,
        requested_at: times.requested_at,
        received_at: times.received_at,
        initial_age: Duration::ZERO,
        lifetime: lifetime.min(options.max_ttl),
        stale_while_revalidate: options.stale_while_revalidate,
        stale_if_error: options.stale_if_error,
        terms: Terms::default(),
        selecting: vary::selecting(&vary, &request.headers),
        vary,
        headers,
    }))
}

/// Decides whether a complete body may be stored.
///
/// # Errors
/// The reason why it may not.
pub fn admit_body(store_if: &StoreIf, body: &[u8]) -> Result<(), Reason> {
    if (body.len() as u64) < store_if.min_body {
        return Err(Reason::BodyTooSmall);
    }
    let trimmed = body.trim_ascii();
    if store_if.body_not.iter().any(|refused| refused.trim().as_bytes() == trimmed) {
        return Err(Reason::BodyRefused);
    }
    Ok(())
}

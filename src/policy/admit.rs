//! Whether an answer may be stored, and how (RFC 9111 §3).

use std::sync::Arc;
use std::time::Duration;

use http::header::{
    ACCEPT_ENCODING, AUTHORIZATION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, COOKIE, HeaderMap, HeaderName,
    SET_COOKIE,
};
use http::{Method, StatusCode, request, response};

use super::directives::{Directives, Restriction};
use super::status::{Standing, is_understood, standing};
use super::storable::stored_headers;
use super::vary::{self, Vary};
use super::{Lookup, Options, OriginHeaders, SetCookie, Storable, StoreIf, age, fields, freshness, groups, validate};
use crate::clock::Timestamp;
use crate::entry::Terms;
use crate::outcome::Reason;

mod lifetime;

pub use lifetime::{Lifetime, LifetimeSource, lifetime_of};

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

/// What is known of an answer while it is judged.
struct Answer<'a> {
    head: &'a response::Parts,
    directives: Directives,
    standing: Standing,
    times: Times,
    has_validator: bool,
}

/// Decides whether an answer may be stored. `request` is the one that was sent upstream.
pub fn admit(
    request: &request::Parts,
    lookup: &Lookup,
    response: &response::Parts,
    times: Times,
    options: &Options,
) -> Admission {
    match judge(request, lookup, response, times, options) {
        Ok(storable) => Admission::Store(Box::new(storable)),
        Err(reason) => Admission::Skip(reason),
    }
}

/// What is known of a body before it is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Foreseen {
    /// Complete, it is stored.
    Stored,
    /// [`admit_body`] decides once it is complete.
    Open,
    /// It is not stored.
    Refused(Reason),
}

/// Tells what [`admit_body`] will say of a body of this length; `None` where the head announces none.
pub fn foresee_body(store_if: &StoreIf, length: Option<u64>) -> Foreseen {
    if length.is_some_and(|length| length < store_if.min_body) {
        return Foreseen::Refused(Reason::BodyTooSmall);
    }
    let may_be = |refused: &String| length.is_none_or(|length| refused.trim_ascii().len() as u64 <= length);
    let sure = (store_if.min_body == 0 || length.is_some()) && !store_if.body_not.iter().any(may_be);
    if sure { Foreseen::Stored } else { Foreseen::Open }
}

/// Decides whether a complete body may be stored.
///
/// # Errors
/// The reason why it may not.
pub fn admit_body(store_if: &StoreIf, body: &[u8]) -> Result<(), Reason> {
    if u64::try_from(body.len()).is_ok_and(|len| len < store_if.min_body) {
        return Err(Reason::BodyTooSmall);
    }
    let trimmed = body.trim_ascii();
    if store_if.body_not.iter().any(|refused| refused.as_bytes().trim_ascii() == trimmed) {
        return Err(Reason::BodyRefused);
    }
    Ok(())
}

fn judge(
    request: &request::Parts,
    lookup: &Lookup,
    response: &response::Parts,
    times: Times,
    options: &Options,
) -> Result<Storable, Reason> {
    if request.method != Method::GET && request.method != Method::QUERY {
        return Err(Reason::Head);
    }
    let headers = &response.headers;
    let directives = Directives::read(headers, &options.targeted_fields);
    // Before all else: what an answer to credentials says of itself is for who sent them.
    if lookup.authorized && !directives.shared_with_authorization() {
        return Err(Reason::Authorization);
    }
    let answer = Answer {
        head: response,
        directives,
        standing: standing(response.status, &options.store_status)?,
        times,
        has_validator: validate::has_validator(headers),
    };
    if lookup.client.no_store {
        return Err(Reason::ClientCacheControl);
    }
    if options.origin_headers == OriginHeaders::Respect {
        origin_allows(&answer.directives, response.status)?;
    }
    if options.set_cookie == SetCookie::Refuse && headers.contains_key(SET_COOKIE) {
        return Err(Reason::SetCookie);
    }
    let vary = variants(headers, options)?;
    body_allows(headers, options)?;
    let mut storable = answer.times_of(options)?;
    storable.selecting = vary::selecting(&vary, &request.headers);
    storable.vary = vary;
    storable.headers = Arc::new(stored_headers(headers, &answer.directives, times, options.set_cookie));
    Ok(storable)
}

/// What the origin forbids. `must-understand` tells a cache that knows the status to pass over `no-store`, and one that
/// does not know it to keep out (RFC 9111 §5.2.2.3).
fn origin_allows(directives: &Directives, status: StatusCode) -> Result<(), Reason> {
    if directives.malformed {
        return Err(Reason::BadResponse);
    }
    match (directives.must_understand, directives.no_store, is_understood(status)) {
        (true, true, false) | (false, true, _) => return Err(Reason::NoStore),
        (true, false, false) => return Err(Reason::Status),
        (true, _, true) | (false, false, _) => {}
    }
    if directives.private == Restriction::Whole { Err(Reason::Private) } else { Ok(()) }
}

/// The fields that select among variants. What the key covers cannot differ within one key; leaving it out also keeps
/// cookies and credentials out of the store. A body that is encoded was so for somebody's `Accept-Encoding`, whether or
/// not the origin says that it varies: others might not be able to read it.
fn variants(response: &HeaderMap, options: &Options) -> Result<Vec<HeaderName>, Reason> {
    let mut names = match vary::parse_vary(response) {
        Vary::None => Vec::new(),
        Vary::Star => return Err(Reason::VaryStar),
        Vary::On(names) => names,
    };
    if response.contains_key(CONTENT_ENCODING)
        && let Err(at) = names.binary_search_by(|name| name.as_str().cmp(ACCEPT_ENCODING.as_str()))
    {
        names.insert(at, ACCEPT_ENCODING);
    }
    let keyed = &options.vary_on;
    names.retain(|name| !keyed.names(name) && (*name != COOKIE || keyed.cookies.is_empty()));
    if names.contains(&COOKIE) {
        return Err(Reason::VaryCookie);
    }
    if names.contains(&AUTHORIZATION) {
        return Err(Reason::VaryAuthorization);
    }
    Ok(names)
}

/// What the head says of the body.
fn body_allows(response: &HeaderMap, options: &Options) -> Result<(), Reason> {
    if fields::is_stream(response) {
        return Err(Reason::Stream);
    }
    for length in response.get_all(CONTENT_LENGTH) {
        let length = length.to_str().ok().and_then(|length| length.trim().parse::<u64>().ok());
        if length.ok_or(Reason::BadResponse)? > options.max_body {
            return Err(Reason::TooLarge);
        }
    }
    let wanted = &options.store_if.content_type;
    let is = response.get(CONTENT_TYPE).map_or(&b""[..], |value| fields::essence(value.as_bytes()));
    if !wanted.is_empty() && !wanted.iter().any(|wanted| wanted.as_bytes().eq_ignore_ascii_case(is)) {
        return Err(Reason::ContentType);
    }
    Ok(())
}

impl Answer<'_> {
    /// How long the answer can be used, with its fields still to come.
    fn times_of(&self, options: &Options) -> Result<Storable, Reason> {
        let respected = options.origin_headers == OriginHeaders::Respect;
        let always_validate = respected && self.directives.no_cache == Restriction::Whole;
        let never_stale = respected && self.directives.never_stale();
        if always_validate && !self.has_validator {
            return Err(Reason::NoLifetime);
        }
        let (swr, sie) = (options.stale_while_revalidate, options.stale_if_error);
        let (swr, sie) = match (never_stale || always_validate, respected) {
            (true, _) => (Duration::ZERO, Duration::ZERO),
            (false, false) => (swr, sie),
            (false, true) => {
                (self.directives.stale_while_revalidate.unwrap_or(swr), self.directives.stale_if_error.unwrap_or(sie))
            }
        };
        let initial_age = age::initial_age(&self.head.headers, self.times);
        let lifetime = self.lifetime(initial_age, options)?;
        let usable_for = lifetime.length.saturating_add(swr.max(sie));
        if usable_for <= initial_age && !self.has_validator {
            return Err(Reason::Expired);
        }
        Ok(Storable {
            status: self.head.status,
            requested_at: self.times.requested_at,
            received_at: self.times.received_at,
            initial_age,
            lifetime: lifetime.length,
            stale_while_revalidate: swr,
            stale_if_error: sie,
            terms: Terms {
                always_validate,
                never_stale,
                shared_with_authorization: self.directives.shared_with_authorization(),
                heuristic: lifetime.source == LifetimeSource::Heuristic,
                has_validator: self.has_validator,
                immutable: respected && self.directives.immutable,
            },
            vary: Vec::new(),
            selecting: Vec::new(),
            groups: groups::groups(&self.head.headers),
            headers: Arc::default(),
        })
    }

    /// The origin's lifetime, else the route's, else a guess; without any of them a response that has a validator, and a
    /// status that keeps by itself, is stored stale and validated before each use.
    ///
    /// A route that overrides the origin counts its `ttl` from the arrival of the response: an `Age` is one of the
    /// origin's headers too.
    fn lifetime(&self, initial_age: Duration, options: &Options) -> Result<Lifetime, Reason> {
        let of = |source, given: Duration| Lifetime { length: given.min(options.max_ttl), given, source };
        let (ttl, whose) = match self.standing.ttl {
            Some(ttl) => (Some(ttl), LifetimeSource::StatusTtl),
            None => (options.ttl, LifetimeSource::Ttl),
        };
        if let (OriginHeaders::Override, Some(ttl)) = (options.origin_headers, ttl) {
            let Lifetime { length, given, source } = of(LifetimeSource::Override, ttl);
            return Ok(Lifetime { length: length.saturating_add(initial_age), given, source });
        }
        let headers = &self.head.headers;
        if let Some((stated, source)) = freshness::stated_lifetime(&self.directives, headers, self.times) {
            return Ok(of(source, stated));
        }
        let keeps = self.standing.heuristic || self.directives.public;
        if let Some(ttl) = ttl.filter(|_| self.standing.takes_ttl || keeps) {
            return Ok(of(whose, ttl));
        }
        match freshness::guessed_lifetime(headers, self.times) {
            Some(guess) if keeps => Ok(of(LifetimeSource::Heuristic, guess)),
            _ if keeps && self.has_validator => Ok(of(LifetimeSource::Nobody, Duration::ZERO)),
            _ => Err(Reason::NoLifetime),
        }
    }
}

#[cfg(test)]
mod tests;

//! What a client's own Cache-Control asks for (RFC 9111 §5.2.1), where a route honours it.

use std::time::Duration;

use http::header::{CACHE_CONTROL, HeaderMap, PRAGMA};

use super::cache_control::{self, Argument, Directive};
use super::directives::{delta_seconds, digits};
use crate::entry::Meta;

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
    pub fn read(headers: &HeaderMap) -> Self {
        let mut terms = Self::default();
        if !headers.contains_key(CACHE_CONTROL) {
            terms.no_cache =
                cache_control::directives(headers, &PRAGMA).flatten().any(|pragma| is(&pragma, b"no-cache"));
            return terms;
        }
        for directive in cache_control::directives(headers, &CACHE_CONTROL).flatten() {
            terms.apply(&directive);
        }
        terms
    }

    /// Whether nothing is asked for.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether a stored response is not good enough for the client, fresh or stale.
    ///
    /// A reload (`max-age=0`) is no reason to validate what is fresh and `immutable`; a forced one (`no-cache`) is
    /// (RFC 8246 §2.1).
    pub(super) fn refuse(&self, meta: &Meta, age: Duration) -> bool {
        let cannot_have_changed = meta.terms.immutable && meta.lifetime > age;
        // A limit of zero asks for news even of what was stored this very millisecond.
        let too_old = self.max_age.is_some_and(|limit| limit.is_zero() || age > limit) && !cannot_have_changed;
        let too_near_its_end = self.min_fresh.is_some_and(|more| meta.lifetime < age.saturating_add(more));
        self.no_cache || too_old || too_near_its_end
    }

    /// Whether the client takes a response that has been stale for this long, as far as it is the client's to say.
    pub(super) fn accept_stale(&self, stale_for: Duration) -> bool {
        self.max_stale.is_some_and(|limit| stale_for <= limit)
    }

    /// Whether the client wants nothing stale: whoever limits the age, without `max-stale`, does not.
    pub(super) fn want_fresh(&self) -> bool {
        self.max_stale.is_none() && (self.max_age.is_some() || self.min_fresh.is_some())
    }

    /// Of two directives of one name, the stricter counts; one that cannot be understood is read as the strictest.
    fn apply(&mut self, directive: &Directive<'_>) {
        let argument = &directive.argument;
        if is(directive, b"max-age") {
            let limit = delta_seconds(argument);
            self.max_age = Some(self.max_age.map_or(limit, |known| known.min(limit)));
        } else if is(directive, b"min-fresh") {
            let more = delta_seconds(argument);
            self.min_fresh = Some(self.min_fresh.map_or(more, |known| known.max(more)));
        } else if is(directive, b"max-stale") {
            let limit = match argument {
                Argument::None => Duration::MAX,
                Argument::Value(value) => digits(value).unwrap_or_default(),
                Argument::Invalid => Duration::ZERO,
            };
            self.max_stale = Some(self.max_stale.map_or(limit, |known| known.min(limit)));
        } else {
            self.no_cache |= is(directive, b"no-cache");
            self.no_store |= is(directive, b"no-store");
            self.only_if_cached |= is(directive, b"only-if-cached");
        }
    }
}

fn is(directive: &Directive<'_>, name: &[u8]) -> bool {
    directive.name.eq_ignore_ascii_case(name)
}

#[cfg(test)]
mod tests {
    use http::header::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn read(fields: &[(&'static str, &str)]) -> ClientTerms {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, HeaderValue::from_str(value).unwrap());
        }
        ClientTerms::read(&headers)
    }

    fn secs(seconds: u64) -> Option<Duration> {
        Some(Duration::from_secs(seconds))
    }

    #[test]
    fn request_directives_of_rfc_9111_5_2_1() {
        let none = ClientTerms::default();
        for (value, terms) in [
            ("", none),
            ("foo=1", none),
            ("Max-Age=60", ClientTerms { max_age: secs(60), ..none }),
            ("max-age=60, max-age=5", ClientTerms { max_age: secs(5), ..none }),
            ("max-age=x", ClientTerms { max_age: secs(0), ..none }),
            ("min-fresh=5, min-fresh=9", ClientTerms { min_fresh: secs(9), ..none }),
            ("max-stale", ClientTerms { max_stale: Some(Duration::MAX), ..none }),
            ("max-stale=9, max-stale", ClientTerms { max_stale: secs(9), ..none }),
            ("max-stale=x", ClientTerms { max_stale: secs(0), ..none }),
            ("no-cache, no-store", ClientTerms { no_cache: true, no_store: true, ..none }),
            ("only-if-cached", ClientTerms { only_if_cached: true, ..none }),
            ("x=\"no-cache\"", none),
        ] {
            assert_eq!(read(&[("cache-control", value)]), terms, "{value}");
        }
    }

    #[test]
    fn pragma_counts_only_without_cache_control_rfc_9111_5_4() {
        assert!(read(&[("pragma", "No-Cache")]).no_cache);
        assert!(!read(&[("pragma", "no-cache"), ("cache-control", "max-age=60")]).no_cache);
        assert!(read(&[("pragma", "foo")]).is_empty());
    }

    proptest! {
        #[test]
        fn no_text_upsets_it(value in "[ -~]{0,60}") {
            let _ = read(&[("cache-control", &value)]);
        }
    }
}

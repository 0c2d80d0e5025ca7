//! A stored response: what policy needs to judge it, its header fields, and its body.
//!
//! An entry is flattened when it is made: the header fields lie in one buffer of their exact size and the body in
//! another. A field or a body slice taken from a connection would keep that connection's whole read buffer alive.

mod head;

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use http::StatusCode;
use http::header::{HeaderMap, HeaderName};

use crate::clock::Timestamp;
use crate::invalidation::{Category, Tag};
use crate::key::Key;

pub use head::{BadHead, Head};

/// A stored response. Shared as `Arc<Entry>`; nothing that it says changes after it was made.
#[derive(Debug)]
pub struct Entry {
    meta: Meta,
    head: Head,
    body: Bytes,
    prepared: ArcSwapOption<Prepared>,
    refreshed: AtomicBool,
}

/// The header fields of answers with one stamp; none after the first of them.
#[derive(Debug)]
struct Prepared {
    stamp: Stamp,
    fields: Option<HeaderMap>,
}

/// What the header fields of an answer from an entry depend on, besides the entry: they are the same for all answers
/// with one stamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// Age in seconds.
    pub age: u64,
    /// Freshness left in seconds.
    pub ttl: Option<i64>,
    /// Which fields say what the cache did.
    pub signs: u8,
}

/// What policy decided about a response when it was stored, and what it needs to decide on its reuse. Header fields
/// are read once, at store time; everything here is ready to be compared.
#[derive(Clone, Debug, PartialEq)]
pub struct Meta {
    /// The whole logical key, compared when the entry is read from a shared store.
    pub key: Key,
    /// The stored status.
    pub status: StatusCode,
    /// When the request that the response answers was sent.
    pub requested_at: Timestamp,
    /// When the response's head arrived.
    pub received_at: Timestamp,
    /// Age at `received_at` (RFC 9111 §4.2.3, `corrected_initial_age`).
    pub initial_age: Duration,
    /// Freshness lifetime (RFC 9111 §4.2.1), clamped by the route. The response is fresh while this exceeds its age.
    pub lifetime: Duration,
    /// How long past its lifetime the response may be served while it is refreshed (RFC 5861 §3).
    pub stale_while_revalidate: Duration,
    /// How long past its lifetime the response may be served when the upstream fails (RFC 5861 §4).
    pub stale_if_error: Duration,
    /// What the response's directives forbid and allow.
    pub terms: Terms,
    /// The request fields that selected this variant, normalised, in the order of their names (RFC 9111 §4.1).
    pub selecting: Vec<(HeaderName, Option<String>)>,
    /// The category of the route.
    pub category: Option<Category>,
    /// The tags the response is cleared by.
    pub tags: Vec<Tag>,
}

/// The directives of a stored response that bind its reuse.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Terms {
    /// `no-cache`: validate before every reuse.
    pub always_validate: bool,
    /// `must-revalidate`, `proxy-revalidate` or `s-maxage`: never serve stale.
    pub never_stale: bool,
    /// `public`, `s-maxage` or `must-revalidate`: may answer a request with `Authorization` (RFC 9111 §3.5).
    pub shared_with_authorization: bool,
    /// The lifetime is a guess from `Last-Modified` (RFC 9111 §4.2.2).
    pub heuristic: bool,
    /// The response carries `ETag` or `Last-Modified`.
    pub has_validator: bool,
    /// `immutable`: what is fresh is not validated because a client reloads (RFC 8246).
    pub immutable: bool,
}

impl Meta {
    /// Age of the response at `now` (RFC 9111 §4.2.3).
    pub fn age(&self, now: Timestamp) -> Duration {
        self.initial_age.saturating_add(now.since(self.received_at))
    }

    /// Freshness left at `now` in whole seconds (RFC 9211 §2.4). Rounded up while fresh and towards zero once stale, so
    /// that what is fresh always reads at least 1 and what is stale never reads more than 0.
    pub fn ttl_secs(&self, now: Timestamp) -> i64 {
        let (lifetime, age) = (self.lifetime.as_millis(), self.age(now).as_millis());
        let secs = if lifetime > age { (lifetime - age).div_ceil(1000) } else { (age - lifetime) / 1000 };
        let secs = i64::try_from(secs).unwrap_or(i64::MAX);
        if lifetime > age { secs } else { -secs }
    }

    /// The instant at which the response turns stale.
    pub fn stale_at(&self) -> Timestamp {
        self.received_at.plus(self.lifetime.saturating_sub(self.initial_age))
    }

    /// The instant after which nothing can use the entry any more: past its freshness, its stale windows and, where it
    /// has a validator, a time in which validating it is cheaper than fetching it. That time is as long as the response
    /// was fresh, within bounds: one that is validated before every use was never fresh at all.
    pub fn drop_at(&self) -> Timestamp {
        const KEPT_TO_VALIDATE: RangeInclusive<Duration> = Duration::from_secs(60)..=Duration::from_secs(600);
        let window = self.stale_while_revalidate.max(self.stale_if_error);
        let validation = if self.terms.has_validator {
            self.lifetime.clamp(*KEPT_TO_VALIDATE.start(), *KEPT_TO_VALIDATE.end())
        } else {
            Duration::ZERO
        };
        self.stale_at().plus(window.max(validation))
    }
}

impl Entry {
    /// An entry whose fields and body are copied into buffers of their exact size.
    pub fn new(meta: Meta, headers: &HeaderMap, body: Bytes) -> Self {
        Self::from_parts(meta, Head::flatten(headers), body)
    }

    /// An entry from parts that are flat already.
    pub fn from_parts(meta: Meta, head: Head, body: Bytes) -> Self {
        Self { meta, head, body, prepared: ArcSwapOption::empty(), refreshed: AtomicBool::new(false) }
    }

    /// The same entry, its body in a buffer of its exact size: a slice keeps everything alive that it was taken from.
    #[must_use]
    pub fn detached(self) -> Self {
        Self { body: Bytes::copy_from_slice(&self.body), ..self }
    }

    /// What policy knows of it.
    pub fn meta(&self) -> &Meta {
        &self.meta
    }

    /// The stored header fields.
    pub fn headers(&self) -> &HeaderMap {
        self.head.fields()
    }

    /// The header fields of an answer: the stored ones as `finish` completes them. The second answer with one stamp keeps
    /// them for those that follow, so a popular entry completes them once or twice a second and others keep nothing.
    pub fn prepared(&self, stamp: Stamp, finish: impl FnOnce(&mut HeaderMap)) -> HeaderMap {
        let known = self.prepared.load();
        let again = match known.as_deref() {
            Some(Prepared { stamp: known, fields: Some(fields) }) if *known == stamp => return fields.clone(),
            Some(Prepared { stamp: known, .. }) => *known == stamp,
            None => false,
        };
        let mut fields = self.headers().clone();
        finish(&mut fields);
        self.prepared.store(Some(Arc::new(Prepared { stamp, fields: again.then(|| fields.clone()) })));
        fields
    }

    /// Whether nobody has set out to refresh the entry before; the caller does so now.
    pub fn claim_refresh(&self) -> bool {
        !self.refreshed.swap(true, Ordering::Relaxed)
    }

    /// The header block as it is stored.
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// The body. Cloning it copies nothing.
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// Bytes of memory the entry holds, its parsed fields included.
    pub fn weight(&self) -> usize {
        // Parsed once for reading and once for answers.
        const PER_FIELD: usize = 2 * 112;
        let selecting: usize = self.meta.selecting.iter().map(|(_, v)| 64 + v.as_ref().map_or(0, String::len)).sum();
        let tags: usize = self.meta.tags.iter().map(|tag| 32 + tag.as_str().len()).sum();
        let fields = self.head.count() * PER_FIELD;
        size_of::<Self>()
            + self.meta.key.as_str().len()
            + selecting
            + tags
            + self.head.as_bytes().len()
            + fields
            + self.body.len()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use http::header::HeaderValue;

    use super::*;

    /// An entry of this key and body that was received at `received_at` and is fresh for `lifetime`.
    pub(crate) fn sample(key: &str, body: &'static str, received_at: Timestamp, lifetime: Duration) -> Entry {
        let meta = Meta {
            key: Key::parse(key).unwrap(),
            status: StatusCode::OK,
            requested_at: received_at,
            received_at,
            initial_age: Duration::ZERO,
            lifetime,
            stale_while_revalidate: Duration::ZERO,
            stale_if_error: Duration::ZERO,
            terms: Terms::default(),
            selecting: Vec::new(),
            category: None,
            tags: Vec::new(),
        };
        let mut headers = HeaderMap::new();
        headers.insert("content-type", HeaderValue::from_static("application/json"));
        Entry::new(meta, &headers, Bytes::from_static(body.as_bytes()))
    }

    #[test]
    fn ttl_counts_down_and_goes_on_below_zero() {
        let received = Timestamp::from_secs(100);
        let entry = sample("GET:/a", "x", received, Duration::from_secs(90));
        let ttl = |secs| entry.meta().ttl_secs(received.plus(Duration::from_millis(secs)));
        assert_eq!([ttl(0), ttl(2_999), ttl(3_000), ttl(90_000), ttl(102_500)], [90, 88, 87, 0, -12]);
    }

    #[test]
    fn what_is_stale_never_reads_like_what_is_fresh_rfc_9211_2_4() {
        let received = Timestamp::from_secs(100);
        let entry = sample("GET:/a", "x", received, Duration::from_secs(90));
        for (millis, ttl) in
            [(89_000, 1), (89_001, 1), (89_999, 1), (90_000, 0), (90_999, 0), (91_000, -1), (92_000, -2)]
        {
            let now = received.plus(Duration::from_millis(millis));
            assert_eq!(entry.meta().ttl_secs(now), ttl, "after {millis} ms");
        }
    }

    #[test]
    fn what_can_be_validated_outlives_its_freshness() {
        let received = Timestamp::from_secs(1000);
        let dropped = |lifetime, has_validator| {
            let mut meta = sample("GET:/a", "x", received, Duration::from_secs(lifetime)).meta().clone();
            meta.terms.has_validator = has_validator;
            meta.drop_at().since(received).as_secs()
        };
        assert_eq!([dropped(0, false), dropped(90, false)], [0, 90]);
        assert_eq!([dropped(0, true), dropped(90, true), dropped(7200, true)], [60, 180, 7800]);
    }

    #[test]
    fn an_entry_costs_little_besides_its_own_bytes() {
        assert!(size_of::<Entry>() <= 448, "{}", size_of::<Entry>());
    }

    #[test]
    fn answers_of_one_stamp_are_completed_twice_at_most() {
        let entry = sample("GET:/a", "x", Timestamp::from_secs(100), Duration::from_secs(90));
        let mut completed = 0;
        for (age, times) in [(0, 5), (1, 5), (0, 1)] {
            for _ in 0..times {
                let stamp = Stamp { age, ttl: Some(90), signs: 0 };
                let fields = entry.prepared(stamp, |fields| {
                    completed += 1;
                    fields.insert("age", HeaderValue::from(age));
                });
                assert_eq!((&fields["age"], fields.len()), (&HeaderValue::from(age), 2));
            }
        }
        assert_eq!(completed, 2 + 2 + 1);
    }

    #[test]
    fn age_is_never_negative_when_the_clock_goes_back() {
        let received = Timestamp::from_secs(100);
        let entry = sample("GET:/a", "x", received, Duration::from_secs(90));
        assert_eq!(entry.meta().age(Timestamp::from_secs(5)), Duration::ZERO);
    }
}

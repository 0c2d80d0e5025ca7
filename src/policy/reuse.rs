//! A stored response, and a request that it might answer (RFC 9111 §4).

use std::time::Duration;

use super::Lookup;
use crate::clock::Timestamp;
use crate::entry::Meta;
use crate::outcome::Reason;

/// What may be done with a stored response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reuse {
    /// Served as it is.
    Serve,
    /// Served although it is stale. With [`Reason::StaleWhileRevalidate`] a refresh goes on behind it; with
    /// [`Reason::MaxStale`] the client asked for it.
    ServeStale(Reason),
    /// Validated first; where it has no validator that is an ordinary fetch. With [`Reason::ClientCacheControl`] it is
    /// fresh, and only this client does not want it.
    Validate(Reason),
    /// Not used for this request at all.
    Fetch(Reason),
}

/// Decides whether a stored response answers a request. Compares numbers, allocates nothing.
pub fn reuse(lookup: &Lookup, meta: &Meta, now: Timestamp) -> Reuse {
    if lookup.authorized && !meta.terms.shared_with_authorization {
        return Reuse::Fetch(Reason::Authorization);
    }
    if meta.terms.always_validate {
        return Reuse::Validate(Reason::MustValidate);
    }
    let age = meta.age(now);
    if !lookup.client.is_empty() {
        return as_the_client_asks(lookup, meta, age);
    }
    if meta.lifetime > age {
        return Reuse::Serve;
    }
    if is_within_window(meta, age) {
        return Reuse::ServeStale(Reason::StaleWhileRevalidate);
    }
    Reuse::Validate(Reason::Stale)
}

/// The same where the client's own Cache-Control counts. It may ask for more than the origin does, and for less only
/// where the origin does not insist (RFC 9111 §4.2.4, §5.2.1).
fn as_the_client_asks(lookup: &Lookup, meta: &Meta, age: Duration) -> Reuse {
    let client = &lookup.client;
    let stale_for = age.saturating_sub(meta.lifetime);
    if meta.lifetime > age {
        return if client.refuse(meta, age) { Reuse::Validate(Reason::ClientCacheControl) } else { Reuse::Serve };
    }
    if client.refuse(meta, age) || client.want_fresh() {
        return Reuse::Validate(Reason::Stale);
    }
    if is_within_window(meta, age) {
        return Reuse::ServeStale(Reason::StaleWhileRevalidate);
    }
    if !meta.terms.never_stale && client.accept_stale(stale_for) {
        return Reuse::ServeStale(Reason::MaxStale);
    }
    Reuse::Validate(Reason::Stale)
}

/// RFC 5861 §3
fn is_within_window(meta: &Meta, age: Duration) -> bool {
    !meta.terms.never_stale && meta.lifetime.saturating_add(meta.stale_while_revalidate) > age
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::entry::Terms;
    use crate::entry::tests::sample;
    use crate::policy::ClientTerms;

    const AT: Timestamp = Timestamp::from_secs(1000);

    /// Fresh for 60 s, and for 30 s more served while it is refreshed.
    fn stored(terms: Terms) -> Meta {
        let mut meta = sample("GET:/a", "x", AT, Duration::from_secs(60)).meta().clone();
        meta.stale_while_revalidate = Duration::from_secs(30);
        meta.terms = terms;
        meta
    }

    fn after(millis: u64) -> Timestamp {
        AT.plus(Duration::from_millis(millis))
    }

    fn secs(seconds: u64) -> Option<Duration> {
        Some(Duration::from_secs(seconds))
    }

    #[test]
    fn equal_is_stale_rfc_9111_4_2() {
        let lookup = Lookup::default();
        let meta = stored(Terms::default());
        let stale = Reuse::ServeStale(Reason::StaleWhileRevalidate);
        for (millis, answer) in [
            (0, Reuse::Serve),
            (59_999, Reuse::Serve),
            (60_000, stale),
            (89_999, stale),
            (90_000, Reuse::Validate(Reason::Stale)),
        ] {
            assert_eq!(reuse(&lookup, &meta, after(millis)), answer, "after {millis} ms");
        }
    }

    #[test]
    fn the_age_on_arrival_counts_rfc_9111_4_2_3() {
        let mut meta = stored(Terms::default());
        meta.initial_age = Duration::from_secs(59);
        assert_eq!(reuse(&Lookup::default(), &meta, after(999)), Reuse::Serve);
        assert_ne!(reuse(&Lookup::default(), &meta, after(1000)), Reuse::Serve);
    }

    #[test]
    fn what_the_origin_insists_on_is_kept_rfc_9111_4_2_4() {
        let strict = stored(Terms { never_stale: true, ..Terms::default() });
        assert_eq!(reuse(&Lookup::default(), &strict, after(59_000)), Reuse::Serve);
        assert_eq!(reuse(&Lookup::default(), &strict, after(60_000)), Reuse::Validate(Reason::Stale));
        let always = stored(Terms { always_validate: true, ..Terms::default() });
        assert_eq!(reuse(&Lookup::default(), &always, after(0)), Reuse::Validate(Reason::MustValidate));
        let eager = ClientTerms { max_stale: Some(Duration::MAX), ..ClientTerms::default() };
        let lookup = Lookup { client: eager, ..Lookup::default() };
        assert_eq!(reuse(&lookup, &strict, after(60_000)), Reuse::Validate(Reason::Stale));
        assert_eq!(reuse(&lookup, &always, after(0)), Reuse::Validate(Reason::MustValidate));
    }

    #[test]
    fn credentials_need_a_response_that_allows_them_rfc_9111_3_5() {
        let lookup = Lookup { authorized: true, ..Lookup::default() };
        assert_eq!(reuse(&lookup, &stored(Terms::default()), after(0)), Reuse::Fetch(Reason::Authorization));
        let shared = Terms { shared_with_authorization: true, ..Terms::default() };
        assert_eq!(reuse(&lookup, &stored(shared), after(0)), Reuse::Serve);
    }

    #[test]
    fn a_client_that_is_honoured_is_obeyed_rfc_9111_5_2_1() {
        let none = ClientTerms::default();
        let refused = Reuse::Validate(Reason::ClientCacheControl);
        let stale = Reuse::Validate(Reason::Stale);
        for (client, millis, answer) in [
            (ClientTerms { no_cache: true, ..none }, 0, refused),
            (ClientTerms { max_age: secs(0), ..none }, 0, refused),
            (ClientTerms { max_age: secs(5), ..none }, 5000, Reuse::Serve),
            (ClientTerms { max_age: secs(5), ..none }, 5001, refused),
            (ClientTerms { max_age: secs(600), ..none }, 60_000, stale),
            (ClientTerms { min_fresh: secs(10), ..none }, 50_000, Reuse::Serve),
            (ClientTerms { min_fresh: secs(10), ..none }, 50_001, refused),
            (ClientTerms { min_fresh: secs(0), ..none }, 60_000, stale),
            (ClientTerms { max_stale: secs(40), ..none }, 60_000, Reuse::ServeStale(Reason::StaleWhileRevalidate)),
            (ClientTerms { max_stale: secs(40), ..none }, 100_000, Reuse::ServeStale(Reason::MaxStale)),
            (ClientTerms { max_stale: secs(40), ..none }, 100_001, stale),
            (ClientTerms { max_stale: secs(40), max_age: secs(70), ..none }, 71_000, stale),
            (ClientTerms { no_cache: true, max_stale: secs(40), ..none }, 61_000, stale),
            (ClientTerms { no_store: true, ..none }, 0, Reuse::Serve),
            (ClientTerms { only_if_cached: true, ..none }, 0, Reuse::Serve),
        ] {
            let lookup = Lookup { client, ..Lookup::default() };
            assert_eq!(reuse(&lookup, &stored(Terms::default()), after(millis)), answer, "{client:?} at {millis}");
        }
    }

    #[test]
    fn what_cannot_have_changed_is_not_validated_for_a_reload_rfc_8246_2_1() {
        let fixed = stored(Terms { immutable: true, ..Terms::default() });
        let none = ClientTerms::default();
        for (client, millis, answer) in [
            (ClientTerms { max_age: secs(0), ..none }, 0, Reuse::Serve),
            (ClientTerms { max_age: secs(5), ..none }, 59_999, Reuse::Serve),
            (ClientTerms { max_age: secs(0), ..none }, 60_000, Reuse::Validate(Reason::Stale)),
            (ClientTerms { no_cache: true, ..none }, 0, Reuse::Validate(Reason::ClientCacheControl)),
            (ClientTerms { min_fresh: secs(30), ..none }, 40_000, Reuse::Validate(Reason::ClientCacheControl)),
        ] {
            let lookup = Lookup { client, ..Lookup::default() };
            assert_eq!(reuse(&lookup, &fixed, after(millis)), answer, "{client:?} at {millis}");
        }
        let bound = stored(Terms { immutable: true, always_validate: true, ..Terms::default() });
        assert_eq!(reuse(&Lookup::default(), &bound, after(0)), Reuse::Validate(Reason::MustValidate));
    }

    proptest! {
        #[test]
        fn what_is_stale_does_not_turn_fresh(millis in 0..200_000_u64, later in 0..200_000_u64) {
            let meta = stored(Terms::default());
            let rank = |at| match reuse(&Lookup::default(), &meta, after(at)) {
                Reuse::Serve => 0,
                Reuse::ServeStale(_) => 1,
                Reuse::Validate(_) | Reuse::Fetch(_) => 2,
            };
            prop_assert!(rank(millis) <= rank(millis + later));
        }
    }
}

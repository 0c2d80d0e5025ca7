//! Freshness lifetimes with their source, also of what is stored already.

use std::time::Duration;

use super::super::directives::Directives;
use super::super::status::standing;
use super::super::{Options, portion, validate};
use super::{Answer, Times};
use crate::entry::Entry;
use crate::outcome::Reason;

/// A freshness lifetime, and where it comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetime {
    /// The lifetime, clamped by the route.
    pub length: Duration,
    /// What it was before it was clamped.
    pub given: Duration,
    /// Who gave it.
    pub source: LifetimeSource,
}

/// Who gave a freshness lifetime.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LifetimeSource {
    /// `s-maxage`.
    SMaxage,
    /// `max-age`.
    MaxAge,
    /// `Expires`.
    Expires,
    /// The route's lifetime for this status (`store_status`).
    StatusTtl,
    /// The route's `ttl`.
    Ttl,
    /// The route's `ttl`, over what the origin said (`origin_headers: override`).
    Override,
    /// A tenth of the time since `Last-Modified` (RFC 9111 §4.2.2).
    Heuristic,
    /// Nobody: there is a validator alone, and it is asked for before every use.
    Nobody,
}

/// The lifetime that a stored response would be given today, and where it comes from: judged again from what is stored.
/// It is another than the stored one where the route has changed since.
///
/// # Errors
/// Why it would not be stored today.
pub fn lifetime_of(stored: &Entry, options: &Options) -> Result<Lifetime, Reason> {
    let meta = stored.meta();
    let mut head = http::Response::new(()).into_parts().0;
    (head.status, head.headers) = (meta.status, stored.headers().clone());
    let answer = Answer {
        head: &head,
        directives: Directives::read(&head.headers, &options.targeted_fields),
        standing: standing(head.status, &options.store_status)?,
        times: Times { requested_at: meta.requested_at, received_at: meta.received_at },
        has_validator: validate::has_validator(&head.headers),
    };
    let lifetime = answer.lifetime(meta.initial_age, options)?;
    let spread = portion::spread(lifetime.length, meta.initial_age, options.ttl_jitter, &meta.key, meta.received_at);
    Ok(Lifetime { length: spread, ..lifetime })
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::StatusCode;

    use super::super::tests::{Rig, ttl};
    use super::*;
    use crate::key::Key;
    use crate::policy::{OriginHeaders, Portion, StoreStatus};

    #[test]
    fn a_lifetime_that_was_brought_forward_is_judged_the_same_again() {
        let mut rig = ttl(1000);
        rig.options.ttl_jitter = Portion::Percent(50);
        let (mut storable, key) = (rig.admit(200, &[]).unwrap(), Key::parse("GET:/a").unwrap());
        storable.spread(rig.options.ttl_jitter, &key);
        let entry = storable.into_entry(key, None, Vec::new(), Bytes::new());
        let judged = lifetime_of(&entry, &rig.options).unwrap();
        assert_eq!((judged.length, judged.given), (entry.meta().lifetime, Duration::from_secs(1000)));
        assert!(judged.length < judged.given);
    }

    #[test]
    fn what_is_stored_tells_who_gave_its_lifetime() {
        use LifetimeSource::{Expires, Heuristic, MaxAge, Nobody, Override, SMaxage, StatusTtl, Ttl};
        let listed = |rig: &mut Rig, ttl| {
            rig.options.store_status = StoreStatus::Listed(vec![(StatusCode::OK, ttl)]);
        };
        for (fields, overrides, of_status, source) in [
            (&[("cache-control", "s-maxage=60, max-age=5")][..], false, None, SMaxage),
            (&[("cache-control", "max-age=5")], false, None, MaxAge),
            (&[("expires", "Sun, 06 Nov 1994 09:49:37 GMT")], false, None, Expires),
            (&[], false, Some(Duration::from_secs(7)), StatusTtl),
            (&[], false, None, Ttl),
            (&[("cache-control", "max-age=5")], true, None, Override),
        ] {
            let mut rig = ttl(90);
            listed(&mut rig, of_status);
            if overrides {
                rig.options.origin_headers = OriginHeaders::Override;
            }
            let storable = rig.admit(200, fields).unwrap();
            let lifetime = storable.lifetime;
            let entry = storable.into_entry(Key::parse("GET:/a").unwrap(), None, Vec::new(), Bytes::new());
            let again = lifetime_of(&entry, &rig.options).unwrap();
            assert_eq!((again.source, again.length), (source, lifetime), "{fields:?}");
            rig.options.max_ttl = Duration::from_secs(1);
            let clamped = lifetime_of(&entry, &rig.options).unwrap();
            assert_eq!((clamped.length, clamped.given), (Duration::from_secs(1), again.given), "{fields:?}");
        }
        for (fields, source) in
            [(&[("last-modified", "Sun, 06 Nov 1994 01:49:37 GMT")][..], Heuristic), (&[("etag", "\"1\"")], Nobody)]
        {
            let rig = Rig::new();
            let entry =
                rig.admit(200, fields).unwrap().into_entry(Key::parse("GET:/a").unwrap(), None, vec![], Bytes::new());
            assert_eq!(lifetime_of(&entry, &rig.options).unwrap().source, source, "{fields:?}");
        }
    }
}

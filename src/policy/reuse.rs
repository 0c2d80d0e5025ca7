//! A stored response, and a request that it might answer (RFC 9111 §4).

use crate::clock::Timestamp;
use crate::entry::Meta;
use crate::outcome::Reason;

use super::Lookup;

/// What may be done with a stored response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reuse {
    /// Served as it is.
    Serve,
    /// Served although it is stale. [`Reason::StaleWhileRevalidate`]: a refresh goes on behind it.
    ServeStale(Reason),
    /// Validated first; where it has no validator that is an ordinary fetch.
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
    if meta.lifetime > age {
        return Reuse::Serve;
    }
    if !meta.terms.never_stale && meta.lifetime.saturating_add(meta.stale_while_revalidate) > age {
        return Reuse::ServeStale(Reason::StaleWhileRevalidate);
    }
    Reuse::Validate(Reason::Stale)
}

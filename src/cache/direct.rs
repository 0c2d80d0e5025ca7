//! The store in code: an embedding program reads, places and asks after responses without a request on the wire.
//!
//! Nothing is decided here that is not decided for requests: the same rule, key, plan, judgement and fences.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Response, request};

use super::ask::{self, Ask, Wanted};
use super::handle::{Cache, Core};
use super::keyed::ForwardedProto;
use super::lease;
use super::unshared::Unshared;
use crate::entry::Entry;
use crate::invalidation::Selector;
use crate::outcome::Reason;
use crate::policy::{self, Admission, Lookup, Reuse, Times};
use crate::route::Table;
use crate::store::{Claim, Found, Put, StoreError, Stored};

/// Why a response was not placed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PutError {
    /// The route, the request or the response does not allow it.
    #[error("{}", .0.sentence())]
    Refused(Reason),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Cache {
    /// The stored response that would answer this request now, whole; `None` where it would be fetched or validated. Counts nothing.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn get(&self, request: &request::Parts) -> Result<Option<Response<Bytes>>, StoreError> {
        let Some((entry, lookup)) = self.stored(request).await? else { return Ok(None) };
        if policy::reuse(&lookup, entry.meta(), self.core.clock.now()) != Reuse::Serve {
            return Ok(None);
        }
        let mut response = Response::new(entry.body().clone());
        *response.status_mut() = entry.meta().status;
        *response.headers_mut() = entry.headers().clone();
        Ok(Some(response))
    }

    /// Whether [`Cache::get`] would find a response.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn exists(&self, request: &request::Parts) -> Result<bool, StoreError> {
        Ok(self.ttl(request).await?.is_some())
    }

    /// How long the response that [`Cache::get`] would find stays fresh; `None` where it would find none.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn ttl(&self, request: &request::Parts) -> Result<Option<Duration>, StoreError> {
        let now = self.core.clock.now();
        let fresh = |(entry, lookup): (Arc<Entry>, Lookup)| {
            let meta = entry.meta();
            (policy::reuse(&lookup, meta, now) == Reuse::Serve).then(|| meta.lifetime.saturating_sub(meta.age(now)))
        };
        Ok(self.stored(request).await?.and_then(fresh))
    }

    /// Stores a response as if the inner service had just given it to this request, in place of what is stored under the
    /// request's key. A fetch of that path that is under way stores nothing: what it brings is older.
    ///
    /// Dropping the future leaves either response stored, or none.
    ///
    /// # Errors
    /// [`PutError::Refused`] where the response of a fetch would not be stored either, or an invalidation came between.
    pub async fn put(&self, request: &request::Parts, response: Response<Bytes>) -> Result<(), PutError> {
        let table = self.table();
        let (wanted, lookup, parts) = examine(&self.core, &table, request)?;
        let now = self.core.clock.now();
        let (head, body) = response.into_parts();
        let options = wanted.rule.policy();
        let times = Times { requested_at: now, received_at: now };
        let storable = match policy::admit(&parts, &lookup, &head, times, options) {
            Admission::Store(mut storable) => {
                storable.spread(options.ttl_jitter, &wanted.key);
                storable
            }
            Admission::Skip(reason) => return Err(PutError::Refused(reason)),
        };
        if body.len() as u64 > options.max_body {
            return Err(PutError::Refused(Reason::TooLarge));
        }
        policy::admit_body(&options.store_if, &body).map_err(PutError::Refused)?;

        let labels = lease::labels(wanted.rule, parts.uri.path());
        let labels = lease::with_groups(labels, &wanted.key, &storable);
        // Cut off first: whoever fetches this key has asked before now.
        drop(self.core.flights.cut(Selector::Key(wanted.key.clone())));
        // Found by invalidations like a fetch.
        let placing = Unshared::board(&self.core, &wanted.key, &labels);
        let placing = placing.ok_or(PutError::Refused(Reason::Saturated))?;
        self.core.store.remove(&wanted.key).wait().await?;
        let asked = lease::ask(&self.core, &wanted.key, &labels, placing.fence(), Claim::Firm).await?;
        let variant = storable.variant();
        let entry = Arc::new(storable.into_entry(wanted.key, labels.category, labels.tags, body));
        let Some(lease) = asked.at_once().and_then(|mut lease| lease.take()) else {
            return Err(PutError::Refused(Reason::LeaseLost));
        };
        let put = Put { entry, variant, max_variants: options.max_variants, now };
        match self.core.store.put(lease, put).wait().await? {
            Stored::Yes => Ok(()),
            Stored::LeaseLost => Err(PutError::Refused(Reason::Invalidated)),
            Stored::TooLarge => Err(PutError::Refused(Reason::TooLarge)),
        }
    }

    /// What is stored for a request, fresh or not.
    async fn stored(&self, request: &request::Parts) -> Result<Option<(Arc<Entry>, Lookup)>, StoreError> {
        let table = self.table();
        let Ok((wanted, lookup, parts)) = examine(&self.core, &table, request) else { return Ok(None) };
        let found = match self.core.store.get(&wanted.key).wait().await? {
            Found::Varied(names) => {
                let variant = policy::variant_id(&names, &parts.headers);
                self.core.store.get_variant(&wanted.key, &variant).wait().await?
            }
            found => found,
        };
        Ok(match found {
            Found::Entry(entry) => Some((entry, lookup)),
            _ => None,
        })
    }
}

/// What a request wants, and what of it the inner service would see.
fn examine<'t>(
    core: &Core,
    table: &'t Table,
    request: &request::Parts,
) -> Result<(Wanted<'t>, Lookup, request::Parts), PutError> {
    let mut parts = request.clone();
    parts.method = Method::GET;
    match ask::examine(core, table, ForwardedProto::default(), &parts, true) {
        Ask::Lookup(wanted, lookup) => {
            ask::show_only_keyed(&mut parts, table, wanted.rule, &wanted.key);
            Ok((wanted, lookup, parts))
        }
        Ask::Bypass(_, reason) | Ask::Pass(Some(reason)) => Err(PutError::Refused(reason)),
        Ask::Refuse(_) => Err(PutError::Refused(Reason::BadPath)),
        // No GET is a write or passes without a reason.
        Ask::Write | Ask::Content(_) | Ask::Pass(None) => Err(PutError::Refused(Reason::NoRoute)),
    }
}

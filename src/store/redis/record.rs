//! One key: leasing it, storing it.

use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use fred::prelude::{HashesInterface, KeysInterface, Value};

use super::Redis;
use super::fault::Fault;
use super::gather::gather;
use super::large::patience;
use super::link::Lane;
use super::names::{full_key, labels};
use super::scripts::{DROP, LEASE, PUT, REGISTER, RELEASE, RENEW};
use super::under_way::Ours;
use crate::entry::Meta;
use crate::key::Key;
use crate::store::wire::{self, Written, names as vary};
use crate::store::{Claim, Fence, Held, Labels, Lease, Leased, Put, StoreError, Stored, Unused, VariantId};

/// How long a fill may take. Past it the key is free for others; a store after it still holds if nobody came.
pub(super) const FILL_FOR: Duration = Duration::from_secs(30);
/// How long a lease holds without being renewed: as long as others may wait for a process that is gone.
const LEASE_FOR: Duration = Duration::from_secs(2);
/// How long those who waited for a fetch are told that it proved uncacheable.
const NOTE_FOR: Duration = Duration::from_secs(2);

impl Redis {
    /// Says whether a record holds an entry, and deletes it when asked to: all of it, or all but the lease of this token.
    pub(super) async fn drop_record(
        self: &Arc<Self>,
        name: &str,
        label: &str,
        delete: Option<&str>,
        limit: Duration,
    ) -> Result<u64, Fault> {
        let (delete, spared) = delete.map_or(("0", ""), |spared| ("1", spared));
        let arguments = vec![delete.into(), text(label), text(spared)];
        let held = self.link.run(Lane::Write, limit, &DROP, name, arguments).await?;
        Ok(u64::from(held == 1))
    }

    /// Takes the lease, and notes the key in the indexes of all that could name it.
    ///
    /// The note comes after the lease: whoever reads an index and deletes what it names then either finds the key, or
    /// came before this fill began.
    pub(super) async fn lease(
        self: Arc<Self>,
        key: Key,
        wanted: Labels,
        fence: Arc<Fence>,
        claim: Claim,
    ) -> Result<Leased, StoreError> {
        self.ready().await?;
        let token = self.token();
        let take = self.take_lease(&key, &wanted, token, claim);
        let note = self.register(Lane::Read, &key, &wanted, FILL_FOR);
        let (taken, noted) = if self.link.clustered {
            (take.await, note.await)
        } else {
            // On one connection the order of sending is the order of execution.
            tokio::join!(biased; take, note)
        };
        let (beside_an_entry, uncacheable) = match taken? {
            Taken::Yes { beside_an_entry, uncacheable } => (beside_an_entry, uncacheable),
            Taken::No { uncacheable: true, .. } => return Ok(Leased::Uncacheable(None)),
            Taken::No { holder, lasts, .. } => {
                let changes = self.hearing.under_way.held(&key.physical(), &fence);
                return Ok(Leased::Held(Held::new(holder, lasts, changes)));
            }
        };
        let lease = Lease::shared(key, wanted, fence, token);
        if let Err(fault) = noted {
            self.release(&lease, Unused::Abandoned).await;
            return Err(fault.into());
        }
        let lease = if beside_an_entry { lease.beside_an_entry() } else { lease };
        Ok(if uncacheable { Leased::Uncacheable(Some(lease)) } else { Leased::Yes(lease) })
    }

    async fn take_lease(
        self: &Arc<Self>,
        key: &Key,
        wanted: &Labels,
        token: u64,
        claim: Claim,
    ) -> Result<Taken, Fault> {
        let name = self.names.record(key);
        let arguments = vec![
            text(&token.to_string()),
            text(&FILL_FOR.as_millis().to_string()),
            text(full_key(key)),
            text(&labels(wanted)),
            text(if claim == Claim::Firm { "f" } else { "y" }),
            text(&LEASE_FOR.as_millis().to_string()),
        ];
        let limit = self.link.lease_timeout();
        let first = self.link.run_for(Lane::Read, limit, &LEASE, &name, arguments.clone()).await;
        let answer: Vec<String> = match first {
            Err(fault) if fault.is_wrong_type() => {
                self.discard(key).await;
                self.link.run_for(Lane::Read, limit, &LEASE, &name, arguments).await
            }
            answer => answer,
        }?;
        Taken::parse(&answer).ok_or_else(|| Fault::Refused("an answer of the lease script is not understood".into()))
    }

    /// Has a lease hold on. One that is gone cuts its fill off.
    pub(super) async fn renew(self: &Arc<Self>, (name, token, fence): &Ours) {
        let arguments = vec![text(&token.to_string()), text(&LEASE_FOR.as_millis().to_string())];
        let name = self.names.member(name);
        if let Ok(0) = self.link.run(Lane::Read, self.link.read_timeout, &RENEW, &name, arguments).await {
            fence.cut();
        }
    }

    async fn register(
        self: &Arc<Self>,
        lane: Lane,
        key: &Key,
        labels: &Labels,
        lifetime: Duration,
    ) -> Result<(), Fault> {
        let (indexes, member) = (self.names.indexes(key, labels), key.physical());
        let lifetime = lifetime.as_millis().to_string();
        let limit = if lane == Lane::Read { self.link.lease_timeout() } else { self.link.write_timeout };
        let notes = indexes.iter().map(|index| {
            let arguments = vec![text(&member), text(&lifetime)];
            async move { self.link.run(lane, limit, &REGISTER, index, arguments).await }
        });
        gather(notes).await.into_iter().try_for_each(|noted| noted.map(drop))
    }

    /// Stores an entry under its lease.
    pub(super) async fn put(self: &Arc<Self>, lease: &Lease, put: Put) -> Result<Stored, StoreError> {
        let Some(token) = lease.token() else { return Ok(Stored::LeaseLost) };
        self.ready().await?;
        let (entry, packing) = (Arc::clone(&put.entry), self.packing);
        let written = self.aside(entry.body().len(), move || wire::write(&entry, packing)).await?;
        let meta = put.entry.meta();
        let lifetime = meta.drop_at().since(self.clock.now()).max(Duration::from_millis(1));
        let labels = Labels { category: meta.category.clone(), tags: meta.tags.clone() };
        let limit = self.link.write_timeout;
        // Before the entry, so that no index forgets a key that still lives.
        self.register(Lane::Write, lease.key(), &labels, lifetime).await?;
        if lease.fence().is_closed() || self.was_cleared_unseen(lease, meta).await? {
            self.release(lease, Unused::Abandoned).await;
            return Ok(Stored::LeaseLost);
        }
        let (lane, limit) = match &written.body {
            Some(body) => (Lane::Large, limit + patience(body.len())),
            None => (Lane::Write, limit),
        };
        let arguments = arguments(token, lifetime, &labels, &put, written);
        let name = self.names.record(lease.key());
        match self.link.run(lane, limit, &PUT, &name, arguments).await {
            Ok(1) => Ok(Stored::Yes),
            Ok(_) => Ok(Stored::LeaseLost),
            Err(fault) if fault.is_wrong_type() => {
                self.discard(lease.key()).await;
                Ok(Stored::LeaseLost)
            }
            Err(fault) => Err(fault.into()),
        }
    }

    /// Whether a tag that only the response named was cleared since the lease was taken. The lease was not yet known
    /// by such a tag, so its clearing could not end it; now it is, and what was cleared before is in the notes.
    async fn was_cleared_unseen(self: &Arc<Self>, lease: &Lease, meta: &Meta) -> Result<bool, StoreError> {
        let unseen = meta.tags.iter().filter(|tag| !lease.labels().tags.contains(tag));
        let marks: Vec<String> = unseen.map(|tag| self.names.mark(tag)).collect();
        if marks.is_empty() {
            return Ok(false);
        }
        let limit = self.link.write_timeout;
        let name = self.names.record(lease.key());
        let held = self
            .link
            .call(Lane::Write, limit, |client| async move { client.hget::<Option<String>, _, _>(name, "l").await });
        let held = held.await?.unwrap_or_default();
        let taken = held.split(':').nth(1).and_then(|taken| taken.parse::<u64>().ok());
        // Without a lease the store is refused anyway.
        let Some(taken) = taken else { return Ok(true) };
        // Nodes of a Cluster have clocks of their own.
        let taken = taken.saturating_sub(if self.link.clustered { 1000 } else { 0 });
        let cleared = gather(marks.into_iter().map(|mark| {
            self.link.call(Lane::Write, limit, |client| async move { client.get::<Option<u64>, _>(mark).await })
        }));
        for cleared in cleared.await {
            if cleared?.is_some_and(|at| at >= taken) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether the record of this name holds the lease. One that cannot be read is taken for lost.
    pub(super) async fn holds(&self, name: &str, token: u64) -> bool {
        let name = name.to_owned();
        let limit = self.link.read_timeout;
        let read = self
            .link
            .call(Lane::Read, limit, |client| async move { client.hget::<Option<String>, _, _>(name, "l").await });
        let held = read.await.ok().flatten();
        held.as_deref().and_then(|held| held.split_once(':')).is_some_and(|(held, _)| held == token.to_string())
    }

    /// Gives a lease back.
    pub(super) async fn release(self: &Arc<Self>, lease: &Lease, why: Unused) {
        let Some(token) = lease.token() else { return };
        let note = if why == Unused::Uncacheable { NOTE_FOR } else { Duration::ZERO };
        let name = self.names.record(lease.key());
        let arguments = vec![text(&token.to_string()), text(&note.as_millis().to_string())];
        // One that cannot be given back ends by itself.
        let _ = self.link.run(Lane::Write, self.link.write_timeout, &RELEASE, &name, arguments).await;
    }

    /// A token that no other lease has: the standard library seeds its hashers from the system's randomness.
    fn token(&self) -> u64 {
        let mut hasher = std::collections::hash_map::RandomState::new().build_hasher();
        hasher.write_u64(self.clock.now().as_millis());
        hasher.write_u64(self.tokens.fetch_add(1, Ordering::Relaxed));
        hasher.finish()
    }
}

/// What the lease script says.
#[derive(Debug, PartialEq, Eq)]
enum Taken {
    Yes { beside_an_entry: bool, uncacheable: bool },
    No { holder: u64, lasts: Duration, uncacheable: bool },
}

impl Taken {
    fn parse(answer: &[String]) -> Option<Self> {
        match answer {
            [taken, stored, uncacheable] if taken == "1" => {
                Some(Self::Yes { beside_an_entry: stored == "1", uncacheable: uncacheable == "1" })
            }
            [_, holder, lasts, uncacheable] => Some(Self::No {
                holder: holder.parse().ok()?,
                lasts: Duration::from_millis(lasts.parse().ok()?),
                uncacheable: uncacheable == "1",
            }),
            _ => None,
        }
    }
}

fn arguments(token: u64, lifetime: Duration, known: &Labels, put: &Put, written: Written) -> Vec<Value> {
    let entry = Value::Bytes(written.envelope);
    let (root, id, variant) = match &put.variant {
        None => (entry, String::new(), text("")),
        Some((names, id)) => (Value::Bytes(vary::encode(names)), hex(id), entry),
    };
    vec![
        text(&token.to_string()),
        text(&lifetime.as_millis().to_string()),
        root,
        text(&labels(known)),
        text(&id),
        variant,
        text(&put.max_variants.max(1).to_string()),
        written.body.map_or_else(|| text(""), Value::Bytes),
    ]
}

fn text(text: &str) -> Value {
    Value::String(text.into())
}

pub(super) fn hex(id: &VariantId) -> String {
    blake3::Hash::from_bytes(*id.as_bytes()).to_hex().to_string()
}

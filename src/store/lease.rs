//! The right to store a key, and what comes of asking for it.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use super::Labels;
use crate::key::Key;

/// The right to store one key once.
#[derive(Debug)]
pub struct Lease {
    key: Key,
    labels: Labels,
    fence: Arc<Fence>,
    token: Option<u64>,
    stored: bool,
}

/// How much a lease counts against others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// Others wait for the fetch.
    Firm,
    /// The fetch is for one request alone, so its lease gives way to a firm one.
    Yielding,
}

/// What came of asking for a lease.
#[derive(Debug)]
pub enum Leased {
    /// The lease.
    Yes(Lease),
    /// Another fetch has it.
    Held(Held),
    /// The last who had it found an answer that nobody else could be given, and others waited for it: nobody is to wait
    /// for this fetch, nor it for another. The lease, unless another fetch has it.
    Uncacheable(Option<Lease>),
}

/// Why a lease is given back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unused {
    /// The fetch failed or was abandoned: the next may do better.
    Abandoned,
    /// What was fetched can be given to nobody else.
    Uncacheable,
}

/// A lease that another fetch has.
pub struct Held {
    holder: u64,
    lasts: Duration,
    changes: Option<Changes>,
}

/// What ended the wait for a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeldEnd {
    /// The record has changed: its lease was given back or taken away, an entry was stored, or nothing of the kind.
    Changed,
    /// The holder should have given the lease back by now.
    Lapsed,
    /// Nobody would be told of a change.
    Untold,
}

/// Tells one who waits that a record has changed. Dropped, it says that changes are told no more.
#[derive(Debug)]
pub struct Teller(watch::Sender<()>);

/// The changes of one record, as far as they are told.
#[derive(Debug)]
pub struct Changes(watch::Receiver<()>);

/// Stands between a fill and the memory of this process. Closed by an invalidation; an insertion happens under its
/// lock, so it lies wholly before the invalidation (which then removes it) or does not happen.
#[derive(Debug, Default)]
pub struct Fence {
    closed: Mutex<bool>,
    cut: AtomicBool,
}

impl Lease {
    /// A lease that rests on a fence alone.
    pub fn local(key: Key, labels: Labels, fence: Arc<Fence>) -> Self {
        Self { key, labels, fence, token: None, stored: false }
    }

    /// A lease that a shared store knows by this token.
    pub fn shared(key: Key, labels: Labels, fence: Arc<Fence>, token: u64) -> Self {
        Self { key, labels, fence, token: Some(token), stored: false }
    }

    /// Notes that an entry is stored under the key.
    #[must_use]
    pub fn beside_an_entry(self) -> Self {
        Self { stored: true, ..self }
    }

    /// The leased key.
    pub fn key(&self) -> &Key {
        &self.key
    }

    /// What the key was registered under.
    pub fn labels(&self) -> &Labels {
        &self.labels
    }

    /// The fence of the fill.
    pub fn fence(&self) -> &Arc<Fence> {
        &self.fence
    }

    /// The token by which a shared store knows the lease.
    pub fn token(&self) -> Option<u64> {
        self.token
    }

    /// Whether an entry was stored under the key when the lease was given: one that had not been read, it may be.
    pub fn is_beside_an_entry(&self) -> bool {
        self.stored
    }
}

impl Held {
    /// The holder's token, how long it holds at most unless it is renewed, and the changes of the record, if they are
    /// told.
    pub fn new(holder: u64, lasts: Duration, changes: Option<Changes>) -> Self {
        Self { holder, lasts, changes }
    }

    /// The token of the holder.
    pub fn holder(&self) -> u64 {
        self.holder
    }

    /// Waits until the record changes or the lease lapses. At once where changes are not told.
    ///
    /// Cancel safe: a change that was not waited out is told to the next call.
    pub async fn end(&mut self) -> HeldEnd {
        let Some(Changes(changes)) = &mut self.changes else { return HeldEnd::Untold };
        match tokio::time::timeout(self.lasts, changes.changed()).await {
            Ok(Ok(())) => HeldEnd::Changed,
            Ok(Err(_)) => HeldEnd::Untold,
            Err(_) => HeldEnd::Lapsed,
        }
    }

    /// Whether nothing has changed since the wait ended, as far as was told.
    pub fn is_quiet(&self) -> bool {
        self.changes.as_ref().is_some_and(|Changes(changes)| matches!(changes.has_changed(), Ok(false)))
    }
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Held").field("lasts", &self.lasts).field("told", &self.changes.is_some()).finish()
    }
}

impl Teller {
    /// One who tells, and what is told.
    pub fn new() -> (Self, Changes) {
        let (sender, receiver) = watch::channel(());
        (Self(sender), Changes(receiver))
    }

    /// Tells that the record has changed.
    pub fn tell(&self) {
        self.0.send_replace(());
    }

    /// Whether anybody listens.
    pub fn is_heard(&self) -> bool {
        !self.0.is_closed()
    }
}

impl Fence {
    /// Ends the fill's right to store. Returns when no insertion is under way.
    pub fn close(&self) {
        *self.closed.lock().unwrap_or_else(PoisonError::into_inner) = true;
    }

    /// Ends the fill's right to store, and says that no later request may be given what it fetches: the store heard of an
    /// invalidation elsewhere that took its lease away.
    pub fn cut(&self) {
        self.cut.store(true, Ordering::Release);
        self.close();
    }

    /// Whether the store cut the fill off.
    pub fn is_cut(&self) -> bool {
        self.cut.load(Ordering::Acquire)
    }

    /// Whether the fill may store nothing any more.
    pub fn is_closed(&self) -> bool {
        *self.closed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs `insert` unless the fence is closed, keeping it open meanwhile.
    pub fn commit<T>(&self, insert: impl FnOnce() -> T) -> Option<T> {
        let closed = self.closed.lock().unwrap_or_else(PoisonError::into_inner);
        if *closed { None } else { Some(insert()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_inserted_behind_a_closed_fence() {
        let fence = Fence::default();
        assert_eq!(fence.commit(|| 1), Some(1));
        fence.close();
        assert_eq!(fence.commit(|| 2), None);
        assert!(fence.is_closed());
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_for_a_lease_is_told_of_every_end() {
        let lasts = Duration::from_secs(2);
        assert_eq!(Held::new(1, lasts, None).end().await, HeldEnd::Untold);
        let (teller, changes) = Teller::new();
        let mut held = Held::new(1, lasts, Some(changes));
        assert!(held.is_quiet());
        assert_eq!(held.end().await, HeldEnd::Lapsed);
        teller.tell();
        assert!(!held.is_quiet());
        assert_eq!(held.end().await, HeldEnd::Changed);
        assert!(held.is_quiet() && teller.is_heard());
        drop(teller);
        assert_eq!(held.end().await, HeldEnd::Untold);
        assert!(!held.is_quiet());
        let (teller, changes) = Teller::new();
        drop(changes);
        assert!(!teller.is_heard());
    }
}

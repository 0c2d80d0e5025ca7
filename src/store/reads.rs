//! Reads of the shared store that are under way, and when they may be relied on.
//!
//! **Concurrent reads of one record are one.** Whoever asks while a read is under way waits for it; whoever of them is
//! polled drives it, so none of them is needed by the others, and the last that leaves takes it along.
//!
//! **A read belongs to an epoch** of its key. Whatever tells of a change moves the epoch on: the reads that are under way
//! then are joined by nobody any more, and what they bring is not kept. Epochs are striped by the path, cut to what a
//! hashed name shares with its key, so that a key, its name in the store and the path that clears it are of one stripe.
//!
//! Changes by other nodes may not be told, so no read is joined that is older than they may take to be heard of.

mod crowd;
mod read;

use std::hash::BuildHasher;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use foldhash::fast::RandomState;
use tokio::time::Instant;

use self::read::Read;
use super::{BoxFuture, Found, StoreError, VariantId};
use crate::invalidation::Selector;
use crate::key::Key;

pub(super) use self::read::Waiting;

/// Keys of one stripe share their epoch: what changes one of them keeps the others' reads in flight out of memory.
const STRIPES: usize = 256;
/// The bytes that a hashed name has in common with its key, whatever character they end in.
const SHARED_HEAD: usize = 116;
/// How old a read may be when it is joined.
const JOINED_WITHIN: Duration = Duration::from_millis(50);

/// What a read brings.
pub(super) type Answer = Result<Found, StoreError>;

/// The reads under way, by their keys.
pub(super) struct Reads {
    stripes: Box<[Mutex<Stripe>]>,
    hasher: RandomState,
}

/// What is kept is kept under the lock, so it lies wholly before a change of the epoch, and is removed by whoever
/// changed it, or does not happen.
#[derive(Default)]
struct Stripe {
    epoch: Epoch,
    under_way: Vec<UnderWay>,
}

struct UnderWay {
    key: Key,
    variant: Option<VariantId>,
    began: Instant,
    read: Weak<Read>,
}

/// How often something was told of the keys of a stripe.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Epoch(u64);

impl Default for Reads {
    fn default() -> Self {
        Self { stripes: (0..STRIPES).map(|_| Mutex::default()).collect(), hasher: RandomState::default() }
    }
}

impl Reads {
    /// Waits for the read of a record that is under way, or for the one that `begin` makes for this epoch.
    pub(super) fn join(
        self: &Arc<Self>,
        key: &Key,
        variant: Option<VariantId>,
        begin: impl FnOnce(Epoch) -> BoxFuture<Answer>,
    ) -> Waiting {
        let place = self.place(key.as_str());
        let (mut stripe, now) = (self.lock(place), Instant::now());
        let joined = stripe.under_way.iter().find_map(|under_way| {
            let same = under_way.key == *key && under_way.variant == variant;
            (same && now.duration_since(under_way.began) < JOINED_WITHIN).then(|| under_way.read.upgrade()).flatten()
        });
        let read = joined.unwrap_or_else(|| {
            let read = Arc::new(Read::new(Arc::clone(self), place, begin(stripe.epoch)));
            stripe.under_way.push(UnderWay { key: key.clone(), variant, began: now, read: Arc::downgrade(&read) });
            read
        });
        drop(stripe);
        Waiting::new(read)
    }

    /// The epoch of a key, to be asked for before the key is read.
    pub(super) fn epoch(&self, key: &Key) -> Epoch {
        self.stripe(key.as_str()).epoch
    }

    /// Does something unless the epoch of the key has changed, or shall be changed meanwhile.
    pub(super) fn within<T>(&self, key: &Key, seen: Epoch, work: impl FnOnce() -> T) -> Option<T> {
        let stripe = self.stripe(key.as_str());
        (stripe.epoch == seen).then(work)
    }

    /// Does something while the epoch of the key cannot change.
    pub(super) fn exclusively<T>(&self, key: &Key, work: impl FnOnce() -> T) -> T {
        let _stripe = self.stripe(key.as_str());
        work()
    }

    /// Moves the epoch on of a key, of the name that the store has for it, or of a path or query that stands for it.
    pub(super) fn pass(&self, name: &str) {
        self.stripe(name).pass();
    }

    /// Moves every epoch on.
    pub(super) fn pass_all(&self) {
        for place in 0..STRIPES {
            self.lock(place).pass();
        }
    }

    /// Moves on the epochs of what an invalidation names.
    pub(super) fn pass_selected(&self, selector: &Selector) {
        match selector {
            // A path and all its queries are of one stripe.
            Selector::Key(key) => self.pass(key.as_str()),
            _ => self.pass_all(),
        }
    }

    /// A read is over: it is not to be joined any more.
    fn leave(&self, place: usize, read: *const Read) {
        let mut stripe = self.lock(place);
        if let Some(at) = stripe.under_way.iter().position(|under_way| std::ptr::eq(under_way.read.as_ptr(), read)) {
            stripe.under_way.swap_remove(at);
        }
    }

    fn stripe(&self, name: &str) -> MutexGuard<'_, Stripe> {
        self.lock(self.place(name))
    }

    fn place(&self, name: &str) -> usize {
        let name = name.as_bytes();
        let path = name.iter().position(|byte| matches!(byte, b'?' | b'#')).unwrap_or(name.len());
        self.hasher.hash_one(&name[..path.min(SHARED_HEAD)]) as usize % STRIPES
    }

    fn lock(&self, place: usize) -> MutexGuard<'_, Stripe> {
        self.stripes[place].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Stripe {
    fn pass(&mut self) {
        self.epoch.0 += 1;
        self.under_way.clear();
    }
}

#[cfg(test)]
mod tests;

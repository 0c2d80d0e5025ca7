//! A store whose every answer comes later: held in the test's hand, or from a script.
//!
//! It keeps its entries in a [`MemoryStore`] and its leases itself, as a shared store would: an invalidation ends those
//! it selects, and a store without one is refused. Every operation takes effect between two polls and answers at a third,
//! so that it can be abandoned before it was sent, and after it took effect.

#![allow(dead_code, reason = "no test uses all of the rig")]

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use larder::invalidation::{Cleared, Selector};
use larder::key::Key;
use larder::store::{
    Changes, Claim, Fence, Found, Health, Held, Labels, Lease, Leased, MemoryStore, Put, Reply, Store, StoreError,
    Stored, Teller, Unused, VariantId,
};
use tokio::sync::Semaphore;

/// What a store is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Op {
    Get,
    GetVariant,
    Lease,
    Put,
    Release,
    Remove,
    Invalidate,
    Count,
    Health,
}

/// A store that answers later. Clones share everything: the test keeps one.
#[derive(Clone, Debug)]
pub(crate) struct SlowStore {
    memory: Arc<MemoryStore>,
    leases: Arc<Mutex<HashMap<u64, Record>>>,
    listeners: Arc<Mutex<Listeners>>,
    /// Keys that proved uncacheable while others waited for them.
    noted: Arc<Mutex<Vec<Key>>>,
    calls: Arc<Mutex<Vec<Op>>>,
    script: Arc<Mutex<HashMap<Op, StoreError>>>,
    gates: Arc<Mutex<HashMap<Op, Arc<Semaphore>>>>,
    answers: Arc<Mutex<HashMap<Op, Arc<Semaphore>>>>,
    queues: Arc<Mutex<bool>>,
    tokens: Arc<AtomicU64>,
}

/// A lease that somebody has.
#[derive(Debug)]
struct Record {
    key: Key,
    labels: Labels,
    claim: Claim,
}

/// Those who wait for a lease; `None` when nobody is told of changes.
#[derive(Debug)]
struct Listeners(Option<Vec<(Key, Teller)>>);

impl Default for Listeners {
    fn default() -> Self {
        Self(Some(Vec::new()))
    }
}

/// How long a lease holds: far longer than anybody waits here.
const HOLDS: Duration = Duration::from_secs(60);

impl SlowStore {
    pub(crate) fn over(memory: MemoryStore) -> Self {
        Self {
            memory: Arc::new(memory),
            leases: Arc::default(),
            listeners: Arc::default(),
            noted: Arc::default(),
            calls: Arc::default(),
            script: Arc::default(),
            gates: Arc::default(),
            answers: Arc::default(),
            queues: Arc::default(),
            tokens: Arc::new(AtomicU64::new(1)),
        }
    }

    /// Every `op` fails from now on.
    pub(crate) fn fail(&self, op: Op, error: StoreError) {
        self.script.lock().unwrap().insert(op, error);
    }

    /// Every `op` works from now on, and those held go on.
    pub(crate) fn mend(&self, op: Op) {
        self.script.lock().unwrap().remove(&op);
        for gates in [&self.gates, &self.answers] {
            if let Some(gate) = gates.lock().unwrap().remove(&op) {
                gate.add_permits(Semaphore::MAX_PERMITS);
            }
        }
    }

    /// Every `op` waits from now on, until it is let go or mended.
    pub(crate) fn hold(&self, op: Op) {
        self.gates.lock().unwrap().insert(op, Arc::new(Semaphore::new(0)));
    }

    /// Every `op` takes effect from now on and its answer waits, until it is mended.
    pub(crate) fn hold_answers(&self, op: Op) {
        self.answers.lock().unwrap().insert(op, Arc::new(Semaphore::new(0)));
    }

    /// Every `op` from now on goes on; those held stay so until the gate is opened.
    pub(crate) fn let_later_pass(&self, op: Op) -> Arc<Semaphore> {
        self.gates.lock().unwrap().remove(&op).unwrap()
    }

    /// Invalidations are kept instead of carried out.
    pub(crate) fn queue_invalidations(&self) {
        *self.queues.lock().unwrap() = true;
    }

    /// How often `op` was asked.
    pub(crate) fn calls(&self, op: Op) -> usize {
        self.calls.lock().unwrap().iter().filter(|called| **called == op).count()
    }

    /// Leases that somebody holds.
    pub(crate) fn leased(&self) -> usize {
        self.leases.lock().unwrap().len()
    }

    /// Nobody is told of changes any more.
    pub(crate) fn fall_silent(&self) {
        self.listeners.lock().unwrap().0 = None;
    }

    /// Those who wait for a lease on this key.
    pub(crate) fn waiting(&self) -> usize {
        let listeners = self.listeners.lock().unwrap();
        listeners.0.iter().flatten().filter(|(_, teller)| teller.is_heard()).count()
    }

    /// Tells of a change of this key; whether anybody heard.
    pub(crate) fn tell(&self, key: &Key) -> bool {
        let listeners = self.listeners.lock().unwrap();
        let of_key = listeners.0.iter().flatten().filter(|(named, teller)| named == key && teller.is_heard());
        of_key.map(|(_, teller)| teller.tell()).count() > 0
    }

    fn listen(&self, key: Key) -> Option<Changes> {
        let (teller, changes) = Teller::new();
        self.listeners.lock().unwrap().0.as_mut()?.push((key, teller));
        Some(changes)
    }

    fn later<T: Send + 'static>(
        &self,
        op: Op,
        effect: impl FnOnce(&Self) -> Result<T, StoreError> + Send + 'static,
    ) -> Reply<Result<T, StoreError>> {
        self.calls.lock().unwrap().push(op);
        let store = self.clone();
        Reply::Later(Box::pin(async move {
            OncePending(false).await;
            let gate = store.gates.lock().unwrap().get(&op).cloned();
            if let Some(gate) = gate {
                gate.acquire().await.unwrap().forget();
            }
            let failure = store.script.lock().unwrap().get(&op).cloned();
            let answer = match failure {
                Some(error) => Err(error),
                None => effect(&store),
            };
            let gate = store.answers.lock().unwrap().get(&op).cloned();
            if let Some(gate) = gate {
                gate.acquire().await.unwrap().forget();
            }
            OncePending(false).await;
            answer
        }))
    }
}

/// Pending once.
struct OncePending(bool);

impl Future for OncePending {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if std::mem::replace(&mut self.0, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

fn now<T>(reply: Reply<T>) -> T {
    match reply {
        Reply::Now(answer) => answer,
        Reply::Later(_) => unreachable!("memory answers at once"),
    }
}

impl Store for SlowStore {
    fn get(&self, key: &Key) -> Reply<Result<Found, StoreError>> {
        let key = key.clone();
        self.later(Op::Get, move |store| now(store.memory.get(&key)))
    }

    fn get_variant(&self, key: &Key, variant: &VariantId) -> Reply<Result<Found, StoreError>> {
        let (key, variant) = (key.clone(), *variant);
        self.later(Op::GetVariant, move |store| now(store.memory.get_variant(&key, &variant)))
    }

    fn lease(&self, key: &Key, labels: &Labels, fence: &Arc<Fence>, claim: Claim) -> Reply<Result<Leased, StoreError>> {
        let (key, labels, fence) = (key.clone(), labels.clone(), fence.clone());
        self.later(Op::Lease, move |store| {
            let mut leases = store.leases.lock().unwrap();
            let holder = leases.iter().find(|(_, held)| held.key == key);
            if let Some((token, held)) = holder.map(|(token, held)| (*token, held)) {
                if held.claim == Claim::Firm || claim == Claim::Yielding {
                    if store.noted.lock().unwrap().contains(&key) {
                        return Ok(Leased::Uncacheable(None));
                    }
                    return Ok(Leased::Held(Held::new(token, HOLDS, store.listen(key))));
                }
                leases.remove(&token);
            }
            let token = store.tokens.fetch_add(1, Ordering::SeqCst);
            leases.insert(token, Record { key: key.clone(), labels: labels.clone(), claim });
            let lease = Lease::shared(key.clone(), labels, fence, token);
            let stored = !matches!(now(store.memory.get(&key)), Ok(Found::Absent));
            let lease = if stored { lease.beside_an_entry() } else { lease };
            let noted = store.noted.lock().unwrap().contains(&key);
            Ok(if noted { Leased::Uncacheable(Some(lease)) } else { Leased::Yes(lease) })
        })
    }

    fn put(&self, lease: Lease, put: Put) -> Reply<Result<Stored, StoreError>> {
        let (store, token) = (self.clone(), lease.token().unwrap());
        let reply = self.later(Op::Put, move |store| {
            // The lock is held while storing, so that the lease cannot end meanwhile.
            let mut leases = store.leases.lock().unwrap();
            let Some(record) = leases.remove(&token) else { return Ok(Stored::LeaseLost) };
            let stored = now(store.memory.put(lease, put));
            store.tell(&record.key);
            stored
        });
        let Reply::Later(answer) = reply else { unreachable!() };
        Reply::Later(Box::pin(async move {
            let stored = answer.await;
            store.leases.lock().unwrap().remove(&token);
            stored
        }))
    }

    fn release(&self, lease: Lease, why: Unused) -> Reply<()> {
        let reply = self.later(Op::Release, move |store| {
            let released = store.leases.lock().unwrap().remove(&lease.token().unwrap());
            if let Some(record) = released
                && store.tell(&record.key)
                && why == Unused::Uncacheable
            {
                store.noted.lock().unwrap().push(record.key);
            }
            Ok(())
        });
        let Reply::Later(answer) = reply else { unreachable!() };
        Reply::Later(Box::pin(async move { drop(answer.await) }))
    }

    fn remove(&self, key: &Key) -> Reply<Result<(), StoreError>> {
        let key = key.clone();
        self.later(Op::Remove, move |store| {
            store.leases.lock().unwrap().retain(|_, held| held.key != key);
            let removed = now(store.memory.remove(&key));
            store.tell(&key);
            removed
        })
    }

    fn invalidate(&self, selector: &Selector) -> Reply<Result<Cleared, StoreError>> {
        let selector = selector.clone();
        self.later(Op::Invalidate, move |store| {
            if *store.queues.lock().unwrap() {
                return Ok(Cleared::queued());
            }
            let mut leases = store.leases.lock().unwrap();
            let hit = |held: &Record| selector.hits(&held.key, &held.labels.tags, held.labels.category.as_ref());
            let ended: Vec<Key> = leases.values().filter(|held| hit(held)).map(|held| held.key.clone()).collect();
            leases.retain(|_, held| !hit(held));
            let cleared = now(store.memory.invalidate(&selector));
            for key in &ended {
                store.tell(key);
            }
            cleared
        })
    }

    fn count(&self, selector: &Selector) -> Reply<Result<u64, StoreError>> {
        let selector = selector.clone();
        self.later(Op::Count, move |store| now(store.memory.count(&selector)))
    }

    fn health(&self) -> Reply<Health> {
        Reply::Now(now(self.memory.health()))
    }
}

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

use larder::invalidation::{Cleared, Selector};
use larder::key::Key;
use larder::store::{
    Fence, Found, Health, Labels, Lease, MemoryStore, Put, Reply, Store, StoreError, Stored, VariantId,
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
    leases: Arc<Mutex<HashMap<u64, (Key, Labels)>>>,
    calls: Arc<Mutex<Vec<Op>>>,
    script: Arc<Mutex<HashMap<Op, StoreError>>>,
    gates: Arc<Mutex<HashMap<Op, Arc<Semaphore>>>>,
    queues: Arc<Mutex<bool>>,
    tokens: Arc<AtomicU64>,
}

impl SlowStore {
    pub(crate) fn over(memory: MemoryStore) -> Self {
        Self {
            memory: Arc::new(memory),
            leases: Arc::default(),
            calls: Arc::default(),
            script: Arc::default(),
            gates: Arc::default(),
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
        if let Some(gate) = self.gates.lock().unwrap().remove(&op) {
            gate.add_permits(Semaphore::MAX_PERMITS);
        }
    }

    /// Every `op` waits from now on, until it is let go or mended.
    pub(crate) fn hold(&self, op: Op) {
        self.gates.lock().unwrap().insert(op, Arc::new(Semaphore::new(0)));
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

    fn lease(&self, key: &Key, labels: &Labels, fence: &Arc<Fence>) -> Reply<Result<Lease, StoreError>> {
        let (key, labels, fence) = (key.clone(), labels.clone(), fence.clone());
        self.later(Op::Lease, move |store| {
            let token = store.tokens.fetch_add(1, Ordering::SeqCst);
            store.leases.lock().unwrap().insert(token, (key.clone(), labels.clone()));
            Ok(Lease::shared(key, labels, fence, token))
        })
    }

    fn put(&self, lease: Lease, put: Put) -> Reply<Result<Stored, StoreError>> {
        self.later(Op::Put, move |store| {
            // The lock is held while storing, so that the lease cannot end meanwhile.
            let mut leases = store.leases.lock().unwrap();
            match leases.remove(&lease.token().unwrap()) {
                Some(_) => now(store.memory.put(lease, put)),
                None => Ok(Stored::LeaseLost),
            }
        })
    }

    fn release(&self, lease: Lease) -> Reply<()> {
        let reply = self.later(Op::Release, move |store| {
            store.leases.lock().unwrap().remove(&lease.token().unwrap());
            Ok(())
        });
        let Reply::Later(answer) = reply else { unreachable!() };
        Reply::Later(Box::pin(async move { drop(answer.await) }))
    }

    fn remove(&self, key: &Key) -> Reply<Result<(), StoreError>> {
        let key = key.clone();
        self.later(Op::Remove, move |store| {
            store.leases.lock().unwrap().retain(|_, (leased, _)| *leased != key);
            now(store.memory.remove(&key))
        })
    }

    fn invalidate(&self, selector: &Selector) -> Reply<Result<Cleared, StoreError>> {
        let selector = selector.clone();
        self.later(Op::Invalidate, move |store| {
            if *store.queues.lock().unwrap() {
                return Ok(Cleared::queued());
            }
            let mut leases = store.leases.lock().unwrap();
            leases.retain(|_, (key, labels)| !selector.hits(key, &labels.tags, labels.category.as_ref()));
            now(store.memory.invalidate(&selector))
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

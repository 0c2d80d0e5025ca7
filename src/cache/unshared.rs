//! A flight that nobody joins: something is about to be stored by other means than a shared fetch, and an invalidation must
//! find it.

use std::any::Any;
use std::sync::Arc;

use super::flight::{Base, Boarding, Flight};
use super::handle::Core;
use crate::invalidation::Tag;
use crate::key::Key;
use crate::store::{Fence, Labels};

/// Leaves the list of flights when it is dropped.
pub(super) struct Unshared {
    base: Base,
    core: Arc<Core>,
}

impl Unshared {
    /// Adds a flight for a key. `None` when there are too many.
    pub(super) fn board(core: &Arc<Core>, key: &Key, labels: &Labels) -> Option<Arc<Self>> {
        let landed = core.flights.landed(key);
        let launch = |id, _| Self { base: Base::new(id, key.clone(), labels.clone(), false), core: core.clone() };
        match core.flights.board(key, false, &[], landed, launch) {
            Boarding::Lead(flight) | Boarding::Join(flight) => Some(flight),
            Boarding::Full => None,
        }
    }

    /// What an invalidation closes.
    pub(super) fn fence(&self) -> &Arc<Fence> {
        &self.base.fence
    }

    /// Adds tags to what the flight is found by; true when one of them was cleared since it began.
    pub(super) fn learn(&self, tags: &[Tag]) -> bool {
        self.core.flights.learn(&self.base.late, tags)
    }
}

impl Drop for Unshared {
    fn drop(&mut self) {
        self.core.flights.leave(&self.base);
    }
}

impl Flight for Unshared {
    fn base(&self) -> &Base {
        &self.base
    }

    fn into_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
    }
}

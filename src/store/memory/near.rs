//! Memory as the near tier of a shared store: what is kept here is a copy, and only for a time.

use std::sync::Arc;

use http::header::HeaderName;

use super::MemoryStore;
use super::slot::Slot;
use crate::clock::Timestamp;
use crate::entry::Entry;
use crate::invalidation::Selector;
use crate::key::Key;
use crate::store::{Found, Put, Stored, VariantId};

impl MemoryStore {
    /// The record of a key, unless its time is over.
    pub(in crate::store) fn kept(&self, key: &Key, now: Timestamp) -> Found {
        self.cache.get(key).filter(|slot| slot.until() > now).map_or(Found::Absent, |slot| slot.found())
    }

    /// A variant of a key, unless its time is over. [`Found::Absent`] says only that memory has no copy.
    pub(in crate::store) fn kept_variant(&self, key: &Key, id: &VariantId, now: Timestamp) -> Found {
        self.cache.get(key).filter(|slot| slot.until() > now).map_or(Found::Absent, |slot| slot.variant(id))
    }

    /// Whether an entry of this size may find room at all.
    pub(in crate::store) fn has_room_for(&self, entry: &Entry) -> bool {
        entry.weight() as u64 <= self.largest
    }

    /// Keeps an entry.
    pub(in crate::store) fn keep(&self, put: Put, until: Timestamp) -> Stored {
        self.insert(put, until)
    }

    /// Keeps the fields that the variants of a key are chosen by.
    pub(in crate::store) fn keep_names(&self, key: &Key, names: Arc<[HeaderName]>, until: Timestamp) {
        self.insert_indexed(&mut self.index(), key.clone(), Slot::varied(names).kept_until(until));
    }

    /// Keeps a variant beside the fields it was chosen by; without those it is not kept.
    pub(in crate::store) fn keep_variant(&self, id: VariantId, entry: Arc<Entry>, now: Timestamp, until: Timestamp) {
        let slot = self.cache.peek(&entry.meta().key).filter(|slot| slot.until() > now);
        if let Some(names) = slot.as_ref().and_then(Slot::names) {
            let variant = Some((Arc::clone(names), id));
            // The shared store bounds the variants of a key; there are no more here than there.
            self.insert(Put { entry, variant, max_variants: usize::MAX, now }, until);
        }
    }

    /// Removes what a shared store knows by this name.
    pub(in crate::store) fn drop_named(&self, name: &str) {
        let mut index = self.index();
        // Only a hashed name stands for a key that it does not spell out.
        let hashed = if name.contains('#') { index.group(name) } else { Vec::new() };
        for name in hashed.iter().map(Key::as_str).chain([name]) {
            if let Some((key, _)) = self.cache.remove(name) {
                index.unlink(&key);
            }
        }
    }

    /// Removes what an invalidation names.
    pub(in crate::store) fn drop_selected(&self, selector: &Selector) {
        self.remove_all(&self.selected(selector));
    }

    /// Whether an invalidation names so many records that whoever carries it out would hold others up.
    pub(in crate::store) fn is_wide(&self, selector: &Selector) -> bool {
        const MANY: usize = 1024;
        let named = match selector {
            Selector::Key(named) => self.index().group_len(named.as_str()),
            Selector::Tag(tag) => self.index().tagged_len(tag),
            // Every record is looked at.
            Selector::Glob(_) | Selector::Category(_) | Selector::All => self.cache.len(),
        };
        named > MANY
    }

    /// Removes everything.
    pub(in crate::store) fn clear(&self) {
        // Few at a time: hits and fills of what comes later do not wait for all that leaves.
        const BATCH: usize = 256;
        let mut leaving = self.cache.drain();
        loop {
            let mut index = self.index();
            let gone: Vec<_> = leaving.by_ref().take(BATCH).collect();
            gone.iter().for_each(|(key, slot)| index.unlink_generation(key, slot.generation()));
            drop(index);
            if gone.is_empty() {
                return;
            }
        }
    }
}

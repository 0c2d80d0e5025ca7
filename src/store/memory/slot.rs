//! What memory keeps under one key: a single entry, or the variants of it and the fields they are chosen by.

use std::sync::Arc;

use http::header::HeaderName;

use super::index::Index;
use crate::clock::Timestamp;
use crate::entry::Entry;
use crate::invalidation::{Selector, Tag};
use crate::key::Key;
use crate::store::{self, Found, VariantId};

/// Bytes of the cache's own table for one slot: key, slot and table metadata, times the table's slack.
const PER_SLOT: u64 = 160;
/// Bytes of a variant besides its entry.
const PER_VARIANT: u64 = 64;
/// Bytes that the index spends on a key besides the text of the group or tag.
const PER_INDEX: u64 = 160;

/// One key's record. Cloning it shares everything.
#[derive(Clone, Debug)]
pub(super) struct Slot {
    record: Record,
    weight: u64,
    generation: u64,
    until: Timestamp,
}

/// The end of what is kept for as long as there is room.
pub(super) const FOR_GOOD: Timestamp = Timestamp::from_millis(u64::MAX);

#[derive(Clone, Debug)]
enum Record {
    Single(Arc<Entry>),
    Varied(Arc<Variants>),
}

/// Variants under one list of `Vary` names, the oldest first.
#[derive(Clone, Debug)]
struct Variants {
    names: Arc<[HeaderName]>,
    list: Vec<(VariantId, Arc<Entry>)>,
}

impl Slot {
    /// A slot with one entry.
    pub(super) fn single(entry: Arc<Entry>) -> Self {
        Self::weighed(Record::Single(entry))
    }

    /// A slot of variants that has none yet.
    #[cfg(feature = "redis")]
    pub(super) fn varied(names: Arc<[HeaderName]>) -> Self {
        Self::weighed(Record::Varied(Arc::new(Variants { names, list: Vec::new() })))
    }

    /// The slot that follows `before` once this variant is stored: at most `max` variants that weigh at most `limit`
    /// together, the oldest leaving first.
    ///
    /// Other names than before begin a new list. A variant's identity was digested under the names of its own list,
    /// so under other names an old variant could answer a request that it was not selected for.
    pub(super) fn with_variant(
        before: Option<&Self>,
        names: Arc<[HeaderName]>,
        id: VariantId,
        entry: Arc<Entry>,
        max: usize,
        limit: u64,
    ) -> Self {
        let mut list = match before.map(|slot| &slot.record) {
            Some(Record::Varied(variants)) if variants.names == names => variants.list.clone(),
            _ => Vec::new(),
        };
        list.retain(|(other, _)| *other != id);
        list.push((id, entry));
        list.drain(..list.len().saturating_sub(max.max(1)));
        loop {
            let slot = Self::weighed(Record::Varied(Arc::new(Variants { names: names.clone(), list: list.clone() })));
            if slot.weight <= limit || list.len() == 1 {
                return slot;
            }
            list.remove(0);
        }
    }

    fn weighed(record: Record) -> Self {
        let mut slot = Self { record, weight: 0, generation: 0, until: FOR_GOOD };
        let mut weight = PER_SLOT;
        for entry in slot.entries() {
            let meta = entry.meta();
            let tags: usize = meta.tags.iter().map(|tag| tag.as_str().len()).sum();
            weight += entry.weight() as u64 + PER_VARIANT + tags as u64 + meta.tags.len() as u64 * PER_INDEX;
            if Index::knows(&meta.key) {
                weight += 2 * (PER_INDEX + meta.key.as_str().len() as u64);
            }
        }
        slot.weight = weight;
        slot
    }

    /// The same slot, known to the index by this generation; 0 when it is not indexed.
    pub(super) fn indexed(self, generation: u64) -> Self {
        Self { generation, ..self }
    }

    /// The generation under which the index knows the slot; 0 when it does not.
    pub(super) fn generation(&self) -> u64 {
        self.generation
    }

    /// The same slot, not to be kept any longer than this.
    pub(super) fn kept_until(self, until: Timestamp) -> Self {
        Self { until: self.until.min(until), ..self }
    }

    /// The instant from which it is kept no longer.
    pub(super) fn until(&self) -> Timestamp {
        self.until
    }

    /// The fields its variants are chosen by, when it has variants.
    #[cfg(feature = "redis")]
    pub(super) fn names(&self) -> Option<&Arc<[HeaderName]>> {
        match &self.record {
            Record::Single(_) => None,
            Record::Varied(variants) => Some(&variants.names),
        }
    }

    /// Bytes of memory that the slot accounts for.
    pub(super) fn weight(&self) -> u64 {
        self.weight
    }

    /// What a read of the key finds.
    pub(super) fn found(&self) -> Found {
        match &self.record {
            Record::Single(entry) => Found::Entry(Arc::clone(entry)),
            Record::Varied(variants) => Found::Varied(Arc::clone(&variants.names)),
        }
    }

    /// What a read of one variant finds.
    pub(super) fn variant(&self, id: &VariantId) -> Found {
        let Record::Varied(variants) = &self.record else { return Found::Absent };
        let variant = variants.list.iter().find(|(other, _)| other == id);
        variant.map_or(Found::Absent, |(_, entry)| Found::Entry(Arc::clone(entry)))
    }

    /// All of it.
    pub(super) fn record(&self) -> store::Record {
        match &self.record {
            Record::Single(entry) => store::Record::Single(Arc::clone(entry)),
            Record::Varied(variants) => {
                store::Record::Varied { names: Arc::clone(&variants.names), variants: variants.list.clone() }
            }
        }
    }

    /// Whether any of its entries is of use at `now`.
    pub(super) fn is_live(&self, now: Timestamp) -> bool {
        self.entries().any(|entry| entry.meta().drop_at() > now)
    }

    /// Whether the selector names the key or one of its entries.
    pub(super) fn is_hit_by(&self, selector: &Selector, key: &Key) -> bool {
        self.entries().any(|entry| selector.hits(key, &entry.meta().tags, entry.meta().category.as_ref()))
    }

    /// The tags of all its entries, each once.
    pub(super) fn tags(&self) -> Vec<Tag> {
        let mut tags: Vec<Tag> = self.entries().flat_map(|entry| entry.meta().tags.iter().cloned()).collect();
        tags.sort_unstable();
        tags.dedup();
        tags
    }

    fn entries(&self) -> impl Iterator<Item = &Arc<Entry>> {
        let (single, varied) = match &self.record {
            Record::Single(entry) => (Some(entry), None),
            Record::Varied(variants) => (None, Some(variants.list.iter().map(|(_, entry)| entry))),
        };
        single.into_iter().chain(varied.into_iter().flatten())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::entry::tests::sample;

    const NOW: Timestamp = Timestamp::from_secs(1_000);

    fn entry(body: &'static str) -> Arc<Entry> {
        Arc::new(sample("GET:/a", body, NOW, Duration::from_secs(60)))
    }

    fn id(byte: u8) -> VariantId {
        VariantId::new([byte; 32])
    }

    fn names(text: &'static str) -> Arc<[HeaderName]> {
        Arc::from([HeaderName::from_static(text)])
    }

    fn has(slot: &Slot, byte: u8) -> bool {
        matches!(slot.variant(&id(byte)), Found::Entry(_))
    }

    #[test]
    fn the_oldest_variant_leaves_and_a_renewed_one_is_young_again() {
        let mut slot = None;
        for byte in [1, 2, 1, 3] {
            let next = Slot::with_variant(slot.as_ref(), names("accept"), id(byte), entry("x"), 2, u64::MAX);
            slot = Some(next);
        }
        let slot = slot.unwrap();
        assert_eq!([has(&slot, 1), has(&slot, 2), has(&slot, 3)], [true, false, true]);
    }

    #[test]
    fn other_vary_names_begin_anew() {
        let first = Slot::with_variant(None, names("accept"), id(1), entry("x"), 8, u64::MAX);
        let second = Slot::with_variant(Some(&first), names("origin"), id(2), entry("y"), 8, u64::MAX);
        assert_eq!([has(&second, 1), has(&second, 2)], [false, true]);
        assert!(matches!(second.found(), Found::Varied(list) if list == names("origin")));
    }

    #[test]
    fn variants_leave_when_together_they_are_too_large() {
        let one = Slot::with_variant(None, names("accept"), id(1), entry("x"), 8, u64::MAX);
        let limit = one.weight() + 10;
        let two = Slot::with_variant(Some(&one), names("accept"), id(2), entry("y"), 8, limit);
        assert_eq!([has(&two, 1), has(&two, 2)], [false, true]);
    }
}

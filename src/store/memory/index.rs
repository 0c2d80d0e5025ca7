//! Which keys belong to a path, a query or a tag, so that an invalidation needs no walk through the whole cache.
//!
//! Only keys that an invalidation could not name by themselves are here: those with a query or keyed fields, those that
//! a shared store knows by a hashed name, and those with tags. The index is exact: every change to an indexed slot happens under its lock. What leaves by
//! eviction is taken out a moment later; its generation tells it from a newer slot of the same key.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use foldhash::fast::RandomState;

use crate::invalidation::Tag;
use crate::key::{Key, MAX_PHYSICAL_LEN};

type Keys = HashSet<Key, RandomState>;

/// The index of one memory store.
#[derive(Debug, Default)]
pub(super) struct Index {
    groups: HashMap<Arc<str>, Keys, RandomState>,
    tags: HashMap<Tag, Keys, RandomState>,
    records: HashMap<Key, Record, RandomState>,
    last: u64,
}

#[derive(Debug)]
struct Record {
    generation: u64,
    tags: Vec<Tag>,
}

impl Index {
    /// Notes a slot that is about to be stored and returns its generation, which is 0 when there is nothing to note.
    pub(super) fn link(&mut self, key: &Key, tags: Vec<Tag>) -> u64 {
        self.unlink(key);
        if !Self::knows(key) && tags.is_empty() {
            return 0;
        }
        for group in groups(key) {
            match self.groups.get_mut(&*group) {
                Some(keys) => keys.insert(key.clone()),
                None => self.groups.entry(group.as_ref().into()).or_default().insert(key.clone()),
            };
        }
        for tag in &tags {
            self.tags.entry(tag.clone()).or_default().insert(key.clone());
        }
        self.last += 1;
        self.records.insert(key.clone(), Record { generation: self.last, tags });
        self.last
    }

    /// Forgets a slot that left, unless the key has a newer one.
    pub(super) fn unlink_generation(&mut self, key: &Key, generation: u64) {
        if self.records.get(key).is_some_and(|record| record.generation == generation) {
            self.unlink(key);
        }
    }

    /// Forgets a key.
    pub(super) fn unlink(&mut self, key: &Key) {
        let Some(record) = self.records.remove(key) else { return };
        for group in groups(key) {
            take_out(&mut self.groups, &*group, key);
        }
        for tag in &record.tags {
            take_out(&mut self.tags, tag, key);
        }
    }

    /// Whether a key is noted here even without tags.
    pub(super) fn knows(key: &Key) -> bool {
        !key.is_resource() || key.as_str().len() > MAX_PHYSICAL_LEN
    }

    /// The keys that a name stands for besides itself: of a path every query and keyed field, of a query every keyed
    /// field, of a hashed name the key.
    pub(super) fn group(&self, named: &str) -> Vec<Key> {
        self.groups.get(named).map(|keys| keys.iter().cloned().collect()).unwrap_or_default()
    }

    /// The keys that carry a tag.
    pub(super) fn tagged(&self, tag: &Tag) -> Vec<Key> {
        self.tags.get(tag).map(|keys| keys.iter().cloned().collect()).unwrap_or_default()
    }

    /// How many keys a name stands for besides itself.
    #[cfg(feature = "redis")]
    pub(super) fn group_len(&self, named: &str) -> usize {
        self.groups.get(named).map_or(0, Keys::len)
    }

    /// How many keys carry a tag.
    #[cfg(feature = "redis")]
    pub(super) fn tagged_len(&self, tag: &Tag) -> usize {
        self.tags.get(tag).map_or(0, Keys::len)
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.groups.is_empty() && self.tags.is_empty() && self.records.is_empty()
    }
}

/// The names that stand for a key besides itself: its path; when it has both query and keyed fields, its query; and the
/// name by which a shared store knows it.
fn groups(key: &Key) -> impl Iterator<Item = Cow<'_, str>> {
    let whole = key.as_str();
    let (resource, query) = (key.resource(), key.without_fields());
    let resource = Some(resource).filter(|name| *name != whole);
    let query = Some(query).filter(|name| *name != whole && Some(*name) != resource);
    let physical = (whole.len() > MAX_PHYSICAL_LEN).then(|| Cow::Owned(key.physical()));
    resource.into_iter().chain(query).map(Cow::Borrowed).chain(physical)
}

fn take_out<Q, K>(map: &mut HashMap<K, Keys, RandomState>, name: &Q, key: &Key)
where
    K: std::borrow::Borrow<Q> + Eq + std::hash::Hash,
    Q: Eq + std::hash::Hash + ?Sized,
{
    if let Some(keys) = map.get_mut(name) {
        keys.remove(key);
        if keys.is_empty() {
            map.remove(name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> Key {
        Key::parse(text).unwrap()
    }

    #[test]
    fn a_path_stands_for_its_queries_and_a_query_for_its_keyed_fields() {
        let mut index = Index::default();
        for text in ["GET:/a?x=1", "GET:/a?x=1#00", "GET:/a#11", "GET:/ab?x=1"] {
            index.link(&key(text), Vec::new());
        }
        let sorted = |name| {
            let mut keys = index.group(name);
            keys.sort();
            keys.iter().map(Key::to_string).collect::<Vec<_>>()
        };
        assert_eq!(sorted("GET:/a"), ["GET:/a#11", "GET:/a?x=1", "GET:/a?x=1#00"]);
        assert_eq!(sorted("GET:/a?x=1"), ["GET:/a?x=1#00"]);
        assert_eq!(sorted("GET:/a?x=1#00"), Vec::<String>::new());
    }

    #[test]
    fn a_hashed_name_stands_for_its_key() {
        let mut index = Index::default();
        let long = key(&format!("GET:/{}", "a".repeat(300)));
        let generation = index.link(&long, Vec::new());
        assert_eq!(index.group(&long.physical()), std::slice::from_ref(&long));
        index.unlink_generation(&long, generation);
        assert!(index.is_empty());
    }

    #[test]
    fn a_late_farewell_does_not_take_the_newer_slot_out() {
        let mut index = Index::default();
        let old = index.link(&key("GET:/a"), vec![Tag::new("t")]);
        let new = index.link(&key("GET:/a"), vec![Tag::new("u")]);
        index.unlink_generation(&key("GET:/a"), old);
        assert!(index.tagged(&Tag::new("t")).is_empty());
        assert_eq!(index.tagged(&Tag::new("u")), [key("GET:/a")]);
        index.unlink_generation(&key("GET:/a"), new);
        assert!(index.is_empty());
    }

    #[test]
    fn a_bare_key_without_tags_is_not_indexed() {
        let mut index = Index::default();
        assert_eq!(index.link(&key("GET:/a"), Vec::new()), 0);
        assert!(index.is_empty());
    }
}

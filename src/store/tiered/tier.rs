//! The copies in memory, and when one may be made.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::NearConfig;
use crate::clock::{Clock, Timestamp};
use crate::entry::Entry;
use crate::invalidation::Selector;
use crate::key::Key;
use crate::store::reads::{Epoch, Reads};
use crate::store::{Found, MemoryStore, Put, Stored, VariantId};

/// Copies of records, each made only if nothing was told of its key since it was read.
pub(super) struct Tier {
    pub(super) memory: MemoryStore,
    pub(super) clock: Clock,
    pub(super) reads: Arc<Reads>,
    trusted: AtomicBool,
    max_ttl: Duration,
    degraded_ttl: Duration,
}

impl Tier {
    pub(super) fn new(memory: MemoryStore, near: NearConfig, clock: Clock) -> Self {
        Self {
            memory,
            clock,
            reads: Arc::default(),
            trusted: AtomicBool::new(false),
            max_ttl: near.max_ttl,
            degraded_ttl: near.degraded_ttl,
        }
    }

    /// Whether every change is told.
    pub(super) fn is_trusted(&self) -> bool {
        self.trusted.load(Ordering::Acquire)
    }

    /// Notes that changes are told from now on, or no longer. Either way nothing that memory has can be relied on.
    pub(super) fn trust(&self, told: bool) {
        self.trusted.store(told, Ordering::Release);
        self.forget_all();
    }

    /// Keeps a copy of what was read under `seen`; gives back what is to be answered.
    pub(super) fn copy(&self, key: &Key, seen: Epoch, found: Found) -> Found {
        match found {
            Found::Entry(entry) => Found::Entry(self.copied(key, seen, entry, |entry, now, until| {
                let put = Put { entry, variant: None, max_variants: 1, now };
                self.memory.keep(put, until);
            })),
            Found::Varied(names) => {
                self.reads.within(key, seen, || {
                    let now = self.clock.now();
                    let known = matches!(self.memory.kept(key, now), Found::Varied(known) if known == names);
                    if !known {
                        self.memory.keep_names(key, Arc::clone(&names), now.plus(self.lifetime()));
                    }
                });
                Found::Varied(names)
            }
            Found::Absent => Found::Absent,
        }
    }

    /// The same for a variant. It is kept beside the names that it was chosen by, and not without them.
    pub(super) fn copy_variant(&self, key: &Key, id: VariantId, seen: Epoch, found: Found) -> Found {
        match found {
            Found::Entry(entry) => Found::Entry(self.copied(key, seen, entry, |entry, now, until| {
                self.memory.keep_variant(id, entry, now, until);
            })),
            found => found,
        }
    }

    fn copied(
        &self,
        key: &Key,
        seen: Epoch,
        entry: Arc<Entry>,
        keep: impl FnOnce(Arc<Entry>, Timestamp, Timestamp),
    ) -> Arc<Entry> {
        // Copying a large body for nothing is dear.
        if self.reads.epoch(key) != seen || !self.memory.has_room_for(&entry) {
            return entry;
        }
        let entry = match Arc::try_unwrap(entry) {
            Ok(entry) => Arc::new(entry.detached()),
            Err(shared) => shared,
        };
        self.reads.within(key, seen, || {
            let now = self.clock.now();
            let until = now.plus(self.lifetime()).min(entry.meta().drop_at());
            keep(Arc::clone(&entry), now, until);
        });
        entry
    }

    /// Keeps what was fetched while there is neither Redis nor word of it.
    pub(super) fn keep_alone(&self, put: Put) -> Stored {
        let key = put.entry.meta().key.clone();
        self.reads.exclusively(&key, || {
            if self.is_trusted() {
                // Nobody would be told of its invalidation: Redis does not have it.
                return Stored::LeaseLost;
            }
            let until = self.clock.now().plus(self.degraded_ttl).min(put.entry.meta().drop_at());
            self.memory.keep(put, until)
        })
    }

    /// Forgets one record, by the name that Redis has for it.
    pub(super) fn forget_named(&self, name: &str) {
        self.reads.pass(name);
        self.memory.drop_named(name);
    }

    /// Forgets everything.
    pub(super) fn forget_all(&self) {
        self.reads.pass_all();
        self.memory.clear();
    }

    /// Forgets what an invalidation names.
    pub(super) fn forget(&self, selector: &Selector) {
        self.reads.pass_selected(selector);
        self.memory.drop_selected(selector);
    }

    /// The same, on a thread of its own when that is much work: no answer waits for it.
    pub(super) async fn forget_aside(self: &Arc<Self>, selector: &Selector) {
        if !self.memory.is_wide(selector) {
            return self.forget(selector);
        }
        let (tier, selector) = (Arc::clone(self), selector.clone());
        // It fails only when the process ends.
        let _ = tokio::task::spawn_blocking(move || tier.forget(&selector)).await;
    }

    fn lifetime(&self) -> Duration {
        if self.is_trusted() { self.max_ttl } else { self.degraded_ttl }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::tests::sample;
    use crate::invalidation::{Category, Glob, Tag};

    const NOW: Timestamp = Timestamp::from_secs(1_000);

    fn key(text: &str) -> Key {
        Key::parse(text).unwrap()
    }

    fn tier(clock: &Clock) -> Tier {
        let memory = MemoryStore::with_clock(1 << 20, clock.clone());
        let (max_ttl, degraded_ttl) = (Duration::from_secs(1200), Duration::from_secs(7));
        let tier = Tier::new(memory, NearConfig { max_ttl, degraded_ttl, ..NearConfig::default() }, clock.clone());
        tier.trust(true);
        tier
    }

    fn entry(text: &str, lifetime: u64) -> Arc<Entry> {
        Arc::new(sample(text, "body", NOW, Duration::from_secs(lifetime)))
    }

    fn read(tier: &Tier, text: &str, seen: Epoch, lifetime: u64) {
        assert!(matches!(tier.copy(&key(text), seen, Found::Entry(entry(text, lifetime))), Found::Entry(_)));
    }

    fn has(tier: &Tier, text: &str) -> bool {
        matches!(tier.memory.kept(&key(text), tier.clock.now()), Found::Entry(_))
    }

    fn long() -> String {
        format!("GET:/{}?q=1", "é".repeat(150))
    }

    #[test]
    fn what_was_read_before_anything_that_concerns_it_is_not_kept() {
        type Event = dyn Fn(&Tier, &str);
        let concerns: [(&str, &Event); 9] = [
            ("a message", &|tier, text| tier.forget_named(&key(text).physical())),
            ("a flush", &|tier, _| tier.forget_all()),
            ("a lost link", &|tier, _| tier.trust(false)),
            ("a link that is back", &|tier, _| tier.trust(true)),
            ("its path", &|tier, text| tier.forget(&Selector::Key(key(key(text).resource())))),
            ("a glob", &|tier, _| tier.forget(&Selector::Glob(Glob::new("GET:/a*")))),
            ("a tag", &|tier, _| tier.forget(&Selector::Tag(Tag::new("t")))),
            ("a category", &|tier, _| tier.forget(&Selector::Category(Category::new("c")))),
            ("everything", &|tier, _| tier.forget(&Selector::All)),
        ];
        for (what, happens) in concerns {
            for text in ["GET:/a", "GET:/a?x=1", &long()] {
                let tier = tier(&Clock::manual(NOW));
                let seen = tier.reads.epoch(&key(text));
                happens(&tier, text);
                read(&tier, text, seen, 60);
                assert!(!has(&tier, text), "{what}: {text}");
                read(&tier, text, tier.reads.epoch(&key(text)), 60);
                assert!(has(&tier, text), "{what}: {text}");
                happens(&tier, text);
                let selects_nothing = matches!(what, "a glob" | "a tag" | "a category");
                assert_eq!(has(&tier, text), selects_nothing && !(what == "a glob" && text.starts_with("GET:/a")));
            }
        }
    }

    #[test]
    fn a_copy_ends_with_its_entry_and_with_its_time() {
        for (trusted, lifetime, kept) in [(true, 90, 90), (true, 86_400, 1200), (false, 90, 7), (false, 2, 2)] {
            let clock = Clock::manual(NOW);
            let tier = tier(&clock);
            tier.trust(trusted);
            read(&tier, "GET:/a", tier.reads.epoch(&key("GET:/a")), lifetime);
            clock.advance(Duration::from_secs(kept - 1));
            assert!(has(&tier, "GET:/a"), "{trusted} {lifetime}");
            clock.advance(Duration::from_secs(1));
            assert!(!has(&tier, "GET:/a"), "{trusted} {lifetime}");
        }
    }

    #[test]
    fn what_redis_does_not_have_is_kept_only_while_nothing_is_told() {
        let clock = Clock::manual(NOW);
        let tier = tier(&clock);
        let put = || Put { entry: entry("GET:/a", 60), variant: None, max_variants: 16, now: NOW };
        assert_eq!(tier.keep_alone(put()), Stored::LeaseLost);
        tier.trust(false);
        assert_eq!(tier.keep_alone(put()), Stored::Yes);
        assert!(has(&tier, "GET:/a"));
        clock.advance(Duration::from_secs(7));
        assert!(!has(&tier, "GET:/a"));
        assert_eq!(tier.keep_alone(put()), Stored::Yes);
        tier.trust(true);
        assert!(!has(&tier, "GET:/a"));
    }

    #[test]
    fn a_variant_is_kept_beside_its_names_and_not_without_them() {
        let tier = tier(&Clock::manual(NOW));
        let (key, id) = (key("GET:/a"), VariantId::new([1; 32]));
        let seen = tier.reads.epoch(&key);
        let variant = || Found::Entry(entry("GET:/a", 60));
        let _ = tier.copy_variant(&key, id, seen, variant());
        assert!(matches!(tier.memory.kept_variant(&key, &id, NOW), Found::Absent));
        let names = Arc::from([http::header::ACCEPT]);
        let _ = tier.copy(&key, seen, Found::Varied(names));
        let _ = tier.copy_variant(&key, id, seen, variant());
        assert!(matches!(tier.memory.kept(&key, NOW), Found::Varied(names) if names[..] == [http::header::ACCEPT]));
        assert!(matches!(tier.memory.kept_variant(&key, &id, NOW), Found::Entry(_)));
        tier.forget_named("GET:/a");
        assert!(matches!(tier.memory.kept(&key, NOW), Found::Absent));
    }
}

//! What was read and written, and whether it may be so.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Instant;

/// Reads and acknowledged writes of one round.
pub(crate) struct Record {
    origin: Instant,
    events: Mutex<Vec<Event>>,
}

struct Event {
    node: usize,
    thing: u64,
    version: u64,
    began: u128,
    ended: u128,
    /// What was read; nothing for a write.
    path: Option<String>,
}

impl Default for Record {
    fn default() -> Self {
        Self { origin: Instant::now(), events: Mutex::default() }
    }
}

impl Record {
    /// The present, before a request is sent.
    pub(crate) fn begin(&self) -> u128 {
        self.origin.elapsed().as_nanos()
    }

    pub(crate) fn wrote(&self, node: usize, thing: u64, version: u64, began: u128) {
        self.push(Event { node, thing, version, began, ended: self.begin(), path: None });
    }

    pub(crate) fn read(&self, node: usize, thing: u64, version: u64, began: u128, path: &str) {
        self.push(Event { node, thing, version, began, ended: self.begin(), path: Some(path.to_owned()) });
    }

    fn push(&self, event: Event) {
        self.events.lock().unwrap().push(event);
    }

    /// Fails when a read is older than a write that its node had acknowledged before the read began.
    pub(crate) fn check(&self) {
        let events = self.events.lock().unwrap();
        let mut writes: HashMap<(usize, u64), Vec<(u128, u64)>> = HashMap::new();
        for event in events.iter().filter(|event| event.path.is_none()) {
            writes.entry((event.node, event.thing)).or_default().push((event.ended, event.version));
        }
        for read in events.iter() {
            let Some(path) = &read.path else { continue };
            let known = writes.get(&(read.node, read.thing)).into_iter().flatten();
            let newest = known.filter(|(ended, _)| *ended < read.began).map(|(_, version)| *version).max();
            assert!(
                newest.is_none_or(|newest| read.version >= newest),
                "node {} served version {} of {path} although it had acknowledged version {newest:?}",
                read.node,
                read.version,
            );
        }
        assert!(!writes.is_empty(), "somebody wrote");
    }
}

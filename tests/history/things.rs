//! The origin: things whose versions grow, each shown by several paths that are cleared in different ways.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use crate::dice::Dice;
use crate::program::{Answer, Origin};

/// Things of one round.
pub(crate) const THINGS: u64 = 3;
/// Paths that show a thing, each cleared in its own way: by key, tag, pattern and resource.
pub(crate) const KINDS: usize = 4;
/// Further queries of the last of them.
pub(crate) const QUERIES: usize = 2;

/// The versions of all things.
#[derive(Default)]
pub(crate) struct Things {
    versions: Mutex<HashMap<String, u64>>,
    calls: AtomicU64,
}

/// The routes of a node.
pub(crate) fn routes(memory: &str) -> String {
    format!(
        r#"
memory: {memory}
defaults: {{ ttl: 10m }}
routes:
  - path: /things/{{id}}
    ttl: 10m
    invalidate: {{ PUT: [{{ tag: "thing:{{id}}" }}, "GET:/pages/{{id}}/*", "GET:/lists/{{id}}"] }}
  - {{ path: "/tagged/{{id}}", ttl: 10m, tags: ["thing:{{id}}"] }}
  - {{ path: "/pages/{{id}}/{{rest*}}", ttl: 10m }}
  - {{ path: "/lists/{{id}}", ttl: 10m }}
"#
    )
}

/// What shows a thing.
pub(crate) fn paths(round: u64, thing: u64) -> [String; KINDS + QUERIES] {
    let id = format!("{round}-{thing}");
    [
        format!("/things/{id}"),
        format!("/tagged/{id}"),
        format!("/pages/{id}/a/b?c=1"),
        format!("/lists/{id}"),
        format!("/lists/{id}?page=1"),
        format!("/lists/{id}?page=2"),
    ]
}

/// The version that an answer shows.
pub(crate) fn read(answer: &Answer) -> u64 {
    answer.text.parse().unwrap_or_else(|_| panic!("{} {}", answer.status, answer.text))
}

impl Things {
    pub(crate) fn version(&self, round: u64, thing: u64) -> u64 {
        self.versions.lock().unwrap().get(&format!("{round}-{thing}")).copied().unwrap_or_default()
    }

    /// Answers for ever. A version is read when its request arrives and sent some time later: late answers are old ones.
    pub(crate) fn answer_for(self: Arc<Self>, origin: Origin) {
        thread::spawn(move || {
            loop {
                let (held, things) = (origin.next(), self.clone());
                thread::spawn(move || {
                    let mut dice = Dice(things.calls.fetch_add(1, Ordering::SeqCst));
                    let (method, target) = held.line();
                    let id = target.split(['/', '?']).nth(2).unwrap_or_default().to_owned();
                    let pause = Duration::from_millis(dice.below(3) * dice.below(15));
                    if method == "PUT" {
                        thread::sleep(pause);
                    }
                    let version = things.at(&id, method == "PUT");
                    thread::sleep(pause);
                    held.answer(&version.to_string());
                });
            }
        });
    }

    fn at(&self, id: &str, changed: bool) -> u64 {
        let mut versions = self.versions.lock().unwrap();
        let version = versions.entry(id.to_owned()).or_default();
        *version += u64::from(changed);
        *version
    }
}

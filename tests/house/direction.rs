//! Which module may name which.
//!
//! ```text
//! main -> cli -> server -> {admin, proxy, config} -> cache -> {policy, route, store, stats, clock}
//!      -> {key, entry, outcome, invalidation}
//! ```
//! The stores know the trait and the vocabulary; the cache names no store of its own; the proxy does not know that a
//! cache exists; policy does no I/O and waits for nothing.

use crate::names::{Named, module_of, own_paths, uses_of_crate, words};
use crate::source::{File, line_of, rust_files};
use crate::{Offence, assert_none};

/// A module and everything below it that has no room of its own.
struct Room {
    name: &'static str,
    /// The rooms, or single items, that it may name.
    may_name: &'static [&'static str],
    /// The crates, and keywords, that it keeps out.
    keeps_out: &'static [&'static str],
}

const fn room(name: &'static str, may_name: &'static [&'static str], keeps_out: &'static [&'static str]) -> Room {
    Room { name, may_name, keeps_out }
}

/// What plain data and pure decisions have no business with.
const IMPURE: &[&str] =
    &["async", "await", "axum", "clap", "fred", "hyper", "hyper_util", "saphyr_parser", "serde", "tokio"];
const NOT_A_SERVER: &[&str] = &["axum", "clap", "fred", "hyper", "hyper_util", "saphyr_parser", "serde", "serde_json"];
const NOT_A_STORE: &[&str] = &["fred", "quick_cache"];

const ROOMS: &[Room] = &[
    room("clock", &[], IMPURE),
    room("key", &[], IMPURE),
    room("invalidation", &["key"], IMPURE),
    room("entry", &["clock", "invalidation", "key"], IMPURE),
    room("outcome", &["clock", "key"], IMPURE),
    room("stats", &["clock", "entry", "invalidation", "key", "outcome"], NOT_A_SERVER),
    room("policy", &["clock", "entry", "invalidation", "key", "outcome", "policy::fields", "store::VariantId"], IMPURE),
    // The rules about hop-by-hop and connection fields, which a proxy needs without a cache.
    room("policy::fields", &[], IMPURE),
    room("route", &["invalidation", "key", "policy", "policy::fields"], IMPURE),
    room("store", &["clock", "entry", "invalidation", "key"], NOT_A_SERVER),
    room("store::wire", &["clock", "entry", "invalidation", "key", "store"], NOT_A_SERVER),
    room("store::memory", &["clock", "entry", "invalidation", "key", "store"], NOT_A_SERVER),
    room(
        "store::redis",
        &["clock", "entry", "invalidation", "key", "store", "store::wire"],
        &["axum", "clap", "hyper", "hyper_util", "saphyr_parser", "serde"],
    ),
    room(
        "store::tiered",
        &["clock", "entry", "invalidation", "key", "store", "store::memory", "store::redis", "store::wire"],
        NOT_A_SERVER,
    ),
    room(
        "cache",
        &["clock", "entry", "invalidation", "key", "outcome", "policy", "policy::fields", "route", "stats", "store"],
        &["axum", "clap", "fred", "hyper", "hyper_util", "quick_cache", "saphyr_parser", "serde", "serde_json"],
    ),
    room(
        "memo",
        &["cache", "invalidation", "key", "route", "stats", "store"],
        &["axum", "clap", "fred", "hyper", "tokio"],
    ),
    room("config", &["clock", "invalidation", "key", "policy", "policy::fields", "route"], NOT_A_STORE),
    room("proxy", &["clock", "outcome", "policy::fields"], &["axum", "clap", "fred", "quick_cache", "saphyr_parser"]),
    room(
        "admin",
        &[
            "cache",
            "clock",
            "entry",
            "invalidation",
            "key",
            "outcome",
            "policy",
            "policy::fields",
            "route",
            "stats",
            "store",
        ],
        NOT_A_STORE,
    ),
    room("server", &[ANY_BELOW], &["clap"]),
    room("cli", &[ANY_BELOW, "server"], &[]),
    room("main", &[ANY_BELOW, "server", "cli"], &[]),
];

/// The right of the composition root, and of what stands above it: any room but the three at the top.
const ANY_BELOW: &str = "*";
const TOP: &[&str] = &["server", "cli", "main"];

#[test]
fn modules_name_only_what_lies_below_them() {
    let files = rust_files("src");
    let aliases = re_exports(&files);
    let mut offences = Vec::new();
    for file in files.iter().filter(|file| file.path != "src/lib.rs") {
        let module = module_of(&file.path);
        let Some(room) = room_of(&module) else {
            let what = format!("the module {} has no row in tests/house/direction.rs", module.join("::"));
            offences.push(Offence { path: file.path.clone(), line: 1, what });
            continue;
        };
        for named in own_paths(&file.shipped_code(), &module) {
            let target = follow(&aliases, &named.path);
            if !may_name(room, target) {
                let what = format!("{} names {}", room.name, target.join("::"));
                offences.push(Offence { path: file.path.clone(), line: named.line, what });
            }
        }
    }
    assert_none("modules that name what they should not know:", &offences);
}

#[test]
fn modules_keep_out_the_crates_they_have_no_business_with() {
    let mut offences = Vec::new();
    for file in rust_files("src") {
        let Some(room) = room_of(&module_of(&file.path)) else { continue };
        let code = file.shipped_code();
        for crate_name in room.keeps_out {
            let lines = match *crate_name {
                "async" | "await" => words(&code, crate_name).map(|at| line_of(&code, at)).collect(),
                _ => uses_of_crate(&code, crate_name),
            };
            for line in lines {
                let what = format!("{} keeps out {crate_name}", room.name);
                offences.push(Offence { path: file.path.clone(), line, what });
            }
        }
    }
    assert_none("modules that use what they keep out:", &offences);
}

/// The room with the longest name that is the module or stands above it.
fn room_of<S: AsRef<str>>(module: &[S]) -> Option<&'static Room> {
    ROOMS.iter().filter(|room| is_under(module, room.name)).max_by_key(|room| room.name.len())
}

fn is_under<S: AsRef<str>>(module: &[S], name: &str) -> bool {
    let mut segments = module.iter().map(AsRef::as_ref);
    name.split("::").all(|wanted| segments.next() == Some(wanted))
}

fn may_name(room: &Room, target: &[String]) -> bool {
    // Items at the root of the crate are re-exports of rooms; `lib.rs` alone defines none.
    let Some(theirs) = room_of(target) else { return false };
    theirs.name == room.name
        || room.may_name.iter().any(|allowed| match *allowed {
            ANY_BELOW => !TOP.contains(&theirs.name),
            // A single item of a room.
            item if room_of(&item.split("::").collect::<Vec<_>>()).is_some_and(|room| room.name != item) => {
                is_under(target, item)
            }
            name => name == theirs.name,
        })
}

/// What a `pub use` in a folder's `mod.rs`, or in `lib.rs`, lends its name to: `store::MemoryStore` is
/// `store::memory::MemoryStore`.
fn re_exports(files: &[File]) -> Vec<(Vec<String>, Vec<String>)> {
    let mut aliases = Vec::new();
    for file in files.iter().filter(|file| file.path.ends_with("/mod.rs") || file.path == "src/lib.rs") {
        let module = module_of(&file.path);
        let code = file.shipped_code().replace("pub use self::", "pub use ").replace("pub use ", "self::");
        let is_export = |named: &Named| named.path.len() > module.len() + 1 && named.path.starts_with(&module);
        for Named { path, .. } in own_paths(&code, &module).into_iter().filter(is_export) {
            let alias = module.iter().chain(path.last()).cloned().collect();
            aliases.push((alias, path));
        }
    }
    aliases
}

fn follow<'a>(aliases: &'a [(Vec<String>, Vec<String>)], path: &'a [String]) -> &'a [String] {
    let alias = aliases.iter().find(|(alias, target)| path.starts_with(alias) && alias != target);
    match alias {
        // A name may be lent twice: by its folder and again by the root.
        Some((_, target)) if !target.starts_with(path) => follow(aliases, target),
        _ => path,
    }
}

#[test]
fn the_table_says_what_the_design_says() {
    let path = |text: &str| text.split("::").map(str::to_owned).collect::<Vec<_>>();
    for (from, to, allowed) in [
        ("cache::flow", "store::Store", true),
        ("cache::flow", "store::memory::MemoryStore", false),
        ("cache::flow", "config::Config", false),
        ("proxy::forward", "cache::CacheLayer", false),
        ("proxy::forward", "policy::fields::Hop", true),
        ("proxy::forward", "policy::Options", false),
        ("policy::admit", "store::VariantId", true),
        ("policy::admit", "store::Lease", false),
        ("store::memory", "store::Fence", true),
        ("store::memory", "policy::Options", false),
        ("server", "store::redis::RedisStore", true),
        ("server", "cli::Arguments", false),
        ("cli::serve", "server::run", true),
    ] {
        let room = room_of(&path(from)).unwrap();
        assert_eq!(may_name(room, &path(to)), allowed, "{from} -> {to}");
    }
}

#[test]
fn a_lent_name_is_followed_to_its_owner() {
    let file = |path: &str, text: &str| File { path: path.to_owned(), text: text.to_owned() };
    let files = [
        file("src/lib.rs", "pub use store::{MemoryStore, Store};"),
        file("src/store/mod.rs", "mod memory;\npub use memory::MemoryStore;\npub trait Store {}"),
    ];
    let aliases = re_exports(&files);
    let owned = |text: &str| {
        let path: Vec<String> = text.split("::").map(str::to_owned).collect();
        follow(&aliases, &path).join("::")
    };
    assert_eq!(owned("MemoryStore"), "store::memory::MemoryStore");
    assert_eq!(owned("store::MemoryStore"), "store::memory::MemoryStore");
    assert_eq!(owned("Store"), "store::Store");
}

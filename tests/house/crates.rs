//! What each feature set brings in, under which licence, and from where.

use std::collections::BTreeSet;
use std::process::Command;

/// Keep alike with `deny.toml`.
const LICENCES: &[&str] =
    &["Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "BSL-1.0", "ISC", "MIT", "Unicode-3.0", "Zlib"];
const CRATES_IO: &str = "registry+https://github.com/rust-lang/crates.io-index";

#[test]
fn the_bare_library_brings_in_no_server_no_redis_no_yaml() {
    let crates = shipped_crates(&["--no-default-features"]);
    assert_absent(&crates, &["axum", "clap", "fred", "hyper", "hyper-util", "saphyr-parser", "serde", "quick_cache"]);
}

#[test]
fn an_embedder_with_both_stores_brings_in_no_server() {
    let crates = shipped_crates(&["--no-default-features", "--features", "memory,redis"]);
    assert!(crates.contains("fred") && crates.contains("quick_cache"), "{crates:?}");
    assert_absent(&crates, &["axum", "clap", "hyper", "hyper-util", "saphyr-parser"]);
}

#[test]
fn every_licence_is_one_of_ours() {
    let listing = cargo_tree(&["--all-features", "--edges", "normal,build,dev", "--format", "{p}\t{l}"]);
    let refused: BTreeSet<&str> = listing
        .lines()
        .filter(|line| {
            let licence = line.split_once('\t').map_or("", |(_, licence)| licence);
            !is_allowed(licence.trim_end_matches("(*)").trim())
        })
        .collect();
    assert!(refused.is_empty(), "crates under other licences: {refused:#?}");
}

#[test]
fn every_crate_comes_from_crates_io() {
    let lock = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.lock")).unwrap();
    let strangers: Vec<&str> = lock
        .split("[[package]]")
        .skip(1)
        .filter(|package| {
            let field = |name: &str| {
                let line = package.lines().find(|line| line.starts_with(name))?;
                Some(line.split('"').nth(1).unwrap_or_default())
            };
            field("name =") != Some("larder") && field("source =") != Some(CRATES_IO)
        })
        .collect();
    assert!(strangers.is_empty(), "crates from elsewhere: {strangers:#?}");
}

#[test]
fn the_fuzz_targets_bring_in_one_crate_of_their_own() {
    let own = dependencies(include_str!("../../Cargo.toml"));
    let theirs = dependencies(include_str!("../../fuzz/Cargo.toml"));
    let added: Vec<&&str> = theirs.difference(&own).collect();
    assert_eq!(added, [&"larder", &"libfuzzer-sys"]);
}

/// The names of what a manifest depends on, for whatever purpose.
fn dependencies(manifest: &str) -> BTreeSet<&str> {
    let (mut names, mut inside) = (BTreeSet::new(), false);
    for line in manifest.lines() {
        if line.starts_with('[') {
            inside = line.ends_with("dependencies]");
        } else if let Some((name, _)) = line.split_once(" = ").filter(|_| inside) {
            names.insert(name);
        }
    }
    names
}

/// The names of the crates that are linked into the library with these features.
fn shipped_crates(features: &[&str]) -> BTreeSet<String> {
    let arguments = [features, &["--edges", "normal", "--format", "{p}"]].concat();
    cargo_tree(&arguments).lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
}

fn assert_absent(crates: &BTreeSet<String>, unwanted: &[&str]) {
    let present: Vec<&&str> = unwanted.iter().filter(|name| crates.contains(**name)).collect();
    assert!(present.is_empty(), "{present:?} came in");
}

fn cargo_tree(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--locked", "--prefix", "none"])
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Whether an SPDX expression can be met with our licences. `/` is the old way to write `OR`; an exception only adds
/// permissions, so `X WITH y` is as good as `X`.
fn is_allowed(expression: &str) -> bool {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let mut words = spaced.split_whitespace().peekable();
    let allowed = any_of(&mut words);
    allowed && words.next().is_none()
}

type Words<'a> = std::iter::Peekable<std::str::SplitWhitespace<'a>>;

fn any_of(words: &mut Words<'_>) -> bool {
    let mut allowed = all_of(words);
    while words.next_if_eq(&"OR").is_some() {
        allowed |= all_of(words);
    }
    allowed
}

fn all_of(words: &mut Words<'_>) -> bool {
    let mut allowed = one(words);
    while words.next_if_eq(&"AND").is_some() {
        allowed &= one(words);
    }
    allowed
}

fn one(words: &mut Words<'_>) -> bool {
    if words.next_if_eq(&"(").is_some() {
        let allowed = any_of(words);
        return words.next() == Some(")") && allowed;
    }
    let allowed = words.next().is_some_and(|licence| LICENCES.contains(&licence));
    if words.next_if_eq(&"WITH").is_some() {
        words.next();
    }
    allowed
}

#[test]
fn licence_expressions_are_read() {
    for (expression, allowed) in [
        ("MIT", true),
        ("MIT/GPL-3.0", true),
        ("GPL-3.0", false),
        ("MIT AND GPL-3.0", false),
        ("(MIT OR GPL-3.0) AND Unicode-3.0", true),
        ("MIT AND (GPL-2.0 OR GPL-3.0)", false),
        ("Apache-2.0 WITH LLVM-exception", true),
        ("MIT)", false),
        ("", false),
    ] {
        assert_eq!(is_allowed(expression), allowed, "{expression:?}");
    }
}

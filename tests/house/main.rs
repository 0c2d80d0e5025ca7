//! The house rules: what the compiler does not hold about this tree, held by machine.
//!
//! - [`direction`]: which module may name which, and which crates each keeps out.
//! - [`leftovers`]: file sizes, unfinished code, ignored tests.
//! - [`crates`]: what each feature set brings in, licences, sources.
//!
//! [`source`] reads Rust closely enough for that, and [`names`] finds the modules a file names.

#![expect(clippy::unwrap_used, reason = "a tree that cannot be read fails the test")]

mod crates;
mod direction;
mod leftovers;
mod names;
mod source;

use std::fmt;

/// Something against a rule, and where.
#[derive(Debug)]
struct Offence {
    path: String,
    line: usize,
    what: String,
}

impl fmt::Display for Offence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.what)
    }
}

/// Fails with every offence on a line of its own.
fn assert_none(rule: &str, offences: &[Offence]) {
    let lines: Vec<String> = offences.iter().map(ToString::to_string).collect();
    assert!(offences.is_empty(), "{rule}\n{}", lines.join("\n"));
}

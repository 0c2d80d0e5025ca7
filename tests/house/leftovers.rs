//! What must not stay in the tree: overgrown files, unfinished code, tests that never run.

use crate::names::words;
use crate::source::{line_of, rust_files};
use crate::{Offence, assert_none};

/// A file past this holds more than one idea.
const MAX_LINES: usize = 400;

#[test]
fn no_file_grows_past_its_one_idea() {
    let long: Vec<Offence> = rust_files("src")
        .into_iter()
        .map(|file| Offence { line: file.text.lines().count(), path: file.path, what: "the file ends here".to_owned() })
        .filter(|offence| offence.line > MAX_LINES)
        .collect();
    assert_none(&format!("files of more than {MAX_LINES} lines:"), &long);
}

#[test]
fn nothing_unfinished_stays() {
    let mut offences = Vec::new();
    for file in ["src", "tests", "benches", "examples", "fuzz"].into_iter().flat_map(rust_files) {
        let code = file.code();
        for name in ["todo", "unimplemented", "dbg", "ignore"] {
            for at in words(&code, name) {
                let (before, after) = (code[..at].trim_end(), &code[at + name.len()..]);
                let found = if name == "ignore" { before.ends_with("#[") } else { after.starts_with('!') };
                if found {
                    let what = format!("`{name}` stays in the tree");
                    offences.push(Offence { path: file.path.clone(), line: line_of(&code, at), what });
                }
            }
        }
    }
    assert_none("unfinished code, or a test that never runs:", &offences);
}

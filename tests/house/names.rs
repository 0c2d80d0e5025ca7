//! The paths that a file names, written out from the root of the crate.

use crate::source::{is_word, line_of};

/// A path in code, and its line.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Named {
    /// The segments after `crate`, or from the name of another crate on.
    pub(crate) path: Vec<String>,
    pub(crate) line: usize,
}

/// The module of a file: `src/store/redis/queue.rs` is `store::redis::queue`. Empty for the roots.
pub(crate) fn module_of(path: &str) -> Vec<String> {
    let inside = path.strip_prefix("src/").unwrap_or(path).trim_end_matches(".rs");
    let mut segments: Vec<String> = inside.split('/').map(str::to_owned).collect();
    if matches!(segments.last().map(String::as_str), Some("mod" | "lib")) {
        segments.pop();
    }
    segments
}

/// Every path of this crate that the code names, groups taken apart. Paths that begin with `crate`, `self`, `super`
/// or (in the program) `larder` are resolved against `module`.
pub(crate) fn own_paths(code: &str, module: &[String]) -> Vec<Named> {
    let mut named = Vec::new();
    for root in ["crate", "super", "self", "larder"] {
        for start in words(code, root) {
            // `super::super::x` is read from its first word; `x::self` and `macro!(self.y)` are not paths from a root.
            if code[..start].trim_end().ends_with("::") || !code[start + root.len()..].trim_start().starts_with("::") {
                continue;
            }
            for path in expand(&code[start..]) {
                if let Some(path) = resolve(&path, module) {
                    named.push(Named { path, line: line_of(code, start) });
                }
            }
        }
    }
    named
}

/// Where the code names another crate as the first segment of a path.
pub(crate) fn uses_of_crate(code: &str, name: &str) -> Vec<usize> {
    words(code, name)
        .filter(|start| {
            let (before, after) = (code[..*start].trim_end(), code[start + name.len()..].trim_start());
            let is_import = before.ends_with("use") && after.starts_with([';', ' ']);
            !before.ends_with("::") && (after.starts_with("::") || is_import)
        })
        .map(|start| line_of(code, start))
        .collect()
}

/// Where a whole word stands.
pub(crate) fn words<'a>(code: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    let bytes = code.as_bytes();
    code.match_indices(word).map(|(start, _)| start).filter(move |start| {
        let end = start + word.len();
        (*start == 0 || !is_word(bytes[start - 1])) && (end == bytes.len() || !is_word(bytes[end]))
    })
}

/// The paths of a use tree or of a plain path: `a::{b, c::{d, e}}` is `a::b`, `a::c::d`, `a::c::e`.
fn expand(text: &str) -> Vec<Vec<String>> {
    let mut prefix = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start();
        let length = rest.bytes().take_while(|byte| is_word(*byte)).count();
        if length == 0 {
            break;
        }
        prefix.push(rest[..length].to_owned());
        match rest[length..].trim_start().strip_prefix("::") {
            Some(after) => rest = after,
            None => return vec![prefix],
        }
    }
    let Some(group) = rest.strip_prefix('{') else { return vec![prefix] };
    members(group).into_iter().flat_map(expand).map(|tail| prefix.iter().cloned().chain(tail).collect()).collect()
}

/// The members of a group, up to its closing brace.
fn members(group: &str) -> Vec<&str> {
    let (mut found, mut depth, mut start) = (Vec::new(), 0, 0);
    for (at, byte) in group.bytes().enumerate() {
        match byte {
            b'{' => depth += 1,
            b',' | b'}' if depth == 0 => {
                found.push(&group[start..at]);
                start = at + 1;
                if byte == b'}' {
                    break;
                }
            }
            b'}' => depth -= 1,
            _ => {}
        }
    }
    found.retain(|member| !member.trim().is_empty());
    found
}

/// The path from the root of the crate; `None` when it leads out of it, as `super` in an inline module may seem to.
fn resolve(path: &[String], module: &[String]) -> Option<Vec<String>> {
    let mut base = match path.first()?.as_str() {
        "crate" | "larder" => Vec::new(),
        _ => module.to_vec(),
    };
    for segment in path {
        match segment.as_str() {
            "crate" | "larder" | "self" => {}
            "super" => {
                base.pop()?;
            }
            other => base.push(other.to_owned()),
        }
    }
    Some(base)
}

#[test]
fn groups_and_relative_paths_are_written_out() {
    let code = "use crate::{a::B, c::{self, D}};\nuse super::super::e::F;\nlet x = crate::g::h();\nself.y; self::i::J";
    let module = ["p".to_owned(), "q".to_owned()];
    let mut found: Vec<(String, usize)> =
        own_paths(code, &module).into_iter().map(|named| (named.path.join("::"), named.line)).collect();
    found.sort();
    let expected = [("a::B", 1), ("c", 1), ("c::D", 1), ("e::F", 2), ("g::h", 3), ("p::q::i::J", 4)];
    assert_eq!(found, expected.map(|(path, line)| (path.to_owned(), line)));
}

#[test]
fn a_crate_is_named_by_the_head_of_a_path_only() {
    let code = "use hyper::body;\nuse x::hyper::y;\nlet hyper = 1;\nuse hyper;\nhyper_util::z();";
    assert_eq!(uses_of_crate(code, "hyper"), [1, 4]);
}

#[test]
fn files_are_modules() {
    assert_eq!(module_of("src/lib.rs"), Vec::<String>::new());
    assert_eq!(module_of("src/store/mod.rs"), ["store"]);
    assert_eq!(module_of("src/store/redis/queue.rs"), ["store", "redis", "queue"]);
}

//! Rust files as text in which only code is left.

use std::path::{Path, PathBuf};

/// A Rust file of this tree.
pub(crate) struct File {
    /// The path from the root of the tree, with `/`.
    pub(crate) path: String,
    /// The text as it stands.
    pub(crate) text: String,
}

impl File {
    /// The text with comments and literals blanked out. Every byte keeps its line.
    pub(crate) fn code(&self) -> String {
        blank_comments_and_literals(&self.text)
    }

    /// [`File::code`] without what is compiled for tests alone.
    pub(crate) fn shipped_code(&self) -> String {
        if self.path.ends_with("/tests.rs") || self.path.contains("/tests/") {
            return String::new();
        }
        blank_test_items(&self.code())
    }
}

/// Every Rust file under the folder, in the order of their paths.
pub(crate) fn rust_files(folder: &str) -> Vec<File> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut paths = Vec::new();
    collect(&root.join(folder), &mut paths);
    paths.sort();
    paths
        .into_iter()
        .map(|path| File {
            text: std::fs::read_to_string(&path).unwrap(),
            path: path.strip_prefix(root).unwrap().to_str().unwrap().replace('\\', "/"),
        })
        .collect()
}

fn collect(folder: &Path, into: &mut Vec<PathBuf>) {
    let Ok(entries) = folder.read_dir() else { return };
    for path in entries.map(|entry| entry.unwrap().path()) {
        if path.is_dir() && !path.ends_with("target") {
            collect(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            into.push(path);
        }
    }
}

/// The number of the line on which a byte lies.
pub(crate) fn line_of(text: &str, at: usize) -> usize {
    text[..at].matches('\n').count() + 1
}

fn blank_comments_and_literals(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut code = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let end = at + token_length(&bytes[at..], at > 0 && is_word(bytes[at - 1]));
        if end > at {
            for byte in &mut code[at..end] {
                if *byte != b'\n' {
                    *byte = b' ';
                }
            }
            at = end;
        } else {
            at += 1;
        }
    }
    // Whole tokens were blanked, so no character was cut in two.
    String::from_utf8(code).unwrap()
}

/// The length of the comment or literal at the start of `rest`; 0 when there is none.
fn token_length(rest: &[u8], inside_word: bool) -> usize {
    match rest {
        [b'/', b'/', ..] => find(rest, b"\n").unwrap_or(rest.len()),
        [b'/', b'*', ..] => block_comment(rest),
        [b'"', ..] => quoted(rest, b'"'),
        [b'b' | b'c', b'"', ..] if !inside_word => 1 + quoted(&rest[1..], b'"'),
        [b'r', b'"' | b'#', ..] if !inside_word => raw_string(&rest[1..]).map_or(0, |length| length + 1),
        [b'b' | b'c', b'r', b'"' | b'#', ..] if !inside_word => raw_string(&rest[2..]).map_or(0, |length| length + 2),
        [b'\'', b'\\', ..] => quoted(rest, b'\''),
        [b'\'', first, ..] => {
            // A character; anything else after a quote is a lifetime.
            let width = match first {
                0..0x80 => 1,
                0x80..0xe0 => 2,
                0xe0..0xf0 => 3,
                _ => 4,
            };
            if rest.get(1 + width) == Some(&b'\'') { width + 2 } else { 0 }
        }
        _ => 0,
    }
}

fn block_comment(rest: &[u8]) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at + 1 < rest.len() {
        match &rest[at..at + 2] {
            b"/*" => (depth, at) = (depth + 1, at + 2),
            b"*/" => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            return at;
        }
    }
    rest.len()
}

fn quoted(rest: &[u8], quote: u8) -> usize {
    let mut at = 1;
    while at < rest.len() {
        match rest[at] {
            b'\\' => at += 2,
            byte if byte == quote => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}

/// `None` for a raw identifier such as `r#type`.
fn raw_string(rest: &[u8]) -> Option<usize> {
    let hashes = rest.iter().take_while(|byte| **byte == b'#').count();
    if rest.get(hashes) != Some(&b'"') {
        return None;
    }
    let close = [b"\"".as_slice(), &rest[..hashes]].concat();
    Some(find(&rest[hashes + 1..], &close).map_or(rest.len(), |at| hashes + 1 + at + close.len()))
}

/// Blanks every item under `#[cfg(test)]`, up to its closing brace or semicolon.
fn blank_test_items(code: &str) -> String {
    const MARK: &str = "#[cfg(test)]";
    let mut shipped = code.as_bytes().to_vec();
    for (start, _) in code.match_indices(MARK) {
        let mut depth = 0;
        for (at, byte) in code.bytes().enumerate().skip(start + MARK.len()) {
            match byte {
                b'{' => depth += 1,
                b'}' => depth -= 1,
                _ => {}
            }
            let ends = depth == 0 && matches!(byte, b'}' | b';');
            if shipped[at] != b'\n' {
                shipped[at] = b' ';
            }
            if ends {
                break;
            }
        }
    }
    String::from_utf8(shipped).unwrap()
}

/// A byte of an identifier.
pub(crate) fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

#[test]
fn comments_and_literals_are_blank_and_the_rest_stays_in_place() {
    for (text, code) in [
        ("a // crate::x\nb", "a            \nb"),
        ("a /* b /* c */ d */ e", "a                   e"),
        (r#"f("crate::x\"", 'c', '\'', '"') g"#, "f(            ,    ,     ,    ) g"),
        (r##"r#"a"b"# r#type 'a: loop"##, "         r#type 'a: loop"),
        ("'é' x", "     x"),
    ] {
        assert_eq!(blank_comments_and_literals(text), code, "{text}");
    }
}

#[test]
fn test_modules_are_not_shipped() {
    let code = "use a;\n#[cfg(test)]\nmod tests { fn f() { g() } }\nuse b;\n#[cfg(test)] use c::{d};\nuse e;";
    let shipped = blank_test_items(code);
    assert!(shipped.contains("use a;") && shipped.contains("use b;") && shipped.contains("use e;"), "{shipped}");
    assert!(!shipped.contains("g()") && !shipped.contains("c::"), "{shipped}");
}

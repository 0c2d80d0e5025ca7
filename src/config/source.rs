//! The text of a configuration file, and places in it.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::diagnostic::{Diagnostic, Diagnostics};

/// Files larger than this are refused.
pub const MAX_FILE: u64 = 1024 * 1024;

/// A configuration file: the name that messages call it by, and its text.
#[derive(Clone, Debug)]
pub struct Source {
    name: String,
    text: String,
}

/// Where something stands: a line and a column, both from 1, and how many characters it takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) line: usize,
    pub(super) column: usize,
    pub(super) length: usize,
}

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(super) struct At<V> {
    pub(super) value: V,
    pub(super) place: Place,
    /// Whether part of it came out of the environment, so that no message may show it.
    pub(super) hidden: bool,
}

impl Source {
    /// A text under a name.
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Self {
        let text = text.into();
        Self { name: name.into(), text: text.strip_prefix('\u{feff}').map_or(text.clone(), str::to_owned) }
    }

    /// Reads a file.
    ///
    /// # Errors
    /// When it cannot be read, is larger than [`MAX_FILE`], or is not UTF-8.
    pub fn read(path: &Path) -> Result<Self, Diagnostics> {
        let name = path.display().to_string();
        let fault = |message: String, hint: &str| Diagnostics::from(Diagnostic::of_file(&name, message, hint));
        let mut bytes = Vec::new();
        File::open(path)
            .and_then(|file| file.take(MAX_FILE + 1).read_to_end(&mut bytes))
            .map_err(|error| fault(format!("cannot read the file: {error}"), "name another with `--config`"))?;
        let text = String::from_utf8(bytes).map_err(|error| {
            let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
            let line = 1 + valid.iter().filter(|&&byte| byte == b'\n').count();
            fault(format!("line {line} is not UTF-8"), "save the file as UTF-8")
        })?;
        Ok(Self::new(name, text))
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// A line, counted from 1 as YAML counts them: a lone carriage return ends one too.
    pub(super) fn line(&self, number: usize) -> &str {
        let mut rest = self.text.as_str();
        for _ in 1..number {
            let Some(end) = rest.find(['\n', '\r']) else { return "" };
            let width = if rest[end..].starts_with("\r\n") { 2 } else { 1 };
            rest = &rest[end + width..];
        }
        rest.split(['\n', '\r']).next().unwrap_or_default()
    }

    /// The place of a part of a value, where the part can be seen in the value's own line; else of the whole value.
    pub(super) fn part(&self, whole: Place, part: &str) -> Place {
        let seen: String = self.line(whole.line).chars().skip(whole.column - 1).take(whole.length).collect();
        seen.find(part).filter(|_| !part.is_empty()).map_or(whole, |byte| Place {
            column: whole.column + seen[..byte].chars().count(),
            length: part.chars().count(),
            ..whole
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_as_yaml_ends_them() {
        let source = Source::new("x", "\u{feff}one\ntwo\r\nthree\rfour");
        let lines: Vec<_> = (1..=5).map(|number| source.line(number)).collect();
        assert_eq!(lines, ["one", "two", "three", "four", ""]);
    }

    #[test]
    fn a_part_is_found_by_characters() {
        let source = Source::new("x", "kéy: \"é{id}\"");
        let whole = Place { line: 1, column: 6, length: 7 };
        assert_eq!(source.part(whole, "{id}"), Place { line: 1, column: 8, length: 4 });
        assert_eq!(source.part(whole, "absent"), whole);
    }
}

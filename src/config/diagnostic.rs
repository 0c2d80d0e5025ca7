//! What is wrong with a file, and how it is shown.

use std::borrow::Cow;
use std::fmt::{self, Write};

use super::source::{Place, Source};

/// No more than this many are kept; a file with more is not a configuration.
const MAX_KEPT: usize = 100;
/// No more than this many characters of a line are shown.
const MAX_EXCERPT: usize = 160;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The file cannot be used.
    Error,
    /// It can, but something in it is probably not meant.
    Warning,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong, in one sentence without a full stop.
    pub message: String,
    /// What to do about it; empty when the message says it all.
    pub hint: String,
    /// Further remarks, such as where the first of two stands.
    pub notes: Vec<String>,
    /// The file, or `environment`.
    pub file: String,
    /// Where in the file.
    pub spot: Option<Spot>,
}

/// A place in a file with the text around it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Spot {
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// How many characters are meant.
    pub length: usize,
    /// The line, cut around the place when it is long; control characters are replaced.
    pub excerpt: String,
    /// How many characters of the excerpt come before the place.
    pub indent: usize,
}

/// All that is wrong: at least one error, in the order of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostics(Vec<Diagnostic>);

/// Collects diagnostics while a file is read.
pub(super) struct Report<'a> {
    source: &'a Source,
    found: Vec<Diagnostic>,
    dropped: Vec<Severity>,
}

impl Diagnostic {
    pub(super) fn of_file(file: &str, message: String, hint: &str) -> Self {
        let (file, hint) = (file.to_owned(), hint.to_owned());
        Self { severity: Severity::Error, message, hint, notes: Vec::new(), file, spot: None }
    }

    /// The diagnostic as people read it, over several lines, with a line break at the end.
    pub fn render(&self, colour: bool) -> String {
        let paint = |code: &str, text: &str| {
            if colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
        };
        let (word, tint) = match self.severity {
            Severity::Error => ("error", "1;31"),
            Severity::Warning => ("warning", "1;33"),
        };
        let mut out = format!("{}{}\n", paint(tint, word), paint("1", &format!(": {}", self.message)));
        let width = self.spot.as_ref().map_or(1, |spot| spot.line.to_string().len());
        let gutter = |text: &str| paint("1;34", &format!("{text:>width$} |"));
        match &self.spot {
            None => {
                let _ = writeln!(out, " {} {}", paint("1;34", "-->"), self.file);
                if !self.hint.is_empty() {
                    let _ = writeln!(out, "  {} {}", paint("1;34", "="), self.hint);
                }
            }
            Some(spot) => {
                let arrow = paint("1;34", &format!("{:>width$}-->", ""));
                let _ = writeln!(out, "{arrow} {}:{}:{}", self.file, spot.line, spot.column);
                let carets = "^".repeat(spot.length);
                let below = format!("{carets} {}", self.hint);
                let _ = writeln!(out, "{}", gutter(""));
                let _ = writeln!(out, "{} {}", gutter(&spot.line.to_string()), spot.excerpt);
                let _ = writeln!(out, "{} {}{}", gutter(""), " ".repeat(spot.indent), paint(tint, below.trim_end()));
            }
        }
        for note in &self.notes {
            let _ = writeln!(out, "{} {note}", paint("1;34", &format!("{:>width$} =", "")));
        }
        out
    }
}

impl Spot {
    fn new(source: &Source, place: Place) -> Self {
        let line = masked(source.line(place.line));
        let total = line.chars().count();
        let before = (place.column - 1).min(total);
        let start = if total <= MAX_EXCERPT { 0 } else { before.saturating_sub(MAX_EXCERPT / 3) };
        let shown = line.chars().skip(start).take(MAX_EXCERPT);
        let excerpt: String = shown.map(|c| if c == '\t' || c.is_control() { ' ' } else { c }).collect();
        let length = place.length.clamp(1, (start + MAX_EXCERPT).min(total).saturating_sub(before).max(1));
        Self {
            line: place.line,
            column: place.column,
            length,
            excerpt: excerpt.trim_end().to_owned(),
            indent: before - start,
        }
    }
}

/// The text with the password of a URL in it, `://user:password@`, written in as many stars.
pub(super) fn masked(text: &str) -> Cow<'_, str> {
    let password = text.find("://").and_then(|at| {
        let rest = &text[at + 3..];
        let end = rest[..rest.find(char::is_whitespace).unwrap_or(rest.len())].rfind('@')?;
        let start = rest[..end].find(':')? + 1;
        Some((at + 3 + start, at + 3 + end))
    });
    let Some((start, end)) = password else { return Cow::Borrowed(text) };
    let stars = "*".repeat(text[start..end].chars().count());
    Cow::Owned(format!("{}{stars}{}", &text[..start], &text[end..]))
}

impl Diagnostics {
    /// Them, in the order of the file.
    pub fn iter(&self) -> impl Iterator<Item = &Diagnostic> {
        self.0.iter()
    }

    /// All of them as people read them, with how many there are at the end.
    pub fn render(&self, colour: bool) -> String {
        let mut out = render_all(&self.0, colour);
        let errors = self.0.iter().filter(|found| found.severity == Severity::Error).count();
        let _ = writeln!(out, "\n{errors} {}", if errors == 1 { "error" } else { "errors" });
        out
    }
}

/// Several diagnostics as people read them, an empty line between two.
pub fn render_all(found: &[Diagnostic], colour: bool) -> String {
    found.iter().map(|found| found.render(colour)).collect::<Vec<_>>().join("\n")
}

impl From<Diagnostic> for Diagnostics {
    fn from(one: Diagnostic) -> Self {
        Self(vec![one])
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.render(false).trim_end())
    }
}

impl std::error::Error for Diagnostics {}

impl<'a> Report<'a> {
    pub(super) fn new(source: &'a Source) -> Self {
        Self { source, found: Vec::new(), dropped: Vec::new() }
    }

    pub(super) fn source(&self) -> &'a Source {
        self.source
    }

    /// The place of a part of a value; of the whole value, when nobody will see it.
    pub(super) fn part(&self, whole: Place, part: &str) -> Place {
        if self.found.len() < MAX_KEPT { self.source.part(whole, part) } else { whole }
    }

    pub(super) fn error(&mut self, place: Place, message: impl Into<String>, hint: impl Into<String>) {
        self.add(Severity::Error, Some(place), message.into(), hint.into(), None);
    }

    /// An error about the second of two things.
    pub(super) fn repeated(&mut self, place: Place, message: impl Into<String>, hint: &str, first: Place) {
        let note = format!("the first is at {}:{}:{}", self.source.name(), first.line, first.column);
        self.add(Severity::Error, Some(place), message.into(), hint.to_owned(), Some(note));
    }

    pub(super) fn warn(&mut self, place: Place, message: impl Into<String>, hint: impl Into<String>) {
        self.add(Severity::Warning, Some(place), message.into(), hint.into(), None);
    }

    /// An error of the file as a whole.
    pub(super) fn whole(&mut self, message: impl Into<String>, hint: impl Into<String>) {
        self.add(Severity::Error, None, message.into(), hint.into(), None);
    }

    /// An error in an environment variable.
    pub(super) fn environment(&mut self, message: impl Into<String>, hint: impl Into<String>) {
        self.whole(message, hint);
        if let Some(last) = self.found.last_mut().filter(|_| self.dropped.is_empty()) {
            last.file = "environment".to_owned();
        }
    }

    fn add(&mut self, severity: Severity, at: Option<Place>, message: String, hint: String, note: Option<String>) {
        if self.found.len() >= MAX_KEPT {
            self.dropped.push(severity);
            return;
        }
        let spot = at.map(|place| Spot::new(self.source, place));
        let (file, notes) = (self.source.name().to_owned(), note.into_iter().collect());
        self.found.push(Diagnostic { severity, message, hint, notes, file, spot });
    }

    /// How many were found so far.
    pub(super) fn count(&self) -> usize {
        self.found.len() + self.dropped.len()
    }

    /// What was made of the source with the warnings; or everything that was found, when nothing usable was made.
    pub(super) fn finish<V>(mut self, made: Option<V>) -> Result<(V, Vec<Diagnostic>), Diagnostics> {
        self.found.sort_by_key(|found| found.spot.as_ref().map_or((usize::MAX, 0), |spot| (spot.line, spot.column)));
        if let Some(severity) = self.dropped.iter().min() {
            let message = format!("there is more: {} further findings are not shown", self.dropped.len());
            let more = Diagnostic { severity: *severity, ..Diagnostic::of_file(self.source.name(), message, "") };
            self.found.push(more);
        }
        match made {
            Some(made) if self.found.iter().all(|found| found.severity == Severity::Warning) => Ok((made, self.found)),
            _ => Err(Diagnostics(self.found)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rendered(text: &str, place: Place) -> String {
        let source = Source::new("routes.yaml", text);
        let mut report = Report::new(&source);
        report.error(place, "unknown field `tll`", "did you mean `ttl`?");
        report.finish(Some(())).unwrap_err().iter().next().unwrap().render(false)
    }

    #[test]
    fn a_diagnostic_shows_the_place() {
        let text = format!("{}    tll: 120s", "\n".repeat(11));
        let expected = "error: unknown field `tll`\n  --> routes.yaml:12:5\n   |\n12 |     tll: 120s\n   |     ^^^ did you mean `ttl`?\n";
        assert_eq!(rendered(&text, Place { line: 12, column: 5, length: 3 }), expected);
    }

    #[test]
    fn a_long_line_is_cut_around_the_place_and_control_characters_are_not_shown() {
        let text = format!("{}\x1b[31mTLL{}", "a".repeat(500), "b".repeat(500));
        let shown = rendered(&text, Place { line: 1, column: 506, length: 3 });
        assert!(!shown.contains('\x1b'));
        let (line, carets) = (shown.lines().nth(3).unwrap(), shown.lines().nth(4).unwrap());
        assert_eq!(carets.find('^'), line.find("TLL"));
        assert!(line.len() < 180);
    }

    #[test]
    fn the_password_of_a_url_is_not_shown() {
        for (text, expected) in [
            ("url: redis://u:p@ss@h:1/0 # x@y", "url: redis://u:****@h:1/0 # x@y"),
            ("redis://:pä@h", "redis://:**@h"),
            ("http://h:80/a@b", "http://h:****@b"),
            ("http://h/ a:b@c", "http://h/ a:b@c"),
            ("user:p@h", "user:p@h"),
        ] {
            assert_eq!(masked(text), expected, "{text}");
        }
    }

    #[test]
    fn what_lies_past_the_end_of_the_text_can_still_be_shown() {
        for line in 1..4 {
            rendered("a: b\n", Place { line, column: 90, length: 400 });
        }
    }

    #[test]
    fn a_flood_is_cut_short_and_an_error_in_it_counts() {
        let source = Source::new("routes.yaml", "x");
        let place = Place { line: 1, column: 1, length: 1 };
        let mut report = Report::new(&source);
        (0..1000).for_each(|_| report.warn(place, "w", ""));
        assert_eq!(report.finish(Some(())).unwrap().1.len(), MAX_KEPT + 1);
        let mut report = Report::new(&source);
        (0..1000).for_each(|_| report.warn(place, "w", ""));
        report.error(place, "e", "");
        assert_eq!(report.finish(Some(())).unwrap_err().iter().count(), MAX_KEPT + 1);
    }
}

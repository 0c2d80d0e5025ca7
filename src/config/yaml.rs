//! YAML text as a tree of nodes that know their places.
//!
//! The tree keeps scalars as text: what a scalar means is up to the field it stands in, so `off` is never a boolean by
//! accident. Aliases share their node, and depth and size are bounded with every alias counted in full.

use std::collections::HashMap;
use std::rc::Rc;

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span};

use super::diagnostic::Report;
use super::env::{Env, ExpandError};
use super::source::{MAX_FILE, Place};
use super::syntax;

const MAX_DEPTH: usize = 32;
const MAX_NODES: usize = 100_000;

/// A value and where it stands.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) place: Place,
    pub(super) kind: Kind,
    /// Nodes in it, itself included, long texts several times.
    size: usize,
    /// Levels in it, its own included.
    height: usize,
}

/// What a node is.
#[derive(Debug)]
pub(super) enum Kind {
    /// An empty value, or `~`.
    Nothing,
    /// Text.
    Scalar(Text),
    /// `[a, b]`.
    List(Vec<Rc<Node>>),
    /// `{a: b}`, duplicates included.
    Mapping(Vec<Pair>),
    /// Something that was already reported.
    Broken,
}

/// A scalar.
#[derive(Clone, Debug)]
pub(super) struct Text {
    pub(super) value: String,
    /// Whether part of it came out of the environment, so that no message may show it.
    pub(super) hidden: bool,
}

/// A key and its value.
#[derive(Debug)]
pub(super) struct Pair {
    pub(super) key: Rc<Node>,
    pub(super) value: Rc<Node>,
}

/// Why there is no tree.
struct Refused {
    place: Place,
    message: String,
    hint: &'static str,
}

struct Open {
    place: Place,
    anchor: usize,
    inside: Inside,
}

enum Inside {
    List(Vec<Rc<Node>>),
    Mapping(Vec<Pair>, Option<Rc<Node>>),
}

struct Builder<'a, 'r> {
    report: &'a mut Report<'r>,
    env: &'a Env,
    open: Vec<Open>,
    anchors: HashMap<usize, Rc<Node>>,
    nodes: usize,
    root: Option<Rc<Node>>,
}

/// The tree of the report's source; `None` when there is none, which is then reported.
pub(super) fn parse(report: &mut Report<'_>, env: &Env) -> Option<Rc<Node>> {
    let text = report.source().text();
    if text.len() as u64 > MAX_FILE {
        report.whole("the file is larger than 1 MiB", "a configuration is small; is this the right file?");
        return None;
    }
    let mut builder = Builder { report, env, open: Vec::new(), anchors: HashMap::new(), nodes: 0, root: None };
    let outcome = control_characters(text).and_then(|()| builder.read(text));
    let root = builder.root.take();
    match outcome {
        Ok(()) => Some(root.unwrap_or_else(|| Node::leaf(Place { line: 1, column: 1, length: 1 }, Kind::Nothing))),
        Err(Refused { place, message, hint }) => {
            report.error(place, message, hint);
            None
        }
    }
}

/// A parser of YAML may take NUL for the end of the text, and what follows would not be read.
fn control_characters(text: &str) -> Result<(), Refused> {
    let Some(at) = text.find(|c: char| c.is_control() && !matches!(c, '\n' | '\r' | '\t')) else { return Ok(()) };
    let before = text[..at].replace("\r\n", "\n").replace('\r', "\n");
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    let place = Place { line: before.matches('\n').count() + 1, column, length: 1 };
    Err(Refused { place, message: "a control character".to_owned(), hint: "only tabs and line breaks may stand here" })
}

impl Builder<'_, '_> {
    fn read(&mut self, text: &str) -> Result<(), Refused> {
        let mut parser = Parser::new_from_str(text);
        while let Some(event) = parser.next_event() {
            let (event, span) = event.map_err(|error| self.not_yaml(text, &error))?;
            self.event(event, place(span))?;
        }
        Ok(())
    }

    /// The parser's error. It notices a bracket that nothing closes at the end of the text, where nothing is to be seen.
    fn not_yaml(&self, text: &str, error: &ScanError) -> Refused {
        let message = format!("this is not YAML: {}", error.info());
        let marker = error.marker();
        let at_end = text.chars().skip(marker.index()).all(char::is_whitespace);
        if let Some(place) =
            self.open.iter().rev().map(|open| open.place).find(|place| at_end && is_bracket(text, *place))
        {
            return Refused { place, message, hint: syntax::UNCLOSED };
        }
        let place = Place { line: marker.line(), column: marker.col() + 1, length: 1 };
        Refused { place, message, hint: syntax::hint(error.info()) }
    }

    fn event(&mut self, event: Event<'_>, place: Place) -> Result<(), Refused> {
        if let Event::Scalar(.., Some(_)) | Event::SequenceStart(_, Some(_)) | Event::MappingStart(_, Some(_)) = &event
        {
            let message = "YAML tags such as `!!str` have no meaning here".to_owned();
            return Err(Refused { place, message, hint: "leave the tag out; quote what must be text" });
        }
        match event {
            Event::DocumentStart(_) if self.root.is_some() => {
                let message = "a second YAML document".to_owned();
                return Err(Refused { place, message, hint: "a configuration is one document" });
            }
            Event::Alias(anchor) => {
                let node = self.anchors.get(&anchor).cloned().ok_or_else(|| Refused {
                    place,
                    message: "this alias stands inside the value it names".to_owned(),
                    hint: "write the value out",
                })?;
                self.attach(node, 0, place)?;
            }
            Event::Scalar(text, style, anchor, _) => {
                let node = self.scalar(&text, style == ScalarStyle::Plain, place);
                self.attach(node, anchor, place)?;
            }
            Event::SequenceStart(anchor, _) => self.enter(place, anchor, Inside::List(Vec::new()))?,
            Event::MappingStart(anchor, _) => self.enter(place, anchor, Inside::Mapping(Vec::new(), None))?,
            Event::SequenceEnd | Event::MappingEnd => self.leave(place)?,
            _ => {}
        }
        Ok(())
    }

    fn scalar(&mut self, text: &str, plain: bool, place: Place) -> Rc<Node> {
        if plain && matches!(text, "" | "~") {
            return Node::leaf(place, Kind::Nothing);
        }
        let is_key = matches!(self.open.last(), Some(Open { inside: Inside::Mapping(_, None), .. }));
        if is_key {
            return Node::leaf(place, Kind::Scalar(Text { value: text.to_owned(), hidden: false }));
        }
        let kind = match self.env.expand(text) {
            Ok(None) => Kind::Scalar(Text { value: text.to_owned(), hidden: false }),
            Ok(Some(value)) => Kind::Scalar(Text { value, hidden: true }),
            Err(error) => {
                self.not_expanded(place, &error);
                Kind::Broken
            }
        };
        Node::leaf(place, kind)
    }

    fn not_expanded(&mut self, whole: Place, error: &ExpandError) {
        match error {
            ExpandError::Unset { name } => {
                let place = self.report.part(whole, &format!("${{{name}}}"));
                let message = format!("the environment variable `{name}` is not set");
                self.report.error(place, message, format!("set it, or give a default: `${{{name}:-default}}`"));
            }
            ExpandError::Syntax { part } => {
                let place = self.report.part(whole, part);
                let hint = "write `${NAME}` or `${NAME:-default}`; a literal `${` is `$${`";
                self.report.error(place, "`${` does not begin the name of an environment variable", hint);
            }
        }
    }

    fn enter(&mut self, place: Place, anchor: usize, inside: Inside) -> Result<(), Refused> {
        self.open.push(Open { place, anchor, inside });
        self.bounded(0, place)
    }

    fn leave(&mut self, place: Place) -> Result<(), Refused> {
        let Some(Open { place: start, anchor, inside }) = self.open.pop() else { return Ok(()) };
        let (kind, size, height) = match inside {
            Inside::List(items) => {
                let size = items.iter().map(|item| item.size).sum::<usize>();
                let height = items.iter().map(|item| item.height).max();
                (Kind::List(items), size, height)
            }
            Inside::Mapping(pairs, _) => {
                let size = pairs.iter().map(|pair| pair.key.size + pair.value.size).sum::<usize>();
                let height = pairs.iter().map(|pair| pair.key.height.max(pair.value.height)).max();
                (Kind::Mapping(pairs), size, height)
            }
        };
        let node = Rc::new(Node { place: start, kind, size: size + 1, height: height.unwrap_or(0) + 1 });
        // What is in it was counted when it was attached.
        self.nodes -= size;
        self.attach(node, anchor, place)
    }

    fn attach(&mut self, node: Rc<Node>, anchor: usize, place: Place) -> Result<(), Refused> {
        self.nodes += node.size;
        self.bounded(node.height, place)?;
        if anchor > 0 {
            self.anchors.insert(anchor, Rc::clone(&node));
        }
        match self.open.last_mut().map(|open| &mut open.inside) {
            None => self.root = Some(node),
            Some(Inside::List(items)) => items.push(node),
            Some(Inside::Mapping(pairs, key)) => match key.take() {
                None => *key = Some(node),
                Some(key) => pairs.push(Pair { key, value: node }),
            },
        }
        Ok(())
    }

    fn bounded(&self, height: usize, place: Place) -> Result<(), Refused> {
        let fault = |message: &str, hint| Err(Refused { place, message: message.to_owned(), hint });
        if self.open.len() + height > MAX_DEPTH {
            return fault("nested too deeply", "no field lies deeper than a few levels");
        }
        if self.nodes > MAX_NODES {
            return fault("too many values", "at most 100000, with every alias counted in full");
        }
        Ok(())
    }
}

impl Node {
    fn leaf(place: Place, kind: Kind) -> Rc<Self> {
        // A long text counts for several, or an alias could repeat it at no cost.
        let size = if let Kind::Scalar(text) = &kind { 1 + text.value.len() / 16 } else { 1 };
        Rc::new(Self { place, kind, size, height: 1 })
    }

    /// Whether the node is this text.
    pub(super) fn is(&self, text: &str) -> bool {
        matches!(&self.kind, Kind::Scalar(scalar) if scalar.value == text)
    }
}

impl Kind {
    /// What it is, for a sentence that says what was found.
    pub(super) fn noun(&self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Scalar(_) => "a single value",
            Self::List(_) => "a list",
            Self::Mapping(_) => "a mapping",
            Self::Broken => "unreadable",
        }
    }
}

/// Whether a collection that begins here is written in brackets.
fn is_bracket(text: &str, place: Place) -> bool {
    let line = text.lines().nth(place.line.saturating_sub(1));
    matches!(line.and_then(|line| line.chars().nth(place.column.saturating_sub(1))), Some('[' | '{'))
}

/// A span that ends on another line is taken to the end of its first.
fn place(span: Span) -> Place {
    let (start, end) = (span.start, span.end);
    let length = if end.line() == start.line() { end.col().saturating_sub(start.col()) } else { usize::MAX / 2 };
    Place { line: start.line().max(1), column: start.col() + 1, length }
}

#[cfg(test)]
mod tests {
    use super::super::source::Source;
    use super::*;

    fn outcome(text: &str) -> Result<Rc<Node>, String> {
        let source = Source::new("f", text);
        let mut report = Report::new(&source);
        let node = parse(&mut report, &Env::empty());
        match report.finish(node) {
            Ok((node, _)) => Ok(node),
            Err(found) => Err(found.iter().next().unwrap().message.clone()),
        }
    }

    #[test]
    fn nodes_know_their_places() {
        let root = outcome("a: x \nb:\n  - 'y'\n  - {c: d} # e\n").unwrap();
        let Kind::Mapping(pairs) = &root.kind else { panic!("a mapping") };
        assert_eq!(pairs[0].value.place, Place { line: 1, column: 4, length: 1 });
        assert_eq!(pairs[1].key.place, Place { line: 2, column: 1, length: 1 });
        let Kind::List(items) = &pairs[1].value.kind else { panic!("a list") };
        assert_eq!(items[0].place, Place { line: 3, column: 5, length: 3 });
    }

    #[test]
    fn bombs_and_towers_are_refused() {
        let mut bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n".to_owned();
        for level in 1..9 {
            let items = vec![format!("*a{}", level - 1); 10].join(",");
            bomb += &format!("a{level}: &a{level} [{items}]\n");
        }
        assert_eq!(outcome(&bomb).unwrap_err(), "too many values");
        assert_eq!(outcome(&"[".repeat(40)).unwrap_err(), "nested too deeply");
        let tower: String =
            (0..30).map(|level| format!("{}k:\n", " ".repeat(level))).collect::<String>() + &" ".repeat(30) + "k: v";
        assert!(outcome(&tower).is_ok());
        let chain: String = (1..2000).map(|at| format!("k{at}: &k{at} [*k{}]\n", at - 1)).collect();
        assert_eq!(outcome(&format!("k0: &k0 [x]\n{chain}")).unwrap_err(), "nested too deeply");
        assert_eq!(outcome("a: &a [*a]").unwrap_err(), "this alias stands inside the value it names");
    }

    #[test]
    fn what_has_no_meaning_here_is_refused() {
        for (text, message) in [
            ("a: 1\n---\nb: 2\n", "a second YAML document"),
            ("a: !!str 1", "YAML tags such as `!!str` have no meaning here"),
            ("a: \"b\u{0}c\"", "a control character"),
        ] {
            assert_eq!(outcome(text).unwrap_err(), message, "{text}");
        }
    }
}

//! From nodes to typed values. A reader never stops at the first error: what cannot be read is reported and left out.

use std::rc::Rc;

use super::diagnostic::{Report, masked};
use super::scalar::Fault;
use super::source::{At, Place};
use super::spelling;
use super::yaml::{Kind, Node, Pair, Text};

/// What a file may begin with.
const ROOT: &str = "upstream: http://127.0.0.1:9000";

/// A field of a section: the one place that knows its name. Its example is shown where its shape is wrong.
pub(super) struct Field<T> {
    pub(super) name: &'static str,
    pub(super) example: &'static str,
    read: fn(&mut T, &mut Reader<'_>, &Rc<Node>),
}

/// Reads nodes and reports what is wrong with them.
pub(super) struct Reader<'a> {
    pub(super) report: Report<'a>,
    /// The example of the field that is being read.
    example: &'static str,
    /// Every field of every section with where it belongs, for a field in the wrong place.
    elsewhere: Vec<(&'static str, &'static str)>,
}

impl<T> Field<T> {
    pub(super) const fn new(
        name: &'static str,
        example: &'static str,
        read: fn(&mut T, &mut Reader<'_>, &Rc<Node>),
    ) -> Self {
        Self { name, example, read }
    }
}

impl<'a> Reader<'a> {
    pub(super) fn new(report: Report<'a>, elsewhere: Vec<(&'static str, &'static str)>) -> Self {
        Self { report, example: ROOT, elsewhere }
    }

    /// Reads a mapping whose keys are fields.
    pub(super) fn fields<T>(&mut self, node: &Node, tables: &[&[Field<T>]], into: &mut T) {
        let outer = self.example;
        for (name, pair) in self.entries(node).unwrap_or_default() {
            let field = tables.iter().flat_map(|table| table.iter()).find(|field| field.name == name);
            let Some(field) = field else {
                let names = tables.iter().flat_map(|table| table.iter()).map(|field| field.name);
                self.unknown(name, pair.key.place, &names.collect::<Vec<_>>());
                continue;
            };
            self.example = field.example;
            (field.read)(into, self, &pair.value);
            self.example = outer;
        }
    }

    fn unknown(&mut self, name: &str, place: Place, names: &[&'static str]) {
        let belongs = || self.elsewhere.iter().find(|(field, _)| *field == name).map(|(_, section)| *section);
        let hint = if name == "<<" {
            "merge keys are not read; what routes share stands in `defaults:`".to_owned()
        } else if let Some(meant) = spelling::nearest(name, names.iter().copied()) {
            format!("did you mean `{meant}`?")
        } else if let Some(section) = belongs() {
            format!("it belongs in {section}")
        } else {
            let listed: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
            format!("known here: {}", listed.join(", "))
        };
        self.report.error(place, format!("unknown field {}", quoted(name)), hint);
    }

    /// The entries of a mapping, each key once. Nothing where a mapping is expected is an empty one.
    pub(super) fn entries<'n>(&mut self, node: &'n Node) -> Option<Vec<(&'n str, &'n Pair)>> {
        let pairs = match &node.kind {
            Kind::Mapping(pairs) => pairs,
            Kind::Nothing => return Some(Vec::new()),
            _ => return self.shape(node, "a mapping"),
        };
        let mut entries: Vec<(&str, &Pair)> = Vec::with_capacity(pairs.len());
        let mut seen = std::collections::HashMap::new();
        for pair in pairs {
            let Kind::Scalar(Text { value: name, .. }) = &pair.key.kind else {
                self.report.error(pair.key.place, "a name is expected here", "names are text, as in `ttl: 90s`");
                continue;
            };
            match seen.insert(name.as_str(), pair.key.place) {
                None => entries.push((name, pair)),
                Some(first) => {
                    seen.insert(name, first);
                    let message = format!("{} stands here a second time", quoted(name));
                    self.report.repeated(pair.key.place, message, "remove one of the two", first);
                }
            }
        }
        Some(entries)
    }

    /// The items of a list. Nothing where a list is expected is an empty one.
    pub(super) fn list<V>(
        &mut self,
        node: &Node,
        mut item: impl FnMut(&mut Self, &Rc<Node>) -> Option<V>,
    ) -> Option<Vec<V>> {
        match &node.kind {
            Kind::List(items) => Some(items.iter().filter_map(|node| item(self, node)).collect()),
            Kind::Nothing => Some(Vec::new()),
            _ => self.shape(node, "a list"),
        }
    }

    /// A list of single values.
    pub(super) fn scalars<V>(&mut self, node: &Node, parse: impl Fn(&str) -> Result<V, Fault>) -> Option<Vec<V>> {
        self.list(node, |reader, item| reader.scalar(item, &parse))
    }

    /// A single value.
    pub(super) fn scalar<V>(&mut self, node: &Node, parse: impl FnOnce(&str) -> Result<V, Fault>) -> Option<V> {
        let text = self.text(node)?;
        parse(&text.value).map_err(|fault| self.fault(node.place, text, fault)).ok()
    }

    /// A single value, with its place.
    pub(super) fn placed<V>(&mut self, node: &Node, parse: impl FnOnce(&str) -> Result<V, Fault>) -> Option<At<V>> {
        let hidden = matches!(&node.kind, Kind::Scalar(text) if text.hidden);
        self.scalar(node, parse).map(|value| At { value, place: node.place, hidden })
    }

    /// The text of a single value.
    pub(super) fn text<'n>(&mut self, node: &'n Node) -> Option<&'n Text> {
        match &node.kind {
            Kind::Scalar(text) => Some(text),
            _ => self.shape(node, "a single value"),
        }
    }

    /// Reports a value that was read but cannot be used.
    pub(super) fn fault(&mut self, place: Place, text: &Text, fault: Fault) {
        let shown = shown(&text.value, text.hidden);
        let hint = match fault.meant.filter(|_| !text.hidden) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => fault.hint,
        };
        self.report.error(place, format!("{shown} {}", fault.problem), hint);
    }

    /// Reports a node of the wrong shape.
    pub(super) fn shape<V>(&mut self, node: &Node, expected: &str) -> Option<V> {
        if !matches!(node.kind, Kind::Broken) {
            let message = format!("expected {expected}, found {}", node.kind.noun());
            self.report.error(node.place, message, format!("for example `{}`", self.example));
        }
        None
    }
}

/// The value as messages show it.
pub(super) fn shown(text: &str, hidden: bool) -> String {
    if hidden { "the value, its variables replaced,".to_owned() } else { quoted(text) }
}

/// A text as messages show it: in backticks, cut short, without control characters.
pub(super) fn quoted(text: &str) -> String {
    let mut out: String = masked(text).chars().take(60).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.chars().nth(60).is_some() {
        out.push('…');
    }
    format!("`{out}`")
}

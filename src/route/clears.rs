//! Which writes clear a key: the targets of all routes, read backwards.

use http::Method;

use super::pattern::{Segment, is_plain_segment};
use super::template::{Piece, Template, What};
use super::{Pattern, Rule, Table, Target};
use crate::invalidation::{Selector, Tag};
use crate::key::Key;

/// A text that could be read in more ways than this is read in none of them.
const PATIENCE: u32 = 20_000;

/// A write that clears a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Clearing {
    pub(crate) method: Method,
    /// Its path. What the key does not tell stands there as a parameter.
    pub(crate) path: String,
    /// The target by which it clears the key, as written.
    pub(crate) target: String,
}

/// A part of a text that a target stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Part<'t> {
    Literal(String),
    Param(&'t str),
    AnyRun,
}

type Bound<'t> = Vec<(&'t str, String)>;

impl Table {
    /// The writes whose targets clear this key, or one of these tags, by the routes in force.
    pub(crate) fn writes_that_clear(&self, key: &Key, tags: &[Tag]) -> Vec<Clearing> {
        let mut clearings = Vec::new();
        for rule in self.rules() {
            for (method, target) in rule.invalidations() {
                let read = self.read_backwards(rule, target, key, tags);
                clearings.extend(read.map(|path| Clearing {
                    method: method.clone(),
                    path,
                    target: target.to_string(),
                }));
            }
        }
        clearings
    }

    /// The path of a write under this route whose target clears the key.
    fn read_backwards(&self, rule: &Rule, target: &Target, key: &Key, tags: &[Tag]) -> Option<String> {
        let pattern = rule.pattern();
        let clears = |bound: &Bound<'_>| {
            let params: Vec<_> = bound.iter().map(|(name, value)| (*name, value.as_str())).collect();
            target.bind(&params, key.host()).is_some_and(|selector| match selector {
                Selector::Key(named) => Selector::Key(self.canonical(&named)).hits(key, tags, None),
                other => other.hits(key, tags, None),
            })
        };
        let bound = readings(target, key, tags).iter().find_map(|(parts, text)| {
            let bound = bind(parts, text, pattern)?;
            clears(&bound).then_some(bound)
        })?;
        let path = path_of(pattern, &bound);
        // A more specific route may take the write, and its targets count then.
        let is_whole = pattern.params().all(|param| bound.iter().any(|(name, _)| *name == param));
        let taken = is_whole && self.find(&path).is_none_or(|found| found.rule().pattern() != pattern);
        (!taken).then_some(path)
    }
}

/// The texts that a target may stand for, each beside the parts it would be made of.
fn readings<'t>(target: &'t Target, key: &Key, tags: &[Tag]) -> Vec<(Vec<Part<'t>>, String)> {
    match target.what() {
        What::Tag(template) => tags.iter().map(|tag| (parts(template, false), tag.as_str().to_owned())).collect(),
        What::Glob(template) => vec![(parts(template, true), text_for(template, key, key.as_str()))],
        What::Key(template) => {
            let named = if template.sample().contains('?') { key.without_fields() } else { key.resource() };
            vec![(parts(template, false), text_for(template, key, named))]
        }
    }
}

/// The key, without its host where the target names none.
fn text_for(template: &Template, key: &Key, text: &str) -> String {
    let names_host = template.sample().split_once(':').is_some_and(|(_, rest)| rest.starts_with("//"));
    match key.host() {
        Some(host) if !names_host => text.replacen(&format!("//{host}"), "", 1),
        _ => text.to_owned(),
    }
}

/// The parts of a template; in a pattern a star is any run, and what is escaped is meant literally.
fn parts(template: &Template, pattern: bool) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    for piece in template.pieces() {
        match piece {
            Piece::Param(name) => parts.push(Part::Param(name)),
            Piece::Literal(text) if !pattern => parts.push(Part::Literal(text.clone())),
            Piece::Literal(text) => {
                let mut chars = text.chars();
                while let Some(c) = chars.next() {
                    match (c, parts.last_mut()) {
                        ('*', _) => parts.push(Part::AnyRun),
                        ('\\', _) => parts.push(Part::Literal(chars.next().unwrap_or('\\').into())),
                        (c, Some(Part::Literal(text))) => text.push(c),
                        (c, _) => parts.push(Part::Literal(c.into())),
                    }
                }
            }
        }
    }
    parts
}

/// What the parameters are if the text is made of these parts.
fn bind<'t>(parts: &[Part<'t>], text: &str, pattern: &Pattern) -> Option<Bound<'t>> {
    let (mut bound, mut patience) = (Vec::new(), PATIENCE);
    matches(parts, text, pattern, &mut bound, &mut patience).then_some(bound)
}

fn matches<'t>(parts: &[Part<'t>], text: &str, pattern: &Pattern, bound: &mut Bound<'t>, patience: &mut u32) -> bool {
    if *patience == 0 {
        return false;
    }
    *patience -= 1;
    let Some((part, others)) = parts.split_first() else { return text.is_empty() };
    let name = match part {
        Part::Literal(literal) => {
            return text
                .strip_prefix(literal.as_str())
                .is_some_and(|rest| matches(others, rest, pattern, bound, patience));
        }
        Part::Param(name) => Some(*name),
        Part::AnyRun => None,
    };
    if let Some((_, known)) = bound.iter().find(|(other, _)| Some(*other) == name) {
        let rest = text.strip_prefix(known.as_str());
        return rest.is_some_and(|rest| matches(others, rest, pattern, bound, patience));
    }
    // The longest first: a segment is taken whole.
    let ends = (0..=text.len()).rev().filter(|end| text.is_char_boundary(*end));
    for (value, rest) in ends.map(|end| text.split_at(end)) {
        if let Some(name) = name {
            if !may_be(name, value, pattern) {
                continue;
            }
            bound.push((name, value.to_owned()));
        }
        if matches(others, rest, pattern, bound, patience) {
            return true;
        }
        if name.is_some() {
            bound.pop();
        }
    }
    false
}

/// Whether a path can bind the parameter to this value.
fn may_be(name: &str, value: &str, pattern: &Pattern) -> bool {
    let is_rest = pattern.segments().iter().any(|segment| matches!(segment, Segment::Rest(rest) if rest == name));
    is_rest || (is_plain_segment(value) && !value.contains(['/', '?', '#']))
}

fn path_of(pattern: &Pattern, bound: &Bound<'_>) -> String {
    let mut path = String::new();
    for segment in pattern.segments() {
        path.push('/');
        match segment {
            Segment::Literal(text) => path.push_str(text),
            Segment::Param(name) | Segment::Rest(name) => match bound.iter().find(|(other, _)| other == name) {
                Some((_, value)) => path.push_str(value),
                None => path.push_str(&format!("{{{name}}}")),
            },
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::route::Rule;

    fn table() -> Table {
        let pattern = Pattern::parse("/api/users/{id}").unwrap();
        let users = Rule::new("/api/users/{id}").unwrap();
        let users = users.invalidates("PUT", ["GET:/api/users/{id}", "GET:/api/users/{id}/*"]).unwrap();
        let targets = vec![Target::tag("user:{id}", &pattern).unwrap()];
        let users = users.invalidates_targets("DELETE", targets).unwrap();
        let posts = Rule::new("/api/posts/").unwrap().invalidates("POST", ["GET:/api/posts/"]).unwrap();
        let teams = Rule::new("/teams/{team}/members/{user}").unwrap();
        let teams = teams.invalidates("POST", ["GET:/api/users/{user}?full=1", r"GET:/\*"]).unwrap();
        let me = Rule::new("/api/users/me").unwrap();
        let pairs = Rule::new("/pairs/{x}/{y}").unwrap().invalidates("PUT", ["GET:/pair/{x}/{x}/{y}"]).unwrap();
        let builder =
            [users, posts, teams, me, pairs].into_iter().fold(Table::builder(), |builder, rule| builder.route(rule));
        builder.build().unwrap()
    }

    fn cleared_by(key: &str, tags: &[&str]) -> Vec<String> {
        let tags: Vec<_> = tags.iter().map(|tag| Tag::new(*tag)).collect();
        let clearings = table().writes_that_clear(&Key::parse(key).unwrap(), &tags);
        clearings.iter().map(|Clearing { method, path, target }| format!("{method} {path} by {target}")).collect()
    }

    #[test]
    fn targets_are_read_backwards() {
        for (key, tags, writes) in [
            ("GET:/api/posts/", &[][..], &["POST /api/posts/ by GET:/api/posts/"][..]),
            ("GET:/api/posts/?page=2#00", &[], &["POST /api/posts/ by GET:/api/posts/"]),
            ("GET://h.example/api/posts/", &[], &["POST /api/posts/ by GET:/api/posts/"]),
            ("GET:/api/users/7", &[], &["PUT /api/users/7 by GET:/api/users/{id}"]),
            ("GET:/api/users/7/posts/1", &[], &["PUT /api/users/7 by GET:/api/users/{id}/*"]),
            ("GET:/elsewhere", &["user:7", "x"], &["DELETE /api/users/7 by tag user:{id}"]),
            ("GET:/elsewhere", &["user:7/8"], &[]),
            ("GET:/api/users/me", &[], &[]),
            (
                "GET:/api/users/7?full=1",
                &[],
                &[
                    "PUT /api/users/7 by GET:/api/users/{id}",
                    "POST /teams/{team}/members/7 by GET:/api/users/{user}?full=1",
                ],
            ),
            ("GET:/*", &[], &[r"POST /teams/{team}/members/{user} by GET:/\*"]),
            ("GET:/x", &[], &[]),
            ("GET:/pair/a/a/b", &[], &["PUT /pairs/a/b by GET:/pair/{x}/{x}/{y}"]),
            ("GET:/pair/a/b/b", &[], &[]),
        ] {
            assert_eq!(cleared_by(key, tags), writes, "{key} {tags:?}");
        }
    }

    #[test]
    fn a_text_that_can_be_read_in_too_many_ways_takes_no_time() {
        let pattern = Pattern::parse("/{a}/{b}/{c}/{d}").unwrap();
        let target = Target::key("GET:/{a}{b}{c}{d}z", &pattern).unwrap();
        let rule = Rule::new("/{a}/{b}/{c}/{d}").unwrap().invalidates_targets("PUT", vec![target]).unwrap();
        let table = Table::builder().route(rule).build().unwrap();
        let key = Key::new(None, &format!("/{}", "y".repeat(4000)), None, None);
        assert!(table.writes_that_clear(&key, &[]).is_empty());
    }
}

//! Keys, routes and patterns.

use std::time::Duration;

use http::uri::PathAndQuery;
use larder::invalidation::Glob;
use larder::key::{FieldsDigest, Key, MAX_PHYSICAL_LEN};
use larder::route::{QueryFilter, Rule, Table};

pub(crate) const KEYS: &[&str] = &[
    "\n",
    "/",
    "//",
    "/.",
    "?",
    "&",
    "=",
    "#",
    ":",
    "a",
    "b",
    "%2F",
    "%3f",
    ";",
    "GET:",
    "GET://",
    "a.example",
    "\0",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
];
pub(crate) const PATHS: &[&str] = &[
    "/",
    "//",
    "/a",
    "/b",
    "/users",
    "/users/",
    "/me",
    "/search",
    "/files/",
    "a",
    "b",
    "7",
    ";",
    "%2F",
    "%2f",
    ".",
    "..",
    "?",
    "&",
    "a=1",
    "b=2",
    "utm=3",
    "nocache=true",
    "%61=4",
    "=",
    "+",
];
pub(crate) const GLOBS: &[&str] = &["*", "\\*", "\\\\", "\\", "a", "b", "/", "?", "[", "é", "\n"];

const PATTERNS: &[&str] = &[
    "/",
    "/{one}",
    "/users/{id}",
    "/users/me",
    "/users/{id}/posts",
    "/{kind}/search",
    "/users/",
    "/files/{rest*}",
    "/files/{a}/{b}/c",
    "/files/a/{rest*}",
    "/a/{x}/b",
    "/a/b/{y}",
    "/{p}/{q}/{tail*}",
];

/// The parts of a key, as requests bring them.
#[derive(Debug, PartialEq, Eq)]
struct Parts<'a> {
    host: Option<&'a str>,
    target: PathAndQuery,
    fields: Option<(&'a [u8], Option<&'a [u8]>)>,
}

impl<'a> Parts<'a> {
    /// `host \n target \n name \n value`; `None` where no request could be so.
    fn read(bytes: &'a [u8]) -> Option<Self> {
        let mut pieces = bytes.splitn(4, |byte| *byte == b'\n');
        let host = std::str::from_utf8(pieces.next()?).ok()?;
        let target = PathAndQuery::try_from(pieces.next()?).ok()?;
        let path = target.path();
        let has_dots = path.split('/').any(|segment| matches!(segment, "." | ".."));
        let is_host = |host: &str| host.parse::<http::uri::Authority>().is_ok();
        if !path.starts_with('/') || has_dots || !(host.is_empty() || is_host(host)) {
            return None;
        }
        let fields = pieces.next().map(|name| (name, pieces.next()));
        Some(Self { host: Some(host).filter(|host| !host.is_empty()), target, fields })
    }

    fn key(&self) -> Key {
        let digest = self.fields.map(|(name, value)| FieldsDigest::of([(&*String::from_utf8_lossy(name), value)]));
        Key::new(self.host, self.target.path(), self.query(), digest.as_ref())
    }

    fn query(&self) -> Option<&str> {
        // An empty query is none: the canonical form has said so before.
        self.target.query().filter(|query| !query.is_empty())
    }

    fn is_same(&self, other: &Self) -> bool {
        fn fields<'a>(parts: &Parts<'a>) -> Option<(String, Option<&'a [u8]>)> {
            parts.fields.map(|(name, value)| (String::from_utf8_lossy(name).into_owned(), value))
        }
        (self.host, self.target.path(), self.query()) == (other.host, other.target.path(), other.query())
            && fields(self) == fields(other)
    }
}

/// Two requests, cut at a NUL: their keys and their names in a store are the same exactly when all their parts are.
pub(crate) fn keys(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Ok(key) = Key::parse(&text) {
        assert_eq!(key.as_str(), text);
        let _ = (key.host(), key.path(), key.query(), key.resource(), key.physical());
    }
    let mut halves = bytes.splitn(2, |byte| *byte == 0);
    let Some(one) = halves.next().and_then(Parts::read) else { return };
    let key = one.key();
    assert_eq!((key.host(), key.path(), key.query()), (one.host, one.target.path(), one.query()), "{key}");
    assert_eq!(Key::parse(key.as_str()).as_ref(), Ok(&key));
    assert!(key.physical().len() <= MAX_PHYSICAL_LEN);
    assert!(key.as_str().starts_with(key.resource()) && key.without_fields().starts_with(key.resource()));
    let Some(other) = halves.next().and_then(Parts::read) else { return };
    let same = one.is_same(&other);
    assert_eq!(key == other.key(), same, "{one:?} and {other:?}");
    assert_eq!(key.physical() == other.key().physical(), same, "{one:?} and {other:?}");
}

fn table() -> Table {
    let filter = QueryFilter::Exclude(vec!["utm".into()]);
    let rules =
        PATTERNS.iter().map(|pattern| Rule::new(pattern).unwrap().ttl(Duration::from_secs(60)).query(filter.clone()));
    rules.fold(Table::builder(), |builder, rule| builder.route(rule)).build().unwrap()
}

/// A path: it falls under the route that an obvious search finds, its parameters put back give the path, and the
/// canonical form of its key has the same route and is canonical.
pub(crate) fn route_match(bytes: &[u8]) {
    let Ok(target) = PathAndQuery::try_from(bytes) else { return };
    let path = target.path();
    if !path.starts_with('/') {
        return;
    }
    let table = table();
    let found = table.find(path);
    let expected = PATTERNS.iter().filter_map(|pattern| Some((kinds(pattern, path)?, *pattern))).min();
    assert_eq!(found.map(|found| found.rule().pattern().as_str()), expected.map(|(_, pattern)| pattern), "{path}");
    if let Some(found) = found {
        let (mut values, pattern) = (found.params().into_iter(), found.rule().pattern().as_str());
        let fill = |segment: &'static str| match segment.starts_with('{') {
            true => values.next().map_or("", |(_, value)| value),
            false => segment,
        };
        let pattern = PATTERNS.iter().find(|known| **known == pattern).unwrap();
        assert_eq!(pattern.split('/').map(fill).collect::<Vec<_>>().join("/"), path);
    }
    let key = Key::new(None, path, target.query().filter(|query| !query.is_empty()), None);
    let canonical = table.canonical(&key);
    assert_eq!(table.canonical(&canonical), canonical);
    assert_eq!((canonical.path(), canonical.resource()), (key.path(), key.resource()));
    if found.is_some() {
        let names =
            |query: &str| query.split('&').any(|pair| matches!(pair.split('=').next(), Some("utm" | "nocache")));
        assert!(!canonical.query().is_some_and(names), "{canonical}");
    }
}

/// How a pattern matches a path, segment by segment: 0 a literal, 1 a parameter, 2 the tail.
fn kinds(pattern: &str, path: &str) -> Option<Vec<u8>> {
    let mut segments = path.split('/');
    let mut kinds = Vec::new();
    for wanted in pattern.split('/') {
        let segment = segments.next()?;
        let lower = segment.to_ascii_lowercase();
        match wanted {
            rest if rest.ends_with("*}") => {
                kinds.push(2);
                return Some(kinds);
            }
            param if param.starts_with('{') => {
                let plain = !segment.is_empty() && !segment.contains(';') && !lower.contains("%2f");
                plain.then(|| kinds.push(1))?;
            }
            literal => (literal == segment).then(|| kinds.push(0))?,
        }
    }
    segments.next().is_none().then_some(kinds)
}

/// A pattern and a text, cut at a newline: matched as the obvious recursion matches them.
pub(crate) fn globs(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let (pattern, text) = text.split_once('\n').unwrap_or((&text, ""));
    assert!(Glob::new(Glob::escape(text)).matches(text), "{text} does not match itself");
    // The recursion takes time that grows with every star.
    if pattern.matches('*').count() <= 6 && text.len() <= 64 {
        assert_eq!(
            Glob::new(pattern).matches(text),
            matches(pattern.as_bytes(), text.as_bytes()),
            "{pattern} on {text}"
        );
    }
}

fn matches(pattern: &[u8], text: &[u8]) -> bool {
    match (pattern, text) {
        ([], []) => true,
        ([b'*', rest @ ..], _) => (0..=text.len()).any(|at| matches(rest, &text[at..])),
        ([b'\\', literal, rest @ ..], [first, tail @ ..]) => literal == first && matches(rest, tail),
        ([b'\\', _, ..], []) => false,
        ([literal, rest @ ..], [first, tail @ ..]) => literal == first && matches(rest, tail),
        _ => false,
    }
}

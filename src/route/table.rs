//! The set of routes, and finding the one for a path.

use std::sync::Arc;

use http::header::HeaderValue;

use super::pattern::{Segment, is_plain_segment};
use super::{Caching, Pattern, RouteError, Rule};
use crate::key::Key;

/// The routes of one cache, with what holds for all of them. Built once, then only read.
#[derive(Clone, Debug)]
pub struct Table {
    rules: Vec<Arc<Rule>>,
    root: Node,
    host: HostRule,
    unmatched: Unmatched,
    enabled: bool,
    expose_key: bool,
    x_cache: bool,
}

/// Collects routes for a [`Table`].
#[derive(Debug)]
pub struct TableBuilder {
    table: Table,
}

/// Whether the host is part of the key: exactly when the upstream can see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostRule {
    /// It is not. Under a cached route the upstream is shown this `Host` instead of the client's.
    Fixed(HeaderValue),
    /// It is, and the upstream is shown the client's.
    Keyed,
}

/// What becomes of a path that no route matches.
#[derive(Clone, Debug, Default)]
pub enum Unmatched {
    /// It is passed on untouched.
    #[default]
    Pass,
    /// It is judged by the origin's headers alone, under this rule.
    Origin(Arc<Rule>),
}

/// What a path falls under.
#[derive(Clone, Copy, Debug)]
pub enum Routing<'t> {
    /// A route.
    Rule(&'t Arc<Rule>),
    /// None, and it is passed on.
    Pass,
}

/// A route and the path that matched it.
#[derive(Clone, Copy, Debug)]
pub struct Matched<'t, 'p> {
    rule: &'t Arc<Rule>,
    path: &'p str,
}

/// A node of the tree of segments. The number of nodes bounds the work of a match.
#[derive(Clone, Debug, Default)]
struct Node {
    literals: Vec<(Box<str>, Node)>,
    param: Option<Box<Node>>,
    rest: Option<usize>,
    leaf: Option<usize>,
}

impl Table {
    /// An empty table: the host is not keyed, unmatched paths pass.
    pub fn builder() -> TableBuilder {
        TableBuilder {
            table: Self {
                rules: Vec::new(),
                root: Node::default(),
                host: HostRule::Fixed(HeaderValue::from_static("localhost")),
                unmatched: Unmatched::Pass,
                enabled: true,
                expose_key: false,
                x_cache: true,
            },
        }
    }

    /// The route that matches a path, if one does. A literal segment is preferred to a parameter, and a parameter to a tail.
    pub fn find<'t, 'p>(&'t self, path: &'p str) -> Option<Matched<'t, 'p>> {
        let index = self.root.find(path.strip_prefix('/')?)?;
        self.rules.get(index).map(|rule| Matched { rule, path })
    }

    /// The other routes that match a path, each less specific than the one that [`Table::find`] gives.
    pub fn also_matching(&self, path: &str) -> Vec<&Arc<Rule>> {
        let Some(tail) = path.strip_prefix('/') else { return Vec::new() };
        let first = self.find(path).map(|matched| matched.rule.pattern().as_str());
        let others = self.rules.iter().filter(|rule| {
            let mut alone = Node::default();
            alone.insert(rule.pattern(), 0);
            Some(rule.pattern().as_str()) != first && alone.find(tail).is_some()
        });
        others.collect()
    }

    /// What a path falls under, `unmatched` included.
    pub fn routing<'t>(&'t self, path: &str) -> Routing<'t> {
        match (self.find(path), &self.unmatched) {
            (Some(matched), _) => Routing::Rule(matched.rule),
            (None, Unmatched::Origin(rule)) => Routing::Rule(rule),
            (None, Unmatched::Pass) => Routing::Pass,
        }
    }

    /// The routes, in the order they were added.
    pub fn rules(&self) -> &[Arc<Rule>] {
        &self.rules
    }

    /// The largest body that any route stores.
    pub fn largest_body(&self) -> u64 {
        let unmatched = match &self.unmatched {
            Unmatched::Origin(rule) => Some(rule),
            Unmatched::Pass => None,
        };
        self.rules.iter().chain(unmatched).map(|rule| rule.policy().max_body).max().unwrap_or(0)
    }

    /// Whether the host is keyed.
    pub fn host(&self) -> &HostRule {
        &self.host
    }

    /// The same table, showing the upstream another `Host` where the host is not keyed.
    #[must_use]
    pub fn showing_host(mut self, authority: HeaderValue) -> Self {
        if let HostRule::Fixed(shown) = &mut self.host {
            *shown = authority;
        }
        self
    }

    /// Whether anything is cached at all.
    pub fn is_enabled(&self) -> bool {
        self.enabled
    }

    /// Whether `Cache-Status` names the key.
    pub fn exposes_key(&self) -> bool {
        self.expose_key
    }

    /// Whether answers carry `X-Cache`.
    pub fn says_x_cache(&self) -> bool {
        self.x_cache
    }

    /// A key that a person wrote, with its query as this table would key it. The path's own route decides which
    /// parameters count.
    #[must_use]
    pub fn canonical(&self, key: &Key) -> Key {
        let Some(query) = key.query() else { return key.clone() };
        let Routing::Rule(rule) = self.routing(key.path()) else { return key.clone() };
        let canonical = rule.query_filter().canonical(Some(query), &rule.bypass_param().param).query;
        let fields = key.as_str().find('#').map_or("", |at| &key.as_str()[at..]);
        let query = canonical.map_or_else(String::new, |query| format!("?{query}"));
        Key::parse(&format!("{}{query}{fields}", key.resource())).unwrap_or_else(|_| key.clone())
    }

    /// Whether an answer to a GET of this path could be stored.
    pub(crate) fn caches(&self, path: &str) -> bool {
        matches!(self.routing(path), Routing::Rule(rule) if rule.is_cached())
    }
}

impl TableBuilder {
    /// Adds a route.
    #[must_use]
    pub fn route(mut self, rule: Rule) -> Self {
        self.table.rules.push(Arc::new(rule));
        self
    }

    /// Keys the host, and shows the upstream the client's.
    #[must_use]
    pub fn key_host(mut self) -> Self {
        self.table.host = HostRule::Keyed;
        self
    }

    /// The `Host` that the upstream is shown under cached routes when the host is not keyed. `localhost`.
    #[must_use]
    pub fn show_host(mut self, authority: HeaderValue) -> Self {
        self.table.host = HostRule::Fixed(authority);
        self
    }

    /// Judges paths that no route matches by the origin's headers alone, with the options of this rule. Its pattern is
    /// not looked at.
    #[must_use]
    pub fn unmatched(mut self, rule: Rule) -> Self {
        self.table.unmatched = Unmatched::Origin(Arc::new(rule.caching(Caching::On)));
        self
    }

    /// Switches the whole cache on or off. On.
    #[must_use]
    pub fn enabled(mut self, enabled: bool) -> Self {
        self.table.enabled = enabled;
        self
    }

    /// Names the key in `Cache-Status`. Off.
    #[must_use]
    pub fn expose_key(mut self, expose: bool) -> Self {
        self.table.expose_key = expose;
        self
    }

    /// Says `X-Cache` on every answer. On.
    #[must_use]
    pub fn x_cache(mut self, say: bool) -> Self {
        self.table.x_cache = say;
        self
    }

    /// The table.
    ///
    /// # Errors
    /// [`RouteError::Duplicate`] when two routes match the same paths.
    pub fn build(mut self) -> Result<Table, RouteError> {
        let mut root = Node::default();
        for (index, rule) in self.table.rules.iter().enumerate() {
            if let Some(first) = root.insert(rule.pattern(), index) {
                return Err(RouteError::Duplicate {
                    first: self.table.rules[first].pattern().as_str().to_owned(),
                    second: rule.pattern().as_str().to_owned(),
                });
            }
        }
        self.table.root = root;
        Ok(self.table)
    }
}

impl<'t, 'p> Matched<'t, 'p> {
    /// The route.
    pub fn rule(&self) -> &'t Arc<Rule> {
        self.rule
    }

    /// The parameters as they stand in the path, nothing decoded.
    pub fn params(&self) -> Vec<(&'t str, &'p str)> {
        params(self.rule.pattern(), self.path)
    }
}

/// The parameters that a pattern binds in a path it matches.
pub(crate) fn params<'t, 'p>(pattern: &'t Pattern, path: &'p str) -> Vec<(&'t str, &'p str)> {
    let mut bound = Vec::new();
    let mut rest = path.strip_prefix('/');
    for segment in pattern.segments() {
        let Some(tail) = rest else { break };
        let (head, after) = tail.split_once('/').map_or((tail, None), |(head, after)| (head, Some(after)));
        match segment {
            Segment::Literal(_) => {}
            Segment::Param(name) => bound.push((name.as_str(), head)),
            Segment::Rest(name) => bound.push((name.as_str(), tail)),
        }
        rest = after;
    }
    bound
}

impl Node {
    /// Adds a pattern; gives back the rule that already stands there.
    fn insert(&mut self, pattern: &Pattern, index: usize) -> Option<usize> {
        let mut node = self;
        for segment in pattern.segments() {
            node = match segment {
                Segment::Literal(text) => node.literal(text),
                Segment::Param(_) => node.param.get_or_insert_default(),
                Segment::Rest(_) => return put(&mut node.rest, index),
            };
        }
        put(&mut node.leaf, index)
    }

    fn literal(&mut self, text: &str) -> &mut Self {
        let at = match self.literals.binary_search_by(|(name, _)| (**name).cmp(text)) {
            Ok(at) => at,
            Err(at) => {
                self.literals.insert(at, (text.into(), Self::default()));
                at
            }
        };
        &mut self.literals[at].1
    }

    /// Finds the rule for the rest of a path, trying literals, then the parameter, then the tail.
    fn find(&self, tail: &str) -> Option<usize> {
        let (head, after) = tail.split_once('/').map_or((tail, None), |(head, after)| (head, Some(after)));
        let literal =
            self.literals.binary_search_by(|(name, _)| (**name).cmp(head)).ok().map(|at| &self.literals[at].1);
        let param = self.param.as_deref().filter(|_| is_plain_segment(head));
        let descend = |node: &Self| after.map_or(node.leaf, |after| node.find(after));
        literal.and_then(descend).or_else(|| param.and_then(descend)).or(self.rest)
    }
}

fn put(slot: &mut Option<usize>, index: usize) -> Option<usize> {
    let taken = *slot;
    slot.get_or_insert(index);
    taken
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn table(patterns: &[&str]) -> Result<Table, RouteError> {
        patterns.iter().fold(Table::builder(), |builder, pattern| builder.route(Rule::new(pattern).unwrap())).build()
    }

    #[test]
    fn a_literal_beats_a_parameter_and_a_parameter_the_tail() {
        let table = table(&["/api/{kind}/search", "/api/users/{id}", "/api/{rest*}", "/api/users/me", "/"]).unwrap();
        for (path, pattern) in [
            ("/api/users/me", Some("/api/users/me")),
            ("/api/users/7", Some("/api/users/{id}")),
            ("/api/users/search", Some("/api/users/{id}")),
            ("/api/posts/search", Some("/api/{kind}/search")),
            ("/api/posts/", Some("/api/{rest*}")),
            ("/api/users/7/posts", Some("/api/{rest*}")),
            ("/api/", Some("/api/{rest*}")),
            ("/api/users/7;x", Some("/api/{rest*}")),
            ("/api/users/a%2Fb", Some("/api/{rest*}")),
            ("/", Some("/")),
            ("/api", None),
            ("/API/users/7", None),
            ("*", None),
        ] {
            assert_eq!(table.find(path).map(|matched| matched.rule().pattern().as_str()), pattern, "{path}");
        }
    }

    #[test]
    fn less_specific_routes_are_known() {
        let table = table(&["/api/{kind}/search", "/api/users/{id}", "/api/{rest*}", "/other"]).unwrap();
        let also = |path| -> Vec<_> { table.also_matching(path).iter().map(|rule| rule.pattern().as_str()).collect() };
        assert_eq!(also("/api/users/search"), ["/api/{kind}/search", "/api/{rest*}"]);
        assert_eq!(also("/api/users/7;x"), [""; 0]);
        assert_eq!(also("/none"), [""; 0]);
    }

    #[test]
    fn parameters_are_bound_as_they_stand() {
        let table = table(&["/a/{x}/b/{rest*}"]).unwrap();
        assert_eq!(table.find("/a/1%202/b/c/d/").unwrap().params(), [("x", "1%202"), ("rest", "c/d/")]);
    }

    #[test]
    fn routes_that_match_the_same_paths_are_refused() {
        let error = table(&["/api/users/{id}", "/api/users/{user}"]).unwrap_err();
        let expected = RouteError::Duplicate { first: "/api/users/{id}".into(), second: "/api/users/{user}".into() };
        assert_eq!(error, expected);
        assert!(table(&["/a/{x}", "/a/{x*}", "/a/", "/a"]).is_ok());
    }

    #[test]
    fn a_key_somebody_wrote_is_canonicalised_by_its_route() {
        let rule = Rule::new("/p").unwrap().ttl(Duration::from_secs(1));
        let table =
            Table::builder().route(rule.query(super::super::QueryFilter::Include(vec!["a".into(), "b".into()])));
        let table = table.build().unwrap();
        let canonical = |text| table.canonical(&Key::parse(text).unwrap()).to_string();
        assert_eq!(canonical("GET:/p?b=1&a=2&x=3&nocache=1"), "GET:/p?a=2&b=1");
        assert_eq!(canonical("GET:/p?x=3"), "GET:/p");
        assert_eq!(canonical("GET:/other?b=1&a=2"), "GET:/other?b=1&a=2");
    }
}

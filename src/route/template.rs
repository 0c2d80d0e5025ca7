//! Texts with `{name}` in them, bound from the path of a request: tags and the targets of writes.

use std::fmt;

use super::{Pattern, RouteError};
use crate::invalidation::{Glob, Selector, Tag};
use crate::key::Key;

/// A text in which `{name}` stands for a path parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Template {
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    Literal(String),
    Param(String),
}

/// What a write clears: a key, a glob of keys, or a tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target(What);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum What {
    Key(Template),
    Glob(Template),
    Tag(Template),
}

impl Template {
    pub(super) fn parse(text: &str, pattern: &Pattern) -> Result<Self, RouteError> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((literal, after)) = rest.split_once('{') {
            let Some((name, tail)) = after.split_once('}') else { break };
            let name = name.strip_suffix('*').unwrap_or(name);
            if !pattern.params().any(|param| param == name) {
                return Err(RouteError::Unbound {
                    name: name.to_owned(),
                    text: text.to_owned(),
                    pattern: pattern.as_str().to_owned(),
                });
            }
            if !literal.is_empty() {
                pieces.push(Piece::Literal(literal.to_owned()));
            }
            pieces.push(Piece::Param(name.to_owned()));
            rest = tail;
        }
        if !rest.is_empty() {
            pieces.push(Piece::Literal(rest.to_owned()));
        }
        Ok(Self { pieces })
    }

    /// The template of a tag. A control character marks what is no tag of a route.
    pub(super) fn tag(text: &str, pattern: &Pattern) -> Result<Self, RouteError> {
        if text.contains(char::is_control) {
            return Err(RouteError::Target { text: text.to_owned(), why: "a tag has no control characters" });
        }
        Self::parse(text, pattern)
    }

    /// A text without parameters, whatever is in it.
    pub(super) fn literal(text: &str) -> Self {
        Self { pieces: vec![Piece::Literal(text.to_owned())] }
    }

    /// The text with every parameter replaced by what it was bound to.
    pub(super) fn bind(&self, params: &[(&str, &str)]) -> String {
        self.bind_with(params, str::to_owned)
    }

    fn bind_with(&self, params: &[(&str, &str)], escape: impl Fn(&str) -> String) -> String {
        let mut out = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Literal(text) => out.push_str(text),
                Piece::Param(name) => {
                    let value = params.iter().find(|(param, _)| param == name).map_or("", |(_, value)| value);
                    out.push_str(&escape(value));
                }
            }
        }
        out
    }

    pub(super) fn pieces(&self) -> &[Piece] {
        &self.pieces
    }

    pub(super) fn sample(&self) -> String {
        self.pieces.iter().map(|piece| if let Piece::Literal(text) = piece { text.as_str() } else { "x" }).collect()
    }
}

impl Target {
    /// A key such as `GET:/api/users/{id}`, or an anchored glob such as `GET:/api/users/{id}/*`. A star makes it a
    /// glob; `\*` is a literal one.
    ///
    /// # Errors
    /// [`RouteError::Target`] when the text is not a key, [`RouteError::Unbound`] for a parameter the path lacks.
    pub fn key(text: &str, pattern: &Pattern) -> Result<Self, RouteError> {
        let fault = |why| RouteError::Target { text: text.to_owned(), why };
        let template = Template::parse(text, pattern)?;
        let sample = template.sample();
        let is_glob = text.contains(['*', '\\']) && sample.contains(['*', '\\']);
        let method = sample.split(':').next().unwrap_or_default();
        if sample.contains(':') && method != "GET" {
            return Err(fault("only GET answers are stored, so the method is GET"));
        }
        let readable = if is_glob { sample.replace("\\*", "x").replace('*', "x") } else { sample };
        Key::parse(&readable).map_err(|_| fault("it is METHOD:path"))?;
        Ok(Self(if is_glob { What::Glob(template) } else { What::Key(template) }))
    }

    /// A tag such as `user:{id}`.
    ///
    /// # Errors
    /// [`RouteError::Unbound`] for a parameter the path lacks, [`RouteError::Target`] for a control character.
    pub fn tag(text: &str, pattern: &Pattern) -> Result<Self, RouteError> {
        Template::tag(text, pattern).map(|template| Self(What::Tag(template)))
    }

    pub(super) fn what(&self) -> &What {
        &self.0
    }

    /// The target for one write. Bound values are literals: a star in a path never becomes a wildcard. `host` is put
    /// in front of the path where keys carry one and the target names none.
    pub(crate) fn bind(&self, params: &[(&str, &str)], host: Option<&str>) -> Option<Selector> {
        match &self.0 {
            What::Key(template) => {
                let text = with_host(template.bind(params), host);
                Key::parse(&text).ok().map(Selector::Key)
            }
            What::Glob(template) => {
                let host = host.map(Glob::escape);
                let text = with_host(template.bind_with(params, Glob::escape), host.as_deref());
                Some(Selector::Glob(Glob::new(text)))
            }
            What::Tag(template) => Some(Selector::Tag(Tag::new(template.bind(params)))),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            What::Key(template) | What::Glob(template) => template.fmt(f),
            What::Tag(template) => write!(f, "tag {template}"),
        }
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.pieces.iter().try_for_each(|piece| match piece {
            Piece::Literal(text) => f.write_str(text),
            Piece::Param(name) => write!(f, "{{{name}}}"),
        })
    }
}

fn with_host(key: String, host: Option<&str>) -> String {
    match (host, key.split_once(':')) {
        (Some(host), Some((method, path))) if !path.starts_with("//") => format!("{method}://{host}{path}"),
        _ => key,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bound(text: &str, id: &str) -> Selector {
        let pattern = Pattern::parse("/api/users/{id}").unwrap();
        Target::key(text, &pattern).unwrap().bind(&[("id", id)], None).unwrap()
    }

    #[test]
    fn a_target_is_bound_from_the_path_of_the_write() {
        assert_eq!(bound("GET:/api/users/{id}", "7"), Selector::Key(Key::parse("GET:/api/users/7").unwrap()));
        assert_eq!(bound("GET:/api/users/{id}/*", "7"), Selector::Glob(Glob::new("GET:/api/users/7/*")));
    }

    #[test]
    fn a_star_in_a_path_never_becomes_a_wildcard() {
        assert_eq!(bound("GET:/api/users/{id}", "*"), Selector::Key(Key::parse("GET:/api/users/*").unwrap()));
        let Selector::Glob(glob) = bound("GET:/api/users/{id}/*", "*") else { panic!("a glob") };
        assert!(glob.matches("GET:/api/users/*/posts"));
        assert!(!glob.matches("GET:/api/users/7/posts"));
    }

    #[test]
    fn where_hosts_are_keyed_a_target_means_the_host_of_the_write() {
        let pattern = Pattern::parse("/a/{id}").unwrap();
        let target = Target::key("GET:/a/{id}", &pattern).unwrap();
        let bound = target.bind(&[("id", "1")], Some("h.example")).unwrap();
        assert_eq!(bound, Selector::Key(Key::parse("GET://h.example/a/1").unwrap()));
    }

    #[test]
    fn faults_are_named() {
        let pattern = Pattern::parse("/api/users/{id}").unwrap();
        assert!(matches!(Target::key("GET:/api/users/{user}", &pattern), Err(RouteError::Unbound { .. })));
        assert!(matches!(Target::key("/api/users/", &pattern), Err(RouteError::Target { .. })));
        assert!(matches!(Target::key("POST:/api/users/", &pattern), Err(RouteError::Target { .. })));
        assert!(matches!(Target::tag("\u{1f}\u{1f}users", &pattern), Err(RouteError::Target { .. })));
    }
}

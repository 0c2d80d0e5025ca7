//! What the body of `POST /invalidate` names.

use std::collections::HashSet;

use serde::Deserialize;

use crate::invalidation::{Category, Glob, Selector, Tag};
use crate::key::{Key, NotAKey};
use crate::route::Table;

/// An invalidation as it was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Request {
    /// What is to be cleared, without what is said twice.
    pub(super) selectors: Vec<Selector>,
    /// Only count.
    pub(super) dry_run: bool,
}

/// Why a body is not an invalidation. Nothing was cleared.
#[derive(Debug, thiserror::Error)]
pub(super) enum RequestError {
    /// It is not JSON, or not of this shape.
    #[error("the body is not an invalidation: {0}")]
    Shape(#[from] serde_json::Error),
    /// It is not a JSON object. Without this, an array of the fields' values would be taken for one.
    #[error(r#"the body is not a JSON object such as {{"keys":["GET:/api/posts/"]}}"#)]
    NotAnObject,
    /// It names nothing.
    #[error(r#"name what to clear: "keys", "patterns", "tags", "category" or "all":true"#)]
    Nothing,
    /// One of the keys is none.
    #[error("`{text}` in keys is not a key: {source}")]
    Key { text: String, source: NotAKey },
    /// One of the patterns can match no key.
    #[error("`{0}` in patterns matches no key: it is compared with whole keys, as in GET:/api/users/*")]
    Pattern(String),
    /// A tag or a category is empty.
    #[error("a tag or a category is empty")]
    Empty,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    keys: Option<Vec<String>>,
    patterns: Option<Vec<String>>,
    tags: Option<Vec<String>>,
    category: Option<String>,
    #[serde(default)]
    all: bool,
    #[serde(default)]
    dry_run: bool,
}

impl Request {
    /// Reads a body. Keys get the query that this table would give them.
    pub(super) fn read(body: &[u8], table: &Table) -> Result<Self, RequestError> {
        if !body.trim_ascii_start().starts_with(b"{") {
            return Err(RequestError::NotAnObject);
        }
        let body: Body = serde_json::from_slice(body)?;
        let names_something = body.all
            || body.category.is_some()
            || [&body.keys, &body.patterns, &body.tags].into_iter().any(Option::is_some);
        if !names_something {
            return Err(RequestError::Nothing);
        }
        let mut selectors = Vec::new();
        for text in body.keys.unwrap_or_default() {
            let key = Key::parse(&text).map_err(|source| RequestError::Key { text, source })?;
            selectors.push(Selector::Key(table.canonical(&key)));
        }
        for pattern in body.patterns.unwrap_or_default() {
            if !can_match_a_key(&pattern) {
                return Err(RequestError::Pattern(pattern));
            }
            selectors.push(Selector::Glob(Glob::new(pattern)));
        }
        for tag in body.tags.unwrap_or_default() {
            selectors.push(Selector::Tag(Tag::new(not_empty(tag)?)));
        }
        if let Some(category) = body.category {
            selectors.push(Selector::Category(Category::new(not_empty(category)?)));
        }
        if body.all {
            selectors = vec![Selector::All];
        }
        Ok(Self { selectors: without_covered(selectors), dry_run: body.dry_run })
    }
}

fn not_empty(text: String) -> Result<String, RequestError> {
    if text.is_empty() { Err(RequestError::Empty) } else { Ok(text) }
}

/// Whether the part of a pattern before its first wildcard can be how a key begins. Spares the surprise of `/api/*`,
/// which clears nothing.
fn can_match_a_key(pattern: &str) -> bool {
    let head = pattern.split(['*', '\\']).next().unwrap_or_default();
    let is_whole = head.len() == pattern.len();
    let is_method = |text: &str| text.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'-');
    match head.split_once(':') {
        Some((method, "")) => !method.is_empty() && is_method(method) && !is_whole,
        Some((method, target)) => !method.is_empty() && is_method(method) && target.starts_with('/'),
        None => is_method(head) && !is_whole,
    }
}

/// Leaves out what another selector clears as well, where that can be told without looking: an entry is counted once.
fn without_covered(mut selectors: Vec<Selector>) -> Vec<Selector> {
    let mut seen = HashSet::new();
    selectors.retain(|selector| seen.insert(selector.clone()));
    let covered = |selector: &Selector| match selector {
        Selector::Key(key) if !key.is_resource() => {
            Key::parse(key.resource()).is_ok_and(|resource| seen.contains(&Selector::Key(resource)))
        }
        _ => false,
    };
    selectors.into_iter().filter(|selector| !covered(selector)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::route::{QueryFilter, Rule};

    fn read(body: &str) -> Result<Request, RequestError> {
        let rule = Rule::new("/p").unwrap().query(QueryFilter::Include(vec!["a".into()]));
        Request::read(body.as_bytes(), &Table::builder().route(rule).build().unwrap())
    }

    fn selected(body: &str) -> Vec<String> {
        read(body).unwrap().selectors.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn everything_that_can_be_named_is_read() {
        for (body, selectors) in [
            (r#"{"keys":["GET:/a","GET:/p?b=1&a=2"]}"#, vec!["GET:/a", "GET:/p?a=2"]),
            (r#"{"patterns":["GET:/a/*","*"]}"#, vec!["pattern GET:/a/*", "pattern *"]),
            (r#"{"tags":["user:1","user:1"]}"#, vec!["tag user:1"]),
            (r#"{"category":"users","tags":["t"]}"#, vec!["tag t", "category users"]),
            (r#"{"all":true,"keys":["GET:/a"]}"#, vec!["all"]),
            (r#"{"keys":[]}"#, vec![]),
        ] {
            assert_eq!(selected(body), selectors, "{body}");
        }
        assert!(read(r#"{"all":true,"dry_run":true}"#).unwrap().dry_run);
    }

    #[test]
    fn a_query_is_covered_by_its_resource() {
        assert_eq!(selected(r#"{"keys":["GET:/a?x=1","GET:/a","GET:/b?x=1"]}"#), ["GET:/a", "GET:/b?x=1"]);
    }

    #[test]
    fn what_cannot_be_meant_is_refused_and_named() {
        for (body, word) in [
            ("", "JSON object"),
            ("[]", "JSON object"),
            ("{", "EOF"),
            ("{}", "name what to clear"),
            (r#"{"all":false}"#, "name what to clear"),
            (r#"{"soft":true,"all":true}"#, "`soft`"),
            (r#"{"key":"GET:/a"}"#, "`key`"),
            (r#"{"keys":"GET:/a"}"#, "expected a sequence"),
            (r#"{"keys":["GET:/a","/b"]}"#, "`/b`"),
            (r#"{"tags":[""]}"#, "empty"),
            (r#"{"category":""}"#, "empty"),
            (r#"{"patterns":["/api/*"]}"#, "`/api/*`"),
        ] {
            let error = read(body).unwrap_err().to_string();
            assert!(error.contains(word), "{body}: {error}");
        }
    }

    #[test]
    fn a_pattern_begins_as_a_key_does() {
        for good in ["*", "GET:/a", "GET:/a/*", "G*", "GET:*", r"GET:/\*", "*/users/*", "GET://h/*"] {
            assert!(can_match_a_key(good), "{good}");
        }
        for bad in ["", "/api/*", "api/*", "get:/a*", "GET", "GET:", "GET:api/*", ":/a*"] {
            assert!(!can_match_a_key(bad), "{bad}");
        }
    }
}

//! What an invalidation names, and what came of it.
//!
//! Bound path parameters, tags and categories are literals. The only wildcard is the `*` of a [`Glob`], and the only
//! way to write one is in configuration or in the admin route that takes patterns.

use std::fmt;
use std::sync::Arc;

use crate::key::Key;

/// What stands before the host and the name of a cache group. No tag of a route contains a control character.
const GROUP: char = '\u{1f}';

/// A name shared by entries that are cleared together, as in `user:42`. Compared by equality.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag(Arc<str>);

/// The category a route is counted under, as in `users`. Compared by equality.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Category(Arc<str>);

/// A pattern over whole keys. `*` matches any run of characters, `/` and `?` included; `\*` is a literal star and
/// `\\` a literal backslash. Both ends are anchored.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Glob(Arc<str>);

/// Which entries an invalidation clears.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Selector {
    /// A key. Without a query it names the resource, which is every query, keyed field and variant of that path;
    /// with one it names that query, its keyed fields and its variants.
    Key(Key),
    /// Every key that the pattern matches.
    Glob(Glob),
    /// Every entry that carries the tag.
    Tag(Tag),
    /// Every entry of the category.
    Category(Category),
    /// Everything.
    All,
}

/// What a store says of an invalidation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Cleared {
    /// Entries that were there and are gone: one a key, each query of a path counts, variants do not.
    pub deleted: u64,
    /// True when the shared store could not be reached: the invalidation is kept, and applied before this process
    /// reads from that store again.
    pub queued: bool,
}

impl Tag {
    /// A tag of this text.
    pub fn new(text: impl Into<Arc<str>>) -> Self {
        Self(text.into())
    }

    /// The tag of a cache group (RFC 9875). Groups belong to one origin: where hosts are keyed, each host has its own. No
    /// tag that a configuration can name equals it.
    pub fn group(host: Option<&str>, name: &str) -> Self {
        Self(format!("{GROUP}{}{GROUP}{name}", host.unwrap_or_default()).into())
    }

    /// The name of the cache group that the tag stands for, when it is one's.
    pub fn group_name(&self) -> Option<&str> {
        let (_, name) = self.0.strip_prefix(GROUP)?.split_once(GROUP)?;
        Some(name)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Category {
    /// A category of this name.
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Self(name.into())
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Category {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Glob {
    /// A pattern in the grammar described at [`Glob`].
    pub fn new(pattern: impl Into<Arc<str>>) -> Self {
        Self(pattern.into())
    }

    /// The pattern that matches this text and nothing else.
    pub fn escape(literal: &str) -> String {
        let mut out = String::with_capacity(literal.len());
        for c in literal.chars() {
            if matches!(c, '*' | '\\') {
                out.push('\\');
            }
            out.push(c);
        }
        out
    }

    /// The pattern as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the pattern matches the whole text. Takes time proportional to the two lengths multiplied, whatever
    /// the pattern.
    pub fn matches(&self, text: &str) -> bool {
        let (pattern, text) = (self.0.as_bytes(), text.as_bytes());
        let (mut p, mut t) = (0, 0);
        // Where to go on after the last star when what follows it does not fit: the classic backtrack to one star.
        let mut retry: Option<(usize, usize)> = None;
        loop {
            match Token::at(pattern, p) {
                Some((Token::AnyRun, next)) => {
                    retry = Some((next, t));
                    p = next;
                    continue;
                }
                Some((Token::Literal(byte), next)) if text.get(t) == Some(&byte) => {
                    (p, t) = (next, t + 1);
                    continue;
                }
                None if t == text.len() => return true,
                _ => {}
            }
            match retry {
                Some((after, from)) if from < text.len() => {
                    (p, t) = (after, from + 1);
                    retry = Some((after, from + 1));
                }
                _ => return false,
            }
        }
    }
}

/// One step of a pattern.
enum Token {
    Literal(u8),
    AnyRun,
}

impl Token {
    fn at(pattern: &[u8], at: usize) -> Option<(Self, usize)> {
        match (*pattern.get(at)?, pattern.get(at + 1)) {
            (b'*', _) => Some((Self::AnyRun, at + 1)),
            (b'\\', Some(&escaped)) => Some((Self::Literal(escaped), at + 2)),
            (byte, _) => Some((Self::Literal(byte), at + 1)),
        }
    }
}

impl Selector {
    /// Whether an entry of this key, with these tags and this category, is selected.
    pub fn hits(&self, key: &Key, tags: &[Tag], category: Option<&Category>) -> bool {
        match self {
            Self::Key(named) if named.is_resource() => key.resource() == named.as_str(),
            Self::Key(named) if named.as_str().contains('#') => key == named,
            Self::Key(named) => key.without_fields() == named.as_str(),
            Self::Glob(glob) => glob.matches(key.as_str()),
            Self::Tag(tag) => tags.contains(tag),
            Self::Category(wanted) => category == Some(wanted),
            Self::All => true,
        }
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(key) => write!(f, "{key}"),
            Self::Glob(glob) => write!(f, "pattern {}", glob.as_str()),
            Self::Tag(tag) => match tag.group_name() {
                Some(name) => write!(f, "group {name}"),
                None => write!(f, "tag {tag}"),
            },
            Self::Category(category) => write!(f, "category {category}"),
            Self::All => f.write_str("all"),
        }
    }
}

impl Cleared {
    /// This many entries are gone.
    pub fn deleted(deleted: u64) -> Self {
        Self { deleted, queued: false }
    }

    /// Kept until the shared store can be reached.
    pub fn queued() -> Self {
        Self { deleted: 0, queued: true }
    }

    /// The two outcomes as one.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self { deleted: self.deleted.saturating_add(other.deleted), queued: self.queued || other.queued }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> Key {
        Key::parse(text).unwrap()
    }

    #[test]
    fn globs_are_anchored_and_know_one_wildcard() {
        for (pattern, text, matches) in [
            ("GET:/a", "GET:/a", true),
            ("GET:/a", "GET:/ab", false),
            ("ET:/a", "GET:/a", false),
            ("GET:/a/*", "GET:/a/b/c?d=e", true),
            ("*", "", true),
            ("*b*c", "abbcbc", true),
            ("*b*c", "abbcb", false),
            (r"GET:/\*", "GET:/*", true),
            (r"GET:/\*", "GET:/x", false),
            (r"a\\b", r"a\b", true),
            ("a?c", "abc", false),
            ("[ab]", "a", false),
            (r"a\", r"a\", true),
        ] {
            assert_eq!(Glob::new(pattern).matches(text), matches, "{pattern} on {text}");
        }
    }

    #[test]
    fn an_escaped_literal_matches_itself_alone() {
        let literal = r"GET:/a*b\c";
        assert!(Glob::new(Glob::escape(literal)).matches(literal));
        assert!(!Glob::new(Glob::escape(literal)).matches(r"GET:/axb\c"));
    }

    #[test]
    fn many_stars_do_not_explode() {
        let pattern = "*a".repeat(40);
        assert!(!Glob::new(pattern).matches(&"a".repeat(39)));
    }

    #[test]
    fn a_key_without_query_names_the_resource() {
        let resource = Selector::Key(key("GET:/api/posts/"));
        for hit in ["GET:/api/posts/", "GET:/api/posts/?page=2", "GET:/api/posts/#00"] {
            assert!(resource.hits(&key(hit), &[], None), "{hit}");
        }
        for miss in ["GET:/api/posts", "GET:/api/posts/1", "GET://h/api/posts/"] {
            assert!(!resource.hits(&key(miss), &[], None), "{miss}");
        }
        let query = Selector::Key(key("GET:/api/posts/?page=2"));
        assert!(query.hits(&key("GET:/api/posts/?page=2"), &[], None));
        assert!(query.hits(&key("GET:/api/posts/?page=2#00"), &[], None));
        assert!(!query.hits(&key("GET:/api/posts/?page=3"), &[], None));
        assert!(!query.hits(&key("GET:/api/posts/"), &[], None));
    }

    #[test]
    fn a_group_belongs_to_its_host_and_is_no_other_tag() {
        let group = Tag::group(None, "posts");
        assert_eq!(group, Tag::group(None, "posts"));
        for other in [Tag::new("posts"), Tag::group(Some("h"), "posts"), Tag::group(None, "Posts")] {
            assert_ne!(group, other);
        }
        assert_eq!((group.group_name(), Tag::new("posts").group_name()), (Some("posts"), None));
        assert_eq!(Selector::Tag(group).to_string(), "group posts");
    }

    #[test]
    fn tags_and_categories_are_compared_by_equality() {
        let tags = [Tag::new("user:4"), Tag::new("users")];
        assert!(Selector::Tag(Tag::new("user:4")).hits(&key("GET:/a"), &tags, None));
        assert!(!Selector::Tag(Tag::new("user:*")).hits(&key("GET:/a"), &tags, None));
        let users = Category::new("users");
        assert!(Selector::Category(users.clone()).hits(&key("GET:/a"), &[], Some(&users)));
        assert!(!Selector::Category(users).hits(&key("GET:/a"), &[], None));
    }
}

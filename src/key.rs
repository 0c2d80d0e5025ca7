//! The name of a stored response.
//!
//! A [`Key`] is what people type and read: `GET:/api/posts/`, `GET:/api/posts/?page=2`,
//! `GET://api.example.com/api/posts/`. It is injective: requests that the upstream could answer differently never
//! share one. See [`Key::new`] for how the parts are joined.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

/// Logical keys longer than this many bytes are stored under a readable head and a hash of the whole.
pub const MAX_PHYSICAL_LEN: usize = 200;
/// Bytes of a long key that stay readable in front of its hash.
const HEAD_LEN: usize = 120;

/// A logical key: the method, the host where it is keyed, the path, the canonical query, and a digest of the keyed
/// request fields.
///
/// Cloning shares the text.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(Arc<str>);

/// The digest of the request fields that are part of a key (`vary_on`).
///
/// Fields are digested because they may be secrets: a session cookie must not be readable in a list of keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FieldsDigest(blake3::Hash);

/// The identity of a variant: a digest of the normalised selecting fields (RFC 9111 §4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct VariantId([u8; 32]);

/// Why a text is not a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a key is METHOD:path, as in GET:/api/posts/")]
pub struct NotAKey;

impl Key {
    /// Joins the parts of a key.
    ///
    /// `path` begins with `/`; `query` is canonical and has no leading `?`. A path that begins with `//` would read
    /// like a host, so it is written `/.//…`, as the URL standard writes a path after an absent host; no keyed path
    /// contains a dot segment, so the two cannot meet.
    pub fn new(host: Option<&str>, path: &str, query: Option<&str>, fields: Option<&FieldsDigest>) -> Self {
        let mut text = String::with_capacity(
            4 + host.map_or(2, |h| h.len() + 2) + path.len() + query.map_or(0, |q| q.len() + 1) + 65,
        );
        text.push_str("GET:");
        if let Some(host) = host {
            text.push_str("//");
            text.push_str(host);
        } else if path.starts_with("//") {
            text.push_str("/.");
        }
        text.push_str(path);
        if let Some(query) = query {
            text.push('?');
            text.push_str(query);
        }
        if let Some(fields) = fields {
            text.push('#');
            text.push_str(&fields.0.to_hex());
        }
        Self(text.into())
    }

    /// Reads a key that somebody wrote: an upper-case method, a colon, and a path or `//host/path`.
    ///
    /// # Errors
    /// [`NotAKey`] when the text has another shape or contains control characters.
    pub fn parse(text: &str) -> Result<Self, NotAKey> {
        let (method, rest) = text.split_once(':').ok_or(NotAKey)?;
        let method_is_one = !method.is_empty() && method.bytes().all(|b| b.is_ascii_uppercase() || b == b'-');
        let has_path = match rest.strip_prefix("//") {
            Some(authority) => authority.find('/').is_some_and(|at| at > 0),
            None => rest.starts_with('/'),
        };
        if method_is_one && has_path && !rest.bytes().any(|b| b.is_ascii_control()) {
            Ok(Self(text.into()))
        } else {
            Err(NotAKey)
        }
    }

    /// The whole key.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The method, as in `GET`.
    pub fn method(&self) -> &str {
        self.0.split(':').next().unwrap_or_default()
    }

    /// The host, when it is part of the key.
    pub fn host(&self) -> Option<&str> {
        let authority = self.target().strip_prefix("//")?;
        authority.split('/').next()
    }

    /// The path as the client wrote it, without host and query.
    pub fn path(&self) -> &str {
        let resource = &self.resource()[self.method().len() + 1..];
        match resource.strip_prefix("//") {
            Some(authority) => authority.find('/').map_or("/", |at| &authority[at..]),
            None => resource.strip_prefix("/.").filter(|path| path.starts_with("//")).unwrap_or(resource),
        }
    }

    /// The canonical query, without the `?`.
    pub fn query(&self) -> Option<&str> {
        let target = self.0.split('#').next().unwrap_or_default();
        target.split_once('?').map(|(_, query)| query)
    }

    /// The key without query and keyed fields: the name of everything stored for that path.
    pub fn resource(&self) -> &str {
        let end = self.0.find(['?', '#']).unwrap_or(self.0.len());
        &self.0[..end]
    }

    /// The key without the digest of keyed fields.
    pub fn without_fields(&self) -> &str {
        self.0.split('#').next().unwrap_or_default()
    }

    /// True when the key is that of a bare path: no query and no keyed fields.
    pub fn is_resource(&self) -> bool {
        !self.0.contains(['?', '#'])
    }

    /// The name under which a shared store keeps the entry: the key itself up to [`MAX_PHYSICAL_LEN`] bytes, else
    /// its head, `#` and the BLAKE3 hash of the whole.
    pub fn physical(&self) -> String {
        if self.0.len() <= MAX_PHYSICAL_LEN {
            return self.0.to_string();
        }
        let mut end = HEAD_LEN;
        while !self.0.is_char_boundary(end) {
            end -= 1;
        }
        format!("{}#{}", &self.0[..end], blake3::hash(self.0.as_bytes()).to_hex())
    }

    fn target(&self) -> &str {
        self.0.split_once(':').map_or("", |(_, target)| target)
    }
}

impl FieldsDigest {
    /// Digests request fields, in the order given, with every length written before its bytes.
    pub fn of<'a>(fields: impl IntoIterator<Item = (&'a str, Option<&'a [u8]>)>) -> Self {
        let mut hasher = blake3::Hasher::new();
        for (name, value) in fields {
            hasher.update(&(name.len() as u64).to_le_bytes());
            hasher.update(name.as_bytes());
            match value {
                Some(value) => {
                    hasher.update(&[1]);
                    hasher.update(&(value.len() as u64).to_le_bytes());
                    hasher.update(value);
                }
                None => {
                    hasher.update(&[0]);
                }
            }
        }
        Self(hasher.finalize())
    }
}

impl VariantId {
    /// The variant of this digest.
    pub const fn new(digest: [u8; 32]) -> Self {
        Self(digest)
    }

    /// The digest.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl From<FieldsDigest> for VariantId {
    fn from(digest: FieldsDigest) -> Self {
        Self(digest.0.into())
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({})", self.0)
    }
}

impl AsRef<str> for Key {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for Key {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl std::str::FromStr for Key {
    type Err = NotAKey;

    fn from_str(text: &str) -> Result<Self, NotAKey> {
        Self::parse(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_gives_its_parts_back() {
        let plain = Key::new(None, "/api/posts/", Some("page=2"), None);
        assert_eq!(plain.as_str(), "GET:/api/posts/?page=2");
        assert_eq!(
            (plain.method(), plain.host(), plain.path(), plain.query()),
            ("GET", None, "/api/posts/", Some("page=2"))
        );
        assert_eq!(plain.resource(), "GET:/api/posts/");

        let hosted = Key::new(Some("api.example.com:8443"), "/a", None, None);
        assert_eq!(hosted.as_str(), "GET://api.example.com:8443/a");
        assert_eq!((hosted.host(), hosted.path(), hosted.query()), (Some("api.example.com:8443"), "/a", None));
        assert!(hosted.is_resource());
    }

    #[test]
    fn a_path_that_looks_like_a_host_is_not_one() {
        let path = Key::new(None, "//evil.example/a", None, None);
        let host = Key::new(Some("evil.example"), "/a", None, None);
        assert_ne!(path, host);
        assert_eq!(path.host(), None);
        assert_eq!(path.path(), "//evil.example/a");
    }

    #[test]
    fn keyed_fields_are_digested_and_belong_to_their_query() {
        let fields = FieldsDigest::of([("cookie:sid", Some(&b"secret"[..]))]);
        let key = Key::new(None, "/me", Some("a=1"), Some(&fields));
        assert!(!key.as_str().contains("secret"));
        assert_eq!(key.query(), Some("a=1"));
        assert_eq!(key.without_fields(), "GET:/me?a=1");
        assert_eq!(key.resource(), "GET:/me");
    }

    #[test]
    fn digests_tell_apart_what_joining_would_not() {
        let one = FieldsDigest::of([("a", Some(&b"bc"[..])), ("d", None)]);
        let two = FieldsDigest::of([("a", Some(&b"b"[..])), ("cd", None)]);
        let absent = FieldsDigest::of([("a", None)]);
        let empty = FieldsDigest::of([("a", Some(&b""[..]))]);
        assert_ne!(one, two);
        assert_ne!(absent, empty);
    }

    #[test]
    fn only_method_and_path_make_a_key() {
        for good in ["GET:/", "GET:/api/posts/?page=2", "GET://h/x", "M-SEARCH:/a"] {
            assert!(Key::parse(good).is_ok(), "{good}");
        }
        for bad in ["", "GET", "GET:", "GET:api", "get:/a", ":/a", "/a", "GET://h", "GET:///a", "GET:/a\nb"] {
            assert_eq!(Key::parse(bad), Err(NotAKey), "{bad:?}");
        }
    }

    #[test]
    fn a_long_key_keeps_a_readable_head() {
        let path = format!("/{}", "é".repeat(300));
        let key = Key::new(None, &path, None, None);
        let physical = key.physical();
        assert!(physical.len() <= MAX_PHYSICAL_LEN, "{}", physical.len());
        assert!(physical.starts_with("GET:/éé"));
        let other = Key::new(None, &format!("{path}x"), None, None);
        assert_ne!(physical, other.physical());
    }

    #[test]
    fn a_physical_key_never_equals_another_logical_one() {
        // 120 bytes of head, `#` and 64 of hash are 185 bytes: a short key of that very text would have to carry a
        // fields digest equal to the hash of a longer key that begins with the same head.
        let long = Key::new(None, &format!("/{}", "a".repeat(400)), None, None);
        assert_eq!(long.physical().len(), HEAD_LEN + 1 + 64);
    }
}

//! The key that `DELETE /invalidate/<key>` names.

use super::decode;
use crate::key::{Key, NotAKey};

/// Why what follows `/invalidate/` is not a key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum KeyPathError {
    /// It has another shape.
    #[error("`{text}` is not a key: {source}")]
    NotAKey { text: String, source: NotAKey },
    /// Decoded, it is not text.
    #[error("what follows /invalidate/ is not UTF-8 once it is decoded; a key is METHOD:path, as in GET:/api/posts/")]
    NotUtf8,
}

/// Reads a key from the path and query of a request. A `?` belongs to the key.
///
/// What begins `METHOD:/` is taken as it stands, since a path keeps its percent-encoding in a key; anything else is
/// decoded once, which is the form that clients send that encode a whole key.
pub(super) fn read(path: &str, query: Option<&str>) -> Result<Key, KeyPathError> {
    let mut text = path.to_owned();
    if let Some(query) = query {
        text.push('?');
        text.push_str(query);
    }
    if !stands_as_it_is(&text) {
        text = String::from_utf8(decode::percent(text.as_bytes())).map_err(|_| KeyPathError::NotUtf8)?;
    }
    Key::parse(&text).map_err(|source| KeyPathError::NotAKey { text, source })
}

fn stands_as_it_is(text: &str) -> bool {
    text.split_once(":/").is_some_and(|(method, _)| {
        !method.is_empty() && method.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'-')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_taken_as_it_stands_or_decoded_once() {
        for (path, query, key) in [
            ("GET:/api/posts/", None, "GET:/api/posts/"),
            ("GET:/api/posts/", Some("page=2"), "GET:/api/posts/?page=2"),
            ("GET:/a%20b", None, "GET:/a%20b"),
            ("GET:/a%3Fb", Some("c=%26"), "GET:/a%3Fb?c=%26"),
            ("GET://api.example.com/a", None, "GET://api.example.com/a"),
            ("GET%3A%2Fapi%2Fposts%2F", None, "GET:/api/posts/"),
            ("GET:%2Fapi%2Fposts%2F%3Fpage%3D2", None, "GET:/api/posts/?page=2"),
            ("GET%3A/api/posts/", Some("page=2"), "GET:/api/posts/?page=2"),
            ("GET%3A%2Fa%2520b", None, "GET:/a%20b"),
            ("GET%3A%2F%C3%A9", None, "GET:/é"),
            ("GET%3A%2F100%", None, "GET:/100%"),
        ] {
            assert_eq!(read(path, query).as_ref().map(Key::as_str), Ok(key), "{path} {query:?}");
        }
    }

    #[test]
    fn what_is_not_a_key_is_answered_with_what_one_looks_like() {
        for path in ["", "api/posts/", "GET", "get:/a", "GET:a", "GET%3A%2Fa%0Ab", "%2Fapi"] {
            let error = read(path, None).unwrap_err().to_string();
            assert!(error.contains("METHOD:path, as in GET:/api/posts/"), "{path}: {error}");
        }
        assert_eq!(read("GET%3A%2F%FF", None), Err(KeyPathError::NotUtf8));
    }
}

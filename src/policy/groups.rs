//! Cache groups (RFC 9875): the names by which an origin says that responses belong together, and clears them together.

use http::header::{HeaderMap, HeaderName};

use super::dictionary;

static CACHE_GROUPS: HeaderName = HeaderName::from_static("cache-groups");
static CACHE_GROUP_INVALIDATION: HeaderName = HeaderName::from_static("cache-group-invalidation");

/// Groups that one field may name; RFC 9875 §2 asks for 32 at least. Others are passed over.
const MAX_GROUPS: usize = 64;
/// Bytes of a name; RFC 9875 §2 asks for 32 at least. A longer one is passed over.
const MAX_LENGTH: usize = 256;

/// The groups that a response belongs to, each once.
pub(super) fn groups(response: &HeaderMap) -> Vec<String> {
    read(response, &CACHE_GROUPS)
}

/// The groups that the answer to an unsafe request clears, each once. It clears no further groups that what is cleared
/// belongs to (RFC 9875 §3). On the answer to a safe request the field has no meaning.
pub fn cleared_groups(answer: &HeaderMap) -> Vec<String> {
    read(answer, &CACHE_GROUP_INVALIDATION)
}

/// A field that is no list of strings names nothing (RFC 9651 §4.2).
fn read(headers: &HeaderMap, name: &HeaderName) -> Vec<String> {
    let text = dictionary::joined(headers, name);
    let members = text.and_then(|text| dictionary::strings(&text).ok()).unwrap_or_default();
    let mut groups: Vec<String> = Vec::new();
    for group in members {
        if group.len() <= MAX_LENGTH && groups.len() < MAX_GROUPS && !groups.contains(&group) {
            groups.push(group);
        }
    }
    groups
}

#[cfg(test)]
mod tests {
    use http::header::HeaderValue;

    use super::*;

    fn of(lines: &[&str]) -> Vec<String> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(&CACHE_GROUPS, HeaderValue::from_str(line).unwrap());
        }
        groups(&headers)
    }

    #[test]
    fn groups_of_rfc_9875_2() {
        assert_eq!(of(&[r#""posts", "user 7";weight=1"#]), ["posts", "user 7"]);
        assert_eq!(
            of(&[r#""posts""#, r#""Posts", "posts""#]),
            ["posts", "Posts"],
            "names are opaque, lines are joined"
        );
        for line in ["", "posts", r#""posts", 7"#, r#"("posts")"#, r#""posts","#] {
            assert!(of(&[line]).is_empty(), "{line}");
        }
        assert!(of(&[]).is_empty());
    }

    #[test]
    fn names_are_bounded_in_number_and_length() {
        let many: Vec<String> = (0..100).map(|n| format!("\"{n}\"")).collect();
        assert_eq!(of(&[&many.join(", ")]).len(), MAX_GROUPS);
        let long = "x".repeat(MAX_LENGTH + 1);
        assert_eq!(of(&[&format!("\"{long}\", \"{}\"", &long[1..])]), [&long[1..]]);
    }

    #[test]
    fn what_is_cleared_stands_in_a_field_of_its_own() {
        let headers = HeaderMap::from_iter([(CACHE_GROUP_INVALIDATION.clone(), HeaderValue::from_static(r#""a""#))]);
        assert_eq!((cleared_groups(&headers), groups(&headers)), (vec!["a".to_owned()], Vec::new()));
    }
}

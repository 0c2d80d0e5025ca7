//! The resources that an answer to a write names: `Location` and `Content-Location` (RFC 9111 §4.4).

use http::HeaderMap;
use http::header::{CONTENT_LOCATION, LOCATION};

/// The path, and the query where there is one, of every reference to the write's own origin.
///
/// `base` is the path of the write, `hosts` the names under which this origin is known. A reference to another origin,
/// or one that cannot be read, names nothing: a stranger could clear what is not his.
pub fn named_resources(base: &str, hosts: &[&str], answer: &HeaderMap) -> Vec<String> {
    let references = [LOCATION, CONTENT_LOCATION].into_iter().flat_map(|name| answer.get_all(name));
    let readable = references.filter_map(|reference| reference.to_str().ok());
    readable.filter_map(|reference| resolve(base, hosts, reference.trim())).collect()
}

/// Resolves a reference against the path of a request (RFC 3986 §5.2), to the same origin alone.
pub(super) fn resolve(base: &str, hosts: &[&str], reference: &str) -> Option<String> {
    let reference = reference.split('#').next().unwrap_or_default();
    let lower = reference.to_ascii_lowercase();
    let has_scheme = ["http:", "https:"].into_iter().find(|scheme| lower.starts_with(scheme));
    let rest = has_scheme.map_or(reference, |scheme| &reference[scheme.len()..]);
    let target = match rest.strip_prefix("//") {
        Some(absolute) => {
            let end = absolute.find(['/', '?']).unwrap_or(absolute.len());
            let (authority, target) = absolute.split_at(end);
            // A port that the scheme has anyway makes no other origin (RFC 9110 §4.2.3).
            let default = match has_scheme {
                Some("http:") => ":80",
                Some(_) => ":443",
                None => "",
            };
            let name = |authority: &str| authority.strip_suffix(default).unwrap_or(authority).to_ascii_lowercase();
            hosts.iter().find(|host| name(host) == name(authority))?;
            if target.starts_with('/') { target.to_owned() } else { format!("/{target}") }
        }
        // `http:relative` and other schemes are not of this origin.
        None if has_scheme.is_some() || rest.find(':').is_some_and(|at| !rest[..at].contains('/')) => return None,
        None if rest.starts_with('/') => rest.to_owned(),
        None if rest.starts_with('?') => format!("{base}{rest}"),
        None if rest.is_empty() => base.to_owned(),
        None => format!("{}/{rest}", base.rsplit_once('/').map_or("", |(folder, _)| folder)),
    };
    let (path, query) = target.split_once('?').map_or((&*target, None), |(path, query)| (path, Some(query)));
    let path = without_dot_segments(path);
    Some(query.map_or_else(|| path.clone(), |query| format!("{path}?{query}")))
}

/// The path as a server reads it that resolves dot segments, encoded ones included.
pub fn resolved_path(path: &str) -> String {
    without_dot_segments(&path.replace("%2e", ".").replace("%2E", "."))
}

/// RFC 3986 §5.2.4.
fn without_dot_segments(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut ends_in_slash = false;
    for segment in path.split('/').skip(1) {
        ends_in_slash = matches!(segment, "." | "..");
        match segment {
            "." => {}
            ".." => {
                kept.pop();
            }
            segment => kept.push(segment),
        }
    }
    let tail = if ends_in_slash && !kept.is_empty() { "/" } else { "" };
    format!("/{}{tail}", kept.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::header::HeaderValue;

    #[test]
    fn references_are_resolved_within_their_origin() {
        let hosts = ["api.example.com", "127.0.0.1:9000"];
        for (reference, resource) in [
            ("/api/users/7", Some("/api/users/7")),
            ("/api/users/7?full=1#top", Some("/api/users/7?full=1")),
            ("7", Some("/api/users/7")),
            ("./7", Some("/api/users/7")),
            ("../posts/", Some("/api/posts/")),
            ("../../../x", Some("/x")),
            ("..", Some("/api/")),
            ("?page=2", Some("/api/users/new?page=2")),
            ("", Some("/api/users/new")),
            ("http://API.example.com/a", Some("/a")),
            ("https://127.0.0.1:9000", Some("/")),
            ("//api.example.com/a?b", Some("/a?b")),
            ("http://evil.example/a", None),
            ("http://api.example.com:80/a", Some("/a")),
            ("https://api.example.com:443/a", Some("/a")),
            ("http://api.example.com:443/a", None),
            ("http://api.example.com:81/a", None),
            ("http://x@api.example.com/a", None),
            ("mailto:a@b", None),
            ("http:a", None),
        ] {
            assert_eq!(resolve("/api/users/new", &hosts, reference).as_deref(), resource, "{reference}");
        }
    }

    #[test]
    fn a_path_is_resolved_as_an_upstream_may_do_it() {
        for (path, resolved) in [("/a/../b", "/b"), ("/a/%2e%2E/b", "/b"), ("/./a/", "/a/"), ("/a/b", "/a/b")] {
            assert_eq!(resolved_path(path), resolved, "{path}");
        }
    }

    #[test]
    fn both_fields_name_resources() {
        let mut answer = HeaderMap::new();
        answer.append("location", HeaderValue::from_static("/a"));
        answer.append("content-location", HeaderValue::from_static("/b"));
        assert_eq!(named_resources("/", &[], &answer), ["/a", "/b"]);
    }
}

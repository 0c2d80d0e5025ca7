//! Answers to POST that may be reused for GET (RFC 9110 §9.3.3).

use http::header::CONTENT_LOCATION;
use http::{StatusCode, response};

use super::directives::Directives;
use super::freshness::stated_lifetime;
use super::location::resolve;
use super::{Options, Times};
use crate::outcome::Reason;

/// Whether the answer to a POST says that a GET of the same target would be answered so: it states for how long it may
/// be used, and its one `Content-Location` is the target itself.
///
/// `target` is path and query, `hosts` the names under which this origin is known.
///
/// # Errors
/// [`Reason::Post`] when it says nothing of the kind.
pub fn stands_for_get(
    target: &str,
    hosts: &[&str],
    answer: &response::Parts,
    times: Times,
    options: &Options,
) -> Result<(), Reason> {
    let directives = Directives::read(&answer.headers, &options.targeted_fields);
    let is_fresh =
        stated_lifetime(&directives, &answer.headers, times).is_some_and(|(lifetime, _)| !lifetime.is_zero());
    let mut lines = answer.headers.get_all(CONTENT_LOCATION).iter();
    let named = match (lines.next(), lines.next()) {
        (Some(line), None) => line.to_str().ok(),
        _ => None,
    };
    let path = target.split('?').next().unwrap_or_default();
    let is_here = named.and_then(|named| resolve(path, hosts, named.trim())).is_some_and(|named| named == target);
    if answer.status == StatusCode::OK && is_fresh && is_here { Ok(()) } else { Err(Reason::Post) }
}

#[cfg(test)]
mod tests {
    use http::Response;

    use super::*;
    use crate::clock::Timestamp;

    fn stands(target: &str, status: u16, fields: &[(&str, &str)]) -> bool {
        let mut answer = Response::builder().status(status);
        for (name, value) in fields {
            answer = answer.header(*name, *value);
        }
        let (answer, ()) = answer.body(()).unwrap().into_parts();
        let now = Timestamp::from_secs(1_000_000);
        let times = Times { requested_at: now, received_at: now };
        stands_for_get(target, &["a.example"], &answer, times, &Options::default()).is_ok()
    }

    #[test]
    fn explicit_freshness_and_its_own_location_rfc_9110_9_3_3() {
        const FRESH: (&str, &str) = ("cache-control", "max-age=60");
        for (target, status, fields, does) in [
            ("/a", 200, &[FRESH, ("content-location", "/a")][..], true),
            ("/a", 200, &[FRESH, ("content-location", "http://A.example/a")], true),
            ("/a?b", 200, &[FRESH, ("content-location", "?b")], true),
            ("/a", 200, &[("expires", "Thu, 01 Jan 2026 00:00:00 GMT"), ("content-location", "/a")], true),
            ("/a", 200, &[FRESH], false),
            ("/a", 200, &[("content-location", "/a")], false),
            ("/a", 200, &[("cache-control", "public"), ("content-location", "/a")], false),
            ("/a", 200, &[("cache-control", "max-age=0"), ("content-location", "/a")], false),
            ("/a", 200, &[FRESH, ("content-location", "/a/")], false),
            ("/a", 200, &[FRESH, ("content-location", "/a?b")], false),
            ("/a?b", 200, &[FRESH, ("content-location", "/a")], false),
            ("/a", 200, &[FRESH, ("content-location", "http://b.example/a")], false),
            ("/a", 200, &[FRESH, ("content-location", "/a"), ("content-location", "/a")], false),
            ("/a", 201, &[FRESH, ("content-location", "/a")], false),
            ("/a", 204, &[FRESH, ("content-location", "/a")], false),
            ("/a", 500, &[FRESH, ("content-location", "/a")], false),
        ] {
            assert_eq!(stands(target, status, fields), does, "{target} {status} {fields:?}");
        }
    }
}

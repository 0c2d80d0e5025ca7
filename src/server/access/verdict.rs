//! What the cache did, read back from the member of `Cache-Status` that it wrote (RFC 9211).

use http::header::{HeaderMap, HeaderName};

/// What the cache did with a request.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Verdict {
    /// `HIT`, `STALE`, `REVALIDATED`, `MISS` or `BYPASS`; none where no cache was asked.
    pub(super) word: Option<&'static str>,
    /// Freshness left, in seconds.
    pub(super) ttl: Option<i64>,
    /// Why.
    pub(super) detail: Option<String>,
    /// Whether another request's fetch was shared.
    pub(super) collapsed: bool,
}

impl Verdict {
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let mut lines = headers.get_all(HeaderName::from_static("cache-status")).iter();
        lines.next_back().and_then(|line| line.to_str().ok()).map(Self::read).unwrap_or_default()
    }

    /// Reads larder's member, which stands last.
    fn read(member: &str) -> Self {
        let (mut forward, mut revalidated, mut verdict) = (None, false, Self::default());
        let named = without_key(member);
        for parameter in named.split("; ").skip(1) {
            match parameter.split_once('=').unwrap_or((parameter, "")) {
                ("ttl", secs) => verdict.ttl = secs.parse().ok(),
                ("detail", detail) => verdict.detail = Some(detail.to_owned()),
                ("collapsed", _) => verdict.collapsed = true,
                ("fwd", why) => forward = Some(why.to_owned()),
                ("fwd-status", status) => revalidated = status == "304",
                _ => {}
            }
        }
        verdict.word = match forward.as_deref() {
            None if !member.starts_with("larder") => None,
            None if verdict.detail.is_some() => Some("STALE"),
            None => Some("HIT"),
            Some("bypass" | "method") => Some("BYPASS"),
            Some("stale" | "request") if revalidated => Some("REVALIDATED"),
            Some(_) => Some("MISS"),
        };
        verdict
    }
}

/// The member without its key, which can contain anything.
fn without_key(member: &str) -> String {
    match (member.find("; key=\""), member.rfind('"')) {
        (Some(from), Some(to)) if from < to => format!("{}{}", &member[..from], &member[to + 1..]),
        _ => member.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_are_those_of_x_cache() {
        for (member, word, detail) in [
            ("larder; hit; ttl=87", Some("HIT"), None),
            ("larder; hit; ttl=-12; detail=stale-while-revalidate", Some("STALE"), Some("stale-while-revalidate")),
            ("larder; fwd=uri-miss; stored", Some("MISS"), None),
            ("larder; fwd=stale; fwd-status=304", Some("REVALIDATED"), None),
            ("larder; fwd=bypass; detail=nocache", Some("BYPASS"), Some("nocache")),
            ("larder; fwd=method", Some("BYPASS"), None),
            (r#"larder; hit; ttl=1; key="GET:/a; fwd=x"; detail=y"#, Some("STALE"), Some("y")),
            ("nginx; hit", None, None),
        ] {
            let verdict = Verdict::read(member);
            assert_eq!((verdict.word, verdict.detail.as_deref()), (word, detail), "{member}");
        }
        let shared = Verdict::read("larder; fwd=uri-miss; collapsed");
        assert!(shared.collapsed);
        assert_eq!(Verdict::read("larder; hit; ttl=-12").ttl, Some(-12));
    }
}

//! Queries that the key reads otherwise than the upstream.

use crate::rig::{CACHED, Rig};

const FILTERED: &str = "routes:\n  - path: /c/{rest*}\n    ttl: 60s\n    query: { exclude: [utm_source, fbclid] }\n  \
                        - path: /d/{rest*}\n    ttl: 60s\n    query: { include: [page] }\n";

#[tokio::test]
async fn parameter_cloaking() {
    let rig = Rig::echoing(FILTERED).await;
    for (at, query) in [
        "utm_source=evil",
        "utm_source=1;callback=evil",
        "utm_source=1;page=evil",
        "utm%5fsource=evil",
        "utm%5Fsource=evil",
        "utm_source=evil&utm_source=evil",
        "fbclid=evil&utm_source",
        "utm_source=%26callback=evil",
        "utm_source=1%00evil",
        "nocache=evil",
        "nocache=false;evil",
        "%6eocache=evil",
        "&utm_source=evil&",
        "utm_source==evil",
    ]
    .into_iter()
    .enumerate()
    {
        let path = format!("/c/{at}");
        let poisoned = rig.get(&format!("{path}?{query}")).await;
        assert!(!poisoned.holds("evil"), "{query} reached the upstream: {}", poisoned.body);
        assert_eq!(rig.get(&path).await.verdict(), "HIT", "{query}");
    }
}

#[tokio::test]
async fn parameters_that_stay_are_keyed() {
    let rig = Rig::echoing(FILTERED).await;
    for (at, query) in [
        "page=1;utm_source=evil",
        "page=1&page=evil",
        "page=evil&page=1",
        "page=1%26page=evil",
        "page=1%00evil",
        "page=1\\evil",
        "page[]=evil",
        "page.=evil",
        "Page=evil",
        "page%20=evil",
        "=evil",
        "evil",
        "page=1?evil",
        "page=1/../evil",
        "utm_source;callback=evil",
        "page=1;nocache=evil",
    ]
    .into_iter()
    .enumerate()
    {
        let path = format!("/c/{at}");
        assert_eq!(rig.get(&format!("{path}?{query}")).await.status, 200, "{query}");
        for clean in ["", "?page=1", "?page=1&utm_source=x"] {
            let clean = rig.get(&format!("{path}{clean}")).await;
            assert!(clean.status == 200 && !clean.holds("evil"), "{query}: {clean:?}");
        }
    }
}

#[tokio::test]
async fn only_what_is_included_is_shown() {
    let rig = Rig::echoing(FILTERED).await;
    for (query, shown) in [
        ("?evil=1&page=2", "GET /d/x?page=2\r\n"),
        ("?page%00=evil&page=3", "GET /d/x?page=3\r\n"),
        ("?page=4&p%61ge=5", "GET /d/x?page=4&p%61ge=5\r\n"),
        ("?evil", "GET /d/x\r\n"),
        ("?", "GET /d/x\r\n"),
    ] {
        assert!(rig.get(&format!("/d/x{query}")).await.body.starts_with(shown), "{query}");
    }
}

#[tokio::test]
async fn key_ambiguity() {
    let rig = Rig::echoing("routes:\n  - path: /{rest*}\n    ttl: 60s\n    vary_on: { headers: [x-k] }\n").await;
    let long = format!("/{}", "a".repeat(300));
    let requests = [
        "/get?name=",
        "/?getname=",
        "/get%3Fname=",
        "/get%3fname=",
        "/a?b",
        "/a%3Fb",
        "/a?b=",
        "/a?b&c",
        "/a?b%26c",
        "/a:b",
        "/GET:/a",
        "/a%23b",
        "/a/",
        "/A/",
        "/a//",
        "/a%2F",
        "/a%2f",
        "/%61/",
        "/*",
        "/[a]",
        "/larder:GET:/a",
        "/~p:GET:/a",
        &format!("{long}1"),
        &format!("{long}2"),
        &format!("{long}?1"),
    ];
    for fields in [&[][..], &["X-K: "], &["X-K: 1"], &["X-K: 1", "X-K: 2"], &["X-K: 1, 2"], &["X-K: #"]] {
        for path in requests {
            let first = rig.ask(&format!("GET {path}"), fields).await;
            assert_eq!((first.status, first.verdict()), (200, "MISS"), "{path} {fields:?}");
        }
    }
    for path in requests {
        let again = rig.get(path).await;
        assert!(again.verdict() == "HIT" && again.body.starts_with(&format!("GET {path}\r\n")), "{path}: {again:?}");
    }
}

#[tokio::test]
async fn a_wildcard_in_a_path_clears_itself_alone() {
    let routes =
        "routes:\n  - path: /c/{id}\n    ttl: 60s\n    invalidate: { PUT: [\"GET:/c/{id}\", \"GET:/c/{id}/*\"] }\n";
    let rig = Rig::echoing(routes).await;
    for path in ["/c/*", "/c/7", "/c/%5c*"] {
        rig.get(path).await;
    }
    for star in ["/c/*", "/c/?", "/c/[0-9]", "/c/**", "/c/%2A"] {
        rig.ask(&format!("PUT {star}"), &["Content-Length: 0"]).await;
        assert_eq!(rig.get("/c/7").await.verdict(), "HIT", "{star}");
    }
}

#[tokio::test]
async fn a_query_arrives_as_it_is_keyed() {
    let rig = Rig::echoing(CACHED).await;
    for (at, (one, other)) in
        [("b=2&a=1", "a=1&b=2"), ("&a=1&&b", "a=1&b"), ("a=1&nocache=no", "a=1"), ("", "")].into_iter().enumerate()
    {
        let first = rig.get(&format!("/c/{at}?{one}")).await;
        let shown = if other.is_empty() { format!("GET /c/{at}\r\n") } else { format!("GET /c/{at}?{other}\r\n") };
        assert!(first.body.starts_with(&shown), "{one}: {}", first.body);
        assert_eq!(rig.get(&format!("/c/{at}?{other}")).await.verdict(), "HIT", "{one}");
    }
}

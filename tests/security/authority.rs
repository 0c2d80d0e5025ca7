//! The host that the upstream sees and the key does not, or the other way round.

use crate::rig::{CACHED, Rig};

#[tokio::test]
async fn unkeyed_authority() {
    let rig = Rig::echoing(CACHED).await;
    for (at, request) in [
        "GET {path} HTTP/1.1\r\nHost: evil.example\r\n\r\n",
        "GET http://evil.example{path} HTTP/1.1\r\nHost: evil.example\r\n\r\n",
        "GET https://evil.example{path} HTTP/1.1\r\nHost: evil.example\r\n\r\n",
        "GET {path} HTTP/1.0\r\nHost: evil.example\r\n\r\n",
        "GET {path} HTTP/1.1\r\nHost: a:1234\r\n\r\n",
    ]
    .into_iter()
    .enumerate()
    {
        let path = format!("/c/{at}");
        let poisoned = rig.raw(request.replace("{path}", &path)).await;
        assert_eq!(poisoned.status, 200, "{request}");
        let shown = format!("host: {}\r\n", rig.origin.address);
        assert!(
            !poisoned.holds("evil") && !poisoned.holds("1234") && poisoned.holds(&shown),
            "{request}: {poisoned:?}"
        );
        assert_eq!(rig.get(&path).await.verdict(), "HIT", "{request}");
    }
}

#[tokio::test]
async fn hosts_that_the_upstream_sees_share_nothing() {
    let rig = Rig::echoing(&format!("host_header: preserve\n{CACHED}")).await;
    let hosts = ["a", "b", "a:80", "a:8080", "a.", "[::1]", "a.b"];
    for host in hosts {
        let answer = rig.ask("GET /c/x", &[&format!("Host: {host}")]).await;
        assert_eq!(answer.verdict(), "MISS", "{host}");
        assert!(answer.holds(&format!("host: {host}\r\n")), "{host}: {answer:?}");
    }
    for host in hosts {
        let answer = rig.ask("GET /c/x", &[&format!("Host: {host}")]).await;
        assert!(answer.verdict() == "HIT" && answer.holds(&format!("host: {host}\r\n")), "{host}: {answer:?}");
    }
}

#[tokio::test]
async fn a_host_is_shown_as_it_is_keyed() {
    let rig = Rig::echoing(&format!("host_header: preserve\n{CACHED}")).await;
    for (at, request) in [
        "GET {path} HTTP/1.1\r\nHost: EVIL.example\r\n\r\n",
        "GET http://EVIL.example{path} HTTP/1.1\r\nHost: evil.EXAMPLE\r\n\r\n",
        "GET {path} HTTP/1.0\r\nHost: EVIL.example\r\n\r\n",
    ]
    .into_iter()
    .enumerate()
    {
        let path = format!("/c/{at}");
        assert!(rig.raw(request.replace("{path}", &path)).await.holds("host: evil.example\r\n"), "{request}");
        let clean = rig.ask(&format!("GET {path}"), &["Host: evil.example"]).await;
        assert!(clean.verdict() == "HIT" && !clean.holds("EVIL"), "{request}: {clean:?}");
    }
}

#[tokio::test]
async fn without_a_host_nothing_is_kept() {
    let rig = Rig::echoing(&format!("host_header: preserve\n{CACHED}")).await;
    for _ in 0..2 {
        let answer = rig.raw("GET /c/x HTTP/1.0\r\n\r\n").await;
        assert_eq!((answer.status, answer.verdict()), (200, "BYPASS"), "{answer:?}");
    }
}

#[tokio::test]
async fn a_path_that_looks_like_a_host() {
    // `//a/c/x` as a path, and the path `/c/x` of the host `a`.
    let routes = "host_header: preserve\nroutes:\n  - path: /{rest*}\n    ttl: 60s\n";
    let rig = Rig::echoing(routes).await;
    rig.ask("GET //a/c/x", &["Host: evil"]).await;
    assert!(!rig.ask("GET /c/x", &["Host: a"]).await.holds("evil"));
    let rig = Rig::echoing("routes:\n  - path: /{rest*}\n    ttl: 60s\n").await;
    for path in ["//a/c/x", "/a/c/x", "/c/x", "///a/c/x"] {
        assert_eq!(rig.get(path).await.verdict(), "MISS", "{path}");
    }
}

#[tokio::test]
async fn hosts_not_served_are_misdirected() {
    let rig = Rig::echoing(&format!("hosts: [api.example, b.example]\n{CACHED}")).await;
    for host in ["evil.example", "api.example.evil", "api.example@evil", "evil@api.example", "api.example:80:80", ""] {
        let answer = rig.ask("GET /c/x", &[&format!("Host: {host}")]).await;
        assert!(matches!(answer.status, 400 | 421), "{host}: {answer:?}");
    }
    assert_eq!(rig.origin.seen(), []);
}

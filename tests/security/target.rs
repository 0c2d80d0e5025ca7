//! Request targets that name another server, or none.

use crate::rig::{CACHED, Rig};

#[tokio::test]
async fn forged_target() {
    let rig = Rig::echoing(CACHED).await;
    for line in [
        "GET http://169.254.169.254/latest HTTP/1.1",
        "GET https://evil.example/c/a HTTP/1.1",
        "GET http://a@evil.example/c/a HTTP/1.1",
        "GET http://evil.example@a/c/a HTTP/1.1",
        "GET http://a:80@evil/ HTTP/1.1",
        "GET http:///c/a HTTP/1.1",
        "GET http://a:8080/c/a HTTP/1.1",
        "GET http://a\\evil/c/a HTTP/1.1",
        "GET ftp://a/c/a HTTP/1.1",
        "GET file:///etc/passwd HTTP/1.1",
        "GET gopher://a/ HTTP/1.1",
        "GET @evil.example/c/a HTTP/1.1",
        "GET evil.example HTTP/1.1",
        "GET evil.example:80 HTTP/1.1",
        "GET c/a HTTP/1.1",
        "GET ?a HTTP/1.1",
        "GET #a HTTP/1.1",
        "GET * HTTP/1.1",
        "POST * HTTP/1.1",
        "CONNECT evil.example:443 HTTP/1.1",
        "CONNECT a:80 HTTP/1.1",
        "CONNECT / HTTP/1.1",
        "TRACE /c/a HTTP/1.1",
        "TRACE * HTTP/1.1",
        "OPTIONS http://evil.example HTTP/1.1",
        "GET /c/a\\b HTTP/1.1",
        "GET /c/a%00 HTTP/1.1",
        "GET /c/\x01 HTTP/1.1",
        "GET /c/\x7f HTTP/1.1",
        "GET /c/ a HTTP/1.1",
        "GET /c/a\tHTTP/1.1",
        "GET\t/c/a HTTP/1.1",
        "GET /c/a HTTP/1.1 x",
        "GET /c/a HTTP/1.2",
        "GET /c/a HTTP/3.0",
        "GET /c/a http/1.1",
        "GET /c/a",
        "get\0 /c/a HTTP/1.1",
        "G(T /c/a HTTP/1.1",
    ] {
        let answer = rig.raw(format!("{line}\r\nHost: a\r\nConnection: close\r\n\r\n")).await;
        assert!(matches!(answer.status, 0 | 400 | 405 | 421 | 505), "{line:?}: {answer:?}");
    }
    assert_eq!(rig.origin.seen(), []);
    assert_eq!(rig.get("/c/a").await.verdict(), "MISS");
}

#[tokio::test]
async fn an_absolute_target_is_reduced_to_its_path() {
    let rig = Rig::echoing(CACHED).await;
    for (at, target) in ["http://a/c/{}", "HTTP://A/c/{}", "http://a:80/c/{}", "https://a/c/{}"].iter().enumerate() {
        let target = target.replace("{}", &at.to_string());
        let answer = rig.ask(&format!("GET {target}"), &["Host: a"]).await;
        assert!(answer.body.starts_with(&format!("GET /c/{at}\r\n")), "{target}: {answer:?}");
        assert_eq!(rig.get(&format!("/c/{at}")).await.verdict(), "HIT", "{target}");
    }
}

#[tokio::test]
async fn a_fragment_goes_nowhere() {
    let rig = Rig::echoing(CACHED).await;
    for (at, target) in ["/c/{}#evil", "/c/{}?#evil", "/c/{}#?evil"].iter().enumerate() {
        let answer = rig.get(&target.replace("{}", &at.to_string())).await;
        assert!(!answer.holds("evil"), "{target}: {answer:?}");
        assert!(!rig.get(&format!("/c/{at}")).await.holds("evil"), "{target}");
    }
}

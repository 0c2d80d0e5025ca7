//! What never reaches the upstream.

use larder::proxy::HostName;

use crate::front::Front;
use crate::origin::Origin;

async fn turned_away(front: &Front, request: &str, status: &str, reason: &str) {
    let mut client = front.client().await;
    client.send(request).await;
    let (head, body) = client.message().await;
    assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{request}: {head}");
    assert!(body.contains(&format!(r#""reason":"{reason}""#)), "{request}: {body}");
}

#[tokio::test]
async fn requests_that_mean_different_things_to_different_servers_are_turned_away() {
    let origin = Origin::start().await;
    let front = Front::before(&origin).await;
    for (request, status, reason) in [
        ("GET http://evil/ HTTP/1.1\r\nHost: a\r\n\r\n", "400", "host-mismatch"),
        ("GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n", "400", "target"),
        ("CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n", "405", "method"),
        ("TRACE / HTTP/1.1\r\nHost: a\r\n\r\n", "405", "method"),
        ("GET * HTTP/1.1\r\nHost: a\r\n\r\n", "400", "target"),
        ("GET a HTTP/1.1\r\nHost: a\r\n\r\n", "400", "target"),
        ("GET / HTTP/1.1\r\n\r\n", "400", "host-missing"),
        ("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", "400", "host-repeated"),
        ("GET /a%00 HTTP/1.1\r\nHost: a\r\n\r\n", "400", "path"),
        ("GET /a\\b HTTP/1.1\r\nHost: a\r\n\r\n", "400", "path"),
    ] {
        turned_away(&front, request, status, reason).await;
    }
    assert!(!origin.has_caller());
}

#[tokio::test]
async fn only_the_hosts_named_are_served() {
    let origin = Origin::start().await;
    let front = Front::with(&origin, |mut setting| {
        let hosts = ["api.example", "other.example:81"].map(|host| HostName::parse(host).unwrap());
        setting.rules = setting.rules.hosts(hosts.to_vec());
        setting
    })
    .await;
    for host in ["evil", "other.example", "other.example:82", "api.example.evil"] {
        turned_away(&front, &format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n"), "421", "host-unknown").await;
    }
    assert!(!origin.has_caller());
    for host in ["API.example", "api.example:9", "other.example:81"] {
        let mut client = front.client().await;
        client.send(format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n")).await;
        origin.accept().await.head().await;
    }
}

#[tokio::test]
async fn a_method_that_is_not_served_is_told_which_are() {
    let origin = Origin::start().await;
    let front = Front::before(&origin).await;
    let mut client = front.client().await;
    client.send("TRACE / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert!(client.head().await.contains("allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS\r\n"));
}

//! What reaches the other side, byte for byte.

use larder::proxy::HostHeader;

use crate::front::Front;
use crate::origin::Origin;

const EMPTY: &str = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

#[tokio::test]
async fn a_request_arrives_as_it_was_but_for_the_fields_of_a_proxy() {
    let origin = Origin::start().await;
    let front = Front::before(&origin).await;
    let mut client = front.client().await;
    client
        .send("GET /a%2Fb//c;d=1?q=%20+x&&y=[1]&e= HTTP/1.1\r\nHost: shop.example\r\nAccept: a\r\nAccept: b\r\nX-Odd:  1 \r\n\r\n")
        .await;
    let head = origin.accept().await.head().await;
    assert_eq!(
        head,
        format!(
            "GET /a%2Fb//c;d=1?q=%20+x&&y=[1]&e= HTTP/1.1\r\nhost: {}\r\naccept: a\r\naccept: b\r\nx-odd: 1\r\n\
             via: 1.1 larder\r\nx-forwarded-for: 127.0.0.1\r\nx-forwarded-proto: http\r\n\r\n",
            origin.address()
        )
    );
}

#[tokio::test]
async fn fields_of_one_connection_stay_on_it() {
    let origin = Origin::start().await;
    let front = Front::before(&origin).await;
    let mut client = front.client().await;
    client
        .send(
            "GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, X-Mine\r\nConnection: Authorization, cookie, x-forwarded-for\r\n\
             X-Mine: 1\r\nKeep-Alive: 5\r\nProxy-Connection: x\r\nTE: trailers, deflate\r\nUpgrade: h2c\r\n\
             Authorization: Basic eDp5\r\nCookie: a=1\r\n\r\n",
        )
        .await;
    let head = origin.accept().await.head().await;
    for gone in ["x-mine", "keep-alive", "proxy-connection", "upgrade", "deflate"] {
        assert!(!head.contains(gone), "{gone} in {head}");
    }
    for kept in ["te: trailers\r\n", "connection: te\r\n", "authorization: Basic eDp5\r\n", "cookie: a=1\r\n"] {
        assert!(head.contains(kept), "{kept} not in {head}");
    }
}

#[tokio::test]
async fn fields_of_the_upstreams_connection_stay_on_it() {
    let origin = Origin::start().await;
    let front = Front::before(&origin).await;
    let mut client = front.client().await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let mut upstream = origin.accept().await;
    upstream.head().await;
    upstream
        .send(
            "HTTP/1.1 203 Fine By Me\r\nDate: Tue, 15 Nov 1994 08:12:31 GMT\r\nConnection: close, X-Mine, Set-Cookie\r\nX-Mine: 1\r\n\
             Keep-Alive: timeout=5\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nVia: 1.0 other\r\nContent-Length: 2\r\n\r\nok",
        )
        .await;
    let (head, body) = client.message().await;
    let mut lines: Vec<_> = head.lines().collect();
    lines.sort_unstable();
    let expected = [
        "",
        "HTTP/1.1 203 Fine By Me",
        "content-length: 2",
        "date: Tue, 15 Nov 1994 08:12:31 GMT",
        "set-cookie: a=1",
        "set-cookie: b=2",
        "via: 1.0 other",
        "via: 1.1 larder",
    ];
    assert_eq!((lines.as_slice(), body.as_str()), (&expected[..], "ok"));
}

#[tokio::test]
async fn a_clients_word_about_its_address_counts_only_from_a_trusted_proxy() {
    let from = "X-Forwarded-For: 203.0.113.7\r\nX-Forwarded-For: 10.0.0.1\r\nX-Forwarded-Proto: https\r\n";
    for (trusted, list, protocol) in [
        (vec![], "127.0.0.1", "http"),
        (vec!["10.0.0.0/8"], "127.0.0.1", "http"),
        (vec!["127.0.0.0/8"], "203.0.113.7, 10.0.0.1, 127.0.0.1", "https"),
    ] {
        let origin = Origin::start().await;
        let networks = trusted.iter().map(|network| network.parse().unwrap()).collect();
        let front = Front::with(&origin, |mut setting| {
            setting.config = setting.config.trusted_proxies(networks);
            setting
        })
        .await;
        let mut client = front.client().await;
        client.send(format!("GET / HTTP/1.1\r\nHost: a\r\n{from}\r\n")).await;
        let head = origin.accept().await.head().await;
        assert!(head.contains(&format!("x-forwarded-for: {list}\r\n")), "{trusted:?}: {head}");
        assert!(head.contains(&format!("x-forwarded-proto: {protocol}\r\n")), "{trusted:?}: {head}");
    }
}

#[tokio::test]
async fn the_clients_host_is_shown_where_it_is_preserved() {
    for target in ["/x", "http://Shop.example:81/x"] {
        let origin = Origin::start().await;
        let front = Front::with(&origin, |mut setting| {
            setting.config = setting.config.host_header(HostHeader::Preserve);
            setting
        })
        .await;
        let mut client = front.client().await;
        client.send(format!("GET {target} HTTP/1.1\r\nHost: Shop.example:81\r\n\r\n")).await;
        let head = origin.accept().await.head().await;
        assert!(head.starts_with("GET /x HTTP/1.1\r\n"), "{head}");
        assert_eq!(head.matches("host: ").count(), 1, "{head}");
        assert!(head.contains("host: Shop.example:81\r\n"), "{head}");
    }
}

#[tokio::test]
async fn the_upstreams_path_comes_first() {
    let origin = Origin::start().await;
    let front = Front::at(&format!("{}/v1/", origin.url()), |setting| setting).await;
    let mut client = front.client().await;
    client.send("GET /users/?a HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert!(origin.accept().await.head().await.starts_with("GET /v1/users/?a HTTP/1.1\r\n"));
}

#[tokio::test]
async fn an_asterisk_stays_one() {
    let origin = Origin::start().await;
    let front = Front::before(&origin).await;
    let mut client = front.client().await;
    client.send("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert!(origin.accept().await.head().await.starts_with("OPTIONS * HTTP/1.1\r\n"));
}

#[tokio::test]
async fn a_request_without_a_body_is_sent_without_one() {
    let origin = Origin::start().await;
    let front = Front::before(&origin).await;
    let mut client = front.client().await;
    let mut upstream = None;
    for method in ["GET", "HEAD", "DELETE", "OPTIONS", "POST"] {
        client.send(format!("{method} / HTTP/1.1\r\nHost: a\r\n\r\n")).await;
        let upstream = match &mut upstream {
            Some(upstream) => upstream,
            none => none.insert(origin.accept().await),
        };
        let head = upstream.head().await;
        assert!(head.starts_with(method), "{head}");
        assert!(!head.contains("content-length") && !head.contains("transfer-encoding"), "{head}");
        upstream.send(EMPTY).await;
        client.head().await;
    }
}

#[tokio::test]
async fn a_head_keeps_the_length_of_what_it_does_not_send() {
    let origin = Origin::start().await;
    let front = Front::before(&origin).await;
    let mut client = front.client().await;
    client.send("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let mut upstream = origin.accept().await;
    upstream.head().await;
    upstream.send("HTTP/1.1 200 OK\r\nContent-Length: 12345\r\n\r\n").await;
    assert!(client.head().await.contains("content-length: 12345\r\n"));
    client.send("GET /next HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert!(upstream.head().await.starts_with("GET /next "));
}

#[tokio::test]
async fn an_old_client_and_an_old_upstream_are_served() {
    let origin = Origin::start().await;
    let front = Front::before(&origin).await;
    let mut client = front.client().await;
    client.send("GET / HTTP/1.0\r\n\r\n").await;
    let mut upstream = origin.accept().await;
    let head = upstream.head().await;
    assert!(head.starts_with("GET / HTTP/1.1\r\n") && head.contains("via: 1.0 larder\r\n"), "{head}");
    upstream.send("HTTP/1.0 200 OK\r\n\r\nto the end").await;
    drop(upstream);
    let answer = client.rest().await;
    assert!(answer.starts_with("HTTP/1.0 200 OK\r\n") && answer.ends_with("\r\n\r\nto the end"), "{answer}");
    assert!(answer.contains("via: 1.0 larder\r\n"), "{answer}");
}

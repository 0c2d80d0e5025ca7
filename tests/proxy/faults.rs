//! What the client sees when the upstream fails.

use std::time::Duration;

use larder::outcome::{Fault, Reason};
use larder::proxy::{Proxy, ProxyConfig};
use socket2::{Domain, Socket, Type};
use tower::ServiceExt;

use crate::front::Front;
use crate::origin::Origin;

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\nAuthorization: Basic c2VjcmV0\r\n\r\n";

fn expect(answer: (String, String), status: &str, reason: Reason) {
    let (head, body) = answer;
    assert!(head.starts_with(&format!("HTTP/1.1 {status}\r\n")), "{head}");
    assert!(head.contains("content-type: application/json\r\n"), "{head}");
    assert!(head.contains("cache-control: no-store\r\n"), "{head}");
    let error = status[4..].to_ascii_lowercase();
    let expected = format!(r#"{{"error":"{error}","reason":"{}","detail":"{}"}}"#, reason.token(), reason.sentence());
    assert_eq!(body, expected);
}

#[tokio::test]
async fn nobody_listens() {
    let origin = Origin::start().await;
    let front = Front::before(&origin).await;
    drop(origin);
    let mut client = front.client().await;
    client.send(GET).await;
    expect(client.message().await, "502 Bad Gateway", Reason::ConnectFailed);
    client.send(GET).await;
    expect(client.message().await, "502 Bad Gateway", Reason::ConnectFailed);
}

#[tokio::test]
async fn a_name_that_nobody_has() {
    let front = Front::at("http://nobody.invalid", |mut setting| {
        setting.config = setting.config.connect_timeout(Duration::from_secs(8));
        setting
    })
    .await;
    let mut client = front.client().await;
    client.send(GET).await;
    expect(client.message().await, "502 Bad Gateway", Reason::ConnectFailed);
}

#[tokio::test]
async fn a_listener_that_is_full() {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&std::net::SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    socket.listen(0).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    let _fills = std::net::TcpStream::connect(address).unwrap();
    let front = Front::at(&format!("http://{address}"), |mut setting| {
        setting.config = setting.config.connect_timeout(Duration::from_millis(50));
        setting
    })
    .await;
    let mut client = front.client().await;
    client.send(GET).await;
    expect(client.message().await, "504 Gateway Timeout", Reason::ConnectTimeout);
}

#[tokio::test]
async fn the_upstream_says_nothing() {
    let origin = Origin::start().await;
    let front = Front::with(&origin, |mut setting| {
        setting.config = setting.config.response_timeout(Duration::from_millis(50));
        setting
    })
    .await;
    let mut client = front.client().await;
    client.send(GET).await;
    let mut upstream = origin.accept().await;
    upstream.head().await;
    expect(client.message().await, "504 Gateway Timeout", Reason::UpstreamTimeout);
    assert_eq!(upstream.rest().await, "", "the request is abandoned");
}

#[tokio::test]
async fn the_upstream_hangs_up() {
    for said in ["", "HTTP/1.1 200 O", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-Cut"] {
        let origin = Origin::start().await;
        let front = Front::before(&origin).await;
        let mut client = front.client().await;
        client.send(GET).await;
        let mut upstream = origin.accept().await;
        upstream.head().await;
        upstream.send(said).await;
        drop(upstream);
        expect(client.message().await, "502 Bad Gateway", Reason::UpstreamClosed);
        assert!(!origin.has_caller(), "a fresh connection that dies is no reason to ask again");
    }
}

#[tokio::test]
async fn the_upstream_resets_the_connection() {
    let origin = Origin::start().await;
    let front = Front::before(&origin).await;
    let mut client = front.client().await;
    client.send(GET).await;
    let mut upstream = origin.accept().await;
    upstream.head().await;
    upstream.reset();
    expect(client.message().await, "502 Bad Gateway", Reason::UpstreamClosed);
    assert!(!origin.has_caller());
}

#[tokio::test]
async fn the_upstream_does_not_speak_http() {
    for said in [
        "220 mail.example ESMTP\r\n",
        "HTTP/1.1 200 OK\r\nbad header\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ] {
        let origin = Origin::start().await;
        let front = Front::before(&origin).await;
        let mut client = front.client().await;
        client.send(GET).await;
        let mut upstream = origin.accept().await;
        upstream.head().await;
        upstream.send(said).await;
        expect(client.message().await, "502 Bad Gateway", Reason::UpstreamGarbage);
    }
}

#[tokio::test]
async fn what_stands_in_front_of_the_proxy_learns_the_reason() {
    let origin = Origin::start().await;
    let config = ProxyConfig::new(origin.url().parse().unwrap()).unwrap();
    drop(origin);
    let request = http::Request::get("/").body(http_body_util::Empty::<bytes::Bytes>::new()).unwrap();
    let response = Proxy::new(config).oneshot(request).await.unwrap();
    assert_eq!(response.extensions().get(), Some(&Fault(Reason::ConnectFailed)));
}

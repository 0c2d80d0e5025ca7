//! HTTP/2 without TLS, on the way in and on the way out.

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty, Full};
use larder::proxy::{ClientBody, Edge, EdgeRules, Limits, Proxy, ProxyConfig, serve};
use tokio::net::TcpListener;

use crate::front::Front;
use crate::origin::Origin;

#[tokio::test]
async fn one_port_speaks_http2_too() {
    let origin = Origin::start().await;
    let front = Front::before(&origin).await;
    let mut client = front.http2().await;
    let request = Request::post("http://shop.example/a?b").body(Full::from("hi")).unwrap();
    let answered = client.send_request(request);
    let serving = async {
        let mut upstream = origin.accept().await;
        let head = upstream.head().await;
        assert!(head.starts_with("POST /a?b HTTP/1.1\r\n"), "{head}");
        assert!(head.contains("via: 2 larder\r\n") && head.contains("content-length: 2\r\n"), "{head}");
        assert_eq!(upstream.exactly(2).await, b"hi");
        upstream.send("HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok").await;
        upstream
    };
    let (response, _upstream) = tokio::join!(answered, serving);
    let response = response.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert!(!response.headers().contains_key("connection"));
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "ok");
}

#[tokio::test]
async fn the_edge_holds_for_http2_too() {
    let origin = Origin::start().await;
    let front = Front::before(&origin).await;
    let mut client = front.http2().await;
    let trace = Request::builder().method(Method::TRACE).uri("http://a/").body(Full::default()).unwrap();
    assert_eq!(client.send_request(trace).await.unwrap().status(), StatusCode::METHOD_NOT_ALLOWED);
    let other = Request::get("http://a/").header("host", "b").body(Full::default()).unwrap();
    assert_eq!(client.send_request(other).await.unwrap().status(), StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_broken_body_breaks_the_stream() {
    let origin = Origin::start().await;
    let front = Front::before(&origin).await;
    let mut client = front.http2().await;
    let answered = client.send_request(Request::get("http://a/").body(Full::default()).unwrap());
    let serving = async {
        let mut upstream = origin.accept().await;
        upstream.head().await;
        upstream.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf").await;
    };
    let (response, ()) = tokio::join!(answered, serving);
    assert!(response.unwrap().into_body().collect().await.is_err());
}

#[tokio::test]
async fn interim_responses_end_where_http2_begins() {
    let origin = Origin::start().await;
    let front = Front::before(&origin).await;
    let mut client = front.http2().await;
    let answered = client.send_request(Request::get("http://a/").body(Full::default()).unwrap());
    let serving = async {
        let mut upstream = origin.accept().await;
        upstream.head().await;
        upstream.send("HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n").await;
        upstream.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
        upstream
    };
    let (response, _upstream) = tokio::join!(answered, serving);
    let response = response.unwrap();
    assert_eq!((response.status(), response.headers().get("link")), (StatusCode::OK, None));
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "ok");
}

#[tokio::test]
async fn an_upstream_that_speaks_http2_is_spoken_to_in_it() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let echo = tower::service_fn(|request: Request<ClientBody>| async move {
        let said = format!("{:?} {} {:?}", request.version(), request.uri(), request.headers().get("te"));
        Ok::<_, std::convert::Infallible>(Response::new(Full::new(Bytes::from(said))))
    });
    tokio::spawn(serve(vec![listener], move |_| echo, Limits::default(), std::future::pending()));
    let front = Front::at(&url, |mut setting| {
        setting.config = setting.config.http2(true);
        setting
    })
    .await;
    let mut client = front.client().await;
    client.send("GET /a?b HTTP/1.1\r\nHost: a\r\nConnection: te\r\nTE: trailers\r\n\r\n").await;
    assert_eq!(client.message().await.1, format!(r#"HTTP/2.0 {url}/a?b Some("trailers")"#));
}

#[tokio::test]
async fn the_stack_is_a_service_of_any_body() {
    let config = ProxyConfig::new("http://127.0.0.1:1".parse().unwrap()).unwrap();
    let stack = Edge::new(Proxy::new(config), EdgeRules::default());
    let request = Request::get("http://a/").version(http::Version::HTTP_2).body(Empty::<Bytes>::new()).unwrap();
    let response = tower::ServiceExt::oneshot(stack, request).await.unwrap();
    assert_eq!(response.status(), StatusCode::BAD_GATEWAY);
}

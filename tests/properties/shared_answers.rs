//! No request gets an answer that it would not have got from the upstream itself: whoever shares a key is forwarded
//! alike. The upstream here builds its answer from everything that no key may leave out.

use std::cell::Cell;
use std::time::Duration;

use bytes::Bytes;
use http::header::{HeaderName, HeaderValue};
use http::{Request, Response};
use http_body_util::{BodyExt as _, Empty, Full};
use larder::cache::{Cache, ForwardedProto};
use larder::policy::{Options, VaryOn};
use larder::route::{QueryFilter, Rule, Table};
use larder::store::MemoryStore;
use proptest::collection::vec;
use proptest::prelude::{ProptestConfig, Strategy};
use proptest::sample::select;
use proptest::test_runner::TestRunner;
use tower::{Layer as _, ServiceExt as _, service_fn};

/// Request fields of which the upstream makes its answer.
const REFLECTED: &[&str] = &[
    "host",
    "x-tenant",
    "x_tenant",
    "x-forwarded-proto",
    "x_forwarded_proto",
    "x-forwarded-host",
    "x_forwarded_host",
    "forwarded",
    "x-original-url",
    "x-http-method-override",
    "accept-encoding",
];

#[derive(Clone, Debug)]
struct Asked {
    target: String,
    fields: Vec<(&'static str, &'static str)>,
}

fn asked() -> impl Strategy<Value = Asked> {
    let path = select(&["/a", "/a", "/a", "/a", "/A", "/%61", "//a", "/a/", "/a;b", "/a%2Fb", "/h/a"][..]);
    let pairs =
        vec(select(&["a=1", "a=2", "%61=1", "b", "b=", "", "utm=1", "utm=1;a=2", "%75tm=2", "nocache=0"][..]), 0..3);
    let authority = select(&["", "", "", "http://h", "https://h", "http://H:80", "http://i"][..]);
    let field = select(
        &[
            ("host", "h"),
            ("host", "H"),
            ("host", "i"),
            ("host", "h:80"),
            ("x-tenant", "1"),
            ("x-tenant", "2"),
            ("x-tenant", "1, 2"),
            ("x_tenant", "3"),
            ("x-tenant", ""),
            ("x-forwarded-proto", "http"),
            ("x-forwarded-proto", "https"),
            ("x_forwarded_proto", "wss"),
            ("x-forwarded-host", "evil"),
            ("x_forwarded_host", "evil"),
            ("forwarded", "host=evil"),
            ("x-original-url", "/evil"),
            ("x-http-method-override", "PUT"),
            ("cookie", "sid=1"),
            ("cookie", "sid=2; x=1"),
            ("cookie", "sid =3"),
            ("cookie", "x=2"),
            ("accept-encoding", "gzip"),
            ("accept-encoding", "GZIP;q=0.5, nope"),
            ("accept-encoding", "br"),
        ][..],
    );
    (authority, path, pairs, vec(field, 0..3)).prop_map(|(authority, path, pairs, mut fields)| {
        if authority.is_empty() && !fields.iter().any(|(name, _)| *name == "host") {
            fields.push(("host", "h"));
        }
        Asked { target: format!("{authority}{path}?{}", pairs.join("&")), fields }
    })
}

fn cache(keyed_host: bool) -> Cache {
    let vary_on = VaryOn { headers: vec![HeaderName::from_static("x-tenant")], cookies: vec!["sid".into()] };
    let options = Options { ttl: Some(Duration::from_secs(60)), vary_on, ..Options::default() };
    let rule = Rule::new("/{rest*}").unwrap().ttl(Duration::from_secs(60)).options(options);
    let builder = Table::builder().route(rule.query(QueryFilter::Exclude(vec!["utm".into()])));
    let builder = if keyed_host { builder.key_host() } else { builder.show_host(HeaderValue::from_static("up")) };
    Cache::builder(builder.build().unwrap(), MemoryStore::new(1 << 20)).build()
}

/// What the upstream says to a request: all that it could be made of.
fn reflection<B>(mut request: Request<B>, proto: ForwardedProto) -> String {
    let own = HeaderValue::from_static("http");
    match proto {
        ForwardedProto::Shown => {}
        ForwardedProto::Believed => drop(request.headers_mut().entry("x-forwarded-proto").or_insert(own)),
        ForwardedProto::Replaced => drop(request.headers_mut().insert("x-forwarded-proto", own)),
    }
    let mut said = format!("{} {}", request.method(), request.uri());
    for name in REFLECTED {
        for value in request.headers().get_all(*name) {
            said.push_str(&format!("\n{name}: {}", value.to_str().unwrap()));
        }
    }
    for line in request.headers().get_all("cookie") {
        for (name, value) in line.to_str().unwrap().split(';').filter_map(|pair| pair.split_once('=')) {
            if name.trim() == "sid" {
                said.push_str(&format!("\nsid={value}"));
            }
        }
    }
    said
}

/// The status and the body, and whether the store had them.
async fn answer(cache: &Cache, proto: ForwardedProto, asked: &Asked) -> (String, bool) {
    let upstream = service_fn(move |request: Request<Empty<Bytes>>| async move {
        let answer = Response::builder().header("vary", "accept-encoding");
        answer.body(Full::new(Bytes::from(reflection(request, proto))))
    });
    let request =
        asked.fields.iter().fold(Request::get(&asked.target), |request, (name, value)| request.header(*name, *value));
    let service = cache.layer().forwarded_proto(proto).layer(upstream);
    let response = service.oneshot(request.body(Empty::new()).unwrap()).await.unwrap();
    let (status, is_hit) = (response.status(), response.headers()["x-cache"] == "HIT");
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (format!("{status} {}", String::from_utf8_lossy(&body)), is_hit)
}

fn nobody_gets_anothers_answer(keyed_host: bool, proto: ForwardedProto) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let hits = Cell::new(0);
    let config = ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() };
    let outcome = TestRunner::new(config).run(&vec(asked(), 2..8), |requests| {
        runtime.block_on(async {
            let warm = cache(keyed_host);
            for asked in &requests {
                let (given, is_hit) = answer(&warm, proto, asked).await;
                let (own, _) = answer(&cache(keyed_host), proto, asked).await;
                assert_eq!(given, own, "{asked:?} after the others of {requests:#?}");
                hits.set(hits.get() + usize::from(is_hit));
            }
        });
        Ok(())
    });
    outcome.unwrap_or_else(|failure| panic!("{failure}"));
    assert!(hits.get() > 10, "{} hits are too few to mean anything", hits.get());
}

#[test]
fn where_the_host_is_fixed() {
    nobody_gets_anothers_answer(false, ForwardedProto::Shown);
}

#[test]
fn where_the_host_is_keyed() {
    nobody_gets_anothers_answer(true, ForwardedProto::Shown);
}

#[test]
fn where_the_scheme_is_believed() {
    nobody_gets_anothers_answer(false, ForwardedProto::Believed);
}

#[test]
fn where_the_scheme_is_replaced() {
    nobody_gets_anothers_answer(true, ForwardedProto::Replaced);
}

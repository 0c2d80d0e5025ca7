//! The admin routes merged into an app that the cache is a layer of.

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use http::Request;
use http_body_util::BodyExt as _;
use larder::admin::{self, Options};
use larder::cache::Cache;
use larder::clock::{Clock, Timestamp};
use larder::route::{Rule, Table};
use larder::store::MemoryStore;
use serde_json::{Value, json};
use tower::ServiceExt as _;

/// An app whose answers under `/api/{id}` are cached, on a clock that stands.
fn app(clock: &Clock) -> Router {
    let rule = Rule::new("/api/{id}").unwrap().ttl(Duration::from_secs(60)).tag("item:{id}").unwrap();
    let table = Table::builder().route(rule).build().unwrap();
    let store = MemoryStore::with_clock(1 << 20, clock.clone());
    let cache = Cache::builder(table, store).clock(clock.clone()).build();
    let item =
        get(|| async { ([("vary", "accept-language"), ("x-kind", "item"), ("cache-groups", "\"items\"")], "an item") });
    let app = Router::new().route("/api/{id}", item).layer(cache.layer());
    app.merge(admin::router(cache, Options::default()))
}

async fn ask(app: &Router, path: &str) -> (u16, Vec<u8>) {
    let request = Request::get(path).header("accept-language", "de").body(Body::empty()).unwrap();
    let (parts, body) = app.clone().oneshot(request).await.unwrap().into_parts();
    (parts.status.as_u16(), body.collect().await.unwrap().to_bytes().to_vec())
}

async fn json_of(app: &Router, path: &str) -> Value {
    serde_json::from_slice(&ask(app, path).await.1).unwrap()
}

fn clock() -> Clock {
    Clock::manual(Timestamp::from_secs(1_800_000_000))
}

#[tokio::test]
async fn a_layer_in_an_app_explains_itself() {
    let app = app(&clock());
    let explain = "/cache/explain?url=/api/7&header=Accept-Language:de";
    assert_eq!(json_of(&app, explain).await["decision"], "miss");
    assert_eq!(ask(&app, "/api/7").await.0, 200);
    let hit = json_of(&app, explain).await;
    assert_eq!(
        (&hit["decision"], &hit["key"], &hit["route"]),
        (&json!("hit"), &json!("GET:/api/7"), &json!("/api/{id}"))
    );
    assert_eq!((&hit["steps"][0]["step"], &hit["steps"][0]["outcome"]), (&json!("edge"), &json!("none")));
    let other = json_of(&app, "/cache/explain?url=/api/7&header=Accept-Language:fr").await;
    assert_eq!(other["decision"], "miss");
}

#[tokio::test]
async fn an_entry_is_shown_with_its_variants() {
    let clock = clock();
    let app = app(&clock);
    assert_eq!(ask(&app, "/cache/entry/GET:/api/7").await.0, 404);
    ask(&app, "/api/7").await;
    clock.advance(Duration::from_secs(20));
    for path in ["/cache/entry/GET:/api/7", "/cache/entry/GET%3A%2Fapi%2F7", "/cache/entry/GET:/api/7?nocache=1"] {
        let entry = json_of(&app, path).await;
        let variant = &entry["variants"][0];
        assert_eq!((&entry["key"], &variant["status"]), (&json!("GET:/api/7"), &json!(200)), "{path}");
        assert_eq!((&variant["age_seconds"], &variant["ttl_seconds"]), (&json!(20), &json!(40)));
        assert_eq!((&variant["bytes"], &variant["tags"]), (&json!(7), &json!(["item:7"])));
        assert_eq!(variant["groups"], json!(["items"]));
        assert_eq!((&variant["vary"], &variant["category"]), (&json!({"accept-language": "de"}), &json!(null)));
        assert!(variant["headers"].as_array().unwrap().contains(&json!(["x-kind", "item"])), "{variant}");
    }
    clock.advance(Duration::from_secs(40));
    assert_eq!(ask(&app, "/cache/entry/GET:/api/7").await.0, 404, "it is of no use any more");
    assert_eq!(ask(&app, "/cache/entry/nonsense").await.0, 400);
}

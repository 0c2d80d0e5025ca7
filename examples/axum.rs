//! larder inside an existing axum app: `cargo run --example axum`.
//!
//! The app has `Path`, `State`, a nested router and writes of its own. One layer around it caches what `routes.yaml`
//! says, and the admin routes are merged in behind a token:
//!
//! ```text
//! curl -i  localhost:3000/api/users/1                       # MISS, then HIT
//! curl -i -X PUT localhost:3000/api/users/1 -d '{"name":"Ada"}' -H 'content-type: application/json'
//! curl -i  localhost:3000/api/users/1                       # MISS, with the new name
//! curl -X DELETE localhost:3000/invalidate/GET:/api/posts/ -H 'authorization: Bearer example-admin-token'
//! curl localhost:3000/metrics/cache                        -H 'authorization: Bearer example-admin-token'
//! ```
//!
//! With `REDIS_URL` set the entries live in Redis, shared with every proxy and app that uses the same prefix.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::{Path, State};
use axum::routing::get;
use axum::{Json, Router};
use larder::config::{Config, Env};
use larder::{admin, server};
use serde_json::{Value, json};

/// What the handlers share: an app of your own has a database here.
#[derive(Clone, Default)]
struct App {
    names: Arc<Mutex<BTreeMap<u64, String>>>,
    posts: Arc<Mutex<Vec<String>>>,
}

fn app(state: App) -> Router {
    let api = Router::new().route("/users/{id}", get(user).put(rename)).route("/posts/", get(posts).post(publish));
    Router::new().nest("/api", api).route("/", get(|| async { "never cached: no route names it" })).with_state(state)
}

async fn user(State(app): State<App>, Path(id): Path<u64>) -> Json<Value> {
    let names = app.names.lock().unwrap_or_else(PoisonError::into_inner);
    let name = names.get(&id).map_or("Cached User A", String::as_str);
    Json(json!({ "user": { "id": id, "name": name } }))
}

async fn rename(State(app): State<App>, Path(id): Path<u64>, Json(body): Json<Value>) -> Json<Value> {
    let name = body["name"].as_str().unwrap_or_default().to_owned();
    app.names.lock().unwrap_or_else(PoisonError::into_inner).insert(id, name);
    Json(json!({ "message": "User updated" }))
}

async fn posts(State(app): State<App>) -> Json<Value> {
    Json(json!({ "posts": *app.posts.lock().unwrap_or_else(PoisonError::into_inner) }))
}

async fn publish(State(app): State<App>, Json(body): Json<Value>) -> Json<Value> {
    let title = body["title"].as_str().unwrap_or_default().to_owned();
    app.posts.lock().unwrap_or_else(PoisonError::into_inner).push(title);
    Json(json!({ "message": "Post created" }))
}

#[tokio::main]
#[expect(clippy::disallowed_methods, reason = "a program reads its own environment")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let environment = ["REDIS_URL"].into_iter().filter_map(|name| Some((name, std::env::var(name).ok()?)));
    let config = Config::load("routes.yaml".as_ref(), &environment.collect::<Env>())?;
    let cache = server::cache(&config).await?;

    let admin = admin::router(cache.clone(), admin::Options::default().token("example-admin-token"));
    let app = app(App::default()).layer(cache.layer()).merge(admin);

    let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    println!("listening on http://{}", listener.local_addr()?);
    axum::serve(listener, app).await?;
    Ok(())
}

//! The example API: users that can be renamed, and posts that can be written.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use http::{HeaderName, Method, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

/// Names and posts that are kept; the oldest leave.
const KEPT: usize = 1000;

#[derive(Clone)]
struct Api {
    data: Arc<Mutex<Data>>,
    served: Arc<AtomicU64>,
    delay: Duration,
}

struct Data {
    names: BTreeMap<u64, String>,
    posts: VecDeque<String>,
}

#[derive(Deserialize)]
struct Name {
    name: String,
}

#[derive(Deserialize)]
struct Title {
    title: String,
}

/// The routes of the API; each GET takes `delay`.
pub(super) fn router(delay: Duration) -> Router {
    let first = ["Cached post A", "Cached post B"].map(str::to_owned).into();
    let data = Arc::new(Mutex::new(Data { names: BTreeMap::new(), posts: first }));
    let api = Api { data, served: Arc::default(), delay };
    Router::new()
        .route("/api/users/{id}", get(user).put(rename))
        .route("/api/posts/", get(posts).post(publish))
        .layer(from_fn_with_state(api.clone(), serve))
        .with_state(api)
}

/// Takes its time over a GET, and numbers every answer.
async fn serve(State(api): State<Api>, request: Request, next: Next) -> Response {
    if request.method() == Method::GET {
        tokio::time::sleep(api.delay).await;
    }
    let mut response = next.run(request).await;
    let number = api.served.fetch_add(1, Ordering::Relaxed) + 1;
    response.headers_mut().insert(HeaderName::from_static("x-demo-served"), number.into());
    response
}

async fn user(State(api): State<Api>, Path(id): Path<u64>) -> Json<Value> {
    let name = api.data().names.get(&id).cloned().unwrap_or_else(|| default_name(id));
    Json(json!({ "user": { "id": id, "name": name } }))
}

async fn rename(State(api): State<Api>, Path(id): Path<u64>, name: Result<Json<Name>, JsonRejection>) -> Response {
    let Ok(Json(Name { name })) = name else { return refusal(r#"send {"name": "…"}"#) };
    let mut data = api.data();
    data.names.insert(id, name);
    if data.names.len() > KEPT {
        data.names.pop_first();
    }
    Json(json!({ "message": "User updated" })).into_response()
}

async fn posts(State(api): State<Api>) -> Json<Value> {
    let posts: Vec<String> = api.data().posts.iter().cloned().collect();
    Json(json!({ "posts": posts }))
}

async fn publish(State(api): State<Api>, title: Result<Json<Title>, JsonRejection>) -> Response {
    let Ok(Json(Title { title })) = title else { return refusal(r#"send {"title": "…"}"#) };
    let mut data = api.data();
    data.posts.push_back(title);
    if data.posts.len() > KEPT {
        data.posts.pop_front();
    }
    Json(json!({ "message": "Post created" })).into_response()
}

fn refusal(what: &str) -> Response {
    (StatusCode::BAD_REQUEST, Json(json!({ "error": what }))).into_response()
}

/// `Cached User A`, `B` and so on to `Z`; then the number.
fn default_name(id: u64) -> String {
    let letter = u8::try_from(id).ok().filter(|id| (1..=26).contains(id)).map(|id| char::from(b'A' + id - 1));
    letter.map_or_else(|| format!("Cached User {id}"), |letter| format!("Cached User {letter}"))
}

impl Api {
    fn data(&self) -> MutexGuard<'_, Data> {
        self.data.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_users_have_letters() {
        assert_eq!(default_name(1), "Cached User A");
        assert_eq!(default_name(26), "Cached User Z");
        assert_eq!(default_name(27), "Cached User 27");
        assert_eq!(default_name(0), "Cached User 0");
    }
}

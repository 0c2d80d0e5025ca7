//! A day with the program in front of a small API of users and posts: on memory, and on a real Redis.
#![cfg(unix)]
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "../rig/redis_server.rs"]
#[expect(dead_code, reason = "a walk needs one server that answers")]
mod redis_server;
#[path = "../cli/rig.rs"]
#[expect(dead_code, reason = "files that are wrong and signals are the command line's")]
mod rig;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use redis_server::RedisServer;
use rig::{Answer, Origin, Program, get, send, wait_until};
use serde_json::json;

const ROUTES: &str = r#"
routes:
  - path: /api/users/{id}
    ttl: 120s
    category: users
    invalidate: { PUT: ["GET:/api/users/{id}"] }
  - path: /api/posts/
    ttl: 90s
    category: posts
    query: { include: [page] }
    invalidate: { POST: ["GET:/api/posts/"] }
"#;

/// The program before the API, and how often the API was asked to read something.
struct Day {
    program: Program,
    reads: Arc<AtomicUsize>,
}

impl Day {
    fn begin(variables: &[&str]) -> Self {
        let (origin, reads) = (Origin::new(), Arc::<AtomicUsize>::default());
        let file = rig::file(ROUTES);
        let program = Program::serve(&file, &origin, variables);
        let counter = Arc::clone(&reads);
        // It ends with the process: nothing tells a listener that nobody will call again.
        std::thread::spawn(move || {
            loop {
                let request = origin.next();
                let (method, target) = request.line();
                if method == "GET" {
                    counter.fetch_add(1, Ordering::SeqCst);
                }
                let answer = match (method, target.split('?').next()) {
                    ("GET", Some("/api/posts/")) => r#"{"posts":["Cached post A","Cached post B"]}"#,
                    ("GET", _) => r#"{"user":{"id":1,"name":"Cached User A"}}"#,
                    ("POST", _) => r#"{"message":"Post created"}"#,
                    _ => r#"{"message":"User updated"}"#,
                };
                request.answer(answer);
            }
        });
        Self { program, reads }
    }

    fn reads(&self) -> usize {
        self.reads.load(Ordering::SeqCst)
    }

    /// Asks, and says what the cache did.
    fn get(&self, path: &str) -> String {
        self.answer(path).field("x-cache").expect("x-cache").to_owned()
    }

    fn answer(&self, path: &str) -> Answer {
        get(self.program.proxy, path)
    }

    /// A miss, and then, as soon as it is stored, hits alone: `asked` requests in all.
    fn fill(&self, path: &str, asked: usize) {
        assert_eq!(self.get(path), "MISS", "{path}");
        self.stored();
        for _ in 1..asked {
            assert_eq!(self.get(path), "HIT", "{path}");
        }
    }

    /// Waits until what was read last is stored: a shared store is written to behind the client's back.
    fn stored(&self) {
        let fetches = || get(self.program.admin, "/health/cache").status == 200;
        wait_until("the admin routes answer", fetches);
        wait_until("the entry is stored", || {
            let counted = send(self.program.admin, "POST", "/invalidate", r#"{"all":true,"dry_run":true}"#);
            counted.json()["deleted"].as_u64() > Some(0)
        });
    }

    fn total(&self) -> u64 {
        get(self.program.admin, "/metrics/cache").json()["total_cached_keys"].as_u64().unwrap()
    }
}

/// The day itself, word for word.
fn walk(day: &Day) {
    let user = "/api/users/1";
    day.fill(user, 2);
    assert_eq!(day.answer(user).json(), json!({"user": {"id": 1, "name": "Cached User A"}}));
    let put = send(day.program.proxy, "PUT", user, r#"{"name":"Updated User A"}"#);
    assert_eq!((put.status, put.json()), (200, json!({"message": "User updated"})));
    assert_eq!(day.get(user), "MISS", "a write clears what it changed");
    day.stored();
    let cleared = send(day.program.admin, "POST", "/invalidate", r#"{"category":"users"}"#);
    assert_eq!(cleared.json()["deleted"], 1);

    let reset = send(day.program.admin, "POST", "/cache/stats/reset", "");
    assert_eq!(reset.text, r#"{"success":true,"message":"Cache statistics reset successfully"}"#);
    let posts = "/api/posts/";
    day.fill(posts, 3);
    let before = day.reads();
    assert_eq!(day.get("/api/posts/?nocache=true"), "BYPASS");
    assert_eq!(day.reads(), before + 1, "past the cache is to the origin");
    let post = send(day.program.proxy, "POST", posts, r#"{"title":"New Post A"}"#);
    assert_eq!(post.json(), json!({"message": "Post created"}));
    day.fill(posts, 4);
    assert_eq!(day.reads(), before + 2);

    wait_until("everything is counted", || day.total() == 1);
    let metrics = get(day.program.admin, "/metrics/cache");
    let beginning = r#"{"hits":5,"misses":2,"top_keys":[["GET:/api/posts/",7]],"total_cached_keys":1"#;
    assert!(metrics.text.starts_with(beginning), "{}", metrics.text);
    let stats = get(day.program.admin, "/cache/stats").json();
    assert_eq!(stats["success"], true);
    assert_eq!((&stats["data"]["posts"]["hits"], &stats["data"]["overall"]["total_ops"]), (&json!(5), &json!(7)));

    let key = "/invalidate/GET:/api/posts/";
    for deleted in [1, 0] {
        let answer = send(day.program.admin, "DELETE", key, "");
        let said = format!(r#"{{"message":"Cache key deleted","key":"GET:/api/posts/","deleted":{deleted}}}"#);
        assert_eq!(answer.text, said);
    }
    assert_eq!(day.get(posts), "MISS");
}

#[test]
fn a_day_on_memory() {
    let day = Day::begin(&[]);
    walk(&day);
    assert_eq!(get(day.program.admin, "/health/cache").json()["cache"]["backend"], "memory");
}

#[test]
fn a_day_on_redis() {
    let server = RedisServer::start();
    let url = format!("REDIS_URL={}", server.url());
    let day = Day::begin(&[&url]);
    walk(&day);
    let health = get(day.program.admin, "/health/cache").json();
    assert_eq!((&health["status"], &health["cache"]["healthy"]), (&json!("healthy"), &json!(true)));
    wait_until("the list is in Redis", || server.keys().contains(&"larder:GET:/api/posts/".to_owned()));
    for key in server.keys() {
        assert!(key.starts_with("larder:"), "{key}");
        let left: i64 = server.cli(&["TTL", &key]).parse().unwrap();
        assert!(left >= 0, "{key} has no time to live: {left}");
    }
    assert_eq!(server.cli(&["DEL", "larder:GET:/api/posts/"]), "1");
    assert_eq!(day.get("/api/posts/"), "MISS", "an operator's DEL is an invalidation");
}

#[test]
fn two_programs_on_one_redis_share_entries_and_what_clears_them() {
    let server = RedisServer::start();
    let url = format!("REDIS_URL={}", server.url());
    let (one, two) = (Day::begin(&[&url]), Day::begin(&[&url]));
    one.fill("/api/users/1", 2);
    assert_eq!(two.get("/api/users/1"), "HIT");
    assert_eq!(two.reads(), 0);
    send(one.program.proxy, "PUT", "/api/users/1", "{}");
    assert_eq!(two.get("/api/users/1"), "MISS");
}

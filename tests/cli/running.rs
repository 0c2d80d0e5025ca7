//! The commands that ask a running process, beside one that runs and with nobody there.

use serde_json::{Value, json};

use crate::rig::{self, Origin, Program, exit_of, get};

const ROUTES: &str = "\
hosts: [api.example]
admin: { token: sesame }
routes:
  - path: /api/users/{id}
    ttl: 120s
    category: users
    tags: [\"user:{id}\"]
    invalidate: { PUT: [\"GET:/api/users/{id}\"] }
  - { path: /api/never, cache: never }
";

/// A running proxy with its configuration.
struct Running {
    larder: Program,
    origin: Origin,
    file: tempfile::NamedTempFile,
}

impl Running {
    fn new() -> Self {
        let (origin, file) = (Origin::new(), rig::file(&ROUTES.replace("hosts: [api.example]\n", "")));
        Self { larder: Program::serve(&file, &origin, &[]), origin, file }
    }

    /// The exit code and what was said.
    fn ask(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let (config, admin) = (self.file.path().to_str().unwrap(), self.larder.admin.to_string());
        exit_of(&[arguments, &["-c", config, "--admin", &admin]].concat())
    }

    fn json(&self, arguments: &[&str]) -> Value {
        let (code, said) = self.ask(&[arguments, &["--json"]].concat());
        assert_eq!(code, Some(0), "{said}");
        serde_json::from_str(&said).expect(&said)
    }

    /// Has a user stored.
    fn fetch(&self, path: &str) {
        let client = rig::ask(self.larder.proxy, path);
        self.origin.next().answer("a user");
        assert_eq!(client.answer().status, 200);
    }
}

fn outcome<'a>(explanation: &'a Value, step: &str) -> &'a Value {
    let steps = explanation["steps"].as_array().unwrap();
    &steps.iter().find(|found| found["step"] == step).unwrap_or(&Value::Null)["outcome"]
}

#[test]
fn explain_asks_the_process_that_runs() {
    let running = Running::new();
    let url = "/api/users/7?x=1";
    let before = running.json(&["explain", url]);
    assert_eq!((&before["decision"], &before["key"]), (&json!("miss"), &json!("GET:/api/users/7?x=1")));
    running.fetch(url);
    let after = running.json(&["explain", url, "-H", "If-None-Match: *"]);
    assert_eq!((&after["decision"], outcome(&after, "lookup")), (&json!("hit"), &json!("found")));
    assert_eq!(outcome(&after, "conditions"), "not-modified");
    assert_eq!(get(running.larder.proxy, url).field("x-cache"), Some("HIT"));
    let (code, said) = running.ask(&["explain", url]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.starts_with("HIT  GET:/api/users/7?x=1  route /api/users/{id}\n"), "{said}");
    assert!(said.contains("PUT /api/users/7 (GET:/api/users/{id})"), "{said}");
    assert!(said.contains("larder invalidate --tag 'user:7'"), "{said}");
    let write = running.json(&["explain", url, "-X", "PUT"]);
    assert_eq!((&write["decision"], outcome(&write, "clearing")), (&json!("pass"), &json!("clears")));
}

#[test]
fn explain_says_why_the_last_answer_was_not_stored() {
    let running = Running::new();
    let client = rig::ask(running.larder.proxy, "/api/users/7");
    running.origin.next().answer_with("Cache-Control: private\r\n", "a user");
    assert_eq!(client.answer().field("x-cache"), Some("MISS"));
    let explanation = running.json(&["explain", "/api/users/7"]);
    assert_eq!((&explanation["decision"], outcome(&explanation, "last-answer")), (&json!("miss"), &json!("private")));
}

#[test]
fn explain_goes_by_the_file_where_nobody_listens() {
    let (file, nobody) = (rig::file(ROUTES), Closed::new());
    let closed = &nobody.address;
    let config = file.path().to_str().unwrap();
    let explain = |rest: &[&str]| exit_of(&[&["explain", "-c", config, "--admin", closed], rest].concat());
    let (code, said) = explain(&["/api/users/7"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.starts_with("UNKNOWN  GET:/api/users/7  route /api/users/{id}\n"), "{said}");
    assert!(said.contains(&format!("nothing is running at http://{closed}/: the store was not asked")), "{said}");
    for (url, decision, words) in [
        ("/api/never", "PASS", "cache: never"),
        ("/elsewhere", "PASS", "No route matches"),
        ("/api/users/7?nocache=1", "BYPASS", "bypass the cache"),
        ("http://other.example/api/users/7", "REFUSED", "answered with 421"),
        ("/api/users/%2e%2e", "REFUSED", "answered with 400"),
    ] {
        let (code, said) = explain(&[url]);
        assert_eq!(code, Some(0), "{url}: {said}");
        assert!(said.starts_with(decision) && said.contains(words), "{url}: {said}");
    }
    let (code, said) = explain(&["nonsense"]);
    assert_eq!(code, Some(2), "{said}");
}

#[test]
fn invalidate_clears_what_is_named_and_says_how_much() {
    let running = Running::new();
    for path in ["/api/users/1", "/api/users/1?x=1", "/api/users/2", "/api/users/3"] {
        running.fetch(path);
    }
    for (arguments, deleted) in [
        (&["GET:/api/users/1", "--dry-run"][..], 2),
        (&["GET:/api/users/1"], 2),
        (&["GET:/api/users/1"], 0),
        (&["--tag", "user:2"], 1),
        (&["--pattern", "GET:/api/users/*", "--dry-run"], 1),
        (&["--category", "users"], 1),
        (&["--all"], 0),
    ] {
        let answer = running.json(&[&["invalidate"], arguments].concat());
        assert_eq!(answer["deleted"], deleted, "{arguments:?}: {answer}");
    }
    running.fetch("/api/users/1");
    assert_eq!(running.ask(&["invalidate", "--all"]), (Some(0), "1 entry deleted\n".to_owned()));
}

#[test]
fn stats_and_top_show_what_was_counted() {
    let running = Running::new();
    running.fetch("/api/users/1");
    get(running.larder.proxy, "/api/users/1");
    assert_eq!(running.json(&["stats"])["users"]["hits"], 1);
    assert_eq!(running.json(&["stats", "users"])["hit_rate"], 0.5);
    assert_eq!(running.json(&["top"])["top_keys"], json!([["GET:/api/users/1", 2]]));
    assert_eq!(running.json(&["top", "-n", "0"])["top_keys"], json!([]));
    let (_, table) = running.ask(&["stats"]);
    assert!(table.contains("users") && table.contains("50.0 %"), "{table}");
    assert_eq!(running.ask(&["top"]).1, "           2  GET:/api/users/1\n");
}

#[test]
fn the_exit_code_tells_no_from_unusable() {
    let (running, nobody) = (Running::new(), Closed::new());
    let closed = &nobody.address;
    let other_token = rig::file("admin: { token: wrong }\nroutes: []\n");
    let other_token = other_token.path().to_str().unwrap();
    let admin = running.larder.admin.to_string();
    for (arguments, code, word) in [
        (&["invalidate", "nonsense"][..], 2, "METHOD:path"),
        (&["invalidate"], 2, "required"),
        (&["stats", "absent"], 1, "no route has this category"),
    ] {
        let (exit, said) = running.ask(arguments);
        assert_eq!(exit, Some(code), "{arguments:?}: {said}");
        assert!(said.contains(word), "{arguments:?}: {said}");
    }
    for (arguments, code, word) in [
        (&["stats", "--admin", closed][..], 1, "nothing is running at"),
        (&["invalidate", "--all", "--admin", closed], 1, "nothing is running at"),
        (&["top", "-c", other_token, "--admin", &admin], 2, "not the token"),
        (&["top", "-c", "/nonexistent/routes.yaml", "--admin", &admin], 2, "LARDER_ADMIN_TOKEN"),
        (&["top", "-c", "/nonexistent/routes.yaml"], 2, "--config"),
        (&["top", "--admin", "https://h"], 2, "https"),
    ] {
        let (exit, said) = exit_of(arguments);
        assert_eq!(exit, Some(code), "{arguments:?}: {said}");
        assert!(said.contains(word), "{arguments:?}: {said}");
    }
}

/// An address at which nobody listens, for as long as this is held.
struct Closed {
    _socket: socket2::Socket,
    address: String,
}

impl Closed {
    fn new() -> Self {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        socket.bind(&std::net::SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        let address = socket.local_addr().unwrap().as_socket().unwrap().to_string();
        Self { _socket: socket, address }
    }
}

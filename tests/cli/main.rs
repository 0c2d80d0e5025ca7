//! The program itself, as a process: its answers, its exit codes, and what signals do to it.
#![cfg(unix)]
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[expect(dead_code, reason = "an origin that looks at what it is asked is the walkthrough's")]
mod rig;
mod running;

use rig::{Origin, Program, check, exit_of, get, send};
use serde_json::json;

const FINE: &str = "upstream: http://127.0.0.1:1\nroutes:\n  - { path: /a, ttl: 60s }\n";
const REMARKABLE: &str =
    "upstream: http://127.0.0.1:1\nroutes:\n  - { path: /a, ttl: 60s, origin_headers: override }\n";
const WRONG: &str = "upstream: http://127.0.0.1:1\nroutes:\n  - { path: /a, tll: 60s }\n  - { path: b }\n";

#[test]
fn check_says_by_its_exit_code_whether_a_file_can_be_used() {
    for (text, arguments, code, said) in [
        (FINE, &[][..], 0, "1 route, nothing to remark"),
        (FINE, &["--strict"], 0, "nothing to remark"),
        (REMARKABLE, &[], 0, "usable, 1 warning"),
        (REMARKABLE, &["--strict"], 1, "usable, 1 warning"),
        (WRONG, &[], 2, "did you mean `ttl`?"),
        (WRONG, &["--strict"], 2, "not usable, 2 errors"),
    ] {
        let output = check(text, arguments);
        let stdout = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(code), "{text}{stdout}");
        assert!(stdout.contains(said), "{stdout}");
    }
}

#[test]
fn check_answers_programs_in_json() {
    let output = check(WRONG, &["--json"]);
    assert_eq!(output.status.code(), Some(2));
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&json["ok"], &json["errors"], &json["warnings"]), (&json!(false), &json!(2), &json!(0)));
    let first = &json["diagnostics"][0];
    assert_eq!((&first["severity"], &first["line"], &first["column"]), (&json!("error"), &json!(3), &json!(17)));
    assert!(first["message"].as_str().unwrap().contains("tll"), "{first}");

    let output = check(FINE, &["--json"]);
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&json["ok"], &json["routes"], &json["diagnostics"]), (&json!(true), &json!(1), &json!([])));
}

#[test]
fn what_cannot_be_used_ends_with_2_and_says_what_to_do() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let free = "127.0.0.1:0";
    for (arguments, advice) in [
        (&["serve", "-c", "/nonexistent/routes.yaml"][..], "--config"),
        (&["check", "-c", "/nonexistent/routes.yaml"], "--config"),
        (&["demo", "--listen", &taken, "--admin", free], "choose another address with --listen"),
        (&["demo", "--listen", free, "--admin", &taken], "choose another address with --admin"),
        (&["demo", "--listen", free, "--admin", "0.0.0.0:0"], "LARDER_ADMIN_TOKEN"),
        (&["demo", "--delay", "soon"], "300ms"),
        (&["serve", "--listen", "nowhere"], "--listen"),
    ] {
        let (code, said) = exit_of(arguments);
        assert_eq!(code, Some(2), "{arguments:?}: {said}");
        assert!(said.contains(advice), "{arguments:?}: {said}");
    }
    let file = rig::file("routes: []\n");
    let path = file.path().to_str().unwrap();
    let (code, said) = exit_of(&["serve", "-c", path, "--listen", free, "--admin", free]);
    assert_eq!(code, Some(2));
    assert!(said.contains("pass --upstream"), "{said}");
}

#[test]
fn the_demo_shows_a_miss_a_hit_and_what_writes_clear() {
    let demo = Program::demo(&["--delay", "0"]);
    let user = json!({"user": {"id": 1, "name": "Cached User A"}});
    let first = get(demo.proxy, "/api/users/1");
    assert_eq!((first.status, first.json(), first.field("x-cache")), (200, user.clone(), Some("MISS")));
    let second = get(demo.proxy, "/api/users/1");
    assert_eq!((second.json(), second.field("x-cache")), (user, Some("HIT")));
    assert_eq!(second.field("x-demo-served"), first.field("x-demo-served"));
    assert!(second.field("age").is_some());

    let put = send(demo.proxy, "PUT", "/api/users/1", r#"{"name":"Ada"}"#);
    assert_eq!((put.status, put.json()), (200, json!({"message": "User updated"})));
    let third = get(demo.proxy, "/api/users/1");
    let user = json!({"user": {"id": 1, "name": "Ada"}});
    assert_eq!((third.json(), third.field("x-cache")), (user, Some("MISS")));

    for path in ["/api/posts/", "/api/posts/?page=2"] {
        assert_eq!(get(demo.proxy, path).json(), json!({"posts": ["Cached post A", "Cached post B"]}));
        assert_eq!(get(demo.proxy, path).field("x-cache"), Some("HIT"), "{path}");
    }
    let post = send(demo.proxy, "POST", "/api/posts/", r#"{"title":"Hello"}"#);
    assert_eq!(post.json(), json!({"message": "Post created"}));
    for path in ["/api/posts/", "/api/posts/?page=2"] {
        let list = get(demo.proxy, path);
        assert_eq!(list.json()["posts"][2], "Hello");
        assert_eq!(list.field("x-cache"), Some("MISS"), "{path}");
    }
    assert_eq!(get(demo.proxy, "/api/posts/?nocache=true").field("x-cache"), Some("BYPASS"));
}

#[test]
fn the_admin_routes_of_the_demo_see_what_clients_did() {
    let demo = Program::demo(&["--delay", "0"]);
    for path in ["/api/posts/", "/api/posts/", "/api/posts/", "/api/users/1"] {
        assert_eq!(get(demo.proxy, path).status, 200);
    }
    let metrics = get(demo.admin, "/metrics/cache").json();
    assert_eq!((&metrics["hits"], &metrics["misses"]), (&json!(2), &json!(2)));
    assert_eq!(metrics["top_keys"], json!([["GET:/api/posts/", 3], ["GET:/api/users/1", 1]]));
    assert_eq!(metrics["total_cached_keys"], 2);
    assert_eq!(get(demo.admin, "/cache/stats/posts").json()["data"]["hit_rate"], json!(2.0 / 3.0));

    let cleared = send(demo.admin, "DELETE", "/invalidate/GET:/api/posts/", "");
    assert_eq!(cleared.text, r#"{"message":"Cache key deleted","key":"GET:/api/posts/","deleted":1}"#);
    assert_eq!(get(demo.proxy, "/api/posts/").field("x-cache"), Some("MISS"));
    assert_eq!(get(demo.admin, "/health/ready").json(), json!({"status": "ready"}));
    assert_eq!(get(demo.admin, "/absent").status, 404);
    let line = demo.line_with("event=\"purge\"");
    assert!(line.contains("selector=\"GET:/api/posts/\"") && line.contains("actor=\"127.0.0.1:"), "{line}");
}

#[test]
fn sigterm_lets_a_request_in_flight_finish() {
    let (origin, file) = (Origin::new(), rig::file(FINE));
    let mut larder = Program::serve(&file, &origin, &[]);
    let client = rig::ask(larder.proxy, "/a");
    let held = origin.next();

    larder.signal("TERM");
    larder.line_with("draining");
    rig::wait_until("new connections are refused", || rig::is_refused(larder.proxy));
    assert_eq!(get(larder.admin, "/health/ready").json(), json!({"status": "draining"}));

    held.answer("slow but whole");
    let answer = client.answer();
    assert_eq!((answer.status, answer.text.as_str()), (200, "slow but whole"));
    assert_eq!(larder.exit_code(), Some(0));
}

#[test]
fn a_request_that_outlasts_the_drain_timeout_is_cut() {
    let (origin, file) = (Origin::new(), rig::file(&format!("drain_timeout: 200ms\n{FINE}")));
    let mut larder = Program::serve(&file, &origin, &[]);
    let _client = rig::ask(larder.proxy, "/a");
    let _held = origin.next();
    larder.signal("TERM");
    let line = larder.line_with("still busy");
    assert!(line.contains("cut=1"), "{line}");
    assert_eq!(larder.exit_code(), Some(0));
}

#[test]
fn a_second_sigterm_ends_it_at_once() {
    let (origin, file) = (Origin::new(), rig::file(FINE));
    let mut larder = Program::serve(&file, &origin, &[]);
    let _client = rig::ask(larder.proxy, "/a");
    let _held = origin.next();
    larder.signal("TERM");
    larder.line_with("draining");
    larder.signal("TERM");
    assert_eq!(larder.exit_code(), Some(130));
}

#[test]
fn sighup_puts_new_routes_in_force_and_a_broken_file_changes_nothing() {
    let (origin, file) = (Origin::new(), rig::file(FINE));
    let larder = Program::serve(&file, &origin, &[]);
    let ask = |word| {
        let client = rig::ask(larder.proxy, "/a");
        origin.next().answer(word);
        client.answer().field("x-cache").map(str::to_owned)
    };
    assert_eq!(ask("one").as_deref(), Some("MISS"));
    assert_eq!(get(larder.proxy, "/a").field("x-cache"), Some("HIT"));

    std::fs::write(file.path(), "listen: 127.0.0.1:1\nroutes:\n  - { path: /a, cache: never }\n").unwrap();
    larder.signal("HUP");
    larder.line_with("the routes were read again");
    assert_eq!(ask("two").as_deref(), Some("BYPASS"));

    std::fs::write(file.path(), WRONG).unwrap();
    larder.signal("HUP");
    larder.line_with("did you mean `ttl`?");
    assert_eq!(ask("three").as_deref(), Some("BYPASS"));

    std::fs::write(file.path(), FINE.replace("routes:", "host_header: preserve\nroutes:")).unwrap();
    larder.signal("HUP");
    larder.line_with("host_header needs a restart");
    assert_eq!(ask("four").as_deref(), Some("BYPASS"));
}

#[test]
fn the_access_log_says_what_became_of_each_request() {
    let (origin, file) = (Origin::new(), rig::file(FINE));
    let larder = Program::serve(&file, &origin, &["LARDER_LOG=larder::access=info"]);
    let client = rig::ask(larder.proxy, "/a?secret=1");
    origin.next().answer("hello");
    assert_eq!(client.answer().status, 200);
    get(larder.proxy, "/a?secret=1");
    let miss = larder.line_with("larder::access");
    let hit = larder.line_with("larder::access");
    for (line, cache) in [(&miss, "MISS"), (&hit, "HIT")] {
        assert!(line.contains(&format!("cache=\"{cache}\"")), "{line}");
        assert!(line.contains("path=\"/a\"") && line.contains("route=\"/a\"") && line.contains("bytes=5"), "{line}");
        assert!(line.contains("status=200") && !line.contains("secret"), "{line}");
    }
}

//! The program itself, twice, before one upstream.

use std::time::Duration;

use tokio::time::Instant;

#[path = "../cli/rig.rs"]
#[expect(dead_code, reason = "the commands are tried elsewhere")]
mod rig;

use crate::redis_server::RedisServer;
use rig::{Answer, Asked, Origin, Program, ask, file, get, wait_until};

const ROUTES: &str = "routes:\n- { path: \"/a/{n}\", ttl: 90s }\n";

fn two(server: &RedisServer, origin: &Origin) -> [Program; 2] {
    let routes = file(ROUTES);
    let url = format!("REDIS_URL={}", server.url());
    let nodes = [0, 1].map(|_| Program::serve(&routes, origin, &[&url, "REDIS_SOCKET_TIMEOUT=2"]));
    for node in &nodes {
        // It waits for nobody before changes are told.
        wait_until("changes are told", || !get(node.admin, "/health/cache").text.contains("degraded"));
    }
    nodes
}

fn all(asked: Vec<Asked>) -> Vec<Answer> {
    asked.into_iter().map(Asked::answer).collect()
}

fn waited_for(server: &RedisServer, path: &str) {
    let name = format!("larder:GET:{path}");
    wait_until("another node waits", || server.cli(&["HEXISTS", &name, "w"]) == "1");
}

#[test]
fn two_programs_ask_the_upstream_once_for_two_hundred_requests() {
    let (server, origin) = (RedisServer::start(), Origin::new());
    let [one, two] = two(&server, &origin);
    let mut asked = vec![ask(one.proxy, "/a/1")];
    let held = origin.next();
    asked.extend((0..199).map(|n| ask(if n % 2 == 0 { two.proxy } else { one.proxy }, "/a/1")));
    waited_for(&server, "/a/1");
    held.answer("one");
    for answer in all(asked) {
        assert_eq!((answer.status, answer.text.as_str()), (200, "one"));
    }
    assert!(origin.is_idle(), "one request was enough");
}

#[test]
fn a_program_that_is_killed_holds_the_other_up_no_longer_than_its_lease() {
    let (server, origin) = (RedisServer::start(), Origin::new());
    let [one, two] = two(&server, &origin);
    let abandoned = ask(one.proxy, "/a/1");
    let held = origin.next();
    let asked: Vec<_> = (0..10).map(|_| ask(two.proxy, "/a/1")).collect();
    waited_for(&server, "/a/1");
    let killed = Instant::now();
    one.signal("KILL");
    origin.next().answer("two");
    let took = killed.elapsed();
    for answer in all(asked) {
        assert_eq!((answer.status, answer.text.as_str()), (200, "two"));
    }
    println!("the other node fetched {took:?} after the kill");
    assert!(took < Duration::from_secs(3), "{took:?}");
    wait_until("what it fetched is stored", || get(two.proxy, "/a/1").field("x-cache") == Some("HIT"));
    drop((held, abandoned));
}

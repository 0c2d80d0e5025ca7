//! Several `larder` processes on one Redis, while clients read and write at random and Redis suffers. Every read and every
//! acknowledged write is recorded, and the record is held against the promise: once a write is acknowledged, no read
//! through its node that begins later sees anything older, and no node goes on serving anything older.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test that cannot go on fails, and other processes keep their own time"
)]

#[path = "../rig/dice.rs"]
mod dice;
#[expect(dead_code, reason = "no test uses all of the rig")]
#[path = "../cli/rig.rs"]
mod program;
mod record;
#[expect(dead_code, reason = "no test uses all of the rig")]
#[path = "../rig/redis_server.rs"]
mod redis_server;
mod things;

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use dice::Dice;
use program::{Origin, Program, file};
use record::Record;
use redis_server::RedisServer;
use things::{KINDS, QUERIES, THINGS, Things};

const CLIENTS: u64 = 10;
const STEPS: u64 = 25;

/// Three nodes, one of them without memory of its own, before one origin.
struct Scene {
    nodes: Vec<Program>,
    redis: RedisServer,
    things: Arc<Things>,
}

/// What happens to Redis while clients are at work.
type Trouble = dyn Fn(&mut RedisServer, &mut Dice);

impl Scene {
    fn new() -> Self {
        // What it had is there again after a crash.
        let redis = RedisServer::with(&["--appendonly", "yes", "--appendfsync", "always"]);
        let things = Arc::<Things>::default();
        let origin = Origin::new();
        let url = format!("REDIS_URL={}", redis.url());
        let node = |memory| Program::serve(&file(&things::routes(memory)), &origin, &[&url]);
        let nodes = vec![node("{ degraded_ttl: 200ms }"), node("{ degraded_ttl: 200ms }"), node("off")];
        things.clone().answer_for(origin);
        Self { nodes, redis, things }
    }

    /// One round: clients at work on things of their own, trouble, and then the truth on every node.
    fn round(&mut self, number: u64, trouble: &Trouble) {
        let record = Record::default();
        let nodes: Vec<_> = self.nodes.iter().map(|node| node.proxy).collect();
        thread::scope(|scope| {
            for client in 0..CLIENTS {
                let (nodes, record) = (&nodes, &record);
                scope.spawn(move || work(nodes, record, number, &mut Dice(number << 32 | client)));
            }
            trouble(&mut self.redis, &mut Dice(number));
        });
        record.check();
        for (node, address) in nodes.into_iter().enumerate() {
            for thing in 0..THINGS {
                let newest = self.things.version(number, thing);
                for path in things::paths(number, thing) {
                    let mut seen = 0;
                    redis_server::until(&format!("node {node} says {newest} for {path}, not {seen}"), || {
                        seen = things::read(&program::get(address, &path));
                        seen == newest
                    });
                }
            }
        }
    }
}

/// What one client does in a round.
fn work(nodes: &[SocketAddr], record: &Record, round: u64, dice: &mut Dice) {
    for _ in 0..STEPS {
        let node = dice.below(nodes.len() as u64) as usize;
        let thing = dice.below(THINGS);
        let address = nodes[node];
        if dice.below(6) == 0 {
            let began = record.begin();
            let answer = program::send(address, "PUT", &format!("/things/{round}-{thing}"), "new");
            record.wrote(node, thing, things::read(&answer), began);
        } else {
            let path = &things::paths(round, thing)[dice.below((KINDS + QUERIES) as u64) as usize];
            let began = record.begin();
            let answer = program::get(address, path);
            assert_eq!(answer.status, 200, "no client sees a fault: {}", answer.text);
            record.read(node, thing, things::read(&answer), began, path);
        }
    }
}

#[test]
fn no_read_is_older_than_an_acknowledged_write() {
    let mut scene = Scene::new();
    for number in 0..12 {
        scene.round(number, &|_, _| {});
    }
}

#[test]
fn nor_is_one_while_entries_are_deleted_evicted_and_connections_cut() {
    let mut scene = Scene::new();
    let commands: [&[&str]; 5] = [
        &["FLUSHALL"],
        &["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"],
        &["CLIENT", "KILL", "TYPE", "pubsub"],
        &["SCRIPT", "FLUSH"],
        &["CLIENT", "PAUSE", "120", "ALL"],
    ];
    for (number, command) in (100..).zip(commands.iter().cycle().take(10)) {
        scene.round(number, &|redis, dice| {
            thread::sleep(Duration::from_millis(dice.below(40)));
            redis.cli(command);
        });
    }
}

#[test]
fn nor_is_one_while_redis_stops_dies_and_comes_back() {
    let mut scene = Scene::new();
    let freeze = |redis: &mut RedisServer, dice: &mut Dice| {
        thread::sleep(Duration::from_millis(dice.below(40)));
        redis.freeze();
        thread::sleep(Duration::from_millis(100 + dice.below(900)));
        redis.thaw();
    };
    let crash = |redis: &mut RedisServer, dice: &mut Dice| {
        thread::sleep(Duration::from_millis(dice.below(40)));
        redis.kill();
        thread::sleep(Duration::from_millis(dice.below(300)));
        redis.launch();
    };
    for number in 200..203 {
        scene.round(2 * number, &freeze);
        scene.round(2 * number + 1, &crash);
    }
}

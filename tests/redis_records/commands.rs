//! Every command that a busy day sends: within the prefix, and nothing is left behind that lives for ever.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use larder::invalidation::{Category, Glob, Selector, Tag};
use larder::store::{NearConfig, TieredStore};

use super::*;
use crate::rig::{Page, page};

/// What the server says that it was asked, line by line.
struct Monitor(Child, BufReader<std::process::ChildStdout>);

impl Monitor {
    fn of(server: &RedisServer) -> Self {
        let mut child = Command::new("redis-cli")
            .arg("-s")
            .arg(server.socket())
            .arg("MONITOR")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        let mut first = String::new();
        lines.read_line(&mut first).unwrap();
        assert_eq!(first.trim(), "OK");
        Self(child, lines)
    }

    /// Everything up to a command that is sent for the purpose.
    fn until_now(mut self, server: &RedisServer) -> Vec<Vec<String>> {
        server.cli(&["ECHO", "the end"]);
        let mut commands = Vec::new();
        loop {
            let mut line = String::new();
            assert!(self.1.read_line(&mut line).unwrap() > 0, "the monitor ended");
            if line.contains("\"ECHO\" \"the end\"") {
                return commands;
            }
            let (_, words) = line.split_once("] ").unwrap();
            commands.push(words.trim().trim_matches('"').split("\" \"").map(str::to_owned).collect());
        }
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The keys that a command names, and `None` for one that has no business here.
fn keys(words: &[String]) -> Option<&[String]> {
    let name = words[0].to_ascii_uppercase();
    Some(match name.as_str() {
        "PING" | "INFO" | "HELLO" | "AUTH" | "SELECT" | "CLIENT" | "TIME" | "ROLE" | "COMMAND" => &[],
        "SCAN" => {
            let at = words.iter().position(|word| word.eq_ignore_ascii_case("MATCH"))?;
            words.get(at + 1..at + 2)?
        }
        "EVAL" | "EVALSHA" => {
            assert_eq!(words[2], "1", "a script has one key");
            &words[3..4]
        }
        "UNLINK" | "DEL" => &words[1..],
        "HGET" | "HKEYS" | "HSET" | "HSETNX" | "HDEL" | "HEXISTS" | "HSTRLEN" | "TYPE" | "GET" | "SET" | "PTTL"
        | "PEXPIRE" | "PEXPIREAT" | "ZADD" | "ZREM" | "ZRANGE" | "ZSCORE" | "ZREMRANGEBYSCORE" | "ZSCAN" | "ZCARD" => {
            &words[1..2]
        }
        _ => return None,
    })
}

fn everything_is_mortal(server: &RedisServer, when: &str) {
    for name in server.keys() {
        let left: i64 = server.cli(&["PTTL", &name]).parse().unwrap();
        assert!(left > 0 || left == -2, "{name} lives for ever after {when}");
        let foreign = name == "other:key" || name == "larderx:key";
        assert!(foreign || name.starts_with("larder:"), "{name}");
    }
}

const LONG: &str = "GET:/long/0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890\
    123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789?q=1";

fn pages() -> Vec<Page> {
    let mut pages = vec![
        page("GET:/a", "x"),
        page("GET:/a?q=1", "x").tag("t"),
        page("GET:/a?q=1#00", "x").category("c").tag("t").tag("u"),
        page(LONG, "x").category("c"),
        page("GET:/large", noise(300_000)).tag("t"),
        page("GET:/words", words(300_000)),
    ];
    pages
        .extend((0..4).map(|id| Page { max_variants: Some(2), ..page("GET:/v", noise(70_000)).variant("accept", id) }));
    pages
}

async fn busy<S: Store>(rig: &Rig<S>, server: &RedisServer, other: &Rig<RedisStore>) {
    let named = |text| Selector::Key(key(text));
    for selector in [
        named("GET:/a"),
        named("GET:/v"),
        named(LONG),
        Selector::Glob(Glob::new("GET:/*")),
        Selector::Tag(Tag::new("t")),
        Selector::Tag(Tag::new("t[*]?")),
        Selector::Category(Category::new("c")),
        Selector::All,
    ] {
        for page in pages() {
            rig.fill(page.clone()).await;
            let _ = rig.body(page.key).await;
        }
        everything_is_mortal(server, "stores");
        assert!(rig.variant("GET:/v", 3).await.is_some());
        let lease = rig.lease(&page("GET:/given/back?q", "x").tag("t")).await.unwrap();
        assert!(other.lease(&page("GET:/given/back?q", "x")).await.is_err());
        everything_is_mortal(server, "a lease");
        rig.release(lease).await;
        // A tag that only the response names, whose note is looked for.
        let lease = rig.lease(&page("GET:/late", "x")).await.unwrap();
        rig.put(lease, &page("GET:/late", "x").tag("late")).await.unwrap();
        rig.count(&selector).await;
        rig.invalidate(&selector).await;
        everything_is_mortal(server, &selector.to_string());
        server.cli(&["SET", "larder:GET:/a", "rubbish", "EX", "100"]);
        let _ = rig.store.get(&key("GET:/a")).wait().await;
        rig.store.remove(&key("GET:/v")).wait().await.unwrap();
    }
    assert!(rig.store.health().wait().await.healthy);
}

#[tokio::test]
async fn a_busy_day_touches_nothing_outside_the_prefix_and_leaves_nothing_for_ever() {
    let server = RedisServer::start();
    server.cli(&["SET", "other:key", "x", "EX", "1000"]);
    server.cli(&["SET", "larderx:key", "x", "EX", "1000"]);
    let other = node(&server).await;
    let monitor = Monitor::of(&server);
    busy(&node(&server).await, &server, &other).await;
    let near = TieredStore::new(NearConfig::default(), *node(&server).await.store, Clock::system());
    while !near.is_coherent() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let tiered = Rig { fences: true, flights: Mutex::default(), clock: Clock::system(), store: Box::new(near) };
    busy(&tiered, &server, &other).await;
    drop(tiered);
    let commands = monitor.until_now(&server);
    assert!(commands.len() > 2000, "{}", commands.len());
    for words in commands {
        // The test's own looks at the server.
        let ours = matches!(words[0].as_str(), "SCAN" | "scan") && words.len() == 2 || words[0] == "PTTL";
        if ours || words.iter().any(|word| word == "rubbish") {
            continue;
        }
        let keys = keys(&words).unwrap_or_else(|| panic!("{} was sent", words.join(" ")));
        for name in keys {
            assert!(name.starts_with("larder:"), "{}", words.join(" "));
        }
    }
    assert_eq!(server.cli(&["EXISTS", "other:key", "larderx:key"]), "2");
}

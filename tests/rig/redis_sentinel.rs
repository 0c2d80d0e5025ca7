//! A real master with replicas, and three sentinels that replace it.

use crate::redis_server::{RedisServer, free_port, until};

pub(crate) struct Sentinels {
    ports: Vec<String>,
    servers: Vec<RedisServer>,
    sentinels: Vec<(String, RedisServer)>,
}

impl Sentinels {
    pub(crate) fn start() -> Self {
        let ports: Vec<String> = (0..2).map(|_| free_port().to_string()).collect();
        let server = |port: &str, more: &[&str]| {
            let first = ["--bind", "127.0.0.1", "--port", port, "--repl-diskless-sync-delay", "0"];
            RedisServer::with(&[&first, more].concat())
        };
        let servers = vec![server(&ports[0], &[]), server(&ports[1], &["--replicaof", "127.0.0.1", &ports[0]])];
        until("the replica is in step", || servers[1].cli(&["INFO", "replication"]).contains("master_link_status:up"));
        let lines = format!(
            "sentinel monitor mymaster 127.0.0.1 {} 2\nsentinel down-after-milliseconds mymaster 500\n\
             sentinel failover-timeout mymaster 3000\n",
            ports[0]
        );
        let sentinels: Vec<_> = (0..3)
            .map(|_| {
                let port = free_port().to_string();
                let sentinel = RedisServer::sentinel(&port, &lines);
                (port, sentinel)
            })
            .collect();
        until("the sentinels know one another", || {
            sentinels.iter().all(|(_, sentinel)| {
                let master = sentinel.cli(&["SENTINEL", "MASTER", "mymaster"]);
                let number = |name: &str| {
                    let mut lines = master.lines();
                    lines.find(|line| *line == name).and_then(|_| lines.next().map(str::to_owned))
                };
                number("num-other-sentinels").as_deref() == Some("2") && number("num-slaves").as_deref() == Some("1")
            })
        });
        Self { ports, servers, sentinels }
    }

    pub(crate) fn url(&self) -> String {
        let places: Vec<String> = self.sentinels.iter().map(|(port, _)| format!("127.0.0.1:{port}")).collect();
        format!("redis-sentinel://{}/0?master=mymaster", places.join(","))
    }

    /// The server that the sentinels name.
    pub(crate) fn master(&self) -> usize {
        let named = self.sentinels[0].1.cli(&["SENTINEL", "GET-MASTER-ADDR-BY-NAME", "mymaster"]);
        self.ports.iter().position(|port| named.ends_with(port.as_str())).unwrap()
    }

    pub(crate) fn kill(&mut self, server: usize) {
        self.servers[server].kill();
    }

    /// Has the sentinels replace a master that is well.
    pub(crate) fn fail_over(&self) {
        assert_eq!(self.sentinels[0].1.cli(&["SENTINEL", "FAILOVER", "mymaster"]), "OK");
    }

    /// Waits until another server than this is the master and says so itself.
    pub(crate) fn moved_from(&self, server: usize) -> usize {
        until("another master", || {
            self.master() != server && self.servers[self.master()].cli(&["ROLE"]).starts_with("master")
        });
        self.master()
    }

    pub(crate) fn cli(&self, server: usize, arguments: &[&str]) -> String {
        self.servers[server].cli(arguments)
    }
}

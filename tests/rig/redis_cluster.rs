//! A real Redis Cluster: three masters, and a replica of each where a test wants them.

use std::process::Command;

use crate::redis_server::{RedisServer, free_port, until};

pub(crate) struct RedisCluster {
    ports: Vec<String>,
    servers: Vec<RedisServer>,
}

impl RedisCluster {
    pub(crate) fn start() -> Self {
        Self::of(3, "2000", "0")
    }

    /// With a replica of each master, which takes its place a second after it is lost.
    pub(crate) fn with_replicas() -> Self {
        let cluster = Self::of(6, "1000", "1");
        until("the replicas are in step", || {
            let in_step = |server: &RedisServer| {
                let info = server.cli(&["INFO", "replication"]);
                info.contains("connected_slaves:1") || info.contains("master_link_status:up")
            };
            cluster.servers.iter().all(in_step)
        });
        cluster
    }

    fn of(count: usize, node_timeout: &str, replicas: &str) -> Self {
        let (mut ports, mut servers) = (Vec::new(), Vec::new());
        for _ in 0..count {
            let (port, bus) = (free_port().to_string(), free_port().to_string());
            servers.push(RedisServer::with(&[
                "--bind",
                "127.0.0.1",
                "--port",
                &port,
                "--cluster-enabled",
                "yes",
                "--cluster-port",
                &bus,
                "--cluster-node-timeout",
                node_timeout,
                "--repl-diskless-sync-delay",
                "0",
            ]));
            ports.push(port);
        }
        let cluster = Self { ports, servers };
        let nodes = cluster.ports.iter().map(|port| format!("127.0.0.1:{port}"));
        let created = Command::new("redis-cli")
            .args(["--cluster", "create"])
            .args(nodes)
            .args(["--cluster-replicas", replicas, "--cluster-yes"])
            .output()
            .expect("redis-cli cannot be run: install redis-tools");
        assert!(created.status.success(), "{}", String::from_utf8_lossy(&created.stdout));
        until("the cluster agrees", || {
            cluster.servers.iter().all(|server| server.cli(&["CLUSTER", "INFO"]).contains("cluster_state:ok"))
        });
        cluster
    }

    /// Ends one of the masters.
    pub(crate) fn kill_one(&mut self) {
        self.servers[0].kill();
    }

    /// The server that holds this key, as the servers that are left see it.
    pub(crate) fn master_of(&self, key: &str) -> usize {
        self.held_by(key).unwrap_or_else(|| panic!("nobody holds {key}: {}", self.any(&["CLUSTER", "NODES"])))
    }

    fn held_by(&self, key: &str) -> Option<usize> {
        let slot: u64 = self.any(&["CLUSTER", "KEYSLOT", key]).parse().unwrap();
        let nodes = self.any(&["CLUSTER", "NODES"]);
        let holds = |line: &&str| {
            let mut words = line.split(' ');
            let is_master = words.nth(2).is_some_and(|flags| flags.contains("master") && !flags.contains("fail"));
            is_master
                && words.skip(5).any(|range| {
                    let (first, last) = range.split_once('-').unwrap_or((range, range));
                    first.parse().is_ok_and(|first: u64| first <= slot)
                        && last.parse().is_ok_and(|last: u64| slot <= last)
                })
        };
        let line = nodes.lines().find(holds)?;
        let place = line.split(' ').nth(1).unwrap().split('@').next().unwrap();
        let port = place.rsplit(':').next().unwrap();
        self.ports.iter().position(|known| known == port)
    }

    /// Ends one of the servers.
    pub(crate) fn kill(&mut self, server: usize) {
        self.servers[server].kill();
    }

    /// Waits until another server than this holds the key, and every server knows.
    pub(crate) fn moved_from(&self, server: usize, key: &str) -> usize {
        until("the cluster is whole again", || {
            let living = self.servers.iter().enumerate().filter(|(n, _)| *n != server);
            let whole = |server: &RedisServer| server.cli(&["CLUSTER", "INFO"]).contains("cluster_state:ok");
            living.clone().all(|(_, server)| whole(server)) && self.held_by(key).is_some_and(|holder| holder != server)
        });
        self.master_of(key)
    }

    /// Has another master hold the slot of this key, step by step, with pauses in which clients are redirected.
    pub(crate) fn move_slot(&self, key: &str, from: usize, to: usize) {
        let id = |server: usize| self.cli(server, &["CLUSTER", "MYID"]);
        let slot = self.any(&["CLUSTER", "KEYSLOT", key]);
        assert_eq!(self.cli(to, &["CLUSTER", "SETSLOT", &slot, "IMPORTING", &id(from)]), "OK");
        assert_eq!(self.cli(from, &["CLUSTER", "SETSLOT", &slot, "MIGRATING", &id(to)]), "OK");
        let keys = || self.cli(from, &["CLUSTER", "GETKEYSINSLOT", &slot, "100"]);
        until("the slot is empty", || {
            let found = keys();
            for key in found.lines().filter(|line| !line.is_empty()) {
                self.cli(from, &["MIGRATE", "127.0.0.1", &self.ports[to], key, "0", "1000"]);
            }
            found.trim().is_empty()
        });
        for server in [to, from, 3 - to - from] {
            assert_eq!(self.cli(server, &["CLUSTER", "SETSLOT", &slot, "NODE", &id(to)]), "OK");
        }
    }

    /// Runs a command on one server, as an operator would.
    pub(crate) fn cli(&self, server: usize, arguments: &[&str]) -> String {
        self.servers[server].cli(arguments)
    }

    /// Runs a command on whichever server answers.
    fn any(&self, arguments: &[&str]) -> String {
        let answers = self.servers.iter().map(|server| server.cli(arguments));
        answers.into_iter().find(|answer| !answer.is_empty()).expect("a server answers")
    }

    pub(crate) fn url(&self) -> String {
        let nodes: Vec<String> = self.ports.iter().map(|port| format!("127.0.0.1:{port}")).collect();
        format!("redis-cluster://{}", nodes.join(","))
    }
}

//! Three masters of a real Redis Cluster.

use std::process::Command;

use crate::redis_server::{RedisServer, free_port, until};

pub(crate) struct RedisCluster {
    ports: Vec<String>,
    servers: Vec<RedisServer>,
}

impl RedisCluster {
    pub(crate) fn start() -> Self {
        let (mut ports, mut servers) = (Vec::new(), Vec::new());
        for _ in 0..3 {
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
                "2000",
            ]));
            ports.push(port);
        }
        let cluster = Self { ports, servers };
        let nodes = cluster.ports.iter().map(|port| format!("127.0.0.1:{port}"));
        let created = Command::new("redis-cli")
            .args(["--cluster", "create"])
            .args(nodes)
            .args(["--cluster-replicas", "0", "--cluster-yes"])
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

    pub(crate) fn url(&self) -> String {
        let nodes: Vec<String> = self.ports.iter().map(|port| format!("127.0.0.1:{port}")).collect();
        format!("redis-cluster://{}", nodes.join(","))
    }
}

//! One connection, and how the client is set up.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use fred::prelude::{Builder, Client, ClientLike, ReconnectPolicy, Server};
use fred::types::ConnectHandle;
use fred::types::config::{Options, TcpConfig};

use super::config::{RedisConfig, RedisConfigError};

/// A connection to Redis; of a Cluster, one to each node.
pub(super) struct Connection {
    client: ArcSwap<Client>,
    task: Mutex<Option<ConnectHandle>>,
    builder: Builder,
}

impl Connection {
    pub(super) fn new(builder: Builder) -> Result<Self, RedisConfigError> {
        let client = builder.build().map_err(|_| RedisConfigError::Address)?;
        let task = Mutex::new(Some(client.connect()));
        Ok(Self { client: ArcSwap::from_pointee(client), task, builder })
    }

    /// The client that speaks over it.
    pub(super) fn client(&self) -> Arc<Client> {
        self.client.load_full()
    }

    /// Whether its task has ended: then it never comes back by itself.
    pub(super) fn is_abandoned(&self) -> bool {
        self.task.lock().unwrap_or_else(PoisonError::into_inner).as_ref().is_none_or(ConnectHandle::is_finished)
    }

    /// A fresh connection. The old one's task may hang in a write and would answer to nothing else.
    pub(super) fn renew(&self) {
        let Ok(client) = self.builder.build() else { return };
        let task = client.connect();
        if let Some(old) = self.task.lock().unwrap_or_else(PoisonError::into_inner).replace(task) {
            old.abort();
        }
        self.client.store(Arc::new(client));
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if let Some(task) = self.task.lock().unwrap_or_else(PoisonError::into_inner).take() {
            task.abort();
        }
    }
}

/// How every command is sent: once, with a deadline, and not at all without a connection.
pub(super) fn options(limit: Duration, node: Option<Server>) -> Options {
    Options { timeout: Some(limit), fail_fast: true, max_attempts: Some(1), cluster_node: node, ..Options::default() }
}

/// The client's settings, as its measured traps demand.
pub(super) fn builder(config: &RedisConfig) -> Result<Builder, RedisConfigError> {
    let mut policy = ReconnectPolicy::new_exponential(0, 20, 500, 2);
    policy.set_jitter(20);
    let (connect, write) = (config.connect_timeout, config.write_timeout);
    let mut builder = Builder::from_config(config.client_config()?);
    builder.set_policy(policy);
    builder.with_connection_config(|connection| {
        connection.connection_timeout = connect;
        connection.internal_command_timeout = connect;
        connection.max_command_attempts = 1;
        connection.unresponsive.max_timeout = Some(write.max(Duration::from_secs(1)) * 2);
        connection.unresponsive.interval = Duration::from_millis(200);
        connection.tcp = TcpConfig {
            // Without it small commands wait for one another (Nagle).
            nodelay: Some(true),
            // A write to a server that hangs would block the connection's task for ever.
            user_timeout: Some(write.max(Duration::from_secs(1))),
            ..TcpConfig::default()
        };
    });
    builder.with_performance_config(|performance| performance.broadcast_channel_capacity = 1024);
    Ok(builder)
}

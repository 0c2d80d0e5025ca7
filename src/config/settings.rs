//! What a checked configuration is: plain data.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use http::Uri;

use super::diagnostic::Diagnostic;
use super::ip_net::IpNet;
use super::redis_url::RedisUrl;
use super::secret::Secret;
use crate::route::Table;

/// A configuration that was checked and can be used as it is.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// Where clients are served. `127.0.0.1:8080`.
    pub listen: SocketAddr,
    /// The upstream; the proxy needs one, the layer does not. See [`Config::with_upstream`].
    pub upstream: Option<Uri>,
    /// Which `Host` the upstream is shown. [`HostHeader::Preserve`] also when `hosts` names more than one.
    pub host_header: HostHeader,
    /// The hosts that are served, lower case; empty serves every host.
    pub hosts: Vec<String>,
    /// Whose `X-Forwarded-*` fields are believed. Nobody's.
    pub trusted_proxies: Vec<IpNet>,
    /// How long requests in flight may take when the process is told to end. 30 s.
    pub drain_timeout: Duration,
    /// The routes, and what holds for all of them.
    pub table: Table,
    /// The shared store, if there is one.
    pub redis: Option<Redis>,
    /// The store in this process.
    pub memory: Memory,
    /// The admin listener.
    pub admin: Admin,
    /// What is probably not meant, in the order of the file.
    pub warnings: Vec<Diagnostic>,
}

/// Which `Host` the upstream is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HostHeader {
    /// Its own authority; the host is not keyed.
    #[default]
    Upstream,
    /// The client's; the host is keyed.
    Preserve,
}

/// The shared store.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Redis {
    /// Where it is. `redis://127.0.0.1:6379/0`.
    pub url: RedisUrl,
    /// What every key of larder's begins with. `larder`.
    pub key_prefix: String,
    /// Connections. 10.
    pub pool_size: usize,
    /// How long a connection may take. 1 s.
    pub connect_timeout: Duration,
    /// How long a read may take; past it the request is a miss. 50 ms.
    pub read_timeout: Duration,
    /// How long a write may take. 500 ms.
    pub write_timeout: Duration,
    /// From which size on bodies are compressed in Redis; `None` compresses nothing. 4 KiB.
    pub compress: Option<u64>,
    /// What becomes of requests while Redis cannot be reached.
    pub on_error: OnError,
    /// How the connections of a `rediss` URL are encrypted.
    pub tls: RedisTls,
}

/// How connections to Redis are encrypted. The default trusts the authorities of the system and shows no certificate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RedisTls {
    /// A PEM file with the authorities that the server's certificate may be signed by, in place of the system's.
    pub ca_file: Option<PathBuf>,
    /// A PEM file with the certificate that is shown to the server.
    pub cert_file: Option<PathBuf>,
    /// A PEM file with its key.
    pub key_file: Option<PathBuf>,
    /// The name that the server's certificate must carry. That of the host.
    pub server_name: Option<String>,
}

/// What becomes of requests while Redis cannot be reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnError {
    /// They go to the upstream.
    #[default]
    Bypass,
    /// They are answered with 502 and the reason.
    Error,
}

/// The store in this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Memory {
    /// There is none: Redis alone.
    Off,
    /// There is one.
    On {
        /// How many bytes it may hold. 256 MiB.
        max_bytes: u64,
        /// In front of Redis: how long it answers without asking Redis again. 1 h.
        max_ttl: Duration,
        /// The same while changes in Redis are not told. 5 s; zero keeps nothing.
        degraded_ttl: Duration,
    },
}

/// The admin listener.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Admin {
    /// Where it listens. `127.0.0.1:9090`.
    pub listen: SocketAddr,
    /// What callers must show; nobody must without one.
    pub token: Option<Secret>,
}

impl Default for Redis {
    fn default() -> Self {
        Self {
            url: RedisUrl::server("127.0.0.1", 6379),
            key_prefix: "larder".to_owned(),
            pool_size: 10,
            connect_timeout: Duration::from_secs(1),
            read_timeout: Duration::from_millis(50),
            write_timeout: Duration::from_millis(500),
            compress: Some(4 << 10),
            on_error: OnError::default(),
            tls: RedisTls::default(),
        }
    }
}

impl Default for Memory {
    fn default() -> Self {
        Self::On {
            max_bytes: 256 * 1024 * 1024,
            max_ttl: Duration::from_secs(3600),
            degraded_ttl: Duration::from_secs(5),
        }
    }
}

impl Default for Admin {
    fn default() -> Self {
        Self { listen: SocketAddr::from(([127, 0, 0, 1], 9090)), token: None }
    }
}

//! Where Redis is and how long it may take: the URL, taken apart and made into what the client wants.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use fred::prelude::{Config, Server, ServerConfig};
use fred::types::config::{ClusterDiscoveryPolicy, TlsHostMapping};

use super::tls::RedisTls;

/// How to reach Redis. `Debug` never shows a password.
#[derive(Clone)]
pub struct RedisConfig {
    /// `redis://[user:password@]host[:port][/db]`, `rediss://…` for TLS, `unix:///path[?db=N]`,
    /// `redis-cluster://host:port,host:port`, `redis-sentinel://host:port,host:port/db?master=NAME`; `rediss-cluster` and
    /// `rediss-sentinel` for TLS. User and password are percent-encoded.
    pub url: String,
    /// What every key begins with, without the colon. `larder`.
    pub key_prefix: String,
    /// The most connections this process may open to one server. 10; three are used: one for small reads, one for stores
    /// and invalidations, one for large bodies, so that none of these stands before what is small. With 2, large bodies
    /// go with the stores; with 1, one does everything.
    pub pool_size: usize,
    /// How long a connection may take to be made. 1 s.
    pub connect_timeout: Duration,
    /// How long a read, or the request for a lease, may take: past it, a miss. 50 ms.
    pub read_timeout: Duration,
    /// How long a store or one step of an invalidation may take. 500 ms. For a body over 64 KiB this and `read_timeout`
    /// grow by a millisecond for every 16 KiB.
    pub write_timeout: Duration,
    /// Bodies of at least this many bytes are compressed in Redis where that saves a tenth of them; `None` compresses
    /// nothing. 4 KiB.
    pub compress: Option<usize>,
    /// Bodies of more bytes are never compressed, and none is inflated to more. 8 MiB; as large as the largest `max_body`.
    pub largest_body: usize,
    /// How the connections of a `rediss` URL are encrypted.
    pub tls: RedisTls,
}

/// Why a configuration cannot be used. A server that is not there is no error.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RedisConfigError {
    /// The scheme is none of those that are known.
    #[error("a Redis URL begins with redis://, rediss://, unix://, redis-cluster:// or redis-sentinel://")]
    Scheme,
    /// A host or port that cannot be read.
    #[error("the Redis URL names no usable host and port")]
    Address,
    /// The database is not a number from 0 to 255.
    #[error("the database in the Redis URL is not a number")]
    Database,
    /// A user or password that is not properly percent-encoded.
    #[error("the user or password in the Redis URL is not properly percent-encoded")]
    Credentials,
    /// Sentinel without `?master=`.
    #[error("a redis-sentinel URL needs ?master=NAME")]
    Master,
    /// A Cluster has one database.
    #[error("Redis Cluster has no databases but 0")]
    ClusterDatabase,
    /// An empty prefix, or one that begins with `~` or holds white space.
    #[error("key_prefix must be a word that does not begin with ~")]
    Prefix,
    /// TLS cannot be set up.
    #[error("TLS cannot be set up: {0}")]
    Tls(Arc<str>),
}

impl Default for RedisConfig {
    fn default() -> Self {
        Self {
            url: "redis://127.0.0.1:6379/0".into(),
            key_prefix: "larder".into(),
            pool_size: 10,
            connect_timeout: Duration::from_secs(1),
            read_timeout: Duration::from_millis(50),
            write_timeout: Duration::from_millis(500),
            compress: Some(4 << 10),
            largest_body: 8 << 20,
            tls: RedisTls::default(),
        }
    }
}

impl fmt::Debug for RedisConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisConfig")
            .field("url", &self.shown_url())
            .field("key_prefix", &self.key_prefix)
            .field("pool_size", &self.pool_size)
            .finish_non_exhaustive()
    }
}

impl RedisConfig {
    /// The defaults, with another URL.
    pub fn at(url: impl Into<String>) -> Self {
        Self { url: url.into(), ..Self::default() }
    }

    /// The URL without user and password.
    pub fn shown_url(&self) -> String {
        match Parts::of(&self.url) {
            // The query could be a misplaced password as well.
            Ok(parts) => format!("{}://{}{}", parts.scheme, parts.place, parts.path),
            Err(_) => "(unreadable)".into(),
        }
    }

    /// What the client is built from.
    pub(super) fn client_config(&self) -> Result<Config, RedisConfigError> {
        let prefix = &self.key_prefix;
        if prefix.is_empty() || prefix.starts_with('~') || prefix.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err(RedisConfigError::Prefix);
        }
        let parts = Parts::of(&self.url)?;
        let (server, database) = parts.server()?;
        // Start without a server: the client keeps trying; every command says for itself that it fails fast.
        let mut config = Config { server, database, fail_fast: false, ..Config::default() };
        config.username = parts.user.map(decode).transpose()?.filter(|user| !user.is_empty());
        config.password = parts.password.map(decode).transpose()?;
        config.tls = if parts.scheme.starts_with("rediss") { Some(self.tls.connector()?.into()) } else { None };
        if let Some(tls) = &mut config.tls {
            tls.hostnames = TlsHostMapping::DefaultHost;
        }
        Ok(config)
    }
}

/// A URL taken apart, nothing decoded yet.
struct Parts<'a> {
    scheme: &'a str,
    user: Option<&'a str>,
    password: Option<&'a str>,
    /// The authority: hosts and ports, separated by commas.
    place: &'a str,
    path: &'a str,
    query: &'a str,
}

impl<'a> Parts<'a> {
    fn of(url: &'a str) -> Result<Self, RedisConfigError> {
        let (scheme, rest) = url.split_once("://").ok_or(RedisConfigError::Scheme)?;
        let known = ["redis", "rediss", "unix", "redis-cluster", "rediss-cluster", "redis-sentinel", "rediss-sentinel"];
        if !known.contains(&scheme) {
            return Err(RedisConfigError::Scheme);
        }
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        // A password with a raw `/` or `@` still ends at the last `@`: nothing of it may be taken for a host.
        let (login, rest) = rest.rsplit_once('@').map_or((None, rest), |(login, rest)| (Some(login), rest));
        let (place, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
        let (user, password) = match login.map(|login| login.split_once(':').ok_or(login)) {
            None => (None, None),
            Some(Ok((user, password))) => (Some(user), Some(password)),
            Some(Err(user)) => (Some(user), None),
        };
        Ok(Self { scheme, user, password, place, path, query })
    }

    fn server(&self) -> Result<(ServerConfig, Option<u8>), RedisConfigError> {
        if self.scheme == "unix" {
            if self.path.len() < 2 {
                return Err(RedisConfigError::Address);
            }
            let path = decode(self.path)?.into();
            return Ok((ServerConfig::Unix { path }, self.argument("db").map(number).transpose()?));
        }
        let default_port = if self.scheme.ends_with("-sentinel") { 26379 } else { 6379 };
        let hosts =
            self.place.split(',').map(|place| server(place, default_port)).collect::<Result<Vec<Server>, _>>()?;
        let database = match self.path.trim_start_matches('/') {
            "" => self.argument("db").map(number).transpose()?,
            text => Some(number(text)?),
        };
        let server = if self.scheme.ends_with("-cluster") {
            if database.is_some_and(|db| db != 0) {
                return Err(RedisConfigError::ClusterDatabase);
            }
            return Ok((ServerConfig::Clustered { hosts, policy: ClusterDiscoveryPolicy::default() }, None));
        } else if self.scheme.ends_with("-sentinel") {
            let service_name = decode(self.argument("master").ok_or(RedisConfigError::Master)?)?;
            ServerConfig::Sentinel { hosts, service_name, username: None, password: None }
        } else {
            let [server] = <[Server; 1]>::try_from(hosts).map_err(|_| RedisConfigError::Address)?;
            ServerConfig::Centralized { server }
        };
        Ok((server, database))
    }

    fn argument(&self, name: &str) -> Option<&'a str> {
        self.query.split('&').find_map(|pair| pair.split_once('=').filter(|(key, _)| *key == name)).map(|(_, v)| v)
    }
}

fn server(place: &str, default_port: u16) -> Result<Server, RedisConfigError> {
    let (host, port) = match place.strip_prefix('[') {
        Some(v6) => {
            let (host, rest) = v6.split_once(']').ok_or(RedisConfigError::Address)?;
            (host, rest.strip_prefix(':'))
        }
        None => place.split_once(':').map_or((place, None), |(host, port)| (host, Some(port))),
    };
    let port = port.map_or(Ok(default_port), |port| port.parse().map_err(|_| RedisConfigError::Address))?;
    let host = if host.is_empty() { "127.0.0.1" } else { host };
    Ok(Server::new(host, port))
}

fn number(text: &str) -> Result<u8, RedisConfigError> {
    text.parse().map_err(|_| RedisConfigError::Database)
}

fn decode(text: &str) -> Result<String, RedisConfigError> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [byte, after @ ..] = rest {
        rest = after;
        if *byte != b'%' {
            out.push(*byte);
            continue;
        }
        let hex = after.get(..2).and_then(|hex| std::str::from_utf8(hex).ok()).filter(|hex| !hex.starts_with('+'));
        let byte = hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()).ok_or(RedisConfigError::Credentials)?;
        out.push(byte);
        rest = &after[2..];
    }
    String::from_utf8(out).map_err(|_| RedisConfigError::Credentials)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(url: &str) -> Result<Config, RedisConfigError> {
        RedisConfig::at(url).client_config()
    }

    #[test]
    fn every_kind_of_url_is_understood() {
        let tcp = config("redis://us%40er:p%2Fw@cache.example:7000/3").unwrap();
        assert_eq!(tcp.server, ServerConfig::new_centralized("cache.example", 7000));
        assert_eq!((tcp.username.as_deref(), tcp.password.as_deref()), (Some("us@er"), Some("p/w")));
        assert_eq!(tcp.database, Some(3));
        assert!(config("rediss://:pw@[::1]").unwrap().tls.is_some());
        let unix = config("unix:///run/redis.sock?db=2").unwrap();
        assert_eq!((unix.server, unix.database), (ServerConfig::new_unix_socket("/run/redis.sock"), Some(2)));
        let cluster = config("redis-cluster://a:1,b:2").unwrap();
        assert!(matches!(cluster.server, ServerConfig::Clustered { hosts, .. } if hosts.len() == 2));
        let sentinel = config("redis-sentinel://a,b:2/1?master=mymaster").unwrap();
        assert_eq!(sentinel.database, Some(1));
        assert!(matches!(sentinel.server, ServerConfig::Sentinel { hosts, service_name, .. }
            if service_name == "mymaster" && hosts[0].port == 26379));
    }

    #[test]
    fn what_cannot_be_used_says_why() {
        for (url, error) in [
            ("http://a", RedisConfigError::Scheme),
            ("localhost:6379", RedisConfigError::Scheme),
            ("redis://a:port", RedisConfigError::Address),
            ("redis://a,b", RedisConfigError::Address),
            ("redis://a/x", RedisConfigError::Database),
            ("redis://a/256", RedisConfigError::Database),
            ("redis://:%zz@a", RedisConfigError::Credentials),
            ("unix://", RedisConfigError::Address),
            ("redis-sentinel://a", RedisConfigError::Master),
            ("redis-cluster://a/1", RedisConfigError::ClusterDatabase),
        ] {
            assert_eq!(config(url).unwrap_err(), error, "{url}");
        }
        let prefix = RedisConfig { key_prefix: "~x".into(), ..RedisConfig::default() };
        assert_eq!(prefix.client_config().unwrap_err(), RedisConfigError::Prefix);
    }

    #[test]
    fn a_password_is_never_shown() {
        for url in [
            "redis://u:hunter2@a/0",
            "redis://hunter2@a",
            "redis://:hun/ter2@a",
            "bad://:hunter2@a",
            "unix:///s?password=hunter2",
        ] {
            let shown = format!("{:?}", RedisConfig::at(url));
            assert!(!shown.contains("ter2"), "{shown}");
        }
    }
}

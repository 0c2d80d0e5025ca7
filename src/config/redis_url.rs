//! Where Redis is: the forms of `redis.url`.

use std::fmt;

use super::scalar::Fault;
use super::secret::Secret;

/// The place of Redis, taken apart. Its `Debug` and `Display` show no password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedisUrl {
    /// The servers.
    pub servers: Servers,
    /// Whether connections are encrypted: `rediss://`, `rediss-cluster://`, `rediss-sentinel://`.
    pub tls: bool,
    /// The user name; the default user otherwise.
    pub username: Option<String>,
    /// The password.
    pub password: Option<Secret>,
    /// The number of the database; 0 in a cluster.
    pub database: u32,
}

/// The servers of a Redis.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Servers {
    /// `redis://`: one server.
    One(Server),
    /// `unix://`: one server, by the path of its socket.
    Socket(String),
    /// `redis-cluster://`: some nodes of a cluster.
    Cluster(Vec<Server>),
    /// `redis-sentinel://`: the sentinels that know the master of this name.
    Sentinel {
        /// The sentinels.
        sentinels: Vec<Server>,
        /// What the master is called.
        master: String,
    },
}

/// A host and a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// A name or an IP address, IPv6 without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
}

/// The five forms with what a default URL looks like, for messages.
const FORMS: &str = "write redis://host:6379/0, unix:///path, redis-cluster://h:p,h:p or redis-sentinel://h:p,h:p/0?master=NAME; encrypted, rediss instead of redis";
const SCHEMES: [&str; 7] =
    ["redis", "rediss", "unix", "redis-cluster", "rediss-cluster", "redis-sentinel", "rediss-sentinel"];

impl RedisUrl {
    /// One server without a password.
    pub fn server(host: impl Into<String>, port: u16) -> Self {
        let servers = Servers::One(Server { host: host.into(), port });
        Self { servers, tls: false, username: None, password: None, database: 0 }
    }

    /// Reads a URL. A missing port is 6379, or 26379 of a sentinel.
    pub(super) fn parse(text: &str) -> Result<Self, Fault> {
        let (scheme, rest) = text.split_once("://").ok_or_else(|| {
            let meant = format!("redis://{text}");
            let is_address = text.contains(':') && !text.contains('@') && Self::parse(&meant).is_ok();
            Fault::new("is not a Redis URL", FORMS).meaning(is_address.then_some(meant))
        })?;
        if !SCHEMES.contains(&scheme) {
            return Err(Fault::new("is not a Redis URL: its scheme is not known", FORMS));
        }
        let (rest, query) = rest.split_once('?').map_or((rest, None), |(rest, query)| (rest, Some(query)));
        let (user, rest) = rest.rsplit_once('@').map_or((None, rest), |(user, rest)| (Some(user), rest));
        let (username, password) = user.map_or(Ok((None, None)), credentials)?;
        let tls = scheme.starts_with("rediss");
        let is_sentinel = scheme.ends_with("-sentinel");
        let argument = |name: &str| {
            let value = query.and_then(|query| query.strip_prefix(name)?.strip_prefix('='));
            value.filter(|value| !value.is_empty())
        };
        let (servers, database) = match scheme {
            "unix" => (Servers::Socket(socket(rest)?), argument("db").map_or(Ok(0), number)?),
            _ if scheme.ends_with("-cluster") => (Servers::Cluster(servers(cluster_servers(rest)?, 6379)?), 0),
            _ if is_sentinel => {
                let (hosts, database) = database(rest)?;
                let master =
                    argument("master").ok_or_else(|| Fault::new("does not name the master", FORMS))?.to_owned();
                (Servers::Sentinel { sentinels: servers(hosts, 26379)?, master }, database)
            }
            _ => {
                let (hosts, database) = database(rest)?;
                (Servers::One(one(servers(hosts, 6379)?)?), database)
            }
        };
        let allowed = if scheme == "unix" { argument("db").is_some() } else { is_sentinel };
        if query.is_some() && !allowed {
            return Err(Fault::new(
                "has a query, which only redis-sentinel:// (?master=) and unix:// (?db=) have",
                FORMS,
            ));
        }
        Ok(Self { servers, tls, username, password, database })
    }
}

/// `user:password`, `:password`, percent-encoded where needed.
fn credentials(user: &str) -> Result<(Option<String>, Option<Secret>), Fault> {
    let (name, password) = user.split_once(':').unwrap_or((user, ""));
    let decode = |text: &str| {
        let fault = || Fault::new("has a user name or password that is not percent-encoded properly", FORMS);
        decoded(text).ok_or_else(fault).map(|text| Some(text).filter(|text| !text.is_empty()))
    };
    Ok((decode(name)?, decode(password)?.map(Secret::new)))
}

fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let hex = std::str::from_utf8(rest.get(..2)?).ok().filter(|hex| hex.bytes().all(|b| b.is_ascii_hexdigit()))?;
        bytes.push(u8::from_str_radix(hex, 16).ok()?);
        rest = &rest[2..];
    }
    String::from_utf8(bytes).ok()
}

fn socket(path: &str) -> Result<String, Fault> {
    let absolute = path.starts_with('/') && path.len() > 1;
    absolute.then(|| path.to_owned()).ok_or_else(|| Fault::new("names no socket by its absolute path", FORMS))
}

fn cluster_servers(rest: &str) -> Result<&str, Fault> {
    let (hosts, path) = rest.split_once('/').unwrap_or((rest, ""));
    if !matches!(path, "" | "0") {
        return Err(Fault::new("names a database, and a cluster has only 0", FORMS));
    }
    Ok(hosts)
}

/// The hosts and the number of the database.
fn database(rest: &str) -> Result<(&str, u32), Fault> {
    let (hosts, path) = rest.split_once('/').unwrap_or((rest, ""));
    Ok((hosts, if path.is_empty() { 0 } else { number(path)? }))
}

fn number(text: &str) -> Result<u32, Fault> {
    text.parse().map_err(|_| Fault::new("has a path that is not the number of a database", FORMS))
}

fn servers(list: &str, default_port: u16) -> Result<Vec<Server>, Fault> {
    list.split(',').map(|server| Server::parse(server, default_port)).collect()
}

fn one(mut servers: Vec<Server>) -> Result<Server, Fault> {
    let last = servers.pop().filter(|_| servers.is_empty());
    last.ok_or_else(|| Fault::new("names several servers", "use redis-cluster:// or redis-sentinel:// for several"))
}

impl Server {
    fn parse(text: &str, default_port: u16) -> Result<Self, Fault> {
        let fault = || Fault::new("names a server that is not host:port", FORMS);
        let (host, port) = match text.strip_prefix('[').map(|rest| rest.split_once(']').ok_or_else(fault)) {
            Some(split) => {
                let (host, port) = split?;
                host.parse::<std::net::Ipv6Addr>().map_err(|_| fault())?;
                (host, port.strip_prefix(':').map_or(port.is_empty().then_some(""), Some).ok_or_else(fault)?)
            }
            None => text.split_once(':').unwrap_or((text, "")),
        };
        let port = if port.is_empty() { default_port } else { port.parse().map_err(|_| fault())? };
        let is_host = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b':');
        if host.is_empty() || !host.bytes().all(is_host) || port == 0 {
            return Err(fault());
        }
        Ok(Self { host: host.to_owned(), port })
    }
}

impl fmt::Display for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |servers: &[Server]| servers.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
        let s = if self.tls { "s" } else { "" };
        match &self.servers {
            Servers::One(server) => write!(f, "redis{s}://{server}/{}", self.database),
            Servers::Socket(path) if self.database == 0 => write!(f, "unix://{path}"),
            Servers::Socket(path) => write!(f, "unix://{path}?db={}", self.database),
            Servers::Cluster(nodes) => write!(f, "redis{s}-cluster://{}", list(nodes)),
            Servers::Sentinel { sentinels, master } => {
                write!(f, "redis{s}-sentinel://{}/{}?master={master}", list(sentinels), self.database)
            }
        }
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_read() {
        for (text, shown) in [
            ("redis://localhost", "redis://localhost:6379/0"),
            ("redis://[::1]:7000/3", "redis://[::1]:7000/3"),
            ("rediss://user:pass@r.example:6380/1", "rediss://r.example:6380/1"),
            ("unix:///run/redis.sock", "unix:///run/redis.sock"),
            ("unix:///run/redis.sock?db=3", "unix:///run/redis.sock?db=3"),
            ("rediss-cluster://a", "rediss-cluster://a:6379"),
            ("rediss-sentinel://a?master=main", "rediss-sentinel://a:26379/0?master=main"),
            ("redis-cluster://a:7000,b:7001", "redis-cluster://a:7000,b:7001"),
            ("redis-sentinel://a,b:26380/2?master=main", "redis-sentinel://a:26379,b:26380/2?master=main"),
        ] {
            assert_eq!(RedisUrl::parse(text).unwrap().to_string(), shown, "{text}");
        }
    }

    #[test]
    fn credentials_are_decoded_and_not_shown() {
        let url = RedisUrl::parse("redis://larder:p%40ss%3A@h").unwrap();
        assert_eq!((url.username.as_deref(), url.password.as_ref().unwrap().expose()), (Some("larder"), "p@ss:"));
        assert!(!format!("{url:?} {url}").contains("p@ss"));
        let url = RedisUrl::parse("redis://:secret@h").unwrap();
        assert_eq!((url.username, url.password.unwrap().expose()), (None, "secret"));
    }

    #[test]
    fn what_is_no_url_says_why() {
        for (text, problem) in [
            ("localhost", "is not a Redis URL"),
            ("http://h", "is not a Redis URL: its scheme is not known"),
            ("redis://", "names a server that is not host:port"),
            ("redis://h:x", "names a server that is not host:port"),
            ("redis://h:0", "names a server that is not host:port"),
            ("redis://[::1", "names a server that is not host:port"),
            ("redis://[::1]x", "names a server that is not host:port"),
            ("redis://h/one", "has a path that is not the number of a database"),
            ("redis://a,b", "names several servers"),
            ("redis://h?db=1", "has a query, which only redis-sentinel:// (?master=) and unix:// (?db=) have"),
            ("unix:///s?db=x", "has a path that is not the number of a database"),
            ("unix://relative", "names no socket by its absolute path"),
            ("redis-cluster://a,b/1", "names a database, and a cluster has only 0"),
            ("redis-sentinel://a,b", "does not name the master"),
            ("redis://u:%zz@h", "has a user name or password that is not percent-encoded properly"),
        ] {
            assert_eq!(RedisUrl::parse(text).unwrap_err().problem, problem, "{text}");
        }
        assert_eq!(RedisUrl::parse("h:6379").unwrap_err().meant.as_deref(), Some("redis://h:6379"));
    }
}

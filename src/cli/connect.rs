//! `larder check --connect`: whether what a configuration names can be reached, and what it is.

use std::fmt::Write as _;
use std::time::Duration;

use http::Uri;
use larder::config::{Config, Redis};
use larder::server::redis_config;
use larder::store::{Finding, Gravity, examine};
use serde::Serialize;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long the upstream may take to accept a connection.
const UPSTREAM_WITHIN: Duration = Duration::from_secs(3);

/// What was found at one address.
#[derive(Debug, Serialize)]
pub(super) struct Connection {
    name: &'static str,
    ok: bool,
    address: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    maxmemory_policy: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    findings: Vec<Said>,
}

#[derive(Debug, Serialize)]
struct Said {
    severity: &'static str,
    message: String,
}

/// Reaches for everything that the configuration names.
pub(super) async fn connect(config: &Config) -> Vec<Connection> {
    let mut connections = Vec::new();
    if let Some(redis) = &config.redis {
        connections.push(to_redis(redis).await);
    }
    if let Some(upstream) = &config.upstream {
        connections.push(to_upstream(upstream).await);
    }
    connections
}

async fn to_redis(redis: &Redis) -> Connection {
    let address = redis.url.to_string();
    match examine(&redis_config(redis)).await {
        Ok(seen) => Connection {
            ok: seen.findings.iter().all(|finding| finding.gravity() < Gravity::Fatal),
            address: seen.server,
            version: Some(seen.version),
            role: Some(seen.role),
            maxmemory_policy: seen.policy,
            findings: seen.findings.iter().map(Said::of).collect(),
            ..Connection::new("redis", String::new())
        },
        Err(why) => Connection { error: Some(why.to_string()), ..Connection::new("redis", address) },
    }
}

async fn to_upstream(upstream: &Uri) -> Connection {
    let (host, port) = (upstream.host().unwrap_or_default(), upstream.port_u16().unwrap_or(80));
    let address = format!("{host}:{port}");
    let host = host.trim_matches(['[', ']']);
    let why = match timeout(UPSTREAM_WITHIN, TcpStream::connect((host, port))).await {
        Ok(Ok(_)) => return Connection { ok: true, ..Connection::new("upstream", address) },
        Ok(Err(why)) => why.to_string(),
        Err(_) => "no answer in time".to_owned(),
    };
    let error = format!("{address}: no connection ({why}); start the upstream, or correct `upstream`");
    Connection { error: Some(error), ..Connection::new("upstream", address) }
}

impl Connection {
    fn new(name: &'static str, address: String) -> Self {
        Self {
            name,
            ok: false,
            address,
            version: None,
            role: None,
            maxmemory_policy: None,
            error: None,
            findings: Vec::new(),
        }
    }

    /// Whether it can be used.
    pub(super) fn is_usable(&self) -> bool {
        self.ok
    }

    /// How many warnings there are.
    pub(super) fn warnings(&self) -> usize {
        self.findings.iter().filter(|said| said.severity == "warning").count()
    }

    /// Lines for people.
    pub(super) fn shown(&self) -> String {
        let mut shown = format!("{}: {}", self.name, self.address);
        if let (Some(version), Some(role)) = (&self.version, &self.role) {
            let policy = self.maxmemory_policy.as_deref().unwrap_or("unknown");
            // Writing to a text cannot fail.
            let _ = write!(shown, ", {version}, {role}, maxmemory-policy {policy}");
        } else if self.ok {
            shown.push_str(", reachable");
        }
        shown.push('\n');
        for said in &self.findings {
            let _ = writeln!(shown, "{}: {}", said.severity, said.message);
        }
        if let Some(error) = &self.error {
            let _ = writeln!(shown, "error: {error}");
        }
        shown
    }
}

impl Said {
    fn of(finding: &Finding) -> Self {
        let severity = match finding.gravity() {
            Gravity::Hint => "hint",
            Gravity::Warning => "warning",
            Gravity::Fatal => "error",
        };
        Self { severity, message: finding.to_string() }
    }
}

//! What the environment says in place of the file.

use std::time::Duration;

use super::diagnostic::Report;
use super::env::Env;
use super::redis_url::{RedisUrl, Server, Servers};
use super::scalar::{self, Fault};
use super::secret::Secret;
use super::sections;
use super::settings::OnError;

/// The variables that outrank the file.
#[derive(Default)]
pub(super) struct Overrides {
    pub(super) redis_url: Option<RedisUrl>,
    pub(super) redis_host: Option<String>,
    pub(super) redis_port: Option<u16>,
    pub(super) redis_db: Option<u32>,
    pub(super) redis_password: Option<Secret>,
    pub(super) redis_pool_size: Option<usize>,
    pub(super) redis_read_timeout: Option<Duration>,
    pub(super) on_error: Option<OnError>,
    pub(super) enabled: Option<bool>,
    pub(super) default_ttl: Option<Duration>,
    pub(super) admin_token: Option<Secret>,
}

/// Every variable that is read, beside those that values name and `LARDER_LOG`, which the program reads.
pub const VARIABLES: &[&str] = &[
    "REDIS_URL",
    "REDIS_HOST",
    "REDIS_PORT",
    "REDIS_DB",
    "REDIS_PASSWORD",
    "REDIS_POOL_SIZE",
    "REDIS_SOCKET_TIMEOUT",
    "CACHE_ENABLED",
    "CACHE_TTL_DEFAULT",
    "CACHE_FAIL_SILENTLY",
    "LARDER_ADMIN_TOKEN",
];

impl Overrides {
    pub(super) fn read(env: &Env, report: &mut Report<'_>) -> Self {
        Self {
            redis_url: variable(env, report, "REDIS_URL", RedisUrl::parse),
            redis_host: variable(env, report, "REDIS_HOST", host),
            redis_port: variable(env, report, "REDIS_PORT", port).flatten(),
            redis_db: variable(env, report, "REDIS_DB", |text| number(text, 0, 65_535)),
            redis_password: variable(env, report, "REDIS_PASSWORD", |text| Ok(Secret::new(text))),
            redis_pool_size: variable(env, report, "REDIS_POOL_SIZE", sections::pool_size),
            redis_read_timeout: variable(env, report, "REDIS_SOCKET_TIMEOUT", seconds),
            on_error: variable(env, report, "CACHE_FAIL_SILENTLY", switch)
                .map(|silently| if silently { OnError::Bypass } else { OnError::Error }),
            enabled: variable(env, report, "CACHE_ENABLED", switch),
            default_ttl: variable(env, report, "CACHE_TTL_DEFAULT", |text| number(text, 0, 315_360_000))
                .map(|secs: u32| Duration::from_secs(secs.into())),
            admin_token: variable(env, report, "LARDER_ADMIN_TOKEN", sections::token),
        }
    }

    /// Where Redis is. `None` without a word about it in the environment and without a `redis:` section.
    pub(super) fn redis(&self, section: Option<Option<RedisUrl>>) -> Option<RedisUrl> {
        if let Some(url) = &self.redis_url {
            return Some(url.clone());
        }
        let mut url = match (&self.redis_host, section) {
            (Some(host), _) => RedisUrl::server(host, 6379),
            (None, Some(url)) => url.unwrap_or_else(|| RedisUrl::server("127.0.0.1", 6379)),
            (None, None) => return None,
        };
        if let Servers::One(Server { port, .. }) = &mut url.servers {
            *port = self.redis_port.unwrap_or(*port);
        }
        if !matches!(url.servers, Servers::Cluster(_)) {
            url.database = self.redis_db.unwrap_or(url.database);
        }
        url.password = self.redis_password.clone().or(url.password);
        Some(url)
    }
}

fn variable<V>(
    env: &Env,
    report: &mut Report<'_>,
    name: &str,
    parse: impl FnOnce(&str) -> Result<V, Fault>,
) -> Option<V> {
    let fault = |Fault { problem, hint, .. }| report.environment(format!("the variable `{name}` {problem}"), hint);
    parse(env.get(name)?).map_err(fault).ok()
}

fn host(text: &str) -> Result<String, Fault> {
    let url = RedisUrl::parse(&format!("redis://{text}"));
    match url.map(|url| url.servers) {
        Ok(Servers::One(server)) if !text.contains([':', '@', '/']) => Ok(server.host),
        _ => Err(Fault::new("is not a host", "write a name or an IPv4 address; for more use `REDIS_URL`")),
    }
}

/// Kubernetes sets `REDIS_PORT=tcp://10.0.0.1:6379` in every pod beside a service of the name `redis`; nobody meant that.
fn port(text: &str) -> Result<Option<u16>, Fault> {
    if text.starts_with("tcp://") {
        return Ok(None);
    }
    number(text, 1, 65_535).map(|port: u32| u16::try_from(port).ok())
}

fn number(text: &str, least: u64, most: u64) -> Result<u32, Fault> {
    scalar::whole_number(text, least, most).map(|number| u32::try_from(number).unwrap_or(u32::MAX))
}

fn seconds(text: &str) -> Result<Duration, Fault> {
    let duration = text.parse().ok().and_then(|secs| Duration::try_from_secs_f64(secs).ok());
    duration
        .filter(|duration| (Duration::from_millis(1)..=Duration::from_secs(3600)).contains(duration))
        .ok_or_else(|| Fault::new("is not a number of seconds", "write seconds from 0.001 to 3600, as in 0.05"))
}

fn switch(text: &str) -> Result<bool, Fault> {
    scalar::loose_boolean(text).ok_or_else(|| Fault::new("is neither true nor false", "write true or false"))
}

#[cfg(test)]
mod tests {
    use super::super::source::Source;
    use super::*;

    fn read(variables: &[(&str, &str)]) -> (Overrides, Vec<String>) {
        let (env, source) = (variables.iter().copied().collect(), Source::new("f", ""));
        let mut report = Report::new(&source);
        let overrides = Overrides::read(&env, &mut report);
        let found = report.finish(Some(())).err();
        (overrides, found.iter().flat_map(|found| found.iter()).map(|found| found.message.clone()).collect())
    }

    fn redis(variables: &[(&str, &str)], section: Option<&str>) -> Option<String> {
        let section = section.map(|url| RedisUrl::parse(url).ok());
        read(variables).0.redis(section).map(|url| url.to_string())
    }

    #[test]
    fn redis_is_where_the_environment_says() {
        let file = Some("redis://file:1/1");
        for (variables, section, expected) in [
            (&[][..], None, None),
            (&[], file, Some("redis://file:1/1")),
            (&[], Some(""), Some("redis://127.0.0.1:6379/0")),
            (&[("REDIS_URL", "redis://url:2/2"), ("REDIS_HOST", "host")], file, Some("redis://url:2/2")),
            (&[("REDIS_URL", "")], None, None),
            (&[("REDIS_HOST", "host")], file, Some("redis://host:6379/0")),
            (&[("REDIS_HOST", "host"), ("REDIS_PORT", "7"), ("REDIS_DB", "3")], None, Some("redis://host:7/3")),
            (&[("REDIS_PORT", "7"), ("REDIS_DB", "3")], file, Some("redis://file:7/3")),
            (&[("REDIS_PORT", "7"), ("REDIS_DB", "3")], None, None),
            (&[("REDIS_PORT", "tcp://10.0.0.1:6379")], file, Some("redis://file:1/1")),
            (&[("REDIS_DB", "3")], Some("redis-cluster://a:1"), Some("redis-cluster://a:1")),
        ] {
            assert_eq!(redis(variables, section).as_deref(), expected, "{variables:?}");
        }
        let url = read(&[("REDIS_PASSWORD", "p")]).0.redis(Some(None)).unwrap();
        assert_eq!(url.password.unwrap().expose(), "p");
    }

    #[test]
    fn bad_values_name_the_variable_and_are_not_shown() {
        for name in VARIABLES.iter().filter(|name| **name != "REDIS_PASSWORD") {
            let (_, found) = read(&[(name, "s3cr3t\u{1}")]);
            assert_eq!(found.len(), 1, "{name}");
            assert!(found[0].contains(name) && !found[0].contains("s3cr3t"), "{found:?}");
        }
    }

    #[test]
    fn switches_and_seconds_are_read() {
        let (read, found) = read(&[
            ("CACHE_ENABLED", "Off"),
            ("CACHE_FAIL_SILENTLY", "0"),
            ("CACHE_TTL_DEFAULT", "300"),
            ("REDIS_SOCKET_TIMEOUT", "0.25"),
            ("REDIS_POOL_SIZE", "4"),
            ("LARDER_ADMIN_TOKEN", "t"),
        ]);
        assert_eq!(found, Vec::<String>::new());
        assert_eq!((read.enabled, read.on_error, read.redis_pool_size), (Some(false), Some(OnError::Error), Some(4)));
        assert_eq!(read.default_ttl, Some(Duration::from_secs(300)));
        assert_eq!(read.redis_read_timeout, Some(Duration::from_millis(250)));
        assert_eq!(read.admin_token.unwrap().expose(), "t");
    }
}

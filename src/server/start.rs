//! From a configuration to the parts of a server.

use std::net::SocketAddr;
use std::sync::Arc;

use tower_layer::Layer as _;

use crate::cache::{Cache, CacheLayer, CacheService, ForwardedProto, OnStoreError};
use crate::clock::Clock;
use crate::config::{Config, HostHeader, Memory, OnError, Redis, RedisUrl};
use crate::proxy::{
    self, ClientAddr, ClientBody, Edge, EdgeError, EdgeRules, HostName, Network, Proxy, ProxyConfig, UpstreamError,
};
use crate::store::{MemoryStore, NearConfig, RedisConfig, RedisConfigError, RedisStore, RedisTls, Store, TieredStore};

/// An admin listener that others can reach needs a token of at least this many characters.
const MIN_TOKEN: usize = 16;

/// What requests go through: the edge, the cache, the proxy.
#[derive(Clone, Debug)]
pub(super) struct Stack {
    rules: Arc<EdgeRules>,
    cache: CacheLayer,
    proxy: Proxy,
}

/// Why a server cannot start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// There is nothing to send requests to.
    #[error("no upstream is configured: add `upstream: http://host:port` to the file, or pass --upstream")]
    NoUpstream,
    /// The upstream's URL cannot be used.
    #[error("the upstream cannot be used: {0}")]
    Upstream(#[from] UpstreamError),
    /// A name in `hosts` cannot be a `Host`.
    #[error("`{host}` in hosts cannot be a Host: {}", .why.sentence())]
    Host {
        /// The name.
        host: String,
        /// What is wrong with it.
        why: EdgeError,
    },
    /// Neither memory nor Redis is configured.
    #[error("there is nowhere to store anything: memory is off and no Redis is configured")]
    NoStore,
    /// The shared store cannot be used as it is configured. That it is away is no error.
    #[error("Redis cannot be used: {0}")]
    Redis(#[from] RedisConfigError),
    /// Others could reach the admin routes, and nothing keeps them out.
    #[error(
        "the admin routes listen on {0}, which others can reach: set LARDER_ADMIN_TOKEN to {MIN_TOKEN} characters or \
         more, or listen on 127.0.0.1"
    )]
    AdminExposed(SocketAddr),
}

/// The cache that a configuration asks for, on the store it names. For an app that wants the layer alone; needs a tokio
/// runtime.
///
/// # Errors
/// [`StartError`] when there is no store, or Redis cannot be used as it is configured. That it is away is no error.
pub async fn cache(config: &Config) -> Result<Cache, StartError> {
    cache_by(config, Clock::system()).await
}

/// The same, with the time from `clock`.
pub(super) async fn cache_by(config: &Config, clock: Clock) -> Result<Cache, StartError> {
    match (&config.redis, config.memory) {
        (Some(redis), memory) => {
            let largest_body = bytes(config.table.largest_body());
            let redis = RedisConfig { largest_body, ..redis_config(redis) };
            let redis = RedisStore::connect(redis, clock.clone()).await?;
            Ok(match near_config(memory) {
                Some(near) => on_store(config, TieredStore::new(near, redis, clock.clone()), clock),
                None => on_store(config, redis, clock),
            })
        }
        (None, Memory::On { max_bytes, .. }) => Ok(on_store(config, MemoryStore::new(max_bytes), clock)),
        (None, Memory::Off) => Err(StartError::NoStore),
    }
}

/// How memory is used in front of Redis, if it is.
fn near_config(memory: Memory) -> Option<NearConfig> {
    match memory {
        Memory::On { max_bytes, max_ttl, degraded_ttl } => Some(NearConfig { max_bytes, max_ttl, degraded_ttl }),
        Memory::Off => None,
    }
}

/// How to reach this Redis. Its URL holds the password, and is never to be logged.
pub fn redis_config(redis: &Redis) -> RedisConfig {
    RedisConfig {
        url: with_credentials(&redis.url),
        key_prefix: redis.key_prefix.clone(),
        pool_size: redis.pool_size,
        connect_timeout: redis.connect_timeout,
        read_timeout: redis.read_timeout,
        write_timeout: redis.write_timeout,
        compress: redis.compress.map(bytes),
        largest_body: RedisConfig::default().largest_body,
        tls: RedisTls {
            ca_file: redis.tls.ca_file.clone(),
            cert_file: redis.tls.cert_file.clone(),
            key_file: redis.tls.key_file.clone(),
            server_name: redis.tls.server_name.clone(),
        },
    }
}

fn bytes(size: u64) -> usize {
    usize::try_from(size).unwrap_or(usize::MAX)
}

/// The URL with the user and the password that its `Display` leaves out. Never to be logged.
fn with_credentials(url: &RedisUrl) -> String {
    let shown = url.to_string();
    let password = url.password.as_ref().map(|password| encoded(password.expose()));
    let user = url.username.as_deref().map(encoded).unwrap_or_default();
    let credentials = match password {
        Some(password) => format!("{user}:{password}@"),
        None if user.is_empty() => return shown,
        None => format!("{user}@"),
    };
    shown.replacen("://", &format!("://{credentials}"), 1)
}

/// Percent-encodes everything but unreserved characters (RFC 3986 §2.3).
fn encoded(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(byte).collect()
}

fn on_store(config: &Config, store: impl Store, clock: Clock) -> Cache {
    let on_error = match config.redis.as_ref().map(|redis| redis.on_error) {
        Some(OnError::Error) => OnStoreError::Error,
        Some(OnError::Bypass) | None => OnStoreError::Bypass,
    };
    let builder = Cache::builder(config.table.clone(), store).on_store_error(on_error).clock(clock);
    match &config.admin.token {
        Some(token) => builder.bypass_token(token.expose()).build(),
        None => builder.build(),
    }
}

/// What clients' requests go through.
pub(super) fn stack(config: &Config, cache: &Cache) -> Result<Stack, StartError> {
    let upstream = config.upstream.clone().ok_or(StartError::NoUpstream)?;
    let host_header = match config.host_header {
        HostHeader::Upstream => proxy::HostHeader::Upstream,
        HostHeader::Preserve => proxy::HostHeader::Preserve,
    };
    // Both types read the same text; one that the configuration accepted and the proxy does not is left untrusted.
    let trusted: Vec<Network> = config.trusted_proxies.iter().filter_map(|net| net.to_string().parse().ok()).collect();
    let proxy = Proxy::new(ProxyConfig::new(upstream)?.host_header(host_header).trusted_proxies(trusted));
    Ok(Stack { rules: Arc::new(edge_rules(config)?), cache: cache.layer().with_query::<ClientBody>(), proxy })
}

/// What is turned away before the cache sees it.
pub(super) fn edge_rules(config: &Config) -> Result<EdgeRules, StartError> {
    let hosts = config
        .hosts
        .iter()
        .map(|host| HostName::parse(host).map_err(|why| StartError::Host { host: host.clone(), why }));
    Ok(EdgeRules::default().hosts(hosts.collect::<Result<_, _>>()?))
}

impl Stack {
    /// What the requests of one connection go through.
    pub(super) fn connect(&self, client: ClientAddr) -> Edge<CacheService<Proxy>> {
        let proto = if self.proxy.trusts(client) { ForwardedProto::Believed } else { ForwardedProto::Replaced };
        let cached = self.cache.clone().forwarded_proto(proto).layer(self.proxy.for_client(client));
        Edge::new(cached, Arc::clone(&self.rules))
    }
}

/// Refuses admin routes that others can reach without a token worth the name. For those who want to know before they
/// listen; [`Server::run`](super::Server::run) asks again.
///
/// # Errors
/// [`StartError::AdminExposed`].
pub fn check_exposure(address: SocketAddr, token: Option<&str>) -> Result<(), StartError> {
    let guarded = token.is_some_and(|token| token.chars().count() >= MIN_TOKEN);
    if guarded || address.ip().to_canonical().is_loopback() { Ok(()) } else { Err(StartError::AdminExposed(address)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn memory_stands_before_redis_unless_it_is_off() {
        use crate::config::{Env, Source};
        for (memory, store) in [("{ max_bytes: 1MiB }", "TieredStore"), ("off", "RedisStore")] {
            let text = format!("redis: {{ url: \"unix:///nowhere/redis.sock\" }}\nmemory: {memory}\n");
            let config = Config::parse(&Source::new("routes.yaml", text), &Env::empty()).unwrap();
            let cache = format!("{:?}", cache(&config).await.unwrap());
            assert!(cache.contains(&format!("store: {store}")), "{memory}: {cache}");
        }
    }

    #[test]
    fn the_near_tier_is_as_it_was_configured() {
        use std::time::Duration;
        let (max_ttl, degraded_ttl) = (Duration::from_secs(7), Duration::from_secs(2));
        let near = NearConfig { max_bytes: 3, max_ttl, degraded_ttl };
        assert_eq!(near_config(Memory::On { max_bytes: 3, max_ttl, degraded_ttl }), Some(near));
        assert_eq!(near_config(Memory::Off), None);
        assert_eq!(near_config(Memory::default()), Some(NearConfig::default()));
    }

    #[test]
    fn bodies_are_compressed_as_configured() {
        use crate::config::{Env, Source};
        for (text, compress) in
            [("{}", Some(4096)), ("{ compress: { min_bytes: 1KiB } }", Some(1024)), ("{ compress: off }", None)]
        {
            let source = Source::new("routes.yaml", format!("redis: {text}"));
            let config = Config::parse(&source, &Env::empty()).unwrap();
            assert_eq!(redis_config(&config.redis.unwrap()).compress, compress, "{text}");
        }
    }

    #[test]
    fn a_redis_url_gets_its_credentials_back() {
        use crate::config::Secret;
        let url = RedisUrl::server("db", 6379);
        assert_eq!(with_credentials(&url), "redis://db:6379/0");
        let url = RedisUrl { password: Some(Secret::new("p@ss/w:%é")), ..url };
        assert_eq!(with_credentials(&url), "redis://:p%40ss%2Fw%3A%25%C3%A9@db:6379/0");
        let url = RedisUrl { username: Some("app".into()), ..url };
        assert_eq!(with_credentials(&url), "redis://app:p%40ss%2Fw%3A%25%C3%A9@db:6379/0");
        let url = RedisUrl { password: None, ..url };
        assert_eq!(with_credentials(&url), "redis://app@db:6379/0");
    }

    #[test]
    fn only_the_loopback_address_goes_without_a_token() {
        for (address, token, allowed) in [
            ("127.0.0.1:9090", None, true),
            ("[::1]:9090", None, true),
            ("[::ffff:127.0.0.1]:9090", None, true),
            ("0.0.0.0:9090", None, false),
            ("10.0.0.1:9090", Some("fifteen letters"), false),
            ("10.0.0.1:9090", Some("sixteen letters!"), true),
        ] {
            assert_eq!(check_exposure(address.parse().unwrap(), token).is_ok(), allowed, "{address} {token:?}");
        }
    }
}

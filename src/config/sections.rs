//! The top level of the file and its small sections. A field is one line in a table; what it becomes is in `build`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use http::Uri;

use super::address;
use super::ip_net::IpNet;
use super::reader::{Field, Reader};
use super::redis_url::RedisUrl;
use super::rule_fields::{self, RuleDraft};
use super::scalar::{self, Fault};
use super::secret::Secret;
use super::settings::{HostHeader, OnError, RedisTls};
use super::source::At;
use super::yaml::{Kind, Node};

/// The file as it was read: what it does not say is `None`.
#[derive(Default)]
pub(super) struct FileDraft {
    pub(super) listen: Option<At<SocketAddr>>,
    pub(super) upstream: Option<Uri>,
    pub(super) host_header: Option<HostHeader>,
    pub(super) hosts: Option<Vec<String>>,
    pub(super) trusted_proxies: Option<Vec<IpNet>>,
    pub(super) x_cache: Option<bool>,
    pub(super) expose_key: Option<bool>,
    pub(super) drain_timeout: Option<Duration>,
    pub(super) redis: Option<RedisDraft>,
    pub(super) memory: Option<At<MemoryDraft>>,
    pub(super) ttl_classes: Vec<(String, Duration)>,
    pub(super) defaults: RuleDraft,
    pub(super) routes: Vec<RuleDraft>,
    pub(super) unmatched: Option<UnmatchedDraft>,
    pub(super) admin: AdminDraft,
}

#[derive(Default)]
pub(super) struct RedisDraft {
    pub(super) url: Option<RedisUrl>,
    pub(super) key_prefix: Option<String>,
    pub(super) pool_size: Option<usize>,
    pub(super) connect_timeout: Option<Duration>,
    pub(super) read_timeout: Option<Duration>,
    pub(super) write_timeout: Option<Duration>,
    pub(super) compress: Option<CompressDraft>,
    pub(super) on_error: Option<At<OnError>>,
    pub(super) tls: Option<At<RedisTls>>,
}

#[derive(Default)]
pub(super) struct CompressDraft {
    pub(super) off: bool,
    pub(super) min_bytes: Option<u64>,
}

#[derive(Default)]
pub(super) struct MemoryDraft {
    pub(super) off: bool,
    pub(super) max_bytes: Option<u64>,
    pub(super) max_ttl: Option<Duration>,
    pub(super) degraded_ttl: Option<Duration>,
}

#[derive(Default)]
pub(super) struct AdminDraft {
    pub(super) listen: Option<At<SocketAddr>>,
    pub(super) token: Option<Secret>,
}

#[derive(Clone, Copy)]
pub(super) enum UnmatchedDraft {
    Pass,
    Origin,
}

/// The top level.
pub(super) const TOP: &[Field<FileDraft>] = &[
    Field::new("listen", "listen: 127.0.0.1:8080", |file, r, node| file.listen = r.placed(node, address::listen)),
    Field::new("upstream", "upstream: http://127.0.0.1:9000", |file, r, node| {
        file.upstream = r.scalar(node, address::upstream);
    }),
    Field::new("host_header", "host_header: upstream", |file, r, node| {
        file.host_header = r.scalar(node, |text| {
            scalar::word(text, &[("upstream", HostHeader::Upstream), ("preserve", HostHeader::Preserve)])
        });
    }),
    Field::new("hosts", "hosts: [api.example.com]", |file, r, node| file.hosts = r.scalars(node, address::host)),
    Field::new("trusted_proxies", "trusted_proxies: [10.0.0.0/8]", |file, r, node| {
        file.trusted_proxies = r.scalars(node, network);
    }),
    Field::new("x_cache", "x_cache: true", |file, r, node| file.x_cache = r.scalar(node, scalar::boolean)),
    Field::new("expose_key", "expose_key: false", |file, r, node| file.expose_key = r.scalar(node, scalar::boolean)),
    Field::new("drain_timeout", "drain_timeout: 30s", |file, r, node| {
        file.drain_timeout = r.scalar(node, scalar::duration);
    }),
    Field::new("redis", "redis: { url: \"redis://127.0.0.1:6379/0\" }", |file, r, node| {
        r.fields(node, &[REDIS], file.redis.get_or_insert_default());
    }),
    Field::new("memory", "memory: { max_bytes: 256MiB }", |file, r, node| {
        file.memory = memory(r, node).map(|value| At { value, place: node.place, hidden: false });
    }),
    Field::new("ttl_classes", "ttl_classes: { short: 5m }", |file, r, node| file.ttl_classes = classes(r, node)),
    Field::new("defaults", "defaults: { ttl: 5m }", |file, r, node| {
        r.fields(node, &[rule_fields::SHARED], &mut file.defaults);
    }),
    Field::new("routes", "routes: [{ path: /api/posts/, ttl: 90s }]", |file, r, node| {
        file.routes = r.list(node, rule_fields::route).unwrap_or_default();
    }),
    Field::new("unmatched", "unmatched: pass", |file, r, node| {
        file.unmatched = r.scalar(node, |text| {
            scalar::word(text, &[("pass", UnmatchedDraft::Pass), ("origin", UnmatchedDraft::Origin)])
        });
    }),
    Field::new("admin", "admin: { listen: \"127.0.0.1:9090\" }", |file, r, node| {
        r.fields(node, &[ADMIN], &mut file.admin);
    }),
];

/// `redis:`.
pub(super) const REDIS: &[Field<RedisDraft>] = &[
    Field::new("url", "url: redis://127.0.0.1:6379/0", |redis, r, node| redis.url = r.scalar(node, RedisUrl::parse)),
    Field::new("key_prefix", "key_prefix: larder", |redis, r, node| redis.key_prefix = r.scalar(node, key_prefix)),
    Field::new("pool_size", "pool_size: 10", |redis, r, node| redis.pool_size = r.scalar(node, pool_size)),
    Field::new("connect_timeout", "connect_timeout: 1s", |redis, r, node| {
        redis.connect_timeout = r.scalar(node, scalar::time_limit);
    }),
    Field::new("read_timeout", "read_timeout: 50ms", |redis, r, node| {
        redis.read_timeout = r.scalar(node, scalar::time_limit);
    }),
    Field::new("write_timeout", "write_timeout: 500ms", |redis, r, node| {
        redis.write_timeout = r.scalar(node, scalar::time_limit);
    }),
    Field::new("compress", "compress: { min_bytes: 4KiB }", |redis, r, node| redis.compress = compress(r, node)),
    Field::new("on_error", "on_error: bypass", |redis, r, node| {
        redis.on_error =
            r.placed(node, |text| scalar::word(text, &[("bypass", OnError::Bypass), ("error", OnError::Error)]));
    }),
    Field::new("tls", "tls: { ca_file: /etc/redis/ca.pem }", |redis, r, node| {
        let mut value = RedisTls::default();
        r.fields(node, &[TLS], &mut value);
        redis.tls = Some(At { value, place: node.place, hidden: false });
    }),
];

/// `redis.tls:`.
pub(super) const TLS: &[Field<RedisTls>] = &[
    Field::new("ca_file", "ca_file: /etc/redis/ca.pem", |tls, r, node| tls.ca_file = r.scalar(node, file)),
    Field::new("cert_file", "cert_file: /etc/redis/larder.pem", |tls, r, node| tls.cert_file = r.scalar(node, file)),
    Field::new("key_file", "key_file: /etc/redis/larder.key", |tls, r, node| tls.key_file = r.scalar(node, file)),
    Field::new("server_name", "server_name: redis.internal", |tls, r, node| {
        tls.server_name = r.scalar(node, address::host);
    }),
];

/// `redis.compress:`, when it is a mapping.
pub(super) const COMPRESS: &[Field<CompressDraft>] =
    &[Field::new("min_bytes", "min_bytes: 4KiB", |compress, r, node| {
        compress.min_bytes = r.scalar(node, scalar::size);
    })];

/// `memory:`, when it is a mapping.
pub(super) const MEMORY: &[Field<MemoryDraft>] = &[
    Field::new("max_bytes", "max_bytes: 256MiB", |memory, r, node| memory.max_bytes = r.scalar(node, some_bytes)),
    Field::new("max_ttl", "max_ttl: 1h", |memory, r, node| memory.max_ttl = r.scalar(node, scalar::time_limit)),
    Field::new("degraded_ttl", "degraded_ttl: 5s", |memory, r, node| {
        memory.degraded_ttl = r.scalar(node, scalar::duration);
    }),
];

/// `admin:`.
pub(super) const ADMIN: &[Field<AdminDraft>] = &[
    Field::new("listen", "listen: 127.0.0.1:9090", |admin, r, node| admin.listen = r.placed(node, address::listen)),
    Field::new("token", "token: \"${LARDER_ADMIN_TOKEN:-}\"", |admin, r, node| {
        // A variable that is not set leaves the token empty, and then there is none.
        let token = |text: &str| if text.is_empty() { Ok(None) } else { self::token(text).map(Some) };
        admin.token = r.scalar(node, token).flatten();
    }),
];

/// More names for lifetimes than this help nobody.
const MAX_CLASSES: usize = 100;

fn memory(reader: &mut Reader<'_>, node: &Node) -> Option<MemoryDraft> {
    let off = MemoryDraft { off: true, ..MemoryDraft::default() };
    unless_off(reader, node, off, MEMORY, "write `memory: off`, or `memory: { max_bytes: 256MiB }`")
}

fn compress(reader: &mut Reader<'_>, node: &Node) -> Option<CompressDraft> {
    let off = CompressDraft { off: true, ..CompressDraft::default() };
    unless_off(reader, node, off, COMPRESS, "write `compress: off`, or `compress: { min_bytes: 4KiB }`")
}

/// `off`, `false`, or a mapping.
fn unless_off<T: Default>(
    reader: &mut Reader<'_>,
    node: &Node,
    off: T,
    table: &[Field<T>],
    hint: &'static str,
) -> Option<T> {
    if let Kind::Scalar(_) = &node.kind {
        let word = |text: &str| scalar::word(text, &[("off", ()), ("false", ())]);
        reader.scalar(node, |text| word(text).map_err(|_| Fault::new("is not `off`", hint)))?;
        return Some(off);
    }
    let mut draft = T::default();
    reader.fields(node, &[table], &mut draft);
    Some(draft)
}

fn classes(reader: &mut Reader<'_>, node: &Node) -> Vec<(String, Duration)> {
    let mut classes = Vec::new();
    let entries = reader.entries(node).unwrap_or_default();
    if entries.len() > MAX_CLASSES {
        reader.report.error(node.place, "too many classes", format!("at most {MAX_CLASSES}"));
        return classes;
    }
    for (name, pair) in entries {
        let is_name = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
        if !name.bytes().all(is_name) || !name.starts_with(|c: char| c.is_ascii_alphabetic()) {
            let hint = "letters, digits, `_` and `-`, a letter first, as in `very_long`";
            reader.report.error(pair.key.place, "this cannot name a class", hint);
        } else if let Some(duration) = reader.scalar(&pair.value, scalar::duration) {
            classes.push((name.to_owned(), duration));
        }
    }
    classes
}

fn network(text: &str) -> Result<IpNet, Fault> {
    text.parse().map_err(|_| Fault::new("is not a network", "write an IP address or a network: 10.0.0.0/8"))
}

fn file(text: &str) -> Result<PathBuf, Fault> {
    if text.is_empty() { Err(Fault::new("names no file", "write the path of a PEM file")) } else { Ok(text.into()) }
}

fn key_prefix(text: &str) -> Result<String, Fault> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.' | b':');
    if text.is_empty() || text.len() > 64 || !text.bytes().all(allowed) {
        return Err(Fault::new("cannot be a key prefix", "1 to 64 letters, digits, `_`, `-`, `.` and `:`"));
    }
    Ok(text.to_owned())
}

pub(super) fn pool_size(text: &str) -> Result<usize, Fault> {
    scalar::whole_number(text, 1, 1024).map(|size| usize::try_from(size).unwrap_or(1))
}

fn some_bytes(text: &str) -> Result<u64, Fault> {
    match scalar::size(text)? {
        0 => Err(Fault::new("holds nothing", "write `memory: off` to keep nothing in this process")),
        bytes => Ok(bytes),
    }
}

/// A token travels in a header field.
pub(super) fn token(text: &str) -> Result<Secret, Fault> {
    if !text.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(Fault::new("cannot be a token", "a token is printable ASCII without spaces"));
    }
    Ok(Secret::new(text))
}

//! From the fields that were read to the configuration: defaults, precedence, and what two fields must agree on.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;

use http::Uri;
use http::header::HeaderValue;

use super::diagnostic::Report;
use super::overrides::Overrides;
use super::reach;
use super::rule::{self, Surroundings};
use super::rule_fields::RuleDraft;
use super::sections::{AdminDraft, CompressDraft, FileDraft, MemoryDraft, RedisDraft, UnmatchedDraft};
use super::settings::{Admin, Config, HostHeader, Memory, OnError, Redis};
use super::source::At;
use crate::route::{Rule, Table};

/// An admin listener that others can reach needs a token of at least this many characters.
const MIN_TOKEN: usize = 16;

/// The configuration; `None` when routes are missing from it, which is then reported.
pub(super) fn build(mut file: FileDraft, env: &Overrides, report: &mut Report<'_>) -> Option<Config> {
    let listen = file.listen.as_ref().map_or(SocketAddr::from(([127, 0, 0, 1], 8080)), |at| at.value);
    let admin = admin(&file.admin, env, report);
    if let Some(place) = file.admin.listen.as_ref().or(file.listen.as_ref()).map(|at| at.place)
        && listen == admin.listen
        && listen.port() != 0
    {
        report.error(place, "`listen` and `admin.listen` are the same address", "give each a port of its own");
    }
    let hosts = file.hosts.take().unwrap_or_default();
    let several = hosts.len() > 1;
    let host_header = if several { HostHeader::Preserve } else { file.host_header.unwrap_or_default() };
    let table = table(&file, env, host_header, admin.token.is_some(), report)?;
    let redis_section = file.redis.take();
    let redis = redis(redis_section, env, report);
    let memory = memory(file.memory.take(), redis.is_some(), report);
    Some(Config {
        listen,
        upstream: file.upstream,
        host_header,
        hosts,
        trusted_proxies: file.trusted_proxies.unwrap_or_default(),
        drain_timeout: file.drain_timeout.unwrap_or(Duration::from_secs(30)),
        table,
        redis,
        memory,
        admin,
        warnings: Vec::new(),
    })
}

fn admin(draft: &AdminDraft, env: &Overrides, report: &mut Report<'_>) -> Admin {
    let mut admin = Admin { token: env.admin_token.clone().or_else(|| draft.token.clone()), ..Admin::default() };
    let Some(At { value: listen, place, .. }) = draft.listen else { return admin };
    admin.listen = listen;
    let length = admin.token.as_ref().map_or(0, |token| token.expose().chars().count());
    if !listen.ip().to_canonical().is_loopback() && length < MIN_TOKEN {
        let message = format!("others can reach this address, so a token of {MIN_TOKEN} characters or more is needed");
        let hint = match length {
            0 => "set `admin.token` or `LARDER_ADMIN_TOKEN`, or listen on 127.0.0.1",
            _ => "the token is shorter than that",
        };
        report.error(place, message, hint);
    }
    admin
}

fn redis(section: Option<RedisDraft>, env: &Overrides, report: &mut Report<'_>) -> Option<Redis> {
    let url = env.redis(section.as_ref().map(|draft| draft.url.clone()))?;
    let (draft, base) = (section.unwrap_or_default(), Redis::default());
    if let (Some(At { value: OnError::Error, place, .. }), None) = (&draft.on_error, env.on_error) {
        let message = "while Redis is away every request under a cached route is answered with 502";
        report.warn(*place, message, "`bypass` sends them to the upstream instead");
    }
    if let Some(At { value: tls, place, .. }) = &draft.tls {
        if !url.tls {
            let message = "`tls` has no effect: these connections are not encrypted";
            report.warn(*place, message, "begin the URL with rediss, as in rediss://");
        }
        if tls.cert_file.is_some() != tls.key_file.is_some() {
            report.error(*place, "`cert_file` and `key_file` go together", "name both, or neither");
        }
    }
    Some(Redis {
        tls: draft.tls.map(|at| at.value).unwrap_or_default(),
        url,
        key_prefix: draft.key_prefix.unwrap_or(base.key_prefix),
        pool_size: env.redis_pool_size.or(draft.pool_size).unwrap_or(base.pool_size),
        connect_timeout: draft.connect_timeout.unwrap_or(base.connect_timeout),
        read_timeout: env.redis_read_timeout.or(draft.read_timeout).unwrap_or(base.read_timeout),
        write_timeout: draft.write_timeout.unwrap_or(base.write_timeout),
        compress: match draft.compress {
            Some(CompressDraft { off: true, .. }) => None,
            Some(CompressDraft { min_bytes: Some(bytes), .. }) => Some(bytes),
            _ => base.compress,
        },
        on_error: env.on_error.or(draft.on_error.map(|at| at.value)).unwrap_or(base.on_error),
    })
}

fn memory(draft: Option<At<MemoryDraft>>, has_redis: bool, report: &mut Report<'_>) -> Memory {
    match draft {
        Some(At { value: MemoryDraft { off: true, .. }, place, .. }) => {
            if !has_redis {
                let hint = "add a `redis:` section, or leave the memory on";
                report.error(place, "without memory and without Redis there is nowhere to store anything", hint);
            }
            Memory::Off
        }
        Some(At { value: draft, .. }) => draft.over(Memory::default()),
        None => Memory::default(),
    }
}

impl MemoryDraft {
    /// What is written, and of the rest what `base` has.
    fn over(self, base: Memory) -> Memory {
        match base {
            Memory::Off => Memory::Off,
            Memory::On { max_bytes, max_ttl, degraded_ttl } => Memory::On {
                max_bytes: self.max_bytes.unwrap_or(max_bytes),
                max_ttl: self.max_ttl.unwrap_or(max_ttl),
                degraded_ttl: self.degraded_ttl.unwrap_or(degraded_ttl),
            },
        }
    }
}

fn table(
    file: &FileDraft,
    env: &Overrides,
    host_header: HostHeader,
    has_token: bool,
    report: &mut Report<'_>,
) -> Option<Table> {
    let classes = rule::classes(&file.ttl_classes);
    let default_ttl = rule::default_ttl(&file.defaults, env.default_ttl, &classes, report);
    let around = Surroundings { defaults: &file.defaults, default_ttl, classes: &classes, has_token };
    around.check(&file.defaults, report);
    let rules = rules(&file.routes, &around, report);
    if !matches!(file.unmatched, Some(UnmatchedDraft::Origin)) {
        reach::check(&file.routes, &rules, report);
    }

    let mut builder = rules.into_iter().fold(Table::builder(), |builder, rule| builder.route(rule));
    builder = match (host_header, file.upstream.as_ref().and_then(shown_host)) {
        (HostHeader::Preserve, _) => builder.key_host(),
        (HostHeader::Upstream, Some(authority)) => builder.show_host(authority),
        (HostHeader::Upstream, None) => builder,
    };
    if let Some(UnmatchedDraft::Origin) = file.unmatched {
        builder = builder.unmatched(around.unmatched(report)?);
    }
    let builder = builder
        .enabled(env.enabled.unwrap_or(true))
        .expose_key(file.expose_key.unwrap_or(false))
        .x_cache(file.x_cache.unwrap_or(true));
    builder.build().map_err(|error| report.whole(error.to_string(), "")).ok()
}

/// The rules of the routes that have one, each path once.
fn rules(routes: &[RuleDraft], around: &Surroundings<'_>, report: &mut Report<'_>) -> Vec<Rule> {
    let mut seen = HashMap::new();
    let mut rules = Vec::with_capacity(routes.len());
    for draft in routes {
        around.check(draft, report);
        let built = around.rule(draft, report);
        let Some(path) = &draft.path else { continue };
        let first = *seen.entry(shape(path.value.as_str())).or_insert(path.place);
        if first == path.place {
            rules.extend(built);
        } else {
            let message = "another route matches the same paths";
            report.repeated(path.place, message, "make one route of the two", first);
        }
    }
    rules
}

/// A path pattern without the names of its parameters.
fn shape(pattern: &str) -> String {
    let nameless = |segment: &str| match segment.strip_prefix('{') {
        Some(name) if name.ends_with("*}") => "{*}".to_owned(),
        Some(_) => "{}".to_owned(),
        None => segment.to_owned(),
    };
    pattern.split('/').map(nameless).collect::<Vec<_>>().join("/")
}

fn shown_host(upstream: &Uri) -> Option<HeaderValue> {
    HeaderValue::from_str(upstream.authority()?.as_str()).ok()
}

impl Config {
    /// The same configuration before another upstream.
    #[must_use]
    pub fn with_upstream(mut self, upstream: Uri) -> Self {
        if let Some(authority) = shown_host(&upstream) {
            self.table = self.table.showing_host(authority);
        }
        self.upstream = Some(upstream);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_that_differ_in_names_alone_have_one_shape() {
        assert_eq!(shape("/api/{a}/x/{b*}"), shape("/api/{c}/x/{d*}"));
        assert_ne!(shape("/api/{a}"), shape("/api/{a*}"));
        assert_ne!(shape("/api/{a}"), shape("/api/a"));
    }
}

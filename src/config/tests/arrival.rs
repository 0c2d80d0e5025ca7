//! Every field arrives where it belongs; what is not said is the default.

use std::sync::Arc;
use std::time::Duration;

use http::header::HeaderName;
use http::{Method, StatusCode};

use super::*;
use crate::invalidation::{Glob, Selector, Tag};
use crate::key::Key;
use crate::policy::{ClientCacheControl, Options, OriginHeaders, Portion, SetCookie, StoreIf, StoreStatus, VaryOn};
use crate::route::{Bypass, BypassGate, Caching, Coalesce, HostRule, QueryFilter, Routing, Rule};

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

fn rule(config: &Config, path: &str) -> Arc<Rule> {
    Arc::clone(config.table.find(path).unwrap().rule())
}

#[test]
fn the_sample_is_read_without_a_warning() {
    let config = parse(SAMPLE);
    assert_eq!(config.warnings, []);
    assert_eq!(rule(&config, "/api/users/7").policy().ttl, Some(secs(120)));
    assert_eq!(rule(&config, "/api/posts/").policy().ttl, Some(secs(90)));
    assert_eq!(config.admin.token, None);
    let shown = HostRule::Fixed("127.0.0.1:9000".parse().unwrap());
    assert_eq!(config.table.host(), &shown);
    assert_eq!(config.upstream.unwrap(), "http://127.0.0.1:9000");
}

#[test]
fn the_top_level_arrives() {
    let config = parse(FULL);
    assert_eq!(config.listen.to_string(), "127.0.0.2:8081");
    assert_eq!(config.upstream.as_ref().unwrap(), "http://api.internal:9001/base");
    assert_eq!(config.host_header, HostHeader::Preserve);
    assert_eq!(config.hosts, ["api.example.com"]);
    assert_eq!(config.trusted_proxies, ["10.0.0.0/8".parse().unwrap(), "::1".parse().unwrap()]);
    assert_eq!(config.drain_timeout, secs(10));
    assert!(!config.table.says_x_cache() && config.table.exposes_key() && config.table.is_enabled());
    assert_eq!(config.table.host(), &HostRule::Keyed);
    assert_eq!(config.memory, Memory::On { max_bytes: 64 << 20, max_ttl: secs(1200), degraded_ttl: secs(0) });
    assert_eq!(config.admin.listen.to_string(), "127.0.0.1:9091");
    assert_eq!(config.admin.token.unwrap().expose(), "a-token-of-more-than-16");
}

#[test]
fn the_redis_section_arrives() {
    let redis = parse(FULL).redis.unwrap();
    assert_eq!(redis.url.to_string(), "rediss://redis.internal:6380/2");
    assert_eq!(redis.url.username.as_deref(), Some("larder"));
    assert_eq!(redis.url.password.as_ref().unwrap().expose(), "secret");
    assert_eq!((redis.key_prefix.as_str(), redis.pool_size, redis.on_error), ("shop", 4, OnError::Error));
    let limits = [redis.connect_timeout, redis.read_timeout, redis.write_timeout];
    assert_eq!(limits, [secs(2), Duration::from_millis(20), Duration::from_millis(100)]);
    assert_eq!(redis.compress, Some(32 << 10));
    let files = [redis.tls.ca_file, redis.tls.cert_file, redis.tls.key_file].map(|file| file.unwrap());
    assert_eq!(
        files.map(|file| file.display().to_string()),
        ["/etc/redis/ca.pem", "/etc/redis/larder.pem", "larder.key"]
    );
    assert_eq!(redis.tls.server_name.as_deref(), Some("cache.internal"));
}

#[test]
fn compression_is_on_unless_it_is_switched_off() {
    for (text, compress) in [
        ("{}", Some(4096)),
        ("{ compress: {} }", Some(4096)),
        ("{ compress: { min_bytes: 0 } }", Some(0)),
        ("{ compress: off }", None),
        ("{ compress: false }", None),
    ] {
        assert_eq!(parse(&format!("redis: {text}")).redis.unwrap().compress, compress, "{text}");
    }
}

#[test]
fn defaults_arrive_in_a_route_that_says_nothing() {
    let rule = rule(&parse(FULL), "/inherits");
    let ok = |status| (status, None);
    let expected = Options {
        ttl: Some(secs(600)),
        max_ttl: secs(12 * 3600),
        ttl_jitter: Portion::Percent(10),
        refresh_ahead: Portion::Time(secs(5)),
        store_status: StoreStatus::Listed(vec![ok(StatusCode::OK), ok(StatusCode::NOT_FOUND)]),
        origin_headers: OriginHeaders::Override,
        client_cache_control: ClientCacheControl::Honor,
        targeted_fields: ["larder-cache-control", "cdn-cache-control"].map(HeaderName::from_static).to_vec(),
        set_cookie: SetCookie::Strip,
        stale_while_revalidate: secs(30),
        stale_if_error: secs(600),
        max_body: 1 << 20,
        range_fill: true,
        store_post: true,
        query_method: Some(4096),
        max_variants: 4,
        vary_on: VaryOn { headers: vec![http::header::ACCEPT_LANGUAGE], cookies: vec!["theme".into()] },
        bypass_cookies: vec!["session".into()],
        ..Options::default()
    };
    assert_eq!(rule.policy(), &expected);
    assert_eq!(rule.bypass_param(), &Bypass { param: "fresh".into(), allow: BypassGate::Token });
    assert_eq!((rule.coalescing(), rule.wait(), rule.is_cached()), (Coalesce::Off, secs(1), true));
}

#[test]
fn a_route_outranks_the_defaults() {
    let rule = rule(&parse(FULL), "/api/users/7");
    let listed = vec![(StatusCode::OK, None), (StatusCode::NOT_FOUND, Some(secs(10)))];
    let expected = Options {
        ttl: Some(secs(5)),
        max_ttl: secs(3600),
        ttl_jitter: Portion::Time(secs(3)),
        refresh_ahead: Portion::Percent(20),
        store_status: StoreStatus::Listed(listed),
        targeted_fields: Vec::new(),
        set_cookie: SetCookie::Keep,
        stale_while_revalidate: secs(1),
        stale_if_error: secs(0),
        max_body: 2 << 20,
        max_variants: 2,
        store_if: StoreIf {
            min_body: 1,
            body_not: vec!["[]".into(), "{}".into(), "null".into()],
            content_type: vec!["application/json".into()],
        },
        ..Options::default()
    };
    assert_eq!(rule.policy(), &expected);
    assert_eq!(rule.bypass_param(), &Bypass { param: "skip".into(), allow: BypassGate::Public });
    assert_eq!((rule.coalescing(), rule.wait()), (Coalesce::Node, secs(2)));
    assert_eq!(rule.query_filter(), &QueryFilter::Include(vec!["page".into(), "per_page".into()]));
}

#[test]
fn one_fetch_is_for_all_nodes_unless_less_is_asked_for() {
    let text = "routes:\n- { path: /a, ttl: 1m }\n- { path: /b, ttl: 1m, coalesce: node }\n";
    assert_eq!(rule(&parse(text), "/a").coalescing(), Coalesce::Cluster);
    assert_eq!(rule(&parse(text), "/b").coalescing(), Coalesce::Node);
    let text = "defaults: { coalesce: \"off\" }\nroutes:\n- { path: /a, ttl: 1m, coalesce: cluster }\n- { path: /b, ttl: 1m }\n";
    assert_eq!(rule(&parse(text), "/a").coalescing(), Coalesce::Cluster);
    assert_eq!(rule(&parse(text), "/b").coalescing(), Coalesce::Off);
}

#[test]
fn labels_and_targets_arrive() {
    let rule = rule(&parse(FULL), "/api/users/7");
    assert_eq!(rule.category_name().unwrap().as_str(), "users");
    assert_eq!(rule.tags_for("/api/users/7"), [Tag::new("user:7"), Tag::new("users")]);
    let clears =
        |method| -> Vec<_> { rule.targets(&method).filter_map(|target| target.bind(&[("id", "7")], None)).collect() };
    let key = Selector::Key(Key::parse("GET:/api/users/7").unwrap());
    assert_eq!(clears(Method::PUT), std::slice::from_ref(&key));
    let glob = Selector::Glob(Glob::new("GET:/api/users/7/*"));
    assert_eq!(clears(Method::DELETE), [key, glob, Selector::Tag(Tag::new("user:7"))]);
    assert_eq!(clears(Method::POST), []);
}

#[test]
fn routes_are_cached_when_they_say_so() {
    let config = parse(FULL);
    for (path, caching, ttl) in [
        ("/inherits", Caching::On, Some(secs(600))),
        ("/api/users/7/posts", Caching::On, Some(secs(60))),
        ("/writes", Caching::Unset, None),
        ("/events", Caching::Never, None),
    ] {
        let rule = rule(&config, path);
        assert_eq!((rule.caching_mode(), rule.policy().ttl), (caching, ttl), "{path}");
    }
    let rest = rule(&config, "/api/users/7/posts");
    assert_eq!(rest.policy().store_status, StoreStatus::Cacheable);
    assert_eq!(rest.query_filter(), &QueryFilter::Exclude(vec!["utm_source".into()]));
}

#[test]
fn what_no_route_matches_is_judged_by_the_defaults_without_ttl() {
    let config = parse(FULL);
    let Routing::Rule(rule) = config.table.routing("/elsewhere") else { panic!("unmatched: origin") };
    assert!(rule.is_cached());
    assert_eq!((rule.policy().ttl, rule.policy().max_variants), (None, 4));
    assert!(matches!(parse("unmatched: pass").table.routing("/elsewhere"), Routing::Pass));
}

#[test]
fn an_empty_file_means_the_defaults() {
    for text in ["", "# nothing\n", "{}", "---\n", "redis:\nroutes:\ndefaults:\n", "\u{feff}"] {
        let config = parse(text);
        assert_eq!(config.listen.to_string(), "127.0.0.1:8080");
        assert_eq!(config.upstream, None);
        assert_eq!((config.host_header, config.drain_timeout), (HostHeader::Upstream, secs(30)));
        assert!(config.hosts.is_empty() && config.trusted_proxies.is_empty() && config.table.rules().is_empty());
        assert!(config.table.says_x_cache() && !config.table.exposes_key());
        let memory = Memory::On { max_bytes: 256 << 20, max_ttl: secs(3600), degraded_ttl: secs(5) };
        assert_eq!((config.memory, config.admin), (memory, Admin::default()));
        assert_eq!(config.redis, text.starts_with("redis").then(Redis::default));
    }
    let config = parse("routes: [{ path: /a, cache: true }]");
    assert_eq!(rule(&config, "/a").policy(), &Options { ttl: Some(secs(300)), ..Options::default() });
}

#[test]
fn classes_are_there_and_can_be_redefined() {
    let ttl = |class: &str| {
        let text = format!("ttl_classes: {{ long: 2h, tiny: 1s }}\nroutes: [{{ path: /a, ttl: {class} }}]");
        rule(&parse(&text), "/a").policy().ttl
    };
    for (class, expected) in [("short", 300), ("medium", 1800), ("long", 7200), ("very_long", 86_400), ("tiny", 1)] {
        assert_eq!(ttl(class), Some(secs(expected)), "{class}");
    }
}

#[test]
fn several_hosts_are_keyed_as_preserving_is() {
    for (text, keyed) in [
        ("upstream: http://u", false),
        ("upstream: http://u\nhosts: [a]", false),
        ("upstream: http://u\nhosts: [a, b]", true),
        ("upstream: http://u\nhost_header: preserve", true),
    ] {
        let config = parse(text);
        assert_eq!(config.host_header == HostHeader::Preserve, keyed, "{text}");
        assert_eq!(config.table.host() == &HostRule::Keyed, keyed, "{text}");
    }
}

#[test]
fn another_upstream_is_shown_its_own_host() {
    let other = || "http://127.0.0.1:4000".parse().unwrap();
    let config = parse("upstream: http://u").with_upstream(other());
    assert_eq!(config.table.host(), &HostRule::Fixed("127.0.0.1:4000".parse().unwrap()));
    assert_eq!(config.upstream, Some(other()));
    assert_eq!(parse("host_header: preserve").with_upstream(other()).table.host(), &HostRule::Keyed);
}

#[test]
fn memory_can_be_switched_off_beside_redis() {
    for word in ["off", "false"] {
        assert_eq!(parse(&format!("redis: {{}}\nmemory: {word}")).memory, Memory::Off);
    }
    assert_eq!(parse_with("memory: off", &[("REDIS_URL", "redis://h")]).memory, Memory::Off);
}

#[test]
fn aliases_are_read() {
    let config = parse("routes:\n  - path: /a\n    ttl: &t 7s\n  - path: /b\n    ttl: *t\n");
    assert_eq!(rule(&config, "/b").policy().ttl, Some(secs(7)));
}

#[test]
fn every_example_is_a_field_that_can_be_read() {
    use crate::config::{rule_fields as of_routes, sections};
    let mut texts: Vec<String> = Vec::new();
    let mut add = |examples: Vec<&str>, around: &str| {
        texts.extend(examples.iter().map(|example| around.replace('@', example)));
    };
    fn examples<T>(table: &[reader::Field<T>]) -> Vec<&'static str> {
        table.iter().map(|field| field.example).collect()
    }
    add(examples(sections::TOP), "@");
    add(examples(sections::REDIS), "redis:\n  @");
    add(examples(sections::COMPRESS), "redis:\n  compress:\n    @");
    add(examples(sections::MEMORY), "memory:\n  @");
    add(examples(sections::ADMIN), "admin:\n  @");
    add(examples(of_routes::SHARED), "defaults:\n  @");
    let own = of_routes::OWN.iter().map(|field| field.example).filter(|example| !example.starts_with("path"));
    add(own.collect(), "routes:\n  - path: \"/{id}\"\n    @");
    for (table, section) in [
        (of_routes::BYPASS, "bypass"),
        (of_routes::VARY, "vary"),
        (of_routes::VARY_ON, "vary_on"),
        (of_routes::QUERY, "query"),
        (of_routes::STORE_IF, "store_if"),
    ] {
        add(examples(table), &format!("routes:\n  - path: \"/{{id}}\"\n    {section}:\n      @"));
    }
    for text in texts {
        parse(&text);
    }
}

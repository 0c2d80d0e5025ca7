//! The environment outranks the file.

use std::time::Duration;

use super::*;

#[test]
fn the_environment_outranks_the_file() {
    let config = parse_with(
        FULL,
        &[
            ("REDIS_URL", "redis://other:1/3"),
            ("REDIS_POOL_SIZE", "2"),
            ("REDIS_SOCKET_TIMEOUT", "0.25"),
            ("CACHE_FAIL_SILENTLY", "true"),
            ("CACHE_ENABLED", "false"),
            ("CACHE_TTL_DEFAULT", "7"),
            ("LARDER_ADMIN_TOKEN", "another-token-of-the-environment"),
        ],
    );
    let redis = config.redis.unwrap();
    assert_eq!(redis.url.to_string(), "redis://other:1/3");
    assert_eq!(redis.url.password, None);
    assert_eq!((redis.pool_size, redis.read_timeout), (2, Duration::from_millis(250)));
    assert_eq!(redis.on_error, OnError::Bypass);
    assert!(!config.table.is_enabled());
    let ttl = |path| config.table.find(path).unwrap().rule().policy().ttl;
    assert_eq!(ttl("/inherits"), Some(Duration::from_secs(7)));
    assert_eq!(ttl("/api/users/7"), Some(Duration::from_secs(5)));
    assert_eq!(config.admin.token.unwrap().expose(), "another-token-of-the-environment");
}

#[test]
fn what_the_environment_repaired_is_no_warning() {
    let warned = |variables| !parse_with("redis: { on_error: error }", variables).warnings.is_empty();
    assert!(warned(&[]));
    assert!(!warned(&[("CACHE_FAIL_SILENTLY", "true")]));
}

#[test]
fn the_token_of_the_environment_counts() {
    let text = "admin: { listen: 0.0.0.0:9090 }\ndefaults: { bypass: { allow: token } }";
    let config = parse_with(text, &[("LARDER_ADMIN_TOKEN", "0123456789abcdef")]);
    assert_eq!(config.admin.token.unwrap().expose().len(), 16);
}

#[test]
fn values_may_come_from_variables() {
    let config = parse_with(
        "listen: 127.0.0.1:${PORT}\nexpose_key: ${EXPOSE}\nroutes:\n  - path: /a\n    ttl: ${TTL:-3m}\n    tags: ['${TAG}']",
        &[("PORT", "81"), ("EXPOSE", "true"), ("TAG", "a: [b]")],
    );
    assert_eq!(config.listen.port(), 81);
    assert!(config.table.exposes_key());
    let found = config.table.find("/a").unwrap();
    assert_eq!(found.rule().policy().ttl, Some(Duration::from_secs(180)));
    assert_eq!(found.rule().tags_for("/a")[0].as_str(), "a: [b]");
}

#[test]
fn a_value_of_the_environment_is_never_shown() {
    let secret = "hunter2-%zz\u{e9}";
    for (field, section) in fields() {
        let shaped = [format!("{field}: ${{S}}"), format!("{field}: [\"${{S}}\"]")];
        for line in shaped {
            let text = match section {
                "the top level" => line,
                "`redis:`" | "`memory:`" | "`admin:`" => format!("{}: {{ {line} }}", section.trim_matches(['`', ':'])),
                "a route or `defaults:`" => format!("defaults: {{ {line} }}"),
                "a route" => format!("routes:\n  - {line}"),
                "a target of `invalidate:`" => {
                    format!("routes:\n  - path: /a\n    invalidate: {{ PUT: [{{ {line} }}] }}")
                }
                nested => format!("routes:\n  - path: /a\n    {} {{ {line} }}", nested.trim_matches('`')),
            };
            let env = [("S", secret)].into_iter().collect();
            let said = match Config::parse(&Source::new("routes.yaml", text.clone()), &env) {
                Ok(config) => render_all(&config.warnings, false),
                Err(found) => found.render(false),
            };
            assert!(!said.contains("hunter2"), "{text}\n{said}");
        }
    }
}

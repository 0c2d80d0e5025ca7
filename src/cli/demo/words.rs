//! What the demo says when it is ready: where it is, and what to try.

use std::net::SocketAddr;
use std::time::Duration;

use larder::config::Config;

/// The addresses, and commands that can be copied into a shell as they are.
pub(super) fn greeting(proxy: SocketAddr, admin: SocketAddr, delay: Duration, config: &Config) -> String {
    let store = match &config.redis {
        Some(redis) => format!("kept in {}", redis.url),
        None => "kept in this process's memory".to_owned(),
    };
    let (proxy, admin) = (format!("http://{proxy}"), format!("http://{admin}"));
    let token = if config.admin.token.is_some() { "-H \"Authorization: Bearer $LARDER_ADMIN_TOKEN\" " } else { "" };
    let json = "-H 'Content-Type: application/json'";
    let steps = [
        ("the API answers, slowly: X-Cache: MISS", format!("curl -i {proxy}/api/users/1")),
        ("from the cache, at once: X-Cache: HIT", format!("curl -i {proxy}/api/users/1")),
        (
            "a write clears what it changed",
            format!("curl -i -X PUT {json} -d '{{\"name\":\"Ada\"}}' {proxy}/api/users/1"),
        ),
        ("MISS again, with the new name", format!("curl -i {proxy}/api/users/1")),
        ("a list, and a new post that clears it", format!("curl -i {proxy}/api/posts/")),
        ("", format!("curl -i -X POST {json} -d '{{\"title\":\"Hello\"}}' {proxy}/api/posts/")),
        ("past the cache: X-Cache: BYPASS", format!("curl -i '{proxy}/api/posts/?nocache=true'")),
        ("clear one key by hand", format!("curl -X DELETE {token}{admin}/invalidate/GET:/api/posts/")),
        ("hits, misses, the keys asked for most", format!("curl {token}{admin}/metrics/cache")),
        ("how the cache is", format!("curl {admin}/health/cache")),
    ];
    let api = config.upstream.as_ref().map(|upstream| upstream.to_string().trim_end_matches('/').to_owned());
    let api = api.unwrap_or_default();
    let mut out = format!(
        "larder demo\n  proxy  {proxy}\n  admin  {admin}\n  api    {api}\n\nBehind the proxy an example API takes {} ms to answer a GET. \
         Responses are {store}.\nEvery answer of the API counts up in X-Demo-Served. Try, in another terminal:\n",
        delay.as_millis()
    );
    for (remark, command) in steps {
        if !remark.is_empty() {
            out.push_str(&format!("\n  # {remark}\n"));
        }
        out.push_str(&format!("  {command}\n"));
    }
    out.push_str("\nCtrl-C ends it.");
    out
}

#[cfg(test)]
mod tests {
    use larder::config::{Env, Source};

    use super::*;

    fn greeted(env: &[(&str, &str)]) -> String {
        let env: Env = env.iter().copied().collect();
        let config = Config::parse(&Source::new("routes.yaml", super::super::ROUTES), &env).unwrap();
        let [proxy, admin] = ["127.0.0.1:41", "127.0.0.1:42"].map(|address| address.parse().unwrap());
        greeting(proxy, admin, Duration::from_millis(300), &config)
    }

    #[test]
    fn the_commands_name_the_real_ports() {
        let text = greeted(&[]);
        assert!(text.contains("\n  curl -i http://127.0.0.1:41/api/users/1\n"), "{text}");
        assert!(text.contains("\n  curl http://127.0.0.1:42/metrics/cache\n"), "{text}");
    }

    #[test]
    fn secrets_are_named_and_not_shown() {
        let text = greeted(&[("LARDER_ADMIN_TOKEN", "sesame"), ("REDIS_URL", "redis://:hunter2@127.0.0.1:6379/0")]);
        assert!(text.contains("Bearer $LARDER_ADMIN_TOKEN"), "{text}");
        assert!(text.contains("kept in redis://127.0.0.1:6379/0"), "{text}");
        assert!(!text.contains("sesame") && !text.contains("hunter2"), "{text}");
    }
}

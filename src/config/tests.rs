//! The configuration as a whole: every field arrives, every fault is shown, nothing panics.

use std::time::Duration;

use super::*;

fn parse(text: &str) -> Config {
    parse_with(text, &Env::empty())
}

fn parse_with(text: &str, env: &Env) -> Config {
    Config::parse(&Source::new("routes.yaml", text), env).unwrap_or_else(|found| panic!("{found}"))
}

const SAMPLE: &str = include_str!("../../routes.yaml");

#[test]
fn the_sample_is_read_without_a_warning() {
    let config = parse(SAMPLE);
    assert_eq!(config.warnings, []);
    let rule = |path| config.table.find(path).map(|found| found.rule().policy().ttl);
    assert_eq!(rule("/api/users/7"), Some(Some(Duration::from_secs(120))));
    assert_eq!(rule("/api/posts/"), Some(Some(Duration::from_secs(90))));
    assert_eq!(config.upstream.unwrap(), "http://127.0.0.1:9000");
    assert_eq!(config.admin.token, None);
}

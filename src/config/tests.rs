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

/// Cases are `== what it shows`, `= NAME=value` for each variable of the environment, the file, `=>`, and what is said.
/// Run with `LARDER_GOLDEN=write` to write what is said now, and read the difference.
#[test]
#[expect(clippy::disallowed_methods, reason = "a switch of this test alone")]
fn every_fault_reads_as_agreed() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/config.txt");
    let golden = std::fs::read_to_string(path).unwrap();
    let mut now = String::new();
    for case in golden.split("\n== ").map(|case| case.trim_start_matches("== ")) {
        let (title, rest) = case.split_once('\n').unwrap();
        let (input, _) = rest.split_once("=>\n").unwrap();
        let (settings, text): (Vec<_>, Vec<_>) = input.lines().partition(|line| line.starts_with("= "));
        let env = settings.iter().filter_map(|line| line[2..].split_once('=')).collect();
        let said = match Config::parse(&Source::new("routes.yaml", text.join("\n")), &env) {
            Ok(config) => render_all(&config.warnings, false),
            Err(found) => found.render(false),
        };
        let separator = if now.is_empty() { "" } else { "\n" };
        now += &format!("{separator}== {title}\n{input}=>\n{said}");
    }
    if std::env::var("LARDER_GOLDEN").is_ok_and(|word| word == "write") {
        std::fs::write(path, now).unwrap();
    } else {
        assert!(now == golden, "{path} differs from what is said now:\n{now}");
    }
}

//! How faults are shown.

use super::*;

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

#[test]
fn files_that_cannot_be_read_say_why() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("routes.yaml");
    let message = || Config::load(&path, &Env::empty()).unwrap_err().iter().next().unwrap().message.clone();
    assert!(message().starts_with("cannot read the file: "), "{}", message());
    std::fs::write(&path, b"# one\n# two \xff\n").unwrap();
    assert_eq!(message(), "line 2 is not UTF-8");
    std::fs::write(&path, "#".repeat(1024 * 1024 + 1)).unwrap();
    assert_eq!(message(), "the file is larger than 1 MiB");
    std::fs::write(&path, SAMPLE).unwrap();
    assert_eq!(Config::load(&path, &Env::empty()).unwrap().table.rules().len(), 2);
}

#[test]
fn lines_may_end_in_carriage_returns() {
    let text = "listen: 127.0.0.1:1\r\nroutes:\r\n  - path: /a\r\n    tll: 1s\r\n";
    let found = Config::parse(&Source::new("f", text), &Env::empty()).unwrap_err();
    let spot = found.iter().next().unwrap().spot.clone().unwrap();
    assert_eq!((spot.line, spot.column, spot.length, spot.excerpt.as_str()), (4, 5, 3, "    tll: 1s"));
}

#[test]
fn colour_changes_nothing_but_colour() {
    let found = Config::parse(&Source::new("f", "listn: x\nupstream: y"), &Env::empty()).unwrap_err();
    let coloured = found.render(true);
    let mut plain = String::new();
    for piece in coloured.split('\x1b') {
        plain += piece.strip_prefix('[').and_then(|code| code.split_once('m')).map_or(piece, |(_, text)| text);
    }
    assert_eq!(plain, found.render(false));
}

#[test]
fn every_field_is_in_the_handbook() {
    let handbook = include_str!("../../../docs/configuration.md");
    for (field, section) in fields() {
        assert!(handbook.contains(&format!("`{field}`")), "`{field}` of {section} is not described");
    }
    for variable in VARIABLES {
        assert!(handbook.contains(&format!("`{variable}`")), "{variable} is not described");
    }
}

#[test]
fn the_handbook_shows_files_that_can_be_read() {
    let handbook = include_str!("../../../docs/configuration.md");
    let blocks: Vec<_> = handbook.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert!(blocks.len() > 3);
    for block in blocks {
        parse(block);
    }
}

//! Nothing panics, whatever the file.

use proptest::prelude::*;

use super::*;

fn survives(text: &str) {
    let env = [("LARDER_ADMIN_TOKEN", "x\n")].into_iter().collect();
    match Config::parse(&Source::new("routes.yaml", text), &env) {
        Ok(config) => drop(render_all(&config.warnings, true)),
        Err(found) => {
            assert!(found.iter().any(|one| one.severity == Severity::Error));
            found.render(true);
        }
    }
}

#[test]
fn every_beginning_and_every_end_of_a_file_is_survived() {
    for text in [SAMPLE, FULL] {
        for (at, _) in text.char_indices() {
            survives(&text[..at]);
            survives(&text[at..]);
        }
    }
}

#[test]
fn large_files_of_one_thing_are_survived() {
    let lines = |line: &str| line.repeat(1024 * 1024 / line.len());
    for text in [
        lines("a"),
        lines("["),
        lines("{"),
        lines("- "),
        lines("a: "),
        lines("? "),
        lines("&a "),
        lines("\n"),
        lines("a\n"),
        lines("a: b\n"),
        lines("- a\n"),
        lines("a, "),
        lines("\"\\u0041"),
        lines("${"),
        lines("!a "),
        lines("#\n"),
        format!("routes:\n{}", lines("- {path: /a, ttl: 1}\n")),
        format!("routes: [{}]", lines("{path: /a},")),
        format!("hosts: [{}]", lines("*,")),
        format!("{}: 1", "a".repeat(2000)),
        format!("hosts: [{}]", "'${A}',".repeat(10_000)),
        format!("hosts: [&a \"{}\",{}]", "x".repeat(500_000), "*a ,".repeat(99_000)),
        format!("routes: [{{path: {}}}]", lines("/a")),
        format!("routes: [{{path: /a, tags: [{}]}}]", lines("a,")),
        format!("routes: [{{path: /a, ttl: 1s, invalidate: {{PUT: [{}]}}}}]", lines("GET:/*,")),
        format!("ttl_classes: {{{}}}", (0..50_000).map(|at| format!("a{at}: 1s,")).collect::<String>()),
        format!("routes: [{}]", (0..20_000).map(|at| format!("{{path: /a{at}, ttl: b{at}}},")).collect::<String>()),
        format!(
            "routes: [{}]",
            (0..9_000).map(|at| format!("{{path: '/{at}/{{x}}',ttl: 1s,tags: [b]}},")).collect::<String>()
        ),
    ] {
        survives(&text[..text.len().min(1024 * 1024)]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn every_change_of_a_file_is_survived(
        cuts in prop::collection::vec((any::<prop::sample::Index>(), 0..12_usize, "[-\\[\\]{}:,&*!|>'\"%@`#?$a0 \n\t\r\u{e9}\u{0}/]{0,6}"), 1..6),
        full in any::<bool>(),
    ) {
        let mut text: Vec<char> = if full { FULL } else { SAMPLE }.chars().collect();
        for (index, removed, inserted) in cuts {
            let at = index.index(text.len().max(1)).min(text.len());
            let end = (at + removed).min(text.len());
            text.splice(at..end, inserted.chars());
        }
        survives(&text.into_iter().collect::<String>());
    }

    #[test]
    fn every_text_is_survived(text in "(?s).{0,200}") {
        survives(&text);
    }

    #[test]
    fn every_value_of_every_field_is_survived(
        field in prop::sample::select(fields()), value in "[-\\[\\]{}:,'\"@#?%a-z0-9 ./*\u{e9}]{0,12}",
    ) {
        let nested = field.1.trim_matches(['`', ':']);
        survives(&format!("{}: {value}", field.0));
        survives(&format!("{nested}: {{ {}: {value} }}", field.0));
        survives(&format!("defaults:\n  {}: {value}", field.0));
        survives(&format!("routes:\n  - path: /{{id}}\n    {}: {value}", field.0));
        survives(&format!("routes:\n  - path: /{{id}}\n    {nested}:\n      {}: {value}", field.0));
    }
}

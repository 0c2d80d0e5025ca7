//! Whether what a write clears is anything that a route stores.

use super::diagnostic::Report;
use super::reader::quoted;
use super::rule_fields::{RuleDraft, TargetDraft};
use super::source::At;
use crate::route::{Pattern, Rule, Target};

/// One step of a text that stands for many: a byte, or any run of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Byte(u8),
    AnyRun,
}

/// Warns of targets that no cached route answers, and of globs that match everything.
pub(super) fn check(routes: &[RuleDraft], rules: &[Rule], report: &mut Report<'_>) {
    let stored: Vec<Vec<Step>> =
        rules.iter().filter(|rule| rule.is_cached()).map(|rule| pattern(rule.pattern().as_str())).collect();
    let written: usize = targets(routes).map(|(at, _)| at.value.len()).sum();
    let known: usize = stored.iter().map(Vec::len).sum();
    // Beyond this the work would be felt; so large a file is written by a program anyway.
    if written.saturating_mul(known) > 20_000_000 {
        return;
    }
    for (at, own) in targets(routes) {
        // What is not a target was reported as that.
        if Target::key(&at.value, own).is_ok() {
            check_target(at, &stored, report);
        }
    }
}

/// The targets that name keys, each with the path of its route.
fn targets(routes: &[RuleDraft]) -> impl Iterator<Item = (&At<String>, &Pattern)> {
    routes.iter().filter_map(|route| Some((route, &route.path.as_ref()?.value))).flat_map(|(route, path)| {
        route.invalidate.iter().flat_map(|(_, targets)| targets).filter_map(move |target| match target {
            TargetDraft::Key(at) => Some((at, path)),
            TargetDraft::Tag(_) => None,
        })
    })
}

fn check_target(at: &At<String>, stored: &[Vec<Step>], report: &mut Report<'_>) {
    let path = path(&at.value);
    if path.starts_with("/*") {
        let message = "a pattern that begins with a wildcard reaches into every route";
        report.warn(at.place, message, "begin it with a path, as in `GET:/api/users/*`");
    }
    let wanted = template(path);
    if !stored.iter().any(|route| overlap(route, &wanted)) {
        let path = if at.hidden { "of this target".to_owned() } else { quoted(path) };
        let message = format!("no cached route of this file has the path {path}");
        report.warn(at.place, message, "paths are compared exactly: mind the slash at the end");
    }
}

/// The path of a target, without method, host and query.
fn path(target: &str) -> &str {
    let target = target.split_once(':').map_or(target, |(_, target)| target);
    let path = match target.strip_prefix("//") {
        Some(authority) => authority.find('/').map_or("/", |at| &authority[at..]),
        None => target,
    };
    path.split('?').next().unwrap_or_default()
}

fn pattern(path: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    for segment in path.split('/').skip(1) {
        steps.push(Step::Byte(b'/'));
        if segment.starts_with('{') {
            steps.push(Step::AnyRun);
        } else {
            steps.extend(segment.bytes().map(Step::Byte));
        }
    }
    steps
}

/// A target's path: a parameter and an unescaped `*` stand for any run.
fn template(path: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut rest = path;
    while let Some(c) = rest.chars().next() {
        let (step, width) = match c {
            '*' => (Step::AnyRun, 1),
            '{' => (Step::AnyRun, rest.find('}').map_or(1, |end| end + 1)),
            '\\' if rest.len() > 1 => (Step::Byte(rest.as_bytes()[1]), 2),
            _ => (Step::Byte(rest.as_bytes()[0]), 1),
        };
        steps.push(step);
        // A character of several bytes goes in byte by byte, and none of its later bytes begins a character.
        if let Some(more) = rest.get(width..) {
            rest = more;
        } else {
            let whole = c.len_utf8();
            steps.extend(rest.bytes().take(whole).skip(1).map(Step::Byte));
            rest = &rest[whole..];
        }
    }
    steps
}

/// Whether some text is among those that both stand for.
fn overlap(a: &[Step], b: &[Step]) -> bool {
    // row[j]: whether a[i..] and b[j..] overlap, filled from the ends.
    let mut row = vec![false; b.len() + 1];
    for i in (0..=a.len()).rev() {
        let below = row.clone();
        for j in (0..=b.len()).rev() {
            row[j] = match (a.get(i), b.get(j)) {
                (None, None) => true,
                (Some(Step::AnyRun), _) => below[j] || (j < b.len() && row[j + 1]),
                (_, Some(Step::AnyRun)) => row[j + 1] || (i < a.len() && below[j]),
                (Some(Step::Byte(x)), Some(Step::Byte(y))) => x == y && below[j + 1],
                _ => false,
            };
        }
    }
    row[0]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_overlaps_a_route_when_one_path_is_both() {
        for (route, target, both) in [
            ("/api/posts/", "GET:/api/posts/", true),
            ("/api/posts/", "GET:/api/posts", false),
            ("/api/posts/", "GET:/api/posts/?page=2", true),
            ("/api/users/{id}", "GET:/api/users/{id}", true),
            ("/api/users/me", "GET:/api/users/{id}", true),
            ("/api/users/{id}", "GET:/api/user/{id}", false),
            ("/api/users/{id}", "GET:/api/users/*", true),
            ("/api/users/{id}/posts", "GET:/api/users/{id}/*", true),
            ("/api/users/{id}", "GET:/api/groups/*", false),
            ("/files/{rest*}", "GET:/files/a/b/c", true),
            ("/api/{kind}/search", "GET://h.example/api/users/search", true),
            ("/a*b", r"GET:/a\*b", true),
            ("/axb", r"GET:/a\*b", false),
            ("/é", "GET:/é", true),
            ("/é", "GET:/è", false),
            ("/", "GET:/*", true),
        ] {
            assert_eq!(overlap(&pattern(route), &template(path(target))), both, "{route} and {target}");
        }
    }
}

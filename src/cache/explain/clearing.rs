//! What clears the key, and what a write clears.

use http::request;

use super::{Question, Step};
use crate::cache::ask::{Wanted, host_of};
use crate::cache::clear;
use crate::entry::Entry;
use crate::invalidation::{Glob, Tag};
use crate::route::Table;

/// What clears the key: writes by the routes' rules, and the commands that do.
pub(super) fn of(table: &Table, wanted: &Wanted<'_>, entry: Option<&std::sync::Arc<Entry>>) -> Step {
    let key = &wanted.key;
    let mut tags = wanted.rule.tags_for(key.path());
    tags.extend(entry.into_iter().flat_map(|entry| entry.meta().tags.iter().cloned()));
    tags.sort_unstable();
    tags.dedup();
    let groups = tags.iter().filter_map(|tag| Some(tag.group_name()?.to_owned())).collect();
    tags.retain(|tag| tag.group_name().is_none());
    let mut writes: Vec<_> = table
        .writes_that_clear(key, &tags)
        .iter()
        .map(|clearing| format!("{} {} ({})", clearing.method, clearing.path, clearing.target))
        .collect();
    writes.push(format!("any unsafe method {}", key.path()));
    let count = writes.len() - 1;
    let (outcome, detail) = match count {
        0 => ("own-path", "A successful write to its own path clears it; no route's rule does.".to_owned()),
        1 => ("writes", "A successful write to its own path clears it, and one by a route's rule.".to_owned()),
        _ => ("writes", format!("A successful write to its own path clears it, and {count} by the routes' rules.")),
    };
    let category = wanted.rule.category_name().map(ToString::to_string);
    let commands = commands(key.resource(), key.without_fields(), &tags, category.as_deref());
    Step::new(Question::Clearing, outcome, detail)
        .with("writes", writes)
        .with_any("tags", tags.iter().map(ToString::to_string).collect())
        .with_any("groups", groups)
        .with_some("category", category)
        .with("commands", commands)
}

fn commands(resource: &str, query: &str, tags: &[Tag], category: Option<&str>) -> Vec<String> {
    let mut commands = vec![format!("larder invalidate {}", quoted(resource))];
    if query != resource {
        commands.push(format!("larder invalidate {}", quoted(query)));
    }
    commands.extend(tags.iter().map(|tag| format!("larder invalidate --tag {}", quoted(tag.as_str()))));
    commands.extend(category.map(|category| format!("larder invalidate --category {}", quoted(category))));
    // Everything beside it and below.
    let folder = resource.rsplit_once('/').map_or(resource, |(folder, _)| folder);
    commands.push(format!("larder invalidate --pattern {}", quoted(&format!("{}/*", Glob::escape(folder)))));
    commands
}

/// What the write clears when it succeeds, besides what its answer names.
pub(super) fn by(table: &Table, request: &request::Parts) -> Step {
    let host = host_of(request);
    let cleared = clear::targets(table, &request.method, request.uri.path(), host.as_deref());
    let listed: Vec<_> = cleared.iter().map(ToString::to_string).collect();
    match listed.len() {
        0 => Step::new(Question::Clearing, "nothing", "It clears nothing but what its answer names in Location."),
        count => {
            let things = if count == 1 { "this" } else { "these" };
            let detail = format!("A 2xx or 3xx answer clears {things} before the client sees it.");
            Step::new(Question::Clearing, "clears", detail).with("clears", listed)
        }
    }
}

/// A word for a shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_survive_a_shell() {
        let said = commands("GET:/a'b", "GET:/a'b?c=1", &[Tag::new("t 1")], Some("posts"));
        assert_eq!(
            said,
            [
                r"larder invalidate 'GET:/a'\''b'",
                r"larder invalidate 'GET:/a'\''b?c=1'",
                "larder invalidate --tag 't 1'",
                "larder invalidate --category 'posts'",
                "larder invalidate --pattern 'GET:/*'",
            ]
        );
    }
}

//! `larder invalidate`.

use std::process::ExitCode;

use serde_json::{Value, json};

use super::Surroundings;
use super::admin_client::{Asked, runtime};

#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("what").required(true).multiple(true).args(["keys", "patterns", "tags", "category", "all"]))]
pub(super) struct Arguments {
    /// A key such as `GET:/api/posts/`; without a query it names that path with all its queries.
    #[arg(value_name = "KEY")]
    keys: Vec<String>,
    /// A pattern of whole keys such as `GET:/api/users/*`. Can be repeated.
    #[arg(long = "pattern", value_name = "PATTERN")]
    patterns: Vec<String>,
    /// A tag. Can be repeated.
    #[arg(long = "tag", value_name = "TAG")]
    tags: Vec<String>,
    /// The category of a route.
    #[arg(long)]
    category: Option<String>,
    /// Everything.
    #[arg(long)]
    all: bool,
    /// Only say how many entries would go.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    asked: Asked,
    /// Print the answer as JSON.
    #[arg(long)]
    json: bool,
}

/// Has the running process clear what is named.
pub(super) fn run(arguments: &Arguments, around: &Surroundings) -> anyhow::Result<ExitCode> {
    let (client, _) = match arguments.asked.find(around) {
        Ok(found) => found,
        Err(code) => return Ok(code),
    };
    let answer = match runtime()?.block_on(client.post("/invalidate", &arguments.body())) {
        Ok(answer) => answer,
        Err(error) => return Ok(error.report()),
    };
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&answer)?);
    } else {
        println!("{}", in_words(&answer));
    }
    Ok(ExitCode::SUCCESS)
}

impl Arguments {
    fn body(&self) -> Value {
        let mut body = json!({ "all": self.all, "dry_run": self.dry_run });
        for (name, list) in [("keys", &self.keys), ("patterns", &self.patterns), ("tags", &self.tags)] {
            if !list.is_empty() {
                body[name] = json!(list);
            }
        }
        if let Some(category) = &self.category {
            body["category"] = json!(category);
        }
        body
    }
}

fn in_words(answer: &Value) -> String {
    let count = answer["deleted"].as_u64().unwrap_or_default();
    let entries = if count == 1 { "1 entry".to_owned() } else { format!("{count} entries") };
    match (answer["queued"] == true, answer["dry_run"] == true) {
        (true, _) => "kept until Redis can be reached; nothing is read from it before".to_owned(),
        (false, true) => format!("{entries} would be deleted"),
        (false, false) => format!("{entries} deleted"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_counted_in_words() {
        for (answer, said) in [
            (json!({ "deleted": 1 }), "1 entry deleted"),
            (json!({ "deleted": 0 }), "0 entries deleted"),
            (json!({ "deleted": 2, "dry_run": true }), "2 entries would be deleted"),
            (
                json!({ "deleted": 0, "queued": true }),
                "kept until Redis can be reached; nothing is read from it before",
            ),
        ] {
            assert_eq!(in_words(&answer), said);
        }
    }
}

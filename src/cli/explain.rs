//! `larder explain`.

use std::process::ExitCode;

use anyhow::Context;
use larder::admin::explain::{self, Asked as Request};
use larder::cache::Cache;
use larder::config::Config;
use larder::server::EdgeGate;
use larder::store::MemoryStore;
use serde_json::Value;

use super::admin_client::{AdminClient, AdminError, Asked, encoded, runtime};
use super::{Surroundings, UNUSABLE};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// A path with its query, or a whole URL where the host counts.
    #[arg(value_name = "URL")]
    url: String,
    /// The method of the request.
    #[arg(short = 'X', long, default_value = "GET")]
    method: String,
    /// A header field of the request, as in `Accept-Language: de`. Can be repeated.
    #[arg(short = 'H', long = "header", value_name = "FIELD")]
    headers: Vec<String>,
    #[command(flatten)]
    asked: Asked,
    /// Print what a program would read.
    #[arg(long)]
    json: bool,
}

/// Asks the process that runs by this configuration; when there is none, the configuration alone.
pub(super) fn run(arguments: &Arguments, around: &Surroundings) -> anyhow::Result<ExitCode> {
    let request = match arguments.request() {
        Ok(request) => request,
        Err(error) => {
            eprintln!("error: {error}");
            return Ok(ExitCode::from(UNUSABLE));
        }
    };
    let (client, config) = match arguments.asked.find(around) {
        Ok(found) => found,
        Err(code) => return Ok(code),
    };
    runtime()?.block_on(async {
        let (answer, note) = match (arguments.ask(&client).await, config) {
            (Ok(answer), _) => (answer, None),
            (Err(error @ AdminError::NobodyThere(_)), Some(config)) => {
                (by_the_file(&config, request).await?, Some(format!("{error}: the store was not asked")))
            }
            (Err(error), _) => return Ok(error.report()),
        };
        if arguments.json {
            if let Some(note) = note {
                eprintln!("{note}");
            }
            println!("{}", serde_json::to_string_pretty(&answer)?);
        } else {
            let note = note.unwrap_or_else(|| format!("as the process at {} sees it", client.base()));
            print!("{}", in_words(&answer, &note));
        }
        Ok(ExitCode::SUCCESS)
    })
}

impl Arguments {
    fn request(&self) -> Result<Request, explain::AskedError> {
        Request::new(&self.method, &self.url, self.headers.iter().map(String::as_str))
    }

    async fn ask(&self, client: &AdminClient) -> Result<Value, AdminError> {
        let mut route = format!("/cache/explain?method={}&url={}", encoded(&self.method), encoded(&self.url));
        for field in &self.headers {
            route.push_str("&header=");
            route.push_str(&encoded(field));
        }
        client.get(&route).await
    }
}

/// Explains as far as the routes go.
async fn by_the_file(config: &Config, request: Request) -> anyhow::Result<Value> {
    let builder = Cache::builder(config.table.clone(), MemoryStore::new(0));
    let cache = match &config.admin.token {
        Some(token) => builder.bypass_token(token.expose()).build(),
        None => builder.build(),
    };
    let gate = EdgeGate::of(config).context("the file cannot be used")?;
    Ok(serde_json::to_value(explain::of_routes(&cache, Some(&gate), request).await)?)
}

/// An explanation for a person: the decision, then a line for each step with what it rests on below.
fn in_words(answer: &Value, note: &str) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut out = text(&answer["decision"]).to_uppercase();
    for (before, name) in [("  ", "key"), ("  route ", "route")] {
        if let Some(value) = answer[name].as_str() {
            out.push_str(&format!("{before}{value}"));
        }
    }
    out.push_str(&format!("\n{note}\n\n"));
    for step in answer["steps"].as_array().into_iter().flatten() {
        let (name, outcome, detail) = (text(&step["step"]), text(&step["outcome"]), text(&step["detail"]));
        out.push_str(&format!("{name:<12} {outcome:<14} {detail}\n"));
        for (name, fact) in step["facts"].as_object().into_iter().flatten() {
            out.push_str(&fact_in_words(name, fact));
        }
    }
    out
}

fn fact_in_words(name: &str, fact: &Value) -> String {
    const INDENT: &str = "                           ";
    let word = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    match fact.as_array().map(Vec::as_slice) {
        None => format!("{INDENT} {name}: {}\n", word(fact)),
        Some([only]) => format!("{INDENT} {name}: {}\n", word(only)),
        Some(several) => {
            let lines = several.iter().map(|item| format!("{INDENT}   {}\n", word(item)));
            format!("{INDENT} {name}:\n{}", lines.collect::<String>())
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_person_reads_the_decision_first() {
        let facts = json!({ "a": ["x"], "b": ["x", "y"], "c": 1.5 });
        let steps = json!([{ "step": "key", "outcome": "keyed", "detail": "So.", "facts": facts }]);
        let answer = json!({ "decision": "miss", "key": "GET:/a", "route": "/a", "steps": steps });
        let said = in_words(&answer, "note");
        let expected = "\
MISS  GET:/a  route /a
note

key          keyed          So.
                            a: x
                            b:
                              x
                              y
                            c: 1.5
";
        assert_eq!(said, expected);
    }
}

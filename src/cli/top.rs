//! `larder top`.

use std::process::ExitCode;

use serde_json::{Value, json};

use super::Surroundings;
use super::admin_client::{Asked, runtime};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// How many keys to show; the process tells 20 at most.
    #[arg(short = 'n', long, value_name = "COUNT", default_value_t = 10)]
    limit: usize,
    #[command(flatten)]
    asked: Asked,
    /// Print the keys as JSON.
    #[arg(long)]
    json: bool,
}

/// Shows the keys that the running process was asked for most.
pub(super) fn run(arguments: &Arguments, around: &Surroundings) -> anyhow::Result<ExitCode> {
    let (client, _) = match arguments.asked.find(around) {
        Ok(found) => found,
        Err(code) => return Ok(code),
    };
    let answer = match runtime()?.block_on(client.get("/metrics/cache")) {
        Ok(answer) => answer,
        Err(error) => return Ok(error.report()),
    };
    let keys: Vec<&Value> = answer["top_keys"].as_array().into_iter().flatten().take(arguments.limit).collect();
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&json!({ "top_keys": keys }))?);
    } else {
        print!("{}", list(&keys));
    }
    Ok(ExitCode::SUCCESS)
}

fn list(keys: &[&Value]) -> String {
    let line = |key: &&Value| {
        let (name, count) = (key[0].as_str().unwrap_or_default(), key[1].as_u64().unwrap_or_default());
        format!("{count:>12}  {name}\n")
    };
    keys.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_stand_before_keys() {
        assert_eq!(list(&[&json!(["GET:/a", 7])]), "           7  GET:/a\n");
    }
}

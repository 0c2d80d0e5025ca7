//! `larder stats`.

use std::process::ExitCode;

use serde_json::Value;

use super::Surroundings;
use super::admin_client::{Asked, encoded, runtime};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// One category alone.
    category: Option<String>,
    #[command(flatten)]
    asked: Asked,
    /// Print the numbers as JSON.
    #[arg(long)]
    json: bool,
}

/// Shows what the running process has counted.
pub(super) fn run(arguments: &Arguments, around: &Surroundings) -> anyhow::Result<ExitCode> {
    let (client, _) = match arguments.asked.find(around) {
        Ok(found) => found,
        Err(code) => return Ok(code),
    };
    let route = match &arguments.category {
        Some(category) => format!("/cache/stats/{}", encoded(category).replace('/', "%2F")),
        None => "/cache/stats".to_owned(),
    };
    let answer = match runtime()?.block_on(client.get(&route)) {
        Ok(answer) => answer,
        Err(error) => return Ok(error.report()),
    };
    let data = &answer["data"];
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(data)?);
    } else {
        print!("{}", table(data, arguments.category.as_deref()));
    }
    Ok(ExitCode::SUCCESS)
}

/// A row for each category, the sum of all last.
fn table(data: &Value, category: Option<&str>) -> String {
    let mut rows = match (category, data.as_object()) {
        (Some(category), _) => vec![(category, data)],
        (None, Some(categories)) => categories.iter().map(|(name, count)| (name.as_str(), count)).collect(),
        (None, None) => Vec::new(),
    };
    rows.sort_by_key(|(name, _)| *name == "overall");
    let width = rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or_default().max("category".len());
    let mut out = format!("{:<width$} {:>12} {:>12} {:>9}  last updated\n", "category", "hits", "misses", "hit rate");
    for (name, count) in rows {
        let (hits, misses) = (count["hits"].as_u64().unwrap_or_default(), count["misses"].as_u64().unwrap_or_default());
        let rate = count["hit_rate"].as_f64().unwrap_or_default() * 100.0;
        let updated = count["last_updated"].as_str().unwrap_or("-");
        out.push_str(&format!("{name:<width$} {hits:>12} {misses:>12} {rate:>7.1} %  {updated}\n"));
    }
    out
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_sum_stands_last() {
        let count = |hits, rate| json!({ "hits": hits, "misses": 1, "hit_rate": rate, "last_updated": null });
        let data = json!({ "overall": count(3, 0.75), "users": count(3, 0.75) });
        let expected = "\
category         hits       misses  hit rate  last updated
users               3            1    75.0 %  -
overall             3            1    75.0 %  -
";
        assert_eq!(table(&data, None), expected);
        assert_eq!(table(&data["users"], Some("users")).lines().count(), 2);
    }
}

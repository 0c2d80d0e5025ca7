//! The configuration as a whole: every field arrives, every fault is shown, nothing panics.

mod arrival;
mod environment;
mod faults;
mod hostile;

use super::*;

/// The file at the top of the repository.
const SAMPLE: &str = include_str!("../../../routes.yaml");

/// A file that says everything that can be said, none of it the default.
const FULL: &str = include_str!("full.yaml");

fn parse(text: &str) -> Config {
    parse_with(text, &[])
}

fn parse_with(text: &str, variables: &[(&str, &str)]) -> Config {
    let env = variables.iter().copied().collect();
    Config::parse(&Source::new("routes.yaml", text), &env).unwrap_or_else(|found| panic!("{found}"))
}

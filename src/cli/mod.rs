//! The command line: one file for each command.
//!
//! Exit codes: 0 it went well, 1 the answer is no, 2 what was given cannot be used.

mod admin_client;
mod check;
mod connect;
mod demo;
mod explain;
mod invalidate;
mod listen;
mod log;
mod serve;
mod signals;
mod stats;
mod top;

use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use larder::config::Env;

/// The answer is no.
const NO: u8 = 1;
/// What was given cannot be used.
const UNUSABLE: u8 = 2;

const ENVIRONMENT: &str = "\
Environment:
  REDIS_URL           the shared store; without it, and without `redis:` in the file, entries live in memory
  LARDER_ADMIN_TOKEN  what callers of the admin routes must show
  LARDER_LOG          what is logged, as in `debug`; `info,larder::access=info` adds a line for each request";

/// An HTTP response cache: a reverse proxy that keeps what an API answers, and clears it when the API is written to.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100, arg_required_else_help = true, after_help = ENVIRONMENT)]
struct Arguments {
    /// How log lines are written.
    #[arg(long, global = true, value_enum, default_value_t)]
    log_format: log::Format,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve as a reverse proxy, as the configuration says.
    Serve(serve::Arguments),
    /// Serve in front of a built-in example API. Needs no configuration.
    Demo(demo::Arguments),
    /// Say everything that is wrong with a configuration.
    Check(check::Arguments),
    /// Say what would become of a request, and why, step by step.
    Explain(explain::Arguments),
    /// Clear what is stored: keys, patterns, tags, a category, or everything.
    Invalidate(invalidate::Arguments),
    /// Show hits and misses, by category and in all.
    Stats(stats::Arguments),
    /// Show the keys asked for most.
    Top(top::Arguments),
}

/// Where the configuration is.
#[derive(Debug, clap::Args)]
struct ConfigFile {
    /// The configuration file.
    #[arg(short, long, value_name = "FILE", default_value = "routes.yaml")]
    config: PathBuf,
}

/// What the process was started with, read once.
struct Surroundings {
    env: Env,
    /// Whether messages on standard error may be coloured.
    colour: bool,
}

/// Reads the arguments and the environment, and carries the command out.
pub(crate) fn run() -> ExitCode {
    let arguments = Arguments::parse();
    let around = Surroundings::read();
    let done = match arguments.command {
        Command::Check(check) => check::run(&check, &around),
        Command::Serve(serve) => log::start(&around, arguments.log_format).and_then(|()| serve::run(&serve, around)),
        Command::Demo(demo) => log::start(&around, arguments.log_format).and_then(|()| demo::run(&demo, around)),
        Command::Explain(explain) => explain::run(&explain, &around),
        Command::Invalidate(invalidate) => invalidate::run(&invalidate, &around),
        Command::Stats(stats) => stats::run(&stats, &around),
        Command::Top(top) => top::run(&top, &around),
    };
    done.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::from(UNUSABLE)
    })
}

impl Surroundings {
    fn read() -> Self {
        // A variable that is not text cannot be one of ours.
        let variables =
            std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        let env: Env = variables.collect();
        let colour = std::io::stderr().is_terminal() && env.get("NO_COLOR").is_none();
        Self { env, colour }
    }
}

/// A runtime with as many workers as there are cores this process may use.
fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_multi_thread().enable_all().build()?)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Arguments::command().debug_assert();
    }
}

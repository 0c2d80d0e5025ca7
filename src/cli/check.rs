//! `larder check`.

use std::io::{IsTerminal, stdout};
use std::process::ExitCode;

use larder::config::{Config, Diagnostic, Severity, render_all};
use serde::Serialize;

use super::connect::{Connection, connect};
use super::{ConfigFile, NO, Surroundings, UNUSABLE, runtime};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    file: ConfigFile,
    /// Print the findings as one JSON object.
    #[arg(long)]
    json: bool,
    /// Exit with 1 when there are warnings.
    #[arg(long)]
    strict: bool,
    /// Connect to Redis and to the upstream as well, and say what is there. Exit with 1 when one cannot be used.
    #[arg(long)]
    connect: bool,
}

/// Everything that was found, as a program reads it.
#[derive(Serialize)]
struct Findings<'a> {
    file: String,
    ok: bool,
    errors: usize,
    warnings: usize,
    routes: Option<usize>,
    diagnostics: Vec<Finding<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    connections: Option<Vec<Connection>>,
}

#[derive(Serialize)]
struct Finding<'a> {
    severity: &'static str,
    message: &'a str,
    hint: &'a str,
    notes: &'a [String],
    file: &'a str,
    line: Option<usize>,
    column: Option<usize>,
    length: Option<usize>,
    excerpt: Option<&'a str>,
}

/// Prints what is wrong with a configuration: 0 nothing, 1 warnings where they count or no connection, 2 errors.
pub(super) fn run(arguments: &Arguments, around: &Surroundings) -> anyhow::Result<ExitCode> {
    let (found, routes, connections) = match Config::load(&arguments.file.config, &around.env) {
        Ok(config) => {
            let connections = if arguments.connect { Some(runtime()?.block_on(connect(&config))) } else { None };
            (config.warnings, Some(config.table.rules().len()), connections)
        }
        Err(found) => (found.iter().cloned().collect(), None, None),
    };
    let findings = Findings::new(arguments, &found, routes, connections);
    if arguments.json {
        // Writing plain data as JSON cannot fail.
        println!("{}", serde_json::to_string_pretty(&findings).unwrap_or_default());
    } else {
        let colour = around.colour && stdout().is_terminal();
        print!("{}{}", render_all(&found, colour), findings.summary());
        findings.connections.iter().flatten().for_each(|connection| print!("{}", connection.shown()));
    }
    Ok(match (findings.errors, findings.ok) {
        (0, true) => ExitCode::SUCCESS,
        (0, false) => ExitCode::from(NO),
        _ => ExitCode::from(UNUSABLE),
    })
}

impl<'a> Findings<'a> {
    fn new(
        arguments: &Arguments,
        found: &'a [Diagnostic],
        routes: Option<usize>,
        connections: Option<Vec<Connection>>,
    ) -> Self {
        let count = |severity| found.iter().filter(|diagnostic| diagnostic.severity == severity).count();
        let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
        let reached = || connections.iter().flatten();
        let remarks = warnings + reached().map(Connection::warnings).sum::<usize>();
        let usable = errors == 0 && reached().all(Connection::is_usable);
        Self {
            file: arguments.file.config.display().to_string(),
            ok: usable && (remarks == 0 || !arguments.strict),
            errors,
            warnings,
            routes,
            diagnostics: found.iter().map(Finding::of).collect(),
            connections,
        }
    }

    /// One line that says how it went.
    fn summary(&self) -> String {
        let many = |count: usize, word: &str| format!("{count} {word}{}", if count == 1 { "" } else { "s" });
        let gap = if self.diagnostics.is_empty() { "" } else { "\n" };
        match (self.routes, self.errors, self.warnings) {
            (Some(routes), 0, 0) => format!("{}: {}, nothing to remark\n", self.file, many(routes, "route")),
            (_, 0, warnings) => format!("{gap}{}: usable, {}\n", self.file, many(warnings, "warning")),
            (_, errors, 0) => format!("{gap}{}: not usable, {}\n", self.file, many(errors, "error")),
            (_, errors, warnings) => {
                format!("{gap}{}: not usable, {}, {}\n", self.file, many(errors, "error"), many(warnings, "warning"))
            }
        }
    }
}

impl<'a> Finding<'a> {
    fn of(diagnostic: &'a Diagnostic) -> Self {
        let spot = diagnostic.spot.as_ref();
        Self {
            severity: match diagnostic.severity {
                Severity::Error => "error",
                Severity::Warning => "warning",
            },
            message: &diagnostic.message,
            hint: &diagnostic.hint,
            notes: &diagnostic.notes,
            file: &diagnostic.file,
            line: spot.map(|spot| spot.line),
            column: spot.map(|spot| spot.column),
            length: spot.map(|spot| spot.length),
            excerpt: spot.map(|spot| spot.excerpt.as_str()),
        }
    }
}

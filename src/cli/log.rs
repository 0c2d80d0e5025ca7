//! Where log lines go: standard error, as text or as JSON, filtered by `LARDER_LOG`.

use std::io;

use anyhow::{Context, anyhow};
use tracing_subscriber::EnvFilter;

use super::Surroundings;

/// How log lines are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Format {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Starts logging.
pub(super) fn start(around: &Surroundings, format: Format) -> anyhow::Result<()> {
    let asked = around.env.get("LARDER_LOG");
    let filter = EnvFilter::try_new(directives(asked)).with_context(|| {
        format!("LARDER_LOG={} is not a filter such as `info,larder::access=info`", asked.unwrap_or_default())
    })?;
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    match format {
        Format::Text => lines.with_ansi(around.colour).try_init(),
        Format::Json => lines.json().flatten_event(true).with_current_span(false).with_span_list(false).try_init(),
    }
    .map_err(|error| anyhow!(error))
}

/// The filter: what was asked for, over a default in which larder speaks, the access log is silent, and the Redis client
/// leaves it to larder to say that Redis is away.
///
/// A bare level, as in `debug`, means larder too, so the default's word on larder must not stand beside it.
fn directives(asked: Option<&str>) -> String {
    const QUIET: &str = "fred=error,larder::access=off";
    let Some(asked) = asked else { return format!("warn,larder=info,{QUIET}") };
    let has_level = asked.split(',').any(|directive| !directive.contains(['=', '[']) && !directive.contains("::"));
    if has_level { format!("{QUIET},{asked}") } else { format!("warn,larder=info,{QUIET},{asked}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_access_log_is_silent_until_it_is_named() {
        for (asked, filter) in [
            (None, "warn,larder=info,fred=error,larder::access=off"),
            (Some("debug"), "fred=error,larder::access=off,debug"),
            (Some("larder::access=info"), "warn,larder=info,fred=error,larder::access=off,larder::access=info"),
            (Some("info,larder::access=info"), "fred=error,larder::access=off,info,larder::access=info"),
            (Some("fred=debug"), "warn,larder=info,fred=error,larder::access=off,fred=debug"),
        ] {
            assert_eq!(directives(asked), filter);
        }
    }

    #[test]
    fn of_two_words_on_the_access_log_the_later_counts() {
        let filter = EnvFilter::try_new(directives(Some("larder::access=info"))).unwrap().to_string();
        assert!(filter.contains("larder::access=info") && !filter.contains("larder::access=off"), "{filter}");
    }
}

//! `larder serve`.

use std::net::SocketAddr;
use std::process::ExitCode;

use anyhow::Context;
use http::Uri;
use larder::cache::Cache;
use larder::config::{Config, Diagnostics, Env, Secret, render_all};
use larder::server::{Reload, Report, Server, StartError, check_exposure, judge};
use tokio::sync::oneshot;

use super::listen::{self, Open};
use super::signals::Signals;
use super::{ConfigFile, Surroundings, UNUSABLE, runtime};

/// The exit code of a process that was told to end a second time.
const CUT_SHORT: u8 = 130;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    file: ConfigFile,
    /// Where clients are served, in place of the file's `listen`. Port 0 picks a free one.
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
    /// What stands behind, in place of the file's `upstream`.
    #[arg(long, value_name = "URL")]
    upstream: Option<Uri>,
    /// Where the admin routes are served, in place of the file's `admin.listen`.
    #[arg(long, value_name = "ADDRESS")]
    admin: Option<SocketAddr>,
}

impl Arguments {
    /// Reads the configuration; what the command line says outranks it.
    fn load(&self, env: &Env) -> Result<Config, Diagnostics> {
        let mut config = Config::load(&self.file.config, env)?;
        config.listen = self.listen.unwrap_or(config.listen);
        config.admin.listen = self.admin.unwrap_or(config.admin.listen);
        Ok(match &self.upstream {
            Some(upstream) => config.with_upstream(upstream.clone()),
            None => config,
        })
    }
}

pub(super) fn run(arguments: &Arguments, around: Surroundings) -> anyhow::Result<ExitCode> {
    let config = match arguments.load(&around.env) {
        Ok(config) => config,
        Err(found) => {
            eprint!("{}", found.render(around.colour));
            return Ok(ExitCode::from(UNUSABLE));
        }
    };
    eprint!("{}", render_all(&config.warnings, around.colour));
    let read_again = || arguments.load(&around.env);
    runtime()?.block_on(serve(&config, read_again))
}

async fn serve(config: &Config, read_again: impl Fn() -> Result<Config, Diagnostics>) -> anyhow::Result<ExitCode> {
    let signals = Signals::listen()?;
    check_exposure(config.admin.listen, config.admin.token.as_ref().map(Secret::expose))?;
    let Open { listeners, proxy, admin } = listen::open(config.listen, config.admin.listen)?;
    let server = Server::start(config).await.context("cannot start")?;
    let cache = server.cache().clone();
    tracing::info!(listen = %proxy, admin = %admin, routes = config.table.rules().len(), "serving");
    let (stop, stopped) = oneshot::channel::<()>();
    let reload = || tokio::task::block_in_place(|| reload(config, read_again(), &cache));
    // An error says that the sender is gone, which is how it says stop.
    let server = server.run(listeners, async { drop(stopped.await) });
    attend(server, stop, signals, reload).await
}

/// Sees a server to its end: tells it to stop when the process is told to end, and does not wait for it when the process
/// is told a second time.
///
/// The two times are counted on one listener. Signals that follow each other closely look like one to another listener
/// that has yet to wake up for the first.
pub(super) async fn attend(
    server: impl Future<Output = Result<Report, StartError>>,
    stop: oneshot::Sender<()>,
    mut signals: Signals,
    reload: impl FnMut(),
) -> anyhow::Result<ExitCode> {
    let told_twice = async {
        signals.end(reload).await;
        tracing::info!("draining: requests in flight are finished, new connections refused");
        drop(stop);
        signals.end(|| {}).await;
    };
    tokio::select! {
        report = server => {
            match report.context("cannot start")?.cut() {
                0 => tracing::info!("ended"),
                cut => tracing::warn!(cut, "ended with connections still busy after drain_timeout"),
            }
            Ok(ExitCode::SUCCESS)
        }
        () = told_twice => {
            tracing::warn!("ended at once: connections were cut");
            Ok(ExitCode::from(CUT_SHORT))
        }
    }
}

/// Puts the routes of a configuration that was read again in force, or says why not.
fn reload(running: &Config, read: Result<Config, Diagnostics>, cache: &Cache) {
    let config = match read {
        Ok(config) => config,
        Err(found) => {
            tracing::error!("the configuration stays as it was:\n{}", found.render(false));
            return;
        }
    };
    for warning in &config.warnings {
        tracing::warn!("{}", warning.render(false).trim_end());
    }
    match judge(running, &config) {
        Reload::Routes { needs_restart } => {
            let routes = config.table.rules().len();
            cache.replace_table(config.table);
            tracing::info!(routes, "the routes were read again");
            if !needs_restart.is_empty() {
                tracing::warn!("these changes need a restart: {}", needs_restart.join(", "));
            }
        }
        Reload::Refused { needs_restart } => {
            tracing::error!("the configuration stays as it was: {} needs a restart", needs_restart.join(" and "));
        }
        other => tracing::error!("the configuration stays as it was: {other:?}"),
    }
}

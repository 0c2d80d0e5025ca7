//! `larder demo`: the proxy before an example API in the same process.

mod api;
mod words;

use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, anyhow};
use http::Uri;
use larder::config::{Config, Env, Secret, Source};
use larder::proxy::{self, Limits};
use larder::server::{Report, Server, StartError, check_exposure};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use super::listen::{self, Open};
use super::serve::attend;
use super::signals::Signals;
use super::{Surroundings, runtime};

/// The configuration that the repository ships.
const ROUTES: &str = include_str!("../../../routes.yaml");

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Where clients are served. Port 0 picks a free one.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// Where the admin routes are served.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9090")]
    admin: SocketAddr,
    /// How long the example API takes to answer a GET, so that a hit can be felt.
    #[arg(long, value_name = "DURATION", default_value = "300ms", value_parser = duration)]
    delay: Duration,
}

pub(super) fn run(arguments: &Arguments, around: Surroundings) -> anyhow::Result<ExitCode> {
    let config = configuration(&around.env)?;
    runtime()?.block_on(serve(arguments, config))
}

fn configuration(env: &Env) -> anyhow::Result<Config> {
    let read = Config::parse(&Source::new("routes.yaml (built in)", ROUTES), env);
    read.map_err(|found| anyhow!("the environment does not fit:\n{}", found.render(false)))
}

async fn serve(arguments: &Arguments, config: Config) -> anyhow::Result<ExitCode> {
    let signals = Signals::listen()?;
    check_exposure(arguments.admin, config.admin.token.as_ref().map(Secret::expose))?;
    let Open { listeners, proxy, admin } = listen::open(arguments.listen, arguments.admin)?;
    let origin = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.context("cannot listen for the example API")?;
    let upstream: Uri = format!("http://{}", origin.local_addr()?).parse()?;
    let config = config.with_upstream(upstream);
    let server = Server::start(&config).await.context("cannot start")?;
    println!("{}", words::greeting(proxy, admin, arguments.delay, &config));

    let (ended, end_api) = oneshot::channel::<()>();
    let api = api::router(arguments.delay);
    let api =
        proxy::serve(vec![origin], move |_| api.clone(), Limits::default().drain_timeout(Duration::ZERO), async {
            drop(end_api.await)
        });
    let (stop, stopped) = oneshot::channel::<()>();
    let server = server.run(listeners, async { drop(stopped.await) });
    let both = async {
        let server = async {
            let report = server.await;
            drop(ended);
            report
        };
        let (report, _): (Result<Report, StartError>, _) = tokio::join!(server, api);
        report
    };
    attend(both, stop, signals, || tracing::warn!("the demo's routes are built in")).await
}

/// `300ms`, `2s`, `0`.
fn duration(text: &str) -> Result<Duration, String> {
    let (digits, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let number = digits.parse().ok();
    match (number, unit) {
        (Some(millis), "ms") => Ok(Duration::from_millis(millis)),
        (Some(secs), "s") => Ok(Duration::from_secs(secs)),
        (Some(0), "") => Ok(Duration::ZERO),
        _ => Err("write a duration such as 300ms or 2s".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_routes_are_fine() {
        let config = configuration(&Env::empty()).unwrap();
        assert!(config.warnings.is_empty() && config.redis.is_none());
        assert!(config.table.find("/api/users/1").is_some() && config.table.find("/api/posts/").is_some());
    }

    #[test]
    fn a_delay_has_a_unit() {
        for (text, millis) in [("300ms", Some(300)), ("2s", Some(2000)), ("0", Some(0)), ("5", None), ("ms", None)] {
            assert_eq!(duration(text).ok(), millis.map(Duration::from_millis), "{text}");
        }
    }
}

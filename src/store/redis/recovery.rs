//! How a link that is down comes back.
//!
//! The server is asked until it answers in time for reads: one that is there but slow would cost every request a whole
//! deadline. One that hangs, or that has answered nothing for a while, is given new connections, since a connection's
//! task may be blocked, have ended, or look for the server where it no longer is. A link that falls again soon after it
//! rose settles longer every time, so that a server that comes and goes costs less and less, log lines included.

use std::sync::{Arc, PoisonError, Weak};
use std::time::Duration;

use fred::prelude::ClientLike;
use fred::types::{ClusterHash, CustomCommand};
use tokio::time::{Instant, sleep};

use super::connection::options;
use super::fault::Fault;
use super::link::{Lane, Link, State};

/// How long nothing is read after an outage.
const SETTLING: Duration = Duration::from_secs(1);
/// The same when it comes soon after another, at most.
const LONGEST_SETTLING: Duration = Duration::from_secs(32);
/// A link that falls so soon after it rose was not well.
const RELAPSE: Duration = Duration::from_secs(10);
/// The pauses between questions.
const PAUSES: (Duration, Duration) = (Duration::from_millis(5), Duration::from_millis(250));
/// How long a connection may look for its server before it is made anew.
const SEARCH: Duration = Duration::from_secs(2);

/// How long a server that is back is left alone.
#[derive(Debug, Default)]
pub(super) struct Patience {
    settling: Option<Duration>,
    rose: Option<Instant>,
}

impl Patience {
    /// The link falls. True when it rose only just before.
    pub(super) fn fall(&mut self, now: Instant) -> bool {
        let relapse = self.rose.take().is_some_and(|rose| now.duration_since(rose) < RELAPSE);
        let doubled = self.settling.map(|settling| (settling * 2).min(LONGEST_SETTLING));
        self.settling = doubled.filter(|_| relapse).or(Some(SETTLING));
        relapse
    }

    fn settling(&self) -> Duration {
        self.settling.unwrap_or(SETTLING)
    }

    fn rise(&mut self, now: Instant) {
        self.rose = Some(now);
    }
}

impl Link {
    /// Asks every connection for an answer, and a Cluster whether it is whole. Says how long the slowest took.
    pub(super) async fn probe(&self) -> Result<Duration, Fault> {
        let mut slowest = Duration::ZERO;
        for client in self.clients() {
            let began = Instant::now();
            let client = client.with_options(&options(self.connect_timeout, None));
            client.ping::<()>(None).await.map_err(Fault::from)?;
            slowest = slowest.max(began.elapsed());
        }
        if self.clustered {
            slowest = slowest.max(self.probe_nodes().await?);
        }
        Ok(slowest)
    }

    async fn probe_nodes(&self) -> Result<Duration, Fault> {
        let began = Instant::now();
        let nodes = self.nodes();
        if nodes.is_empty() {
            return Err(Fault::Down("the nodes of the Cluster are not known".into()));
        }
        for node in nodes {
            let client = self.client(Lane::Write).with_options(&options(self.connect_timeout, node));
            let command = CustomCommand::new_static("CLUSTER", ClusterHash::Random, false);
            let info = client.custom::<String, _>(command, vec!["INFO"]).await.map_err(Fault::from)?;
            if !info.contains("cluster_state:ok") {
                return Err(Fault::Refused("the Cluster does not serve all its slots".into()));
            }
        }
        Ok(began.elapsed())
    }
}

/// Waits until the server answers, lets it settle, and puts the link back into use.
pub(super) async fn recover(link: Weak<Link>, hung: bool) {
    let mut pause = PAUSES.0;
    let mut renew = hung;
    let mut searched = Instant::now();
    loop {
        let Some(link) = link.upgrade() else { return };
        if renew || link.is_abandoned() || searched.elapsed() > SEARCH {
            link.renew();
            searched = Instant::now();
        }
        let answer = link.probe().await;
        renew = matches!(answer, Err(Fault::Timeout));
        match answer {
            Ok(took) if took <= link.read_timeout => {
                if settle(&link).await {
                    return;
                }
                pause = PAUSES.0;
            }
            // New connections would not make it faster.
            Ok(_) => {
                searched = Instant::now();
                link.explain("it answers later than read_timeout allows".into());
            }
            // That there is no connection says less than what was said when it was lost.
            Err(Fault::Timeout | Fault::Down(_)) => {}
            Err(Fault::Refused(why)) => link.explain(why),
        }
        drop(link);
        sleep(pause).await;
        pause = (pause * 2).min(PAUSES.1);
    }
}

/// Has what waits carried out before anything is read. False when the link fell again meanwhile.
async fn settle(link: &Arc<Link>) -> bool {
    link.pass_to(State::Settling);
    if let Some(on_return) = link.on_return.get() {
        on_return();
    }
    let settling = link.patience.lock().unwrap_or_else(PoisonError::into_inner).settling();
    sleep(settling).await;
    if !link.rise() {
        return false;
    }
    link.lock_patience().rise(Instant::now());
    tracing::info!(redis = %link.shown, "Redis is used again");
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_comes_and_goes_is_left_alone_longer_every_time() {
        let mut patience = Patience::default();
        let mut now = Instant::now();
        assert_eq!(patience.settling(), SETTLING);
        for (well_for, relapse, settling) in
            [(None, false, 1), (Some(2), true, 2), (Some(2), true, 4), (Some(60), false, 1), (Some(9), true, 2)]
        {
            if let Some(secs) = well_for {
                patience.rise(now);
                now += Duration::from_secs(secs);
            }
            assert_eq!(patience.fall(now), relapse, "{well_for:?}");
            assert_eq!(patience.settling(), Duration::from_secs(settling), "{well_for:?}");
        }
        for _ in 0..10 {
            patience.rise(now);
            assert!(patience.fall(now));
        }
        assert_eq!(patience.settling(), LONGEST_SETTLING);
    }
}

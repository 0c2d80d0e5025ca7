//! What is done when the server is there: at the start, and whenever it is back.
//!
//! It is looked at, and what an operator should change is said, once. A server that is not the one from before, or was
//! restarted, may have [forgotten](super::recent) what was cleared last: that is cleared again before anything is read.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use fred::prelude::Server;
use tokio::time::Instant;

use super::Redis;
use super::facts::Facts;
use super::fault::Fault;
use super::finding::{Finding, Gravity, judge};
use super::recent::Loss;

/// What is known of the servers that were seen last.
#[derive(Debug, Default)]
pub(super) struct Acquaintance {
    runs: Mutex<Option<(Instant, HashSet<String>)>>,
    told: Mutex<Vec<Finding>>,
    /// The server is back and was not looked at yet.
    unsure: AtomicBool,
}

impl Redis {
    /// Whether what is stored may be read: the servers were looked at since they are back.
    pub(super) fn is_sure(&self) -> bool {
        !self.acquaintance.unsure.load(Ordering::Acquire)
    }

    /// The link is about to rise.
    pub(super) fn returned(self: &Arc<Self>) {
        self.acquaintance.unsure.store(true, Ordering::Release);
        let redis = Arc::downgrade(self);
        super::spawn(async move {
            // A failure takes the link down sooner or later, and then this is asked for anew.
            const PAUSE: Duration = Duration::from_millis(100);
            while let Some(redis) = redis.upgrade() {
                if redis.link.state() == super::State::Down || redis.look_around().await.is_ok() {
                    return;
                }
                drop(redis);
                tokio::time::sleep(PAUSE).await;
            }
        });
    }

    /// Looks at every server, has cleared again what they may have forgotten, and says what an operator should change.
    pub(super) async fn look_around(self: &Arc<Self>) -> Result<(), Fault> {
        let mut servers = Vec::new();
        let nodes = self.link.nodes();
        for node in &nodes {
            match self.info(node.clone(), "everything").await {
                Ok(info) => servers.push(Facts::read(&info)),
                // A server that does not say is taken for another.
                Err(Fault::Refused(_)) => servers.push(Facts::default()),
                Err(fault) => return Err(fault),
            }
        }
        let findings: Vec<Finding> = servers.iter().flat_map(|facts| judge(facts, self.link.clustered)).collect();
        if let Some(fatal) = findings.iter().find(|finding| finding.gravity() == Gravity::Fatal) {
            // It answers, and is of no use: it is asked again, but nothing is read from it or stored.
            let why: Arc<str> = fatal.to_string().into();
            self.link.explain(Arc::clone(&why));
            self.link.fall(&why, true);
            return Err(Fault::Refused(why));
        }
        let loss = self.loss(&servers);
        let recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner).again(loss, self.link.fell());
        if !recent.is_empty() {
            let again = recent.len();
            tracing::info!(again, "Redis may have forgotten what was cleared last; it is cleared again");
            recent.into_iter().for_each(|selector| self.keep(selector));
        }
        self.acquaintance.unsure.store(false, Ordering::Release);
        let _ = self.may_lack_members().await;
        findings.into_iter().for_each(|finding| self.tell(finding));
        for (node, _) in nodes.into_iter().zip(&servers).filter(|(_, facts)| facts.evicts_any_key()) {
            self.look_for_others(node).await;
        }
        Ok(())
    }

    /// Looks at some names for others than larder's, which are evicted like larder's.
    async fn look_for_others(self: &Arc<Self>, node: Option<Server>) {
        let Ok((_, names)) = self.scan_step(node, "0".into(), "*").await else { return };
        let foreign = names.iter().filter(|name| !self.names.owns(name)).count() as u64;
        if foreign > 0 {
            self.tell(Finding::ForeignKeys { sampled: names.len() as u64, foreign });
        }
    }

    /// Says once what an operator should change.
    fn tell(&self, finding: Finding) {
        let mut told = self.acquaintance.told.lock().unwrap_or_else(PoisonError::into_inner);
        // Once of each kind: the numbers in one may differ every time.
        let is_news = !told.iter().any(|known| std::mem::discriminant(known) == std::mem::discriminant(&finding));
        if finding.gravity() > Gravity::Hint && is_news {
            told.push(finding.clone());
            tracing::warn!("{finding}");
        }
    }

    fn loss(&self, servers: &[Facts]) -> Loss {
        let runs: HashSet<String> = servers.iter().map(|facts| facts.run_id.clone()).collect();
        let now = Instant::now();
        let mut known = self.acquaintance.runs.lock().unwrap_or_else(PoisonError::into_inner);
        let before = known.replace((now, runs));
        match before {
            Some((seen, before)) => loss(servers, &before, now.duration_since(seen)),
            // Nothing was cleared yet, or on a server of which nothing is known.
            None => Loss::Snapshot,
        }
    }
}

/// How much servers may have forgotten, of which those from `before` were seen so long ago.
fn loss(servers: &[Facts], before: &HashSet<String>, ago: Duration) -> Loss {
    let of = |facts: &Facts| match () {
        () if !facts.run_id.is_empty() && before.contains(&facts.run_id) => Loss::Nothing,
        // A replica that was promoted has lived on; the restarted have what was on disk.
        () if facts.append_only || facts.uptime_secs > ago.as_secs() + 2 => Loss::Seconds,
        () => Loss::Snapshot,
    };
    servers.iter().map(of).max().unwrap_or(Loss::Seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_may_have_forgotten_is_told_by_its_life() {
        let before = HashSet::from(["a".to_owned(), "b".to_owned()]);
        let server = |run: &str, uptime_secs: u64, append_only: bool| Facts {
            run_id: run.into(),
            uptime_secs,
            append_only,
            ..Facts::default()
        };
        for (what, servers, expected) in [
            ("the same", vec![server("a", 5, false)], Loss::Nothing),
            ("a replica that was promoted", vec![server("a", 500, false), server("c", 400, false)], Loss::Seconds),
            ("restarted from a snapshot", vec![server("c", 1, false), server("b", 500, false)], Loss::Snapshot),
            ("restarted from an append-only file", vec![server("c", 1, true)], Loss::Seconds),
            ("one that does not say", vec![Facts::default()], Loss::Snapshot),
        ] {
            assert_eq!(loss(&servers, &before, Duration::from_secs(60)), expected, "{what}");
        }
    }
}

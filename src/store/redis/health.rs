//! What the server says of itself.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use fred::prelude::{ClientLike, Server};
use fred::types::{ClusterHash, CustomCommand};

use super::Redis;
use super::facts::{field, number};
use super::fault::Fault;
use super::gather::gather;
use super::link::Lane;
use crate::store::Health;

/// What was learned about the server that does not change back.
#[derive(Debug, Default)]
pub(super) struct Knowledge {
    /// Keys were evicted, or may have been before a restart: an index may lack members.
    evicts: AtomicBool,
    /// The identity of every server seen.
    runs: Mutex<Vec<(Option<Server>, String)>>,
}

impl Redis {
    /// Asks for a section of `INFO`.
    pub(super) async fn info(self: &Arc<Self>, node: Option<Server>, section: &'static str) -> Result<String, Fault> {
        let limit = self.link.write_timeout;
        self.link
            .call_node(Lane::Write, limit, node, |client| async move {
                let command = CustomCommand::new_static("INFO", ClusterHash::Random, false);
                client.custom::<String, _>(command, vec![section]).await
            })
            .await
    }

    /// Whether an index may lack members because the server evicted it.
    ///
    /// Kept in mind for good: the count can be reset, and what an evicted index named stays unknown.
    pub(super) async fn may_lack_members(self: &Arc<Self>) -> Result<bool, Fault> {
        if self.knowledge.evicts.load(Ordering::Acquire) {
            return Ok(true);
        }
        for node in self.link.nodes() {
            let sections = ["stats", "server"].map(|section| self.info(node.clone(), section));
            let mut answers = gather(sections).await.into_iter();
            let (Some(stats), Some(server)) = (answers.next(), answers.next()) else { continue };
            let (stats, server) = match (stats, server) {
                (Ok(stats), Ok(server)) => (stats, server),
                // A server that does not say is taken for one that evicts.
                (Err(Fault::Refused(_)), _) | (_, Err(Fault::Refused(_))) => return Ok(true),
                (Err(fault), _) | (_, Err(fault)) => return Err(fault),
            };
            let mut evicts = number(&stats, "evicted_keys").unwrap_or(0) > 0;
            let run = field(&server, "run_id").unwrap_or_default().to_owned();
            if self.is_another_run(node.as_ref(), run) {
                // The count began anew with the server, and entries may have outlived it.
                let memory = self.info(node, "memory").await?;
                let bounded = number(&memory, "maxmemory").unwrap_or(0) > 0;
                evicts |= bounded && field(&memory, "maxmemory_policy") != Some("noeviction");
            }
            if evicts {
                tracing::info!("Redis evicts keys: paths, tags and categories are cleared by scanning");
                self.knowledge.evicts.store(true, Ordering::Release);
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn is_another_run(&self, node: Option<&Server>, run: String) -> bool {
        let mut runs = self.knowledge.runs.lock().unwrap_or_else(PoisonError::into_inner);
        match runs.iter_mut().find(|(known, _)| known.as_ref() == node) {
            Some((_, known)) => std::mem::replace(known, run.clone()) != run,
            None => {
                runs.push((node.cloned(), run));
                false
            }
        }
    }

    /// Asks the server how it is.
    pub(super) async fn health(self: Arc<Self>) -> Health {
        let queued_invalidations = self.queue.len() as u64;
        let start = tokio::time::Instant::now();
        match self.info(None, "everything").await {
            Ok(info) => {
                let text = |name| field(&info, name).map(str::to_owned);
                Health {
                    backend: "redis",
                    healthy: true,
                    latency: Some(start.elapsed()),
                    version: text("valkey_version").or_else(|| text("redis_version")),
                    used_memory: text("used_memory_human"),
                    connected_clients: number(&info, "connected_clients"),
                    uptime: number(&info, "uptime_in_seconds").map(Duration::from_secs),
                    error: None,
                    queued_invalidations,
                    near: None,
                }
            }
            Err(fault) => {
                let why = match fault {
                    Fault::Timeout => "it does not answer in time".to_owned(),
                    Fault::Down(why) | Fault::Refused(why) => why.to_string(),
                };
                Health { backend: "redis", error: Some(why), queued_invalidations, ..Health::default() }
            }
        }
    }
}

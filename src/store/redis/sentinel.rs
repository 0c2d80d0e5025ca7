//! Notices that the sentinels name another master.
//!
//! A master that was replaced while it was well, or cut off from the sentinels, goes on answering for a while: what is
//! cleared there is cleared on nobody else's, and what others clear is not told. So a sentinel is asked again and again,
//! and a link to a master that it no longer names falls.

use std::sync::{Arc, Weak};
use std::time::Duration;

use fred::prelude::{Config, Server, ServerConfig, TlsConnector};
use tokio::time::sleep;

use super::examine::master;
use super::link::{Link, State};
use super::socket::Place;
use super::talk::Talk;

/// How often a sentinel is asked.
const ASK_EVERY: Duration = Duration::from_millis(250);

/// What is asked, and whom.
pub(super) struct Watch {
    sentinels: Vec<Server>,
    name: String,
    tls: Option<TlsConnector>,
    limit: Duration,
}

impl Watch {
    /// What there is to watch: nothing, without sentinels.
    pub(super) fn of(client: &Config, limit: Duration) -> Option<Self> {
        let ServerConfig::Sentinel { hosts, service_name, .. } = &client.server else { return None };
        let tls = client.tls.as_ref().map(|tls| tls.connector.clone());
        Some(Self { sentinels: hosts.clone(), name: service_name.clone(), tls, limit })
    }

    /// Watches until the link is dropped.
    pub(super) async fn keep(self, link: Weak<Link>) {
        for sentinel in self.sentinels.iter().cycle() {
            if link.strong_count() == 0 {
                return;
            }
            if let Ok(mut talk) = Talk::open(&Place::Tcp(sentinel.clone()), self.tls.as_ref(), self.limit).await {
                self.ask(&mut talk, &link).await;
            }
            sleep(ASK_EVERY).await;
        }
    }

    /// Asks one sentinel until it no longer answers.
    async fn ask(&self, talk: &mut Talk, link: &Weak<Link>) {
        while let Ok(Some(named)) = master(talk, &self.name).await {
            let Some(link) = link.upgrade() else { return };
            let used = link.servers();
            let is_another = |server: &Server| (&server.host, server.port) != (&named.host, named.port);
            if link.state() == State::Up && used.iter().any(is_another) {
                link.fall(&Arc::from("the sentinels name another master"), true);
            }
            drop(link);
            sleep(ASK_EVERY).await;
        }
    }
}

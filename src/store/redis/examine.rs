//! A look at the server, step by step, as a new client meets it. For `larder check --connect`, and to say why there is
//! no connection: each step that fails says which it was.

use std::time::Duration;

use fred::prelude::{Config, Server, ServerConfig, TlsConnector};

use super::config::{RedisConfig, RedisConfigError};
use super::facts::Facts;
use super::finding::{Finding, judge};
use super::socket::Place;
use super::talk::{Said, Talk};
use super::trouble::{Step, Trouble};

/// Names that are looked at for others than larder's.
const SAMPLE: &str = "200";

/// What was seen of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Examination {
    /// Where it is.
    pub server: String,
    /// Redis or Valkey, and its version.
    pub version: String,
    /// `master` or `replica`.
    pub role: String,
    /// Its `maxmemory-policy`.
    pub policy: Option<String>,
    /// What is wrong, or could be better.
    pub findings: Vec<Finding>,
}

/// Why a server was not examined.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ExamineError {
    /// The configuration cannot be used.
    #[error(transparent)]
    Config(#[from] RedisConfigError),
    /// The server cannot be used.
    #[error(transparent)]
    Trouble(#[from] Trouble),
}

/// Connects as this configuration says and looks around. Every step may take `connect_timeout`.
///
/// # Errors
/// [`ExamineError`] with the step that failed and what to do about it.
pub async fn examine(config: &RedisConfig) -> Result<Examination, ExamineError> {
    let client = config.client_config()?;
    let tls = client.tls.as_ref().map(|tls| tls.connector.clone());
    let examiner = Examiner { client, tls, limit: config.connect_timeout, prefix: format!("{}:", config.key_prefix) };
    Ok(examiner.examine().await?)
}

struct Examiner {
    client: Config,
    tls: Option<TlsConnector>,
    limit: Duration,
    prefix: String,
}

impl Examiner {
    async fn examine(&self) -> Result<Examination, Trouble> {
        let clustered = self.client.server.is_clustered();
        let places = match &self.client.server {
            ServerConfig::Unix { path } => vec![Place::Unix(path.clone())],
            ServerConfig::Sentinel { hosts, service_name, .. } => vec![self.master(hosts, service_name).await?],
            server => server.hosts().into_iter().map(Place::Tcp).collect(),
        };
        let (place, mut talk) = self.first(&places).await?;
        let info = text(Step::Ask, &place, talk.ask(&["INFO", "everything"]).await)?;
        let facts = Facts::read(&info);
        let mut findings = judge(&facts, clustered);
        if clustered && facts.in_cluster {
            let state = text(Step::Ask, &place, talk.ask(&["CLUSTER", "INFO"]).await)?;
            findings.extend((!state.contains("cluster_state:ok")).then_some(Finding::ClusterDown));
        }
        if facts.evicts_any_key() {
            findings.extend(self.foreign(&mut talk).await);
        }
        let tracked = format!("{}GET:", self.prefix);
        if let Ok(Said::Refused(why)) = talk.ask(&["CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", &tracked]).await {
            findings.push(Finding::NotTold(why));
        }
        findings.sort_by_key(|finding| std::cmp::Reverse(finding.gravity()));
        let name = if facts.valkey { "Valkey" } else { "Redis" };
        let role = if facts.role.as_deref() == Some("slave") { "replica" } else { "master" };
        Ok(Examination {
            server: place.to_string(),
            version: format!("{name} {}", facts.version.as_deref().unwrap_or("of an unknown version")),
            role: role.into(),
            policy: facts.policy,
            findings,
        })
    }

    /// The first server that lets us in; if none does, what the last said.
    async fn first(&self, places: &[Place]) -> Result<(Place, Talk), Trouble> {
        let mut trouble = None;
        for place in places {
            match self.enter(place).await {
                Ok(talk) => return Ok((place.clone(), talk)),
                Err(why) => trouble = Some(why),
            }
        }
        let nowhere = Place::Tcp(Server::new("", 0));
        Err(trouble.unwrap_or_else(|| Trouble::new(Step::Connect, &nowhere, "no server is named")))
    }

    async fn enter(&self, place: &Place) -> Result<Talk, Trouble> {
        let talk = Talk::open(place, self.tls.as_ref(), self.limit).await;
        let mut talk = talk.map_err(|failure| Trouble::unconnected(place, &failure))?;
        let mut hello = vec!["HELLO", "3"];
        if let Some(password) = &self.client.password {
            hello.extend(["AUTH", self.client.username.as_deref().unwrap_or("default"), password]);
        }
        granted(Step::Greet, place, talk.ask(&hello).await)?;
        if let Some(database) = self.client.database.filter(|database| *database != 0) {
            granted(Step::Select, place, talk.ask(&["SELECT", &database.to_string()]).await)?;
        }
        Ok(talk)
    }

    /// The master that the first sentinel which answers names.
    async fn master(&self, sentinels: &[Server], name: &str) -> Result<Place, Trouble> {
        let mut trouble = None;
        for sentinel in sentinels {
            let place = Place::Tcp(sentinel.clone());
            match Talk::open(&place, self.tls.as_ref(), self.limit).await {
                Ok(mut talk) => match master(&mut talk, name).await {
                    Ok(Some(master)) => return Ok(Place::Tcp(master)),
                    Ok(None) => {
                        trouble =
                            Some(Trouble::new(Step::Sentinel, &place, format_args!("nothing of the name `{name}`")));
                    }
                    Err(why) => trouble = Some(Trouble::new(Step::Sentinel, &place, why)),
                },
                Err(failure) => trouble = Some(Trouble::unconnected(&place, &failure)),
            }
        }
        let nowhere = Place::Tcp(Server::new("", 0));
        Err(trouble.unwrap_or_else(|| Trouble::new(Step::Sentinel, &nowhere, "no sentinel is named")))
    }

    /// Looks at some names for others than ours.
    async fn foreign(&self, talk: &mut Talk) -> Option<Finding> {
        let Ok(Said::List(mut page)) = talk.ask(&["SCAN", "0", "COUNT", SAMPLE]).await else { return None };
        let Some(Said::List(names)) = page.pop() else { return None };
        let sampled = names.len() as u64;
        let foreign = names.into_iter().filter_map(Said::text).filter(|name| !name.starts_with(&self.prefix)).count();
        (foreign > 0).then_some(Finding::ForeignKeys { sampled, foreign: foreign as u64 })
    }
}

/// Asks a sentinel for the master of this name.
pub(super) async fn master(talk: &mut Talk, name: &str) -> std::io::Result<Option<Server>> {
    match talk.ask(&["SENTINEL", "GET-MASTER-ADDR-BY-NAME", name]).await? {
        Said::List(parts) => {
            let parts: Vec<String> = parts.into_iter().filter_map(Said::text).collect();
            let [host, port] = &parts[..] else { return Ok(None) };
            Ok(port.parse().ok().map(|port| Server::new(host.as_str(), port)))
        }
        Said::Refused(why) => Err(std::io::Error::other(why)),
        _ => Ok(None),
    }
}

fn granted(step: Step, place: &Place, answer: std::io::Result<Said>) -> Result<Said, Trouble> {
    match answer {
        Ok(Said::Refused(why)) => Err(Trouble::new(step, place, why)),
        Ok(said) => Ok(said),
        Err(why) => Err(Trouble::new(step, place, why)),
    }
}

fn text(step: Step, place: &Place, answer: std::io::Result<Said>) -> Result<String, Trouble> {
    Ok(granted(step, place, answer)?.text().unwrap_or_default())
}

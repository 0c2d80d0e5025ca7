//! Invalidations and counts: which records a selector names, and doing away with them.
//!
//! A path, a tag and a category are looked up in their index. A pattern, and everything, is found by `SCAN`, which
//! never holds the server up; leases lie in the records themselves, so a fill in flight is found like an entry. A
//! server that has evicted keys may have evicted an index while the entries it named live on: then all of them are
//! found by `SCAN`.

use std::collections::HashSet;
use std::hash::BuildHasher;
use std::sync::Arc;
use std::time::Duration;

use fred::clients::WithOptions;
use fred::prelude::{Client, ClientLike, HashesInterface, KeysInterface, Server, Value};
use fred::types::{ClusterHash, CustomCommand};

use super::Redis;
use super::fault::Fault;
use super::gather::gather;
use super::link::Lane;
use super::names::{category_label, literal_head, may_be_hashed, tag_label};
use super::record::FILL_FOR;
use super::scripts::{FORGET, MARK, TELL};
use crate::invalidation::Selector;
use crate::key::Key;
use crate::store::Lease;

/// Records handled at once.
const BATCH: usize = 200;
/// Names that one step of a scan looks at.
const SCAN_COUNT: u32 = 500;

/// What a sweep does with what it finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sweep<'s> {
    Count,
    Delete,
    /// As `Delete`, but one lease stays.
    Around(&'s Spared),
}

/// A lease that a sweep leaves to its holder.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Spared {
    record: String,
    member: String,
    token: String,
}

impl Sweep<'_> {
    fn deletes(self) -> bool {
        self != Sweep::Count
    }

    /// The lease that stays in the record of this name.
    fn spares(&self, record: &str) -> &str {
        match self {
            Sweep::Around(spared) if spared.record == record => &spared.token,
            _ => "",
        }
    }

    /// Whether this member of an index is still to be found.
    fn keeps(self, member: &str) -> bool {
        matches!(self, Sweep::Around(spared) if spared.member == member)
    }
}

/// The members of an index with their scores, as the server wrote them.
type Members = Vec<(String, String)>;

impl Redis {
    pub(super) fn spared(&self, lease: &Lease) -> Option<Spared> {
        let (record, member) = (self.names.record(lease.key()), lease.key().physical());
        lease.token().map(|token| Spared { record, member, token: token.to_string() })
    }

    /// Finds what the selector names; says how many records held an entry.
    ///
    /// A fetch that got no lease is found by nothing here. Every node is told that something was cleared, and keeps
    /// later requests from such a fetch.
    pub(super) async fn sweep(self: &Arc<Self>, selector: &Selector, sweep: Sweep<'_>) -> Result<u64, Fault> {
        let held = self.sweep_records(selector, sweep).await?;
        if sweep.deletes() {
            self.link.run(Lane::Write, self.wide(), &TELL, &self.names.news(), Vec::new()).await?;
        }
        Ok(held)
    }

    async fn sweep_records(self: &Arc<Self>, selector: &Selector, sweep: Sweep<'_>) -> Result<u64, Fault> {
        let (index, label) = match selector {
            Selector::Key(key) if key.as_str().contains('#') => {
                return self.drop_all(&[self.names.record(key)], "", sweep).await;
            }
            Selector::Key(key) => (self.names.group(key.as_str()), String::new()),
            Selector::Tag(tag) => {
                if sweep.deletes() {
                    let lifetime = (FILL_FOR * 2).as_millis().to_string();
                    self.link
                        .run(Lane::Write, self.wide(), &MARK, &self.names.mark(tag), vec![lifetime.into()])
                        .await?;
                }
                (self.names.tag(tag), tag_label(tag))
            }
            Selector::Category(category) => (self.names.category(category), category_label(category)),
            Selector::Glob(_) | Selector::All => return self.scan(selector, "", sweep).await,
        };
        let members = self.members(&index).await?;
        // Asked after the index was read: what it lacked by then, the server has counted.
        if members.is_none() || self.may_lack_members().await? {
            return self.scan(selector, &label, sweep).await;
        }
        let members = members.unwrap_or_default();
        let mut names: Vec<String> = members.iter().map(|(member, _)| self.names.member(member)).collect();
        if let Selector::Key(key) = selector {
            names.push(self.names.record(key));
        }
        let held = self.drop_all(&names, &label, sweep).await?;
        if sweep.deletes() {
            let gone = members.into_iter().filter(|(member, _)| !sweep.keeps(member)).collect();
            self.forget(&index, gone).await;
        }
        Ok(held)
    }

    async fn drop_all(self: &Arc<Self>, names: &[String], label: &str, sweep: Sweep<'_>) -> Result<u64, Fault> {
        let mut held = 0;
        for batch in names.chunks(BATCH) {
            let drops = batch.iter().map(|name| {
                let delete = sweep.deletes().then(|| sweep.spares(name));
                self.drop_record(name, label, delete, self.wide())
            });
            for dropped in gather(drops).await {
                held += dropped?;
            }
        }
        Ok(held)
    }

    /// What an index names. `None` when it is no index.
    ///
    /// Read in steps: however many it names, none takes long. What is in it all the while is not missed.
    async fn members(self: &Arc<Self>, index: &str) -> Result<Option<Members>, Fault> {
        let (mut members, mut cursor) = (Members::new(), "0".to_owned());
        loop {
            match self.members_step(index, cursor).await {
                Ok((next, flat)) => {
                    members.extend(flat.chunks_exact(2).map(|pair| (pair[0].clone(), pair[1].clone())));
                    if next == "0" {
                        // The server may name one twice.
                        members.sort_unstable();
                        members.dedup();
                        return Ok(Some(members));
                    }
                    cursor = next;
                }
                Err(fault) if fault.is_wrong_type() => {
                    let index = index.to_owned();
                    let unlink = |client: WithOptions<Client>| async move { client.unlink::<(), _>(index).await };
                    self.link.call(Lane::Write, self.wide(), unlink).await?;
                    return Ok(None);
                }
                Err(fault) => return Err(fault),
            }
        }
    }

    async fn members_step(self: &Arc<Self>, index: &str, cursor: String) -> Result<(String, Vec<String>), Fault> {
        let command = CustomCommand::new_static("ZSCAN", ClusterHash::FirstKey, false);
        let arguments = vec![index.to_owned(), cursor, "COUNT".into(), SCAN_COUNT.to_string()];
        let step = |client: WithOptions<Client>| async move { client.custom(command, arguments).await };
        self.link.call(Lane::Write, self.wide(), step).await
    }

    /// Takes swept members out of their index, unless they were registered again. Left in, they cost a look each.
    async fn forget(self: &Arc<Self>, index: &str, members: Members) {
        for batch in members.chunks(BATCH) {
            let pairs = batch.iter().flat_map(|(member, score)| [member.as_str().into(), score.as_str().into()]);
            if self.link.run(Lane::Write, self.wide(), &FORGET, index, pairs.collect()).await.is_err() {
                return;
            }
        }
    }

    /// Finds records by looking at every name, on every node.
    async fn scan(self: &Arc<Self>, selector: &Selector, label: &str, sweep: Sweep<'_>) -> Result<u64, Fault> {
        let beginning = match selector {
            Selector::Key(key) => key.resource().to_owned(),
            Selector::Glob(glob) => literal_head(glob),
            _ => String::new(),
        };
        let pattern = self.names.beginning_with(&beginning);
        let nodes = self.link.nodes();
        if nodes.is_empty() {
            return Err(Fault::Down("the nodes of the Cluster are not known".into()));
        }
        // A scan may name a record twice, which must not count twice.
        let (mut seen, hasher) = (HashSet::new(), foldhash::fast::RandomState::default());
        let mut held = 0;
        for node in nodes {
            let mut cursor = "0".to_owned();
            loop {
                let (next, mut names) = self.scan_step(node.clone(), cursor, &pattern).await?;
                names.retain(|name| seen.insert(hasher.hash_one(name)));
                let names = self.selected(selector, names).await?;
                held += self.drop_all(&names, label, sweep).await?;
                if next == "0" {
                    break;
                }
                cursor = next;
            }
        }
        Ok(held)
    }

    pub(super) async fn scan_step(
        self: &Arc<Self>,
        node: Option<Server>,
        cursor: String,
        pattern: &str,
    ) -> Result<(String, Vec<String>), Fault> {
        let pattern = pattern.to_owned();
        let answer = self.link.call_node(Lane::Write, self.wide(), node, |client| async move {
            client.scan_page::<(String, Vec<Value>), _, _>(cursor, pattern, Some(SCAN_COUNT), None).await
        });
        let (next, names) = answer.await?;
        // A name that is not text is none that larder writes.
        Ok((next, names.into_iter().filter_map(|name| name.into_string()).collect()))
    }

    /// Those of the names that are records which the selector may name. Tags and categories are told by the records.
    async fn selected(self: &Arc<Self>, selector: &Selector, names: Vec<String>) -> Result<Vec<String>, Fault> {
        let mut selected = Vec::new();
        for name in names {
            let Some(member) = self.names.member_of(&name) else { continue };
            let by_name = matches!(selector, Selector::Key(_) | Selector::Glob(_));
            let full = if by_name && may_be_hashed(member) { self.full_key(&name).await? } else { None };
            let full = full.as_deref().unwrap_or(member);
            let hit = match selector {
                Selector::Glob(glob) => glob.matches(full),
                Selector::Key(_) => Key::parse(full).is_ok_and(|key| selector.hits(&key, &[], None)),
                _ => true,
            };
            if hit {
                selected.push(name);
            }
        }
        Ok(selected)
    }

    async fn full_key(self: &Arc<Self>, name: &str) -> Result<Option<String>, Fault> {
        let name = name.to_owned();
        let answer = self.link.call(Lane::Write, self.wide(), |client| async move {
            client.hget::<Option<String>, _, _>(name, "k").await
        });
        match answer.await {
            Err(fault) if fault.is_wrong_type() => Ok(None),
            answer => answer,
        }
    }

    fn wide(&self) -> Duration {
        self.link.write_timeout
    }
}

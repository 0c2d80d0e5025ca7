//! What is wrong with a server, or could be better, and what to do about it.

use std::fmt;

use super::facts::Facts;

/// Something about Redis that an operator should know. `Display` is one sentence that ends with the remedy.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Finding {
    /// The server is older than what larder relies on.
    TooOld(String),
    /// The server is a replica and takes no writes.
    Replica,
    /// The server is a node of a Cluster, and the URL names a single server.
    InCluster,
    /// The server is a single one, and the URL names a Cluster.
    NotInCluster,
    /// Some slots of the Cluster are served by nobody.
    ClusterDown,
    /// Changes are not told to this user: memory in front of Redis keeps what it fetches for a short time only.
    NotTold(String),
    /// When the server is full it refuses to store.
    NeverEvicts,
    /// When the server is full it may evict keys that are not larder's.
    ForeignKeys {
        /// Keys that were looked at.
        sampled: u64,
        /// How many of them are not larder's.
        foreign: u64,
    },
    /// Nothing bounds the server's memory.
    Unbounded,
}

/// How grave a [`Finding`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Gravity {
    /// Worth knowing.
    Hint,
    /// Probably not meant.
    Warning,
    /// The server cannot be used.
    Fatal,
}

impl Finding {
    /// How grave it is.
    pub fn gravity(&self) -> Gravity {
        match self {
            Self::TooOld(_) | Self::Replica | Self::InCluster | Self::NotInCluster | Self::ClusterDown => {
                Gravity::Fatal
            }
            Self::NotTold(_) | Self::NeverEvicts | Self::ForeignKeys { .. } => Gravity::Warning,
            Self::Unbounded => Gravity::Hint,
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooOld(version) => {
                write!(f, "the server's version is {version}, which is too old: use Redis 6.2 or newer, or Valkey")
            }
            Self::Replica => f.write_str(
                "the server is a replica and takes no writes: name the master in redis.url, or have it found with \
                 redis-sentinel://",
            ),
            Self::InCluster => f.write_str("the server is a node of a Cluster: begin redis.url with redis-cluster://"),
            Self::NotInCluster => f.write_str("the server is not part of a Cluster: begin redis.url with redis://"),
            Self::ClusterDown => f.write_str(
                "the Cluster does not serve all its slots: see `redis-cli --cluster check` for those without a master",
            ),
            Self::NotTold(why) => write!(
                f,
                "changes in Redis are not told ({why}): allow the user `+client|tracking`, or switch memory off; \
                 until then memory keeps what it fetches for degraded_ttl"
            ),
            Self::NeverEvicts => f.write_str(
                "Redis has maxmemory with maxmemory-policy noeviction: when it is full nothing more is stored; set \
                 maxmemory-policy allkeys-lru",
            ),
            Self::ForeignKeys { sampled, foreign } => write!(
                f,
                "{foreign} of {sampled} keys looked at are not larder's, and the maxmemory-policy evicts them like \
                 larder's: give larder a server of its own, or set maxmemory-policy volatile-lru"
            ),
            Self::Unbounded => f.write_str(
                "Redis has no maxmemory: entries leave when their time is over and not before; set maxmemory, and \
                 maxmemory-policy allkeys-lru",
            ),
        }
    }
}

/// What is to be said about a server by its own word. `clustered`: the URL names a Cluster.
pub(super) fn judge(facts: &Facts, clustered: bool) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Some(version) = facts.version.as_ref().filter(|version| !facts.valkey && is_too_old(version)) {
        findings.push(Finding::TooOld(version.clone()));
    }
    if facts.read_only && !clustered {
        findings.push(Finding::Replica);
    }
    match (facts.in_cluster, clustered) {
        (true, false) => findings.push(Finding::InCluster),
        (false, true) => findings.push(Finding::NotInCluster),
        _ => {}
    }
    match facts.policy.as_deref() {
        _ if facts.max_memory == 0 => findings.extend(facts.policy.is_some().then_some(Finding::Unbounded)),
        Some("noeviction") => findings.push(Finding::NeverEvicts),
        _ => {}
    }
    findings
}

/// What cannot be read is not refused.
fn is_too_old(version: &str) -> bool {
    let mut parts = version.split('.').map(|part| part.parse::<u32>().ok());
    match (parts.next().flatten(), parts.next().flatten()) {
        (Some(major), Some(minor)) => (major, minor) < (6, 2),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_judged_by_its_own_word() {
        let well = "maxmemory:1\nmaxmemory_policy:allkeys-lru\n";
        for (info, clustered, expected) in [
            ("redis_version:7.0.15\nmaxmemory:1\nmaxmemory_policy:volatile-ttl", false, vec![]),
            ("redis_version:6.2.0\nmaxmemory:1\nmaxmemory_policy:allkeys-lru", false, vec![]),
            ("redis_version:6.0.16", false, vec![Finding::TooOld("6.0.16".into())]),
            ("redis_version:255.255.255\nrole:slave\nslave_read_only:0", false, vec![]),
            // A Valkey that calls itself an old Redis.
            ("redis_version:6.0.0\nvalkey_version:8.1.0", false, vec![]),
            ("role:slave\nslave_read_only:1", false, vec![Finding::Replica]),
            ("cluster_enabled:1", false, vec![Finding::InCluster]),
            ("cluster_enabled:0", true, vec![Finding::NotInCluster]),
            ("cluster_enabled:1\nrole:slave", true, vec![]),
            ("maxmemory:0\nmaxmemory_policy:noeviction", false, vec![Finding::Unbounded]),
            ("maxmemory:9\nmaxmemory_policy:noeviction", false, vec![Finding::NeverEvicts]),
            (well, false, vec![]),
            // What a user may not see is not judged.
            ("", false, vec![]),
        ] {
            assert_eq!(judge(&Facts::read(info), clustered), expected, "{info:?}");
        }
    }

    #[test]
    fn every_finding_names_a_remedy() {
        for (finding, gravity, remedy) in [
            (Finding::TooOld("5.0".into()), Gravity::Fatal, "6.2"),
            (Finding::Replica, Gravity::Fatal, "redis.url"),
            (Finding::InCluster, Gravity::Fatal, "redis-cluster://"),
            (Finding::NotInCluster, Gravity::Fatal, "redis://"),
            (Finding::ClusterDown, Gravity::Fatal, "redis-cli"),
            (Finding::NotTold("NOPERM".into()), Gravity::Warning, "+client|tracking"),
            (Finding::NeverEvicts, Gravity::Warning, "allkeys-lru"),
            (Finding::ForeignKeys { sampled: 9, foreign: 3 }, Gravity::Warning, "volatile-lru"),
            (Finding::Unbounded, Gravity::Hint, "maxmemory"),
        ] {
            assert!(finding.to_string().contains(remedy), "{finding}");
            assert_eq!(finding.gravity(), gravity);
        }
    }
}

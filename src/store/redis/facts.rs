//! What a server says of itself, read from `INFO`.

/// One server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Facts {
    /// As it was said, and whether the server is Valkey.
    pub(super) version: Option<String>,
    pub(super) valkey: bool,
    /// Another after every restart.
    pub(super) run_id: String,
    pub(super) uptime_secs: u64,
    pub(super) role: Option<String>,
    /// A replica that takes no writes.
    pub(super) read_only: bool,
    pub(super) loading: bool,
    /// Whether what is acknowledged is written to a file as it happens.
    pub(super) append_only: bool,
    pub(super) in_cluster: bool,
    /// Bytes; 0 is no limit.
    pub(super) max_memory: u64,
    pub(super) policy: Option<String>,
}

impl Facts {
    /// Reads what is there.
    pub(super) fn read(info: &str) -> Self {
        let text = |name| field(info, name).map(str::to_owned);
        let valkey = field(info, "valkey_version");
        let role = text("role");
        Self {
            // Valkey calls itself a Redis of some version as well.
            version: valkey.map(str::to_owned).or_else(|| text("redis_version")),
            valkey: valkey.is_some() || field(info, "server_name") == Some("valkey"),
            run_id: text("run_id").unwrap_or_default(),
            uptime_secs: number(info, "uptime_in_seconds").unwrap_or(0),
            read_only: role.as_deref() == Some("slave") && field(info, "slave_read_only") != Some("0"),
            role,
            loading: field(info, "loading") == Some("1"),
            append_only: field(info, "aof_enabled") == Some("1"),
            in_cluster: field(info, "cluster_enabled") == Some("1"),
            max_memory: number(info, "maxmemory").unwrap_or(0),
            policy: text("maxmemory_policy"),
        }
    }

    /// Whether any key may be evicted, whoever's it is.
    pub(super) fn evicts_any_key(&self) -> bool {
        self.max_memory > 0 && self.policy.as_deref().is_some_and(|policy| policy.starts_with("allkeys-"))
    }
}

/// The value of a field, found by its whole name.
pub(super) fn field<'a>(info: &'a str, name: &str) -> Option<&'a str> {
    info.lines()
        .find_map(|line| line.split_once(':').filter(|(field, _)| *field == name))
        .map(|(_, value)| value.trim())
}

pub(super) fn number(info: &str, name: &str) -> Option<u64> {
    field(info, name)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_by_their_whole_name() {
        let info = "# Memory\r\nused_memory:1\r\nused_memory_human:2.5M\r\nmaxmemory:0\r\n";
        assert_eq!(field(info, "used_memory_human"), Some("2.5M"));
        assert_eq!(number(info, "used_memory"), Some(1));
        assert_eq!(number(info, "evicted_keys"), None);
    }

    #[test]
    fn redis_and_valkey_name_themselves() {
        let redis = Facts::read("redis_version:7.0.15\r\nrole:slave\r\nslave_read_only:1\r\n");
        assert_eq!((redis.version.as_deref(), redis.valkey, redis.read_only), (Some("7.0.15"), false, true));
        let valkey = "redis_version:7.2.4\r\nserver_name:valkey\r\nvalkey_version:8.1.0\r\nrole:master\r\n";
        let valkey = Facts::read(valkey);
        assert_eq!((valkey.version.as_deref(), valkey.valkey, valkey.read_only), (Some("8.1.0"), true, false));
    }

    #[test]
    fn eviction_is_of_any_key_or_of_those_with_a_time_to_live() {
        for (limit, policy, any) in [(0, "allkeys-lru", false), (1, "allkeys-lfu", true), (1, "volatile-lru", false)] {
            assert_eq!(Facts::read(&format!("maxmemory:{limit}\nmaxmemory_policy:{policy}")).evicts_any_key(), any);
        }
    }
}

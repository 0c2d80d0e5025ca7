//! What a configuration that was read again can change while the process serves.

use crate::config::Config;

/// What becomes of a configuration that was read again.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reload {
    /// Its routes can be put in force. These fields differ as well and keep their old values until a restart.
    Routes {
        /// Names as they stand in the file.
        needs_restart: Vec<&'static str>,
    },
    /// It cannot be used without a restart. Keys depend on these fields: routes that were made for other values of them
    /// could let two hosts share an entry.
    Refused {
        /// Names as they stand in the file.
        needs_restart: Vec<&'static str>,
    },
}

/// Compares a configuration with the one the process was started with.
pub fn judge(running: &Config, read: &Config) -> Reload {
    let refused = differing([
        ("upstream", running.upstream == read.upstream),
        ("host_header", running.host_header == read.host_header),
    ]);
    if !refused.is_empty() {
        return Reload::Refused { needs_restart: refused };
    }
    Reload::Routes {
        needs_restart: differing([
            ("listen", running.listen == read.listen),
            ("hosts", running.hosts == read.hosts),
            ("trusted_proxies", running.trusted_proxies == read.trusted_proxies),
            ("drain_timeout", running.drain_timeout == read.drain_timeout),
            ("redis", running.redis == read.redis),
            ("memory", running.memory == read.memory),
            ("admin", running.admin == read.admin),
        ]),
    }
}

fn differing<const N: usize>(fields: [(&'static str, bool); N]) -> Vec<&'static str> {
    fields.into_iter().filter(|(_, same)| !same).map(|(name, _)| name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Env, Source};

    fn judged(changed: &str) -> Reload {
        let read = |text: &str| Config::parse(&Source::new("routes.yaml", text), &Env::empty()).unwrap();
        let running = "upstream: http://127.0.0.1:1\nroutes:\n  - { path: /a, ttl: 1s }\n";
        judge(&read(running), &read(changed))
    }

    #[test]
    fn routes_change_while_the_process_serves() {
        let changed = "upstream: http://127.0.0.1:1\nroutes:\n  - { path: /b, ttl: 1s }\n";
        assert_eq!(judged(changed), Reload::Routes { needs_restart: vec![] });
    }

    #[test]
    fn what_was_opened_at_the_start_waits_for_the_next() {
        let changed = "upstream: http://127.0.0.1:1\nlisten: 127.0.0.1:81\nmemory: { max_bytes: 1MiB }\nroutes: []\n";
        assert_eq!(judged(changed), Reload::Routes { needs_restart: vec!["listen", "memory"] });
    }

    #[test]
    fn what_keys_are_made_of_does_not_change_under_way() {
        let changed = "upstream: http://127.0.0.1:2\nhost_header: preserve\nroutes: []\n";
        assert_eq!(judged(changed), Reload::Refused { needs_restart: vec!["upstream", "host_header"] });
    }
}

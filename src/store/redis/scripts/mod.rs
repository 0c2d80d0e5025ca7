//! The scripts. Each touches the one key it is given, so that it runs in a Cluster as well.

use std::sync::LazyLock;

use fred::util::sha1_hash;

/// A script and the name by which the server knows it once it ran.
pub(super) struct Script {
    pub(super) source: &'static str,
    pub(super) sha1: String,
}

pub(super) static LEASE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("lease.lua")));
pub(super) static PUT: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("put.lua")));
pub(super) static RELEASE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("release.lua")));
pub(super) static RENEW: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("renew.lua")));
pub(super) static DROP: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("drop.lua")));
pub(super) static REGISTER: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("register.lua")));
pub(super) static FORGET: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("forget.lua")));
pub(super) static MARK: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("mark.lua")));
pub(super) static TELL: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("tell.lua")));

impl Script {
    fn new(source: &'static str) -> Self {
        Self { source, sha1: sha1_hash(source) }
    }
}

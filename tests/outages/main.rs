//! What clients of a real proxy see while Redis fails in every way it can, and what becomes of it afterwards.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![expect(clippy::disallowed_methods, reason = "clients, origins and faults run beside the test")]

#[path = "../rig/fault_proxy.rs"]
mod fault_proxy;
#[path = "../rig/redis_cluster.rs"]
#[expect(dead_code, reason = "which master is lost counts here")]
mod redis_cluster;
#[path = "../rig/redis_sentinel.rs"]
mod redis_sentinel;
#[path = "../rig/redis_server.rs"]
#[expect(dead_code, reason = "not every verb is needed here")]
mod redis_server;
mod rig;

mod connections;
mod failover;
mod table;
mod welcome;

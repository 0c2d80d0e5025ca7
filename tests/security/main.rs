//! Attacks on a shared cache, on raw sockets against the real server before an origin that reflects every byte it gets.
//!
//! Each test is named after what it prevents. [`strict`] is the origin: it reads requests as the grammar has them and no
//! otherwise, and records what it saw. [`rig`] is the server and its clients.
#![cfg(feature = "server")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "what goes wrong here fails the test")]
#![expect(clippy::disallowed_methods, reason = "servers and clients run beside the test")]

mod authority;
mod credentials;
mod deception;
mod desync;
mod downgrade;
mod errors;
mod fat_get;
mod fields;
mod query;
mod ranges;
mod responses;
mod rig;
mod strict;
mod target;
mod truncation;
mod vary;

//! The proxy between a scripted origin and a client that speaks bytes.
#![cfg(feature = "server")]
#![expect(clippy::expect_used, clippy::panic, reason = "what goes wrong here fails the test")]
#![expect(clippy::disallowed_methods, reason = "servers and clients run beside the test")]

#[path = "../rig/origin.rs"]
mod origin;
#[path = "../rig/wire.rs"]
mod wire;

mod bodies;
mod edge;
mod faults;
mod forwarding;
mod front;
mod http2;
mod interim;
mod posts;
mod query;
mod ranges;
mod retry;
mod serving;
mod trailers;
mod upgrade;

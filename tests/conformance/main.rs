//! What a shared cache must show on the wire: larder whole, between an origin and clients that speak bytes.
//!
//! Most of it stands in tables: a row is what the origin answers, how much time passes, what is asked the second time,
//! and whether that is answered from the store, from the origin, or after a validation. The clock is moved, nobody waits.
#![cfg(feature = "server")]
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "what goes wrong here fails the test")]
#![expect(clippy::disallowed_methods, reason = "servers and clients run beside the test")]

mod lab;

mod conditional;
mod crowds;
mod directives;
mod fields;
mod framing;
mod freshness;
mod head;
mod http2;
mod invalidation;
mod ranges;
mod requests;
mod said;
mod sharing;
mod stale;
mod targeted;
mod update;
mod vary;

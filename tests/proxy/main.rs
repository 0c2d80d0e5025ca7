//! The proxy between a scripted origin and a client that speaks bytes.
#![cfg(feature = "server")]

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
mod retry;
mod serving;
mod smuggling;
mod upgrade;

//! What is turned away before a cache or an upstream sees it, and the one form in which the rest goes on.

mod check;
mod host;
mod service;

pub use check::{EdgeError, EdgeRules, check};
pub use host::HostName;
pub use service::{Edge, EdgeBody, EdgeFuture, pass};

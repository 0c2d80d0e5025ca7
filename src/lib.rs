//! larder: an HTTP response cache.

#[cfg(feature = "admin")]
pub mod admin;
pub mod cache;
pub mod clock;
#[cfg(feature = "yaml")]
pub mod config;
pub mod entry;
pub mod invalidation;
pub mod key;
pub mod outcome;
pub mod policy;
#[cfg(feature = "server")]
pub mod proxy;
pub mod route;
#[cfg(feature = "server")]
pub mod server;
pub mod stats;
pub mod store;

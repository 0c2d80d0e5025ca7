//! larder: an HTTP response cache.

pub mod clock;
#[cfg(feature = "yaml")]
pub mod config;
pub mod entry;
pub mod invalidation;
pub mod key;
pub mod outcome;
pub mod policy;
pub mod route;
pub mod store;

//! An HTTP response cache for APIs: a tower layer, and the reverse proxy that is built on it.
//!
//! Responses to GET are kept in memory or in a Redis that all nodes share. Writes say what they clear, before their
//! client sees the answer; an invalidation is final, whatever was in flight; concurrent misses make one request.
//!
//! # As a layer
//! ```
//! # #[cfg(feature = "memory")] {
//! use std::time::Duration;
//! use larder::cache::Cache;
//! use larder::route::{Rule, Table};
//! use larder::store::MemoryStore;
//!
//! let users = Rule::new("/api/users/{id}")?
//!     .ttl(Duration::from_secs(120))
//!     .tag("user:{id}")?
//!     .invalidates("PUT", ["GET:/api/users/{id}"])?;
//! let cache = Cache::builder(Table::builder().route(users).build()?, MemoryStore::new(64 << 20)).build();
//!
//! let layer = cache.layer(); // axum: `Router::layer(cache.layer())`
//! # let _ = layer;
//! # }
//! # Ok::<(), larder::route::RouteError>(())
//! ```
//! With the feature `yaml` the routes come from the `routes.yaml` that the proxy reads too: see [`config`].
//!
//! # The map
//! [`policy`] answers questions about HTTP and knows nothing else. [`cache`] asks them and acts. [`store`] keeps records
//! and never reads a header field. [`route`] finds the rule for a path and the key for a request. The rest of the program
//! ([`proxy`], [`admin`], [`config`], [`server`]) is an application built on these; [`key`], [`entry`], [`outcome`],
//! [`invalidation`], [`clock`] and [`stats`] are the words they share.
//!
//! # Features
//! `server` (the default) brings everything and the program. An embedder takes `default-features = false` and any of
//! `memory`, `redis`, `yaml`, `admin`, `memo`.

#[cfg(feature = "admin")]
pub mod admin;
pub mod cache;
pub mod clock;
#[cfg(feature = "yaml")]
pub mod config;
pub mod entry;
pub mod invalidation;
pub mod key;
#[cfg(feature = "memo")]
pub mod memo;
pub mod outcome;
pub mod policy;
#[cfg(feature = "server")]
pub mod proxy;
pub mod route;
#[cfg(feature = "server")]
pub mod server;
pub mod stats;
pub mod store;

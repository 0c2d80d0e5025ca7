//! The tower middleware: asks policy, keeps the answers in a store, and shares one fetch among all who wait for it.
//!
//! A [`Cache`] is a handle that can be cloned: its [`layer`](Cache::layer) wraps services, and every layer, clone and
//! admin route of one handle shares entries, flights and statistics.

mod handle;

pub use handle::{Builder, Cache, OnStoreError};

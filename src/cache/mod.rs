//! The tower middleware: asks policy, keeps the answers in a store, and shares one fetch among all who wait for it.
//!
//! A [`Cache`] is a handle that can be cloned: its [`layer`](Cache::layer) wraps services, and every layer, clone and
//! admin route of one handle shares entries, flights and statistics.
//!
//! A request takes one of these ways:
//!
//! ```text
//! examine ─┬─ pass, bypass ──────────────────────────────► inner service
//!          ├─ write ─────────► inner service ─► clear ───► client
//!          └─ look up ─┬─ fresh ─────────────────────────► client            (synchronous from memory)
//!                      └─ absent, stale ─► flight ─┬─ lead ─► lease ─► inner service ─► admit ─► store
//!                                                  └─ join ─► the same bytes as they arrive
//! ```

use bytes::Bytes;
use http_body::Body as HttpBody;

mod ask;
mod background;
mod body;
mod clear;
#[cfg(feature = "memo")]
mod computed;
mod content;
mod deliver;
mod direct;
pub mod explain;
mod fetch;
mod fill;
mod flight;
mod flow;
mod handle;
mod head;
mod join;
mod keyed;
mod landings;
mod late_tags;
mod lease;
mod post;
mod query;
mod refresh;
mod respond;
mod service;
mod turn;
mod uncacheable;
mod unshared;
mod warm;
mod way;

pub use body::Body;
pub use direct::PutError;
pub use handle::{Builder, Cache, OnStoreError};
pub use keyed::ForwardedProto;
pub use service::{CacheLayer, CacheService, ResponseFuture};
pub use warm::Warmed;

/// An error of any kind, as tower and axum carry them.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The body of an inner service's answers. Implemented for every body that axum and hyper use.
pub trait ResponseBody: HttpBody<Data = Bytes, Error: Into<BoxError>> + Send + 'static {}

impl<T> ResponseBody for T where T: HttpBody<Data = Bytes, Error: Into<BoxError>> + Send + 'static {}

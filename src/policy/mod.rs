//! What HTTP says: the questions a cache asks about a request, a stored response and an answer from the upstream.

pub mod options;

pub use options::{ClientCacheControl, Options, OriginHeaders, SetCookie, StoreIf, StoreStatus, VaryOn};

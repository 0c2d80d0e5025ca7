//! Which rule a request falls under, and the key it gets.
//!
//! A [`Table`] is what `routes.yaml` becomes, and what an embedder builds in code. It matches the same bytes that are
//! forwarded: nothing is decoded for matching that the upstream would see encoded.
//!
//! ```
//! use std::time::Duration;
//! use larder::route::{Rule, Table};
//!
//! let table = Table::builder()
//!     .route(Rule::new("/api/users/{id}")?.ttl(Duration::from_secs(120)).invalidates("PUT", ["GET:/api/users/{id}"])?)
//!     .route(Rule::new("/api/posts/")?.ttl(Duration::from_secs(90)))
//!     .build()?;
//! assert_eq!(table.find("/api/users/7").unwrap().rule().pattern().as_str(), "/api/users/{id}");
//! # Ok::<(), larder::route::RouteError>(())
//! ```

mod clears;
mod pattern;
mod query;
mod rule;
mod table;
mod target;
mod template;

pub use pattern::Pattern;
pub use query::QueryFilter;
pub(crate) use query::{Fate, is_yes};
pub use rule::{Bypass, BypassGate, Caching, Coalesce, Rule};
pub use table::{HostRule, Matched, Routing, Table, TableBuilder, Unmatched};
pub use target::TargetError;
pub(crate) use target::check as check_path;
pub use template::Target;

/// Why a route, or a set of routes, cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RouteError {
    /// The path is not a pattern.
    #[error("`{pattern}` is not a path pattern: {why}")]
    Pattern {
        /// The text.
        pattern: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// Two routes match the same paths.
    #[error("`{second}` matches the same paths as `{first}`")]
    Duplicate {
        /// The route that was there.
        first: String,
        /// The route that came second.
        second: String,
    },
    /// A target or a tag names a parameter that the path does not bind.
    #[error("`{{{name}}}` in `{text}` is not a parameter of `{pattern}`")]
    Unbound {
        /// The parameter.
        name: String,
        /// Where it stands.
        text: String,
        /// The path of the route.
        pattern: String,
    },
    /// A target is neither a key nor a pattern of keys.
    #[error("`{text}` is not a key such as GET:/api/posts/: {why}")]
    Target {
        /// The text.
        text: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A method is not an HTTP method.
    #[error("`{0}` is not a method that can change anything; use POST, PUT, PATCH, DELETE or another unsafe method")]
    Method(String),
}

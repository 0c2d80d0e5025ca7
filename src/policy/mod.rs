//! What HTTP says: the questions a cache asks about a request, a stored response and an answer from the upstream.
//!
//! Every question is a pure function that answers with a closed enum, and every "no" carries its
//! [`Reason`](crate::outcome::Reason). Nothing here waits, reads a clock or touches a body stream; the time is an
//! argument.
//!
//! | asked | by | answer |
//! |---|---|---|
//! | is this request looked up? | [`plan`] | [`Plan`] |
//! | does this stored response answer it? | [`reuse`] | [`Reuse`] |
//! | is it to be refreshed before it is stale? | [`is_due`] | a boolean |
//! | does the client have it already, or want a part? | [`precondition`], [`range`] | [`Precondition`], [`RangeAnswer`] |
//! | how is it validated? | [`conditions`] | a few request fields |
//! | what does the answer to that mean? | [`after`], [`on_failure`] | [`After`] |
//! | what does the answer to a HEAD mean for a stored GET? | [`after_head`] | [`AfterHead`] |
//! | is this answer stored, and how? | [`admit`], [`foresee_body`], [`admit_body`] | [`Admission`] |
//! | which variant is it? | [`selecting`], [`variant_id`] | a digest |
//! | what else does the answer to a write name? | [`named_resources`], [`cleared_groups`] | paths, groups |
//!
//! ```
//! use http::{Request, Response};
//! use larder::clock::Timestamp;
//! use larder::policy::{Admission, Options, Plan, Times, admit, plan};
//!
//! let (request, ()) = Request::get("/api/posts/").body(()).unwrap().into_parts();
//! let (answer, ()) = Response::builder().header("cache-control", "max-age=90").body(()).unwrap().into_parts();
//! let times = Times { requested_at: Timestamp::from_secs(100), received_at: Timestamp::from_secs(100) };
//!
//! let Plan::Lookup(lookup) = plan(&request, true, &Options::default()) else { panic!() };
//! let Admission::Store(storable) = admit(&request, &lookup, &answer, times, &Options::default()) else { panic!() };
//! assert_eq!(storable.lifetime.as_secs(), 90);
//! ```

mod accept;
mod admit;
mod age;
mod cache_control;
mod client;
mod date;
mod dictionary;
mod directives;
mod etag;
pub mod fields;
mod freshen;
mod freshness;
mod groups;
mod location;
pub mod options;
mod plan;
mod portion;
mod post;
mod range;
mod reuse;
mod status;
mod storable;
mod validate;
mod vary;

pub use admit::{Admission, Foreseen, Lifetime, LifetimeSource, Times, admit, admit_body, foresee_body, lifetime_of};
pub use client::ClientTerms;
pub use fields::{is_off_limits, is_stream, read_as, remove_all, strip_hop_by_hop, strip_nominated};
pub use freshen::{After, AfterHead, after, after_head, on_failure};
pub use groups::cleared_groups;
pub use location::{named_resources, resolved_path};
pub use options::{ClientCacheControl, Options, OriginHeaders, SetCookie, StoreIf, StoreStatus, VaryOn};
pub use plan::{Lookup, Plan, plan};
pub use portion::{Portion, is_due};
pub use post::stands_for_get;
pub use range::{RangeAnswer, range};
pub use reuse::{Reuse, reuse};
pub use storable::Storable;
pub use validate::{Precondition, conditions, not_modified_headers, precondition, strip_conditions};
pub use vary::{Vary, normalise_accept_encoding, parse_vary, selecting, variant_id, variant_of};

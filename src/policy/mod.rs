//! What HTTP says: the questions a cache asks about a request, a stored response and an answer from the upstream.

mod admit;
mod client;
mod fields;
mod freshen;
mod location;
pub mod options;
mod plan;
mod range;
mod reuse;
mod validate;
mod vary;

pub use admit::{Admission, Storable, Times, admit, admit_body};
pub use client::ClientTerms;
pub use fields::{is_stream, keyed_off_limits, strip_hop_by_hop};
pub use freshen::{After, after, on_failure};
pub use location::named_resources;
pub use options::{ClientCacheControl, Options, OriginHeaders, SetCookie, StoreIf, StoreStatus, VaryOn};
pub use plan::{Lookup, Plan, plan};
pub use range::{RangeAnswer, range};
pub use reuse::{Reuse, reuse};
pub use validate::{Precondition, conditions, not_modified_headers, precondition, strip_conditions};
pub use vary::{Vary, normalise_accept_encoding, parse_vary, selecting, variant_id, variant_of};

//! Parts of a stored response (RFC 9110 §14).

use http::StatusCode;
use http::header::HeaderMap;

/// How a request for a part is answered from a whole body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RangeAnswer {
    /// With all of it: the request names no part, or one that is passed over.
    Full,
    /// With these bytes, as a 206.
    Part {
        /// The first byte.
        start: u64,
        /// The last byte, which is included.
        end: u64,
    },
    /// With a 416: the part lies outside the body.
    Unsatisfiable,
}

/// Decides which part of a stored body of `len` bytes a GET is answered with.
pub fn range(_request: &HeaderMap, _status: StatusCode, _stored: &HeaderMap, _len: u64) -> RangeAnswer {
    RangeAnswer::Full
}

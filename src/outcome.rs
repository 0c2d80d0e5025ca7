//! What the cache did with a request, and why. One enum names every refusal; it feeds the `detail` of `Cache-Status`,
//! the counters and the log alike.

mod reason;

use std::fmt::Write as _;

use bytes::Bytes;
use http::StatusCode;
use http::header::HeaderValue;

pub use reason::Reason;

/// Marks an answer of the inner service as one that it made up because it had none: a 502 or 504. A response extension;
/// the cache never stores such an answer and says the reason in `Cache-Status`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault(pub Reason);

/// A response extension: the body ends where the upstream's connection does, so nothing proves it complete
/// (RFC 9112 §8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CloseDelimited;

/// Why a request went to the upstream (RFC 9211 §2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Forward {
    /// The cache was configured, or asked, not to handle the request.
    Bypass,
    /// The method's semantics require it.
    Method,
    /// Nothing is stored under the key.
    UriMiss,
    /// Something is stored, but no variant for this request.
    VaryMiss,
    /// What is stored is stale.
    Stale,
    /// What is stored is fresh, but the request does not allow it.
    Request,
}

impl Forward {
    const fn token(self) -> &'static str {
        match self {
            Self::Bypass => "bypass",
            Self::Method => "method",
            Self::UriMiss => "uri-miss",
            Self::VaryMiss => "vary-miss",
            Self::Stale => "stale",
            Self::Request => "request",
        }
    }
}

/// How a request was answered. Rendered as `Cache-Status` (RFC 9211) and `X-Cache`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Set when the answer came from the upstream.
    pub forward: Option<Forward>,
    /// Freshness left in seconds; set when the answer came from the store.
    pub ttl: Option<i64>,
    /// The status of the upstream's answer where it differs from the one sent.
    pub forward_status: Option<StatusCode>,
    /// The answer is being stored. Said with the head, so never of one that `store_if` has yet to see the body of; a body
    /// that breaks off, or that has no length and passes `max_body`, is not stored after all.
    pub stored: bool,
    /// The request shared another request's fetch.
    pub collapsed: bool,
    /// More about why.
    pub detail: Option<Reason>,
}

impl Outcome {
    /// Answered from the store with a fresh response.
    pub const fn hit(ttl: i64) -> Self {
        Self { forward: None, ttl: Some(ttl), forward_status: None, stored: false, collapsed: false, detail: None }
    }

    /// Answered from the store with a stale response.
    pub const fn stale(ttl: i64, why: Reason) -> Self {
        Self { detail: Some(why), ..Self::hit(ttl) }
    }

    /// Sent to the upstream.
    pub const fn forwarded(forward: Forward) -> Self {
        Self { forward: Some(forward), ttl: None, forward_status: None, stored: false, collapsed: false, detail: None }
    }

    /// Answered by larder itself, from neither.
    pub const fn refused() -> Self {
        Self { forward: None, ttl: None, forward_status: None, stored: false, collapsed: false, detail: None }
    }

    /// Passed by the cache.
    pub const fn bypass(why: Reason) -> Self {
        Self { detail: Some(why), ..Self::forwarded(Forward::Bypass) }
    }

    /// Whether the answer is a fresh stored response.
    pub const fn is_hit(&self) -> bool {
        self.forward.is_none() && self.ttl.is_some() && self.detail.is_none()
    }

    /// The one word of `X-Cache`.
    pub fn word(&self) -> &'static str {
        match (self.forward, self.forward_status) {
            (None, _) if self.ttl.is_none() => "BYPASS",
            (None, _) if self.detail.is_some() => "STALE",
            (None, _) => "HIT",
            (Some(Forward::Stale | Forward::Request), Some(StatusCode::NOT_MODIFIED)) => "REVALIDATED",
            (Some(Forward::Bypass | Forward::Method), _) => "BYPASS",
            (Some(_), _) => "MISS",
        }
    }

    /// The member of `Cache-Status` that this cache appends, with the key when it is to be exposed.
    pub fn cache_status(&self, key: Option<&str>) -> HeaderValue {
        let mut text = String::with_capacity(64);
        text.push_str("larder");
        match self.forward {
            None if self.ttl.is_none() => {}
            None => text.push_str("; hit"),
            Some(forward) => {
                text.push_str("; fwd=");
                text.push_str(forward.token());
            }
        }
        if let Some(ttl) = self.ttl {
            text.push_str("; ttl=");
            text.push_str(itoa::Buffer::new().format(ttl));
        }
        if let Some(status) = self.forward_status {
            text.push_str("; fwd-status=");
            text.push_str(status.as_str());
        }
        if self.stored {
            text.push_str("; stored");
        }
        if self.collapsed {
            text.push_str("; collapsed");
        }
        if let Some(key) = key {
            push_key(&mut text, key);
        }
        if let Some(detail) = self.detail {
            text.push_str("; detail=");
            text.push_str(detail.token());
        }
        HeaderValue::from_maybe_shared(Bytes::from(text)).unwrap_or(HeaderValue::from_static("larder"))
    }
}

/// Appends the key as an RFC 8941 string; what a string cannot hold is percent-encoded.
fn push_key(text: &mut String, key: &str) {
    text.push_str("; key=\"");
    for byte in key.bytes() {
        match byte {
            b'"' | b'\\' => text.extend(['\\', char::from(byte)]),
            b' '..=b'~' => text.push(char::from(byte)),
            _ => {
                // Writing to a String cannot fail.
                let _ = write!(text, "%{byte:02X}");
            }
        }
    }
    text.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outcomes_read_as_promised() {
        let miss = Outcome::forwarded(Forward::UriMiss);
        for (outcome, status, word) in [
            (Outcome::hit(87), "larder; hit; ttl=87", "HIT"),
            (
                Outcome::stale(-12, Reason::StaleWhileRevalidate),
                "larder; hit; ttl=-12; detail=stale-while-revalidate",
                "STALE",
            ),
            (Outcome { stored: true, ..miss }, "larder; fwd=uri-miss; stored", "MISS"),
            (Outcome { collapsed: true, ..miss }, "larder; fwd=uri-miss; collapsed", "MISS"),
            (
                Outcome { stored: true, ..Outcome::forwarded(Forward::VaryMiss) },
                "larder; fwd=vary-miss; stored",
                "MISS",
            ),
            (
                Outcome { forward_status: Some(StatusCode::NOT_MODIFIED), ..Outcome::forwarded(Forward::Stale) },
                "larder; fwd=stale; fwd-status=304",
                "REVALIDATED",
            ),
            (Outcome::bypass(Reason::NoCacheParam), "larder; fwd=bypass; detail=nocache", "BYPASS"),
            (Outcome::forwarded(Forward::Method), "larder; fwd=method", "BYPASS"),
        ] {
            assert_eq!(outcome.cache_status(None), status);
            assert_eq!(outcome.word(), word, "{status}");
        }
    }

    #[test]
    fn an_exposed_key_is_a_valid_string() {
        let status = Outcome::hit(1).cache_status(Some("GET:/a\"b\\é"));
        assert_eq!(status, r#"larder; hit; ttl=1; key="GET:/a\"b\\%C3%A9""#);
    }
}

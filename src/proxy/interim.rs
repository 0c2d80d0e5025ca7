//! Interim responses on their way to the client: which of them pass, and how they are written (RFC 9110 §15.2).

use std::any::Any;
use std::io::Write as _;

use http::header::{CONTENT_LENGTH, HeaderMap, TRAILER, VIA};
use http::{StatusCode, Version};

use super::forward::via;
use super::incoming::ClientBody;
use super::outbox::Interim;
use crate::policy::{remove_all, strip_hop_by_hop};

impl Interim {
    /// The way back to the client from whom this body comes; none where the request is not a client's own, or its
    /// protocol or its version has no room for interim responses.
    pub(super) fn of<B: 'static>(body: &mut B) -> Option<Self> {
        (body as &mut dyn Any).downcast_mut::<ClientBody>()?.take_interim()
    }

    /// Passes an interim response of the upstream on.
    pub(super) fn pass(&self, status: StatusCode, received: Version, headers: &HeaderMap) {
        if passes(status) {
            self.send(&head(status, received, headers));
        }
    }
}

/// Every interim response but two: `100` is the answer to an expectation, and said when the client's body is asked
/// for; `101` is final.
fn passes(status: StatusCode) -> bool {
    status.is_informational() && status != StatusCode::CONTINUE && status != StatusCode::SWITCHING_PROTOCOLS
}

/// The head as it is written. It is made of fields that have been parsed, so nothing in them can end a line.
fn head(status: StatusCode, received: Version, headers: &HeaderMap) -> Vec<u8> {
    let mut headers = headers.clone();
    strip_hop_by_hop(&mut headers);
    // An interim response has no content (RFC 9110 §8.6, §15.2).
    remove_all(&mut headers, &[CONTENT_LENGTH, TRAILER]);
    headers.append(VIA, via(received));
    let mut head = Vec::with_capacity(64 + headers.len() * 48);
    // Writing to a Vec cannot fail.
    let _ = write!(head, "HTTP/1.1 {} {}\r\n", status.as_str(), status.canonical_reason().unwrap_or_default());
    for (name, value) in &headers {
        for part in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
            head.extend_from_slice(part);
        }
    }
    head.extend_from_slice(b"\r\n");
    head
}

#[cfg(test)]
mod tests {
    use http::header::HeaderValue;

    use super::*;

    #[test]
    fn what_passes() {
        for (status, does) in
            [(100, false), (101, false), (102, true), (103, true), (104, true), (199, true), (200, false), (304, false)]
        {
            assert_eq!(passes(StatusCode::from_u16(status).unwrap()), does, "{status}");
        }
    }

    #[test]
    fn only_fields_for_the_client_are_written() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("link", "</a.css>; rel=preload"),
            ("link", "</b.js>; rel=preload"),
            ("connection", "x-hop"),
            ("x-hop", "1"),
            ("content-length", "5"),
            ("transfer-encoding", "chunked"),
            ("trailer", "x"),
            ("upgrade", "h2c"),
            ("keep-alive", "timeout=5"),
        ] {
            headers.append(name, HeaderValue::from_static(value));
        }
        headers.append("x-octets", HeaderValue::from_bytes(b"\xe9\t!").unwrap());
        let written = head(StatusCode::EARLY_HINTS, Version::HTTP_10, &headers);
        assert_eq!(
            String::from_utf8_lossy(&written),
            "HTTP/1.1 103 Early Hints\r\nlink: </a.css>; rel=preload\r\nlink: </b.js>; rel=preload\r\n\
             x-octets: \u{fffd}\t!\r\nvia: 1.0 larder\r\n\r\n"
        );
        let unknown = head(StatusCode::from_u16(150).unwrap(), Version::HTTP_11, &HeaderMap::new());
        assert_eq!(unknown, b"HTTP/1.1 150 \r\nvia: 1.1 larder\r\n\r\n");
    }
}

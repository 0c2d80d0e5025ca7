//! Transfer codings of an upstream's answer (RFC 9112 §6.1, §7).
//!
//! A proxy asks for none but `chunked`. Another that comes all the same would be taken off together with its field, and what
//! it encoded be sent on, and stored, as if it were the content.

use http::header::{HeaderMap, TRANSFER_ENCODING};
use http::{Method, StatusCode};

/// The registered codings that change the bytes of a body.
const COMPRESSING: [&[u8]; 5] = [b"compress", b"deflate", b"gzip", b"x-compress", b"x-gzip"];

/// Whether the body of an answer has a coding that nobody asked for: one that compresses, any beside `chunked`, or that
/// one twice. An unknown name alone is passed over: real origins put there what is none.
pub(super) fn is_foreign(headers: &HeaderMap, status: StatusCode, method: &Method) -> bool {
    let bodiless = status.is_informational() || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    if *method == Method::HEAD || bodiless || !headers.contains_key(TRANSFER_ENCODING) {
        return false;
    }
    let lines = headers.get_all(TRANSFER_ENCODING).iter();
    let members = lines.flat_map(|line| line.as_bytes().split(|&b| b == b',')).map(<[u8]>::trim_ascii);
    let codings: Vec<&[u8]> = members.filter(|member| !member.is_empty()).map(name).collect();
    let chunked = codings.iter().any(|coding| coding.eq_ignore_ascii_case(b"chunked"));
    let compressed = codings.iter().any(|coding| COMPRESSING.iter().any(|known| coding.eq_ignore_ascii_case(known)));
    compressed || chunked && codings.len() > 1
}

/// A coding without its parameters.
fn name(coding: &[u8]) -> &[u8] {
    coding.split(|&b| b == b';').next().unwrap_or_default().trim_ascii()
}

#[cfg(test)]
mod tests {
    use http::header::HeaderValue;

    use super::*;

    fn foreign(lines: &[&'static str], status: u16, method: &Method) -> bool {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(TRANSFER_ENCODING, HeaderValue::from_static(line));
        }
        is_foreign(&headers, StatusCode::from_u16(status).unwrap(), method)
    }

    #[test]
    fn only_chunked_and_that_once_was_asked_for_rfc_9112_6_1() {
        for (lines, is) in [
            (&[][..], false),
            (&["chunked"], false),
            (&["Chunked"], false),
            (&["chunked", ""], false),
            (&["chunked, chunked"], true),
            (&["chunked", "chunked"], true),
            (&["gzip"], true),
            (&["GZip ; q=1"], true),
            (&["gzip, chunked"], true),
            (&["gzip", "chunked"], true),
            (&["deflate, chunked"], true),
            (&["x-compress"], true),
            (&["chunked, gzip"], true),
            (&["foo, chunked"], true),
            (&["foo"], false),
            (&["foo, bar"], false),
            (&["identity"], false),
            (&["gzipped"], false),
        ] {
            assert_eq!(foreign(lines, 200, &Method::GET), is, "{lines:?}");
        }
    }

    #[test]
    fn what_has_no_body_has_no_coding() {
        assert!(foreign(&["gzip, chunked"], 404, &Method::POST));
        for (status, method) in [(200, Method::HEAD), (204, Method::GET), (304, Method::GET)] {
            assert!(!foreign(&["gzip, chunked"], status, &method), "{status} {method}");
        }
    }
}

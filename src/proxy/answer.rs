//! Answers that larder gives itself. They say why in one JSON object, and nothing of the request is repeated in them.

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue};
use http::{HeaderMap, Response, StatusCode};

/// An answer of this status, for the reason of this name, explained by this sentence.
///
/// The words are part of the program: they hold neither quotes nor control characters.
pub(super) fn answer<B>(status: StatusCode, reason: &str, detail: &str, body: impl FnOnce(Bytes) -> B) -> Response<B> {
    let error = status.canonical_reason().unwrap_or("error").to_ascii_lowercase();
    let text = format!(r#"{{"error":"{error}","reason":"{reason}","detail":"{detail}"}}"#);
    let mut headers = HeaderMap::with_capacity(4);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(CONTENT_LENGTH, HeaderValue::from(text.len()));
    let mut response = Response::new(body(Bytes::from(text)));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_says_why_and_is_never_stored() {
        let response = answer(StatusCode::BAD_GATEWAY, "connect-failed", "No connection.", |body| body);
        assert_eq!(response.body(), r#"{"error":"bad gateway","reason":"connect-failed","detail":"No connection."}"#);
        assert_eq!(response.headers()[CACHE_CONTROL], "no-store");
        assert_eq!(response.headers()[CONTENT_TYPE], "application/json");
    }
}

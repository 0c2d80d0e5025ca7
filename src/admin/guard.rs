//! Who may use the admin routes.

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::{AUTHORIZATION, HOST, HeaderValue, ORIGIN, WWW_AUTHENTICATE};
use http::{HeaderMap, Method};
use subtle::ConstantTimeEq;

use super::answer::Refusal;

/// The bearer token, as a digest: comparing digests takes the same time whatever was sent, its length included.
#[derive(Clone)]
pub(super) struct Token(blake3::Hash);

/// What a request brought to prove itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Claim {
    /// The token.
    Proven,
    /// No bearer token.
    Missing,
    /// Another one.
    Wrong,
}

impl Token {
    pub(super) fn new(token: &str) -> Self {
        Self(blake3::hash(token.as_bytes()))
    }

    fn judge(&self, headers: &HeaderMap) -> Claim {
        let Some(sent) = headers.get(AUTHORIZATION).and_then(bearer) else { return Claim::Missing };
        if bool::from(blake3::hash(sent).as_bytes().ct_eq(self.0.as_bytes())) { Claim::Proven } else { Claim::Wrong }
    }
}

/// The token of an `Authorization: Bearer` field (RFC 6750 §2.1); the scheme is read in any case (RFC 9110 §11.1).
fn bearer(value: &HeaderValue) -> Option<&[u8]> {
    let (scheme, token) = value.as_bytes().split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"bearer ").then(|| token.trim_ascii())
}

/// Lets a request pass that carries the token: 401 without one, 403 with another.
pub(super) async fn require_token(State(token): State<Token>, request: Request, next: Next) -> Response {
    match token.judge(request.headers()) {
        Claim::Proven => next.run(request).await,
        Claim::Wrong => Refusal::TokenWrong.into_response(),
        Claim::Missing => {
            let mut answer = Refusal::TokenMissing.into_response();
            answer.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"larder\""));
            answer
        }
    }
}

/// Refuses what a page of another site makes an operator's browser send.
///
/// A listener on the loopback address needs no token, and any page the operator opens can reach it: a form needs no
/// permission to be sent.
pub(super) async fn refuse_other_sites(request: Request, next: Next) -> Response {
    if is_from_other_site(request.method(), request.headers()) {
        return Refusal::OtherSite.into_response();
    }
    next.run(request).await
}

/// Whether a browser says that a page of another origin caused the request: by Fetch Metadata, or by `Origin` in
/// browsers that do not send that. Programs send neither.
fn is_from_other_site(method: &Method, headers: &HeaderMap) -> bool {
    if method.is_safe() {
        return false;
    }
    if let Some(site) = headers.get("sec-fetch-site") {
        return site != "same-origin" && site != "none";
    }
    let Some(origin) = headers.get(ORIGIN) else { return false };
    let authority = origin.to_str().ok().and_then(|origin| origin.split_once("://")).map(|(_, authority)| authority);
    authority != headers.get(HOST).and_then(|host| host.to_str().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        fields.iter().map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn only_the_token_itself_is_the_token() {
        let token = Token::new("correct horse");
        for (value, claim) in [
            ("Bearer correct horse", Claim::Proven),
            ("bearer correct horse", Claim::Proven),
            ("Bearer  correct horse ", Claim::Proven),
            ("Bearer correct horse battery", Claim::Wrong),
            ("Bearer ", Claim::Wrong),
            ("Bearer Correct Horse", Claim::Wrong),
            ("Basic correct horse", Claim::Missing),
            ("correct horse", Claim::Missing),
            ("Bear", Claim::Missing),
        ] {
            assert_eq!(token.judge(&headers(&[("authorization", value)])), claim, "{value}");
        }
        assert_eq!(token.judge(&HeaderMap::new()), Claim::Missing);
    }

    #[test]
    fn a_page_of_another_site_changes_nothing() {
        for (fields, refused) in [
            (&[][..], false),
            (&[("sec-fetch-site", "same-origin")], false),
            (&[("sec-fetch-site", "none")], false),
            (&[("sec-fetch-site", "cross-site")], true),
            (&[("sec-fetch-site", "same-site")], true),
            (&[("origin", "http://127.0.0.1:9090"), ("host", "127.0.0.1:9090")], false),
            (&[("origin", "http://evil.example"), ("host", "127.0.0.1:9090")], true),
            (&[("origin", "null"), ("host", "127.0.0.1:9090")], true),
        ] {
            let headers = headers(fields);
            assert_eq!(is_from_other_site(&Method::POST, &headers), refused, "{fields:?}");
            assert!(!is_from_other_site(&Method::GET, &headers), "{fields:?}");
        }
    }
}

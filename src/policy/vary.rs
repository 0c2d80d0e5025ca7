//! Variants: which request fields select a response, and when two requests select the same one (RFC 9111 §4.1).

use std::borrow::Cow;

use http::header::{ACCEPT_ENCODING, ACCEPT_LANGUAGE, AUTHORIZATION, COOKIE, HeaderMap, HeaderName, HeaderValue, VARY};

use super::accept;
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
    names.iter().map(|name| (name.clone(), normalised(name, request).map(Cow::into_owned))).collect()
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

/// Replaces `Accept-Encoding` by one of a few canonical values, for keying and forwarding alike. A value in which
/// nothing can be read is removed; a request without the field stays without.
pub fn normalise_accept_encoding(request: &mut HeaderMap) {
    if !request.contains_key(ACCEPT_ENCODING) {
        return;
    }
    match accept::encoding(request.get_all(ACCEPT_ENCODING).iter()) {
        Some(canonical) => {
            request.insert(ACCEPT_ENCODING, HeaderValue::from_static(canonical));
        }
        None => {
            request.remove(ACCEPT_ENCODING);
        }
    }
}

fn normalised<'a>(name: &HeaderName, request: &'a HeaderMap) -> Option<Cow<'a, str>> {
    let lines = || request.get_all(name).iter();
    let first = lines().next()?;
    if *name == ACCEPT_ENCODING {
        return accept::encoding(lines()).map(Cow::Borrowed);
    }
    if *name == ACCEPT_LANGUAGE
        && let Some(language) = accept::language(lines())
    {
        return Some(Cow::Owned(language));
    }
    if let (1, Some(plain)) = (lines().count(), plain(first)) {
        return Some(Cow::Borrowed(plain));
    }
    // Where white space could be part of a secret, or nobody knows what is quoted, it is left alone.
    let exact = *name == COOKIE || *name == AUTHORIZATION || !lines().all(|line| list_members(line.as_bytes(), |_| {}));
    Some(Cow::Owned(joined(lines(), exact)))
}

/// A value that has but one spelling: text without a comma, and without white space around it.
fn plain(value: &HeaderValue) -> Option<&str> {
    value.to_str().ok().filter(|text| !text.contains(',') && text.trim_ascii().len() == text.len())
}

/// The lines of a field as one list (RFC 9110 §5.3), with one spelling of the white space around its commas. Every byte
/// becomes the character of its number, so that different bytes stay different.
fn joined<'a>(lines: impl Iterator<Item = &'a HeaderValue>, exact: bool) -> String {
    let mut text = String::new();
    for line in lines {
        if exact {
            separate(&mut text, line.as_bytes());
        } else {
            list_members(line.as_bytes(), |member| separate(&mut text, member));
        }
    }
    text
}

fn separate(text: &mut String, member: &[u8]) {
    if !text.is_empty() {
        text.push_str(", ");
    }
    text.extend(member.iter().copied().map(char::from));
}

/// Calls `each` with the members of a list that are not empty. A comma inside quotes does not separate. False when a
/// quoted string has no end.
fn list_members(line: &[u8], each: impl FnMut(&[u8])) -> bool {
    let (mut quoted, mut escaped) = (false, false);
    let members = line.split(|&b| {
        let separates = b == b',' && !quoted;
        if b == b'"' && !escaped {
            quoted = !quoted;
        }
        escaped = quoted && b == b'\\' && !escaped;
        separates
    });
    members.map(<[u8]>::trim_ascii).filter(|member| !member.is_empty()).for_each(each);
    !quoted
}

#[cfg(test)]
mod tests;

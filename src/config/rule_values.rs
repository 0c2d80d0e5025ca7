//! What the values of a route's fields mean.

use std::rc::Rc;
use std::time::Duration;

use http::header::HeaderName;
use http::{Method, StatusCode};

use super::reader::Reader;
use super::rule_fields::{Lifetime, TARGET, TargetDraft, with_ok};
use super::scalar::{self, Fault};
use super::source::At;
use super::spelling;
use super::yaml::{Kind, Node};
use crate::policy::{Portion, StoreStatus};
use crate::route::{Caching, Pattern, RouteError};

/// The routes become a tree as deep as the longest path.
const MAX_PATH: usize = 1024;

/// A path pattern.
pub(super) fn path(reader: &mut Reader<'_>, node: &Node) -> Option<At<Pattern>> {
    reader.placed(node, |text| {
        if text.len() > MAX_PATH {
            return Err(Fault::new("is too long", format!("a path here has at most {MAX_PATH} characters")));
        }
        Pattern::parse(text).map_err(|error| {
            let why = if let RouteError::Pattern { why, .. } = error { why } else { "write /api/users/{id}" };
            let rooted = format!("/{text}");
            let meant = !text.starts_with('/') && Pattern::parse(&rooted).is_ok();
            Fault::new("is not a path pattern", why).meaning(meant.then_some(rooted))
        })
    })
}

/// A duration, or the name of a class; whether there is such a class is seen when all are known.
pub(super) fn lifetime(text: &str) -> Result<Lifetime, Fault> {
    if text.starts_with(|c: char| c.is_ascii_alphabetic()) {
        return Ok(Lifetime::Class(text.to_owned()));
    }
    scalar::duration(text).map(Lifetime::For)
}

/// `true` or `never`.
pub(super) fn caching(text: &str) -> Result<Caching, Fault> {
    let words = [("true", Caching::On), ("never", Caching::Never)];
    scalar::word(text, &words).map_err(|fault| match scalar::loose_boolean(text) {
        Some(on) => fault.meaning(Some(if on { "true" } else { "never" }.to_owned())),
        None => fault,
    })
}

/// `cacheable`, a list of statuses, or a mapping from statuses to lifetimes.
pub(super) fn store_status(reader: &mut Reader<'_>, node: &Node) -> Option<StoreStatus> {
    match &node.kind {
        Kind::Scalar(_) => reader.scalar(node, |text| match text {
            "cacheable" => Ok(StoreStatus::Cacheable),
            _ => Err(Fault::new(
                "is not `cacheable`",
                "write a list, as in `[200, 404]`, lifetimes, as in `{ 404: 10s }`, or `cacheable`",
            )),
        }),
        Kind::Mapping(_) => {
            let mut listed: Vec<(StatusCode, Option<Duration>)> = Vec::new();
            for (_, pair) in reader.entries(node)? {
                let stored = reader.scalar(&pair.key, status);
                let lifetime = reader.scalar(&pair.value, scalar::duration);
                listed.extend(stored.map(|status| (status, lifetime)));
            }
            Some(with_ok(listed))
        }
        _ => {
            let listed = reader.scalars(node, status)?;
            Some(StoreStatus::Listed(listed.into_iter().map(|status| (status, None)).collect()))
        }
    }
}

/// A status that can be stored: final, complete, and not an answer to a condition.
fn status(text: &str) -> Result<StatusCode, Fault> {
    let code = text.parse().ok().and_then(|code| StatusCode::from_u16(code).ok());
    match code {
        Some(StatusCode::PARTIAL_CONTENT | StatusCode::NOT_MODIFIED) => {
            Err(Fault::new("is never stored by itself", "206 and 304 speak of another response"))
        }
        Some(code) if (200..600).contains(&code.as_u16()) => Ok(code),
        _ => Err(Fault::new("is not a status that can be stored", "a status is a number from 200 to 599")),
    }
}

/// A category: what statistics are kept under.
pub(super) fn category(text: &str) -> Result<String, Fault> {
    let is_one = |name: &str| {
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'-');
        (1..=64).contains(&name.len()) && name.bytes().all(allowed) && name != "overall"
    };
    if text == "overall" {
        return Err(Fault::new("is the name of the sum of all categories", "choose another name"));
    }
    if is_one(text) {
        return Ok(text.to_owned());
    }
    let plain = text.trim().to_ascii_lowercase().replace([' ', '.', '/'], "_");
    Err(Fault::new("cannot name a category", "1 to 64 of a to z, 0 to 9, `_` and `-`")
        .meaning(is_one(&plain).then_some(plain)))
}

/// A text with `{name}` in it.
pub(super) fn template(reader: &mut Reader<'_>, node: &Rc<Node>) -> Option<At<String>> {
    reader.placed(node, |text| match scalar::text(text) {
        Ok(_) if text.contains(char::is_control) => Err(Fault::new("contains a control character", "write plain text")),
        checked => checked,
    })
}

/// A query parameter with which a request bypasses the cache.
pub(super) fn parameter(text: &str) -> Result<String, Fault> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.');
    if text.is_empty() || !text.bytes().all(allowed) {
        let hint = "letters, digits, `_`, `-` and `.`; to have none, write `allow: off`";
        return Err(Fault::new("cannot name the parameter", hint));
    }
    Ok(text.to_owned())
}

/// A cookie's name: a token (RFC 6265 §4.1.1).
pub(super) fn cookie(text: &str) -> Result<String, Fault> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    if text.is_empty() || !text.bytes().all(allowed) {
        return Err(Fault::new("is not the name of a cookie", "write the name alone, as in `session`"));
    }
    Ok(text.to_owned())
}

/// The name of a header field.
pub(super) fn header(text: &str) -> Result<HeaderName, Fault> {
    let fault = || Fault::new("is not the name of a header field", "write the name alone, as in `Accept-Language`");
    HeaderName::from_bytes(text.as_bytes()).ok().filter(|name| name != "*").ok_or_else(|| {
        let name = text.split(':').next().unwrap_or_default().trim();
        let is_name = name != text && name != "*" && HeaderName::from_bytes(name.as_bytes()).is_ok();
        fault().meaning(is_name.then(|| name.to_owned()))
    })
}

/// A percentage, or a duration.
pub(super) fn portion(text: &str) -> Result<Portion, Fault> {
    /// More would refresh, or spread, nearly everything all the time.
    const MOST: u64 = 90;
    match text.strip_suffix('%') {
        Some(percent) => scalar::whole_number(percent, 0, MOST)
            .map(|percent| Portion::Percent(u8::try_from(percent).unwrap_or(0)))
            .map_err(|_| Fault::new("is not a percentage from 0% to 90%", "write a whole number, as in 10%")),
        None => scalar::duration(text).map(Portion::Time),
    }
}

/// A field that speaks to this cache alone (RFC 9213). Not one that means something else.
pub(super) fn targeted_field(text: &str) -> Result<HeaderName, Fault> {
    let name = header(text)?;
    if [http::header::CACHE_CONTROL, http::header::EXPIRES, http::header::PRAGMA].contains(&name) {
        return Err(Fault::new("is read where no targeted field is there", "leave it out: it always comes last"));
    }
    Ok(name)
}

pub(super) fn max_variants(text: &str) -> Result<usize, Fault> {
    scalar::whole_number(text, 1, 1024).map(|number| usize::try_from(number).unwrap_or(1))
}

/// A size, or nothing.
pub(super) fn size_or_off(text: &str) -> Result<Option<u64>, Fault> {
    if text == "off" { Ok(None) } else { scalar::size(text).map(Some) }
}

/// A media type without parameters, lower case.
pub(super) fn media_type(text: &str) -> Result<String, Fault> {
    let token =
        |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&b));
    let is_type = |text: &str| text.split_once('/').is_some_and(|(kind, subtype)| token(kind) && token(subtype));
    if is_type(text) {
        return Ok(text.to_ascii_lowercase());
    }
    let bare = text.split(';').next().unwrap_or_default().trim();
    Err(Fault::new("is not a media type", "write type/subtype without parameters, as in `application/json`")
        .meaning(is_type(bare).then(|| bare.to_owned())))
}

/// What writes clear, by method.
pub(super) fn invalidate(reader: &mut Reader<'_>, node: &Node) -> Vec<(Method, Vec<TargetDraft>)> {
    let mut rules = Vec::new();
    for (_, pair) in reader.entries(node).unwrap_or_default() {
        let method = reader.scalar(&pair.key, method);
        let targets = reader.list(&pair.value, target).unwrap_or_default();
        rules.extend(method.map(|method| (method, targets)));
    }
    rules
}

/// An unsafe method. A name that is nearly a common one is taken for a slip.
fn method(text: &str) -> Result<Method, Fault> {
    const COMMON: [&str; 4] = ["POST", "PUT", "PATCH", "DELETE"];
    let fault =
        |problem| Fault::new(problem, "write POST, PUT, PATCH, DELETE or another method that changes something");
    let upper = text.to_ascii_uppercase();
    if COMMON.contains(&text) {
        return Method::from_bytes(text.as_bytes()).map_err(|_| fault("is not a method"));
    }
    if let Some(meant) = spelling::nearest(&upper, COMMON) {
        return Err(fault("is not a method").meaning(Some(meant.to_owned())));
    }
    let method = Method::from_bytes(text.as_bytes()).map_err(|_| fault("is not a method"))?;
    if method.is_safe() {
        return Err(fault("is a method that changes nothing"));
    }
    if upper != text {
        return Err(fault("is not a method: methods are upper case").meaning(Some(upper)));
    }
    Ok(method)
}

fn target(reader: &mut Reader<'_>, node: &Rc<Node>) -> Option<TargetDraft> {
    if !matches!(node.kind, Kind::Mapping(_)) {
        return template(reader, node).map(TargetDraft::Key);
    }
    let mut tag = None;
    let before = reader.report.count();
    reader.fields(node, &[TARGET], &mut tag);
    if tag.is_none() && reader.report.count() == before {
        return reader.shape(node, "a key or a tag");
    }
    tag.map(TargetDraft::Tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_that_change_nothing_clear_nothing() {
        for good in ["POST", "PUT", "PATCH", "DELETE", "PURGE", "MKCOL", "LOCK"] {
            assert_eq!(method(good).unwrap().as_str(), good);
        }
        for (bad, meant) in [
            ("put", Some("PUT")),
            ("POTS", Some("POST")),
            ("DELTE", Some("DELETE")),
            ("purge", Some("PURGE")),
            ("GET", None),
            ("HEAD", None),
            ("A B", None),
            ("", None),
        ] {
            assert_eq!(method(bad).unwrap_err().meant.as_deref(), meant, "{bad}");
        }
    }

    #[test]
    fn a_portion_is_a_percentage_or_a_duration() {
        assert_eq!(portion("0%"), Ok(Portion::NONE));
        assert_eq!(portion("15%"), Ok(Portion::Percent(15)));
        assert_eq!(portion("5s"), Ok(Portion::Time(Duration::from_secs(5))));
        for bad in ["91%", "-1%", "1.5%", "%", "10", "ten"] {
            assert!(portion(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn names_of_fields_cookies_and_types_are_checked() {
        assert_eq!(header("Accept-Language: de").unwrap_err().meant.as_deref(), Some("Accept-Language"));
        assert!(header("*").is_err() && header("").is_err() && header("a b").is_err());
        assert!(targeted_field("Surrogate-Control").is_ok() && targeted_field("cache-control").is_err());
        assert!(cookie("a=b").is_err() && cookie("").is_err() && cookie("__Host-id").is_ok());
        let json = "application/json";
        assert_eq!(media_type("application/json; charset=utf-8").unwrap_err().meant.as_deref(), Some(json));
        assert_eq!(media_type("Application/JSON").unwrap(), json);
        assert!(media_type("*/*").is_err() && media_type("json").is_err());
        assert_eq!(category("API Users").unwrap_err().meant.as_deref(), Some("api_users"));
        assert!(category(&"a".repeat(65)).is_err() && category("overall").is_err() && category("").is_err());
    }

    #[test]
    fn only_complete_final_answers_have_a_status_to_store() {
        assert_eq!(status("404").unwrap(), StatusCode::NOT_FOUND);
        for bad in ["100", "206", "304", "600", "20", "OK", "-200"] {
            assert!(status(bad).is_err(), "{bad}");
        }
    }
}

//! Header fields of requests and responses.

use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use http::header::{ACCEPT_ENCODING, HeaderMap, HeaderName, HeaderValue};
use http::{Request, Response, StatusCode};
use larder::clock::Timestamp;
use larder::entry::Entry;
use larder::key::Key;
use larder::policy::{self, Admission, Lookup, Options, OriginHeaders, RangeAnswer, Reuse, SetCookie, Storable, Times};

pub(crate) const DIRECTIVES: &[&str] = &[
    "\ncache-control: ",
    "\ncache-control: ",
    "\ncache-control: ",
    "\ncdn-cache-control: ",
    "\nage: ",
    "\ndate: ",
    "\nexpires: ",
    "\netag: \"1\"\n",
    "\nlast-modified: ",
    "\nvary: ",
    "\nset-cookie: a=1\n",
    "no-store, ",
    "private, ",
    "no-cache, ",
    "public, ",
    "must-revalidate, ",
    "proxy-revalidate, ",
    "must-understand, ",
    "immutable, ",
    "max-age=",
    "s-maxage=",
    "stale-while-revalidate=",
    "stale-if-error=",
    "0, ",
    "1, ",
    "60, ",
    "99999999999999999999, ",
    "-1, ",
    "?0",
    "?1",
    "private=\"x-user\", ",
    "no-cache=\"set-cookie\", ",
    "\"",
    "\\",
    "=",
    ";",
    "*",
    "accept",
    "Sun, 06 Nov 1994 08:49:37 GMT\n",
    "Thu, 01 Jan 1970 00:16:41 GMT\n",
];
pub(crate) const DATES: &[&str] = &[
    "Sun, 06 Nov 1994 08:49:37 GMT",
    "Sunday, 06-Nov-94 08:49:37 GMT",
    "Sun Nov  6 08:49:37 1994",
    "Mon, ",
    "Feb",
    "29",
    "30",
    "31",
    " ",
    ":",
    "60",
    "24",
    "0000",
    "1969",
    "1970",
    "2000",
    "2100",
    "9999",
    "GMT",
    "UTC",
    "+0000",
    "-",
];
pub(crate) const RANGES: &[&str] = &[
    "0\n",
    "1\n",
    "10\n",
    "10\nbytes=",
    "10\nbytes=0-",
    "10\nbytes=-",
    "1\nbytes=0-",
    "18446744073709551615\nbytes=",
    "bytes=",
    "-",
    "0",
    "1",
    "9",
    "10",
    "18446744073709551615",
    "18446744073709551616",
    ",",
    " ",
    "lines=",
];
pub(crate) const ACCEPT: &[&str] = &[
    "gzip", "x-gzip", "br", "zstd", "identity", "*", ";q=", ";Q=0.", "0", "1", "0.5", "1.000", "0.0000", ", ", ",",
    "\n", "en", "de-CH", " ",
];

/// When the request was sent and its answer arrived.
const TIMES: Times = Times { requested_at: Timestamp::from_secs(1000), received_at: Timestamp::from_millis(1_001_500) };

/// `name: value` lines as fields; other lines are passed over.
fn fields(bytes: &[u8]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for line in bytes.split(|byte| *byte == b'\n') {
        let Some(at) = line.iter().position(|byte| *byte == b':') else { continue };
        let value = line[at + 1..].trim_ascii();
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(&line[..at]), HeaderValue::from_bytes(value)) {
            headers.append(name, value);
        }
    }
    headers
}

fn admitted(headers: &HeaderMap, options: &Options) -> Option<Box<Storable>> {
    let (request, ()) = Request::get("/a").body(()).unwrap().into_parts();
    let (mut response, ()) = Response::new(()).into_parts();
    response.headers = headers.clone();
    match policy::admit(&request, &Lookup::default(), &response, TIMES, options) {
        Admission::Store(storable) => Some(storable),
        Admission::Skip(_) => None,
    }
}

/// A response of any fields: what is stored can be used, and what the origin plainly forbids is not stored.
pub(crate) fn directives(bytes: &[u8]) {
    let headers = fields(bytes);
    let respecting = Options { ttl: Some(Duration::from_secs(60)), ..Options::default() };
    let without_ttl = Options { ttl: None, set_cookie: SetCookie::Strip, ..Options::default() };
    let overriding = Options { origin_headers: OriginHeaders::Override, ..respecting.clone() };
    for options in [&respecting, &without_ttl, &overriding] {
        let Some(storable) = admitted(&headers, options) else { continue };
        let obeys = options.origin_headers == OriginHeaders::Respect;
        assert!(!(obeys && is_plainly_forbidden(&headers)), "stored what the origin forbids: {headers:?}");
        assert!(storable.initial_age >= TIMES.received_at.since(TIMES.requested_at), "an age is at least the delay");
        assert!(!obeys || storable.lifetime <= options.max_ttl);
        let has_cookie = storable.headers.contains_key("set-cookie");
        assert!(!has_cookie, "a stored response sets a cookie");
        let entry = storable.into_entry(Key::new(None, "/a", None, None), None, Vec::new(), Bytes::new());
        can_be_used(&entry);
    }
    let _ = policy::conditions(&headers);
    let _ = policy::precondition(&headers, StatusCode::OK, &headers);
    let _ = policy::not_modified_headers(&headers);
}

/// At the very instant it was stored: it is served, or validated with something to validate it by.
fn can_be_used(entry: &Entry) {
    let meta = entry.meta();
    match policy::reuse(&Lookup::default(), meta, TIMES.received_at) {
        Reuse::Serve => assert!(meta.ttl_secs(TIMES.received_at) > 0),
        Reuse::ServeStale(_) => assert!(meta.stale_while_revalidate > Duration::ZERO && !meta.terms.never_stale),
        Reuse::Validate(_) => assert!(
            meta.terms.has_validator || meta.stale_if_error > Duration::ZERO,
            "nothing can be done with {:?}",
            entry.headers()
        ),
        Reuse::Fetch(reason) => panic!("stored and of no use: {reason:?}"),
    }
    let before = Timestamp::from_secs(0);
    assert_eq!(meta.age(before), meta.initial_age, "a clock that went back makes nothing younger than it was");
    assert!(meta.drop_at() >= meta.stale_at());
}

/// The slow and obvious reading, where it is possible: no quotes, no targeted field, nothing that lifts `no-store`.
fn is_plainly_forbidden(headers: &HeaderMap) -> bool {
    let lines: Vec<String> = headers
        .get_all("cache-control")
        .iter()
        .map(|line| String::from_utf8_lossy(line.as_bytes()).to_lowercase())
        .collect();
    let plain = !headers.contains_key("cdn-cache-control") && !lines.iter().any(|line| line.contains(['"', '\\']));
    let members = || lines.iter().flat_map(|line| line.split(',')).map(str::trim);
    plain
        && !members().any(|member| member.starts_with("must-understand"))
        && members().any(|member| matches!(member, "no-store" | "private"))
}

/// A date, by way of a lifetime counted from the epoch.
fn seconds_of(expires: &[u8]) -> Option<u64> {
    let mut headers = HeaderMap::new();
    headers.insert("date", HeaderValue::from_static("Thu, 01 Jan 1970 00:00:00 GMT"));
    headers.insert("etag", HeaderValue::from_static("\"1\""));
    headers.insert("expires", HeaderValue::from_bytes(expires).ok()?);
    let options = Options { ttl: None, max_ttl: Duration::MAX, ..Options::default() };
    Some(admitted(&headers, &options)?.lifetime.as_secs())
}

/// A text that may be a date: read as `httpdate` reads it, and what `httpdate` writes is read back.
pub(crate) fn dates(bytes: &[u8]) {
    let read = seconds_of(bytes);
    let text = std::str::from_utf8(bytes).unwrap_or_default();
    // A year of two digits means another century to either.
    let has_long_year = !text.contains('-');
    if let (Some(read), Ok(date), true) = (read, httpdate::parse_http_date(text), has_long_year && text == text.trim())
    {
        let expected = date.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        assert_eq!(read, expected, "{text}");
    }
    let Some(number) = bytes.first_chunk::<8>().map(|bytes| u64::from_le_bytes(*bytes) % 253_402_300_800) else {
        return;
    };
    let written = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(number));
    assert_eq!(seconds_of(written.as_bytes()), Some(number), "{written}");
}

/// A length and a `Range`, each on a line: within the body, and where its grammar is plain, the part that it names.
pub(crate) fn ranges(bytes: &[u8]) {
    let Some(at) = bytes.iter().position(|byte| *byte == b'\n') else { return };
    let (length, value) = (&bytes[..at], &bytes[at + 1..]);
    let Some(length) = std::str::from_utf8(length).ok().and_then(|digits| digits.parse::<u64>().ok()) else { return };
    let Ok(field) = HeaderValue::from_bytes(value) else { return };
    let mut request = HeaderMap::new();
    request.insert("range", field);
    let answer = policy::range(&request, StatusCode::OK, &HeaderMap::new(), length);
    if let RangeAnswer::Part { start, end } = answer {
        assert!(start <= end && end < length, "{value:?} of {length}: {answer:?}");
    }
    if let Some(expected) = plain_range(value, length) {
        assert_eq!(answer, expected, "{value:?} of {length}");
    }
}

fn plain_range(value: &[u8], length: u64) -> Option<RangeAnswer> {
    let spec = std::str::from_utf8(value).ok()?.strip_prefix("bytes=")?;
    let (first, last) = spec.split_once('-')?;
    let number = |text: &str| match text {
        "" => Some(None),
        digits if digits.len() < 30 && digits.bytes().all(|b| b.is_ascii_digit()) => {
            // No body reaches as far as the last of these: past it all positions are one.
            digits.parse::<u128>().ok().map(|number| Some(number.min(u64::MAX.into())))
        }
        _ => None,
    };
    let size = u128::from(length);
    let (start, end) = match (number(first)?, number(last)?) {
        _ if size == 0 => return Some(RangeAnswer::Full),
        (None, None) => return Some(RangeAnswer::Full),
        (Some(first), Some(last)) if first > last => return Some(RangeAnswer::Full),
        (Some(first), last) => (first, last.unwrap_or(u128::MAX).min(size - 1)),
        (None, Some(0)) => (size, size),
        (None, Some(suffix)) => (size.saturating_sub(suffix), size - 1),
    };
    let part = u64::try_from(start).ok().zip(u64::try_from(end).ok());
    Some(match part {
        Some((start, end)) if u128::from(start) < size => RangeAnswer::Part { start, end },
        _ => RangeAnswer::Unsatisfiable,
    })
}

/// `Accept-Encoding` and `Accept-Language` of any lines: normalising twice changes nothing, and selects nothing else.
pub(crate) fn accept(bytes: &[u8]) {
    let mut request = HeaderMap::new();
    for line in bytes.split(|byte| *byte == b'\n') {
        if let Ok(value) = HeaderValue::from_bytes(line) {
            request.append(ACCEPT_ENCODING, value.clone());
            request.append("accept-language", value);
        }
    }
    let names = [ACCEPT_ENCODING, HeaderName::from_static("accept-language")];
    let variant = policy::variant_id(&names, &request);
    assert_eq!(variant, policy::variant_of(&policy::selecting(&names, &request)));
    policy::normalise_accept_encoding(&mut request);
    assert_eq!(policy::variant_id(&names, &request), variant, "what is forwarded selects what was keyed");
    let once = request.clone();
    policy::normalise_accept_encoding(&mut request);
    assert_eq!(request, once);
}

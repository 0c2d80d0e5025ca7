//! Parts of a stored response (RFC 9110 §14).

use std::time::Duration;

use http::StatusCode;
use http::header::{DATE, HeaderMap, IF_RANGE, RANGE};

use super::age::single_date;
use super::etag::EntityTag;
use super::validate::{century, last_modified};

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

/// One range, as a client writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    /// `first-` or `first-last`
    From { first: u64, last: u64 },
    /// `-length`
    Last { length: u64 },
}

/// Decides which part of a stored body of `len` bytes a GET is answered with.
///
/// A `Range` that cannot be read, that has another unit, or that names several parts is passed over, as RFC 9110 §14.2
/// allows: a body is never sent more than once.
pub fn range(request: &HeaderMap, status: StatusCode, stored: &HeaderMap, len: u64) -> RangeAnswer {
    let mut lines = request.get_all(RANGE).iter();
    let (Some(line), None) = (lines.next(), lines.next()) else { return RangeAnswer::Full };
    if status != StatusCode::OK || len == 0 {
        return RangeAnswer::Full;
    }
    match parse(line.as_bytes()) {
        Some(wanted) if is_still_current(request, stored) => within(wanted, len),
        _ => RangeAnswer::Full,
    }
}

/// The bytes of a body of `len` bytes, which is not empty.
fn within(wanted: Wanted, len: u64) -> RangeAnswer {
    let end = len - 1;
    match wanted {
        Wanted::From { first, .. } if first > end => RangeAnswer::Unsatisfiable,
        Wanted::From { first, last } => RangeAnswer::Part { start: first, end: last.min(end) },
        Wanted::Last { length: 0 } => RangeAnswer::Unsatisfiable,
        Wanted::Last { length } => RangeAnswer::Part { start: len.saturating_sub(length), end },
    }
}

/// RFC 9110 §14.1.2. Several ranges are none.
fn parse(value: &[u8]) -> Option<Wanted> {
    let at = value.iter().position(|&b| b == b'=')?;
    let (unit, set) = (&value[..at], value[at + 1..].trim_ascii());
    if !unit.eq_ignore_ascii_case(b"bytes") {
        return None;
    }
    let dash = set.iter().position(|&b| b == b'-')?;
    match (&set[..dash], &set[dash + 1..]) {
        ([], length) => Some(Wanted::Last { length: number(length)? }),
        (first, []) => Some(Wanted::From { first: number(first)?, last: u64::MAX }),
        (first, last) => {
            let (first, last) = (number(first)?, number(last)?);
            (first <= last).then_some(Wanted::From { first, last })
        }
    }
}

/// A number too large for a `u64` lies beyond the end of any body, and so does `u64::MAX`.
fn number(digits: &[u8]) -> Option<u64> {
    let number = |n: u64, b: &u8| b.is_ascii_digit().then(|| n.saturating_mul(10).saturating_add(u64::from(b - b'0')));
    if digits.is_empty() { None } else { digits.iter().try_fold(0, number) }
}

/// Whether the client's part belongs to what is stored (RFC 9110 §13.1.5): the same strong tag, or the same date where
/// the date is a strong validator (§8.8.2.2).
fn is_still_current(request: &HeaderMap, stored: &HeaderMap) -> bool {
    let mut lines = request.get_all(IF_RANGE).iter();
    let Some(condition) = lines.next() else { return true };
    if lines.next().is_some() {
        return false;
    }
    if let Some(tag) = EntityTag::parse(condition.as_bytes()) {
        return EntityTag::of(stored).is_some_and(|stored| tag.matches_strongly(&stored));
    }
    let century = century(stored);
    let (known, modified) = (single_date(request, &IF_RANGE, century), last_modified(stored));
    let made = single_date(stored, &DATE, century);
    let strong = made.zip(modified).is_some_and(|(made, modified)| made.since(modified) >= Duration::from_secs(1));
    strong && known == modified
}

#[cfg(test)]
mod tests {
    use http::header::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn headers(fields: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    fn of_ten(value: &str) -> RangeAnswer {
        range(&headers(&[("range", value)]), StatusCode::OK, &HeaderMap::new(), 10)
    }

    const fn part(start: u64, end: u64) -> RangeAnswer {
        RangeAnswer::Part { start, end }
    }

    #[test]
    fn single_ranges_of_rfc_9110_14_1_2() {
        use RangeAnswer::{Full, Unsatisfiable};
        for (value, answer) in [
            ("bytes=0-0", part(0, 0)),
            ("bytes=2-5", part(2, 5)),
            ("Bytes=2-5", part(2, 5)),
            ("bytes=2-", part(2, 9)),
            ("bytes=2-99", part(2, 9)),
            ("bytes=9-9", part(9, 9)),
            ("bytes=-3", part(7, 9)),
            ("bytes=-99", part(0, 9)),
            ("bytes=0-99999999999999999999999", part(0, 9)),
            ("bytes=-99999999999999999999999", part(0, 9)),
            ("bytes=10-", Unsatisfiable),
            ("bytes=10-12", Unsatisfiable),
            ("bytes=18446744073709551615-", Unsatisfiable),
            ("bytes=99999999999999999999999-", Unsatisfiable),
            ("bytes=-0", Unsatisfiable),
            ("bytes=5-2", Full),
            ("bytes=0-1,3-4", Full),
            ("bytes=0-1, -1", Full),
            ("bytes=", Full),
            ("bytes=-", Full),
            ("bytes=a-b", Full),
            ("bytes=1", Full),
            ("bytes=+1-2", Full),
            ("bytes=1 - 2", Full),
            ("bytes 1-2", Full),
            ("items=0-1", Full),
            ("", Full),
        ] {
            assert_eq!(of_ten(value), answer, "{value}");
        }
    }

    #[test]
    fn what_has_no_parts_is_sent_whole() {
        let request = headers(&[("range", "bytes=0-1")]);
        let answer = |status, len| range(&request, StatusCode::from_u16(status).unwrap(), &HeaderMap::new(), len);
        assert_eq!(answer(200, 0), RangeAnswer::Full);
        assert_eq!(answer(404, 10), RangeAnswer::Full);
        assert_eq!(answer(200, 1), part(0, 0));
        let twice = headers(&[("range", "bytes=0-1"), ("range", "bytes=2-3")]);
        assert_eq!(range(&twice, StatusCode::OK, &HeaderMap::new(), 10), RangeAnswer::Full);
    }

    #[test]
    fn if_range_of_rfc_9110_13_1_5_compares_strongly() {
        const DAY: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
        const LATER: &str = "Sun, 06 Nov 1994 08:49:38 GMT";
        let answer = |condition: &str, stored: &[(&'static str, &str)]| {
            let request = headers(&[("range", "bytes=0-1"), ("if-range", condition)]);
            range(&request, StatusCode::OK, &headers(stored), 10) != RangeAnswer::Full
        };
        for (condition, stored, current) in [
            ("\"a\"", &[("etag", "\"a\"")][..], true),
            ("\"b\"", &[("etag", "\"a\"")], false),
            ("W/\"a\"", &[("etag", "W/\"a\"")], false),
            ("\"a\"", &[("etag", "W/\"a\"")], false),
            ("\"a\"", &[], false),
            (DAY, &[("last-modified", DAY), ("date", LATER)], true),
            ("Sunday, 06-Nov-94 08:49:37 GMT", &[("last-modified", DAY), ("date", LATER)], true),
            (DAY, &[("last-modified", DAY), ("date", DAY)], false),
            (DAY, &[("last-modified", DAY)], false),
            (LATER, &[("last-modified", DAY), ("date", LATER)], false),
            ("a", &[("etag", "a"), ("date", LATER)], false),
        ] {
            assert_eq!(answer(condition, stored), current, "{condition} and {stored:?}");
        }
    }

    #[test]
    fn a_cut_range_is_read_or_passed_over() {
        let whole = "bytes=2-5";
        for cut in 0..whole.len() {
            assert!(matches!(of_ten(&whole[..cut]), RangeAnswer::Full | RangeAnswer::Part { start: 2, end: 9 }));
        }
    }

    proptest! {
        #[test]
        fn a_part_lies_within_the_body(value in "bytes=[0-9]{0,22}-[0-9]{0,22}|[ -~]{0,20}", len in any::<u64>()) {
            let request = headers(&[("range", &value)]);
            if let RangeAnswer::Part { start, end } = range(&request, StatusCode::OK, &HeaderMap::new(), len) {
                prop_assert!(start <= end && end < len);
            }
        }
    }
}

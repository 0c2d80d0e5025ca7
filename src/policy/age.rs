//! How old a response is when it arrives (RFC 9111 §4.2.3).

use std::time::Duration;

use http::header::{AGE, DATE, HeaderMap, HeaderName};

use super::Times;
use super::date::HttpDate;
use super::directives::digits;

/// `corrected_initial_age`: what the `Date` shows or what `Age` and the time on the way add up to, whichever is more.
pub(super) fn initial_age(response: &HeaderMap, times: Times) -> Duration {
    let response_delay = times.received_at.since(times.requested_at);
    apparent_age(response, times).max(stated_age(response).saturating_add(response_delay))
}

/// When the origin made the response; when it arrived, if the origin does not say.
pub(super) fn date(response: &HeaderMap, times: Times) -> HttpDate {
    let received = HttpDate::of(times.received_at);
    single_date(response, &DATE, received).unwrap_or(received)
}

/// The date of a field that has exactly one line, and that a date.
pub(super) fn single_date(headers: &HeaderMap, name: &HeaderName, now: HttpDate) -> Option<HttpDate> {
    let mut lines = headers.get_all(name).iter();
    let (first, second) = (lines.next()?, lines.next());
    if second.is_some() { None } else { HttpDate::parse(first.as_bytes(), now) }
}

/// A date has no fractions of a second. One that lies in the second in which the request was sent, or later, says that
/// the response was made for this request; how long that took is in the delay.
fn apparent_age(response: &HeaderMap, times: Times) -> Duration {
    match single_date(response, &DATE, HttpDate::of(times.received_at)) {
        Some(date) if date < HttpDate::of(times.requested_at) => times.received_at.since(date.instant()),
        _ => Duration::ZERO,
    }
}

/// The first member of `Age`; nothing but digits is one (RFC 9111 §5.1).
fn stated_age(response: &HeaderMap) -> Duration {
    let first = response.get(AGE).and_then(|line| line.as_bytes().split(|&b| b == b',').next());
    first.and_then(|member| digits(member.trim_ascii())).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use http::header::HeaderValue;
    use proptest::prelude::*;

    use super::*;
    use crate::clock::Timestamp;

    const SENT: u64 = 1_790_000_000_250;

    fn at(sent: u64, received: u64) -> Times {
        Times { requested_at: Timestamp::from_millis(sent), received_at: Timestamp::from_millis(received) }
    }

    fn age(fields: &[(&'static str, &str)], times: Times) -> u128 {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, HeaderValue::from_str(value).unwrap());
        }
        initial_age(&headers, times).as_millis()
    }

    #[test]
    fn age_of_rfc_9111_5_1() {
        for (lines, seconds) in [
            (&["10"][..], 10),
            (&["010"], 10),
            (&["10, 20"], 10),
            (&["10", "20"], 10),
            (&["2147483647"], (1 << 31) - 1),
            (&["2147483648"], 1 << 31),
            (&["2147483649"], 1 << 31),
            (&["99999999999999999999999"], 1 << 31),
            (&["abc"], 0),
            (&["-10"], 0),
            (&["10.5"], 0),
            (&["10;x=1"], 0),
            (&["\"10\""], 0),
            (&[", 10"], 0),
            (&[""], 0),
        ] {
            let fields: Vec<_> = lines.iter().map(|line| ("age", *line)).collect();
            assert_eq!(age(&fields, at(SENT, SENT)), seconds * 1000, "{lines:?}");
        }
    }

    #[test]
    fn the_larger_of_both_ages_counts_rfc_9111_4_2_3() {
        let date = |secs| HttpDate::of(Timestamp::from_secs(secs)).to_value();
        let text = |secs| date(secs).to_str().unwrap().to_owned();
        let sent = SENT / 1000;
        for (name, fields, times, millis) in [
            ("the delay counts", vec![], at(SENT, SENT + 900), 900),
            ("Age is as of the request", vec![("age", "10".to_owned())], at(SENT, SENT + 900), 10_900),
            ("a date of this second says nothing", vec![("date", text(sent))], at(SENT, SENT + 10), 10),
            ("a date on the way says nothing", vec![("date", text(sent + 1))], at(SENT, SENT + 1900), 1900),
            ("a date in the future neither", vec![("date", text(sent + 500))], at(SENT, SENT), 0),
            ("an old date does", vec![("date", text(sent - 100))], at(SENT, SENT), 100_250),
            ("unless Age is more", vec![("date", text(sent - 5)), ("age", "10".to_owned())], at(SENT, SENT), 10_000),
            ("no date at all", vec![("date", "yesterday".to_owned())], at(SENT, SENT), 0),
            ("two dates are none", vec![("date", text(1)), ("date", text(2))], at(SENT, SENT), 0),
            ("a clock that went back", vec![], at(SENT, SENT - 900), 0),
        ] {
            let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
            assert_eq!(age(&fields, times), millis, "{name}");
        }
    }

    proptest! {
        #[test]
        fn an_age_is_never_less_than_the_delay(
            age_line in "[0-9]{0,25}|[ -~]{0,12}", date_secs in any::<u32>(), sent in any::<u32>(), delay in 0..100_000_u64,
        ) {
            let date = HttpDate::of(Timestamp::from_secs(date_secs.into())).to_value();
            let times = at(u64::from(sent) * 1000, u64::from(sent) * 1000 + delay);
            let age = age(&[("age", &age_line), ("date", date.to_str().unwrap())], times);
            prop_assert!(age >= u128::from(delay));
        }
    }
}

//! How long a response is fresh (RFC 9111 §4.2.1, §4.2.2).

use std::time::Duration;

use http::header::{EXPIRES, HeaderMap, LAST_MODIFIED};

use super::age::{date, single_date};
use super::date::HttpDate;
use super::directives::Directives;
use super::{LifetimeSource, Times};

/// The longest lifetime that is guessed.
const LONGEST_GUESS: Duration = Duration::from_secs(24 * 3600);

/// The lifetime that the origin states: `s-maxage`, `max-age`, or `Expires` after `Date`. What it states and nobody
/// understands is no time at all, and so is more than one `Expires`.
pub(super) fn stated_lifetime(
    directives: &Directives,
    response: &HeaderMap,
    times: Times,
) -> Option<(Duration, LifetimeSource)> {
    if let Some(lifetime) = directives.lifetime() {
        let shared = directives.s_maxage.is_some();
        return Some((lifetime, if shared { LifetimeSource::SMaxage } else { LifetimeSource::MaxAge }));
    }
    if directives.targeted || !response.contains_key(EXPIRES) {
        return None;
    }
    let expires = single_date(response, &EXPIRES, HttpDate::of(times.received_at));
    let lifetime = expires.map_or(Duration::ZERO, |expires| expires.since(date(response, times)));
    Some((lifetime, LifetimeSource::Expires))
}

/// A tenth of the time for which the response had not changed when it was made (RFC 9111 §4.2.2), a day at most.
pub(super) fn guessed_lifetime(response: &HeaderMap, times: Times) -> Option<Duration> {
    let modified = single_date(response, &LAST_MODIFIED, HttpDate::of(times.received_at))?;
    Some((date(response, times).since(modified) / 10).min(LONGEST_GUESS))
}

#[cfg(test)]
mod tests {
    use http::header::HeaderValue;

    use super::*;
    use crate::clock::Timestamp;
    use crate::policy::Options;

    /// Sun, 06 Nov 1994 08:49:37 GMT
    const NOW: Times =
        Times { requested_at: Timestamp::from_secs(784_111_777), received_at: Timestamp::from_secs(784_111_777) };

    fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    fn stated(fields: &[(&'static str, &'static str)]) -> Option<u64> {
        let headers = headers(fields);
        stated_lifetime(&Directives::read(&headers, &Options::default().targeted_fields), &headers, NOW)
            .map(|(lifetime, _)| lifetime.as_secs())
    }

    #[test]
    fn precedence_of_rfc_9111_4_2_1() {
        const LATER: (&str, &str) = ("expires", "Sun, 06 Nov 1994 09:49:37 GMT");
        const PAST: (&str, &str) = ("expires", "Sun, 06 Nov 1994 07:49:37 GMT");
        for (name, fields, seconds) in [
            ("Expires after the time of receipt", &[LATER][..], Some(3600)),
            ("Expires in the past", &[PAST], Some(0)),
            ("max-age=0 beats Expires", &[("cache-control", "max-age=0"), LATER], Some(0)),
            ("max-age beats a past Expires", &[("cache-control", "max-age=60"), PAST], Some(60)),
            ("max-age beats an Expires that is none", &[("cache-control", "max-age=60"), ("expires", "0")], Some(60)),
            ("s-maxage beats both", &[("cache-control", "s-maxage=60, max-age=0"), PAST], Some(60)),
            ("a targeted field leaves Expires out", &[("cdn-cache-control", "public"), LATER], None),
            ("the origin's clock counts", &[("date", "Sun, 06 Nov 1994 09:49:30 GMT"), LATER], Some(7)),
            ("also when it is slow", &[("date", "Sun, 06 Nov 1994 06:49:37 GMT"), PAST], Some(3600)),
            ("a Date that is none is the receipt's", &[("date", "now"), LATER], Some(3600)),
            ("zero", &[("expires", "0")], Some(0)),
            ("another zone", &[("expires", "Sun, 06 Nov 1994 09:49:37 UTC")], Some(0)),
            ("RFC 850", &[("expires", "Sunday, 06-Nov-94 09:49:37 GMT")], Some(3600)),
            ("asctime", &[("expires", "Sun Nov  6 09:49:37 1994")], Some(3600)),
            ("two lines", &[LATER, LATER], Some(0)),
            ("nothing", &[], None),
        ] {
            assert_eq!(stated(fields), seconds, "{name}");
        }
    }

    #[test]
    fn guesses_of_rfc_9111_4_2_2() {
        let guess = |modified| {
            guessed_lifetime(&headers(&[("last-modified", modified)]), NOW).map(|lifetime| lifetime.as_secs())
        };
        assert_eq!(guess("Sun, 06 Nov 1994 08:47:57 GMT"), Some(10));
        assert_eq!(guess("Sun, 06 Nov 1994 09:47:57 GMT"), Some(0));
        assert_eq!(guess("Sun, 06 Nov 1904 08:47:57 GMT"), Some(24 * 3600));
        assert_eq!(guess("long ago"), None);
        assert_eq!(guessed_lifetime(&HeaderMap::new(), NOW), None);
    }
}

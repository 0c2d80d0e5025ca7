//! HTTP-dates, read as strictly as RFC 9110 §5.6.7 writes them.
//!
//! Three formats and no others: a lenient reader would take for fresh what the origin, by sending something that is
//! not a date, declared stale. Letters may be of either case, and the day of the week must be one but is not compared
//! with the date; real origins get it wrong.

use std::time::Duration;

use http::header::HeaderValue;

use crate::clock::Timestamp;

const SECS_PER_DAY: i64 = 86_400;
/// The last second of the year 9999, the last that the format can write.
const LAST: i64 = 253_402_300_799;
const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
const LONG_DAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// A date in whole seconds since the Unix epoch; before it, negative.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct HttpDate(i64);

impl HttpDate {
    /// The second in which an instant lies.
    pub(super) fn of(instant: Timestamp) -> Self {
        Self(i64::try_from(instant.as_secs()).unwrap_or(LAST).min(LAST))
    }

    /// Reads an HTTP-date. `now` tells which century a two-digit year means.
    pub(super) fn parse(value: &[u8], now: Self) -> Option<Self> {
        imf_fixdate(value).or_else(|| asctime(value)).or_else(|| rfc850(value, now)).map(Self)
    }

    /// The time from `earlier` to this date; zero when `earlier` is later.
    pub(super) fn since(self, earlier: Self) -> Duration {
        Duration::from_secs(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// The instant at which the second begins; dates before the epoch are the epoch.
    pub(super) fn instant(self) -> Timestamp {
        Timestamp::from_secs(u64::try_from(self.0).unwrap_or(0))
    }

    /// The date as IMF-fixdate.
    pub(super) fn to_value(self) -> HeaderValue {
        let (days, time) = (self.0.div_euclid(SECS_PER_DAY), self.0.rem_euclid(SECS_PER_DAY));
        let (year, month, day) = civil(days);
        // The epoch was a Thursday.
        let weekday = usize::try_from((days + 3).rem_euclid(7)).unwrap_or(0);
        let text = format!(
            "{}, {day:02} {} {year:04} {:02}:{:02}:{:02} GMT",
            DAYS[weekday],
            MONTHS[month],
            time / 3600,
            time / 60 % 60,
            time % 60
        );
        HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("Thu, 01 Jan 1970 00:00:00 GMT"))
    }
}

/// What is left to read.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn literal(&mut self, text: &str) -> Option<()> {
        let (head, rest) = self.0.split_at_checked(text.len())?;
        self.0 = rest;
        head.eq_ignore_ascii_case(text.as_bytes()).then_some(())
    }

    /// Which of these names stands next.
    fn name(&mut self, names: &[&str]) -> Option<usize> {
        let found = names
            .iter()
            .position(|name| self.0.get(..name.len()).is_some_and(|head| head.eq_ignore_ascii_case(name.as_bytes())))?;
        self.0 = &self.0[names[found].len()..];
        Some(found)
    }

    /// A number of exactly so many digits.
    fn number(&mut self, digits: usize) -> Option<i64> {
        let (head, rest) = self.0.split_at_checked(digits)?;
        self.0 = rest;
        head.iter().try_fold(0, |n, b| b.is_ascii_digit().then(|| n * 10 + i64::from(b - b'0')))
    }

    /// Seconds since midnight. A leap second is the first second after it.
    fn time(&mut self) -> Option<i64> {
        let hour = self.number(2)?;
        self.literal(":")?;
        let minute = self.number(2)?;
        self.literal(":")?;
        let second = self.number(2)?;
        (hour < 24 && minute < 60 && second <= 60).then_some(hour * 3600 + minute * 60 + second)
    }

    fn end(&self) -> Option<()> {
        self.0.is_empty().then_some(())
    }
}

/// `Sun, 06 Nov 1994 08:49:37 GMT`
fn imf_fixdate(text: &[u8]) -> Option<i64> {
    let mut read = Reader(text);
    read.name(&DAYS)?;
    read.literal(", ")?;
    let day = read.number(2)?;
    read.literal(" ")?;
    let month = read.name(&MONTHS)?;
    read.literal(" ")?;
    let year = read.number(4)?;
    read.literal(" ")?;
    let time = read.time()?;
    read.literal(" GMT")?;
    read.end()?;
    join(year, month, day, time)
}

/// `Sun Nov  6 08:49:37 1994`
fn asctime(text: &[u8]) -> Option<i64> {
    let mut read = Reader(text);
    read.name(&DAYS)?;
    read.literal(" ")?;
    let month = read.name(&MONTHS)?;
    read.literal(" ")?;
    let padded = read.0.first() == Some(&b' ');
    let day = if padded { read.literal(" ").and_then(|()| read.number(1))? } else { read.number(2)? };
    read.literal(" ")?;
    let time = read.time()?;
    read.literal(" ")?;
    let year = read.number(4)?;
    read.end()?;
    join(year, month, day, time)
}

/// `Sunday, 06-Nov-94 08:49:37 GMT`. A year that would lie more than 50 years ahead is in the past.
fn rfc850(text: &[u8], now: HttpDate) -> Option<i64> {
    let mut read = Reader(text);
    read.name(&LONG_DAYS)?;
    read.literal(", ")?;
    let day = read.number(2)?;
    read.literal("-")?;
    let month = read.name(&MONTHS)?;
    read.literal("-")?;
    let two_digits = read.number(2)?;
    read.literal(" ")?;
    let time = read.time()?;
    read.literal(" GMT")?;
    read.end()?;
    let (this_year, this_month, this_day) = civil(now.0.div_euclid(SECS_PER_DAY));
    let year = this_year - this_year.rem_euclid(100) + two_digits;
    let ahead = (year - 50, month, day) > (this_year, this_month, this_day);
    join(if ahead { year - 100 } else { year }, month, day, time)
}

fn join(year: i64, month: usize, day: i64, time: i64) -> Option<i64> {
    (1..=days_in(year, month)).contains(&day).then(|| days_before(year, month, day) * SECS_PER_DAY + time)
}

fn days_in(year: i64, month: usize) -> i64 {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        1 if leap => 29,
        1 => 28,
        3 | 5 | 8 | 10 => 30,
        _ => 31,
    }
}

/// Days from the epoch to a date of the Gregorian calendar; `month` counts from 0. Years are counted from March, so
/// that the leap day comes last, and in eras of 400 years, which all have the same length.
fn days_before(year: i64, month: usize, day: i64) -> i64 {
    let month = i64::try_from(month).unwrap_or(0);
    let year = if month < 2 { year - 1 } else { year };
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * ((month + 10) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// The year, the month from 0, and the day: the inverse of [`days_before`].
fn civil(days: i64) -> (i64, usize, i64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let month = (from_march + 2) % 12;
    let year = era * 400 + year_of_era + i64::from(month < 2);
    (year, usize::try_from(month).unwrap_or(0), day_of_year - (153 * from_march + 2) / 5 + 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: HttpDate = HttpDate(1_790_000_000); // 2026

    fn parse(text: &str) -> Option<i64> {
        HttpDate::parse(text.as_bytes(), NOW).map(|date| date.0)
    }

    #[test]
    fn the_three_formats_of_rfc_9110_5_6_7() {
        for (text, secs) in [
            ("Sun, 06 Nov 1994 08:49:37 GMT", 784_111_777),
            ("Sunday, 06-Nov-94 08:49:37 GMT", 784_111_777),
            ("Sun Nov  6 08:49:37 1994", 784_111_777),
            ("sun, 06 nov 1994 08:49:37 gmt", 784_111_777),
            ("SUNDAY, 06-NOV-94 08:49:37 GMT", 784_111_777),
            // The day of the week is wrong, and nobody minds.
            ("Mon, 06 Nov 1994 08:49:37 GMT", 784_111_777),
            ("Thu Nov 16 08:49:37 1994", 784_975_777),
            ("Tue, 19 Jan 2038 14:14:08 GMT", 2_147_523_248),
            ("Sat, 20 Nov 2286 17:46:39 GMT", 9_999_999_999),
            ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
            ("Mon, 01 Jan 1900 00:00:00 GMT", -2_208_988_800),
            ("Thu, 29 Feb 2024 00:00:00 GMT", 1_709_164_800),
            ("Sat, 31 Dec 2016 23:59:60 GMT", 1_483_228_800),
        ] {
            assert_eq!(parse(text), Some(secs), "{text}");
        }
    }

    #[test]
    fn a_two_digit_year_is_at_most_50_years_ahead() {
        let year = |text: &str| parse(text).map(|secs| civil(secs.div_euclid(SECS_PER_DAY)).0);
        assert_eq!(year("Sunday, 06-Nov-26 08:49:37 GMT"), Some(2026));
        assert_eq!(year("Sunday, 06-Nov-75 08:49:37 GMT"), Some(2075));
        assert_eq!(year("Sunday, 06-Nov-77 08:49:37 GMT"), Some(1977));
        assert_eq!(year("Sunday, 06-Nov-00 08:49:37 GMT"), Some(2000));
    }

    #[test]
    fn nothing_else_is_a_date() {
        for text in [
            "",
            "0",
            "-1",
            "Sun, 06 Nov 1994 08:49:37 UTC",
            "Sun, 06 Nov 1994 08:49:37 AEST",
            "Sun, 06 Nov 1994 08:49:37 +0000",
            "Sun, 06 Nov 1994 08:49:37",
            "Sun, 06 Nov 94 08:49:37 GMT",
            "Sun 06 Nov 1994 08:49:37 GMT",
            "Sun,  06 Nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994  08:49:37 GMT",
            "Sun, 06-Nov-1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 08.49.37 GMT",
            "Sun, 06 Nov 1994 8:49:37 GMT",
            "Sun, 6 Nov 1994 08:49:37 GMT",
            "Foo, 06 Nov 1994 08:49:37 GMT",
            "Sun, 06 Foo 1994 08:49:37 GMT",
            "Sun, 31 Nov 1994 08:49:37 GMT",
            "Sun, 29 Feb 2023 08:49:37 GMT",
            "Sun, 00 Nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 24:49:37 GMT",
            "Sun, 06 Nov 1994 08:60:37 GMT",
            "Sun, 06 Nov 1994 08:49:61 GMT",
            "Sun, 06 Nov 1994 08:49:37 GMT ",
            "Sun, 06 Nov 1994 08:49:37 GMT, Sun, 06 Nov 1994 08:49:37 GMT",
            "Sun, 06-Nov-94 08:49:37 GMT",
            "Sun Nov 6 08:49:37 1994",
            "Sun Nov  6 08:49:37 94",
            "1994-11-06T08:49:37Z",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_cut_date_is_none() {
        for whole in ["Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"] {
            for cut in 0..whole.len() {
                assert_eq!(parse(&whole[..cut]), None, "cut at {cut}");
            }
        }
    }

    proptest! {
        #[test]
        fn no_bytes_upset_it(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            let _ = HttpDate::parse(&bytes, NOW);
        }

        #[test]
        fn what_is_written_is_read_again(secs in 0..=LAST) {
            let date = HttpDate(secs);
            prop_assert_eq!(HttpDate::parse(date.to_value().as_bytes(), NOW), Some(date));
        }
    }
}

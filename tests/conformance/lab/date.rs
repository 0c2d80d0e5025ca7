//! Dates as an origin writes them, well and badly.

use larder::clock::Timestamp;

const WEEKDAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

struct Civil {
    weekday: &'static str,
    day: u64,
    month: &'static str,
    year: u64,
    hour: u64,
    minute: u64,
    second: u64,
}

/// Replaces `{form+seconds}` and `{form-seconds}` with that time before or after `now`, in that form; `{form}` is now.
pub(crate) fn dated(text: &str, now: Timestamp) -> String {
    let Some((before, rest)) = text.split_once('{') else { return text.to_owned() };
    let (marker, after) = rest.split_once('}').expect("a marker ends");
    let at = marker.find(['+', '-']).unwrap_or(marker.len());
    let (form, shift) = marker.split_at(at);
    let shift: i64 = if shift.is_empty() { 0 } else { shift.parse().expect("seconds") };
    let date = format(form, now.as_secs().checked_add_signed(shift).expect("a time"));
    format!("{before}{date}{}", dated(after, now))
}

fn format(form: &str, seconds: u64) -> String {
    let Civil { weekday, day, month, year, hour, minute, second } = civil(seconds);
    let (short, century) = (&weekday[..3], year % 100);
    let time = format!("{hour:02}:{minute:02}:{second:02}");
    let imf = format!("{short}, {day:02} {month} {year} {time} GMT");
    match form {
        "now" => imf,
        "rfc850" => format!("{weekday}, {day:02}-{month}-{century:02} {time} GMT"),
        "asctime" => format!("{short} {month} {day:>2} {time} {year}"),
        "lower" => imf.to_lowercase(),
        "upper" => imf.to_uppercase(),
        "otherday" => format!("{}, {day:02} {month} {year} {time} GMT", if short == "Mon" { "Tue" } else { "Mon" }),
        "utc" => imf.replace("GMT", "UTC"),
        "aest" => imf.replace("GMT", "AEST"),
        "numeric" => imf.replace("GMT", "+0000"),
        "zoneless" => imf.replace(" GMT", ""),
        "shortyear" => format!("{short}, {day:02} {month} {century:02} {time} GMT"),
        "commaless" => imf.replace(',', ""),
        "spaces" => imf.replace(", ", ",  "),
        "dashes" => format!("{short}, {day:02}-{month}-{year} {time} GMT"),
        "periods" => imf.replace(':', "."),
        "shorthour" => format!("{short}, {day:02} {month} {year} {}:{minute:02}:{second:02} GMT", hour % 10),
        "iso" => format!("{year}-{month}-{day:02}T{time}Z"),
        "seconds" => seconds.to_string(),
        form => panic!("no date is written as {form:?}"),
    }
}

/// The Gregorian calendar by eras of 400 years that begin in March.
fn civil(seconds: u64) -> Civil {
    let (days, time) = (seconds / 86_400, seconds % 86_400);
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let month = if shifted_month < 10 { shifted_month + 2 } else { shifted_month - 10 };
    Civil {
        weekday: WEEKDAYS[usize::try_from((days + 4) % 7).expect("a weekday")],
        day: day_of_year - (153 * shifted_month + 2) / 5 + 1,
        month: MONTHS[usize::try_from(month).expect("a month")],
        year: era * 400 + year_of_era + u64::from(month < 2),
        hour: time / 3600,
        minute: time / 60 % 60,
        second: time % 60,
    }
}

#[test]
fn dates_are_what_date_says() {
    let at = |text| dated(text, Timestamp::from_secs(784_111_777));
    assert_eq!(at("Date: {now}"), "Date: Sun, 06 Nov 1994 08:49:37 GMT");
    assert_eq!(at("{rfc850-60} {asctime+1}"), "Sunday, 06-Nov-94 08:48:37 GMT Sun Nov  6 08:49:38 1994");
    assert_eq!(dated("{now}", Timestamp::from_secs(1_709_210_096)), "Thu, 29 Feb 2024 12:34:56 GMT");
    assert_eq!(dated("{now}", Timestamp::from_secs(1_735_689_599)), "Tue, 31 Dec 2024 23:59:59 GMT");
}

//! What single values mean: durations, sizes, numbers, words. Pure functions from text to value or [`Fault`].

use std::time::Duration;

use super::spelling;

/// Why a text is not a value. A fault never holds the text itself, which may be a secret; see [`Fault::meant`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    /// Completes a sentence about the value: "is not a duration".
    pub(super) problem: String,
    /// What to write.
    pub(super) hint: String,
    /// What was probably meant. Made from the text, so shown only where the text may be.
    pub(super) meant: Option<String>,
}

impl Fault {
    pub(super) fn new(problem: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { problem: problem.into(), hint: hint.into(), meant: None }
    }

    pub(super) fn meaning(self, meant: Option<String>) -> Self {
        Self { meant, ..self }
    }
}

/// No duration in a configuration is longer.
const MAX_DURATION: Duration = Duration::from_secs(3650 * 24 * 3600);

/// `500ms`, `90s`, `5m`, `1h`, `1d`.
pub(super) fn duration(text: &str) -> Result<Duration, Fault> {
    let fault = || {
        Fault::new("is not a duration", "write a number with its unit: 500ms, 90s, 5m, 1h or 1d")
            .meaning(duration_meant(text))
    };
    let (number, unit) = number_and_unit(text).ok_or_else(fault)?;
    let millis: u64 = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60 * 1000,
        "h" => 3600 * 1000,
        "d" => 24 * 3600 * 1000,
        _ => return Err(fault()),
    };
    number
        .checked_mul(millis)
        .map(Duration::from_millis)
        .filter(|duration| *duration <= MAX_DURATION)
        .ok_or_else(|| Fault::new("is too long", "no duration is longer than 3650d"))
}

fn duration_meant(text: &str) -> Option<String> {
    let compact: String = text.chars().filter(|c| !c.is_whitespace()).collect::<String>().to_lowercase();
    let (number, unit) = number_and_unit(&compact)?;
    let unit = match unit {
        "" | "s" | "sec" | "secs" | "second" | "seconds" => "s",
        "ms" | "msec" | "msecs" | "milli" | "millis" | "millisecond" | "milliseconds" => "ms",
        "m" | "min" | "mins" | "minute" | "minutes" => "m",
        "h" | "hr" | "hrs" | "hour" | "hours" => "h",
        "d" | "day" | "days" => "d",
        _ => return None,
    };
    Some(format!("{number}{unit}"))
}

/// A duration that is not zero.
pub(super) fn time_limit(text: &str) -> Result<Duration, Fault> {
    match duration(text)? {
        Duration::ZERO => Err(Fault::new("leaves no time at all", "a limit is at least 1ms")),
        limit => Ok(limit),
    }
}

/// `64KiB`, `2MiB`, `1GiB`, `10KB`, `10MB`, or bytes.
pub(super) fn size(text: &str) -> Result<u64, Fault> {
    let fault =
        || Fault::new("is not a size", "write bytes, or a number with its unit: 64KiB, 8MiB").meaning(size_meant(text));
    let (number, unit) = number_and_unit(text).ok_or_else(fault)?;
    let bytes: u64 = match unit {
        "" | "B" => 1,
        "KB" => 1000,
        "MB" => 1000 * 1000,
        "GB" => 1000 * 1000 * 1000,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return Err(fault()),
    };
    let product = number.checked_mul(bytes).filter(|&size| size <= 1 << 50);
    product.ok_or_else(|| Fault::new("is too large", "no size is larger than 1048576GiB"))
}

fn size_meant(text: &str) -> Option<String> {
    let compact: String = text.chars().filter(|c| !c.is_whitespace()).collect::<String>().to_lowercase();
    let (number, unit) = number_and_unit(&compact)?;
    let unit = match unit {
        "b" | "byte" | "bytes" => "B",
        "k" | "ki" | "kib" => "KiB",
        "m" | "mi" | "mib" => "MiB",
        "g" | "gi" | "gib" => "GiB",
        "kb" => "KB",
        "mb" => "MB",
        "gb" => "GB",
        _ => return None,
    };
    Some(format!("{number}{unit}"))
}

fn number_and_unit(text: &str) -> Option<(u64, &str)> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    number.parse().ok().map(|number| (number, unit))
}

/// `true` or `false`.
pub(super) fn boolean(text: &str) -> Result<bool, Fault> {
    match text {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(Fault::new("is neither `true` nor `false`", "write `true` or `false`")
            .meaning(loose_boolean(text).map(|meant| meant.to_string()))),
    }
}

/// A boolean as people write it in an environment variable.
pub(super) fn loose_boolean(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Some(true),
        "false" | "0" | "no" | "off" => Some(false),
        _ => None,
    }
}

/// A whole number within bounds.
pub(super) fn whole_number(text: &str, least: u64, most: u64) -> Result<u64, Fault> {
    let number = text.parse().ok().filter(|number| (least..=most).contains(number));
    number.ok_or_else(|| {
        Fault::new(format!("is not a whole number from {least} to {most}"), format!("write a number, such as {least}"))
    })
}

/// One of a few words.
pub(super) fn word<V: Copy>(text: &str, words: &[(&str, V)]) -> Result<V, Fault> {
    if let Some((_, value)) = words.iter().find(|(word, _)| *word == text) {
        return Ok(*value);
    }
    let names: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
    let listed: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    let listed = listed.join(", ");
    Err(Fault::new("is not known here", format!("write one of {listed}"))
        .meaning(spelling::nearest(text, names).map(str::to_owned)))
}

/// Text that is not empty.
pub(super) fn text(text: &str) -> Result<String, Fault> {
    if text.trim().is_empty() {
        return Err(Fault::new("is empty", "leave the field out, or write something"));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_a_unit() {
        for (text, millis) in
            [("500ms", 500), ("90s", 90_000), ("5m", 300_000), ("1h", 3_600_000), ("1d", 86_400_000), ("0s", 0)]
        {
            assert_eq!(duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for (text, meant) in [
            ("90", Some("90s")),
            ("90 s", Some("90s")),
            ("5min", Some("5m")),
            ("1H", Some("1h")),
            ("2 days", Some("2d")),
            ("soon", None),
            ("-5s", None),
            ("1.5h", None),
            ("", None),
        ] {
            assert_eq!(duration(text).unwrap_err().meant.as_deref(), meant, "{text}");
        }
        for text in ["9999999d", "18446744073709551615h"] {
            assert_eq!(duration(text).unwrap_err().problem, "is too long", "{text}");
        }
        assert!(time_limit("0ms").is_err());
    }

    #[test]
    fn sizes_may_have_a_unit() {
        for (text, bytes) in [
            ("0", 0),
            ("1500", 1500),
            ("1B", 1),
            ("64KiB", 65_536),
            ("2MiB", 2_097_152),
            ("1GiB", 1 << 30),
            ("10KB", 10_000),
            ("3MB", 3_000_000),
            ("1GB", 1_000_000_000),
        ] {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for (text, meant) in
            [("64k", Some("64KiB")), ("2 mib", Some("2MiB")), ("2mb", Some("2MB")), ("big", None), ("-1", None)]
        {
            assert_eq!(size(text).unwrap_err().meant.as_deref(), meant, "{text}");
        }
        assert_eq!(size("99999999999999GiB").unwrap_err().problem, "is too large");
    }

    #[test]
    fn words_are_spelled_exactly() {
        let words = [("ignore", 1), ("honor", 2)];
        assert_eq!(word("honor", &words), Ok(2));
        assert_eq!(word("honour", &words).unwrap_err().meant.as_deref(), Some("honor"));
        assert_eq!(word("x", &words).unwrap_err().hint, "write one of `ignore`, `honor`");
        assert_eq!(boolean("yes").unwrap_err().meant.as_deref(), Some("true"));
    }
}

//! Percent-encoding undone.

/// Undoes percent-encoding; what is not a sequence of it stays.
pub(super) fn percent(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&byte, tail)) = rest.split_first() {
        match tail.split_at_checked(2).and_then(|(pair, after)| Some((hex(pair)?, after))) {
            Some((decoded, after)) if byte == b'%' => {
                out.push(decoded);
                rest = after;
            }
            _ => {
                out.push(byte);
                rest = tail;
            }
        }
    }
    out
}

/// The value of a query parameter, in which a `+` is a space. `None` when it is not UTF-8.
pub(super) fn form(value: &str) -> Option<String> {
    String::from_utf8(percent(value.replace('+', " ").as_bytes())).ok()
}

fn hex(pair: &[u8]) -> Option<u8> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16);
    u8::try_from(digit(pair.first()?)? * 16 + digit(pair.get(1)?)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_sequence_stays() {
        for (text, decoded) in [("a%20b", "a b"), ("%", "%"), ("%4", "%4"), ("%zz%41", "%zzA"), ("%2520", "%20")] {
            assert_eq!(percent(text.as_bytes()), decoded.as_bytes(), "{text}");
        }
        assert_eq!(form("a+b%2B").as_deref(), Some("a b+"));
        assert_eq!(form("%ff"), None);
    }
}

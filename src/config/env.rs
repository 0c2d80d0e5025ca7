//! The environment as data, and `${VAR}` in values.

use std::collections::BTreeMap;
use std::fmt;

/// Environment variables. Read from the process once, by the program; configuration is handed them.
#[derive(Clone, Default)]
pub struct Env(BTreeMap<String, String>);

/// Why a value with `${VAR}` in it has no meaning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ExpandError {
    /// The variable is not set and has no default.
    Unset { name: String },
    /// `${` without `}`, or a name that no variable has.
    Syntax { part: String },
}

impl Env {
    /// No variables at all.
    pub fn empty() -> Self {
        Self::default()
    }

    /// The value of a variable. One that is set to nothing counts as not set.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// The text with every `${VAR}` and `${VAR:-default}` replaced; `None` when there is none. `$${` is a literal `${`.
    pub(super) fn expand(&self, text: &str) -> Result<Option<String>, ExpandError> {
        if !text.contains("${") {
            return Ok(None);
        }
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = rest.find("${") {
            let (before, from) = rest.split_at(at);
            if let Some(before) = before.strip_suffix('$') {
                out.push_str(before);
                out.push_str("${");
                rest = &from[2..];
                continue;
            }
            out.push_str(before);
            let end = from.find('}').ok_or_else(|| ExpandError::Syntax { part: from.to_owned() })?;
            out.push_str(self.variable(&from[..=end])?);
            rest = &from[end + 1..];
        }
        out.push_str(rest);
        Ok(Some(out))
    }

    /// The value of `${VAR}` or `${VAR:-default}`.
    fn variable<'v>(&'v self, part: &'v str) -> Result<&'v str, ExpandError> {
        let inner = part.trim_start_matches("${").trim_end_matches('}');
        let (name, default) = inner.split_once(":-").map_or((inner, None), |(name, default)| (name, Some(default)));
        let is_name = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
            && name.bytes().next().is_some_and(|b| !b.is_ascii_digit());
        if !is_name {
            return Err(ExpandError::Syntax { part: part.to_owned() });
        }
        self.get(name).or(default).ok_or_else(|| ExpandError::Unset { name: name.to_owned() })
    }
}

impl<K: Into<String>, V: Into<String>> FromIterator<(K, V)> for Env {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(variables: I) -> Self {
        Self(variables.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }
}

/// The names alone: values may be secrets.
impl fmt::Debug for Env {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_replaced_inside_values() {
        let env: Env = [("HOST", "db"), ("PORT", "6379"), ("NOTHING", "")].into_iter().collect();
        for (text, expected) in [
            ("plain $HOST", None),
            ("redis://${HOST}:${PORT}/0", Some("redis://db:6379/0")),
            ("${ABSENT:-}", Some("")),
            ("${ABSENT:-a:-b}", Some("a:-b")),
            ("${NOTHING:-default}", Some("default")),
            ("$${HOST}", Some("${HOST}")),
        ] {
            assert_eq!(env.expand(text), Ok(expected.map(str::to_owned)), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_replaced_is_named() {
        let env = Env::empty();
        assert_eq!(env.expand("a${HOST}"), Err(ExpandError::Unset { name: "HOST".into() }));
        for text in ["${", "${}", "${HOST", "${A B}", "${1}", "${-x}"] {
            assert!(matches!(env.expand(text), Err(ExpandError::Syntax { .. })), "{text}");
        }
    }

    #[test]
    fn values_are_not_shown() {
        let env: Env = [("LARDER_ADMIN_TOKEN", "hunter2")].into_iter().collect();
        assert_eq!(format!("{env:?}"), r#"{"LARDER_ADMIN_TOKEN"}"#);
    }
}

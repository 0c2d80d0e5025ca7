//! The canonical query: what of it is keyed is what is forwarded.
//!
//! Parameters are separated by `&` alone and keep their bytes. They are sorted by name, and those of one name keep
//! their order. A `;` is part of a value, so an origin that splits at it still sees what was keyed.

use std::borrow::Cow;

/// Which parameters of a query are keyed, and so forwarded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum QueryFilter {
    /// All of them.
    #[default]
    All,
    /// These.
    Include(Vec<String>),
    /// All but these.
    Exclude(Vec<String>),
}

/// What becomes of one parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It is keyed and forwarded.
    Kept,
    /// It asks to bypass the cache, and is neither.
    Bypass,
    /// The route leaves it out.
    LeftOut,
    /// There is nothing between two `&`.
    Empty,
}

/// What became of a query.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Canonical<'a> {
    /// The keyed part, without `?`; `None` when nothing of it is left.
    pub(crate) query: Option<Cow<'a, str>>,
    /// The value of the bypass parameter, when it is there.
    pub(crate) bypass: Option<&'a str>,
}

impl QueryFilter {
    fn keeps(&self, name: &str) -> bool {
        match self {
            Self::All => true,
            Self::Include(names) => names.iter().any(|n| n == name),
            Self::Exclude(names) => !names.iter().any(|n| n == name),
        }
    }

    /// What becomes of a parameter. The name is compared after decoding.
    fn fate(&self, pair: &str, name: &str, bypass_param: &str) -> Fate {
        match () {
            () if name == bypass_param => Fate::Bypass,
            () if pair.is_empty() => Fate::Empty,
            () if self.keeps(name) => Fate::Kept,
            () => Fate::LeftOut,
        }
    }

    /// What becomes of each parameter of a query, in its order, by name.
    pub(crate) fn fates(&self, query: &str, bypass_param: &str) -> Vec<(String, Fate)> {
        let pairs = query.split('&').map(|pair| {
            let name = decoded(pair.split('=').next().unwrap_or_default());
            let fate = self.fate(pair, &name, bypass_param);
            (name.into_owned(), fate)
        });
        pairs.collect()
    }

    /// The canonical form of a query.
    ///
    /// Names are compared after decoding, so that an encoded spelling can neither slip past an exclusion nor past the
    /// bypass parameter.
    pub(crate) fn canonical<'a>(&self, query: Option<&'a str>, bypass_param: &str) -> Canonical<'a> {
        let Some(query) = query.filter(|query| !query.is_empty()) else {
            return Canonical { query: None, bypass: None };
        };
        let mut bypass: Option<&'a str> = None;
        let mut pairs: Vec<(Cow<'a, str>, &'a str)> = Vec::new();
        let mut changed = false;
        for pair in query.split('&') {
            let (raw, value) = pair.split_once('=').unwrap_or((pair, ""));
            let name = decoded(raw);
            match self.fate(pair, &name, bypass_param) {
                Fate::Kept => pairs.push((name, pair)),
                // Said twice, the stronger word counts.
                Fate::Bypass => {
                    bypass = Some(bypass.filter(|said| is_yes(said)).unwrap_or(value));
                    changed = true;
                }
                Fate::LeftOut | Fate::Empty => changed = true,
            }
        }
        if pairs.is_empty() {
            return Canonical { query: None, bypass };
        }
        if pairs.is_sorted_by(|a, b| a.0 <= b.0) {
            if !changed {
                return Canonical { query: Some(Cow::Borrowed(query)), bypass };
            }
        } else {
            pairs.sort_by(|a, b| a.0.cmp(&b.0));
        }
        let joined = pairs.iter().map(|(_, pair)| *pair).collect::<Vec<_>>().join("&");
        Canonical { query: Some(Cow::Owned(joined)), bypass }
    }
}

/// Whether the bypass parameter's value asks to bypass: `true`, `1`, `yes` or `on`, in any case.
pub(crate) fn is_yes(value: &str) -> bool {
    ["true", "1", "yes", "on"].iter().any(|yes| value.eq_ignore_ascii_case(yes))
}

/// A parameter name with its percent-encoding and `+` undone; invalid sequences stay as they are.
fn decoded(raw: &str) -> Cow<'_, str> {
    if !raw.contains(['%', '+']) {
        return Cow::Borrowed(raw);
    }
    let bytes = raw.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let hex = bytes.get(at + 1..at + 3).filter(|_| byte == b'%').and_then(hex_pair);
        out.push(hex.unwrap_or(if byte == b'+' { b' ' } else { byte }));
        at += if hex.is_some() { 3 } else { 1 };
    }
    String::from_utf8(out).map_or(Cow::Borrowed(raw), Cow::Owned)
}

pub(super) fn hex_pair(pair: &[u8]) -> Option<u8> {
    let high = char::from(*pair.first()?).to_digit(16)?;
    let low = char::from(*pair.get(1)?).to_digit(16)?;
    u8::try_from(high * 16 + low).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn canonical(filter: &QueryFilter, query: &str) -> (String, Option<String>) {
        let canonical = filter.canonical(Some(query), "nocache");
        (canonical.query.unwrap_or_default().into_owned(), canonical.bypass.map(str::to_owned))
    }

    #[test]
    fn parameters_are_sorted_by_name_and_duplicates_keep_their_order() {
        for (query, expected) in [
            ("b=2&a=1", "a=1&b=2"),
            ("a=2&a=1", "a=2&a=1"),
            ("b=1&a=2&b=0&a=1", "a=2&a=1&b=1&b=0"),
            ("a", "a"),
            ("a=&a", "a=&a"),
            ("&a=1&&b=2&", "a=1&b=2"),
            ("a=1;b=2", "a=1;b=2"),
            ("a=%26b%3D2", "a=%26b%3D2"),
            ("a=b=c", "a=b=c"),
            ("&&", ""),
            ("", ""),
        ] {
            assert_eq!(canonical(&QueryFilter::All, query).0, expected, "{query}");
        }
    }

    #[test]
    fn the_bypass_parameter_is_always_dropped() {
        for (query, rest, bypass) in [
            ("nocache=true", "", Some("true")),
            ("a=1&nocache=false&b=2", "a=1&b=2", Some("false")),
            ("nocache", "", Some("")),
            ("%6eocache=1", "", Some("1")),
            ("nocache=true&nocache=false", "", Some("true")),
            ("nocache=no&nocache=yes", "", Some("yes")),
            ("nocached=1", "nocached=1", None),
        ] {
            assert_eq!(canonical(&QueryFilter::All, query), (rest.to_owned(), bypass.map(str::to_owned)), "{query}");
        }
    }

    #[test]
    fn an_encoded_name_does_not_slip_past_a_filter() {
        let exclude = QueryFilter::Exclude(vec!["utm_source".into()]);
        assert_eq!(canonical(&exclude, "utm_source=x&a=1&utm%5Fsource=y").0, "a=1");
        let include = QueryFilter::Include(vec!["page".into()]);
        assert_eq!(canonical(&include, "page=1&x=2&p%61ge=3").0, "page=1&p%61ge=3");
    }

    #[test]
    fn every_parameter_has_its_fate() {
        let filter = QueryFilter::Exclude(vec!["utm_source".into()]);
        let fates = filter.fates("b=2&utm%5Fsource=x&&nocache=1&a", "nocache");
        let expected = [
            ("b", Fate::Kept),
            ("utm_source", Fate::LeftOut),
            ("", Fate::Empty),
            ("nocache", Fate::Bypass),
            ("a", Fate::Kept),
        ];
        assert_eq!(fates, expected.map(|(name, fate)| (name.to_owned(), fate)));
    }

    #[test]
    fn only_a_clear_yes_bypasses() {
        for (value, yes) in [
            ("true", true),
            ("TRUE", true),
            ("1", true),
            ("Yes", true),
            ("on", true),
            ("", false),
            ("false", false),
            ("0", false),
            ("2", false),
        ] {
            assert_eq!(is_yes(value), yes, "{value}");
        }
    }

    #[test]
    fn an_untouched_query_is_not_copied() {
        let canonical = QueryFilter::All.canonical(Some("a=1&b=2"), "nocache");
        assert!(matches!(canonical.query, Some(Cow::Borrowed("a=1&b=2"))));
    }

    proptest::proptest! {
        #[test]
        fn the_canonical_form_is_its_own(query in "[a-c=&;%+26]{0,24}") {
            let once = QueryFilter::All.canonical(Some(&query), "nocache").query.unwrap_or_default().into_owned();
            let twice = QueryFilter::All.canonical(Some(&once), "nocache").query.unwrap_or_default().into_owned();
            proptest::prop_assert_eq!(once, twice);
        }
    }
}

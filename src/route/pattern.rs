//! Path patterns: `/api/users/{id}`, `/files/{rest*}`.

use std::fmt;

use super::RouteError;

/// A path pattern. `{id}` matches one segment that is not empty and holds neither `;` nor an encoded slash;
/// `{rest*}`, at the end, matches the tail, which may be empty.
///
/// Matching works on the path as it was sent: a `%2F` is not a slash, and nothing is decoded that the upstream
/// would see encoded.
#[derive(Clone, PartialEq, Eq)]
pub struct Pattern {
    text: String,
    segments: Vec<Segment>,
}

/// One segment of a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Segment {
    Literal(String),
    Param(String),
    Rest(String),
}

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// [`RouteError::Pattern`] with what is wrong.
    pub fn parse(text: &str) -> Result<Self, RouteError> {
        let fault = |why| RouteError::Pattern { pattern: text.to_owned(), why };
        let path = text.strip_prefix('/').ok_or_else(|| fault("a path begins with `/`"))?;
        if text.contains(['?', '#']) {
            return Err(fault("a path has no query; use `query:` to choose what is keyed"));
        }
        if text.bytes().any(|b| b.is_ascii_control() || b == b'\\' || b == b' ') {
            return Err(fault("a path has no spaces, control characters or backslashes"));
        }
        let segments =
            path.split('/').map(|segment| Segment::parse(segment).map_err(fault)).collect::<Result<Vec<_>, _>>()?;
        let rest = segments.iter().position(|segment| matches!(segment, Segment::Rest(_)));
        if rest.is_some_and(|at| at + 1 != segments.len()) {
            return Err(fault("`{name*}` takes the tail, so it stands at the end"));
        }
        let pattern = Self { text: text.to_owned(), segments };
        let names: Vec<_> = pattern.params().collect();
        if names.iter().enumerate().any(|(at, name)| names[..at].contains(name)) {
            return Err(fault("a parameter name stands twice"));
        }
        Ok(pattern)
    }

    /// The pattern of the path `/`.
    #[cfg(feature = "memo")]
    pub(super) fn root() -> Self {
        Self { text: "/".to_owned(), segments: vec![Segment::Literal(String::new())] }
    }

    /// The pattern as written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The names of its parameters, in order.
    pub fn params(&self) -> impl Iterator<Item = &str> {
        self.segments.iter().filter_map(|segment| match segment {
            Segment::Literal(_) => None,
            Segment::Param(name) | Segment::Rest(name) => Some(name.as_str()),
        })
    }

    pub(super) fn segments(&self) -> &[Segment] {
        &self.segments
    }
}

impl Segment {
    fn parse(segment: &str) -> Result<Self, &'static str> {
        if matches!(segment, "." | "..") {
            return Err("dot segments are refused on cached routes, so none can match");
        }
        let Some(inner) = segment.strip_prefix('{') else {
            let braces = segment.contains(['{', '}']);
            return if braces {
                Err("a parameter is a whole segment, as in `/{id}/`")
            } else {
                Ok(Self::Literal(segment.to_owned()))
            };
        };
        let name = inner.strip_suffix('}').ok_or("a parameter is a whole segment, as in `/{id}/`")?;
        let (name, rest) = name.strip_suffix('*').map_or((name, false), |name| (name, true));
        let is_name = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        match (is_name, rest) {
            (false, _) => Err("a parameter name is letters, digits and `_`"),
            (true, true) => Ok(Self::Rest(name.to_owned())),
            (true, false) => Ok(Self::Param(name.to_owned())),
        }
    }
}

/// Whether a path segment may be bound to `{name}`: an origin may cut a path at `;` or at an encoded slash, so a
/// segment that holds one is not one segment to everybody.
pub(super) fn is_plain_segment(segment: &str) -> bool {
    let bytes = segment.as_bytes();
    !bytes.is_empty()
        && !bytes.contains(&b';')
        && !bytes.windows(3).any(|w| w[0] == b'%' && w[1] == b'2' && w[2] | 0x20 == b'f')
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pattern({})", self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_names_its_parameters() {
        let pattern = Pattern::parse("/api/{kind}/items/{rest*}").unwrap();
        assert_eq!(pattern.params().collect::<Vec<_>>(), ["kind", "rest"]);
    }

    #[test]
    fn what_could_never_match_is_refused() {
        for bad in [
            "",
            "api",
            "/a?b",
            "/a/{id",
            "/a/x{id}",
            "/{}",
            "/{a b}",
            "/{r*}/x",
            "/{id}/{id}",
            "/a/../b",
            "/a b",
            "/a\\b",
        ] {
            assert!(matches!(Pattern::parse(bad), Err(RouteError::Pattern { .. })), "{bad}");
        }
    }

    #[test]
    fn a_parameter_is_one_segment_to_everybody() {
        for (segment, plain) in
            [("7", true), ("a%20b", true), ("", false), ("7;x", false), ("a%2fb", false), ("a%2Fb", false)]
        {
            assert_eq!(is_plain_segment(segment), plain, "{segment}");
        }
    }
}

//! Cache-Control taken apart: `1#( token [ "=" ( token / quoted-string ) ] )` (RFC 9111 §5.2).
//!
//! A directive that breaks the grammar is not dropped: `max-age =3600` was meant to say something about max-age, and
//! the reader of that directive decides what is the careful thing to do about it.

use std::borrow::Cow;

use http::header::{HeaderMap, HeaderName};

/// One directive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Directive<'a> {
    /// Its name as it was written.
    pub(super) name: &'a [u8],
    /// What stands behind it.
    pub(super) argument: Argument<'a>,
}

/// What stands behind the name of a directive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Argument<'a> {
    /// Nothing.
    None,
    /// A token or a quoted string, without its quotes and escapes.
    Value(Cow<'a, [u8]>),
    /// Something that the grammar does not allow there.
    Invalid,
}

/// A quoted string without an end: where the directives after it begin, and which they are, nobody can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unterminated;

/// The directives of every line of a field.
pub(super) fn directives<'a>(
    headers: &'a HeaderMap,
    name: &HeaderName,
) -> impl Iterator<Item = Result<Directive<'a>, Unterminated>> {
    headers.get_all(name).iter().flat_map(|line| Directives { rest: line.as_bytes() })
}

/// The directives of one line.
struct Directives<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Directives<'a> {
    type Item = Result<Directive<'a>, Unterminated>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            self.take_while(|b| b == b',' || is_ows(b));
            if self.rest.is_empty() {
                return None;
            }
            let name = self.take_while(is_token);
            let read = if name.is_empty() { self.skip_element().map(|()| None) } else { self.argument().map(Some) };
            match read {
                Ok(Some(argument)) => return Some(Ok(Directive { name, argument })),
                Ok(None) => {}
                Err(unterminated) => {
                    self.rest = &[];
                    return Some(Err(unterminated));
                }
            }
        }
    }
}

impl<'a> Directives<'a> {
    fn argument(&mut self) -> Result<Argument<'a>, Unterminated> {
        let argument = match self.rest {
            [b'=', b'"', rest @ ..] => {
                self.rest = rest;
                Argument::Value(self.quoted()?)
            }
            [b'=', rest @ ..] => {
                self.rest = rest;
                match self.take_while(is_token) {
                    [] => Argument::Invalid,
                    token => Argument::Value(Cow::Borrowed(token)),
                }
            }
            _ => Argument::None,
        };
        self.take_while(is_ows);
        match self.rest.first() {
            None | Some(b',') => Ok(argument),
            Some(_) => self.skip_element().map(|()| Argument::Invalid),
        }
    }

    /// The rest of a quoted string whose opening quote was read.
    fn quoted(&mut self) -> Result<Cow<'a, [u8]>, Unterminated> {
        let mut unescaped = None::<Vec<u8>>;
        let text = self.rest;
        let mut at = 0;
        loop {
            let byte = *text.get(at).ok_or(Unterminated)?;
            match byte {
                b'"' => {
                    self.rest = &text[at + 1..];
                    return Ok(unescaped.map_or(Cow::Borrowed(&text[..at]), Cow::Owned));
                }
                b'\\' => {
                    let escaped = *text.get(at + 1).ok_or(Unterminated)?;
                    unescaped.get_or_insert_with(|| text[..at].to_vec()).push(escaped);
                    at += 2;
                }
                _ => {
                    if let Some(unescaped) = &mut unescaped {
                        unescaped.push(byte);
                    }
                    at += 1;
                }
            }
        }
    }

    /// Goes to the comma that ends the element; one inside quotes does not.
    fn skip_element(&mut self) -> Result<(), Unterminated> {
        loop {
            self.take_while(|b| b != b',' && b != b'"');
            match self.rest {
                [b'"', rest @ ..] => {
                    self.rest = rest;
                    self.quoted()?;
                }
                _ => return Ok(()),
            }
        }
    }

    fn take_while(&mut self, mut wanted: impl FnMut(u8) -> bool) -> &'a [u8] {
        let end = self.rest.iter().position(|&b| !wanted(b)).unwrap_or(self.rest.len());
        let (head, rest) = self.rest.split_at(end);
        self.rest = rest;
        head
    }
}

fn is_ows(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// `tchar` of RFC 9110 §5.6.2.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Directives as text: `name`, `name=value`, `name!` where the argument is invalid, `?` where nothing ends.
    fn read(line: &[u8]) -> Vec<String> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let directives = Directives { rest: line };
        let shown = directives.map(|directive| match directive {
            Ok(Directive { name, argument: Argument::None }) => text(name),
            Ok(Directive { name, argument: Argument::Value(value) }) => format!("{}={}", text(name), text(&value)),
            Ok(Directive { name, argument: Argument::Invalid }) => format!("{}!", text(name)),
            Err(Unterminated) => "?".to_owned(),
        });
        shown.collect()
    }

    #[test]
    fn the_grammar_of_rfc_9111_5_2() {
        for (line, directives) in [
            ("", &[][..]),
            (" , ,, ", &[]),
            ("no-store", &["no-store"]),
            ("public,max-age=60", &["public", "max-age=60"]),
            ("a=1 ,\tb=\"2\" , c", &["a=1", "b=2", "c"]),
            ("a=\"x, max-age=3600\", max-age=1", &["a=x, max-age=3600", "max-age=1"]),
            (r#"a="\"", max-age=1"#, &["a=\"", "max-age=1"]),
            (r#"a="x\", max-age=3600", b"#, &["a=x\", max-age=3600", "b"]),
            ("\"max-age=3600\", b", &["b"]),
            ("max-age='3600'", &["max-age='3600'"]),
            ("max-age =3600, b", &["max-age!", "b"]),
            ("max-age= 3600, b", &["max-age!", "b"]),
            ("max-age=, b", &["max-age!", "b"]),
            ("max-age=1 2, b", &["max-age!", "b"]),
            ("max-age=1;x=\"a,b\", b", &["max-age!", "b"]),
            ("max-age=\"1\"2, b", &["max-age!", "b"]),
            ("private;a, b", &["private!", "b"]),
            ("=5, b", &["b"]),
            ("a, b=\"c", &["a", "?"]),
            ("a, b=\"c\\", &["a", "?"]),
            ("a, ;\"c", &["a", "?"]),
            ("a=\"\"", &["a="]),
        ] {
            assert_eq!(read(line.as_bytes()), directives, "{line}");
        }
    }

    #[test]
    fn a_cut_line_yields_no_more_directives() {
        let whole = br#"private="a, b", max-age=60, x="\"", no-store"#;
        for cut in 0..whole.len() {
            assert!(read(&whole[..cut]).len() <= 4, "cut at {cut}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_upset_it(line in proptest::collection::vec(any::<u8>(), 0..60)) {
            let _ = read(&line);
        }

        #[test]
        fn no_likely_text_upsets_it(line in r#"([a-z-]{0,8}|[=",; \\])*"#) {
            prop_assert!(read(line.as_bytes()).len() <= line.len() + 1);
        }
    }
}

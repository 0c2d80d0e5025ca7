//! Dictionaries and lists of strings of RFC 9651 (Structured Fields), as far as a targeted Cache-Control field and cache
//! groups need them: parameters and inner lists are read for their form and dropped.

use std::borrow::Cow;

use http::header::{HeaderMap, HeaderName};

/// The members, in their order; of equal keys the last counts.
pub(super) type Dictionary<'a> = Vec<(&'a str, Item)>;

/// The value of a member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Item {
    /// An integer.
    Integer(i64),
    /// `?0` or `?1`; also a key without a value.
    Boolean(bool),
    /// A string.
    String(String),
    /// A value of another type.
    Other,
}

/// Text that is not a dictionary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NotADictionary;

type Read<T> = Result<T, NotADictionary>;

/// Reads a dictionary (RFC 9651 §4.2.2).
pub(super) fn parse(text: &str) -> Read<Dictionary<'_>> {
    let mut reader = Reader { rest: text.trim_matches(' ') };
    let mut members = Dictionary::new();
    while !reader.rest.is_empty() {
        let key = reader.key()?;
        let item = if reader.eat('=') { reader.member()? } else { Item::Boolean(true) };
        reader.parameters()?;
        match members.iter_mut().find(|(known, _)| *known == key) {
            Some((_, known)) => *known = item,
            None => members.push((key, item)),
        }
        reader.separator()?;
    }
    Ok(members)
}

/// Reads a list of strings (RFC 9651 §4.2.1). A member of another type makes it no such list.
pub(super) fn strings(text: &str) -> Read<Vec<String>> {
    let mut reader = Reader { rest: text.trim_matches(' ') };
    let mut members = Vec::new();
    while !reader.rest.is_empty() {
        members.push(reader.string()?);
        reader.parameters()?;
        reader.separator()?;
    }
    Ok(members)
}

/// The lines of a field as one text (RFC 9651 §4.2); `None` when there are none, or one is not ASCII.
pub(super) fn joined<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<Cow<'h, str>> {
    let mut lines = headers.get_all(name).iter().map(|line| line.to_str().ok());
    let first = Cow::Borrowed(lines.next()??);
    lines.try_fold(first, |text, line| Some(Cow::Owned(format!("{text}, {}", line?))))
}

struct Reader<'a> {
    rest: &'a str,
}

impl<'a> Reader<'a> {
    /// The end, or the comma and what must follow it.
    fn separator(&mut self) -> Read<()> {
        self.skip(|c| c == ' ' || c == '\t');
        if self.rest.is_empty() {
            return Ok(());
        }
        self.expect(',')?;
        self.skip(|c| c == ' ' || c == '\t');
        if self.rest.is_empty() { Err(NotADictionary) } else { Ok(()) }
    }

    /// §4.2.3.3. Upper case is not allowed.
    fn key(&mut self) -> Read<&'a str> {
        if !self.rest.starts_with(|c: char| c.is_ascii_lowercase() || c == '*') {
            return Err(NotADictionary);
        }
        Ok(self.skip(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "_-.*".contains(c)))
    }

    /// §4.2.1.1, §4.2.1.2
    fn member(&mut self) -> Read<Item> {
        if !self.eat('(') {
            return self.item();
        }
        loop {
            self.skip(|c| c == ' ');
            if self.eat(')') {
                return Ok(Item::Other);
            }
            self.item()?;
            self.parameters()?;
            if !self.rest.starts_with([' ', ')']) {
                return Err(NotADictionary);
            }
        }
    }

    /// §4.2.3.1
    fn item(&mut self) -> Read<Item> {
        match self.rest.chars().next().ok_or(NotADictionary)? {
            '-' | '0'..='9' => self.number(),
            '"' => self.string().map(Item::String),
            '?' => self.boolean(),
            ':' => self.bytes(),
            '@' => self.date(),
            '%' => self.display_string(),
            '*' | 'a'..='z' | 'A'..='Z' => {
                self.skip(|c| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~:/".contains(c));
                Ok(Item::Other)
            }
            _ => Err(NotADictionary),
        }
    }

    /// §4.2.4: an integer of at most 15 digits, or a decimal of at most 12 and 3.
    fn number(&mut self) -> Read<Item> {
        let negative = self.eat('-');
        let whole = self.skip(|c| c.is_ascii_digit());
        if whole.is_empty() || whole.len() > 15 {
            return Err(NotADictionary);
        }
        if self.eat('.') {
            let fraction = self.skip(|c| c.is_ascii_digit());
            let fits = whole.len() <= 12 && (1..=3).contains(&fraction.len());
            return if fits { Ok(Item::Other) } else { Err(NotADictionary) };
        }
        let number: i64 = whole.parse().map_err(|_| NotADictionary)?;
        Ok(Item::Integer(if negative { -number } else { number }))
    }

    /// §4.2.5
    fn string(&mut self) -> Read<String> {
        self.expect('"')?;
        let mut text = String::new();
        loop {
            text.push_str(self.skip(|c| matches!(c, ' '..='~') && c != '"' && c != '\\'));
            if self.eat('"') {
                return Ok(text);
            }
            self.expect('\\')?;
            let escaped = self.rest.chars().next().filter(|c| matches!(c, '"' | '\\')).ok_or(NotADictionary)?;
            text.push(escaped);
            self.rest = &self.rest[1..];
        }
    }

    /// §4.2.8
    fn boolean(&mut self) -> Read<Item> {
        self.expect('?')?;
        match self.rest.as_bytes().first() {
            Some(bit @ (b'0' | b'1')) => {
                self.rest = &self.rest[1..];
                Ok(Item::Boolean(*bit == b'1'))
            }
            _ => Err(NotADictionary),
        }
    }

    /// §4.2.7
    fn bytes(&mut self) -> Read<Item> {
        self.expect(':')?;
        self.skip(|c| c.is_ascii_alphanumeric() || "+/=".contains(c));
        self.expect(':')?;
        Ok(Item::Other)
    }

    /// §4.2.9
    fn date(&mut self) -> Read<Item> {
        self.expect('@')?;
        match self.number()? {
            Item::Integer(_) => Ok(Item::Other),
            _ => Err(NotADictionary),
        }
    }

    /// §4.2.10
    fn display_string(&mut self) -> Read<Item> {
        self.expect('%')?;
        self.expect('"')?;
        self.skip(|c| matches!(c, ' '..='~') && c != '"');
        self.expect('"')?;
        Ok(Item::Other)
    }

    /// §4.2.3.2
    fn parameters(&mut self) -> Read<()> {
        while self.eat(';') {
            self.skip(|c| c == ' ');
            self.key()?;
            if self.eat('=') {
                self.item()?;
            }
        }
        Ok(())
    }

    fn eat(&mut self, wanted: char) -> bool {
        match self.rest.strip_prefix(wanted) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn expect(&mut self, wanted: char) -> Read<()> {
        if self.eat(wanted) { Ok(()) } else { Err(NotADictionary) }
    }

    fn skip(&mut self, wanted: impl Fn(char) -> bool) -> &'a str {
        let end = self.rest.find(|c| !wanted(c)).unwrap_or(self.rest.len());
        let (head, rest) = self.rest.split_at(end);
        self.rest = rest;
        head
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn dictionaries_of_rfc_9651_3_2() {
        let yes = || Item::Boolean(true);
        for (text, members) in [
            ("", vec![]),
            ("max-age=60", vec![("max-age", Item::Integer(60))]),
            ("max-age=-1", vec![("max-age", Item::Integer(-1))]),
            ("  a , b\t,\tc=?0  ", vec![("a", yes()), ("b", yes()), ("c", Item::Boolean(false))]),
            ("a=1, b=2, a=3", vec![("a", Item::Integer(3)), ("b", Item::Integer(2))]),
            ("a=1;x;y=\"z\"; w=1.5, b;q", vec![("a", Item::Integer(1)), ("b", yes())]),
            (r#"a="b\"\\c""#, vec![("a", Item::String("b\"\\c".to_owned()))]),
            ("a=1.5, b=tok/en, c=:aGk=:, d=(1 \"x\";p), e=()", {
                ["a", "b", "c", "d", "e"].map(|key| (key, Item::Other)).to_vec()
            }),
            ("a=@1659578233, b=%\"f%c3%bc\"", vec![("a", Item::Other), ("b", Item::Other)]),
            ("a=999999999999999", vec![("a", Item::Integer(999_999_999_999_999))]),
        ] {
            assert_eq!(parse(text), Ok(members), "{text}");
        }
    }

    #[test]
    fn what_is_not_a_dictionary() {
        for text in [
            "MaX-aGe=60",
            "max-age =60",
            "max-age= 60",
            "a,",
            "a,,b",
            ",a",
            "a b",
            "a=",
            "a=\"x",
            "a=\"x\\y\"",
            "a=?2",
            "a=:x",
            "a=(1",
            "a=(1\"x\")",
            "a=1000000000000000",
            "a=1.",
            "a=1.2345",
            "a=-",
            "a;=1",
            "&&&",
            "a=é",
            "\"a\"",
        ] {
            assert_eq!(parse(text), Err(NotADictionary), "{text}");
        }
    }

    #[test]
    fn lists_of_strings_of_rfc_9651_3_1() {
        for (text, members) in [
            ("", Some(&[][..])),
            (r#""a""#, Some(&["a"])),
            (r#" "a" ,	"B c";x=1;y, "" "#, Some(&["a", "B c", ""])),
            (r#""a\"b""#, Some(&["a\"b"])),
            ("a", None),
            (r#""a", b"#, None),
            (r#""a","#, None),
            (r#""a" "b""#, None),
            (r#"("a")"#, None),
            (r#""a"#, None),
            ("\"\u{e9}\"", None),
        ] {
            let read = strings(text).ok();
            assert_eq!(
                read.as_ref().map(|read| read.iter().map(String::as_str).collect::<Vec<_>>()),
                members.map(<[_]>::to_vec),
                "{text}"
            );
        }
    }

    #[test]
    fn a_cut_dictionary_is_read_or_refused() {
        let whole = r#"max-age=60;x="y", private="a, b", c=(1 2), d=:aGk=:"#;
        for cut in 0..whole.len() {
            assert!(parse(&whole[..cut]).is_ok_and(|members| members.len() < 5) || parse(&whole[..cut]).is_err());
        }
    }

    /// What the reference reading of RFC 9651 makes of a text.
    fn oracle(text: &str) -> Option<Vec<(String, Item)>> {
        let members = sfv::Parser::new(text).parse::<sfv::Dictionary>().ok()?;
        let item = |entry: &sfv::ListEntry| match entry {
            sfv::ListEntry::Item(item) => match &item.bare_item {
                sfv::BareItem::Integer(number) => Item::Integer((*number).into()),
                sfv::BareItem::Boolean(set) => Item::Boolean(*set),
                sfv::BareItem::String(text) => Item::String(text.as_str().to_owned()),
                _ => Item::Other,
            },
            sfv::ListEntry::InnerList(_) => Item::Other,
        };
        Some(members.iter().map(|(key, entry)| (key.as_str().to_owned(), item(entry))).collect())
    }

    proptest! {
        #[test]
        fn no_text_upsets_it(text in any::<String>()) {
            let _ = (parse(&text), strings(&text));
        }

        #[test]
        fn no_likely_text_upsets_it(text in r#"([a-z0-9-]{0,4}|[=",;()?:@% \\.-])*"#) {
            let _ = parse(&text);
        }

        #[test]
        fn it_reads_what_the_reference_reads(
            text in r#"([a-c*][a-z0-9_.*-]{0,2}(=(-?[0-9]{1,4}(\.[0-9]{0,4})?|\?[012]|"[ -~]{0,4}"|[a-z*][a-z/:]{0,2}|@[0-9]{1,3}|\(([0-9] ?|"x" ?){0,2}\)|))?(;[a-z]{1,2}(=[0-9a-z?]{1,2})?)?[ \t]{0,1}(,[ \t]{0,1}|)){0,4}"#
        ) {
            let read = parse(&text).ok().map(|members| {
                members.into_iter().map(|(key, item)| (key.to_owned(), item)).collect::<Vec<_>>()
            });
            prop_assert_eq!(read, oracle(&text), "{}", text);
        }
    }
}

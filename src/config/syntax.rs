//! What is wrong with a text that is no YAML, in the words of who wrote it.

/// What is to be done about an error of the YAML parser, by what it says.
pub(super) fn hint(info: &str) -> &'static str {
    let told = HINTS.iter().find(|(said, _)| said.iter().any(|said| info.contains(said)));
    told.map_or("mind the indentation, the quotes and the brackets, here and on the lines above", |(_, hint)| hint)
}

/// For a bracket that is open where the text ends.
pub(super) const UNCLOSED: &str = "nothing closes this bracket";

/// What the parser says, and what people most often have done. The first that fits counts.
const HINTS: [(&[&str], &str); 12] = [
    (&["may not precede", "flow mapping"], "put quotes around a value that holds `{`, `[` or `: `"),
    (&["tab"], "indent with spaces"),
    (&["block", "mapping values"], "mind the indentation, here and on the lines above"),
    (&["unexpected end of stream"], "nothing closes this quotation mark"),
    (&["escape", "hexadecimal"], r"in double quotes write `\\` for a backslash, or use single quotes"),
    (&["trailing content"], "a value ends with its closing quote; in single quotes write `''` for one"),
    (&["unexpected character"], "put quotes around a value that begins with this character"),
    (&["anchor", "alias"], "put quotes around a value that begins with `*` or `&`"),
    (&["bracket", "flow", "placement"], "mind the brackets, here and on the lines above"),
    (&["simple key"], "write `name: value`, here or on the line above"),
    (&["directive"], "put quotes around a text that begins with `%`"),
    (&["recursion"], "no field lies deeper than a few levels"),
];

#[cfg(test)]
mod tests {
    use super::super::diagnostic::Report;
    use super::super::env::Env;
    use super::super::source::Source;
    use super::super::yaml::parse;

    /// Where the one error of a text is, and what it suggests.
    fn suggested(text: &str) -> (usize, usize, String) {
        let source = Source::new("f", text);
        let mut report = Report::new(&source);
        let node = parse(&mut report, &Env::empty());
        let found = report.finish(node).unwrap_err();
        let rendered = found.render(false);
        let caret = rendered.lines().find(|line| line.contains('^')).unwrap();
        let hint = caret.trim_start_matches([' ', '|', '^']).to_owned();
        let place = rendered.lines().find_map(|line| line.trim().strip_prefix("--> f:")).unwrap();
        let (line, column) = place.split_once(':').unwrap();
        (line.parse().unwrap(), column.parse().unwrap(), hint)
    }

    #[test]
    fn every_error_of_the_parser_has_its_place_and_a_suggestion() {
        let table = [
            ("routes: [\n", 1, 9, "bracket"),
            ("routes:\n  - {path: /a\n", 2, 5, "bracket"),
            ("routes: [a, {b: c}\n\n\n", 1, 9, "bracket"),
            ("routes: ]\n", 1, 9, "brackets"),
            ("tags: [a, b\nttl: 5s\n", 2, 4, "brackets"),
            ("tags: [user:{id}]\n", 1, 12, "quotes"),
            ("path: /a ttl: 5s\n", 1, 13, "indentation"),
            ("a: \"b\n", 1, 4, "closes"),
            ("a: 'it's'\n", 1, 8, "quote"),
            ("a: \"b\"c\n", 1, 7, "quote"),
            ("a: \"\\q\"\n", 1, 4, "backslash"),
            ("a: @b\n", 1, 4, "quotes"),
            ("a: *b\n", 1, 4, "quotes"),
            ("a: *\n", 1, 4, "quotes"),
            ("a: b\nlisten\nc: d\n", 3, 1, "name: value"),
            ("a: b\n%c\n", 2, 1, "quotes"),
        ];
        for (text, line, column, word) in table {
            let (at, from, hint) = suggested(text);
            assert!((at, from) == (line, column) && hint.contains(word), "{text:?} is at {at}:{from}: {hint}");
        }
    }
}

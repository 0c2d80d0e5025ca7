use proptest::prelude::*;

use super::*;

fn headers(fields: &[(&'static str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        headers.append(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    headers
}

fn same(name: &'static str, one: &[&str], two: &[&str]) -> bool {
    let names = [HeaderName::from_static(name)];
    let request = |lines: &[&str]| headers(&lines.iter().map(|line| (name, *line)).collect::<Vec<_>>());
    let (one, two) = (request(one), request(two));
    let same = selecting(&names, &one) == selecting(&names, &two);
    assert_eq!(same, variant_id(&names, &one) == variant_id(&names, &two));
    same
}

#[test]
fn vary_of_rfc_9110_12_5_5() {
    let on = |names: &[&'static str]| Vary::On(names.iter().map(|name| HeaderName::from_static(name)).collect());
    for (lines, vary) in [
        (&[][..], Vary::None),
        (&[""], Vary::None),
        (&["", " , "], Vary::None),
        (&["Foo"], on(&["foo"])),
        (&["b, A,b"], on(&["a", "b"])),
        (&["b", "", "a , c"], on(&["a", "b", "c"])),
        (&["*"], Vary::Star),
        (&["a, *"], Vary::Star),
        (&["*, a"], Vary::Star),
        (&["a", "", "*"], Vary::Star),
        (&["a b"], Vary::Star),
        (&["\"a\""], Vary::Star),
    ] {
        let response = headers(&lines.iter().map(|line| ("vary", *line)).collect::<Vec<_>>());
        assert_eq!(parse_vary(&response), vary, "{lines:?}");
    }
}

#[test]
fn matching_of_rfc_9111_4_1() {
    assert!(same("foo", &[], &[]), "absent from both");
    assert!(!same("foo", &[], &[""]), "absent is not empty");
    assert!(!same("foo", &["1"], &["2"]));
    assert!(!same("foo", &["a"], &["A"]));
    assert!(same("foo", &["1, 2"], &["1", "2"]), "lines combine");
    assert!(same("foo", &["1, 2"], &[" 1,2 "]), "white space around commas means nothing");
    assert!(same("foo", &["1, 2"], &["1,, 2,"]), "nor do empty members");
    assert!(!same("foo", &["1, 2"], &["2, 1"]));
    assert!(!same("foo", &["\"a,b\""], &["\"a, b\""]), "a comma inside quotes is text");
    assert!(!same("foo", &["\"a\\\",b\""], &["\"a\\\", b\""]), "an escaped quote ends nothing");
    assert!(!same("foo", &["\"a,b"], &["\"a, b"]), "nor is anything known of quotes without an end");
    assert!(!same("foo", &["é"], &["e"]));
}

#[test]
fn credentials_are_compared_byte_by_byte() {
    for name in ["cookie", "authorization"] {
        assert!(!same(name, &["a,b"], &["a, b"]), "{name}");
        assert!(same(name, &["a,b"], &["a,b"]), "{name}");
    }
}

#[test]
fn fields_with_a_normal_form_are_compared_in_it() {
    assert!(same("accept-language", &["en, de;q=0.5"], &["DE;q=0.50 , EN"]));
    assert!(!same("accept-language", &["en, de"], &["de, en"]), "servers go by the order");
    assert!(same("accept-language", &["en;q=?, de"], &["en;q=?,de"]), "what cannot be read is a list");
    assert!(same("accept-encoding", &["gzip, deflate, br"], &["br;q=0.2", "gzip"]));
    assert!(same("accept-encoding", &["@@"], &[]));
    assert!(!same("accept-encoding", &["identity"], &[]));
}

#[test]
fn accept_encoding_is_forwarded_as_it_is_keyed() {
    for (lines, canonical) in [
        (&["gzip;q=0.9, deflate", "br"][..], Some("br, gzip")),
        (&["deflate"], Some("identity")),
        (&["@@@"], None),
        (&[], None),
    ] {
        let mut request = headers(&lines.iter().map(|line| ("accept-encoding", *line)).collect::<Vec<_>>());
        let before = selecting(&[ACCEPT_ENCODING], &request);
        normalise_accept_encoding(&mut request);
        let lines: Vec<_> = request.get_all(ACCEPT_ENCODING).iter().map(|value| value.to_str().unwrap()).collect();
        assert_eq!(lines, Vec::from_iter(canonical), "{lines:?}");
        assert_eq!(selecting(&[ACCEPT_ENCODING], &request), before);
    }
}

/// Values that are often equal once they are normalised.
fn lines() -> impl Strategy<Value = Vec<String>> {
    let text = prop_oneof![
        4 => "[ab, \"\\\\]{0,6}",
        1 => "(gzip|br|\\*|en|DE)(;q=0\\.[05])?(, ?(gzip|identity|en))?",
        1 => "[\\x20-\\x7eé]{0,12}",
    ];
    proptest::collection::vec(text, 0..3)
}

proptest! {
    #[test]
    fn equal_fields_and_only_those_give_one_variant(
        one in (lines(), lines()), two in (lines(), lines()),
        first in prop_oneof![Just("foo"), Just("accept-encoding"), Just("accept-language"), Just("cookie")],
    ) {
        let names = [HeaderName::from_static(first), HeaderName::from_static("x-second")];
        let request = |(a, b): &(Vec<String>, Vec<String>)| {
            let a = a.iter().map(|value| (first, value.as_str()));
            headers(&a.chain(b.iter().map(|value| ("x-second", value.as_str()))).collect::<Vec<_>>())
        };
        let (one, two) = (request(&one), request(&two));
        let equal = selecting(&names, &one) == selecting(&names, &two);
        prop_assert_eq!(equal, variant_id(&names, &one) == variant_id(&names, &two));
        prop_assert_eq!(variant_of(&selecting(&names, &one)), variant_id(&names, &one));
    }

    #[test]
    fn normalising_twice_changes_nothing(lines in lines(), name in prop_oneof![Just("foo"), Just("accept-language")]) {
        let names = [HeaderName::from_static(name)];
        let once = selecting(&names, &headers(&lines.iter().map(|line| (name, line.as_str())).collect::<Vec<_>>()));
        // Text beyond ASCII stands for other bytes than its own, and open quotes may close in the next line.
        if let Some(value) = once[0].1.clone().filter(|value| value.is_ascii() && !value.contains('"')) {
            prop_assert_eq!(selecting(&names, &headers(&[(name, &value)])), once);
        }
    }

    #[test]
    fn no_vary_upsets_it(line in proptest::collection::vec(32..=255_u8, 0..30)) {
        if let Ok(value) = HeaderValue::from_bytes(&line) {
            let _ = parse_vary(&HeaderMap::from_iter([(VARY, value)]));
        }
    }
}

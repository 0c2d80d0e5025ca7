//! The bodies of the fuzz targets, on bytes that are made of words of their grammar and of others.

use proptest::collection::vec;
use proptest::prelude::{ProptestConfig, Strategy, any};
use proptest::sample::select;
use proptest::test_runner::TestRunner;

use crate::bodies::{BODIES, Body, run};

/// Words, now and then with any bytes between them; or any bytes.
fn inputs(body: &'static Body) -> impl Strategy<Value = Vec<u8>> {
    let word = select(body.words).prop_map(|word| word.as_bytes().to_vec());
    let piece = proptest::prop_oneof![8 => word, 1 => vec(any::<u8>(), 0..9)];
    let (few, many) = (vec(piece.clone(), 0..5), vec(piece, 0..24));
    let words = proptest::prop_oneof![few, many].prop_map(|pieces| pieces.concat());
    proptest::prop_oneof![6 => words, 1 => vec(any::<u8>(), 0..120)]
}

fn holds(name: &str) {
    let body = BODIES.iter().find(|body| body.name == name).unwrap();
    let config = ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() };
    let outcome = TestRunner::new(config).run(&inputs(body), |bytes| {
        run(name, &bytes);
        Ok(())
    });
    outcome.unwrap_or_else(|failure| panic!("{name}: {failure}"));
}

/// A test for each body.
macro_rules! bodies {
    ($($name:ident),+) => {
        $(#[test]
        fn $name() {
            holds(stringify!($name));
        })+

        #[test]
        fn every_body_is_run_here_and_has_a_target() {
            let here = [$(stringify!($name)),+];
            let root = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz");
            let manifest = std::fs::read_to_string(format!("{root}/Cargo.toml")).unwrap();
            for body in BODIES {
                assert!(here.contains(&body.name), "{} is not run", body.name);
                assert!(manifest.contains(&format!("name = \"{}\"", body.name)), "{} has no target", body.name);
                let target = std::fs::read_to_string(format!("{root}/targets/{}.rs", body.name)).unwrap();
                assert!(target.contains(&format!("run(\"{}\", bytes)", body.name)), "{}", body.name);
            }
            assert_eq!(here.len(), BODIES.len());
        }
    };
}

bodies!(directives, dates, ranges, accept, keys, route_match, globs, envelope, config_text, admin_body);

//! What holds for any answer.

use proptest::prelude::*;

use super::*;

/// Fields of which any set may stand in an answer.
fn fields() -> impl Strategy<Value = Vec<(&'static str, String)>> {
    let directive = prop_oneof![
        3 => "(s-maxage|max-age|stale-while-revalidate|stale-if-error)=[0-9]{1,4}",
        2 => "(public|must-revalidate|proxy-revalidate|must-understand|no-cache|private=\"a\"|no-store)",
        1 => "[ -~]{0,8}",
    ];
    let field = prop_oneof![
        4 => proptest::collection::vec(directive, 0..3).prop_map(|list| ("cache-control", list.join(", "))),
        1 => "[a-z0-9=, -]{0,20}".prop_map(|value| ("cdn-cache-control", value)),
        1 => "[0-9]{1,4}".prop_map(|value| ("age", value)),
        1 => Just(("etag", "\"1\"".to_owned())),
        1 => Just(("expires", "Sun, 06 Nov 1994 09:49:37 GMT".to_owned())),
        1 => Just(("date", "Sun, 06 Nov 1994 08:49:00 GMT".to_owned())),
        1 => Just(("last-modified", "Sun, 06 Nov 1994 01:49:37 GMT".to_owned())),
        1 => "[a-z, *]{0,8}".prop_map(|value| ("vary", value)),
    ];
    proptest::collection::vec(field, 0..5)
}

proptest! {
    #[test]
    fn what_is_stored_fresh_is_served_at_that_instant(
        fields in fields(), authorized: bool, status in prop_oneof![Just(200), 100..600_u16],
        ttl in proptest::option::of(0..500_u64), overrides: bool,
    ) {
        let mut rig = cacheable();
        rig.lookup.authorized = authorized;
        rig.options.ttl = ttl.map(Duration::from_secs);
        if overrides {
            rig.options.origin_headers = OriginHeaders::Override;
        }
        let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let Ok(storable) = rig.admit(status, &fields) else { return Ok(()) };
        let (fresh, bound) = (storable.lifetime > storable.initial_age, storable.terms.always_validate);
        let windows = storable.stale_while_revalidate + storable.stale_if_error;
        prop_assert!(windows.is_zero() || !(bound || storable.terms.never_stale));
        prop_assert!(overrides || storable.lifetime <= rig.options.max_ttl);
        prop_assert!(storable.headers.contains_key("date"));
        let entry = storable.into_entry(Key::parse("GET:/a").unwrap(), None, Vec::new(), Bytes::new());
        let answer = reuse(&rig.lookup, entry.meta(), NOW);
        prop_assert_eq!(answer == Reuse::Serve, fresh && !bound);
        prop_assert!(!matches!(answer, Reuse::Fetch(_)));
    }
}

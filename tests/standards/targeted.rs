//! Targeted Cache-Control fields (RFC 9213), as a route lists them.

use crate::inner::with;
use crate::rig::Rig;

/// How long a response with these three is fresh on a route with these fields.
async fn fresh_for(route: &str) -> String {
    let rig = Rig::route(route);
    rig.hand.answer_with(|_| {
        let fields = [("larder-cache-control", "max-age=10"), ("cdn-cache-control", "max-age=20")];
        with("", &[fields[0], fields[1], ("cache-control", "max-age=30")])
    });
    rig.get().await;
    let hit = rig.get().await;
    assert_eq!(hit.says("cdn-cache-control"), "max-age=20", "it is for the caches behind this one too");
    hit.says("cache-status").to_owned()
}

#[tokio::test]
async fn a_route_lists_the_fields_that_speak_to_it_in_order_of_precedence() {
    for (route, status) in [
        ("ttl: 60s", "larder; hit; ttl=20"),
        ("ttl: 60s, targeted_fields: [Larder-Cache-Control, CDN-Cache-Control]", "larder; hit; ttl=10"),
        ("ttl: 60s, targeted_fields: [CDN-Cache-Control, Larder-Cache-Control]", "larder; hit; ttl=20"),
        ("ttl: 60s, targeted_fields: []", "larder; hit; ttl=30"),
    ] {
        assert_eq!(fresh_for(route).await, status, "{route}");
    }
}

//! Stale windows (RFC 5861), from the route and from the origin.

use crate::inner::{status, with};
use crate::rig::Rig;

#[tokio::test]
async fn a_route_lets_a_stale_response_be_served_while_it_is_refreshed() {
    let rig = Rig::route("ttl: 60s, stale_while_revalidate: 30s");
    rig.origin("old", &[]);
    rig.get().await.is("MISS", "old");
    rig.origin("new", &[]);
    let stale = rig.after(70).get().await;
    stale.is("STALE", "old").because("larder; hit; ttl=-10; detail=stale-while-revalidate");
    rig.settle().await;
    rig.get().await.is("HIT", "new");
    assert_eq!(rig.hand.calls(), 2, "one refresh");
    rig.origin("newer", &[]);
    rig.after(90).get().await.is("MISS", "newer");
}

#[tokio::test]
async fn a_route_lets_a_stale_response_stand_in_for_an_error() {
    let rig = Rig::route("ttl: 60s, stale_if_error: 30s");
    rig.origin("old", &[]);
    rig.get().await;
    for code in [500, 502, 503, 504] {
        rig.hand.answer_with(move |_| status(code));
        rig.clock.advance(std::time::Duration::from_secs(if code == 500 { 70 } else { 1 }));
        let stale = rig.get().await;
        stale.is("STALE", "old");
        assert!(stale.says("cache-status").ends_with("; detail=stale-if-error"), "{}", stale.says("cache-status"));
    }
    assert_eq!(rig.after(30).get().await.status, 504, "past the window");
}

#[tokio::test]
async fn the_defaults_reach_a_route_that_says_nothing() {
    let rig = Rig::file("defaults: { stale_while_revalidate: 30s }\nroutes: [{ path: /api/posts/, ttl: 60s }]");
    rig.origin("old", &[]);
    rig.get().await;
    rig.after(70).get().await.is("STALE", "old");
}

#[tokio::test]
async fn the_origin_has_the_last_word_on_what_is_stale_rfc_9111_4_2_4() {
    for (directives, word) in [
        ("max-age=60", "STALE"),
        ("max-age=60, must-revalidate", "MISS"),
        ("max-age=60, proxy-revalidate", "MISS"),
        ("s-maxage=60", "MISS"),
        ("no-cache", "MISS"),
        ("max-age=60, stale-while-revalidate=5", "MISS"),
        ("max-age=60, stale-while-revalidate=0", "MISS"),
        ("max-age=1, stale-while-revalidate=100", "STALE"),
    ] {
        let rig = Rig::route("ttl: 60s, stale_while_revalidate: 30s, stale_if_error: 30s");
        rig.hand.answer_with(move |_| with("old", &[("cache-control", directives), ("etag", "\"1\"")]));
        rig.get().await;
        rig.origin("new", &[]);
        let answer = rig.after(70).get().await;
        assert_eq!(answer.says("x-cache"), word, "{directives}");
        assert_eq!(answer.body, if word == "STALE" { "old" } else { "new" }, "{directives}");
    }
}

#[tokio::test]
async fn what_the_origin_insists_on_is_not_covered_by_the_route_when_it_fails() {
    for (directives, code) in [
        ("max-age=60", 200),
        ("max-age=60, must-revalidate", 503),
        ("max-age=60, proxy-revalidate", 503),
        ("s-maxage=60", 503),
        ("no-cache", 503),
        ("max-age=60, stale-if-error=5", 503),
    ] {
        let rig = Rig::route("ttl: 60s, stale_if_error: 30s");
        rig.hand.answer_with(move |_| with("old", &[("cache-control", directives), ("etag", "\"1\"")]));
        rig.get().await;
        rig.hand.answer_with(|_| status(503));
        assert_eq!(rig.after(70).get().await.status, code, "{directives}");
    }
}

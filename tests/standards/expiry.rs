//! How the ends of freshness are spread, and what is done before they come.

use std::collections::BTreeSet;

use http::Request;

use crate::inner::{status, with};
use crate::rig::{PATH, Rig};

/// The freshness left of fifty responses that were stored in one moment.
async fn left(fields: &str) -> Vec<i64> {
    let rig = Rig::file(&format!("routes: [{{ path: \"/{{id}}\", {fields} }}]"));
    rig.origin("x", &[]);
    let mut left = Vec::new();
    for n in 0..50 {
        let path = format!("/{n}");
        rig.send(Request::get(&path)).await;
        let hit = rig.send(Request::get(&path)).await;
        let ttl = hit.says("cache-status").rsplit_once("ttl=").unwrap().1;
        left.push(ttl.parse().unwrap());
    }
    left
}

#[tokio::test]
async fn what_was_stored_in_one_moment_does_not_expire_in_one() {
    assert_eq!(left("ttl: 100s").await, [100; 50]);
    for jitter in ["20%", "20s"] {
        let spread = left(&format!("ttl: 100s, ttl_jitter: {jitter}")).await;
        assert!(spread.iter().all(|ttl| (80..=100).contains(ttl)), "{spread:?}");
        assert!(spread.iter().collect::<BTreeSet<_>>().len() > 8, "{spread:?}");
        assert_eq!(
            left(&format!("ttl: 100s, ttl_jitter: {jitter}")).await,
            spread,
            "a key and an instant have one end"
        );
    }
    assert!(left("ttl: 100s, ttl_jitter: 1h").await.iter().all(|ttl| *ttl >= 50), "never more than half");
}

#[tokio::test]
async fn a_response_that_is_asked_for_near_its_end_is_refreshed_once() {
    let mut rig = Rig::route("ttl: 100s, refresh_ahead: 10%");
    rig.origin("old", &[("etag", "\"1\"")]);
    rig.get().await;
    rig.hand.hold();
    rig.after(89).get().await.is("HIT", "old");
    rig.settle().await;
    assert_eq!(rig.hand.calls(), 1);
    for _ in 0..5 {
        rig.after(1).get().await.is("HIT", "old");
        rig.settle().await;
    }
    assert_eq!(rig.hand.calls(), 2, "one refresh");
    rig.hand.next().await.answer(with("new", &[]));
    rig.settle().await;
    rig.get().await.is("HIT", "new").because("larder; hit; ttl=96");
}

#[tokio::test]
async fn a_refresh_ahead_validates_and_its_failure_costs_nothing() {
    let rig = Rig::route("ttl: 100s, refresh_ahead: 10s");
    rig.origin("old", &[("etag", "\"1\"")]);
    rig.get().await;
    rig.hand.answer_with(|_| status(503));
    rig.after(95).get().await.is("HIT", "old");
    rig.settle().await;
    rig.get().await.is("HIT", "old").because("larder; hit; ttl=5");
    rig.settle().await;
    assert_eq!(rig.hand.calls(), 2, "a refresh that failed is not tried again at once");

    let rig = Rig::route("ttl: 100s, refresh_ahead: 10s");
    rig.origin("old", &[("etag", "\"1\"")]);
    rig.get().await;
    rig.hand.answer_with(|request| {
        assert_eq!(request.headers["if-none-match"], "\"1\"");
        status(304)
    });
    rig.after(95).get().await.is("HIT", "old");
    rig.settle().await;
    rig.get().await.is("HIT", "old").because("larder; hit; ttl=100");
}

#[tokio::test]
async fn nothing_is_refreshed_ahead_unless_the_route_says_so_or_for_credentials() {
    let rig = Rig::route("ttl: 100s");
    rig.origin("old", &[]);
    rig.get().await;
    rig.after(99).get().await.is("HIT", "old");
    rig.settle().await;
    assert_eq!(rig.hand.calls(), 1);

    let rig = Rig::route("ttl: 100s, refresh_ahead: 10s");
    rig.origin("old", &[("cache-control", "public, max-age=100")]);
    rig.get().await;
    rig.after(95).send(Request::get(PATH).header("authorization", "Basic x")).await.is("HIT", "old");
    rig.settle().await;
    assert_eq!(rig.hand.calls(), 1);
}

#[tokio::test]
async fn a_refresh_ahead_stores_nothing_that_was_cleared_meanwhile() {
    let mut rig = Rig::route("ttl: 100s, refresh_ahead: 10s");
    rig.origin("old", &[]);
    rig.get().await;
    rig.hand.hold();
    rig.after(95).get().await.is("HIT", "old");
    rig.settle().await;
    let held = rig.hand.next().await;
    rig.cache.invalidate(&larder::invalidation::Selector::All).await.unwrap();
    held.answer(with("old", &[]));
    rig.settle().await;
    rig.origin("new", &[]);
    rig.get().await.is("MISS", "new");
}

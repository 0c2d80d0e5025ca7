//! A client's own Cache-Control, where the route honours it (RFC 9111 §5.2.1), and how Cache-Status tells of it
//! (RFC 9211 §2).

use http::Request;

use crate::inner::{status, with};
use crate::rig::{PATH, Rig};

const HONOR: &str = "ttl: 60s, client_cache_control: honor";
const CONTROL: &str = "cache-control";

/// A route that honours its clients, with a response stored that the origin can confirm.
async fn stored(fields: &str) -> Rig {
    let rig = Rig::route(fields);
    rig.hand.answer_with(|request| match request.headers.get("if-none-match") {
        Some(_) => status(304),
        None => with("old", &[("etag", "\"1\"")]),
    });
    rig.get().await.is("MISS", "old");
    rig
}

#[tokio::test]
async fn a_fresh_response_that_the_client_refuses_is_not_called_stale_rfc_9211_2_2() {
    let rig = stored(HONOR).await;
    for directive in ["no-cache", "max-age=0", "max-age=5", "min-fresh=55"] {
        let answer = rig.after(6).get_with(CONTROL, directive).await;
        answer.is("REVALIDATED", "old");
        answer.because("larder; fwd=request; fwd-status=304; detail=client-cache-control");
    }
    rig.after(60).get_with(CONTROL, "no-cache").await.because("larder; fwd=stale; fwd-status=304");
}

#[tokio::test]
async fn a_refused_response_without_a_validator_is_fetched_and_replaced() {
    let rig = Rig::route(HONOR);
    rig.origin("old", &[]);
    rig.get().await;
    rig.origin("new", &[]);
    let answer = rig.get_with("pragma", "no-cache").await;
    answer.is("MISS", "new").because("larder; fwd=request; stored; detail=client-cache-control");
    rig.get().await.is("HIT", "new");
}

#[tokio::test]
async fn a_client_may_take_what_is_stale() {
    let rig = stored(HONOR).await;
    rig.after(70);
    let answer = rig.get_with(CONTROL, "max-stale=10").await;
    answer.is("STALE", "old").because("larder; hit; ttl=-10; detail=max-stale");
    assert_eq!(answer.says("age"), "70");
    rig.get_with(CONTROL, "max-stale").await.is("STALE", "old");
    rig.settle().await;
    assert_eq!(rig.hand.calls(), 1, "a client that takes what is stale causes no request");
    rig.get_with(CONTROL, "max-stale=9").await.is("REVALIDATED", "old");
}

#[tokio::test]
async fn no_client_may_take_what_the_origin_wants_validated_rfc_9111_4_2_4() {
    for directives in ["must-revalidate", "proxy-revalidate", "s-maxage=60"] {
        let rig = Rig::route(HONOR);
        rig.hand.answer_with(move |_| with("old", &[(CONTROL, directives)]));
        rig.get().await;
        rig.after(70).get_with(CONTROL, "max-stale").await.is("MISS", "old");
    }
}

#[tokio::test]
async fn only_if_cached_never_asks_the_upstream_rfc_9111_5_2_1_7() {
    let rig = Rig::route(HONOR);
    let nothing = rig.get_with(CONTROL, "only-if-cached").await;
    nothing.because("larder; detail=only-if-cached");
    assert_eq!((nothing.status, rig.hand.calls()), (504, 0));
    rig.origin("old", &[]);
    rig.get().await;
    rig.get_with(CONTROL, "only-if-cached").await.is("HIT", "old");
    rig.after(70);
    assert_eq!(rig.get_with(CONTROL, "only-if-cached").await.status, 504);
    rig.get_with(CONTROL, "only-if-cached, max-stale").await.is("STALE", "old");
    let head = Request::head(PATH).header(CONTROL, "only-if-cached");
    assert_eq!((rig.send(head).await.status, rig.hand.calls()), (504, 1));
}

#[tokio::test]
async fn a_client_keeps_its_answer_out_of_the_store_rfc_9111_5_2_1_5() {
    let rig = Rig::route(HONOR);
    rig.origin("old", &[]);
    let answer = rig.get_with(CONTROL, "no-store").await;
    answer.is("MISS", "old").because("larder; fwd=uri-miss; detail=client-cache-control");
    rig.get().await.is("MISS", "old");
    rig.get_with(CONTROL, "no-store").await.is("HIT", "old");
}

#[tokio::test]
async fn a_client_that_is_ignored_changes_nothing() {
    let rig = stored("ttl: 60s").await;
    for directive in ["no-cache", "max-age=0", "no-store"] {
        rig.get_with(CONTROL, directive).await.is("HIT", "old");
    }
    rig.after(60).get_with(CONTROL, "max-stale").await.is("REVALIDATED", "old");
    rig.after(70).get_with(CONTROL, "only-if-cached").await.is("REVALIDATED", "old");
}

#[tokio::test]
async fn an_immutable_response_is_validated_for_a_forced_reload_alone_rfc_8246() {
    let rig = Rig::route(HONOR);
    rig.origin("old", &[(CONTROL, "max-age=60, immutable"), ("etag", "\"1\"")]);
    rig.get().await;
    rig.hand.answer_with(|_| status(304));
    rig.after(30).get_with(CONTROL, "max-age=0").await.is("HIT", "old");
    let conditional = Request::get(PATH).header(CONTROL, "max-age=0").header("if-none-match", "\"1\"");
    assert_eq!((rig.send(conditional).await.status, rig.hand.calls()), (304, 1));
    rig.get_with(CONTROL, "no-cache").await.because("larder; fwd=request; fwd-status=304; detail=client-cache-control");
    rig.after(60).get_with(CONTROL, "max-age=0").await.because("larder; fwd=stale; fwd-status=304");
}

#[tokio::test]
async fn what_is_stale_by_less_than_a_second_does_not_read_as_fresh() {
    let rig = stored("ttl: 60s, stale_while_revalidate: 30s").await;
    rig.after_millis(59_999).get().await.is("HIT", "old").because("larder; hit; ttl=1");
    let stale = rig.after_millis(1).get().await;
    stale.is("STALE", "old").because("larder; hit; ttl=0; detail=stale-while-revalidate");
}

//! HEAD and the stored GET (RFC 9111 §4.3.5).

use http::{Request, Response};
use larder::invalidation::Selector;

use crate::inner::{status, with};
use crate::rig::{Answer, PATH, Rig};

const SAME: &[(&str, &str)] = &[("etag", "\"1\""), ("content-length", "3"), ("x-new", "1")];

fn of(fields: &[(&'static str, &str)]) -> Response<String> {
    with("", fields)
}

/// A GET of three bytes that was fresh for 60 s, 70 s later.
async fn stale(route: &str) -> Rig {
    let rig = Rig::route(route);
    rig.origin("old", &[("etag", "\"1\""), ("x-kept", "1")]);
    rig.get().await.is("MISS", "old");
    rig.after(70);
    rig
}

async fn head(rig: &Rig) -> Answer {
    rig.send(Request::head(PATH)).await
}

#[tokio::test]
async fn a_head_is_sent_on_as_it_is_and_freshens_what_it_confirms() {
    let rig = stale("ttl: 60s").await;
    rig.hand.answer_with(|request| {
        assert_eq!(request.method, "HEAD");
        assert!(!request.headers.contains_key("if-none-match"));
        of(SAME)
    });
    let answer = head(&rig).await;
    answer.is("MISS", "").because("larder; fwd=stale; detail=head");
    assert_eq!((answer.says("x-new"), answer.says("content-length")), ("1", "3"));
    let hit = rig.after(10).get().await;
    hit.is("HIT", "old").because("larder; hit; ttl=50");
    assert_eq!((hit.says("x-new"), hit.says("x-kept")), ("1", "1"));
    assert_eq!((rig.hand.calls(), rig.cache.in_flight()), (2, 0));
}

#[tokio::test]
async fn a_head_that_shows_something_else_drops_what_is_stored() {
    for fields in [
        &[("etag", "\"2\""), ("content-length", "3")][..],
        &[("etag", "\"1\""), ("content-length", "4")],
        &[("content-length", "3")],
    ] {
        let rig = stale("ttl: 60s, stale_if_error: 1h").await;
        rig.hand.answer_with(move |_| of(fields));
        head(&rig).await.is("MISS", "");
        rig.hand.answer_with(|_| status(503));
        assert_eq!(rig.get().await.status, 503, "{fields:?}: nothing is left that could stand in");
    }
}

#[tokio::test]
async fn a_head_that_is_no_200_leaves_what_is_stored() {
    for code in [204, 301, 304, 404, 500] {
        let rig = stale("ttl: 60s").await;
        rig.hand.answer_with(move |_| status(code));
        let answer = head(&rig).await;
        assert_eq!(answer.status, code);
        answer.is("MISS", "").because("larder; fwd=stale; detail=head");
        rig.hand.answer_with(|_| status(304));
        rig.get().await.is("REVALIDATED", "old");
    }
}

#[tokio::test]
async fn a_head_that_fails_is_answered_from_what_is_stale() {
    let rig = stale("ttl: 60s, stale_if_error: 30s").await;
    rig.hand.answer_with(|_| status(503));
    let answer = head(&rig).await;
    answer.is("STALE", "").because("larder; hit; ttl=-10; detail=stale-if-error");
    assert_eq!((answer.status, answer.says("content-length")), (200, "3"));
}

#[tokio::test]
async fn a_head_that_began_before_an_invalidation_freshens_nothing_after_it() {
    for clear in ["before the answer", "another entry"] {
        let mut rig = stale("ttl: 60s").await;
        rig.hand.hold();
        let waiting = rig.begin(Request::head(PATH));
        let held = rig.hand.next().await;
        rig.cache.invalidate(&Selector::All).await.unwrap();
        if clear == "another entry" {
            let fetch = rig.begin(Request::get(PATH));
            rig.hand.next().await.answer(with("new", &[("etag", "\"2\"")]));
            fetch.await.unwrap().is("MISS", "new");
        }
        held.answer(of(SAME));
        waiting.await.unwrap().is("MISS", "");
        rig.origin("new", &[]);
        assert_eq!(rig.get().await.body, "new", "{clear}");
    }
}

#[tokio::test]
async fn a_head_whose_client_left_holds_nothing() {
    let mut rig = stale("ttl: 60s").await;
    rig.hand.hold();
    let waiting = rig.begin(Request::head(PATH));
    let held = rig.hand.next().await;
    waiting.abort();
    assert!(waiting.await.is_err());
    assert_eq!((held.is_awaited(), rig.cache.in_flight()), (false, 0));
}

#[tokio::test]
async fn a_head_for_which_nothing_is_stored_stores_nothing() {
    let rig = Rig::route("ttl: 60s");
    rig.hand.answer_with(|_| of(SAME));
    head(&rig).await.is("MISS", "").because("larder; fwd=uri-miss; detail=head");
    rig.origin("new", &[]);
    rig.get().await.is("MISS", "new");
}

//! Cache groups (RFC 9875): what the origin puts together, an unsafe request clears together.

use http::Request;
use http::request::Builder;
use larder::invalidation::{Selector, Tag};

use crate::inner::{status, with};
use crate::rig::{PATH, Rig};

const FILE: &str = "routes: [{ path: \"/api/{kind}/\", ttl: 60s, tags: [\"{kind}\"] }]";

/// Posts belong to two groups, users to one of them.
async fn stored(file: &str) -> Rig {
    let rig = Rig::file(file);
    rig.hand.answer_with(|request| match request.uri.path() {
        PATH => with("posts", &[("cache-groups", r#""home", "posts""#)]),
        _ => with("users", &[("cache-groups", r#""home""#)]),
    });
    rig.get().await.is("MISS", "posts");
    rig.send(Request::get("/api/users/")).await.is("MISS", "users");
    rig
}

/// A write to where nothing is cached, whose answer clears these groups.
async fn clear(rig: &Rig, request: Builder, groups: &'static str) -> u16 {
    rig.hand.answer_with(move |request| match request.method.as_str() {
        "GET" => with("new", &[]),
        _ => with("done", &[("cache-group-invalidation", groups)]),
    });
    rig.send(request).await.status
}

async fn words(rig: &Rig) -> [String; 2] {
    let (posts, users) = (rig.get().await, rig.send(Request::get("/api/users/")).await);
    [posts, users].map(|answer| answer.says("x-cache").to_owned())
}

#[tokio::test]
async fn a_write_clears_the_groups_that_its_answer_names() {
    for (groups, left) in [
        (r#""posts""#, ["MISS", "HIT"]),
        (r#""home";x=1"#, ["MISS", "MISS"]),
        (r#""other", "posts""#, ["MISS", "HIT"]),
        (r#""Posts""#, ["HIT", "HIT"]),
        ("posts", ["HIT", "HIT"]),
    ] {
        let rig = stored(FILE).await;
        clear(&rig, Request::post("/elsewhere"), groups).await;
        assert_eq!(words(&rig).await, left, "{groups}");
    }
}

#[tokio::test]
async fn only_a_successful_unsafe_request_clears_rfc_9875_3() {
    let rig = stored(FILE).await;
    rig.hand.answer_with(|_| {
        let mut failed = status(500);
        failed.headers_mut().insert("cache-group-invalidation", "\"home\"".parse().unwrap());
        failed
    });
    assert_eq!(rig.send(Request::post("/elsewhere")).await.status, 500);
    rig.hand.answer_with(|_| with("", &[("cache-group-invalidation", "\"home\"")]));
    rig.send(Request::get("/elsewhere")).await;
    rig.send(Request::builder().method("OPTIONS").uri("/elsewhere")).await;
    assert_eq!(words(&rig).await, ["HIT", "HIT"]);
}

#[tokio::test]
async fn a_group_is_no_tag_of_a_route() {
    let rig = stored(FILE).await;
    let tag = Selector::Tag(Tag::new("home"));
    assert_eq!(rig.cache.invalidate(&tag).await.unwrap().deleted, 0);
    let tag = Selector::Tag(Tag::new("posts"));
    assert_eq!(rig.cache.invalidate(&tag).await.unwrap().deleted, 1, "the route's own tag is kept beside the groups");
    clear(&rig, Request::post("/elsewhere"), r#""users""#).await;
    assert_eq!(words(&rig).await, ["MISS", "HIT"]);
}

#[tokio::test]
async fn where_hosts_are_keyed_groups_belong_to_their_host() {
    let rig = Rig::file(&format!("host_header: preserve\n{FILE}"));
    let get = |host| Request::get(PATH).header("host", host);
    rig.hand.answer_with(|_| with("old", &[("cache-groups", "\"home\"")]));
    rig.send(get("a.example")).await.is("MISS", "old");
    rig.send(get("b.example")).await.is("MISS", "old");
    clear(&rig, Request::post("/elsewhere").header("host", "a.example"), "\"home\"").await;
    rig.send(get("a.example")).await.is("MISS", "new");
    rig.send(get("b.example")).await.is("HIT", "old");
}

#[tokio::test]
async fn a_response_that_was_on_its_way_when_its_group_was_cleared_is_not_stored() {
    let mut rig = Rig::file(FILE);
    let early = rig.begin(Request::get(PATH));
    let held = rig.hand.next().await;
    let write = rig.begin(Request::post("/elsewhere"));
    rig.hand.next().await.answer(with("", &[("cache-group-invalidation", "\"home\"")]));
    write.await.unwrap();
    // Nobody can know yet that the answer will belong to the group, so it is waited for, and then it is not shared.
    let late = rig.begin(Request::get(PATH));
    rig.settle().await;
    held.answer(with("old", &[("cache-groups", "\"home\"")]));
    early.await.unwrap().is("MISS", "old").because("larder; fwd=uri-miss; detail=invalidated");
    rig.hand.next().await.answer(with("new", &[("cache-groups", "\"home\"")]));
    late.await.unwrap().is("MISS", "new");
    rig.origin("newer", &[]);
    assert_ne!(rig.get().await.body, "old");
}

#[tokio::test]
async fn a_response_whose_group_is_cleared_while_its_body_arrives_is_not_stored() {
    let mut rig = Rig::file(FILE);
    let early = rig.begin(Request::get(PATH));
    let mut head = http::Response::new(());
    head.headers_mut().insert("cache-groups", "\"home\"".parse().unwrap());
    let tap = rig.hand.next().await.stream(head);
    tap.send("o");
    rig.settle().await;
    let write = rig.begin(Request::post("/elsewhere"));
    rig.hand.next().await.answer(with("", &[("cache-group-invalidation", "\"home\"")]));
    write.await.unwrap();
    let late = rig.begin(Request::get(PATH));
    rig.hand.next().await.answer(with("new", &[]));
    tap.send("ld");
    drop(tap);
    early.await.unwrap().is("MISS", "old");
    late.await.unwrap().is("MISS", "new");
    rig.get().await.is("HIT", "new");
}

#[tokio::test]
async fn what_is_cleared_while_it_is_validated_is_not_freshened() {
    let mut rig = Rig::file(FILE);
    rig.hand.answer_with(|_| with("old", &[("cache-groups", "\"home\""), ("etag", "\"1\"")]));
    rig.get().await;
    rig.hand.hold();
    let early = rig.after(70).begin(Request::get(PATH));
    let held = rig.hand.next().await;
    let write = rig.begin(Request::post("/elsewhere"));
    rig.hand.next().await.answer(with("", &[("cache-group-invalidation", "\"home\"")]));
    write.await.unwrap();
    let late = rig.begin(Request::get(PATH));
    let second = rig.hand.next().await;
    held.answer(status(304));
    early.await.unwrap();
    second.answer(with("new", &[]));
    late.await.unwrap().is("MISS", "new");
    rig.get().await.is("HIT", "new");
}

#[tokio::test]
async fn a_304_moves_a_response_to_other_groups() {
    let rig = Rig::file(FILE);
    rig.hand.answer_with(|request| match request.headers.contains_key("if-none-match") {
        true => {
            let mut confirmed = status(304);
            confirmed.headers_mut().insert("cache-groups", "\"after\"".parse().unwrap());
            confirmed
        }
        false => with("old", &[("cache-groups", "\"before\""), ("etag", "\"1\"")]),
    });
    rig.get().await;
    rig.after(70).get().await.is("REVALIDATED", "old");
    let clear = |group| {
        let selector = Selector::Tag(Tag::group(None, group));
        let cache = rig.cache.clone();
        async move { cache.invalidate(&selector).await.unwrap().deleted }
    };
    assert_eq!((clear("before").await, clear("after").await), (0, 1));
}

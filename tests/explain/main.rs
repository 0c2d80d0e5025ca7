//! Explanations beside what then becomes of the request, on a cache whose clock and origin the test holds in its hand.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test fails so"
)]

#[path = "../rig/inner.rs"]
mod inner;
mod rig;
#[path = "../rig/slow_store.rs"]
mod slow_store;

use std::time::Duration;

use http::Request;
use http::request::Builder;
use inner::{ok, status, with};
use larder::cache::ForwardedProto;
use larder::cache::explain::{Decision, Fact, Question};
use larder::clock::Timestamp;
use larder::route::{Caching, Rule, Table};
use rig::{Rig, said};

const DAY: &[(&str, &str)] = &[("cache-control", "max-age=86400")];

/// What was done before the request comes.
type Before = fn(Rig) -> std::pin::Pin<Box<dyn Future<Output = Rig>>>;

macro_rules! before {
    ($rig:ident $body:block) => {
        |$rig: Rig| {
            Box::pin(async move {
                $body
                $rig
            })
        }
    };
}

/// A state, a request, and what is said of it: the decision, and the outcomes of some steps.
struct Case {
    name: &'static str,
    before: Before,
    request: fn() -> Builder,
    decision: Decision,
    outcomes: &'static [(Question, &'static str)],
}

fn nothing() -> Before {
    |rig| Box::pin(async move { rig })
}

/// `/posts/` is stored under the fields of these answers.
fn posts_with(fields: &'static [(&'static str, &'static str)]) -> Before {
    // One function for each state, since the fields must be constants of it.
    match fields {
        [] => before!(rig {
            rig.hand.answer_with(|_| ok("posts"));
            rig.get("/posts/").await;
        }),
        [("vary", "accept-language")] => before!(rig {
            rig.hand.answer_with(|_| with("posts", &[("vary", "accept-language")]));
            rig.send(Request::get("/posts/").header("accept-language", "de")).await;
        }),
        [("cache-control", "public")] => before!(rig {
            rig.hand.answer_with(|_| with("posts", &[("cache-control", "public")]));
            rig.get("/posts/").await;
        }),
        [("cache-control", "no-cache")] => before!(rig {
            rig.hand.answer_with(|_| with("posts", &[("cache-control", "no-cache"), ("etag", "\"1\"")]));
            rig.get("/posts/").await;
        }),
        [("etag", "\"1\"")] => before!(rig {
            rig.hand.answer_with(|_| with("posts", &[("etag", "\"1\"")]));
            rig.get("/posts/").await;
        }),
        [("set-cookie", "a=1")] => before!(rig {
            rig.hand.answer_with(|_| with("posts", &[("set-cookie", "a=1")]));
            rig.get("/posts/").await;
        }),
        other => panic!("{other:?}"),
    }
}

fn cases() -> Vec<Case> {
    use Decision::{Bypass, Hit, Miss, Pass, Refused, Revalidate, Stale};
    use Question as Q;
    let case = |name, before, request, decision, outcomes| Case { name, before, request, decision, outcomes };
    vec![
        case(
            "nothing stored",
            nothing(),
            || Request::get("/posts/"),
            Miss,
            &[
                (Q::Method, "read"),
                (Q::Route, "matched"),
                (Q::Cached, "yes"),
                (Q::Path, "plain"),
                (Q::Key, "keyed"),
                (Q::Bypass, "none"),
                (Q::Plan, "lookup"),
                (Q::Lookup, "absent"),
                (Q::Fetch, "leads"),
                (Q::Forward, "as-it-is"),
                (Q::LastAnswer, "none"),
                (Q::Clearing, "writes"),
            ],
        ),
        case(
            "stored and fresh",
            posts_with(&[]),
            || Request::get("/posts/"),
            Hit,
            &[(Q::Lookup, "found"), (Q::Freshness, "fresh"), (Q::Reuse, "serve"), (Q::Conditions, "whole")],
        ),
        case(
            "a HEAD of what is stored",
            posts_with(&[]),
            || Request::head("/posts/"),
            Hit,
            &[(Q::Method, "read"), (Q::Conditions, "head")],
        ),
        case("a HEAD of nothing", nothing(), || Request::head("/posts/"), Miss, &[(Q::Fetch, "alone")]),
        case(
            "a part of what is stored",
            posts_with(&[]),
            || Request::get("/posts/").header("range", "bytes=0-1"),
            Hit,
            &[(Q::Conditions, "part")],
        ),
        case(
            "a part of nothing",
            nothing(),
            || Request::get("/posts/").header("range", "bytes=0-1"),
            Miss,
            &[(Q::Fetch, "alone")],
        ),
        case(
            "a copy that the client has",
            posts_with(&[("etag", "\"1\"")]),
            || Request::get("/posts/").header("if-none-match", "\"1\""),
            Hit,
            &[(Q::Conditions, "not-modified")],
        ),
        case(
            "the query in another order",
            before!(rig {
                rig.hand.answer_with(|_| ok("posts"));
                rig.get("/posts/?page=2&tag=a").await;
            }),
            || Request::get("/posts/?tag=a&utm=x&page=2"),
            Hit,
            &[(Q::Key, "keyed")],
        ),
        case(
            "past its lifetime",
            before!(rig {
                rig.hand.answer_with(|_| with("posts", &[("etag", "\"1\"")]));
                rig.get("/posts/").await;
                rig.clock.advance(Duration::from_secs(91));
            }),
            || Request::get("/posts/"),
            Revalidate,
            &[(Q::Freshness, "stale"), (Q::Reuse, "validate"), (Q::Fetch, "leads"), (Q::Forward, "validates")],
        ),
        case(
            "past its lifetime without a validator",
            before!(rig {
                rig.hand.answer_with(|_| ok("posts"));
                rig.get("/posts/").await;
                rig.clock.advance(Duration::from_secs(91));
            }),
            || Request::get("/posts/"),
            Revalidate,
            &[(Q::Reuse, "validate"), (Q::Forward, "as-it-is")],
        ),
        case(
            "stale and served while it is refreshed",
            before!(rig {
                rig.hand.answer_with(|_| ok("window"));
                rig.get("/window").await;
                rig.clock.advance(Duration::from_secs(11));
            }),
            || Request::get("/window"),
            Stale,
            &[(Q::Freshness, "stale"), (Q::Reuse, "serve-stale"), (Q::Fetch, "refresh")],
        ),
        case(
            "validated before every use",
            posts_with(&[("cache-control", "no-cache")]),
            || Request::get("/posts/"),
            Revalidate,
            &[(Q::Freshness, "fresh"), (Q::Reuse, "validate"), (Q::Fetch, "apart"), (Q::LastAnswer, "must-validate")],
        ),
        case(
            "another variant",
            posts_with(&[("vary", "accept-language")]),
            || Request::get("/posts/").header("accept-language", "fr"),
            Miss,
            &[(Q::Lookup, "variant-absent")],
        ),
        case(
            "the same variant",
            posts_with(&[("vary", "accept-language")]),
            || Request::get("/posts/").header("accept-language", "DE"),
            Hit,
            &[(Q::Lookup, "variant-found")],
        ),
        case(
            "the last answer set a cookie",
            posts_with(&[("set-cookie", "a=1")]),
            || Request::get("/posts/"),
            Miss,
            &[(Q::Lookup, "absent"), (Q::Fetch, "apart"), (Q::LastAnswer, "set-cookie")],
        ),
        case(
            "a condition where the last answer could not be stored",
            posts_with(&[("set-cookie", "a=1")]),
            || Request::get("/posts/").header("if-none-match", "\"1\""),
            Miss,
            &[(Q::Fetch, "alone")],
        ),
        case(
            "the body was refused",
            before!(rig {
                rig.hand.answer_with(|_| ok("[]"));
                rig.get("/picky").await;
            }),
            || Request::get("/picky"),
            Miss,
            &[(Q::Lookup, "absent"), (Q::Fetch, "leads"), (Q::LastAnswer, "body-refused")],
        ),
        case(
            "after it was cleared",
            before!(rig {
                rig.hand.answer_with(|_| ok("posts"));
                rig.get("/posts/").await;
                rig.send(Request::post("/posts/")).await;
            }),
            || Request::get("/posts/"),
            Miss,
            &[(Q::Lookup, "absent")],
        ),
        case(
            "the bypass parameter",
            posts_with(&[]),
            || Request::get("/posts/?nocache=1"),
            Bypass,
            &[(Q::Bypass, "asked"), (Q::Forward, "changed")],
        ),
        case(
            "the bypass parameter that says no",
            posts_with(&[]),
            || Request::get("/posts/?nocache=false"),
            Hit,
            &[(Q::Bypass, "no")],
        ),
        case(
            "the bypass parameter without its token",
            nothing(),
            || Request::get("/gated?nocache=1"),
            Miss,
            &[(Q::Bypass, "not-allowed")],
        ),
        case(
            "the bypass parameter with its token",
            nothing(),
            || Request::get("/gated?nocache=1").header("x-larder-token", "token"),
            Bypass,
            &[(Q::Bypass, "asked")],
        ),
        case(
            "credentials and nothing stored",
            nothing(),
            || Request::get("/posts/").header("authorization", "Bearer x"),
            Bypass,
            &[(Q::Lookup, "absent"), (Q::Fetch, "apart")],
        ),
        case(
            "a HEAD with credentials and nothing stored",
            nothing(),
            || Request::head("/posts/").header("authorization", "Bearer x"),
            Miss,
            &[(Q::Fetch, "alone")],
        ),
        case(
            "credentials and an answer that is not for all",
            posts_with(&[]),
            || Request::get("/posts/").header("authorization", "Bearer x"),
            Bypass,
            &[(Q::Reuse, "fetch"), (Q::Fetch, "apart")],
        ),
        case(
            "credentials and an answer for all",
            posts_with(&[("cache-control", "public")]),
            || Request::get("/posts/").header("authorization", "Bearer x"),
            Hit,
            &[(Q::Reuse, "serve")],
        ),
        case(
            "a cookie that bypasses",
            nothing(),
            || Request::get("/posts/").header("cookie", "sid=1"),
            Bypass,
            &[(Q::Plan, "bypass")],
        ),
        case(
            "a body",
            nothing(),
            || Request::get("/posts/").header("content-length", "3"),
            Bypass,
            &[(Q::Plan, "bypass")],
        ),
        case(
            "a condition only the origin can judge",
            nothing(),
            || Request::get("/posts/").header("if-match", "*"),
            Bypass,
            &[(Q::Plan, "bypass")],
        ),
        case("a route that is never cached", nothing(), || Request::get("/never"), Pass, &[(Q::Cached, "no")]),
        case("a route for its writes", nothing(), || Request::get("/rules"), Pass, &[(Q::Cached, "no")]),
        case("no route", nothing(), || Request::get("/elsewhere"), Pass, &[(Q::Route, "none")]),
        case("a dot segment", nothing(), || Request::get("/users/%2e%2e"), Refused, &[(Q::Path, "refused")]),
        case(
            "a write",
            posts_with(&[]),
            || Request::post("/posts/"),
            Pass,
            &[(Q::Method, "write"), (Q::Clearing, "clears")],
        ),
        case("a write of no route", nothing(), || Request::post("/elsewhere"), Pass, &[(Q::Clearing, "nothing")]),
        case("a safe method", nothing(), || Request::options("/posts/"), Pass, &[(Q::Method, "safe")]),
        case(
            "a client that wants what is stored or nothing",
            nothing(),
            || Request::get("/honoured").header("cache-control", "only-if-cached"),
            Refused,
            &[(Q::Fetch, "refused")],
        ),
        case(
            "a client that wants news",
            before!(rig {
                rig.hand.answer_with(|_| with("x", DAY));
                rig.get("/honoured").await;
            }),
            || Request::get("/honoured").header("cache-control", "no-cache"),
            Revalidate,
            &[(Q::Reuse, "validate"), (Q::Fetch, "apart")],
        ),
        case(
            "an error that is not stored",
            before!(rig {
                rig.hand.answer_with(|_| status(500));
                rig.get("/posts/").await;
            }),
            || Request::get("/posts/"),
            Miss,
            &[(Q::LastAnswer, "status")],
        ),
    ]
}

#[tokio::test]
async fn what_is_said_is_what_becomes_of_the_request() {
    for Case { name, before, request, decision, outcomes } in cases() {
        let rig = before(Rig::new()).await;
        let explanation = rig.explain(request()).await;
        assert_eq!(explanation.decision, decision, "{name}: {explanation:#?}");
        for (question, outcome) in outcomes {
            assert_eq!(said(&explanation, *question), Some(*outcome), "{name}: {explanation:#?}");
        }
        rig.hand.answer_with(|_| ok("then"));
        let answer = rig.send(request()).await;
        assert_eq!(answer.decision(), decision, "{name}: {}", answer.cache_status);
        let key = explanation.key.map(|key| key.to_string());
        if let Some(exposed) = answer.key() {
            assert_eq!(Some(exposed), key, "{name}");
        }
    }
}

#[tokio::test]
async fn an_explanation_leaves_no_trace() {
    for Case { name, before, request, .. } in cases() {
        let rig = before(Rig::new()).await;
        let trace = rig.trace();
        let first = rig.explain(request()).await;
        for _ in 0..3 {
            assert_eq!(rig.explain(request()).await, first, "{name}");
        }
        assert_eq!(rig.trace(), trace, "{name}");
    }
}

#[tokio::test]
async fn the_arithmetic_of_age_and_lifetime_is_told() {
    let rig = Rig::new();
    rig.hand.answer_with(|_| with("posts", &[("age", "5"), ("cache-control", "s-maxage=600")]));
    rig.get("/capped").await;
    rig.clock.advance(Duration::from_millis(12_500));
    let explanation = rig.explain(Request::get("/capped")).await;
    let step = explanation.steps.iter().find(|step| step.step == Question::Freshness).unwrap();
    assert_eq!(
        step.detail,
        "Its age is 17.5 s = 5 s on arrival + 12.5 s since; its lifetime is 100 s, by the origin's s-maxage (600 s), cut \
         by `max_ttl: 100 s`: fresh for 82.5 s more."
    );
    for (name, fact) in [
        ("received_at", Fact::Instant(Timestamp::from_secs(1_800_000_000))),
        ("initial_age", Fact::Seconds(5.0)),
        ("resident", Fact::Seconds(12.5)),
        ("age", Fact::Seconds(17.5)),
        ("lifetime", Fact::Seconds(100.0)),
        ("lifetime_from", Fact::Text("s-maxage".into())),
    ] {
        assert!(step.facts.contains(&(name, fact)), "{name}: {:?}", step.facts);
    }
    rig.clock.advance(Duration::from_secs(90));
    let later = rig.explain(Request::get("/capped")).await;
    let step = later.steps.iter().find(|step| step.step == Question::Freshness).unwrap();
    assert!(step.detail.ends_with("stale for 7.5 s."), "{}", step.detail);
}

#[tokio::test]
async fn a_lifetime_that_the_routes_no_longer_give_is_told_from_one_they_do() {
    let rig = Rig::new();
    rig.hand.answer_with(|_| ok("posts"));
    rig.get("/posts/").await;
    rig.cache.replace_table(rig::table(Duration::from_secs(7)));
    let explanation = rig.explain(Request::get("/posts/")).await;
    let step = explanation.steps.iter().find(|step| step.step == Question::Freshness).unwrap();
    assert!(step.detail.contains("90 s, given to it when it was stored; today it would be 7 s"), "{}", step.detail);
}

#[tokio::test]
async fn the_key_step_says_what_of_the_query_and_the_fields_counts() {
    let rig = Rig::new();
    let request = Request::get("/keyed?b=2&utm=1&a=1&nocache=no").header("accept-language", "de");
    let explanation = rig.explain(request.header("cookie", "tenant=7")).await;
    let step = explanation.steps.iter().find(|step| step.step == Question::Key).unwrap();
    assert!(explanation.key.unwrap().as_str().starts_with("GET:/keyed?a=1&b=2#"));
    let list = |texts: &[&str]| Fact::List(texts.iter().map(ToString::to_string).collect());
    let left_out = list(&["utm (by the route's `query:`)", "nocache (the bypass parameter)"]);
    assert!(step.facts.contains(&("left_out", left_out)), "{step:?}");
    let fields = list(&["accept-language (present)", "x-plan (absent)", "cookie tenant (present)"]);
    assert!(step.facts.contains(&("fields", fields)), "{step:?}");
    assert!(!format!("{step:?}").contains("tenant=7"), "{step:?}");
}

#[tokio::test]
async fn what_clears_a_key_is_read_off_the_routes() {
    let rig = Rig::new();
    let explanation = rig.explain(Request::get("/users/7")).await;
    let step = explanation.steps.iter().find(|step| step.step == Question::Clearing).unwrap();
    let list = |texts: &[&str]| Fact::List(texts.iter().map(ToString::to_string).collect());
    let writes =
        list(&["PUT /users/7 (GET:/users/{id})", "DELETE /users/7 (tag user:{id})", "any unsafe method /users/7"]);
    assert!(step.facts.contains(&("writes", writes)), "{step:#?}");
    let commands = list(&[
        "larder invalidate 'GET:/users/7'",
        "larder invalidate --tag 'user:7'",
        "larder invalidate --category 'users'",
        "larder invalidate --pattern 'GET:/users/*'",
    ]);
    assert!(step.facts.contains(&("commands", commands)), "{step:#?}");

    let explanation = rig.explain(Request::put("/users/7")).await;
    let step = explanation.steps.iter().find(|step| step.step == Question::Clearing).unwrap();
    assert!(step.facts.contains(&("clears", list(&["GET:/users/7"]))), "{step:#?}");
}

#[tokio::test]
async fn a_fetch_under_way_is_seen_and_not_joined() {
    let mut rig = Rig::new();
    rig.hand.hold();
    let waiting = rig.begin("/posts/");
    let held = rig.hand.next().await;
    let explanation = rig.explain(Request::get("/posts/")).await;
    assert_eq!(said(&explanation, Question::Fetch), Some("joins"));
    assert_eq!(explanation.decision, Decision::Miss);
    held.answer(ok("posts"));
    assert_eq!(waiting.await.unwrap().decision(), Decision::Miss);
    assert_eq!((rig.explain(Request::get("/posts/")).await.decision, rig.hand.calls()), (Decision::Hit, 1));
}

#[tokio::test]
async fn the_routes_alone_explain_as_far_as_they_go() {
    let rig = Rig::new();
    rig.hand.answer_with(|_| ok("posts"));
    rig.get("/posts/").await;
    let request = |path: &str| Request::get(path).body(()).unwrap().into_parts().0;
    let explanation = rig.cache.explain_routes(&request("/posts/"), ForwardedProto::default()).await;
    assert_eq!(explanation.decision, Decision::Unknown);
    assert_eq!(said(&explanation, Question::Lookup), Some("not-asked"));
    assert!(said(&explanation, Question::Clearing).is_some());
    for (path, decision) in [("/never", Decision::Pass), ("/posts/?nocache=1", Decision::Bypass)] {
        assert_eq!(
            rig.cache.explain_routes(&request(path), ForwardedProto::default()).await.decision,
            decision,
            "{path}"
        );
    }
}

#[tokio::test]
async fn a_store_that_fails_is_told_by_its_reason() {
    for (error, decision) in [(false, Decision::Miss), (true, Decision::Refused)] {
        let rig = Rig::without_store(error);
        let explanation = rig.explain(Request::get("/posts/")).await;
        assert_eq!((explanation.decision, said(&explanation, Question::Lookup)), (decision, Some("failed")));
        rig.hand.answer_with(|_| ok("posts"));
        assert_eq!(rig.get("/posts/").await.decision(), decision);
    }
}

#[tokio::test]
async fn what_is_not_keyed_is_said_to_be_dropped() {
    let rig = Rig::new();
    let request = Request::get("/keyed?utm=1").header("x-forwarded-host", "evil.example").header("x-plan", "a");
    let request = request.header("accept-encoding", "deflate;q=0.5, gzip").header("if-none-match", "\"1\"");
    let explanation = rig.explain(request).await;
    let step = explanation.steps.iter().find(|step| step.step == Question::Forward).unwrap();
    let list = |texts: &[&str]| Fact::List(texts.iter().map(ToString::to_string).collect());
    assert!(step.facts.contains(&("dropped", list(&["x-forwarded-host", "if-none-match"]))), "{step:?}");
    assert!(step.facts.contains(&("changed", list(&["accept-encoding"]))), "{step:?}");
    assert!(step.facts.contains(&("target", Fact::Text("/keyed".into()))), "{step:?}");
}

#[tokio::test]
async fn every_kind_of_table_is_explained_as_it_is_obeyed() {
    let unmatched = || Rule::new("/").unwrap().caching(Caching::On);
    let posts = || Rule::new("/posts/").unwrap().ttl(Duration::from_secs(90));
    let keyed = || Table::builder().route(posts()).key_host();
    for (table, path, host, decision, (question, outcome)) in [
        (keyed(), "/posts/", Some("a.example"), Decision::Miss, (Question::Key, "keyed")),
        (keyed(), "/posts/", None, Decision::Pass, (Question::Key, "no-host")),
        (keyed().enabled(false), "/posts/", Some("a"), Decision::Pass, (Question::Cached, "disabled")),
        (keyed().unmatched(unmatched()), "/other", Some("a"), Decision::Miss, (Question::Route, "origin")),
    ] {
        let rig = Rig::new();
        rig.cache.replace_table(table.expose_key(true).build().unwrap());
        let request = || host.iter().fold(Request::get(path), |request, host| request.header("host", *host));
        let explanation = rig.explain(request()).await;
        assert_eq!((explanation.decision, said(&explanation, question)), (decision, Some(outcome)), "{path} {host:?}");
        rig.hand.answer_with(|_| with("x", DAY));
        let answer = rig.send(request()).await;
        assert_eq!(answer.decision(), decision, "{}", answer.cache_status);
        if explanation.key.is_some() {
            assert_eq!(rig.explain(request()).await.decision, Decision::Hit, "{path}");
            assert_eq!(rig.send(request()).await.key(), explanation.key.map(|key| key.to_string()));
        }
    }
}

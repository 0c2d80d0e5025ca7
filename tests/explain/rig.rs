//! A cache with a route for every case, a clock that is moved, and an origin that does as it is told.

use std::time::Duration;

use http::Request;
use http::header::HeaderName;
use http_body_util::BodyExt as _;
use larder::cache::explain::{Decision, Explanation, Question};
use larder::cache::{Cache, CacheService, ForwardedProto, OnStoreError};
use larder::clock::{Clock, Timestamp};
use larder::invalidation::Category;
use larder::policy::{ClientCacheControl, Options, StoreIf, VaryOn};
use larder::route::{Bypass, BypassGate, Caching, QueryFilter, Rule, Table, Target};
use larder::store::{MemoryStore, Store, StoreError};
use tower::{Layer as _, ServiceExt as _};

use crate::inner::{self, Empty, Hand, Inner};
use crate::slow_store::{Op, SlowStore};

pub(crate) struct Rig {
    pub(crate) cache: Cache,
    pub(crate) clock: Clock,
    pub(crate) hand: Hand,
    service: CacheService<Inner>,
}

/// What came of a request.
pub(crate) struct Answer {
    pub(crate) cache_status: String,
    status: u16,
}

/// What an explanation must not change.
#[derive(Debug, PartialEq)]
pub(crate) struct Trace {
    total: larder::stats::Count,
    bypasses: u64,
    reasons: std::collections::BTreeMap<&'static str, u64>,
    keys: Vec<(larder::key::Key, u64)>,
    calls: usize,
    in_flight: usize,
}

/// The routes; posts are fresh for `ttl`.
pub(crate) fn table(ttl: Duration) -> Table {
    let rule = |path: &str| Rule::new(path).unwrap();
    let lasting = |path: &str, secs| rule(path).ttl(Duration::from_secs(secs));
    let users = lasting("/users/{id}", 120).category(Category::new("users")).tag("user:{id}").unwrap();
    let users = users.invalidates("PUT", ["GET:/users/{id}"]).unwrap();
    let tag = Target::tag("user:{id}", users.pattern()).unwrap();
    let users = users.invalidates_targets("DELETE", vec![tag]).unwrap();
    let posts = rule("/posts/").ttl(ttl).query(QueryFilter::Include(vec!["page".into(), "tag".into()]));
    let posts = posts.invalidates("POST", ["GET:/posts/"]).unwrap();
    let posts = with(posts, |options| options.bypass_cookies.push("sid".into()));
    let keyed = lasting("/keyed", 60).query(QueryFilter::Exclude(vec!["utm".into()]));
    let keyed = with(keyed, |options| {
        let headers = ["accept-language", "x-plan"].map(HeaderName::from_static).to_vec();
        options.vary_on = VaryOn { headers, cookies: vec!["tenant".into()] };
    });
    let gated = lasting("/gated", 60).bypass(Bypass { allow: BypassGate::Token, ..Bypass::default() });
    let window = with(lasting("/window", 10), |options| options.stale_while_revalidate = Duration::from_secs(30));
    let capped = with(lasting("/capped", 60), |options| options.max_ttl = Duration::from_secs(100));
    let honoured = with(lasting("/honoured", 60), |options| options.client_cache_control = ClientCacheControl::Honor);
    let picky = with(lasting("/picky", 60), |options| {
        options.store_if = StoreIf { body_not: vec!["[]".into()], ..StoreIf::default() };
    });
    let never = rule("/never").caching(Caching::Never);
    let rules = [users, posts, keyed, gated, window, capped, honoured, picky, never, rule("/rules")];
    rules.into_iter().fold(Table::builder(), |table, rule| table.route(rule)).expose_key(true).build().unwrap()
}

fn with(rule: Rule, change: impl FnOnce(&mut Options)) -> Rule {
    let mut options = rule.policy().clone();
    change(&mut options);
    rule.options(options)
}

impl Rig {
    pub(crate) fn new() -> Self {
        Self::on(|memory| memory, false)
    }

    /// On a store that answers nothing.
    pub(crate) fn without_store(error: bool) -> Self {
        let away = |memory| {
            let store = SlowStore::over(memory);
            for op in [Op::Get, Op::Lease] {
                store.fail(op, StoreError::Timeout);
            }
            store
        };
        Self::on(away, error)
    }

    fn on<S: Store>(store: impl FnOnce(MemoryStore) -> S, error: bool) -> Self {
        let clock = Clock::manual(Timestamp::from_secs(1_800_000_000));
        let store = store(MemoryStore::with_clock(8 << 20, clock.clone()));
        let on_error = if error { OnStoreError::Error } else { OnStoreError::Bypass };
        let builder = Cache::builder(table(Duration::from_secs(90)), store).clock(clock.clone());
        let cache = builder.on_store_error(on_error).bypass_token("token").build();
        let (inner, hand) = inner::inner();
        Self { service: cache.layer().layer(inner), cache, clock, hand }
    }

    pub(crate) async fn explain(&self, request: http::request::Builder) -> Explanation {
        self.cache.explain(&request.body(()).unwrap().into_parts().0, ForwardedProto::default()).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(Request::get(path)).await
    }

    pub(crate) async fn send(&self, request: http::request::Builder) -> Answer {
        send(self.service.clone(), request).await
    }

    /// Sends a request that is expected to wait.
    pub(crate) fn begin(&self, path: &str) -> tokio::task::JoinHandle<Answer> {
        tokio::spawn(send(self.service.clone(), Request::get(path)))
    }

    pub(crate) fn trace(&self) -> Trace {
        let stats = self.cache.stats();
        Trace {
            total: stats.total(),
            bypasses: stats.bypasses(),
            reasons: stats.reasons(),
            keys: stats.top_keys(100),
            calls: self.hand.calls(),
            in_flight: self.cache.in_flight(),
        }
    }
}

async fn send(service: CacheService<Inner>, request: http::request::Builder) -> Answer {
    let response = service.oneshot(request.body(Empty::new()).unwrap()).await.unwrap();
    let (parts, body) = response.into_parts();
    // What follows finds the body stored.
    drop(body.collect().await);
    let cache_status = parts.headers["cache-status"].to_str().unwrap().to_owned();
    Answer { cache_status, status: parts.status.as_u16() }
}

impl Answer {
    /// The decision that the answer tells of.
    pub(crate) fn decision(&self) -> Decision {
        let status = self.cache_status.split("; key=").next().unwrap();
        let detail = self.cache_status.rsplit_once("; detail=").map_or("", |(_, detail)| detail);
        let forward = status.split("; ").find_map(|parameter| parameter.strip_prefix("fwd="));
        match forward {
            None if status.contains("; hit") => {
                if detail.is_empty() {
                    Decision::Hit
                } else {
                    Decision::Stale
                }
            }
            None => {
                assert!(self.status >= 400, "{}", self.cache_status);
                Decision::Refused
            }
            Some("uri-miss" | "vary-miss") => Decision::Miss,
            Some("stale" | "request") => Decision::Revalidate,
            Some("bypass") if ["no-route", "route", "disabled", "no-host"].contains(&detail) => Decision::Pass,
            Some("bypass") => Decision::Bypass,
            Some("method") => Decision::Pass,
            Some(other) => panic!("{other}"),
        }
    }

    /// The key, where the answer names it.
    pub(crate) fn key(&self) -> Option<String> {
        let rest = self.cache_status.split_once("key=\"")?.1;
        Some(rest.split('"').next().unwrap().to_owned())
    }
}

/// The outcome of a step.
pub(crate) fn said(explanation: &Explanation, question: Question) -> Option<&'static str> {
    explanation.steps.iter().find(|step| step.step == question).map(|step| step.outcome)
}

//! The fields of a route and of `defaults:`. A field is one line in a table; what it becomes is in `rule`.

use std::rc::Rc;
use std::time::Duration;

use http::header::HeaderName;
use http::{Method, StatusCode};

use super::reader::{Field, Reader};
use super::rule_values as values;
use super::scalar;
use super::source::At;
use super::yaml::{Kind, Node};
use crate::policy::{ClientCacheControl, OriginHeaders, Portion, SetCookie, StoreStatus};
use crate::route::{BypassGate, Caching, Coalesce, Pattern};

/// A route as it was read: what it does not say is `None`.
#[derive(Default)]
pub(super) struct RuleDraft {
    pub(super) path: Option<At<Pattern>>,
    pub(super) ttl: Option<At<Lifetime>>,
    pub(super) cache: Option<At<Caching>>,
    pub(super) max_ttl: Option<At<Duration>>,
    pub(super) ttl_jitter: Option<Portion>,
    pub(super) refresh_ahead: Option<Portion>,
    pub(super) store_status: Option<StoreStatus>,
    pub(super) origin_headers: Option<At<OriginHeaders>>,
    pub(super) client_cache_control: Option<ClientCacheControl>,
    pub(super) targeted_fields: Option<Vec<HeaderName>>,
    pub(super) set_cookie: Option<SetCookie>,
    pub(super) stale_while_revalidate: Option<Duration>,
    pub(super) stale_if_error: Option<Duration>,
    pub(super) max_body: Option<u64>,
    pub(super) range_fill: Option<bool>,
    pub(super) store_post: Option<bool>,
    pub(super) query_method: Option<Option<u64>>,
    pub(super) coalesce: Option<Coalesce>,
    pub(super) coalesce_wait: Option<Duration>,
    pub(super) bypass_param: Option<String>,
    pub(super) bypass_allow: Option<At<BypassGate>>,
    pub(super) bypass_cookies: Option<Vec<String>>,
    pub(super) max_variants: Option<usize>,
    pub(super) vary_headers: Option<Vec<HeaderName>>,
    pub(super) vary_cookies: Option<Vec<String>>,
    pub(super) category: Option<String>,
    pub(super) tags: Vec<At<String>>,
    pub(super) query_include: Option<At<Vec<String>>>,
    pub(super) query_exclude: Option<At<Vec<String>>>,
    pub(super) min_body: Option<u64>,
    pub(super) body_not: Option<Vec<String>>,
    pub(super) content_type: Option<Vec<String>>,
    pub(super) invalidate: Vec<(Method, Vec<TargetDraft>)>,
}

/// What `ttl:` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Lifetime {
    For(Duration),
    Class(String),
}

/// One target of a write.
pub(super) enum TargetDraft {
    Key(At<String>),
    Tag(At<String>),
}

/// What may stand in a route and in `defaults:`.
pub(super) const SHARED: &[Field<RuleDraft>] = &[
    Field::new("ttl", "ttl: 90s", |rule, r, node| rule.ttl = r.placed(node, values::lifetime)),
    Field::new("max_ttl", "max_ttl: 24h", |rule, r, node| rule.max_ttl = r.placed(node, scalar::duration)),
    Field::new("ttl_jitter", "ttl_jitter: 10%", |rule, r, node| rule.ttl_jitter = r.scalar(node, values::portion)),
    Field::new("refresh_ahead", "refresh_ahead: 10%", |rule, r, node| {
        rule.refresh_ahead = r.scalar(node, values::portion);
    }),
    Field::new("store_status", "store_status: [200, 404]", |rule, r, node| {
        rule.store_status = values::store_status(r, node);
    }),
    Field::new("origin_headers", "origin_headers: respect", |rule, r, node| {
        let words = [("respect", OriginHeaders::Respect), ("override", OriginHeaders::Override)];
        rule.origin_headers = r.placed(node, |text| scalar::word(text, &words));
    }),
    Field::new("client_cache_control", "client_cache_control: ignore", |rule, r, node| {
        let words = [("ignore", ClientCacheControl::Ignore), ("honor", ClientCacheControl::Honor)];
        rule.client_cache_control = r.scalar(node, |text| scalar::word(text, &words));
    }),
    Field::new("targeted_fields", "targeted_fields: [CDN-Cache-Control]", |rule, r, node| {
        rule.targeted_fields = r.scalars(node, values::targeted_field);
    }),
    Field::new("set_cookie", "set_cookie: refuse", |rule, r, node| {
        let words = [("refuse", SetCookie::Refuse), ("strip", SetCookie::Strip), ("keep", SetCookie::Keep)];
        rule.set_cookie = r.scalar(node, |text| scalar::word(text, &words));
    }),
    Field::new("stale_while_revalidate", "stale_while_revalidate: 30s", |rule, r, node| {
        rule.stale_while_revalidate = r.scalar(node, scalar::duration);
    }),
    Field::new("stale_if_error", "stale_if_error: 10m", |rule, r, node| {
        rule.stale_if_error = r.scalar(node, scalar::duration);
    }),
    Field::new("max_body", "max_body: 8MiB", |rule, r, node| rule.max_body = r.scalar(node, scalar::size)),
    Field::new("range_fill", "range_fill: true", |rule, r, node| rule.range_fill = r.scalar(node, scalar::boolean)),
    Field::new("store_post", "store_post: true", |rule, r, node| rule.store_post = r.scalar(node, scalar::boolean)),
    Field::new("query_method", "query_method: 64KiB", |rule, r, node| {
        rule.query_method = r.scalar(node, values::size_or_off);
    }),
    Field::new("coalesce", "coalesce: node", |rule, r, node| {
        let words = [("cluster", Coalesce::Cluster), ("node", Coalesce::Node), ("off", Coalesce::Off)];
        rule.coalesce = r.scalar(node, |text| scalar::word(text, &words));
    }),
    Field::new("coalesce_wait", "coalesce_wait: 3s", |rule, r, node| {
        rule.coalesce_wait = r.scalar(node, scalar::duration);
    }),
    Field::new("bypass", "bypass: { param: nocache, allow: public, if_cookie: [] }", |rule, r, node| {
        r.fields(node, &[BYPASS], rule);
    }),
    Field::new("vary", "vary: { max_variants: 16 }", |rule, r, node| r.fields(node, &[VARY], rule)),
    Field::new("vary_on", "vary_on: { headers: [Accept-Language], cookies: [] }", |rule, r, node| {
        r.fields(node, &[VARY_ON], rule);
    }),
];

/// What may stand in a route alone.
pub(super) const OWN: &[Field<RuleDraft>] = &[
    Field::new("path", "path: /api/users/{id}", |rule, r, node| rule.path = values::path(r, node)),
    Field::new("cache", "cache: never", |rule, r, node| rule.cache = r.placed(node, values::caching)),
    Field::new("category", "category: users", |rule, r, node| rule.category = r.scalar(node, values::category)),
    Field::new("tags", "tags: [\"user:{id}\", users]", |rule, r, node| {
        rule.tags = r.list(node, values::template).unwrap_or_default();
    }),
    Field::new("query", "query: { include: [page] }", |rule, r, node| r.fields(node, &[QUERY], rule)),
    Field::new("store_if", "store_if: { min_body: 1, body_not: [\"[]\"] }", |rule, r, node| {
        r.fields(node, &[STORE_IF], rule);
    }),
    Field::new("invalidate", "invalidate: { PUT: [\"GET:/api/users/{id}\"] }", |rule, r, node| {
        rule.invalidate = values::invalidate(r, node);
    }),
];

/// `bypass:`.
pub(super) const BYPASS: &[Field<RuleDraft>] = &[
    Field::new("param", "param: nocache", |rule, r, node| rule.bypass_param = r.scalar(node, values::parameter)),
    Field::new("allow", "allow: public", |rule, r, node| {
        let words = [("public", BypassGate::Public), ("token", BypassGate::Token), ("off", BypassGate::Off)];
        rule.bypass_allow = r.placed(node, |text| scalar::word(text, &words));
    }),
    Field::new("if_cookie", "if_cookie: [session]", |rule, r, node| {
        rule.bypass_cookies = r.scalars(node, values::cookie);
    }),
];

/// `vary:`.
pub(super) const VARY: &[Field<RuleDraft>] = &[Field::new("max_variants", "max_variants: 16", |rule, r, node| {
    rule.max_variants = r.scalar(node, values::max_variants);
})];

/// `vary_on:`.
pub(super) const VARY_ON: &[Field<RuleDraft>] = &[
    Field::new("headers", "headers: [Accept-Language]", |rule, r, node| {
        rule.vary_headers = r.scalars(node, values::header);
    }),
    Field::new("cookies", "cookies: [theme]", |rule, r, node| rule.vary_cookies = r.scalars(node, values::cookie)),
];

/// `query:`.
pub(super) const QUERY: &[Field<RuleDraft>] = &[
    Field::new("include", "include: [page, per_page]", |rule, r, node| {
        rule.query_include = r.scalars(node, scalar::text).map(|value| At { value, place: node.place, hidden: false });
    }),
    Field::new("exclude", "exclude: [utm_source]", |rule, r, node| {
        rule.query_exclude = r.scalars(node, scalar::text).map(|value| At { value, place: node.place, hidden: false });
    }),
];

/// `store_if:`.
pub(super) const STORE_IF: &[Field<RuleDraft>] = &[
    Field::new("min_body", "min_body: 1", |rule, r, node| rule.min_body = r.scalar(node, scalar::size)),
    Field::new("body_not", "body_not: [\"[]\", \"{}\", \"null\"]", |rule, r, node| {
        rule.body_not = r.scalars(node, |text| Ok(text.trim().to_owned()));
    }),
    Field::new("content_type", "content_type: [application/json]", |rule, r, node| {
        rule.content_type = r.scalars(node, values::media_type);
    }),
];

/// A target that is a mapping.
pub(super) const TARGET: &[Field<Option<At<String>>>] =
    &[Field::new("tag", "tag: \"user:{id}\"", |tag, r, node| *tag = values::template(r, node))];

/// One item of `routes:`.
pub(super) fn route(reader: &mut Reader<'_>, node: &Rc<Node>) -> Option<RuleDraft> {
    let Kind::Mapping(pairs) = &node.kind else { return reader.shape(node, "a route") };
    if !pairs.iter().any(|pair| pair.key.is("path")) {
        let first = pairs.first().map_or(node.place, |pair| pair.key.place);
        reader.report.error(first, "this route has no `path`", "add one, as in `path: /api/users/{id}`");
    }
    let mut draft = RuleDraft::default();
    reader.fields(node, &[OWN, SHARED], &mut draft);
    Some(draft)
}

/// The statuses of a map beside the 200 that is always stored.
pub(super) fn with_ok(mut listed: Vec<(StatusCode, Option<Duration>)>) -> StoreStatus {
    if !listed.iter().any(|(status, _)| *status == StatusCode::OK) {
        listed.insert(0, (StatusCode::OK, None));
    }
    StoreStatus::Listed(listed)
}

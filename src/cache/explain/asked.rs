//! What is asked of the request before anything is looked up.

use std::sync::Arc;

use http::header::HeaderMap;
use http::{Method, request};

use super::{Question, Step, secs};
use crate::cache::ask::{self, Asked};
use crate::cache::handle::Core;
use crate::cache::keyed::{self, ForwardedProto};
use crate::key::MAX_PHYSICAL_LEN;
use crate::outcome::Reason;
use crate::policy::{self, ClientTerms, Lookup, Plan};
use crate::route::{BypassGate, Caching, Fate, HostRule, Routing, Rule, Table, check_path, is_yes};

/// The questions up to the one that settles it, or to the plan.
pub(super) fn steps(core: &Core, table: &Table, proto: ForwardedProto, request: &request::Parts) -> Vec<Step> {
    let mut steps = vec![method(&request.method)];
    let path = request.uri.path();
    if request.method.is_safe() && !is_read(&request.method) {
        return steps;
    }
    steps.push(route(table, path));
    if !is_read(&request.method) {
        if let ask::Ask::Refuse(_) = ask::examine(core, table, proto, request, true) {
            steps.push(plainness(path));
        }
        return steps;
    }
    let Routing::Rule(rule) = table.routing(path) else { return steps };
    steps.push(cached(rule, path, table.is_enabled()));
    if !rule.is_cached() || !table.is_enabled() {
        return steps;
    }
    steps.push(plainness(path));
    if check_path(path).is_err() {
        return steps;
    }
    let keyed = key(core, table, rule, proto, request);
    let has_key = keyed.outcome == "keyed";
    steps.push(keyed);
    if has_key {
        let bypass = bypass(core, rule, request);
        let bypasses = bypass.outcome == "asked";
        steps.push(bypass);
        steps.extend((!bypasses).then(|| plan(rule, request)));
    }
    steps
}

fn is_read(method: &Method) -> bool {
    *method == Method::GET || *method == Method::HEAD
}

fn method(method: &Method) -> Step {
    let (outcome, detail) = match () {
        () if *method == Method::GET => ("read", "A GET is looked up.".to_owned()),
        () if *method == Method::HEAD => {
            ("read", "A HEAD is answered from a stored GET; without one it is passed on.".to_owned())
        }
        () if *method == Method::QUERY => (
            "safe",
            "A QUERY clears nothing; under a route with `query_method` it is looked up by its content, which is not \
             known here."
                .to_owned(),
        ),
        () if method.is_safe() => {
            ("safe", format!("{method} is passed on; it is neither looked up nor clears anything."))
        }
        () => ("write", format!("{method} is passed on; a 2xx or 3xx answer to it clears what it changes.")),
    };
    Step::new(Question::Method, outcome, detail)
}

fn route(table: &Table, path: &str) -> Step {
    let also: Vec<_> = table.also_matching(path).iter().map(|rule| rule.pattern().as_str().to_owned()).collect();
    let step = match (table.find(path), table.routing(path)) {
        (Some(matched), _) => {
            let pattern = matched.rule().pattern().as_str();
            let params = matched.params().iter().map(|(name, value)| format!("{name}={value}")).collect();
            let others = if also.is_empty() { "" } else { ", the most specific of those that match" };
            Step::new(Question::Route, "matched", format!("{path} is under the route {pattern}{others}."))
                .with_any("params", params)
        }
        (None, Routing::Rule(_)) => {
            let detail =
                format!("No route matches {path}; `unmatched: origin` judges it by the origin's headers alone.");
            Step::new(Question::Route, "origin", detail)
        }
        (None, Routing::Pass) => {
            let detail = format!("No route matches {path}, so it is passed on untouched (`unmatched: pass`).");
            Step::new(Question::Route, "none", detail)
        }
    };
    step.with_any("less_specific", also)
}

fn cached(rule: &Arc<Rule>, path: &str, enabled: bool) -> Step {
    let options = rule.policy();
    let (outcome, detail) = match (enabled, rule.caching_mode()) {
        (false, _) => ("disabled", Reason::Disabled.sentence().to_owned()),
        (true, Caching::Never) => ("no", "The route says `cache: never`.".to_owned()),
        (true, Caching::Unset) => {
            ("no", "The route says neither `ttl` nor `cache: true`: it is there for what its writes clear.".to_owned())
        }
        (true, Caching::On) => match options.ttl {
            Some(ttl) => ("yes", format!("The route is cached; without a word of the origin's for {}.", secs(ttl))),
            None => ("yes", "The route is cached for as long as the origin says.".to_owned()),
        },
    };
    let tags = rule.tags_for(path).iter().map(ToString::to_string).collect();
    Step::new(Question::Cached, outcome, detail)
        .with_some("ttl", options.ttl)
        .with("max_ttl", options.max_ttl)
        .with_some("category", rule.category_name().map(ToString::to_string))
        .with_any("tags", tags)
}

fn plainness(path: &str) -> Step {
    match check_path(path) {
        Ok(()) => Step::new(Question::Path, "plain", "Everybody reads the path alike."),
        Err(error) => Step::new(Question::Path, "refused", format!("{error}: the request is answered with 400."))
            .with("status", 400_usize),
    }
}

fn key(core: &Core, table: &Table, rule: &Rule, proto: ForwardedProto, request: &request::Parts) -> Step {
    let (bypass_param, query) = (&rule.bypass_param().param, request.uri.query());
    let canonical = rule.query_filter().canonical(query, bypass_param).query;
    let left_out: Vec<_> = query
        .filter(|query| !query.is_empty())
        .map(|query| rule.query_filter().fates(query, bypass_param))
        .unwrap_or_default()
        .into_iter()
        .filter_map(|(name, fate)| match fate {
            Fate::Kept | Fate::Empty => None,
            Fate::Bypass => Some(format!("{name} (the bypass parameter)")),
            Fate::LeftOut => Some(format!("{name} (by the route's `query:`)")),
        })
        .collect();
    let plan = policy::plan(request, true, rule.policy());
    let asked = Asked { query: canonical.as_deref(), content: None };
    let Some(key) = ask::key(table, rule, proto, request, &plan, asked) else {
        return Step::new(Question::Key, "no-host", Reason::NoHost.sentence());
    };
    let host = match table.host() {
        HostRule::Keyed => "The host is part of the key".to_owned(),
        HostRule::Fixed(shown) => {
            format!("The host is not part of the key: the upstream is shown {}", shown.to_str().unwrap_or("its own"))
        }
    };
    let query_said = match (query, canonical.as_deref()) {
        (None | Some(""), _) => "",
        (Some(sent), Some(keyed)) if sent == keyed => "; the query is keyed as it was sent",
        (Some(_), Some(_)) if left_out.is_empty() => "; the query is sorted by name",
        (Some(_), Some(_)) => "; of the query what counts is sorted by name",
        (Some(_), None) => "; nothing of the query counts",
    };
    let vary_on = &rule.policy().vary_on;
    let present = |is_there| if is_there { "present" } else { "absent" };
    let headers =
        vary_on.headers.iter().map(|name| format!("{name} ({})", present(request.headers.contains_key(name))));
    let cookies = vary_on
        .cookies
        .iter()
        .map(|name| format!("cookie {name} ({})", present(keyed::cookies(&request.headers, name).next().is_some())));
    let hashed = key.as_str().len() > MAX_PHYSICAL_LEN;
    Step::new(Question::Key, "keyed", format!("{host}{query_said}."))
        .with_any("left_out", left_out)
        .with_any("fields", headers.chain(cookies).collect())
        .with_some("redis_key", core.store.record_name(&key))
        .with_some("hashed", hashed.then_some(true))
}

fn bypass(core: &Core, rule: &Rule, request: &request::Parts) -> Step {
    let bypass = rule.bypass_param();
    let said = rule.query_filter().canonical(request.uri.query(), &bypass.param).bypass;
    let param = &bypass.param;
    let (outcome, detail) = match said {
        None => ("none", format!("The query has no `{param}`.")),
        Some(value) if !is_yes(value) => ("no", format!("`{param}={value}` does not ask to bypass the cache.")),
        Some(_) if ask::may_bypass(core, bypass.allow, &request.headers) => {
            ("asked", Reason::NoCacheParam.sentence().to_owned())
        }
        Some(_) => match bypass.allow {
            BypassGate::Token => ("not-allowed", format!("`{param}` counts with the token in X-Larder-Token alone.")),
            _ => ("not-allowed", format!("`{param}` is switched off on this route.")),
        },
    };
    Step::new(Question::Bypass, outcome, detail)
}

fn plan(rule: &Rule, request: &request::Parts) -> Step {
    match policy::plan(request, true, rule.policy()) {
        Plan::Bypass(reason) => Step::new(Question::Plan, "bypass", reason.sentence()).with("reason", reason.token()),
        Plan::Lookup(lookup) => {
            let step = Step::new(Question::Plan, "lookup", words(&lookup, &request.headers));
            step.with_any("client_asks", asks(&lookup.client))
        }
    }
}

fn words(lookup: &Lookup, headers: &HeaderMap) -> String {
    let has_cookies = headers.contains_key(http::header::COOKIE);
    match (lookup.authorized, has_cookies) {
        (true, _) => {
            "The request carries credentials that the route does not key on: only an answer that says `public`, \
                      `s-maxage` or `must-revalidate` is for it too."
                .to_owned()
        }
        (false, true) => "Nothing forbids a lookup: its cookies are none that bypass the cache.".to_owned(),
        (false, false) => "Nothing forbids a lookup.".to_owned(),
    }
}

/// What the client's own Cache-Control asks for, where it counts.
fn asks(client: &ClientTerms) -> Vec<String> {
    let limits = [("max-age", client.max_age), ("min-fresh", client.min_fresh), ("max-stale", client.max_stale)];
    let limits = limits.into_iter().filter_map(|(name, limit)| match limit? {
        std::time::Duration::MAX => Some(name.to_owned()),
        limit => Some(format!("{name}={}", limit.as_secs())),
    });
    let words =
        [("no-cache", client.no_cache), ("no-store", client.no_store), ("only-if-cached", client.only_if_cached)];
    limits.chain(words.into_iter().filter(|(_, asked)| *asked).map(|(name, _)| name.to_owned())).collect()
}

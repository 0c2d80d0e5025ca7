//! From the fields of a route and of `defaults:` to a rule. The route wins.

use std::time::Duration;

use super::diagnostic::Report;
use super::reader::{quoted, shown};
use super::rule_fields::{Lifetime, RuleDraft, TargetDraft};
use super::source::At;
use super::spelling;
use crate::invalidation::Category;
use crate::policy::{Options, OriginHeaders, StoreIf, VaryOn};
use crate::route::{Bypass, BypassGate, Caching, Pattern, QueryFilter, RouteError, Rule, Target};

/// The lifetimes that have a name, where the file does not say otherwise.
const CLASSES: [(&str, u64); 4] = [("short", 300), ("medium", 1800), ("long", 3600), ("very_long", 86_400)];
/// What `cache: true` means where nothing says how long.
const DEFAULT_TTL: Duration = Duration::from_secs(300);

/// What every rule is built with.
pub(super) struct Surroundings<'a> {
    pub(super) defaults: &'a RuleDraft,
    pub(super) default_ttl: Duration,
    pub(super) classes: &'a [(String, Duration)],
    pub(super) has_token: bool,
}

/// What `defaults.ttl` comes to.
pub(super) fn default_ttl(
    defaults: &RuleDraft,
    from_environment: Option<Duration>,
    classes: &[(String, Duration)],
    report: &mut Report<'_>,
) -> Duration {
    let written = defaults.ttl.as_ref().and_then(|at| lifetime(at, classes, report));
    if let (Some(ttl), Some(at), Some(max)) = (written, &defaults.ttl, &defaults.max_ttl) {
        warn_of_clamp(ttl, max.value, at.place, report);
    }
    from_environment.or(written).unwrap_or(DEFAULT_TTL)
}

impl Surroundings<'_> {
    /// The rule of a route; `None` when it has none, which is then reported.
    pub(super) fn rule(&self, draft: &RuleDraft, report: &mut Report<'_>) -> Option<Rule> {
        let path = draft.path.as_ref()?;
        let pattern = &path.value;
        let (caching, ttl) = self.caching(draft, report);
        let rule = self.rule_of(pattern.as_str(), draft, ttl, report)?.caching(caching);
        clearing(labelled(rule, draft, path, report)?, draft, path, report)
    }

    /// The rule for paths that no route matches: `defaults` without `ttl`.
    pub(super) fn unmatched(&self, report: &mut Report<'_>) -> Option<Rule> {
        self.rule_of("/{path*}", &RuleDraft::default(), None, report)
    }

    fn rule_of(
        &self,
        pattern: &str,
        draft: &RuleDraft,
        ttl: Option<Duration>,
        report: &mut Report<'_>,
    ) -> Option<Rule> {
        let (defaults, base) = (self.defaults, Bypass::default());
        let allow = draft.bypass_allow.as_ref().or(defaults.bypass_allow.as_ref());
        let bypass = Bypass {
            param: first([&draft.bypass_param, &defaults.bypass_param], base.param),
            allow: allow.map_or(base.allow, |at| at.value),
        };
        let mut rule = Rule::new(pattern).ok()?.options(self.options(draft, ttl)).bypass(bypass);
        if let Some(coalesce) = draft.coalesce.or(defaults.coalesce) {
            rule = rule.coalesce(coalesce);
        }
        if let Some(wait) = draft.coalesce_wait.or(defaults.coalesce_wait) {
            rule = rule.coalesce_wait(wait);
        }
        Some(rule.query(query(draft, report)))
    }

    /// Whether the route is cached, and how long what carries no lifetime of its own is fresh.
    fn caching(&self, draft: &RuleDraft, report: &mut Report<'_>) -> (Caching, Option<Duration>) {
        let own = draft.ttl.as_ref().and_then(|at| lifetime(at, self.classes, report));
        let max = draft.max_ttl.as_ref().or(self.defaults.max_ttl.as_ref()).map(|at| at.value);
        if let (Some(ttl), Some(at)) = (own, &draft.ttl) {
            warn_of_clamp(ttl, max.unwrap_or(Options::default().max_ttl), at.place, report);
        }
        match draft.cache.as_ref().map(|at| at.value) {
            Some(Caching::Never) => {
                if let Some(at) = &draft.ttl {
                    report.warn(at.place, "this `ttl` has no effect beside `cache: never`", "remove one of the two");
                }
                (Caching::Never, None)
            }
            Some(Caching::On) => (Caching::On, own.or(Some(self.default_ttl))),
            _ if draft.ttl.is_some() => (Caching::On, own),
            _ => (Caching::Unset, None),
        }
    }

    fn options(&self, draft: &RuleDraft, ttl: Option<Duration>) -> Options {
        let (shared, base) = (self.defaults, Options::default());
        let max_ttl = draft.max_ttl.as_ref().or(shared.max_ttl.as_ref());
        let origin = draft.origin_headers.as_ref().or(shared.origin_headers.as_ref());
        Options {
            ttl,
            max_ttl: max_ttl.map_or(base.max_ttl, |at| at.value),
            ttl_jitter: first([&draft.ttl_jitter, &shared.ttl_jitter], base.ttl_jitter),
            refresh_ahead: first([&draft.refresh_ahead, &shared.refresh_ahead], base.refresh_ahead),
            store_status: first([&draft.store_status, &shared.store_status], base.store_status),
            origin_headers: origin.map_or(base.origin_headers, |at| at.value),
            client_cache_control: first(
                [&draft.client_cache_control, &shared.client_cache_control],
                base.client_cache_control,
            ),
            targeted_fields: first([&draft.targeted_fields, &shared.targeted_fields], base.targeted_fields),
            set_cookie: first([&draft.set_cookie, &shared.set_cookie], base.set_cookie),
            stale_while_revalidate: first(
                [&draft.stale_while_revalidate, &shared.stale_while_revalidate],
                base.stale_while_revalidate,
            ),
            stale_if_error: first([&draft.stale_if_error, &shared.stale_if_error], base.stale_if_error),
            max_body: first([&draft.max_body, &shared.max_body], base.max_body),
            range_fill: first([&draft.range_fill, &shared.range_fill], base.range_fill),
            store_post: first([&draft.store_post, &shared.store_post], base.store_post),
            query_method: first([&draft.query_method, &shared.query_method], base.query_method),
            max_variants: first([&draft.max_variants, &shared.max_variants], base.max_variants),
            vary_on: VaryOn {
                headers: first([&draft.vary_headers, &shared.vary_headers], base.vary_on.headers),
                cookies: first([&draft.vary_cookies, &shared.vary_cookies], base.vary_on.cookies),
            },
            bypass_cookies: first([&draft.bypass_cookies, &shared.bypass_cookies], base.bypass_cookies),
            store_if: StoreIf {
                min_body: draft.min_body.unwrap_or(base.store_if.min_body),
                body_not: draft.body_not.clone().unwrap_or(base.store_if.body_not),
                content_type: draft.content_type.clone().unwrap_or(base.store_if.content_type),
            },
        }
    }

    /// What holds for a route and for `defaults` alike: said once, where it is written.
    pub(super) fn check(&self, draft: &RuleDraft, report: &mut Report<'_>) {
        if let Some(At { value: OriginHeaders::Override, place, .. }) = draft.origin_headers {
            let message = "`override` stores what the origin says not to store, `private` and `no-store` included";
            report.warn(place, message, "be sure that no answer here is meant for one user");
        }
        if let Some(At { value: BypassGate::Token, place, .. }) = draft.bypass_allow
            && !self.has_token
        {
            let message = "`allow: token` means the admin token, and there is none";
            report.error(place, message, "set `admin.token` or `LARDER_ADMIN_TOKEN`");
        }
    }
}

/// The first that is said.
fn first<V: Clone>(said: [&Option<V>; 2], otherwise: V) -> V {
    said.into_iter().flatten().next().cloned().unwrap_or(otherwise)
}

fn lifetime(at: &At<Lifetime>, classes: &[(String, Duration)], report: &mut Report<'_>) -> Option<Duration> {
    let name = match &at.value {
        Lifetime::For(duration) => return Some(*duration),
        Lifetime::Class(name) => name,
    };
    if let Some((_, duration)) = classes.iter().find(|(class, _)| class == name) {
        return Some(*duration);
    }
    let known = classes.iter().map(|(class, _)| class.as_str());
    let hint = match spelling::nearest(name, known.clone()) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => format!("classes: {}", known.map(|class| format!("`{class}`")).collect::<Vec<_>>().join(", ")),
    };
    report.error(at.place, "this `ttl` is neither a duration such as 90s nor a class", hint);
    None
}

/// The classes of the file over the ones that are always there.
pub(super) fn classes(own: &[(String, Duration)]) -> Vec<(String, Duration)> {
    let redefined = |name: &str| own.iter().any(|(class, _)| class == name);
    let kept = CLASSES.iter().filter(|(name, _)| !redefined(name));
    kept.map(|(name, secs)| ((*name).to_owned(), Duration::from_secs(*secs))).chain(own.iter().cloned()).collect()
}

fn warn_of_clamp(ttl: Duration, max: Duration, place: super::source::Place, report: &mut Report<'_>) {
    if ttl > max {
        let message = "this `ttl` is longer than `max_ttl`, which cuts it short";
        report.warn(place, message, "lower it, or raise `max_ttl`");
    }
}

fn query(draft: &RuleDraft, report: &mut Report<'_>) -> QueryFilter {
    match (&draft.query_include, &draft.query_exclude) {
        (None, None) => QueryFilter::All,
        (Some(include), None) => QueryFilter::Include(include.value.clone()),
        (None, Some(exclude)) => QueryFilter::Exclude(exclude.value.clone()),
        (Some(_), Some(exclude)) => {
            report.error(exclude.place, "`include` and `exclude` in one `query`", "what is not included is excluded");
            QueryFilter::All
        }
    }
}

fn labelled(mut rule: Rule, draft: &RuleDraft, path: &At<Pattern>, report: &mut Report<'_>) -> Option<Rule> {
    if let Some(category) = &draft.category {
        rule = rule.category(Category::new(category.as_str()));
    }
    for tag in &draft.tags {
        match Target::tag(&tag.value, &path.value) {
            Ok(_) => rule = rule.tag(&tag.value).ok()?,
            Err(error) => refused(tag, path, error, report),
        }
    }
    Some(rule)
}

fn clearing(mut rule: Rule, draft: &RuleDraft, path: &At<Pattern>, report: &mut Report<'_>) -> Option<Rule> {
    for (method, targets) in &draft.invalidate {
        let mut usable = Vec::with_capacity(targets.len());
        for target in targets {
            let (at, parsed) = match target {
                TargetDraft::Key(at) => (at, Target::key(&at.value, &path.value)),
                TargetDraft::Tag(at) => (at, Target::tag(&at.value, &path.value)),
            };
            match parsed {
                Ok(target) => usable.push(target),
                Err(error) => refused(at, path, error, report),
            }
        }
        rule = rule.invalidates_targets(method.as_str(), usable).ok()?;
    }
    Some(rule)
}

/// A tag or a target that the route cannot use.
fn refused(at: &At<String>, path: &At<Pattern>, error: RouteError, report: &mut Report<'_>) {
    let pattern = &path.value;
    match error {
        RouteError::Unbound { name, .. } => {
            let place = report.part(at.place, &format!("{{{name}}}"));
            let bound: Vec<_> = pattern.params().map(|param| format!("`{{{param}}}`")).collect();
            let hint = match spelling::nearest(&name, pattern.params()) {
                Some(meant) => format!("did you mean `{{{meant}}}`?"),
                None if bound.is_empty() => "the path binds no parameters".to_owned(),
                None => format!("the path binds {}", bound.join(", ")),
            };
            let name = shown(&format!("{{{name}}}"), at.hidden);
            let pattern = if path.hidden { "the path".to_owned() } else { quoted(pattern.as_str()) };
            report.error(place, format!("{name} is not a parameter of {pattern}"), hint);
        }
        RouteError::Target { text, why } => {
            let rooted = format!("GET:{text}");
            let hint = if text.starts_with('/') && !at.hidden && Target::key(&rooted, pattern).is_ok() {
                format!("did you mean {}?", quoted(&rooted))
            } else {
                format!("{why}; for a tag write `{{ tag: … }}`")
            };
            report.error(
                at.place,
                format!("{} is not a key such as GET:/api/posts/", shown(&at.value, at.hidden)),
                hint,
            );
        }
        _ => report.error(at.place, format!("{} cannot be used here", shown(&at.value, at.hidden)), ""),
    }
}

//! What is stored, how old it is, and whether it may be used.

use std::sync::Arc;

use http::header::HeaderName;
use http::request;

use super::{Question, Step, secs};
use crate::cache::ask::Wanted;
use crate::cache::handle::Core;
use crate::clock::Timestamp;
use crate::entry::{Entry, Meta};
use crate::outcome::Reason;
use crate::policy::{self, Lifetime, LifetimeSource, Lookup, Precondition, RangeAnswer, Reuse};
use crate::route::Rule;
use crate::store::{Inspected, Place, Record, StoreError, VariantId};

/// What the store has for the request.
pub(super) enum Stock {
    Entry(Arc<Entry>),
    Nothing,
    Failure,
    Unasked,
}

impl Stock {
    pub(super) fn entry(&self) -> Option<&Arc<Entry>> {
        match self {
            Self::Entry(entry) => Some(entry),
            Self::Nothing | Self::Failure | Self::Unasked => None,
        }
    }
}

/// Looks at the record, and at the variant that the request selects.
pub(super) async fn look(core: &Core, wanted: &Wanted<'_>, shown: &request::Parts) -> (Stock, Step) {
    let inspected = match core.store.inspect(&wanted.key).wait().await {
        Ok(inspected) => inspected,
        Err(error) => return (Stock::Failure, failed(core, &error)),
    };
    let place = match inspected.place {
        Place::Memory => "memory",
        Place::Shared => "redis",
    };
    let Inspected { record, leased, .. } = inspected;
    let (stock, step) = match record {
        Record::Absent => (Stock::Nothing, Step::new(Question::Lookup, "absent", "Nothing is stored under the key.")),
        Record::Single(entry) => {
            let detail = format!("A {} with {} bytes of body is stored.", entry.meta().status, entry.body().len());
            let step = Step::new(Question::Lookup, "found", detail).with("place", place);
            (Stock::Entry(entry), step)
        }
        Record::Varied { names, variants } => {
            let (stock, step) = varied(&names, variants, shown);
            (stock, step.with("place", place))
        }
    };
    (stock, step.with_some("leased", leased.then_some(true)))
}

fn failed(core: &Core, error: &StoreError) -> Step {
    let then = if core.refuses_without_store() {
        "the request is answered with 502 (`redis.on_error: error`)"
    } else {
        "the request goes to the upstream"
    };
    Step::new(Question::Lookup, "failed", format!("{error}: {then}.")).with("reason", error.reason().token())
}

fn varied(names: &[HeaderName], variants: Vec<(VariantId, Arc<Entry>)>, shown: &request::Parts) -> (Stock, Step) {
    let id = policy::variant_id(names, &shown.headers);
    let described = |selecting: &[(HeaderName, Option<String>)]| {
        let fields = selecting.iter().map(|(name, value)| match value {
            Some(value) => format!("{name}: {value}"),
            None => format!("no {name}"),
        });
        fields.collect::<Vec<_>>().join(", ")
    };
    let asked_for = described(&policy::selecting(names, &shown.headers));
    let stored: Vec<_> = variants.iter().map(|(_, entry)| described(&entry.meta().selecting)).collect();
    let count = stored.len();
    let listed = names.iter().map(ToString::to_string).collect::<Vec<_>>();
    let (stock, outcome, detail) = match variants.into_iter().find(|(other, _)| *other == id) {
        Some((_, entry)) => {
            (Stock::Entry(entry), "variant-found", format!("One of {count} variants is for `{asked_for}`."))
        }
        None => (Stock::Nothing, "variant-absent", format!("None of {count} variants is for `{asked_for}`.")),
    };
    let step = Step::new(Question::Lookup, outcome, detail);
    (stock, step.with("varies_on", listed).with("asks_for", asked_for).with("variants", stored))
}

/// Judges what is stored; says how old it is, and whether it may be used.
pub(super) fn judge(core: &Core, wanted: &Wanted<'_>, lookup: &Lookup, entry: &Entry, steps: &mut Vec<Step>) -> Reuse {
    let now = core.clock.now();
    steps.push(freshness(entry, wanted.rule, now));
    let reuse = policy::reuse(lookup, entry.meta(), now);
    let (outcome, reason) = match reuse {
        Reuse::Serve => ("serve", None),
        Reuse::ServeStale(reason) => ("serve-stale", Some(reason)),
        Reuse::Validate(reason) => ("validate", Some(reason)),
        Reuse::Fetch(reason) => ("fetch", Some(reason)),
    };
    let mut detail = reason.map_or("It is fresh and answers the request.", Reason::sentence).to_owned();
    if let (Reuse::Validate(_), Some(_)) = (reuse, policy::on_failure(entry.meta(), now)) {
        detail.push_str(" Should the upstream fail, it is served stale.");
    }
    let step = Step::new(Question::Reuse, outcome, detail);
    steps.push(step.with_some("reason", reason.map(Reason::token)));
    reuse
}

/// The arithmetic of RFC 9111 §4.2.
fn freshness(entry: &Entry, rule: &Rule, now: Timestamp) -> Step {
    let meta = entry.meta();
    let (resident, age) = (now.since(meta.received_at), meta.age(now));
    let (outcome, left) = match meta.lifetime.checked_sub(age).filter(|left| !left.is_zero()) {
        Some(left) => ("fresh", format!("fresh for {} more", secs(left))),
        None => ("stale", format!("stale for {}", secs(age.saturating_sub(meta.lifetime)))),
    };
    let judged = policy::lifetime_of(entry, rule.policy());
    let detail = format!(
        "Its age is {} = {} on arrival + {} since; its lifetime is {}, {}: {left}.",
        secs(age),
        secs(meta.initial_age),
        secs(resident),
        secs(meta.lifetime),
        whence(meta, judged, rule),
    );
    Step::new(Question::Freshness, outcome, detail)
        .with("received_at", meta.received_at)
        .with("initial_age", meta.initial_age)
        .with("resident", resident)
        .with("age", age)
        .with("lifetime", meta.lifetime)
        .with_some("lifetime_from", judged.ok().map(|lifetime| token(lifetime.source)))
        .with("stale_while_revalidate", meta.stale_while_revalidate)
        .with("stale_if_error", meta.stale_if_error)
        .with("validator", meta.terms.has_validator)
}

/// Where the lifetime comes from.
fn whence(meta: &Meta, judged: Result<Lifetime, Reason>, rule: &Rule) -> String {
    let lifetime = match judged {
        Ok(lifetime) if lifetime.length == meta.lifetime => lifetime,
        Ok(lifetime) => return format!("given to it when it was stored; today it would be {}", secs(lifetime.length)),
        Err(reason) => {
            return format!("given to it when it was stored; today it would not be stored ({})", reason.token());
        }
    };
    let who = match lifetime.source {
        LifetimeSource::SMaxage => "by the origin's s-maxage",
        LifetimeSource::MaxAge => "by the origin's max-age",
        LifetimeSource::Expires => "by the origin's Expires",
        LifetimeSource::StatusTtl => "by the route's `store_status`, since the origin gives none",
        LifetimeSource::Ttl => "by the route's `ttl`, since the origin gives none",
        LifetimeSource::Override => "by the route's `ttl` over the origin's word, counted from arrival",
        LifetimeSource::Heuristic => "a tenth of the time since Last-Modified",
        LifetimeSource::Nobody => "since neither origin nor route gives any",
    };
    let max_ttl = rule.policy().max_ttl;
    if lifetime.given > max_ttl {
        return format!("{who} ({}), cut by `max_ttl: {}`", secs(lifetime.given), secs(max_ttl));
    }
    if lifetime.length < lifetime.given {
        return format!("{who} ({}), cut by `ttl_jitter`", secs(lifetime.given));
    }
    who.to_owned()
}

fn token(source: LifetimeSource) -> &'static str {
    match source {
        LifetimeSource::SMaxage => "s-maxage",
        LifetimeSource::MaxAge => "max-age",
        LifetimeSource::Expires => "expires",
        LifetimeSource::StatusTtl => "store_status",
        LifetimeSource::Ttl => "ttl",
        LifetimeSource::Override => "override",
        LifetimeSource::Heuristic => "heuristic",
        LifetimeSource::Nobody => "nobody",
    }
}

/// What the request's own conditions, or its range, make of what is stored.
pub(super) fn conditions(lookup: &Lookup, shown: &request::Parts, entry: &Entry) -> Step {
    let (headers, status) = (&shown.headers, entry.meta().status);
    let (outcome, status, detail) = match policy::precondition(headers, status, entry.headers()) {
        Precondition::NotModified => ("not-modified", 304, "The client has it already: it gets a 304.".to_owned()),
        Precondition::Send if lookup.head => ("head", status.as_u16(), "It is sent without its body.".to_owned()),
        Precondition::Send => match policy::range(headers, status, entry.headers(), entry.body().len() as u64) {
            RangeAnswer::Full => ("whole", status.as_u16(), "It is sent whole.".to_owned()),
            RangeAnswer::Part { start, end } => ("part", 206, format!("Its bytes {start} to {end} are sent.")),
            RangeAnswer::Unsatisfiable => ("unsatisfiable", 416, "It has none of the bytes asked for.".to_owned()),
        },
    };
    Step::new(Question::Conditions, outcome, detail).with("status", usize::from(status))
}

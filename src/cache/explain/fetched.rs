//! How the answer is fetched, what the upstream gets to see, and what became of the last answer.

use http::header::HeaderMap;
use http::request;

use super::{Decision, Question, Step, secs};
use crate::cache::ask::Wanted;
use crate::cache::handle::Core;
use crate::cache::way::{self, Circumstances, Way};
use crate::entry::Entry;
use crate::key::Key;
use crate::outcome::Reason;
use crate::policy::{self, Lookup};
use crate::route::Coalesce;

/// How the answer is fetched.
pub(super) fn way(
    core: &Core,
    wanted: &Wanted<'_>,
    lookup: &Lookup,
    shown: &request::Parts,
    stale: bool,
) -> (Way, Step) {
    let uncacheable = core.uncacheable.contains(&wanted.key, core.clock.now());
    let (coalesce, range_fill) = (wanted.rule.coalescing(), wanted.rule.policy().range_fill);
    let around = Circumstances { stale, uncacheable, coalesce, range_fill };
    let way = way::way(lookup, &shown.headers, around);
    let under_way = core.flights.under_way(&wanted.key);
    let (outcome, detail) = match way {
        Way::Nowhere => ("refused", "The client wants what is stored or nothing: it gets a 504.".to_owned()),
        Way::Alone(Some(reason)) => (
            "alone",
            format!("{} The request is passed on for itself alone and its answer not stored.", reason.sentence()),
        ),
        Way::Alone(None) => {
            ("alone", "The last answer could not be stored, so the client's conditions are passed on.".to_owned())
        }
        Way::Confirm => {
            ("alone", "The HEAD is passed on, and its answer tells whether the stored GET still stands.".to_owned())
        }
        Way::Shared if under_way.joinable => ("joins", "A fetch is under way, and the request shares it.".to_owned()),
        Way::Shared => ("leads", "It is fetched, and requests that come meanwhile share it.".to_owned()),
        Way::Apart => ("apart", format!("It is fetched for this request alone: {}.", apart(lookup, around))),
    };
    let step = Step::new(Question::Fetch, outcome, detail).with("under_way", under_way.fetches);
    (way, step.with_some("wait", (outcome == "joins").then(|| wanted.rule.wait())))
}

impl Way {
    /// Whether anything is sent upstream.
    pub(super) fn sends(self) -> bool {
        self != Self::Nowhere
    }
}

fn apart(lookup: &Lookup, around: Circumstances) -> &'static str {
    match () {
        () if around.coalesce == Coalesce::Off => "the route says `coalesce: off`",
        () if lookup.authorized => "it carries credentials",
        () if !lookup.client.is_empty() => "its own Cache-Control counts",
        () => "the last answer could not be shared",
    }
}

/// The refresh that goes on behind an answer that is served stale.
pub(super) fn refresh(core: &Core, key: &Key) -> Step {
    let under_way = core.flights.under_way(key);
    let detail = match under_way.fetches {
        0 => "It is refreshed behind the answer.",
        _ => "A refresh is under way already.",
    };
    Step::new(Question::Fetch, "refresh", detail).with("under_way", under_way.fetches)
}

/// What of the request the upstream gets to see. `None` where the request is passed on with the client's own conditions.
pub(super) fn forwarded(
    request: &request::Parts,
    shown: &request::Parts,
    fetch: Option<(Way, Option<&std::sync::Arc<Entry>>)>,
) -> Step {
    let mut sent = shown.headers.clone();
    let mut asked = HeaderMap::new();
    if let Some((Way::Shared | Way::Apart, stale)) = fetch {
        policy::strip_conditions(&mut sent);
        asked = stale.map(|stale| policy::conditions(stale.headers())).unwrap_or_default();
    }
    let names = |headers: &HeaderMap, keep: &dyn Fn(&http::HeaderName) -> bool| {
        headers.keys().filter(|name| keep(name)).map(ToString::to_string).collect::<Vec<_>>()
    };
    let dropped = names(&request.headers, &|name| !sent.contains_key(name));
    let changed = names(&sent, &|name| {
        request.headers.contains_key(name) && !request.headers.get_all(name).iter().eq(sent.get_all(name).iter())
    });
    let line = shown.uri.to_string();
    let query_changed = shown.uri.query() != request.uri.query();
    let validates = fetch.is_some_and(|(_, stale)| stale.is_some());
    let detail = match (validates, asked.is_empty(), dropped.is_empty() && changed.is_empty() && !query_changed) {
        (true, false, _) => "The upstream is asked whether what is stored is still good.",
        (true, true, _) => "What is stored has no validator: it is fetched anew.",
        (false, _, true) => "The upstream sees the request as it is.",
        (false, _, false) => "The upstream sees only what is part of the key, or what its Vary may name.",
    };
    let outcome = match (validates && !asked.is_empty(), dropped.is_empty() && changed.is_empty() && !query_changed) {
        (true, _) => "validates",
        (false, true) => "as-it-is",
        (false, false) => "changed",
    };
    Step::new(Question::Forward, outcome, detail)
        .with("target", line)
        .with_any("dropped", dropped)
        .with_any("changed", changed)
        .with_any("conditions", names(&asked, &|_| true))
}

/// Why the last answer was not stored, where anybody remembers.
pub(super) fn last_answer(core: &Core, key: &Key, decision: Decision) -> Option<Step> {
    let Some(refusal) = core.uncacheable.last(key) else {
        let asks_for_it = matches!(decision, Decision::Miss | Decision::Revalidate);
        let detail = "This process remembers no answer under the key that was not stored.";
        return asks_for_it.then(|| Step::new(Question::LastAnswer, "none", detail));
    };
    let now = core.clock.now();
    let ago = now.since(refusal.at);
    let what = match refusal.reason {
        Reason::MustValidate | Reason::Stale => "is validated before every use",
        _ => "was not stored",
    };
    let detail = format!("The last answer, {} ago, {what}: {}", secs(ago), refusal.reason.sentence());
    let step = Step::new(Question::LastAnswer, refusal.reason.token(), detail).with("ago", ago);
    Some(step.with("shared", !core.uncacheable.contains(key, now)))
}

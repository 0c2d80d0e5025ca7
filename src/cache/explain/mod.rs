//! Why a request would be answered as it would be, step by step.
//!
//! An explanation asks the questions that a request asks, of the same functions, and changes nothing: it counts nothing,
//! makes no record likelier to stay, takes no lease and sends nothing upstream. It is true of the moment, and of this
//! process: another may hold other copies, and remember other refusals.
//!
//! ```
//! # #[cfg(feature = "memory")] {
//! # use std::time::Duration;
//! # use larder::cache::{Cache, ForwardedProto, explain::Decision};
//! # use larder::route::{Rule, Table};
//! # use larder::store::MemoryStore;
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! let posts = Rule::new("/api/posts/")?.ttl(Duration::from_secs(90));
//! let cache = Cache::builder(Table::builder().route(posts).build()?, MemoryStore::new(1 << 20)).build();
//! let (request, ()) = http::Request::get("/api/posts/?page=2&nocache=no").body(()).unwrap().into_parts();
//!
//! let explanation = cache.explain(&request, ForwardedProto::default()).await;
//! assert_eq!(explanation.decision, Decision::Miss);
//! assert_eq!(explanation.key.unwrap().as_str(), "GET:/api/posts/?page=2");
//! # Ok::<(), larder::route::RouteError>(())
//! # }).unwrap();
//! # }
//! ```

mod asked;
mod clearing;
mod fetched;
mod stored;

use std::time::Duration;

use http::request;

use super::ask::{self, Ask, Wanted};
use super::handle::{Cache, Core};
use super::keyed::ForwardedProto;
use super::way::Way;
use crate::clock::Timestamp;
use crate::key::Key;
use crate::outcome::Reason;
use crate::policy::{Lookup, Reuse};
use crate::route::Table;
use stored::Stock;

/// Why a request would be answered as it would be.
#[derive(Clone, Debug, PartialEq)]
pub struct Explanation {
    /// What would become of it.
    pub decision: Decision,
    /// The key it asks for, when it has one.
    pub key: Option<Key>,
    /// The pattern of its route, when it has one.
    pub route: Option<String>,
    /// Every question that was asked of it, in order.
    pub steps: Vec<Step>,
}

/// What would become of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Decision {
    /// Answered from the store.
    Hit,
    /// Answered from the store although what is stored is stale.
    Stale,
    /// Sent upstream because what is stored may not be used as it is.
    Revalidate,
    /// Sent upstream because nothing stored answers it, or sharing the answer of who asked before.
    Miss,
    /// Sent upstream past the store, though its route is cached.
    Bypass,
    /// Sent upstream: it is none of the cache's business.
    Pass,
    /// Answered with an error.
    Refused,
    /// Looked up; what comes of it depends on the store, which was not asked.
    Unknown,
}

/// One question and its answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// What was asked.
    pub step: Question,
    /// The answer, in a word.
    pub outcome: &'static str,
    /// The answer, in a sentence.
    pub detail: String,
    /// What the sentence rests on, by name.
    pub facts: Vec<(&'static str, Fact)>,
}

/// What is asked of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Question {
    /// Does it get as far as the cache?
    Edge,
    /// Does its method read or write?
    Method,
    /// Which route is it under?
    Route,
    /// Is that route cached?
    Cached,
    /// Is its path one that everybody reads alike?
    Path,
    /// Which key does it ask for?
    Key,
    /// Does it ask to bypass the cache?
    Bypass,
    /// Does anything else about it forbid a lookup?
    Plan,
    /// What is stored?
    Lookup,
    /// How old is that, and how old may it become?
    Freshness,
    /// May it be used?
    Reuse,
    /// Does the client have it already, or want a part?
    Conditions,
    /// How is the answer fetched?
    Fetch,
    /// What does the upstream get to see?
    Forward,
    /// Why was the last answer not stored?
    LastAnswer,
    /// What clears it?
    Clearing,
}

/// Something that a step rests on.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Fact {
    /// A text.
    Text(String),
    /// A number of things.
    Count(u64),
    /// A time, in seconds.
    Seconds(f64),
    /// A moment.
    Instant(Timestamp),
    /// A yes or no.
    Flag(bool),
    /// Several texts.
    List(Vec<String>),
}

impl Decision {
    /// The one word for it.
    pub const fn token(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Stale => "stale",
            Self::Revalidate => "revalidate",
            Self::Miss => "miss",
            Self::Bypass => "bypass",
            Self::Pass => "pass",
            Self::Refused => "refused",
            Self::Unknown => "unknown",
        }
    }
}

impl Question {
    /// The one word for it.
    pub const fn token(self) -> &'static str {
        match self {
            Self::Edge => "edge",
            Self::Method => "method",
            Self::Route => "route",
            Self::Cached => "cached",
            Self::Path => "path",
            Self::Key => "key",
            Self::Bypass => "bypass",
            Self::Plan => "plan",
            Self::Lookup => "lookup",
            Self::Freshness => "freshness",
            Self::Reuse => "reuse",
            Self::Conditions => "conditions",
            Self::Fetch => "fetch",
            Self::Forward => "forward",
            Self::LastAnswer => "last-answer",
            Self::Clearing => "clearing",
        }
    }
}

impl Step {
    /// An answer without facts.
    pub fn new(step: Question, outcome: &'static str, detail: impl Into<String>) -> Self {
        Self { step, outcome, detail: detail.into(), facts: Vec::new() }
    }

    /// The same with one fact more.
    #[must_use]
    pub fn with(mut self, name: &'static str, fact: impl Into<Fact>) -> Self {
        self.facts.push((name, fact.into()));
        self
    }

    /// The same with one fact more, where there is one.
    fn with_some(self, name: &'static str, fact: Option<impl Into<Fact>>) -> Self {
        match fact {
            Some(fact) => self.with(name, fact),
            None => self,
        }
    }

    /// The same with one fact more, unless there is nothing in it.
    fn with_any(self, name: &'static str, list: Vec<String>) -> Self {
        if list.is_empty() { self } else { self.with(name, list) }
    }
}

impl From<String> for Fact {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<&str> for Fact {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<usize> for Fact {
    fn from(count: usize) -> Self {
        Self::Count(count as u64)
    }
}

impl From<Duration> for Fact {
    fn from(time: Duration) -> Self {
        Self::Seconds(time.as_secs_f64())
    }
}

impl From<Timestamp> for Fact {
    fn from(moment: Timestamp) -> Self {
        Self::Instant(moment)
    }
}

impl From<bool> for Fact {
    fn from(flag: bool) -> Self {
        Self::Flag(flag)
    }
}

impl From<Vec<String>> for Fact {
    fn from(list: Vec<String>) -> Self {
        Self::List(list)
    }
}

impl Cache {
    /// Explains what would become of this request, which has no body, if it came now to a layer that was told so of
    /// `X-Forwarded-Proto`. It is the request as the layer would get it: a proxy that stands before it has had its say.
    pub async fn explain(&self, request: &request::Parts, proto: ForwardedProto) -> Explanation {
        explain(&self.core, request, proto, true).await
    }

    /// The same from the routes alone, without a look at what is stored.
    pub async fn explain_routes(&self, request: &request::Parts, proto: ForwardedProto) -> Explanation {
        explain(&self.core, request, proto, false).await
    }
}

async fn explain(core: &Core, request: &request::Parts, proto: ForwardedProto, look: bool) -> Explanation {
    let table = core.table.load_full();
    let path = request.uri.path();
    let route = table.find(path).map(|matched| matched.rule().pattern().as_str().to_owned());
    let mut steps = asked::steps(core, &table, proto, request);
    let told = |decision, key, steps| Explanation { decision, key, route, steps };
    match ask::examine(core, &table, proto, request, true) {
        Ask::Refuse(_) => told(Decision::Refused, None, steps),
        Ask::Write => {
            steps.push(clearing::by(&table, request));
            told(Decision::Pass, None, steps)
        }
        Ask::Content(_) => told(Decision::Unknown, None, steps),
        Ask::Pass(_) => told(Decision::Pass, None, steps),
        Ask::Bypass(wanted, _) => {
            let shown = shown(&table, &wanted, request);
            steps.push(fetched::forwarded(request, &shown, None));
            told(Decision::Bypass, Some(wanted.key), steps)
        }
        Ask::Lookup(wanted, lookup) => {
            let decision = looked_up(core, &table, request, (&wanted, &lookup), look, &mut steps).await;
            told(decision, Some(wanted.key), steps)
        }
    }
}

/// The steps of a request that is looked up.
async fn looked_up(
    core: &Core,
    table: &Table,
    request: &request::Parts,
    (wanted, lookup): (&Wanted<'_>, &Lookup),
    look: bool,
    steps: &mut Vec<Step>,
) -> Decision {
    let shown = shown(table, wanted, request);
    let (stock, step) = if look {
        stored::look(core, wanted, &shown).await
    } else {
        (Stock::Unasked, Step::new(Question::Lookup, "not-asked", "The store was not asked."))
    };
    steps.push(step);
    let reuse = stock.entry().map(|entry| stored::judge(core, wanted, lookup, entry, steps));
    let decision = match (&stock, reuse) {
        (Stock::Unasked, _) => Decision::Unknown,
        (Stock::Failure, _) if core.refuses_without_store() => Decision::Refused,
        (Stock::Nothing | Stock::Failure, _) | (_, None) => Decision::Miss,
        (_, Some(Reuse::Serve)) => Decision::Hit,
        (_, Some(Reuse::ServeStale(_))) => Decision::Stale,
        (_, Some(Reuse::Validate(_))) => Decision::Revalidate,
        (_, Some(Reuse::Fetch(_))) => Decision::Bypass,
    };
    let decision = match (decision, stock.entry()) {
        (Decision::Hit | Decision::Stale, Some(entry)) => {
            steps.push(stored::conditions(lookup, &shown, entry));
            if reuse == Some(Reuse::ServeStale(Reason::StaleWhileRevalidate)) {
                steps.push(fetched::refresh(core, &wanted.key));
            }
            decision
        }
        (Decision::Refused | Decision::Unknown, _) => decision,
        (_, entry) => {
            let stale = entry.filter(|_| decision == Decision::Revalidate);
            let (way, step) = fetched::way(core, wanted, lookup, &shown, stale.is_some());
            steps.push(step);
            if way.sends() {
                steps.push(fetched::forwarded(request, &shown, Some((way, stale))));
            }
            match way {
                Way::Nowhere => Decision::Refused,
                // An answer for all is the exception, and the origin's to make (RFC 9111 §3.5).
                Way::Apart if lookup.authorized && decision == Decision::Miss => Decision::Bypass,
                _ => decision,
            }
        }
    };
    steps.extend(fetched::last_answer(core, &wanted.key, decision));
    steps.push(clearing::of(table, wanted, stock.entry()));
    decision
}

/// The request as the upstream may see it, and as variants are chosen by it.
fn shown(table: &Table, wanted: &Wanted<'_>, request: &request::Parts) -> request::Parts {
    let mut shown = request.clone();
    ask::show_only_keyed(&mut shown, table, wanted.rule, &wanted.key);
    shown
}

/// A time as people say it: `90 s`, `0.25 s`.
fn secs(time: Duration) -> String {
    let millis = time.subsec_millis();
    match millis {
        0 => format!("{} s", time.as_secs()),
        _ => format!("{}.{} s", time.as_secs(), format!("{millis:03}").trim_end_matches('0')),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_said_in_seconds() {
        for (millis, said) in [(0, "0 s"), (90_000, "90 s"), (250, "0.25 s"), (1_005, "1.005 s")] {
            assert_eq!(secs(Duration::from_millis(millis)), said);
        }
    }
}

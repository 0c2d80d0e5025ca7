//! Answers to POST that are stored for GET (RFC 9110 §9.3.3).
//!
//! A write clears what it changed before its client sees the answer, and what it answers may then be stored. Between the
//! beginning of the write and its own clearing another write may be acknowledged, and clear the same: the answer may have
//! been made before. So the right to store is taken **before the write is sent**, as a fetch takes it, and ended by every
//! invalidation but the write's own.

use std::sync::Arc;

use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, EXPECT, TRANSFER_ENCODING};
use http::{Method, Request, Response, StatusCode, request};
use http_body::Body as HttpBody;
use tower::ServiceExt as _;
use tower_service::Service;

use super::ask::{self, Ask};
use super::body::Body;
use super::clear::Write;
use super::content::Content;
use super::fetch::Errand;
use super::fill::{Fetched, Fill, Landed, Reader};
use super::flight::{Base, Boarding};
use super::service::own;
use super::{ResponseBody, lease, respond};
use crate::key::Key;
use crate::outcome::{Forward, Outcome, Reason};
use crate::policy::{self, Lookup, Times};
use crate::route::{Routing, Rule};
use crate::store::{Claim, Labels};

/// Where the answer to a POST may be stored.
pub(super) struct Place {
    rule: Arc<Rule>,
    key: Key,
    lookup: Lookup,
    /// The GET that it would answer.
    get: Arc<request::Parts>,
}

impl Write {
    /// Where the answer may be stored, on a route that says so. The request then shows only what is keyed; one whose
    /// query is not the keyed one, byte for byte, is left as it is and has no place.
    pub(super) fn place<B>(&self, request: &mut Request<B>) -> Option<Place> {
        if self.method != Method::POST || !self.table.is_enabled() {
            return None;
        }
        match self.table.routing(&self.path) {
            Routing::Rule(rule) if rule.is_cached() && rule.policy().store_post => {}
            _ => return None,
        }
        let (mut get, ()) = Request::new(()).into_parts();
        (get.uri, get.version, get.headers) = (request.uri().clone(), request.version(), request.headers().clone());
        for field in [CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, EXPECT, TRANSFER_ENCODING] {
            get.headers.remove(field);
        }
        let Ask::Lookup(wanted, lookup) = ask::examine(&self.core, &self.table, self.proto, &get, true) else {
            return None;
        };
        if get.uri.query() != wanted.key.query() {
            return None;
        }
        ask::show_only_keyed(&mut get, &self.table, wanted.rule, &wanted.key);
        let mut shown = get.headers.clone();
        for field in [CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, EXPECT, TRANSFER_ENCODING] {
            request.headers().get_all(&field).iter().for_each(|line| {
                shown.append(&field, line.clone());
            });
        }
        *request.headers_mut() = shown;
        *request.uri_mut() = get.uri.clone();
        Some(Place { rule: wanted.rule.clone(), key: wanted.key, lookup, get: Arc::new(get) })
    }

    /// Sends a POST, clears what it changed, and stores its answer where that says that it stands for a GET.
    pub(super) async fn post<S, B, RB>(
        self,
        place: Place,
        inner: S,
        request: Request<B>,
    ) -> Result<Response<Body<RB, S::Error>>, S::Error>
    where
        S: Service<Request<B>, Response = Response<RB>> + Clone + Send + Sync + 'static,
        S::Future: Send,
        S::Error: Send + 'static,
        B: HttpBody + Default + Send + 'static,
        RB: ResponseBody,
    {
        let (core, signs, key) = (self.core.clone(), self.signs, place.key.clone());
        let mut waiting = Some((self, place, inner, request));
        let landed = core.flights.landed(&key);
        let boarding = core.flights.board(&key, false, &[], landed, |id, _| {
            let labels = waiting
                .as_ref()
                .map_or_else(Labels::default, |(write, place, ..)| lease::labels(&place.rule, &write.path));
            let base = Base::new(id, key.clone(), labels.clone(), false);
            let work = waiting.take().map(|(write, place, inner, request)| {
                let errand = Errand {
                    core: core.clone(),
                    inner,
                    rule: place.rule,
                    key: place.key,
                    tags: labels.tags.clone(),
                    labels,
                    fence: base.fence.clone(),
                    late: base.late.clone(),
                    lookup: place.lookup,
                    parts: place.get,
                    stale: None,
                    ahead: false,
                    again: false,
                    shared: false,
                    waits: false,
                    content: Content::none(),
                };
                send(errand, write, id, request)
            });
            let lost = async { std::future::pending().await };
            Fill::new(base, core.clone(), work.map_or_else(|| Box::pin(lost) as _, |work| Box::pin(work) as _))
        });
        let sent = Outcome::forwarded(Forward::Method);
        let mut reader = match (boarding, waiting) {
            (Boarding::Lead(fill) | Boarding::Join(fill), _) => Reader::new(fill, true),
            (Boarding::Full, Some((write, _, inner, request))) => {
                return write.carry_out(inner.oneshot(request)).await;
            }
            (Boarding::Full, None) => {
                return Ok(respond::refusal(StatusCode::BAD_GATEWAY, "the request was lost", Reason::Saturated));
            }
        };
        match reader.head().await {
            Landed::Shared(shown) => {
                let mut answer = Response::new(Body::shared(reader, shown.content_length));
                (*answer.status_mut(), *answer.version_mut()) = (shown.status, shown.version);
                (*answer.headers_mut(), *answer.extensions_mut()) = shown.for_leader();
                signs.write(answer.headers_mut(), &Outcome { stored: shown.is_being_stored(), ..sent }, None);
                Ok(answer)
            }
            Landed::Mine(Ok(response), reason) => Ok(own(response, signs, Outcome { detail: Some(reason), ..sent })),
            Landed::Mine(Err(error), _) => Err(error),
            Landed::Fallen(panic) => std::panic::resume_unwind(panic),
            // A write answers nobody else and is answered by nothing stored.
            Landed::Stored(..) | Landed::Released(_) => {
                Ok(respond::refusal(StatusCode::BAD_GATEWAY, "the answer was lost", Reason::LeaderFailed))
            }
        }
    }
}

/// Sends the write under a lease that its own clearing leaves alone.
async fn send<S, B, RB>(errand: Errand<S, B>, write: Write, flight: u64, request: Request<B>) -> Fetched<RB, S::Error>
where
    S: Service<Request<B>, Response = Response<RB>> + Clone + Send,
    S::Future: Send,
    S::Error: Send + 'static,
    B: Default + Send,
    RB: ResponseBody,
{
    let core = write.core.clone();
    let asked = lease::ask(&core, &errand.key, &errand.labels, &errand.fence, Claim::Yielding).await;
    let lease = asked.map_err(|error| error.reason()).and_then(|asked| asked.at_once().ok_or(Reason::LeaseLost));
    let target = request.uri().path_and_query().map_or_else(String::new, |target| target.as_str().to_owned());
    let requested_at = core.clock.now();
    let answer = errand.inner.clone().oneshot(request).await;
    let times = Times { requested_at, received_at: core.clock.now() };
    let (parts, body) = match answer {
        Ok(answer) => answer.into_parts(),
        Err(error) => return Fetched::Hand(Err(error), Reason::LeaderFailed),
    };
    let stands = policy::stands_for_get(&target, &write.hosts(), &parts, times, errand.rule.policy());
    match (&stands, &lease) {
        (Ok(()), Ok(lease)) => write.clear_around(&parts, flight, lease).await,
        _ => write.clear(&parts).await,
    }
    let response = Response::from_parts(parts, body);
    match stands {
        Ok(()) => errand.admit(response, times, lease, None),
        Err(reason) => Fetched::Hand(Ok(response), reason),
    }
}

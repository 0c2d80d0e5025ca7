//! What a request is answered with: a response that is read as it arrives, or one that is stored; all of it or a part.

use http::header::{CONTENT_LENGTH, HeaderMap, HeaderValue, TRAILER};
use http::{Extensions, Method, Request, Response, StatusCode};
use http_body::Body as HttpBody;
use tower_service::Service;

use super::body::Body;
use super::fill::{Reader, Shown};
use super::flow::Flow;
use super::respond::{self, Reply as Answer};
use super::{ResponseBody, background};
use crate::entry::Entry;
use crate::outcome::{Outcome, Reason};
use crate::policy::{self, Precondition, RangeAnswer};

impl<S, B, RB> Flow<S, B>
where
    S: Service<Request<B>, Response = Response<RB>> + Clone + Send + Sync + 'static,
    S::Future: Send,
    S::Error: Send + 'static,
    B: HttpBody + Default + Send + 'static,
    RB: ResponseBody,
{
    /// A response that is read as it arrives.
    pub(super) fn share(
        &self,
        reader: Reader<RB, S::Error>,
        shown: &Shown,
        outcome: Outcome,
        leads: bool,
    ) -> Response<Body<RB, S::Error>> {
        self.count(&outcome);
        let mut answer = match policy::precondition(&self.parts.headers, shown.status, &shown.shared) {
            Precondition::NotModified => {
                // The client needs only the head, but what was fetched for it is worth keeping.
                background::drain(&self.core, reader);
                respond::not_modified(&shown.shared)
            }
            Precondition::Send => {
                let fields = if leads {
                    shown.for_leader()
                } else {
                    (shown.for_follower(self.core.clock.now()), Extensions::new())
                };
                self.share_body(reader, shown, fields)
            }
        };
        if answer.status() == StatusCode::NOT_MODIFIED {
            answer.headers_mut().remove(CONTENT_LENGTH);
        }
        self.signs.write(answer.headers_mut(), &outcome, Some(&self.key));
        answer
    }

    /// A shared body, or the part of it that the request asks for: then the rest is read for nobody, to be stored.
    fn share_body(
        &self,
        reader: Reader<RB, S::Error>,
        shown: &Shown,
        (fields, extensions): (HeaderMap, Extensions),
    ) -> Response<Body<RB, S::Error>> {
        let length = shown.content_length.unwrap_or_default();
        let part = policy::range(&self.parts.headers, shown.status, &fields, length);
        if part == RangeAnswer::Unsatisfiable {
            background::drain(&self.core, reader);
            return respond::unsatisfiable(&shown.shared, length);
        }
        let body = match part {
            RangeAnswer::Part { start, end } => {
                background::drain(&self.core, reader.beside());
                Body::part(reader, start, end - start + 1)
            }
            _ => Body::shared(reader, shown.content_length),
        };
        let mut answer = Response::new(body);
        *answer.status_mut() = shown.status;
        *answer.version_mut() = shown.version;
        (*answer.headers_mut(), *answer.extensions_mut()) = (fields, extensions);
        if let RangeAnswer::Part { start, end } = part {
            respond::partial(&mut answer, start, end, length);
            answer.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(end - start + 1));
            answer.headers_mut().remove(TRAILER);
        }
        answer
    }

    /// A stored response, fresh or, for a reason, stale.
    pub(super) fn serve(&self, entry: &Entry, stale: Option<Reason>) -> Response<Body<RB, S::Error>> {
        let ttl = entry.meta().ttl_secs(self.core.clock.now());
        self.served(entry, stale.map_or(Outcome::hit(ttl), |reason| Outcome::stale(ttl, reason)))
    }

    pub(super) fn served(&self, entry: &Entry, outcome: Outcome) -> Response<Body<RB, S::Error>> {
        self.count(&outcome);
        let now = self.core.clock.now();
        let answer = Answer {
            request: &self.parts.headers,
            head: self.parts.method == Method::HEAD,
            plain: self.lookup.plain,
            signs: self.signs,
            key: &self.key,
            now,
        };
        answer.with_entry(entry, &outcome)
    }
}

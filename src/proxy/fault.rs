//! What went wrong between larder and the upstream, and the answer the client gets for it.

use std::error::Error;

use http::{Response, StatusCode};
use hyper_util::client::legacy::Error as ClientError;

use super::answer::answer;
use super::body::Body;
use super::connect::{ConnectError, Used};
use crate::outcome::{Fault, Reason};

/// Why there is no answer from the upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// The upstream's doing.
    Upstream(Reason),
    /// A connection that lay idle was closed by the upstream before it could answer.
    Idle,
    /// The client's request broke off.
    Request,
}

impl Failure {
    pub(super) fn of(error: &ClientError) -> Self {
        if let Some(connect) = find::<ConnectError>(error) {
            return Self::Upstream(match connect {
                ConnectError::Timeout => Reason::ConnectTimeout,
                ConnectError::Failed(_) => Reason::ConnectFailed,
            });
        }
        match find::<hyper::Error>(error) {
            Some(protocol) if protocol.is_parse() => Self::Upstream(Reason::UpstreamGarbage),
            Some(protocol) if protocol.is_user() => Self::Request,
            _ if error.is_connect() => Self::Upstream(Reason::ConnectFailed),
            _ if error.connect_info().is_some_and(Used::is_marked) => Self::Idle,
            _ => Self::Upstream(Reason::UpstreamClosed),
        }
    }

    /// The answer for the client. Of the upstream it says no more than the kind of failure.
    pub(super) fn answer(self) -> Response<Body> {
        let reason = match self {
            Self::Upstream(reason) => reason,
            Self::Idle => Reason::UpstreamClosed,
            Self::Request => {
                let detail = "The request ended before it was complete.";
                return answer(StatusCode::BAD_REQUEST, "incomplete-request", detail, Body::own);
            }
        };
        let status = match reason {
            Reason::ConnectTimeout | Reason::UpstreamTimeout => StatusCode::GATEWAY_TIMEOUT,
            _ => StatusCode::BAD_GATEWAY,
        };
        let mut response = answer(status, reason.token(), reason.sentence(), Body::own);
        response.extensions_mut().insert(Fault(reason));
        response
    }
}

fn find<'e, E: Error + 'static>(error: &'e (dyn Error + 'static)) -> Option<&'e E> {
    std::iter::successors(Some(error), |&error| error.source()).find_map(|error| error.downcast_ref())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_has_its_status() {
        for (failure, status) in [
            (Failure::Upstream(Reason::ConnectFailed), 502),
            (Failure::Upstream(Reason::ConnectTimeout), 504),
            (Failure::Upstream(Reason::UpstreamTimeout), 504),
            (Failure::Upstream(Reason::UpstreamClosed), 502),
            (Failure::Upstream(Reason::UpstreamGarbage), 502),
            (Failure::Upstream(Reason::UpstreamCoding), 502),
            (Failure::Idle, 502),
            (Failure::Request, 400),
        ] {
            assert_eq!(failure.answer().status(), status, "{failure:?}");
        }
    }

    #[test]
    fn a_failure_of_the_upstream_is_marked_as_one() {
        let response = Failure::Idle.answer();
        assert_eq!(response.extensions().get(), Some(&Fault(Reason::UpstreamClosed)));
        assert_eq!(Failure::Request.answer().extensions().get::<Fault>(), None);
    }
}

//! What a status means for storing a response.

use std::time::Duration;

use http::StatusCode;

use super::StoreStatus;
use crate::outcome::Reason;

/// How a status may be stored on a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Standing {
    /// The lifetime that the route gives this status alone.
    pub(super) ttl: Option<Duration>,
    /// Whether the route's `ttl` applies to it: the operator named it, or it keeps without being told to.
    pub(super) takes_ttl: bool,
    /// Whether it may be kept without explicit freshness (RFC 9110 §15.1).
    pub(super) heuristic: bool,
}

/// Decides whether a status is stored.
pub(super) fn standing(status: StatusCode, stored: &StoreStatus) -> Result<Standing, Reason> {
    if status == StatusCode::PARTIAL_CONTENT {
        return Err(Reason::Partial);
    }
    if status.is_informational() || status == StatusCode::NOT_MODIFIED {
        return Err(Reason::Status);
    }
    let heuristic = is_heuristically_cacheable(status);
    match stored {
        StoreStatus::Cacheable => Ok(Standing { ttl: None, takes_ttl: heuristic, heuristic }),
        StoreStatus::Listed(listed) => {
            let (_, ttl) = listed.iter().find(|(listed, _)| *listed == status).ok_or(Reason::Status)?;
            Ok(Standing { ttl: *ttl, takes_ttl: true, heuristic })
        }
    }
}

/// RFC 9110 §15.1, without 206.
fn is_heuristically_cacheable(status: StatusCode) -> bool {
    matches!(status.as_u16(), 200 | 203 | 204 | 300 | 301 | 308 | 404 | 405 | 410 | 414 | 501)
}

/// Whether this cache knows what the status asks of caches (RFC 9111 §5.2.2.3): the registered ones of RFC 9110 do, and
/// of those, 206 and 304 ask for what is not done here.
pub(super) fn is_understood(status: StatusCode) -> bool {
    matches!(status.as_u16(), 200..=205 | 300..=303 | 305 | 307 | 308 | 400..=417 | 421 | 422 | 426 | 500..=505)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(status: u16) -> StatusCode {
        StatusCode::from_u16(status).unwrap()
    }

    #[test]
    fn heuristically_cacheable_of_rfc_9110_15_1() {
        let all: Vec<u16> = (100..1000).filter(|status| is_heuristically_cacheable(code(*status))).collect();
        assert_eq!(all, [200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501]);
    }

    #[test]
    fn no_setting_stores_a_part_or_a_304() {
        let listed = StoreStatus::Listed([100, 206, 304].map(|status| (code(status), None)).to_vec());
        for stored in [listed, StoreStatus::Cacheable] {
            assert_eq!(standing(code(206), &stored), Err(Reason::Partial));
            assert_eq!(standing(code(304), &stored), Err(Reason::Status));
            assert_eq!(standing(code(100), &stored), Err(Reason::Status));
        }
    }

    #[test]
    fn a_listed_status_brings_its_own_lifetime() {
        let ttl = Some(Duration::from_secs(10));
        let stored = StoreStatus::Listed(vec![(code(200), None), (code(503), ttl)]);
        assert_eq!(standing(code(200), &stored), Ok(Standing { ttl: None, takes_ttl: true, heuristic: true }));
        assert_eq!(standing(code(503), &stored), Ok(Standing { ttl, takes_ttl: true, heuristic: false }));
        assert_eq!(standing(code(404), &stored), Err(Reason::Status));
    }

    #[test]
    fn an_error_that_nobody_listed_takes_no_ttl() {
        let takes_ttl = |status| standing(code(status), &StoreStatus::Cacheable).map(|standing| standing.takes_ttl);
        assert_eq!([200, 404, 500, 599].map(takes_ttl), [Ok(true), Ok(true), Ok(false), Ok(false)]);
    }

    #[test]
    fn unregistered_statuses_are_not_understood() {
        for status in [206, 304, 299, 306, 418, 499, 599] {
            assert!(!is_understood(code(status)), "{status}");
        }
        assert!(is_understood(code(200)) && is_understood(code(404)) && is_understood(code(503)));
    }
}

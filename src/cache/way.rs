//! How a request is fetched that the store cannot answer.

use http::header::{HeaderMap, IF_MODIFIED_SINCE, IF_NONE_MATCH, RANGE};

use crate::outcome::Reason;
use crate::policy::Lookup;
use crate::route::Coalesce;

/// How a request is fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// Not at all: the client wants what is stored or nothing (`only-if-cached`).
    Nowhere,
    /// As it is, for itself alone, and nothing is stored; with the reason, where the lookup has not given one.
    Alone(Option<Reason>),
    /// As it is, a HEAD: its answer tells what the stored GET is still worth (RFC 9111 §4.3.5).
    Confirm,
    /// By a fetch that others may share, or by one that it shares with others.
    Shared,
    /// By a fetch of its own, whose answer is stored where it may be.
    Apart,
}

/// What the way depends on besides the request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Circumstances {
    /// Something stored is to be validated.
    pub(super) stale: bool,
    /// The last answer could not be stored.
    pub(super) uncacheable: bool,
    pub(super) coalesce: Coalesce,
    /// The route fetches the whole for the sake of a part.
    pub(super) range_fill: bool,
}

/// Decides how a request is fetched.
pub(super) fn way(lookup: &Lookup, headers: &HeaderMap, around: Circumstances) -> Way {
    if lookup.client.only_if_cached {
        return Way::Nowhere;
    }
    if lookup.head {
        return if around.stale { Way::Confirm } else { Way::Alone(Some(Reason::Head)) };
    }
    let fills = around.range_fill && !around.uncacheable && !lookup.authorized;
    if headers.contains_key(RANGE) && !around.stale && !fills {
        return Way::Alone(Some(Reason::Range));
    }
    let conditional = headers.contains_key(IF_NONE_MATCH) || headers.contains_key(IF_MODIFIED_SINCE);
    if conditional && !around.stale && around.uncacheable {
        // What is fetched to be stored is fetched whole. Nothing will be stored, so the origin may answer 304.
        return Way::Alone(None);
    }
    // A client whose own Cache-Control counts has asked for something of its own.
    let own = lookup.authorized || !lookup.client.is_empty() || around.uncacheable;
    if around.coalesce == Coalesce::Off || own { Way::Apart } else { Way::Shared }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::ClientTerms;

    #[test]
    fn who_is_fetched_for_alone_and_who_with_others() {
        let around =
            |stale, uncacheable| Circumstances { stale, uncacheable, coalesce: Coalesce::Node, range_fill: false };
        let filling = |uncacheable| Circumstances { range_fill: true, ..around(false, uncacheable) };
        let plain = Lookup::default();
        let head = Lookup { head: true, ..Lookup::default() };
        let authorized = Lookup { authorized: true, ..Lookup::default() };
        let only = ClientTerms { only_if_cached: true, ..ClientTerms::default() };
        let only = Lookup { client: only, ..Lookup::default() };
        for (lookup, field, around, expected) in [
            (&plain, None, around(false, false), Way::Shared),
            (&plain, None, around(false, true), Way::Apart),
            (&plain, None, Circumstances { coalesce: Coalesce::Off, ..around(false, false) }, Way::Apart),
            (&authorized, None, around(false, false), Way::Apart),
            (&head, None, around(true, false), Way::Confirm),
            (&head, None, around(false, false), Way::Alone(Some(Reason::Head))),
            (&plain, Some(RANGE), around(false, false), Way::Alone(Some(Reason::Range))),
            (&plain, Some(RANGE), around(true, false), Way::Shared),
            (&plain, Some(RANGE), filling(false), Way::Shared),
            (&plain, Some(RANGE), filling(true), Way::Alone(Some(Reason::Range))),
            (&authorized, Some(RANGE), filling(false), Way::Alone(Some(Reason::Range))),
            (&plain, Some(IF_NONE_MATCH), around(false, false), Way::Shared),
            (&plain, Some(IF_NONE_MATCH), around(false, true), Way::Alone(None)),
            (&plain, Some(IF_MODIFIED_SINCE), around(true, true), Way::Apart),
            (&only, None, around(false, false), Way::Nowhere),
        ] {
            let mut headers = HeaderMap::new();
            headers.extend(field.clone().map(|name| (name, http::HeaderValue::from_static("x"))));
            assert_eq!(way(lookup, &headers, around), expected, "{lookup:?} {field:?} {around:?}");
        }
    }
}

//! What an origin's cache directives say, from whichever field says it.
//!
//! The first targeted field (RFC 9213) that can be read takes the place of `Cache-Control` and `Expires` altogether. Where a directive
//! is given twice, or cannot be understood, the reading that keeps the response for the shorter time wins.

use std::time::Duration;

use http::header::{
    AGE, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_RANGE, CONTENT_TYPE, DATE, ETAG, EXPIRES, HeaderMap, HeaderName,
    LAST_MODIFIED, VARY,
};

use super::cache_control::{self, Argument, Directive};
use super::dictionary::{self, Item};

/// Larger deltas, and ages, mean this much: 2^31 seconds (RFC 9111 §1.2.2).
const VERY_LONG: u64 = 1 << 31;

/// Fields without which a stored response would be misread, beside the targeted ones. A qualified `no-cache` or
/// `private` that names one of them means the whole response.
static INDISPENSABLE: [HeaderName; 10] =
    [AGE, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_RANGE, CONTENT_TYPE, DATE, ETAG, EXPIRES, LAST_MODIFIED, VARY];

/// The directives of a response.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Directives {
    pub(super) s_maxage: Option<Duration>,
    pub(super) max_age: Option<Duration>,
    pub(super) stale_while_revalidate: Option<Duration>,
    pub(super) stale_if_error: Option<Duration>,
    pub(super) no_store: bool,
    pub(super) must_revalidate: bool,
    pub(super) proxy_revalidate: bool,
    pub(super) must_understand: bool,
    pub(super) public: bool,
    pub(super) immutable: bool,
    pub(super) no_cache: Restriction,
    pub(super) private: Restriction,
    /// A quoted string has no end: whatever else is said cannot be told.
    pub(super) malformed: bool,
    /// They come from a targeted field, and `Expires` counts as little as `Cache-Control` does.
    pub(super) targeted: bool,
}

/// What `no-cache` or `private` restricts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Restriction {
    /// Nothing.
    #[default]
    None,
    /// These fields alone (RFC 9111 §5.2.2.4, §5.2.2.7).
    Fields(Vec<HeaderName>),
    /// The response.
    Whole,
}

impl Directives {
    /// Reads the directives that count for this cache: those of the first of the `targeted` fields that can be read, else
    /// those of `Cache-Control` (RFC 9213 §2.2).
    pub(super) fn read(response: &HeaderMap, targeted: &[HeaderName]) -> Self {
        let found = targeted.iter().find_map(|name| Self::targeted(response, name));
        let mut read = found.unwrap_or_else(|| Self::untargeted(response));
        for restriction in [&mut read.no_cache, &mut read.private] {
            restriction.spare(targeted);
        }
        read
    }

    /// `s-maxage` for a shared cache, else `max-age` (RFC 9111 §4.2.1).
    pub(super) fn lifetime(&self) -> Option<Duration> {
        self.s_maxage.or(self.max_age)
    }

    /// Whether a stale response may never be served (RFC 9111 §4.2.4); `s-maxage` implies it (§5.2.2.10).
    pub(super) fn never_stale(&self) -> bool {
        self.must_revalidate || self.proxy_revalidate || self.s_maxage.is_some()
    }

    /// Whether the answer to a request with `Authorization` may be reused (RFC 9111 §3.5).
    pub(super) fn shared_with_authorization(&self) -> bool {
        let kept_from_others = self.no_store || self.private == Restriction::Whole || self.malformed;
        (self.public || self.must_revalidate || self.s_maxage.is_some()) && !kept_from_others
    }

    /// The fields that a qualified `no-cache` or `private` keeps out of the store.
    pub(super) fn withheld(&self) -> impl Iterator<Item = &HeaderName> {
        [&self.no_cache, &self.private].into_iter().flat_map(|restriction| match restriction {
            Restriction::Fields(fields) => fields.as_slice(),
            Restriction::None | Restriction::Whole => &[],
        })
    }

    fn untargeted(response: &HeaderMap) -> Self {
        let mut read = Self::default();
        for directive in cache_control::directives(response, &CACHE_CONTROL) {
            match directive {
                Ok(directive) => read.apply(&directive),
                Err(cache_control::Unterminated) => read.malformed = true,
            }
        }
        read
    }

    /// Directives that restrict count however they are written, those that allow only as the grammar has them.
    fn apply(&mut self, directive: &Directive<'_>) {
        let seconds = || delta_seconds(&directive.argument);
        let bare = directive.argument == Argument::None;
        let list = || match &directive.argument {
            Argument::Value(list) => Some(list.as_ref()),
            Argument::None | Argument::Invalid => None,
        };
        match directive.name.to_ascii_lowercase().as_slice() {
            b"s-maxage" => shorten(&mut self.s_maxage, seconds()),
            b"max-age" => shorten(&mut self.max_age, seconds()),
            b"stale-while-revalidate" => shorten(&mut self.stale_while_revalidate, seconds()),
            b"stale-if-error" => shorten(&mut self.stale_if_error, seconds()),
            b"no-store" => self.no_store = true,
            b"must-revalidate" => self.must_revalidate = true,
            b"proxy-revalidate" => self.proxy_revalidate = true,
            b"no-cache" => self.no_cache.add(list()),
            b"private" => self.private.add(list()),
            b"must-understand" => self.must_understand |= bare,
            b"public" => self.public |= bare,
            // Its arguments have no meaning (RFC 8246 §2).
            b"immutable" => self.immutable = true,
            _ => {}
        }
    }

    /// `None` when there is no such field, or none that can be read: RFC 9213 §2.1 has it ignored then.
    fn targeted(response: &HeaderMap, name: &HeaderName) -> Option<Self> {
        let text = dictionary::joined(response, name)?;
        let members = dictionary::parse(&text).ok().filter(|members| !members.is_empty())?;
        let mut read = Self { targeted: true, ..Self::default() };
        for (name, item) in members {
            read.apply_member(name, &item)?;
        }
        Some(read)
    }

    /// `None` when the value has a type that the directive does not take.
    fn apply_member(&mut self, name: &str, item: &Item) -> Option<()> {
        match name {
            "s-maxage" => self.s_maxage = Some(item.seconds()?),
            "max-age" => self.max_age = Some(item.seconds()?),
            "stale-while-revalidate" => self.stale_while_revalidate = Some(item.seconds()?),
            "stale-if-error" => self.stale_if_error = Some(item.seconds()?),
            "no-store" => self.no_store = item.flag()?,
            "must-revalidate" => self.must_revalidate = item.flag()?,
            "proxy-revalidate" => self.proxy_revalidate = item.flag()?,
            "must-understand" => self.must_understand = item.flag()?,
            "public" => self.public = item.flag()?,
            "immutable" => self.immutable = *item != Item::Boolean(false),
            "no-cache" => self.no_cache = item.restriction()?,
            "private" => self.private = item.restriction()?,
            _ => {}
        }
        Some(())
    }
}

impl Restriction {
    /// Adds a directive, with its list of fields if it has one that can be read.
    fn add(&mut self, list: Option<&[u8]>) {
        let Some(more) = list.and_then(field_names) else {
            *self = Self::Whole;
            return;
        };
        match self {
            Self::None => *self = Self::Fields(more),
            Self::Fields(fields) => fields.extend(more),
            Self::Whole => {}
        }
    }

    /// Without one of these fields the stored response would be misread.
    fn spare(&mut self, indispensable: &[HeaderName]) {
        if let Self::Fields(fields) = self
            && fields.iter().any(|field| indispensable.contains(field))
        {
            *self = Self::Whole;
        }
    }
}

impl Item {
    fn seconds(&self) -> Option<Duration> {
        match self {
            Self::Integer(seconds) => Some(Duration::from_secs(u64::try_from(*seconds).unwrap_or(0).min(VERY_LONG))),
            _ => None,
        }
    }

    fn flag(&self) -> Option<bool> {
        match self {
            Self::Boolean(set) => Some(*set),
            _ => None,
        }
    }

    fn restriction(&self) -> Option<Restriction> {
        match self {
            Self::Boolean(false) => Some(Restriction::None),
            Self::Boolean(true) => Some(Restriction::Whole),
            Self::String(list) => {
                let mut restriction = Restriction::None;
                restriction.add(Some(list.as_bytes()));
                Some(restriction)
            }
            _ => None,
        }
    }
}

/// Digits alone make a number of seconds, up to 2^31.
pub(super) fn digits(text: &[u8]) -> Option<Duration> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let seconds = text.iter().fold(0_u64, |n, b| n.saturating_mul(10).saturating_add(u64::from(b - b'0')));
    Some(Duration::from_secs(seconds.min(VERY_LONG)))
}

/// The argument as seconds; what is none leaves no time at all (RFC 9111 §4.2.1).
pub(super) fn delta_seconds(argument: &Argument<'_>) -> Duration {
    match argument {
        Argument::Value(value) => digits(value).unwrap_or_default(),
        Argument::None | Argument::Invalid => Duration::ZERO,
    }
}

fn shorten(slot: &mut Option<Duration>, to: Duration) {
    *slot = Some(slot.map_or(to, |known| known.min(to)));
}

/// The field names of a list; `None` when it is empty, holds something else, or names what cannot be done without.
fn field_names(list: &[u8]) -> Option<Vec<HeaderName>> {
    let members = list.split(|&b| b == b',').map(<[u8]>::trim_ascii).filter(|member| !member.is_empty());
    let names = members.map(|name| HeaderName::from_bytes(name).ok()).collect::<Option<Vec<_>>>()?;
    (!names.is_empty() && !names.iter().any(|name| INDISPENSABLE.contains(name))).then_some(names)
}

#[cfg(test)]
mod tests;

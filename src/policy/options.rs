//! What the operator decided for a route, in the terms that policy asks about.

use std::time::Duration;

use http::StatusCode;
use http::header::HeaderName;

use super::Portion;

/// The options of a route. [`Options::default`] is what `routes.yaml` means when it says nothing.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// The freshness lifetime of responses that carry none. `None`: the origin's headers alone decide.
    pub ttl: Option<Duration>,
    /// The longest freshness lifetime, whoever gave it. 24 h.
    pub max_ttl: Duration,
    /// How much of its freshness a response may lose, so that what was stored together does not expire together. None.
    pub ttl_jitter: Portion,
    /// How long before its end a fresh response that is asked for is refreshed. Not at all.
    pub refresh_ahead: Portion,
    /// Which statuses are stored. 200 alone.
    pub store_status: StoreStatus,
    /// Whether the origin's directives bind. They do.
    pub origin_headers: OriginHeaders,
    /// Whether a client's own Cache-Control is obeyed. It is ignored.
    pub client_cache_control: ClientCacheControl,
    /// The fields that speak to this cache in place of `Cache-Control`, in order of precedence (RFC 9213).
    /// `CDN-Cache-Control`.
    pub targeted_fields: Vec<HeaderName>,
    /// What becomes of a response that sets a cookie. It is not stored.
    pub set_cookie: SetCookie,
    /// How long a stale response may be served while it is refreshed, where the origin does not say. None.
    pub stale_while_revalidate: Duration,
    /// How long a stale response may be served when the upstream fails, where the origin does not say. None.
    pub stale_if_error: Duration,
    /// Bodies larger than this many bytes are passed on and not stored. 8 MiB.
    pub max_body: u64,
    /// How many variants a key may have. 16.
    pub max_variants: usize,
    /// Request fields that are part of the key.
    pub vary_on: VaryOn,
    /// Cookies whose presence makes a request bypass the cache.
    pub bypass_cookies: Vec<String>,
    /// What a body must be to be stored.
    pub store_if: StoreIf,
    /// Whether a request for a part of what is not stored fetches the whole of it, to be stored, and is answered from
    /// that. It is passed on.
    pub range_fill: bool,
    /// How large the content of a QUERY may be for it to be answered from the cache. `None`: QUERY is passed on.
    pub query_method: Option<u64>,
    /// Whether the answer to a POST that says for how long and under which path it may be reused is stored for GET. It is
    /// not.
    pub store_post: bool,
}

/// Which statuses are stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreStatus {
    /// These, each with a freshness lifetime of its own where one is given.
    Listed(Vec<(StatusCode, Option<Duration>)>),
    /// Every status that RFC 9111 lets a shared cache keep.
    Cacheable,
}

/// Whether the origin's directives bind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OriginHeaders {
    /// They do.
    #[default]
    Respect,
    /// The route's `ttl` applies whatever the origin says, `no-store` and `private` included.
    Override,
}

/// Whether a client's own Cache-Control is obeyed (RFC 9111 §5.2.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClientCacheControl {
    /// It is not.
    #[default]
    Ignore,
    /// It is.
    Honor,
}

/// What becomes of a response that sets a cookie.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SetCookie {
    /// It is not stored.
    #[default]
    Refuse,
    /// It is stored without the field; the client that caused the fetch still gets it.
    Strip,
    /// It is stored with the field.
    Keep,
}

/// Request fields that are part of the key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VaryOn {
    /// Header fields.
    pub headers: Vec<HeaderName>,
    /// Cookies, by name.
    pub cookies: Vec<String>,
}

/// What a body must be to be stored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoreIf {
    /// At least this many bytes.
    pub min_body: u64,
    /// None of these, compared with white space around them removed.
    pub body_not: Vec<String>,
    /// One of these media types, without parameters; empty allows all.
    pub content_type: Vec<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            ttl: None,
            max_ttl: Duration::from_secs(24 * 3600),
            ttl_jitter: Portion::NONE,
            refresh_ahead: Portion::NONE,
            store_status: StoreStatus::Listed(vec![(StatusCode::OK, None)]),
            origin_headers: OriginHeaders::default(),
            client_cache_control: ClientCacheControl::default(),
            targeted_fields: vec![HeaderName::from_static("cdn-cache-control")],
            set_cookie: SetCookie::default(),
            stale_while_revalidate: Duration::ZERO,
            stale_if_error: Duration::ZERO,
            max_body: 8 * 1024 * 1024,
            max_variants: 16,
            vary_on: VaryOn::default(),
            bypass_cookies: Vec::new(),
            store_if: StoreIf::default(),
            range_fill: false,
            query_method: None,
            store_post: false,
        }
    }
}

impl VaryOn {
    /// Whether nothing is keyed.
    pub fn is_empty(&self) -> bool {
        self.headers.is_empty() && self.cookies.is_empty()
    }

    /// Whether this header field is part of the key.
    pub fn names(&self, field: &HeaderName) -> bool {
        self.headers.contains(field)
    }
}

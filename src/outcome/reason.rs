//! Why the cache did what it did.

/// Why a response was not reused, not stored, or not fetched in the ordinary way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reason {
    // Why a request passes the cache by.
    /// The request carries the bypass parameter.
    NoCacheParam,
    /// The request carries credentials that the route does not key on.
    Authorization,
    /// The request carries a cookie that the route excludes.
    Cookie,
    /// A GET with a body.
    RequestBody,
    /// A QUERY whose content cannot be part of the key.
    QueryContent,
    /// The request asks for another protocol on this connection.
    Upgrade,
    /// The request has a precondition that only the upstream can judge (`If-Match`, `If-Unmodified-Since`).
    Precondition,
    /// The request asks for a part that is not stored.
    Range,
    /// The route says that it is never cached.
    RouteNever,
    /// No route matches the path.
    NoRoute,
    /// The cache is switched off.
    Disabled,
    /// Hosts are keyed and the request names none.
    NoHost,
    /// The path is one that others may read otherwise; the request is refused.
    BadPath,
    /// A HEAD for which no GET is stored.
    Head,
    /// The client's Cache-Control forbids the stored response, or storing one (RFC 9111 §5.2.1).
    ClientCacheControl,
    /// The client wants a stored response or none (`only-if-cached`), and none can be used.
    OnlyIfCached,

    // Why a response is not stored.
    /// The status is not one the route stores.
    Status,
    /// The origin said `no-store`.
    NoStore,
    /// The origin said `private`.
    Private,
    /// The response sets a cookie.
    SetCookie,
    /// `Vary: *`.
    VaryStar,
    /// The response varies on a cookie that is not keyed.
    VaryCookie,
    /// The response varies on credentials that are not keyed.
    VaryAuthorization,
    /// The body is larger than `max_body`.
    TooLarge,
    /// There is no freshness lifetime and nothing to validate with.
    NoLifetime,
    /// The response was stale on arrival and has nothing to validate it with.
    Expired,
    /// A 206 or another answer to part of a resource.
    Partial,
    /// The answer to a POST does not say that it stands for a GET.
    Post,
    /// An event stream, gRPC or multipart stream.
    Stream,
    /// `store_if`: the body is shorter than the route wants.
    BodyTooSmall,
    /// `store_if`: the body is one that the route refuses.
    BodyRefused,
    /// `store_if`: the content type is not one that the route stores.
    ContentType,
    /// A field of the response could not be understood.
    BadResponse,
    /// The body ended before it was complete.
    Incomplete,
    /// An invalidation arrived while the response was on its way.
    Invalidated,
    /// Somebody else holds the lease on the key, or it ran out.
    LeaseLost,
    /// Too many fetches are in flight.
    Saturated,

    // Why a stored response is not served, or is served although it is stale.
    /// The stored response is stale.
    Stale,
    /// The stored response says `no-cache`: it is validated before every use.
    MustValidate,
    /// Served stale while it is refreshed.
    StaleWhileRevalidate,
    /// Served stale because the client accepts it (`max-stale`).
    MaxStale,
    /// Served stale because the upstream failed.
    StaleIfError,

    // Faults.
    /// The shared store did not answer in time.
    StoreTimeout,
    /// The shared store could not be reached or answered with an error.
    StoreError,
    /// What the shared store held was not an entry.
    StoreGarbage,
    /// No connection to the upstream could be opened.
    ConnectFailed,
    /// The upstream did not accept a connection in time.
    ConnectTimeout,
    /// The upstream did not answer in time.
    UpstreamTimeout,
    /// The upstream closed the connection before it answered.
    UpstreamClosed,
    /// The upstream's answer was not HTTP.
    UpstreamGarbage,
    /// The upstream's body has a transfer coding besides `chunked`.
    UpstreamCoding,
    /// The fetch that this request waited for took longer than `coalesce_wait`.
    CoalesceTimeout,
    /// The fetch that this request waited for failed.
    LeaderFailed,
    /// The fetch that this request waited for proved uncacheable.
    LeaderUncacheable,
}

impl Reason {
    /// The token that stands in `Cache-Status`, in metrics and in the log.
    pub const fn token(self) -> &'static str {
        self.words().0
    }

    /// One sentence for a person.
    pub const fn sentence(self) -> &'static str {
        self.words().1
    }

    const fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::NoCacheParam => ("nocache", "The request asks to bypass the cache."),
            Self::Authorization => ("authorization", "The request carries credentials that the route does not key on."),
            Self::Cookie => ("cookie", "The request carries a cookie named in bypass.if_cookie."),
            Self::RequestBody => ("request-body", "A GET with a body is never answered from the cache."),
            Self::QueryContent => {
                ("query-content", "The content of the QUERY is larger than query_method, or its length is not known.")
            }
            Self::Upgrade => ("upgrade", "The request asks for another protocol on its connection."),
            Self::Precondition => ("precondition", "Only the upstream can judge If-Match and If-Unmodified-Since."),
            Self::Range => ("range", "The request asks for a part of a response that is not stored."),
            Self::RouteNever => ("route", "The route is not cached."),
            Self::NoRoute => ("no-route", "No route matches the path."),
            Self::Disabled => ("disabled", "The cache is switched off."),
            Self::NoHost => ("no-host", "Hosts are part of the key and the request names none."),
            Self::BadPath => ("bad-path", "The path is one that others may read otherwise."),
            Self::Head => ("head", "No GET is stored that could answer this HEAD."),
            Self::ClientCacheControl => {
                ("client-cache-control", "The client's Cache-Control does not allow what is stored, or storing.")
            }
            Self::OnlyIfCached => {
                ("only-if-cached", "The client wants what is stored, and nothing that is can be used.")
            }
            Self::Status => ("status", "The route does not store this status."),
            Self::NoStore => ("no-store", "The origin forbids storing the response."),
            Self::Private => ("private", "The origin says that the response is for one user."),
            Self::SetCookie => ("set-cookie", "The response sets a cookie."),
            Self::VaryStar => ("vary-star", "The response varies on more than the request (Vary: *)."),
            Self::VaryCookie => ("vary-cookie", "The response varies on cookies that the route does not key on."),
            Self::VaryAuthorization => {
                ("vary-authorization", "The response varies on credentials that the route does not key on.")
            }
            Self::TooLarge => ("too-large", "The body is larger than max_body."),
            Self::NoLifetime => ("no-lifetime", "The response has no freshness lifetime and no validator."),
            Self::Expired => ("expired", "The response was stale on arrival and has no validator."),
            Self::Partial => ("partial", "The response is part of a resource."),
            Self::Post => ("post", "The answer to the POST does not say that it stands for a GET."),
            Self::Stream => ("stream", "The response is a stream."),
            Self::BodyTooSmall => ("body-too-small", "The body is shorter than store_if.min_body."),
            Self::BodyRefused => ("body-refused", "The body is one of store_if.body_not."),
            Self::ContentType => ("content-type", "The content type is not one of store_if.content_type."),
            Self::BadResponse => ("bad-response", "A field of the response could not be understood."),
            Self::Incomplete => ("incomplete", "The body ended before it was complete."),
            Self::Invalidated => ("invalidated", "An invalidation arrived while the response was on its way."),
            Self::LeaseLost => ("lease-lost", "The lease on the key was lost before the response could be stored."),
            Self::Saturated => ("saturated", "Too many fetches are in flight."),
            Self::Stale => ("stale", "The stored response is stale."),
            Self::MustValidate => ("must-validate", "The stored response must be validated before it is used."),
            Self::StaleWhileRevalidate => {
                ("stale-while-revalidate", "The stored response is served stale while it is refreshed.")
            }
            Self::MaxStale => ("max-stale", "The stored response is served stale because the client accepts that."),
            Self::StaleIfError => {
                ("stale-if-error", "The stored response is served stale because the upstream failed.")
            }
            Self::StoreTimeout => ("store-timeout", "Redis did not answer in time."),
            Self::StoreError => ("store-error", "Redis could not be reached."),
            Self::StoreGarbage => ("store-garbage", "What Redis held under the key was not an entry; it was removed."),
            Self::ConnectFailed => ("connect-failed", "No connection to the upstream could be opened."),
            Self::ConnectTimeout => ("connect-timeout", "The upstream did not accept a connection in time."),
            Self::UpstreamTimeout => ("upstream-timeout", "The upstream did not answer in time."),
            Self::UpstreamClosed => ("upstream-closed", "The upstream closed the connection before it answered."),
            Self::UpstreamGarbage => ("upstream-garbage", "The upstream's answer was not HTTP."),
            Self::UpstreamCoding => {
                ("upstream-coding", "The upstream's body has a transfer coding that it was not asked for.")
            }
            Self::CoalesceTimeout => ("coalesce-timeout", "The fetch that this request waited for took too long."),
            Self::LeaderFailed => ("leader-failed", "The fetch that this request waited for failed."),
            Self::LeaderUncacheable => {
                ("leader-uncacheable", "The fetch that this request waited for proved uncacheable.")
            }
        }
    }
}

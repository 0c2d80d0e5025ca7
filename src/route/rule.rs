//! One route: a path pattern and what is true of the requests under it.

use std::time::Duration;

use http::Method;

use super::table::params;
use super::template::Template;
use super::{Pattern, QueryFilter, RouteError, Target};
use crate::invalidation::{Category, Tag};
use crate::policy::Options;

/// A route. Built in code or read from `routes.yaml`; checked when the table is built.
#[derive(Clone, Debug)]
pub struct Rule {
    pattern: Pattern,
    caching: Caching,
    options: Options,
    query: QueryFilter,
    bypass: Bypass,
    coalesce: Coalesce,
    coalesce_wait: Duration,
    category: Option<Category>,
    tags: Vec<Template>,
    invalidates: Vec<(Method, Vec<Target>)>,
}

/// Whether a route is cached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Caching {
    /// It says neither `ttl` nor `cache`: it exists for what its writes clear.
    #[default]
    Unset,
    /// It is.
    On,
    /// It never is (`cache: never`).
    Never,
}

/// The query parameter with which a client asks to bypass the cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bypass {
    /// Its name. `nocache`.
    pub param: String,
    /// Who may use it. Everybody.
    pub allow: BypassGate,
}

/// Who may use the bypass parameter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BypassGate {
    /// Everybody.
    #[default]
    Public,
    /// Requests that carry the admin token as `X-Larder-Token`.
    Token,
    /// Nobody: the parameter is dropped and the request is an ordinary one.
    Off,
}

/// Who shares one fetch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Coalesce {
    /// Every request on every node of the same shared store.
    #[default]
    Cluster,
    /// Every request on this node.
    Node,
    /// Nobody: each miss fetches for itself.
    Off,
}

impl Default for Bypass {
    fn default() -> Self {
        Self { param: "nocache".to_owned(), allow: BypassGate::default() }
    }
}

impl Rule {
    /// A route for the paths that this pattern matches: `{id}` is one segment, `{rest*}` the tail.
    ///
    /// # Errors
    /// [`RouteError::Pattern`] when the text is not a pattern.
    pub fn new(pattern: &str) -> Result<Self, RouteError> {
        Ok(Self::of(Pattern::parse(pattern)?))
    }

    /// A rule for values that have no path, each fresh this long.
    #[cfg(feature = "memo")]
    pub(crate) fn for_values(ttl: Duration) -> Self {
        let rule = Self::of(Pattern::root());
        Self { options: Options { max_ttl: ttl, ..rule.options.clone() }, ..rule }.ttl(ttl)
    }

    fn of(pattern: Pattern) -> Self {
        Self {
            pattern,
            caching: Caching::Unset,
            options: Options::default(),
            query: QueryFilter::All,
            bypass: Bypass::default(),
            coalesce: Coalesce::default(),
            coalesce_wait: Duration::from_secs(3),
            category: None,
            tags: Vec::new(),
            invalidates: Vec::new(),
        }
    }

    /// Caches the route; responses without a freshness lifetime of their own are fresh this long.
    #[must_use]
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.options.ttl = Some(ttl);
        self.caching = Caching::On;
        self
    }

    /// Whether the route is cached, apart from its lifetime.
    #[must_use]
    pub fn caching(mut self, caching: Caching) -> Self {
        self.caching = caching;
        self
    }

    /// The options that policy asks about, `ttl` among them. Replaces all of them.
    #[must_use]
    pub fn options(mut self, options: Options) -> Self {
        self.options = options;
        self
    }

    /// Which query parameters are keyed, and so forwarded. All of them.
    #[must_use]
    pub fn query(mut self, filter: QueryFilter) -> Self {
        self.query = filter;
        self
    }

    /// The bypass parameter.
    #[must_use]
    pub fn bypass(mut self, bypass: Bypass) -> Self {
        self.bypass = bypass;
        self
    }

    /// Who shares one fetch.
    #[must_use]
    pub fn coalesce(mut self, coalesce: Coalesce) -> Self {
        self.coalesce = coalesce;
        self
    }

    /// How long a request waits for another's fetch before it fetches for itself. 3 s.
    #[must_use]
    pub fn coalesce_wait(mut self, wait: Duration) -> Self {
        self.coalesce_wait = wait;
        self
    }

    /// The category the route is counted under.
    #[must_use]
    pub fn category(mut self, category: Category) -> Self {
        self.category = Some(category);
        self
    }

    /// A tag of every response; `{id}` stands for the parameter of that name.
    ///
    /// # Errors
    /// [`RouteError::Unbound`] when the path has no such parameter, [`RouteError::Target`] for a control character.
    pub fn tag(mut self, tag: &str) -> Result<Self, RouteError> {
        self.tags.push(Template::tag(tag, &self.pattern)?);
        Ok(self)
    }

    /// Tags of every response, taken as they stand.
    #[must_use]
    pub fn tags(mut self, tags: impl IntoIterator<Item = Tag>) -> Self {
        self.tags.extend(tags.into_iter().map(|tag| Template::literal(tag.as_str())));
        self
    }

    /// What a successful request of this method clears.
    ///
    /// # Errors
    /// [`RouteError::Method`], [`RouteError::Target`] or [`RouteError::Unbound`].
    pub fn invalidates<'a>(self, method: &str, keys: impl IntoIterator<Item = &'a str>) -> Result<Self, RouteError> {
        let keys = keys.into_iter().map(|key| Target::key(key, &self.pattern)).collect::<Result<Vec<_>, _>>()?;
        self.invalidates_targets(method, keys)
    }

    /// What a successful request of this method clears, tags included; see [`Target`].
    ///
    /// # Errors
    /// [`RouteError::Method`].
    pub fn invalidates_targets(mut self, method: &str, targets: Vec<Target>) -> Result<Self, RouteError> {
        let parsed = Method::from_bytes(method.as_bytes()).ok().filter(|method| !method.is_safe());
        let method = parsed.ok_or_else(|| RouteError::Method(method.to_owned()))?;
        self.invalidates.push((method, targets));
        Ok(self)
    }
}

/// What the cache reads of a route.
impl Rule {
    /// The path pattern.
    pub fn pattern(&self) -> &Pattern {
        &self.pattern
    }

    /// The options that policy asks about.
    pub fn policy(&self) -> &Options {
        &self.options
    }

    /// Whether a GET under this route may be stored.
    pub fn is_cached(&self) -> bool {
        self.caching == Caching::On
    }

    /// Whether the route is cached.
    pub fn caching_mode(&self) -> Caching {
        self.caching
    }

    pub(crate) fn query_filter(&self) -> &QueryFilter {
        &self.query
    }

    /// The bypass parameter.
    pub fn bypass_param(&self) -> &Bypass {
        &self.bypass
    }

    /// Who shares one fetch.
    pub fn coalescing(&self) -> Coalesce {
        self.coalesce
    }

    /// How long a request waits for another's fetch.
    pub fn wait(&self) -> Duration {
        self.coalesce_wait
    }

    /// The category.
    pub fn category_name(&self) -> Option<&Category> {
        self.category.as_ref()
    }

    /// The tags of a response for this path.
    pub(crate) fn tags_for(&self, path: &str) -> Vec<Tag> {
        if self.tags.is_empty() {
            return Vec::new();
        }
        let params = params(&self.pattern, path);
        self.tags.iter().map(|tag| Tag::new(tag.bind(&params))).collect()
    }

    /// What its writes clear, by method.
    pub(super) fn invalidations(&self) -> impl Iterator<Item = (&Method, &Target)> {
        self.invalidates.iter().flat_map(|(method, targets)| targets.iter().map(move |target| (method, target)))
    }

    pub(crate) fn targets(&self, method: &Method) -> impl Iterator<Item = &Target> {
        self.invalidates.iter().filter(move |(m, _)| m == method).flat_map(|(_, targets)| targets)
    }
}

//! `GET /cache/explain`: what would become of a request, and why.
//!
//! The routes know only the cache. What stands before it, and would turn a request away, says so through a [`Gate`].

use std::fmt;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use http::header::{HOST, HeaderName, HeaderValue};
use http::{Method, Request, StatusCode, Uri};
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use super::answer::Refusal;
use super::{Admin, decode, rfc3339};
use crate::cache::explain::{Decision, Explanation, Fact, Question, Step};
use crate::cache::{Cache, ForwardedProto};

/// What stands before the cache.
pub trait Gate: Send + Sync {
    /// Brings a request into the form in which the cache gets it.
    ///
    /// # Errors
    /// Why it does not get as far.
    fn pass(&self, request: &mut Request<()>) -> Result<(), TurnedAway>;

    /// What the layer behind it is told of `X-Forwarded-Proto`, for a client that nobody trusts.
    fn forwarded_proto(&self) -> ForwardedProto;

    /// The host that a request is taken to be for when it names none.
    fn host(&self) -> &str;
}

/// Why a request does not get as far as the cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TurnedAway {
    /// The status of the answer.
    pub status: StatusCode,
    /// The reason in a word.
    pub token: &'static str,
    /// The reason in a sentence.
    pub sentence: &'static str,
}

/// The request that is asked about.
#[derive(Debug)]
pub struct Asked {
    request: Request<()>,
}

/// Why it is not known what is asked about.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AskedError {
    /// No URL was given.
    #[error("name the request: ?url=/api/posts/ or ?url=http://host/api/posts/, with method= and header= as need be")]
    UrlMissing,
    /// The URL is none.
    #[error("`{0}` is not a path or an http URL; a space, a `&` or a `%` of the query is encoded: %20, %26, %25")]
    Url(String),
    /// The method is none.
    #[error("`{0}` is not a method")]
    Method(String),
    /// A header field is none.
    #[error("`{0}` is not a header field such as `Accept: text/html`")]
    Header(String),
    /// There is no such parameter.
    #[error("there is no parameter `{0}`: a `&` inside the url is written %26")]
    Parameter(String),
    /// Decoded, a parameter is not text.
    #[error("a parameter is not UTF-8 once it is decoded")]
    NotUtf8,
}

/// An explanation as it is written.
#[derive(Debug, Serialize)]
pub struct Answer {
    decision: &'static str,
    key: Option<String>,
    route: Option<String>,
    steps: Vec<ShownStep>,
}

#[derive(Debug, Serialize)]
struct ShownStep {
    step: &'static str,
    outcome: &'static str,
    detail: String,
    #[serde(skip_serializing_if = "Facts::is_empty")]
    facts: Facts,
}

/// Facts as one object, in their order.
#[derive(Debug)]
struct Facts(Vec<(&'static str, Fact)>);

/// Answers the route.
pub(super) async fn explain(State(admin): State<Admin>, uri: Uri) -> Result<Json<Answer>, Refusal> {
    let asked = Asked::read(uri.query().unwrap_or_default())?;
    Ok(Json(of_running(&admin.cache, admin.gate.as_deref(), asked).await))
}

/// Explains what would become of a request if it came to this cache now.
pub async fn of_running(cache: &Cache, gate: Option<&dyn Gate>, asked: Asked) -> Answer {
    let proto = gate.map(Gate::forwarded_proto).unwrap_or_default();
    match at_the_gate(gate, asked) {
        Ok((request, step)) => Answer::of(step, cache.explain(&request.into_parts().0, proto).await),
        Err(step) => Answer::turned_away(step),
    }
}

/// The same from the routes alone, without a look at what is stored.
pub async fn of_routes(cache: &Cache, gate: Option<&dyn Gate>, asked: Asked) -> Answer {
    let proto = gate.map(Gate::forwarded_proto).unwrap_or_default();
    match at_the_gate(gate, asked) {
        Ok((request, step)) => Answer::of(step, cache.explain_routes(&request.into_parts().0, proto).await),
        Err(step) => Answer::turned_away(step),
    }
}

/// Whether the request gets as far as the cache.
fn at_the_gate(gate: Option<&dyn Gate>, Asked { mut request }: Asked) -> Result<(Request<()>, Step), Step> {
    let Some(gate) = gate else {
        let detail = "The cache is a layer in an app: what stands before it there was not asked.";
        return Ok((request, Step::new(Question::Edge, "none", detail)));
    };
    let names_host = request.uri().authority().is_some() || request.headers().contains_key(HOST);
    if !names_host && let Ok(host) = HeaderValue::from_str(gate.host()) {
        request.headers_mut().insert(HOST, host);
    }
    match gate.pass(&mut request) {
        Ok(()) if names_host => Ok((request, Step::new(Question::Edge, "passes", "It gets as far as the cache."))),
        Ok(()) => {
            let detail =
                format!("It gets as far as the cache. It was asked without a host, so {} is assumed.", gate.host());
            Ok((request, Step::new(Question::Edge, "passes", detail)))
        }
        Err(TurnedAway { status, token, sentence }) => {
            let detail = format!("{sentence} It is answered with {}.", status.as_u16());
            let step = Step::new(Question::Edge, "refused", detail).with("reason", token);
            Err(step.with("status", usize::from(status.as_u16())))
        }
    }
}

impl Asked {
    /// A request without a body. The URL is a path with its query, or an absolute one.
    ///
    /// # Errors
    /// [`AskedError`] for what could not be sent as a request.
    pub fn new<'a>(method: &str, url: &str, headers: impl IntoIterator<Item = &'a str>) -> Result<Self, AskedError> {
        let url_error = || AskedError::Url(url.to_owned());
        let uri: Uri = url.parse().map_err(|_| url_error())?;
        let is_absolute = matches!(uri.scheme_str(), Some("http" | "https")) && uri.authority().is_some();
        if !is_absolute && !url.starts_with('/') {
            return Err(url_error());
        }
        let mut request = Request::new(());
        *request.method_mut() = method.parse::<Method>().map_err(|_| AskedError::Method(method.to_owned()))?;
        for field in headers {
            let (name, value) = field.split_once(':').ok_or_else(|| AskedError::Header(field.to_owned()))?;
            let name = HeaderName::try_from(name.trim()).ok();
            let value = HeaderValue::from_str(value.trim()).ok();
            let (name, value) = name.zip(value).ok_or_else(|| AskedError::Header(field.to_owned()))?;
            request.headers_mut().append(name, value);
        }
        // As HTTP/1.1 sends it: the host in a field, the path in the line.
        if let Some(Ok(host)) = uri.authority().map(|authority| HeaderValue::from_str(authority.as_str()))
            && !request.headers().contains_key(HOST)
        {
            request.headers_mut().insert(HOST, host);
        }
        let target = uri.path_and_query().map_or("/", |target| target.as_str());
        *request.uri_mut() = target.parse().map_err(|_| url_error())?;
        Ok(Self { request })
    }

    /// Reads `method=&url=&header=`.
    fn read(query: &str) -> Result<Self, AskedError> {
        let (mut method, mut url, mut headers) = (None, None, Vec::new());
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let value = decode::form(value).ok_or(AskedError::NotUtf8)?;
            match name {
                "method" => method = Some(value).filter(|method| !method.is_empty()),
                "url" => url = Some(value).filter(|url| !url.is_empty()),
                "header" => headers.push(value),
                _ => return Err(AskedError::Parameter(name.to_owned())),
            }
        }
        let url = url.ok_or(AskedError::UrlMissing)?;
        Self::new(method.as_deref().unwrap_or("GET"), &url, headers.iter().map(String::as_str))
    }
}

impl Answer {
    fn of(edge: Step, explanation: Explanation) -> Self {
        let Explanation { decision, key, route, steps } = explanation;
        Self {
            decision: decision.token(),
            key: key.map(|key| key.as_str().to_owned()),
            route,
            steps: std::iter::once(edge).chain(steps).map(ShownStep::from).collect(),
        }
    }

    fn turned_away(edge: Step) -> Self {
        Self { decision: Decision::Refused.token(), key: None, route: None, steps: vec![edge.into()] }
    }
}

impl From<Step> for ShownStep {
    fn from(Step { step, outcome, detail, facts }: Step) -> Self {
        Self { step: step.token(), outcome, detail, facts: Facts(facts) }
    }
}

impl Facts {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Serialize for Facts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, fact) in &self.0 {
            match fact {
                Fact::Text(text) => map.serialize_entry(name, text)?,
                Fact::Count(count) => map.serialize_entry(name, count)?,
                Fact::Seconds(seconds) => map.serialize_entry(&format!("{name}_seconds"), seconds)?,
                Fact::Instant(moment) => map.serialize_entry(name, &rfc3339::format(*moment))?,
                Fact::Flag(flag) => map.serialize_entry(name, flag)?,
                Fact::List(list) => map.serialize_entry(name, list)?,
            }
        }
        map.end()
    }
}

impl fmt::Debug for dyn Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Gate")
    }
}

/// What the options of the admin routes hold.
pub(super) type SharedGate = Arc<dyn Gate>;

#[cfg(test)]
mod tests {
    use super::*;

    /// Method, target, and fields.
    type Said = (String, String, Vec<(String, String)>);

    fn read(query: &str) -> Result<Said, AskedError> {
        let Asked { request } = Asked::read(query)?;
        let text = |value: &HeaderValue| value.to_str().unwrap().to_owned();
        let headers = request.headers().iter().map(|(name, value)| (name.to_string(), text(value))).collect();
        Ok((request.method().to_string(), request.uri().to_string(), headers))
    }

    #[test]
    fn a_request_is_read_from_a_query() {
        let field = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        for (query, method, target, headers) in [
            ("url=/api/posts/?page=2", "GET", "/api/posts/?page=2", vec![]),
            ("url=/a%3Fb=1%26c=2&method=HEAD", "HEAD", "/a?b=1&c=2", vec![]),
            ("url=http://h.example:81/a", "GET", "/a", vec![field("host", "h.example:81")]),
            ("url=https://h.example", "GET", "/", vec![field("host", "h.example")]),
            (
                "url=/a&header=Accept:+text/html&header=accept%3Aimage/png&header=Host:x",
                "GET",
                "/a",
                vec![field("accept", "text/html"), field("accept", "image/png"), field("host", "x")],
            ),
            ("method=&url=//x/y", "GET", "//x/y", vec![]),
        ] {
            let expected = (method.to_owned(), target.to_owned(), headers);
            assert_eq!(read(query), Ok(expected), "{query}");
        }
    }

    #[test]
    fn what_is_no_request_is_named() {
        for (query, error) in [
            ("", AskedError::UrlMissing),
            ("url=", AskedError::UrlMissing),
            ("url=/a?b=1&c=2", AskedError::Parameter("c".into())),
            ("url=a", AskedError::Url("a".into())),
            ("url=ftp://h/a", AskedError::Url("ftp://h/a".into())),
            ("url=/a%20b", AskedError::Url("/a b".into())),
            ("url=/a&method=a%20b", AskedError::Method("a b".into())),
            ("url=/a&header=x", AskedError::Header("x".into())),
            ("url=/a&header=x:%00", AskedError::Header("x:\0".into())),
            ("url=%ff", AskedError::NotUtf8),
        ] {
            assert_eq!(read(query).unwrap_err(), error, "{query}");
        }
    }
}

//! A client of the admin routes of a running process: the commands that ask it something share it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::process::ExitCode;
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use http::uri::{Authority, Scheme};
use http::{Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use larder::config::{Config, Env, Secret};
use serde_json::Value;

use super::{ConfigFile, NO, Surroundings, UNUSABLE};

/// A process that does not answer within this time is taken for hung. Clearing much of a large store takes a while.
const PATIENCE: Duration = Duration::from_secs(60);

/// Which process is asked.
#[derive(Debug, clap::Args)]
pub(super) struct Asked {
    #[command(flatten)]
    pub(super) file: ConfigFile,
    /// Where the admin routes are, in place of the file's `admin.listen`; with this the file may be missing.
    #[arg(long, value_name = "URL", value_parser = base)]
    admin: Option<Uri>,
}

/// The admin routes of one process.
#[derive(Debug)]
pub(super) struct AdminClient {
    base: Uri,
    token: Option<Secret>,
    http: Client<HttpConnector, Full<Bytes>>,
}

/// Why there is no answer to go by.
#[derive(Debug, thiserror::Error)]
pub(super) enum AdminError {
    /// Nobody listens there.
    #[error("nothing is running at {0}")]
    NobodyThere(Uri),
    /// It did not answer, or not whole.
    #[error("{0} gave no answer: {1}")]
    NoAnswer(Uri, String),
    /// What came back was no answer of the admin routes.
    #[error("{0} answered {1} with something that is not JSON: are these the admin routes?")]
    Foreign(Uri, StatusCode),
    /// The token is missing, or another.
    #[error("{0}: {1}. Set `admin.token` in the file, or LARDER_ADMIN_TOKEN")]
    Token(Uri, String),
    /// It said no.
    #[error("{1}")]
    Refused(StatusCode, String),
}

impl Asked {
    /// The client for the process, and the configuration, where it can be read. Without either, the exit code: what is
    /// wrong was printed.
    pub(super) fn find(&self, around: &Surroundings) -> Result<(AdminClient, Option<Config>), ExitCode> {
        let config = Config::load(&self.file.config, &around.env);
        match (config, &self.admin) {
            (Ok(config), named) => {
                let base = named.clone().unwrap_or_else(|| at(config.admin.listen));
                Ok((AdminClient::new(base, config.admin.token.clone()), Some(config)))
            }
            (Err(_), Some(base)) => Ok((AdminClient::new(base.clone(), token_of(&around.env)), None)),
            (Err(found), None) => {
                eprint!("{}", found.render(around.colour));
                Err(ExitCode::from(UNUSABLE))
            }
        }
    }
}

impl AdminClient {
    fn new(base: Uri, token: Option<Secret>) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(Duration::from_secs(5)));
        Self { base, token, http: Client::builder(TokioExecutor::new()).build(connector) }
    }

    /// Where the process is.
    pub(super) fn base(&self) -> &Uri {
        &self.base
    }

    /// Asks a route, which begins with `/`.
    pub(super) async fn get(&self, route: &str) -> Result<Value, AdminError> {
        self.ask(Method::GET, route, Bytes::new()).await
    }

    /// Sends a JSON body to a route.
    pub(super) async fn post(&self, route: &str, body: &Value) -> Result<Value, AdminError> {
        self.ask(Method::POST, route, body.to_string().into()).await
    }

    async fn ask(&self, method: Method, route: &str, body: Bytes) -> Result<Value, AdminError> {
        let exchange = self.exchange(self.request(method, route, body)?);
        let no_answer = |why: String| AdminError::NoAnswer(self.base.clone(), why);
        let waited = tokio::time::timeout(PATIENCE, exchange).await;
        let (status, body) = waited.map_err(|_| no_answer(format!("{} s have passed", PATIENCE.as_secs())))??;
        let answer = serde_json::from_slice::<Value>(&body);
        let error = |answer: &Value| answer["error"].as_str().unwrap_or("no reason given").to_owned();
        match (status, answer) {
            (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN, Ok(answer)) => {
                Err(AdminError::Token(self.base.clone(), error(&answer)))
            }
            (status, Ok(answer)) if status.is_success() => Ok(answer),
            (status, Ok(answer)) => Err(AdminError::Refused(status, error(&answer))),
            (status, Err(_)) => Err(AdminError::Foreign(self.base.clone(), status)),
        }
    }

    fn request(&self, method: Method, route: &str, body: Bytes) -> Result<Request<Full<Bytes>>, AdminError> {
        let uri = format!("{}{route}", self.base.to_string().trim_end_matches('/'));
        let mut request = Request::builder().method(method).uri(uri);
        if !body.is_empty() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        if let Some(token) = &self.token {
            let bearer = HeaderValue::try_from(format!("Bearer {}", token.expose()));
            request = request.header(AUTHORIZATION, bearer.unwrap_or(HeaderValue::from_static("Bearer")));
        }
        request.body(Full::new(body)).map_err(|error| AdminError::NoAnswer(self.base.clone(), error.to_string()))
    }

    async fn exchange(&self, request: Request<Full<Bytes>>) -> Result<(StatusCode, Bytes), AdminError> {
        let no_answer = |why: String| AdminError::NoAnswer(self.base.clone(), why);
        let answer = self.http.request(request).await.map_err(|error| match error.is_connect() {
            true => AdminError::NobodyThere(self.base.clone()),
            false => no_answer(error.to_string()),
        })?;
        let status = answer.status();
        let body = answer.into_body().collect().await.map_err(|error| no_answer(error.to_string()))?;
        Ok((status, body.to_bytes()))
    }
}

impl AdminError {
    /// The exit code: 2 when what was given cannot be used, 1 when the answer is no.
    pub(super) fn code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Token(..) | Self::Foreign(..) => UNUSABLE,
            Self::Refused(status, _) if *status == StatusCode::BAD_REQUEST => UNUSABLE,
            Self::NobodyThere(_) | Self::NoAnswer(..) | Self::Refused(..) => NO,
        })
    }

    /// Prints itself; gives the exit code.
    pub(super) fn report(&self) -> ExitCode {
        eprintln!("error: {self}");
        self.code()
    }
}

/// A runtime for one question.
pub(super) fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?)
}

/// Percent-encodes a query parameter's value.
pub(super) fn encoded(value: &str) -> String {
    let byte = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    value.bytes().map(byte).collect()
}

/// Where a listener on this address is reached from here.
fn at(listen: SocketAddr) -> Uri {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    format!("http://{}/", SocketAddr::new(ip, listen.port())).parse().unwrap_or_default()
}

/// `http://host:port`, with a path where the routes are nested under one; the scheme may be left out.
fn base(text: &str) -> Result<Uri, String> {
    let wrong = || "write http://host:port, or host:port".to_owned();
    let text = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
    let uri: Uri = text.parse().map_err(|_| wrong())?;
    let named = uri.authority().map(Authority::as_str).is_some_and(|authority| !authority.contains('@'));
    match uri.scheme() {
        Some(scheme) if *scheme == Scheme::HTTP && named && uri.query().is_none() => Ok(uri),
        Some(scheme) if *scheme == Scheme::HTTPS => Err("https is not spoken here: name the plain listener".to_owned()),
        _ => Err(wrong()),
    }
}

fn token_of(env: &Env) -> Option<Secret> {
    env.get("LARDER_ADMIN_TOKEN").filter(|token| !token.is_empty()).map(Secret::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_admin_routes_are_named_with_or_without_a_scheme() {
        for (text, uri) in [
            ("127.0.0.1:9090", Some("http://127.0.0.1:9090/")),
            ("http://h:1", Some("http://h:1/")),
            ("http://h:1/internal", Some("http://h:1/internal")),
            ("[::1]:9090", Some("http://[::1]:9090/")),
            ("https://h", None),
            ("http://u:p@h", None),
            ("http://h/?a", None),
            ("ftp://h", None),
            ("", None),
        ] {
            assert_eq!(base(text).ok().map(|uri| uri.to_string()).as_deref(), uri, "{text}");
        }
    }

    #[test]
    fn a_listener_on_every_address_is_reached_at_this_machine() {
        for (listen, uri) in [
            ("127.0.0.1:9090", "http://127.0.0.1:9090/"),
            ("0.0.0.0:1", "http://127.0.0.1:1/"),
            ("[::]:1", "http://[::1]:1/"),
            ("10.0.0.1:1", "http://10.0.0.1:1/"),
        ] {
            assert_eq!(at(listen.parse().unwrap()), uri);
        }
    }

    #[test]
    fn values_are_encoded_whole() {
        assert_eq!(encoded("/a?b=1&c=%2B +"), "/a%3Fb%3D1%26c%3D%252B%20%2B");
    }
}

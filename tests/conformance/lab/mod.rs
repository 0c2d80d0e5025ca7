//! larder whole, an origin before it, a clock in the hand.

mod client;
mod date;
mod origin;
mod row;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

pub(crate) use client::{Call, Got};
pub(crate) use date::dated;
use larder::clock::{Clock, Timestamp};
use larder::config::{Config, Env, Source};
use larder::server::{Listeners, Server};
pub(crate) use origin::{Answer, Gate, Origin};
pub(crate) use row::{Row, hit, miss, stale, validated};
use tokio::net::TcpListener;

/// Sunday, 6 November 2022, 03:04:05 GMT: a day and an hour of one digit.
const BEGIN: Timestamp = Timestamp::from_secs(1_667_703_845);

/// What the run is configured with: the origin's header fields alone decide.
const DEFAULTS: &str = "store_status: cacheable, set_cookie: keep";

/// larder before an origin.
pub(crate) struct Lab {
    pub(crate) origin: Origin,
    pub(crate) clock: Clock,
    address: SocketAddr,
    rows: AtomicUsize,
}

impl Lab {
    pub(crate) async fn new() -> Self {
        Self::with("").await
    }

    /// With more `defaults`, as they stand in the file.
    pub(crate) async fn with(defaults: &str) -> Self {
        Self::configured(&format!("defaults: {{ {DEFAULTS}, {defaults} }}\nunmatched: origin\n")).await
    }

    /// With this file.
    pub(crate) async fn configured(file: &str) -> Self {
        let origin = Origin::start().await;
        let text = format!("upstream: http://{}\n{file}", origin.address());
        let config = Config::parse(&Source::new("routes.yaml", text), &Env::empty());
        let config = config.unwrap_or_else(|found| panic!("{}", found.render(false)));
        let clock = Clock::manual(BEGIN);
        let server = Server::start_by(&config, clock.clone()).await.expect("starts");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
        let address = listener.local_addr().expect("bound");
        tokio::spawn(server.run(Listeners { proxy: vec![listener], admin: None }, std::future::pending()));
        Self { origin, clock, address, rows: AtomicUsize::new(0) }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn after(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    /// Fills in the dates of a field.
    pub(crate) fn dated(&self, field: &str) -> String {
        dated(field, self.clock.now())
    }

    /// An answer whose fields may have dates to fill in. It has a `Date` unless one of them begins so; an empty `Date:` is
    /// left out.
    pub(crate) fn answer(&self, status: u16, fields: &[&str], body: &str) -> Answer {
        Answer::with(status, &self.fields(fields), body)
    }

    /// A path that nothing has asked for.
    pub(crate) fn path(&self) -> String {
        format!("/row/{}", self.rows.fetch_add(1, Ordering::Relaxed))
    }

    /// Those fields.
    pub(crate) fn fields(&self, fields: &[&str]) -> Vec<String> {
        let mut all: Vec<String> = fields.iter().filter(|field| **field != "Date:").map(|f| self.dated(f)).collect();
        if !fields.iter().any(|field| field.starts_with("Date:")) {
            all.push(self.dated("Date: {now}"));
        }
        all
    }

    /// Scripts the next answers of a target.
    pub(crate) fn says(&self, target: &str, status: u16, fields: &[&str], body: &str) {
        self.origin.answers(target, [self.answer(status, fields, body)]);
    }

    /// Sends a request and does not wait.
    pub(crate) async fn call(&self, method: &str, target: &str, fields: &[&str]) -> Call {
        let fields: Vec<String> = fields.iter().map(|field| self.dated(field)).collect();
        Call::send(self.address, &format!("{method} {target}"), &fields, "").await
    }

    pub(crate) async fn ask(&self, method: &str, target: &str, fields: &[&str]) -> Got {
        self.call(method, target, fields).await.got(method).await
    }

    pub(crate) async fn get(&self, target: &str, fields: &[&str]) -> Got {
        self.ask("GET", target, fields).await
    }

    /// Asks until the answer is of this word: what happens behind the back of clients takes a moment.
    pub(crate) async fn until(&self, target: &str, word: &str) {
        let asking = async { while self.get(target, &[]).await.word() != word {} };
        let came = tokio::time::timeout(origin::PATIENCE, asking).await;
        came.unwrap_or_else(|_| panic!("{target} never became a {word}"));
    }
}

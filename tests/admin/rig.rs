//! A server of the admin routes on a store that can be sent away, and a client that sends what it is told.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use larder::admin::{self, Options};
use larder::cache::{Cache, OnStoreError};
use larder::invalidation::{Category, Cleared, Selector, Tag};
use larder::key::Key;
use larder::route::{QueryFilter, Rule, Table};
use larder::store::{
    Claim, Fence, Found, Health, Labels, Lease, Leased, Put, Reply, Store, StoreError, Stored, Unused, VariantId,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A server and the store behind it.
pub(crate) struct Rig {
    address: SocketAddr,
    pub(crate) store: Names,
}

/// What came back.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub head: String,
    pub(crate) text: String,
}

type Name = (Key, Vec<Tag>, Option<Category>);

/// A store of names: what can be selected, with nothing behind it.
#[derive(Clone, Debug)]
pub(crate) struct Names {
    entries: Arc<Mutex<Vec<Name>>>,
    away: Arc<AtomicBool>,
}

impl Rig {
    pub(crate) async fn new() -> Self {
        Self::with(Options::default(), OnStoreError::Bypass).await
    }

    pub(crate) async fn with(options: Options, on_error: OnStoreError) -> Self {
        Self::serve(options, on_error, |admin| admin).await
    }

    pub(crate) async fn nested(prefix: &'static str) -> Self {
        let mount =
            move |admin| Router::new().route("/", axum::routing::get(|| async { "the app" })).nest(prefix, admin);
        Self::serve(Options::default(), OnStoreError::Bypass, mount).await
    }

    async fn serve(options: Options, on_error: OnStoreError, mount: impl FnOnce(Router) -> Router) -> Self {
        let store = Names::filled();
        let users = Rule::new("/api/users/{id}").unwrap().category(Category::new("users"));
        let posts = Rule::new("/api/posts/").unwrap().query(QueryFilter::Include(vec!["page".into()]));
        let table = Table::builder().route(users).route(posts).build().unwrap();
        let cache = Cache::builder(table, store.clone()).on_store_error(on_error).build();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let app = mount(admin::router(cache, options)).into_make_service_with_connect_info::<SocketAddr>();
        #[expect(clippy::disallowed_methods, reason = "the server lives as long as its test")]
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { address, store }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send("GET", path).await
    }

    pub(crate) async fn send(&self, method: &str, path: &str) -> Answer {
        self.send_with(method, path, "").await
    }

    pub(crate) async fn post(&self, path: &str, body: &str) -> Answer {
        self.exchange("POST", path, &format!("Content-Length: {}\r\n", body.len()), body).await
    }

    pub(crate) async fn send_with(&self, method: &str, path: &str, fields: &str) -> Answer {
        self.exchange(method, path, fields, "").await
    }

    async fn exchange(&self, method: &str, path: &str, fields: &str, body: &str) -> Answer {
        let request = format!("{method} {path} HTTP/1.1\r\nHost: admin\r\nConnection: close\r\n{fields}\r\n{body}");
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        // A server that refuses a body need not read it to its end.
        let _ = stream.write_all(request.as_bytes()).await;
        let mut bytes = Vec::new();
        let _ = stream.read_to_end(&mut bytes).await;
        let text = String::from_utf8(bytes).unwrap();
        let (head, text) = text.split_once("\r\n\r\n").expect("an answer");
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer { status, head: head.to_owned(), text: text.to_owned() }
    }
}

impl Answer {
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.text).expect(&self.text)
    }
}

impl Names {
    fn filled() -> Self {
        let entry = |text: &str, tags: &[&str], category: Option<&str>| {
            (Key::parse(text).unwrap(), tags.iter().map(|tag| Tag::new(*tag)).collect(), category.map(Category::new))
        };
        let entries = vec![
            entry("GET:/api/users/1", &["user:1"], Some("users")),
            entry("GET:/api/users/2", &["user:2"], Some("users")),
            entry("GET:/api/posts/", &[], None),
            entry("GET:/api/posts/?page=1", &[], None),
            entry("GET:/api/posts/?page=2", &[], None),
            entry("GET:/api/posts/?page=3", &[], None),
            entry("GET:/api/posts/?page=4", &[], None),
            entry("GET:/api/a%20b", &[], None),
            entry("GET://h.example/api/users/1", &[], None),
        ];
        Self { entries: Arc::new(Mutex::new(entries)), away: Arc::default() }
    }

    pub(crate) fn go_away(&self) {
        self.away.store(true, Ordering::Release);
    }

    fn is_away(&self) -> bool {
        self.away.load(Ordering::Acquire)
    }
}

impl Store for Names {
    fn get(&self, _: &Key) -> Reply<Result<Found, StoreError>> {
        Reply::Now(Ok(Found::Absent))
    }

    fn get_variant(&self, _: &Key, _: &VariantId) -> Reply<Result<Found, StoreError>> {
        Reply::Now(Ok(Found::Absent))
    }

    fn lease(&self, key: &Key, labels: &Labels, fence: &Arc<Fence>, _: Claim) -> Reply<Result<Leased, StoreError>> {
        Reply::Now(Ok(Leased::Yes(Lease::local(key.clone(), labels.clone(), fence.clone()))))
    }

    fn put(&self, _: Lease, _: Put) -> Reply<Result<Stored, StoreError>> {
        Reply::Now(Ok(Stored::TooLarge))
    }

    fn release(&self, _: Lease, _: Unused) -> Reply<()> {
        Reply::Now(())
    }

    fn remove(&self, _: &Key) -> Reply<Result<(), StoreError>> {
        Reply::Now(Ok(()))
    }

    fn invalidate(&self, selector: &Selector) -> Reply<Result<Cleared, StoreError>> {
        if self.is_away() {
            return Reply::Now(Ok(Cleared::queued()));
        }
        let mut entries = self.entries.lock().unwrap();
        let before = entries.len();
        entries.retain(|(key, tags, category)| !selector.hits(key, tags, category.as_ref()));
        Reply::Now(Ok(Cleared::deleted((before - entries.len()) as u64)))
    }

    fn count(&self, selector: &Selector) -> Reply<Result<u64, StoreError>> {
        if self.is_away() {
            return Reply::Now(Err(StoreError::Unavailable("connection refused".into())));
        }
        let entries = self.entries.lock().unwrap();
        let count = entries.iter().filter(|(key, tags, category)| selector.hits(key, tags, category.as_ref())).count();
        Reply::Now(Ok(count as u64))
    }

    fn health(&self) -> Reply<Health> {
        let mut health = Health::default();
        health.healthy = !self.is_away();
        health.backend = if health.healthy { "memory" } else { "redis" };
        if !health.healthy {
            health.error = Some("connection refused".to_owned());
            health.queued_invalidations = 3;
        }
        Reply::Now(health)
    }
}

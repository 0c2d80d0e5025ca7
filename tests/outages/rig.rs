//! The program before an origin whose answers carry versions, and load that finds every stale one.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::process::Stdio;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::{Method, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::time::Instant;

/// What a real process may take that is under no promise.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Paths that are asked for again and again.
const HOT: u64 = 40;

/// The program, its origin, and what was invalidated.
pub(crate) struct Rig {
    _child: Child,
    log: Arc<Mutex<Vec<String>>>,
    proxy: SocketAddr,
    admin: SocketAddr,
    client: Client<HttpConnector, Full<Bytes>>,
    origin: Arc<Origin>,
    /// The version that no later answer may be older than, by path.
    cleared: Mutex<HashMap<String, u64>>,
    unique: AtomicU64,
}

#[derive(Default)]
struct Origin {
    versions: Mutex<HashMap<String, u64>>,
    asked: AtomicU64,
}

/// What a run of requests saw.
#[derive(Debug, Default)]
pub(crate) struct Run {
    pub(crate) took: Vec<Duration>,
    pub(crate) queued: usize,
}

impl Run {
    /// The time that this share of the requests took at most.
    pub(crate) fn at(&self, share: f64) -> Duration {
        let mut took = self.took.clone();
        took.sort_unstable();
        took[((took.len() - 1) as f64 * share) as usize]
    }
}

impl Rig {
    /// Starts the program with these lines in its configuration.
    pub(crate) async fn start(lines: &str) -> Arc<Self> {
        let origin = Arc::<Origin>::default();
        let upstream = Origin::serve(Arc::clone(&origin)).await;
        let file = tempfile::NamedTempFile::new().unwrap();
        let routes = "routes:\n  - { path: '/p/{id}', ttl: 1h, category: pages }\n";
        std::fs::write(file.path(), format!("{lines}{routes}")).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_larder"));
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            if ["LARDER_", "REDIS_", "CACHE_"].iter().any(|prefix| text.starts_with(prefix)) {
                command.env_remove(&name);
            }
        }
        command.args(["serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "-c"]).arg(file.path());
        command.args(["--upstream", &format!("http://{upstream}")]).stdin(Stdio::null()).stdout(Stdio::null());
        let mut child = command.stderr(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let (log, mut addresses) = (Arc::<Mutex<Vec<String>>>::default(), None);
        while addresses.is_none() {
            let line = tokio::time::timeout(PATIENCE, lines.next_line()).await.expect("it starts");
            let line = line.unwrap().unwrap_or_else(|| panic!("it ended: {:#?}", log.lock().unwrap()));
            let address = |mark| line.split_once(mark)?.1.split(' ').next()?.parse::<SocketAddr>().ok();
            addresses = address(" listen=").zip(address(" admin="));
            log.lock().unwrap().push(line);
        }
        let kept = Arc::clone(&log);
        tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                kept.lock().unwrap().push(line);
            }
        });
        let (proxy, admin) = addresses.unwrap();
        let client = Client::builder(TokioExecutor::new()).build_http();
        let (cleared, unique) = (Mutex::default(), AtomicU64::new(0));
        Arc::new(Self { _child: child, log, proxy, admin, client, origin, cleared, unique })
    }

    /// Lines of the log that contain this.
    pub(crate) fn logged(&self, part: &str) -> usize {
        self.log.lock().unwrap().iter().filter(|line| line.contains(part)).count()
    }

    /// Waits until the log has a line for the end of every outage that it has one for the beginning of.
    pub(crate) async fn is_said_to_end(&self) {
        let deadline = Instant::now() + PATIENCE;
        while self.logged("Redis is used again") != self.logged("Redis is not used") + self.logged("Redis fails again")
        {
            assert!(Instant::now() < deadline, "an outage that does not end in\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until the log has such a line.
    pub(crate) async fn logs(&self, part: &str) {
        let deadline = Instant::now() + PATIENCE;
        while self.logged(part) == 0 {
            assert!(Instant::now() < deadline, "no {part:?} in\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap().join("\n")
    }

    /// How often the origin was asked.
    pub(crate) fn fetches(&self) -> u64 {
        self.origin.asked.load(Ordering::SeqCst)
    }

    async fn send(&self, method: Method, to: SocketAddr, path: &str) -> Response<Bytes> {
        self.send_with(method, to, path, "").await
    }

    async fn send_with(&self, method: Method, to: SocketAddr, path: &str, body: &'static str) -> Response<Bytes> {
        let request = Request::builder().method(method).uri(format!("http://{to}{path}"));
        let request = request.header("content-type", "application/json").body(Full::from(body)).unwrap();
        let answer = tokio::time::timeout(PATIENCE, self.client.request(request)).await;
        let answer = answer.expect("an answer in time").unwrap_or_else(|error| panic!("{path}: {error:?}"));
        let (parts, body) = answer.into_parts();
        Response::from_parts(parts, body.collect().await.expect("a whole body").to_bytes())
    }

    /// Asks, and checks that the answer is right and not older than what was cleared before. Says what the cache did.
    pub(crate) async fn get(&self, path: &str) -> String {
        let oldest = self.cleared.lock().unwrap().get(path).copied().unwrap_or(0);
        let answer = self.send(Method::GET, self.proxy, path).await;
        assert_eq!(answer.status(), 200, "{path}: {:?}", answer.body());
        let body = std::str::from_utf8(answer.body()).unwrap();
        let version = body.strip_prefix(&format!("{path} ")).and_then(|rest| rest.split(' ').next()?.parse().ok());
        let version: u64 = version.unwrap_or_else(|| panic!("{path}: not its body: {body:.60}"));
        let cached = answer.headers()["x-cache"].to_str().unwrap().to_owned();
        let status = &answer.headers()["cache-status"];
        assert!(
            version >= oldest,
            "{path}: version {version} after {oldest} was cleared: {cached} {status:?} {:?}\n{}",
            std::time::SystemTime::now(),
            self.log()
        );
        cached
    }

    /// Changes a page at its origin and clears it. True when the invalidation was queued.
    pub(crate) async fn clear(&self, path: &str) -> bool {
        let version = self.origin.change(path);
        let answer = self.send(Method::DELETE, self.admin, &format!("/invalidate/GET:{path}")).await;
        let queued = std::str::from_utf8(answer.body()).unwrap().contains(r#""queued":true"#);
        assert_eq!(answer.status().as_u16(), if queued { 202 } else { 200 }, "{:?}", answer.body());
        let mut cleared = self.cleared.lock().unwrap();
        let newest = cleared.entry(path.to_owned()).or_default();
        *newest = version.max(*newest);
        queued
    }

    /// `POST /invalidate`.
    pub(crate) async fn purge(&self, what: &'static str) {
        let answer = self.send_with(Method::POST, self.admin, "/invalidate", what).await;
        assert_eq!(answer.status(), 200, "{what}: {:?}\n{}", answer.body(), self.log());
    }

    /// So many requests by several clients: hot pages mostly, pages never asked for before, and invalidations.
    pub(crate) async fn load(self: &Arc<Self>, requests: u64) -> Run {
        const CLIENTS: u64 = 8;
        let clients: Vec<_> = (0..CLIENTS)
            .map(|client| {
                let rig = Arc::clone(self);
                tokio::spawn(async move { rig.one_client(client, requests / CLIENTS).await })
            })
            .collect();
        let mut run = Run::default();
        for client in clients {
            let one = client.await.unwrap_or_else(|failed| std::panic::resume_unwind(failed.into_panic()));
            run.took.extend(one.took);
            run.queued += one.queued;
        }
        run
    }

    async fn one_client(&self, client: u64, requests: u64) -> Run {
        let mut run = Run::default();
        for n in 0..requests {
            let hot = format!("/p/{}", (n * 7 + client * 5) % HOT);
            if n % 16 == 15 {
                run.queued += usize::from(self.clear(&hot).await);
            }
            let path = match n % 6 {
                5 => format!("/p/once-{}", self.unique.fetch_add(1, Ordering::Relaxed)),
                _ => hot,
            };
            let began = Instant::now();
            self.get(&path).await;
            run.took.push(began.elapsed());
        }
        run
    }

    /// Every page that was ever cleared, once more.
    pub(crate) async fn look_at_all(&self) {
        let paths: Vec<String> = self.cleared.lock().unwrap().keys().cloned().collect();
        for path in paths {
            self.get(&path).await;
        }
    }

    /// `/health/cache`.
    pub(crate) async fn health(&self) -> String {
        let answer = self.send(Method::GET, self.admin, "/health/cache").await;
        assert_eq!(answer.status(), 200);
        String::from_utf8(answer.body().to_vec()).unwrap()
    }

    /// Waits until the health says this.
    pub(crate) async fn health_with(&self, part: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let health = self.health().await;
            if health.contains(part) {
                return health;
            }
            assert!(Instant::now() < deadline, "no {part} in {health}\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Waits until changes in Redis are told, so that memory is in front of Redis and not in its place.
    pub(crate) async fn is_told(&self) {
        let deadline = Instant::now() + PATIENCE;
        while self.health().await.contains("degraded") {
            assert!(Instant::now() < deadline, "changes are not told\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Waits until this page is read from the store.
    pub(crate) async fn stores(&self, path: &str) {
        let deadline = Instant::now() + PATIENCE;
        while self.get(path).await != "HIT" {
            assert!(Instant::now() < deadline, "{path} is not stored\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Waits until a page that nobody asked for before is stored and read again. Says how long it took.
    pub(crate) async fn stores_again(&self) -> Duration {
        let began = Instant::now();
        loop {
            let path = format!("/p/once-{}", self.unique.fetch_add(1, Ordering::Relaxed));
            self.get(&path).await;
            for _ in 0..10 {
                if self.get(&path).await == "HIT" {
                    return began.elapsed();
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            assert!(began.elapsed() < PATIENCE, "nothing is stored: {}\n{}", self.health().await, self.log());
        }
    }
}

impl Origin {
    async fn serve(origin: Arc<Self>) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let origin = Arc::clone(&origin);
                let answer = hyper::service::service_fn(move |request: Request<Incoming>| {
                    let body = origin.answer(request.uri().path());
                    async move { Ok::<_, std::convert::Infallible>(Response::new(Full::new(Bytes::from(body)))) }
                });
                let connection =
                    hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), answer);
                tokio::spawn(async move { drop(connection.await) });
            }
        });
        address
    }

    fn answer(&self, path: &str) -> String {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let version = self.versions.lock().unwrap().get(path).copied().unwrap_or(0);
        format!("{path} {version} {}", "x".repeat(700))
    }

    fn change(&self, path: &str) -> u64 {
        let mut versions = self.versions.lock().unwrap();
        let version = versions.entry(path.to_owned()).or_default();
        *version += 1;
        *version
    }
}

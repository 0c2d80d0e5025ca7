//! Many tasks on several threads read, write and clear a few resources, leave when it suits them, and check every answer
//! against the promise: none is older than the last invalidation that was acknowledged before its request began.

#![expect(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods, reason = "a test that cannot go on fails")]

use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body::{Body as _, Frame};
use larder::cache::{BoxError, Cache, CacheService};
use larder::clock::{Clock, Timestamp};
use larder::invalidation::{Category, Glob, Selector, Tag};
use larder::key::Key;
use larder::policy::Options;
use larder::route::{Rule, Table};
use larder::store::{MemoryStore, Store};
use tower::{Layer as _, Service, ServiceExt as _};

#[path = "rig/dice.rs"]
mod dice;
use dice::Dice;
#[path = "rig/slow_store.rs"]
mod slow_store;
use slow_store::SlowStore;

const THINGS: usize = 4;
const TASKS: u64 = 10;
const STEPS: usize = 150;
const CHUNKS: usize = 3;

type Empty = http_body_util::Empty<Bytes>;

impl Dice {
    async fn dawdle(&mut self, most: u64) {
        for _ in 0..self.below(most + 1) {
            tokio::task::yield_now().await;
        }
    }
}

/// Each thing has a version that grows.
#[derive(Clone)]
struct Origin {
    versions: Arc<[AtomicU64; THINGS]>,
    calls: Arc<AtomicU64>,
    seed: u64,
}

/// A body in a few chunks, with pauses between them.
struct Chunks {
    left: VecDeque<Bytes>,
    dice: Dice,
}

impl Service<Request<Empty>> for Origin {
    type Response = Response<Chunks>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Chunks>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Empty>) -> Self::Future {
        let origin = self.clone();
        let mut dice = Dice(self.seed ^ self.calls.fetch_add(1, Ordering::SeqCst).wrapping_mul(0x51_7c_c1));
        Box::pin(async move {
            dice.dawdle(3).await;
            let version = &origin.versions[thing_of(request.uri().path())];
            let version = match *request.method() {
                Method::POST => version.fetch_add(1, Ordering::SeqCst) + 1,
                _ => version.load(Ordering::SeqCst),
            };
            dice.dawdle(3).await;
            let (status, chunks) = match dice.below(20) {
                0 if request.method() == Method::GET => (500, 0),
                _ if request.headers().get("if-none-match").is_some_and(|tag| *tag == tag_of(version)) => (304, 0),
                _ => (200, CHUNKS),
            };
            let left = (0..chunks).map(|_| Bytes::from(format!("{version};"))).collect();
            let mut answer = Response::builder().status(status).header("etag", tag_of(version));
            if dice.below(2) == 0 {
                answer = answer.header("vary", "accept-language");
            }
            Ok(answer.body(Chunks { left, dice }).unwrap())
        })
    }
}

impl http_body::Body for Chunks {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match self.dice.below(3) {
            0 => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            _ if self.dice.below(60) == 0 => Poll::Ready(Some(Err("reset".into()))),
            _ => Poll::Ready(self.left.pop_front().map(|chunk| Ok(Frame::data(chunk)))),
        }
    }
}

fn tag_of(version: u64) -> String {
    format!("\"{version}\"")
}

fn thing_of(path: &str) -> usize {
    path.rsplit('/').next().unwrap().parse().unwrap()
}

/// One of the tasks, and what all of them share.
#[derive(Clone)]
struct Player {
    cache: Cache,
    service: CacheService<Origin>,
    origin: Origin,
    clock: Clock,
    /// The version that each thing had when its last acknowledged invalidation began.
    floors: Arc<[AtomicU64; THINGS]>,
}

impl Player {
    fn new(seed: u64, slow: bool) -> Self {
        let clock = Clock::manual(Timestamp::from_secs(1_800_000_000));
        let memory = MemoryStore::with_clock(8 << 20, clock.clone());
        if slow { Self::over(seed, clock, SlowStore::over(memory)) } else { Self::over(seed, clock, memory) }
    }

    fn over(seed: u64, clock: Clock, store: impl Store) -> Self {
        let rule = Rule::new("/things/{id}").unwrap().ttl(Duration::from_secs(5)).tag("thing:{id}").unwrap();
        let window = Duration::from_secs(5);
        let options = Options { stale_while_revalidate: window, stale_if_error: 2 * window, ..rule.policy().clone() };
        let rule = rule.options(options).category(Category::new("things"));
        let table = Table::builder().route(rule).build().unwrap();
        let cache = Cache::builder(table, store).clock(clock.clone()).build();
        let origin = Origin { versions: Arc::default(), calls: Arc::default(), seed };
        Self { service: cache.layer().layer(origin.clone()), cache, origin, clock, floors: Arc::default() }
    }

    async fn play(self, seed: u64, number: u64) {
        let mut dice = Dice(seed.wrapping_mul(31).wrapping_add(number));
        let mut unread = VecDeque::new();
        for _ in 0..STEPS {
            let thing = dice.below(THINGS as u64) as usize;
            match dice.below(12) {
                0 => self.write(thing, &mut dice).await,
                1 => self.clear(thing, &mut dice).await,
                2 => self.clock.advance(Duration::from_millis(dice.below(4000))),
                3 => {
                    unread.extend(self.request(Method::GET, thing, &mut dice).await);
                    if unread.len() > 2 {
                        unread.pop_front();
                    }
                }
                _ => self.read(thing, seed, &mut dice).await,
            }
        }
    }

    /// Sends a request. Now and then it is dropped before it is answered.
    async fn request(
        &self,
        method: Method,
        thing: usize,
        dice: &mut Dice,
    ) -> Option<Response<larder::cache::Body<Chunks, Infallible>>> {
        let query = dice.below(2);
        let language = ["de", "fr"][dice.below(2) as usize];
        let request = Request::builder().method(method).uri(format!("/things/{thing}?q={query}"));
        let request = request.header("accept-language", language).body(Empty::new()).unwrap();
        let call = self.service.clone().oneshot(request);
        if dice.below(5) > 0 {
            return Some(call.await.unwrap());
        }
        let mut call = Box::pin(call);
        for _ in 0..dice.below(8) {
            let polled = poll_fn(|cx| Poll::Ready(call.as_mut().poll(cx))).await;
            if let Poll::Ready(answer) = polled {
                return Some(answer.unwrap());
            }
            tokio::task::yield_now().await;
        }
        None
    }

    async fn read(&self, thing: usize, seed: u64, dice: &mut Dice) {
        let floor = self.floors[thing].load(Ordering::SeqCst);
        let Some(answer) = self.request(Method::GET, thing, dice).await else { return };
        let (head, body) = answer.into_parts();
        if head.status != 200 {
            return assert_eq!(head.status, 500);
        }
        let said = head.headers["cache-status"].to_str().unwrap().to_owned();
        let Some(text) = text_of(body, dice).await else { return };
        let versions: Vec<u64> = text.split_terminator(';').map(|version| version.parse().unwrap()).collect();
        assert_eq!(versions.len(), CHUNKS, "a part of a body, seed {seed}: {text} {said}");
        assert!(versions.iter().all(|version| *version == versions[0]), "a mixed body, seed {seed}: {text}");
        assert!(versions[0] >= floor, "seed {seed}: {text} after {floor} was acknowledged, {said}");
    }

    async fn write(&self, thing: usize, dice: &mut Dice) {
        let Some(answer) = self.request(Method::POST, thing, dice).await else { return };
        let version = self.written(answer, dice).await;
        self.floors[thing].fetch_max(version.unwrap_or_default(), Ordering::SeqCst);
    }

    async fn written(&self, answer: Response<larder::cache::Body<Chunks, Infallible>>, dice: &mut Dice) -> Option<u64> {
        text_of(answer.into_body(), dice).await?.split(';').next()?.parse().ok()
    }

    async fn clear(&self, thing: usize, dice: &mut Dice) {
        let version = self.origin.versions[thing].fetch_add(1, Ordering::SeqCst) + 1;
        let selector = match dice.below(5) {
            0 => Selector::Key(Key::parse(&format!("GET:/things/{thing}")).unwrap()),
            1 => Selector::Glob(Glob::new(format!("GET:/things/{thing}*"))),
            2 => Selector::Tag(Tag::new(format!("thing:{thing}"))),
            3 => Selector::Category(Category::new("things")),
            _ => Selector::All,
        };
        self.cache.invalidate(&selector).await.unwrap();
        self.floors[thing].fetch_max(version, Ordering::SeqCst);
    }
}

/// The whole body; nothing when it broke, or when the reader had enough.
async fn text_of(body: larder::cache::Body<Chunks, Infallible>, dice: &mut Dice) -> Option<String> {
    let mut body = Box::pin(body);
    let mut text = String::new();
    while let Some(frame) = poll_fn(|cx| body.as_mut().poll_frame(cx)).await {
        text.push_str(std::str::from_utf8(&frame.ok()?.into_data().ok()?).unwrap());
        dice.dawdle(2).await;
        if dice.below(15) == 0 {
            return None;
        }
    }
    Some(text)
}

async fn round(seed: u64, slow: bool) {
    let player = Player::new(seed, slow);
    let tasks: Vec<_> = (0..TASKS).map(|number| tokio::spawn(player.clone().play(seed, number))).collect();
    for task in tasks {
        let done = tokio::time::timeout(Duration::from_secs(20), task).await;
        done.unwrap_or_else(|_| panic!("somebody hangs, seed {seed}"))
            .unwrap_or_else(|error| panic!("seed {seed}: {error}"));
    }
    let at_rest = async {
        while player.cache.in_flight() > 0 {
            tokio::task::yield_now().await;
        }
    };
    let at_rest = tokio::time::timeout(Duration::from_secs(5), at_rest).await;
    assert!(at_rest.is_ok(), "{} fetches stay in flight, seed {seed}", player.cache.in_flight());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_answer_is_older_than_an_acknowledged_invalidation() {
    for seed in 1..=12 {
        round(seed, false).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nor_over_a_store_that_answers_later() {
    for seed in 101..=108 {
        round(seed, true).await;
    }
}

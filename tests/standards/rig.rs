//! A cache over the memory store, configured as `routes.yaml` configures it.

use std::time::Duration;

use http::{HeaderMap, Request, Response, request};
use http_body_util::BodyExt as _;
use larder::cache::{Body, Cache, CacheService};
use larder::clock::{Clock, Timestamp};
use larder::config::{Config, Env, Source};
use larder::store::MemoryStore;
use tower::{Layer as _, ServiceExt as _};

use crate::inner::{self, Empty, Hand, Inner, Stream, with};

/// The one path that most tests ask for.
pub(crate) const PATH: &str = "/api/posts/";

pub(crate) struct Rig {
    pub(crate) cache: Cache,
    pub(crate) clock: Clock,
    pub(crate) hand: Hand,
    service: CacheService<Inner>,
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

pub(crate) type Waiting = tokio::task::JoinHandle<Answer>;
type Open = Response<Body<Stream, std::convert::Infallible>>;

impl Rig {
    /// One route, for [`PATH`], with these fields beside its path.
    pub(crate) fn route(fields: &str) -> Self {
        Self::file(&format!("routes: [{{ path: {PATH}, {fields} }}]"))
    }

    /// A whole file.
    pub(crate) fn file(text: &str) -> Self {
        let config = Config::parse(&Source::new("routes.yaml", text), &Env::empty());
        let table = config.unwrap_or_else(|found| panic!("{found}")).table;
        // Sun, 06 Nov 1994 08:49:37 GMT
        let clock = Clock::manual(Timestamp::from_secs(784_111_777));
        let cache = Cache::builder(table, MemoryStore::with_clock(8 << 20, clock.clone())).clock(clock.clone()).build();
        let (inner, hand) = inner::inner();
        Self { service: cache.layer().layer(inner), cache, clock, hand }
    }

    /// Answers every call from now on with this body and these fields.
    pub(crate) fn origin(&self, body: &'static str, fields: &'static [(&'static str, &'static str)]) {
        self.hand.answer_with(move |_| with(body, fields));
    }

    pub(crate) fn after(&self, seconds: u64) -> &Self {
        self.after_millis(seconds * 1000)
    }

    pub(crate) fn after_millis(&self, millis: u64) -> &Self {
        self.clock.advance(Duration::from_millis(millis));
        self
    }

    pub(crate) async fn send(&self, request: request::Builder) -> Answer {
        read(self.service.clone().oneshot(request.body(Empty::new()).unwrap()).await.unwrap()).await
    }

    pub(crate) async fn get(&self) -> Answer {
        self.send(Request::get(PATH)).await
    }

    /// A GET with one more field.
    pub(crate) async fn get_with(&self, name: &str, value: &str) -> Answer {
        self.send(Request::get(PATH).header(name, value)).await
    }

    /// Sends a request that is expected to wait.
    pub(crate) fn begin(&self, request: request::Builder) -> Waiting {
        let call = self.service.clone().oneshot(request.body(Empty::new()).unwrap());
        tokio::spawn(async move { read(call.await.unwrap()).await })
    }

    /// Lets everything that was begun come as far as it can.
    pub(crate) async fn settle(&self) {
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
    }
}

async fn read(response: Open) -> Answer {
    let (parts, body) = response.into_parts();
    let body = body.collect().await.map_or_else(|_| "<broken>".into(), |body| body.to_bytes());
    Answer { status: parts.status.as_u16(), headers: parts.headers, body: String::from_utf8_lossy(&body).into_owned() }
}

impl Answer {
    pub(crate) fn says(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The word of `X-Cache` and the body.
    #[track_caller]
    pub(crate) fn is(&self, word: &str, body: &str) -> &Self {
        let seen = (self.says("x-cache"), self.body.as_str());
        assert_eq!(seen, (word, body), "{}: {}", self.status, self.says("cache-status"));
        self
    }

    #[track_caller]
    pub(crate) fn because(&self, status: &str) -> &Self {
        assert_eq!(self.says("cache-status"), status);
        self
    }
}

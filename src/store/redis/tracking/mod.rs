//! Hears of every change to a record, whoever makes it: writes, deletions, expiry, eviction, a flush.
//!
//! A connection of its own to every server that holds keys (every master of a Cluster) asks for `CLIENT TRACKING` of the
//! prefixes in broadcast mode; the server then names each key that changes, without having to remember who read it. These
//! connections are one link: while all of them stand and the commands' connections are in use, the link is [`News::Up`].
//! When one is lost, falls silent, or the servers are no longer the same, all are given up and made anew: what changed
//! meanwhile was not heard, so whoever keeps copies empties himself at [`News::Down`] and again at [`News::Up`].

mod push;
pub(super) mod wire;

use std::fmt;
use std::future::poll_fn;
use std::hash::{BuildHasher, Hasher};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use fred::prelude::{Config, ServerConfig, TlsConnector};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};

use self::wire::{Lost, Wire};
use super::finding::Finding;
use super::gather::gather;
use super::link::{Link, State};
use super::socket::Place;

/// How often the servers are compared with those that are listened to.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// The pause before the first attempt to connect again, and before every later one.
const PAUSES: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(1));

/// What there is to hear.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) enum News<'a> {
    /// From here on every change is told. Changes before may not have been.
    Up,
    /// Changes are no longer told.
    Down,
    /// This key changed; under its whole name.
    Changed(&'a [u8]),
    /// Every key may have changed.
    Flushed,
}

/// Listens until it is dropped.
pub(super) struct Listener(tokio::task::JoinHandle<()>);

/// How to reach the servers and what to ask of them.
#[derive(Clone)]
pub(super) struct Access {
    fixed: Option<Place>,
    user: Option<String>,
    password: Option<String>,
    tls: Option<TlsConnector>,
    prefixes: [String; 2],
    connect_timeout: Duration,
}

impl Access {
    pub(super) fn new(config: Config, prefixes: [String; 2], connect_timeout: Duration) -> Self {
        let fixed = match config.server {
            ServerConfig::Centralized { server } => Some(Place::Tcp(server)),
            ServerConfig::Unix { path } => Some(Place::Unix(path)),
            // Known to the client alone: the masters of a Cluster, the master that a sentinel names.
            _ => None,
        };
        let tls = config.tls.map(|tls| tls.connector);
        Self { fixed, user: config.username, password: config.password, tls, prefixes, connect_timeout }
    }

    /// Every server that holds keys, in order.
    fn places(&self, link: &Link) -> Vec<Place> {
        match &self.fixed {
            Some(place) => vec![place.clone()],
            None => {
                let mut places: Vec<Place> = link.servers().into_iter().map(Place::Tcp).collect();
                places.sort_unstable();
                places
            }
        }
    }

    async fn open(&self, place: &Place) -> Result<Wire, Lost> {
        timeout(self.connect_timeout, Wire::open(place, self)).await.unwrap_or(Err(Lost::Silent))
    }
}

impl Listener {
    /// Begins to listen. `hear` is called from one task, in the order in which things happened on each server.
    pub(super) fn spawn(access: Access, link: Arc<Link>, hear: impl Fn(News<'_>) + Send + Sync + 'static) -> Self {
        Self(spawn(async move { listen(&access, &link, &hear).await }))
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Listener")
    }
}

async fn listen<H: Fn(News<'_>) + Send + Sync>(access: &Access, link: &Link, hear: &H) {
    let mut pause = PAUSES.0;
    let mut told = false;
    loop {
        let began = Instant::now();
        let lost = watch(access, link, hear, told).await;
        if began.elapsed() > PAUSES.1 * 2 {
            (pause, told) = (PAUSES.0, false);
        }
        // Once an outage: a server that refuses the command does so every time.
        if !std::mem::replace(&mut told, true) {
            match lost {
                Some(Lost::Refused(why)) => tracing::warn!("{}", Finding::NotTold(why.as_ref().into())),
                lost => {
                    let why = lost.as_ref().map_or(&"the servers changed" as &dyn fmt::Display, |lost| lost);
                    tracing::warn!(%why, "changes in Redis are not told; memory keeps what it fetches for a short time");
                }
            }
        }
        sleep(jittered(pause)).await;
        pause = (pause * 2).min(PAUSES.1);
    }
}

/// One life of the link: connects, listens, ends with the first connection that is lost. `None`: other servers.
async fn watch<H: Fn(News<'_>) + Send + Sync>(access: &Access, link: &Link, hear: &H, again: bool) -> Option<Lost> {
    let (breaks, places) = (link.breaks(), access.places(link));
    let mut wires = Vec::with_capacity(places.len());
    for wire in gather(places.iter().map(|place| access.open(place))).await {
        match wire {
            Ok(wire) => wires.push(wire),
            Err(lost) => return Some(lost),
        }
    }
    if wires.is_empty() {
        return Some(Lost::Closed);
    }
    let mut listening: Vec<_> = wires.into_iter().map(|wire| Box::pin(wire.listen(hear))).collect();
    // Invariant: whatever ends this, a panic or the end of the runtime included, is told.
    let mut standing = Standing { hear, again, up: false };
    let mut look = pin!(async {
        let mut looks = interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            looks.tick().await;
            if link.breaks() != breaks || access.places(link) != places {
                return;
            }
            if link.state() == State::Up {
                standing.rise();
            }
        }
    });
    poll_fn(|context| {
        // Messages first: a change that was told before the link rises is not missed by what is read after.
        for wire in &mut listening {
            if let Poll::Ready(lost) = wire.as_mut().poll(context) {
                return Poll::Ready(Some(lost));
            }
        }
        look.as_mut().poll(context).map(|()| None)
    })
    .await
}

/// The link as it was told to whoever listens.
struct Standing<'a, H: Fn(News<'_>)> {
    hear: &'a H,
    /// Its loss was reported, so its return is.
    again: bool,
    up: bool,
}

impl<H: Fn(News<'_>)> Standing<'_, H> {
    fn rise(&mut self) {
        if !std::mem::replace(&mut self.up, true) {
            (self.hear)(News::Up);
            if self.again {
                tracing::info!("changes in Redis are told again; memory keeps what it fetches");
            }
        }
    }
}

impl<H: Fn(News<'_>)> Drop for Standing<'_, H> {
    fn drop(&mut self) {
        if self.up {
            (self.hear)(News::Down);
        }
    }
}

/// Between half and the whole of a pause, so that nodes do not come back all at once.
fn jittered(pause: Duration) -> Duration {
    let random = std::collections::hash_map::RandomState::new().build_hasher().finish();
    pause / 2 + (pause / 2).mul_f64(random as f64 / u64::MAX as f64)
}

/// This file owns the task that listens.
#[expect(clippy::disallowed_methods, reason = "this file owns the task that listens for changes")]
fn spawn(task: impl Future<Output = ()> + Send + 'static) -> tokio::task::JoinHandle<()> {
    tokio::spawn(task)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_is_never_longer_than_it_was_to_be() {
        for _ in 0..100 {
            let pause = jittered(PAUSES.1);
            assert!(pause >= PAUSES.1 / 2 && pause <= PAUSES.1, "{pause:?}");
        }
    }
}

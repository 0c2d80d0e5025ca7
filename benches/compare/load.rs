//! The load generator: a fixed number of connections, each with one request under way, until enough are answered.

use std::cell::Cell;
use std::fmt;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::ensure;
use tokio::task::{JoinSet, LocalSet};

use crate::bare;
use crate::http1::Connection;
use crate::plan::Size;
use crate::subjects::Kind;

/// Connections to one server, and what they ask it for.
pub(crate) struct Generator {
    connections: Vec<Connection>,
    kind: Kind,
    size: Size,
}

/// What one window looked like from outside.
pub(crate) struct Timing {
    pub(crate) wall: Duration,
    /// Sorted.
    pub(crate) latencies: Vec<Duration>,
}

/// What is asked for. Numbers are never used twice in a run, so a numbered path is always a miss.
#[derive(Clone, Copy)]
enum Target {
    Same(Size),
    Numbered(Size, u64),
}

static NEXT_NUMBER: AtomicU64 = AtomicU64::new(0);

impl Target {
    fn next(kind: Kind, size: Size) -> Self {
        match kind {
            Kind::Hit => Self::Same(size),
            Kind::Miss => Self::Numbered(size, NEXT_NUMBER.fetch_add(1, Ordering::Relaxed)),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Same(size) => write!(f, "/hit/{}", size.bytes()),
            Self::Numbered(size, number) => write!(f, "/miss/{}/{number}", size.bytes()),
        }
    }
}

impl Generator {
    pub(crate) async fn connect(address: SocketAddr, count: usize, kind: Kind, size: Size) -> anyhow::Result<Self> {
        let mut connections = Vec::with_capacity(count);
        for _ in 0..count {
            connections.push(Connection::open(address).await?);
        }
        Ok(Self { connections, kind, size })
    }

    /// Compares a whole body, twice: as it comes, and as it comes again.
    pub(crate) async fn probe(&mut self) -> anyhow::Result<()> {
        let expected = bare::body(self.size.bytes());
        for connection in self.connections.iter_mut().take(2) {
            let body = connection.get_body(Target::next(self.kind, self.size)).await?;
            ensure!(body == expected, "the body is not the one that the origin sends");
        }
        Ok(())
    }

    /// Sends this many requests and checks the status and the length of every answer.
    pub(crate) async fn run(&mut self, requests: u64) -> anyhow::Result<Timing> {
        let (kind, size) = (self.kind, self.size);
        let left = Rc::new(Cell::new(requests));
        let mut tasks = JoinSet::new();
        let local = LocalSet::new();
        let began = Instant::now();
        for connection in self.connections.drain(..) {
            tasks.spawn_local_on(drive(connection, kind, size, Rc::clone(&left)), &local);
        }
        let mut latencies = Vec::with_capacity(usize::try_from(requests)?);
        let driven = local.run_until(async {
            let mut connections = Vec::new();
            while let Some(done) = tasks.join_next().await {
                let (connection, measured) = done??;
                connections.push(connection);
                latencies.extend(measured);
            }
            anyhow::Ok(connections)
        });
        self.connections = driven.await?;
        let wall = began.elapsed();
        ensure!(latencies.len() as u64 == requests, "{} answers to {requests} requests", latencies.len());
        latencies.sort_unstable();
        Ok(Timing { wall, latencies })
    }
}

/// Sends on one connection until nothing is left to send.
async fn drive(
    mut connection: Connection,
    kind: Kind,
    size: Size,
    left: Rc<Cell<u64>>,
) -> anyhow::Result<(Connection, Vec<Duration>)> {
    let mut latencies = Vec::new();
    while left.get() > 0 {
        left.set(left.get() - 1);
        let target = Target::next(kind, size);
        let began = Instant::now();
        let length = connection.get(target).await?;
        latencies.push(began.elapsed());
        ensure!(length == size.bytes(), "{length} bytes for {target}");
    }
    Ok((connection, latencies))
}

//! Accepting connections until told to stop, and seeing the ones that are there to their end.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tower_service::Service;

use super::body::BoxError;
use super::connection::Protocols;
use super::drain::{Drain, Guard, Phase, Places, Watch};
use super::incoming::ClientBody;

/// The address a request came from. [`serve`] puts one among the extensions of every request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientAddr(pub SocketAddr);

/// What a client may use of a server.
#[derive(Clone, Debug)]
pub struct Limits {
    pub(super) connections: u32,
    pub(super) head_timeout: Duration,
    pub(super) head_bytes: usize,
    pub(super) fields: usize,
    pub(super) streams: u32,
    pub(super) drain_timeout: Duration,
}

/// How a server ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "it says whether connections were cut"]
pub struct Drained {
    cut: usize,
}

impl Limits {
    pub(super) const FIELDS: usize = 100;

    /// How many connections are open at once, tunnels included; more wait to be accepted. 16 384.
    #[must_use]
    pub fn connections(mut self, connections: u32) -> Self {
        self.connections = connections;
        self
    }

    /// How long a client may take to send the whole head of a request, from the moment the connection has nothing else
    /// to do. So it is also how long an idle connection is kept. 75 s.
    ///
    /// The connection is then closed without an answer.
    #[must_use]
    pub fn head_timeout(mut self, timeout: Duration) -> Self {
        self.head_timeout = timeout;
        self
    }

    /// How large the head of a request may be, its request line included. 32 KiB.
    ///
    /// Over HTTP/1 a larger one is answered `431` and the connection closed; over HTTP/2 the stream is answered `431`.
    #[must_use]
    pub fn head_bytes(mut self, bytes: usize) -> Self {
        self.head_bytes = bytes;
        self
    }

    /// How many fields the head of an HTTP/1 request may have; more are answered `431`. 100, which is also the one
    /// number for which no memory is allocated.
    #[must_use]
    pub fn fields(mut self, fields: usize) -> Self {
        self.fields = fields;
        self
    }

    /// How many requests an HTTP/2 connection may have in flight. 200.
    #[must_use]
    pub fn streams(mut self, streams: u32) -> Self {
        self.streams = streams;
        self
    }

    /// How long connections may take to finish after the server was told to stop. 30 s.
    #[must_use]
    pub fn drain_timeout(mut self, timeout: Duration) -> Self {
        self.drain_timeout = timeout;
        self
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 16_384,
            head_timeout: Duration::from_secs(75),
            head_bytes: 32 * 1024,
            fields: Self::FIELDS,
            streams: 200,
            drain_timeout: Duration::from_secs(30),
        }
    }
}

impl Drained {
    /// How many connections were still busy when the time was up.
    pub fn cut(self) -> usize {
        self.cut
    }
}

/// Serves HTTP/1.1 and HTTP/2 without TLS on every listener until `shutdown` ends. `connect` makes the service of each
/// connection.
///
/// Then the listeners are closed, so that new connections are refused; requests in flight are finished, idle
/// connections closed, and what is left after `drain_timeout` is cut. Every listener is accepted from in a task of its
/// own. Dropping the future cuts everything at once.
pub async fn serve<S, B>(
    listeners: Vec<TcpListener>,
    connect: impl Fn(ClientAddr) -> S + Clone + Send + 'static,
    limits: Limits,
    shutdown: impl Future<Output = ()>,
) -> Drained
where
    S: Service<Request<ClientBody>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Into<BoxError> + Send,
    B: http_body::Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    let drain = Drain::new(limits.connections);
    let protocols = Arc::new(Protocols::new(&limits));
    let mut doors = JoinSet::new();
    for listener in listeners {
        let door = Door { listener, places: drain.places(), watch: drain.watch() };
        doors.spawn(door.keep(connect.clone(), Arc::clone(&protocols)));
    }
    drop(connect);
    shutdown.await;
    drain.enter(Phase::Draining);
    while doors.join_next().await.is_some() {}
    let cut = drain.emptied(limits.drain_timeout).await;
    drain.enter(Phase::Cut);
    drain.emptied(LAST_POLL).await;
    Drained { cut }
}

/// How long the tasks of connections that were cut may take to notice.
const LAST_POLL: Duration = Duration::from_millis(500);

/// How long nothing is accepted after the system refused, for want of descriptors or memory.
const EXHAUSTED: Duration = Duration::from_millis(100);

/// One listener.
struct Door {
    listener: TcpListener,
    places: Places,
    watch: Watch,
}

impl Door {
    /// Accepts until the server drains. No error ends it.
    #[expect(clippy::disallowed_methods, reason = "a connection is a task of its own, and holds a place until it ends")]
    async fn keep<S, B>(self, connect: impl Fn(ClientAddr) -> S, protocols: Arc<Protocols>)
    where
        S: Service<Request<ClientBody>, Response = Response<B>> + Clone + Send + 'static,
        S::Future: Send + 'static,
        S::Error: Into<BoxError> + Send,
        B: http_body::Body + Send + 'static,
        B::Data: Send,
        B::Error: Into<BoxError>,
    {
        let closing = self.watch.reaches(Phase::Draining);
        let mut closing = std::pin::pin!(closing);
        loop {
            let accepted = tokio::select! {
                biased;
                () = &mut closing => return,
                accepted = self.accept() => accepted,
            };
            let Some((stream, peer, guard)) = accepted else { continue };
            let (service, protocols) = (connect(ClientAddr(peer)), Arc::clone(&protocols));
            tokio::spawn(async move { protocols.serve(stream, service, guard).await });
        }
    }

    /// The next connection, once there is a place for it.
    async fn accept(&self) -> Option<(TcpStream, SocketAddr, Guard)> {
        let guard = self.places.take().await?;
        match self.listener.accept().await {
            Ok((stream, peer)) => {
                // Refused only for a connection that is gone already, which its first read will tell.
                let _ = stream.set_nodelay(true);
                Some((stream, peer, guard))
            }
            Err(error) if is_of_one_connection(&error) => None,
            Err(error) => {
                tracing::warn!(%error, "no connection can be accepted for the moment");
                tokio::time::sleep(EXHAUSTED).await;
                None
            }
        }
    }
}

/// Whether an error is about the connection that would have been accepted, and says nothing about the next.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

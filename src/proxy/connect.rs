//! Connections to the upstream. Each remembers whether it has carried an answer, which tells a pooled connection that
//! died while it lay idle from an upstream that fails.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use http::{Extensions, Uri};
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::{Connected, Connection, HttpConnector};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tower_service::Service;

use super::body::BoxError;

/// Opens connections, name lookup included, within one timeout.
#[derive(Clone, Debug)]
pub(super) struct Connector {
    http: HttpConnector,
    timeout: Duration,
}

/// A connection to the upstream.
#[derive(Debug)]
pub(super) struct Link {
    io: TokioIo<TcpStream>,
    used: Used,
}

/// Whether a connection has carried an answer.
#[derive(Clone, Debug, Default)]
pub(super) struct Used(Arc<AtomicBool>);

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConnectError {
    #[error("the upstream did not accept a connection in time")]
    Timeout,
    #[error("no connection to the upstream could be opened")]
    Failed(#[source] BoxError),
}

impl Connector {
    pub(super) fn new(timeout: Duration) -> Self {
        let mut http = HttpConnector::new();
        http.set_nodelay(true);
        // Divided among the addresses of a name, so that one that is silent leaves time for the next.
        http.set_connect_timeout(Some(timeout));
        Self { http, timeout }
    }
}

impl Service<Uri> for Connector {
    type Response = Link;
    type Error = ConnectError;
    type Future = Pin<Box<dyn Future<Output = Result<Link, ConnectError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ConnectError>> {
        self.http.poll_ready(cx).map_err(|error| ConnectError::Failed(error.into()))
    }

    fn call(&mut self, upstream: Uri) -> Self::Future {
        let (connecting, timeout) = (self.http.call(upstream), self.timeout);
        Box::pin(async move {
            match tokio::time::timeout(timeout, connecting).await {
                Ok(Ok(io)) => Ok(Link { io, used: Used::default() }),
                Ok(Err(error)) if is_timeout(&error) => Err(ConnectError::Timeout),
                Ok(Err(error)) => Err(ConnectError::Failed(error.into())),
                Err(_) => Err(ConnectError::Timeout),
            }
        })
    }
}

/// Whether what lies at the bottom of an error is a timeout of the system or of the connector.
fn is_timeout(error: &(dyn std::error::Error + 'static)) -> bool {
    std::iter::successors(Some(error), |&error| error.source())
        .filter_map(|error| error.downcast_ref::<io::Error>())
        .any(|error| error.kind() == io::ErrorKind::TimedOut)
}

impl Used {
    /// The mark of the connection that these extensions came from.
    pub(super) fn take(extensions: &mut Extensions) -> Option<Self> {
        extensions.remove()
    }

    pub(super) fn mark(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether the failed connection had carried an answer before.
    pub(super) fn is_marked(connection: &Connected) -> bool {
        let mut extensions = Extensions::new();
        connection.get_extras(&mut extensions);
        Self::take(&mut extensions).is_some_and(|used| used.0.load(Ordering::Relaxed))
    }
}

impl Connection for Link {
    fn connected(&self) -> Connected {
        Connected::new().extra(self.used.clone())
    }
}

impl Read for Link {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl Write for Link {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }
}

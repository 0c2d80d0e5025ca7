//! A byte stream to one server: TCP, TLS or a Unix socket.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use fred::prelude::{Server, TlsConnector};
use fred::rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream, lookup_host};
use tokio::time::timeout;

/// Bytes in both directions.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// Where a server is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    Unix(PathBuf),
    Tcp(Server),
}

/// What was being done when it failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Doing {
    Resolving,
    Connecting,
    Encrypting,
}

/// A stream that could not be made.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub(super) struct Unconnected {
    pub(super) doing: Doing,
    pub(super) error: io::Error,
}

impl Place {
    /// Connects, each step within the limit.
    pub(super) async fn connect(
        &self,
        tls: Option<&TlsConnector>,
        limit: Duration,
    ) -> Result<Box<dyn Stream>, Unconnected> {
        let server = match self {
            Self::Unix(path) => return Ok(Box::new(step(Doing::Connecting, limit, UnixStream::connect(path)).await?)),
            Self::Tcp(server) => server,
        };
        let addresses = step(Doing::Resolving, limit, lookup_host((&*server.host, server.port))).await?;
        let addresses: Vec<_> = addresses.collect();
        let tcp = step(Doing::Connecting, limit, TcpStream::connect(&addresses[..])).await?;
        tcp.set_nodelay(true).map_err(|error| Unconnected { doing: Doing::Connecting, error })?;
        match tls {
            None => Ok(Box::new(tcp)),
            Some(TlsConnector::Rustls(connector)) => {
                let name = server.tls_server_name.as_ref().unwrap_or(&server.host).to_string();
                let name = ServerName::try_from(name).map_err(|error| Unconnected {
                    doing: Doing::Encrypting,
                    error: io::Error::new(io::ErrorKind::InvalidInput, error),
                })?;
                Ok(Box::new(step(Doing::Encrypting, limit, connector.connect(name, tcp)).await?))
            }
        }
    }
}

async fn step<T>(doing: Doing, limit: Duration, work: impl Future<Output = io::Result<T>>) -> Result<T, Unconnected> {
    let late = || io::Error::new(io::ErrorKind::TimedOut, "no answer in time");
    let done = timeout(limit, work).await.unwrap_or_else(|_| Err(late()));
    done.map_err(|error| Unconnected { doing, error })
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "{}", path.display()),
            Self::Tcp(server) => write!(f, "{}:{}", server.host, server.port),
        }
    }
}

//! One end of a TCP connection in a test's hand: what is sent, what arrives, and how it ends, byte for byte.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// How long a test waits for what never comes.
const PATIENCE: Duration = Duration::from_secs(10);

/// A connection, and what has arrived on it and was not looked at yet.
pub(crate) struct Wire {
    stream: TcpStream,
    arrived: Vec<u8>,
}

impl Wire {
    pub(crate) fn new(stream: TcpStream) -> Self {
        Self { stream, arrived: Vec::new() }
    }

    pub(crate) async fn connect(address: SocketAddr) -> Self {
        Self::new(TcpStream::connect(address).await.expect("connects"))
    }

    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).await.expect("sends");
    }

    /// Everything up to and including `end`.
    pub(crate) async fn until(&mut self, end: &str) -> String {
        loop {
            if let Some(at) = self.arrived.windows(end.len()).position(|window| window == end.as_bytes()) {
                let taken = self.arrived.drain(..at + end.len()).collect();
                return String::from_utf8(taken).expect("text");
            }
            assert!(self.more().await, "closed before {end:?}, after {:?}", String::from_utf8_lossy(&self.arrived));
        }
    }

    /// The head of a message, its empty line included.
    pub(crate) async fn head(&mut self) -> String {
        self.until("\r\n\r\n").await
    }

    /// So many bytes.
    pub(crate) async fn exactly(&mut self, count: usize) -> Vec<u8> {
        while self.arrived.len() < count {
            assert!(self.more().await, "closed after {} of {count} bytes", self.arrived.len());
        }
        self.arrived.drain(..count).collect()
    }

    /// A message whose body has a `Content-Length`.
    pub(crate) async fn message(&mut self) -> (String, String) {
        let head = self.head().await;
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let body = self.exactly(length.map_or(0, |length| length.parse().expect("a length"))).await;
        (head, String::from_utf8(body).expect("text"))
    }

    /// What arrives until the other side closes or breaks the connection.
    pub(crate) async fn rest(&mut self) -> String {
        String::from_utf8(self.closed().await).expect("text")
    }

    /// The same, in bytes.
    pub(crate) async fn closed(&mut self) -> Vec<u8> {
        while self.more().await {}
        std::mem::take(&mut self.arrived)
    }

    /// Breaks the connection with a reset.
    pub(crate) fn reset(self) {
        self.stream.set_zero_linger().expect("lingers");
    }

    /// Ends this side; the other may still send.
    pub(crate) async fn finish(&mut self) {
        self.stream.shutdown().await.expect("shuts down");
    }

    async fn more(&mut self) -> bool {
        let read = tokio::time::timeout(PATIENCE, self.stream.read_buf(&mut self.arrived));
        let read =
            read.await.unwrap_or_else(|_| panic!("nothing came after {:?}", String::from_utf8_lossy(&self.arrived)));
        matches!(read, Ok(count) if count > 0)
    }
}

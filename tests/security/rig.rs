//! The server, its strict origin, and clients that send what they like.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use larder::config::{Config, Env, Source};
use larder::server::{Listeners, Server};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::strict::{Seen, Strict, echo};

/// How long a test waits for what never comes.
const PATIENCE: Duration = Duration::from_secs(10);

/// Everything under `/c/` is cached; the rest is passed on.
pub(crate) const CACHED: &str = "routes:\n  - path: /c/{rest*}\n    ttl: 60s\n";

/// A server before an origin.
pub(crate) struct Rig {
    pub(crate) origin: Strict,
    pub(crate) address: SocketAddr,
    serving: JoinHandle<()>,
}

/// What came back.
#[derive(Clone, Debug, Default)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

/// One connection.
pub(crate) struct Client {
    stream: TcpStream,
    bytes: Vec<u8>,
}

impl Rig {
    /// A server of this configuration before an origin that echoes.
    pub(crate) async fn echoing(configuration: &str) -> Self {
        Self::answering(configuration, echo).await
    }

    pub(crate) async fn answering(
        configuration: &str,
        answer: impl Fn(&Seen) -> Vec<u8> + Send + Sync + 'static,
    ) -> Self {
        let origin = Strict::start(Arc::new(answer)).await;
        let text = format!("upstream: http://{}\n{configuration}", origin.address);
        let config = Config::parse(&Source::new("routes.yaml", text), &Env::empty()).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = Server::start(&config).await.unwrap();
        let listeners = Listeners { proxy: vec![listener], admin: None };
        let serving = tokio::spawn(async move {
            server.run(listeners, std::future::pending()).await.unwrap();
        });
        Self { origin, address, serving }
    }

    pub(crate) async fn client(&self) -> Client {
        Client { stream: TcpStream::connect(self.address).await.unwrap(), bytes: Vec::new() }
    }

    /// The one answer to a request on a connection of its own. The fields are put behind a `Host` of `a`, unless they
    /// bring their own.
    pub(crate) async fn ask(&self, line: &str, fields: &[&str]) -> Answer {
        let has_host = fields.iter().any(|field| field.to_ascii_lowercase().starts_with("host:"));
        let host = if has_host { "" } else { "Host: a\r\n" };
        let fields: String = fields.iter().map(|field| format!("{field}\r\n")).collect();
        self.raw(format!("{line} HTTP/1.1\r\n{host}{fields}Connection: close\r\n\r\n")).await
    }

    /// An ordinary GET.
    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.ask(&format!("GET {path}"), &[]).await
    }

    /// The first answer to these bytes, on a connection of their own.
    pub(crate) async fn raw(&self, bytes: impl AsRef<[u8]>) -> Answer {
        let mut client = self.client().await;
        client.send(bytes).await;
        client.answer().await.unwrap_or_default()
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Client {
    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        // The server may have heard enough and closed.
        let _ = self.stream.write_all(bytes.as_ref()).await;
    }

    /// The next answer; `None` when the connection ends before it is whole.
    pub(crate) async fn answer(&mut self) -> Option<Answer> {
        let head = loop {
            if let Some(at) = self.bytes.windows(4).position(|window| window == b"\r\n\r\n") {
                break self.bytes.drain(..at + 4).collect::<Vec<u8>>();
            }
            self.more().await.then_some(())?;
        };
        let head = String::from_utf8_lossy(&head).into_owned();
        let status = head.split(' ').nth(1)?.parse().ok()?;
        let mut answer = Answer { status, head, body: String::new() };
        let length = answer.field("content-length").map(|length| length.parse().unwrap());
        let body = match length {
            _ if status == 204 || status == 304 || status < 200 => Vec::new(),
            Some(length) => self.exactly(length).await?,
            None if answer.field("transfer-encoding").is_some() => self.chunks().await?,
            None => self.rest().await,
        };
        answer.body = String::from_utf8_lossy(&body).into_owned();
        Some(answer)
    }

    /// What comes until the connection ends.
    pub(crate) async fn rest(&mut self) -> Vec<u8> {
        while self.more().await {}
        std::mem::take(&mut self.bytes)
    }

    pub(crate) async fn exactly(&mut self, length: usize) -> Option<Vec<u8>> {
        while self.bytes.len() < length {
            self.more().await.then_some(())?;
        }
        Some(self.bytes.drain(..length).collect())
    }

    /// A chunked body, and the trailers behind it in its last line.
    async fn chunks(&mut self) -> Option<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let size = self.line().await?;
            match usize::from_str_radix(size.trim(), 16).ok()? {
                0 => loop {
                    let trailer = self.line().await?;
                    if trailer.is_empty() {
                        return Some(body);
                    }
                    body.extend_from_slice(trailer.as_bytes());
                },
                size => body.extend(self.exactly(size + 2).await?.into_iter().take(size)),
            }
        }
    }

    async fn line(&mut self) -> Option<String> {
        loop {
            if let Some(at) = self.bytes.windows(2).position(|window| window == b"\r\n") {
                let line: Vec<u8> = self.bytes.drain(..at + 2).take(at).collect();
                return String::from_utf8(line).ok();
            }
            self.more().await.then_some(())?;
        }
    }

    async fn more(&mut self) -> bool {
        let read = tokio::time::timeout(PATIENCE, self.stream.read_buf(&mut self.bytes)).await;
        let read = read.unwrap_or_else(|_| panic!("nothing came after {:?}", String::from_utf8_lossy(&self.bytes)));
        read.is_ok_and(|count| count > 0)
    }
}

impl Answer {
    /// The first field of this name.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let mut fields = self.head.lines().filter_map(|line| line.split_once(':'));
        fields.find(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }

    /// `HIT`, `MISS`, `BYPASS` and the like.
    pub(crate) fn verdict(&self) -> &str {
        self.field("x-cache").unwrap_or("none")
    }

    pub(crate) fn holds(&self, text: &str) -> bool {
        self.head.contains(text) || self.body.contains(text)
    }
}

//! A client that speaks bytes, and what it got.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::origin::{PATIENCE, position, values};

/// A request that was sent and has not been answered to its end.
pub(crate) struct Call {
    stream: TcpStream,
    arrived: Vec<u8>,
}

/// An answer, and how it ended.
#[derive(Clone, Debug)]
pub(crate) struct Got {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
    /// The fields after the last chunk.
    pub(crate) trailers: String,
    /// Whether the body has the length, or the last chunk, that its head announced.
    pub(crate) whole: bool,
}

impl Call {
    /// Sends a request that asks for its connection to be closed.
    pub(crate) async fn send(larder: SocketAddr, line: &str, fields: &[impl AsRef<str>], body: &str) -> Self {
        let mut stream = TcpStream::connect(larder).await.expect("connects");
        let mut text = format!("{line} HTTP/1.1\r\n");
        let has_host = fields.iter().any(|field| field.as_ref().to_ascii_lowercase().starts_with("host:"));
        if !has_host {
            text.push_str("Host: shop.example\r\n");
        }
        for field in fields {
            text.push_str(field.as_ref());
            text.push_str("\r\n");
        }
        if !body.is_empty() {
            text.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        text.push_str(&format!("Connection: close\r\n\r\n{body}"));
        stream.write_all(text.as_bytes()).await.expect("sends");
        Self { stream, arrived: Vec::new() }
    }

    /// Waits until these bytes have arrived.
    pub(crate) async fn sees(&mut self, wanted: impl AsRef<[u8]>) {
        let wanted = wanted.as_ref();
        while position(&self.arrived, wanted).is_none() {
            let more = self.more().await;
            assert!(more, "closed before {wanted:?}, after {:?}", String::from_utf8_lossy(&self.arrived));
        }
    }

    /// Everything, to the end of the connection. `method` tells whether a body follows.
    pub(crate) async fn got(mut self, method: &str) -> Got {
        while self.more().await {}
        Got::read(&self.arrived, method)
    }

    async fn more(&mut self) -> bool {
        let read = tokio::time::timeout(PATIENCE, self.stream.read_buf(&mut self.arrived)).await;
        let read = read.unwrap_or_else(|_| panic!("nothing came after {:?}", String::from_utf8_lossy(&self.arrived)));
        matches!(read, Ok(count) if count > 0)
    }
}

impl Got {
    fn read(bytes: &[u8], method: &str) -> Self {
        let end =
            position(bytes, b"\r\n\r\n").unwrap_or_else(|| panic!("no head in {:?}", String::from_utf8_lossy(bytes)));
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        let rest = &bytes[end + 4..];
        let length = values(&head, "content-length").first().map(|length| length.parse::<usize>().expect("a length"));
        let chunked = values(&head, "transfer-encoding").contains(&"chunked");
        let bodiless = method == "HEAD" || matches!(status, 204 | 304);
        let (body, trailers, whole) = match length {
            _ if bodiless => (rest.to_vec(), String::new(), rest.is_empty()),
            _ if chunked => unchunked(rest),
            Some(length) => (rest.to_vec(), String::new(), rest.len() == length),
            None => (rest.to_vec(), String::new(), true),
        };
        Self { status, head, body: String::from_utf8_lossy(&body).into_owned(), trailers, whole }
    }

    /// The values of a field, in the order of their lines.
    pub(crate) fn fields(&self, name: &str) -> Vec<&str> {
        values(&self.head, name)
    }

    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.fields(name).first().copied()
    }

    /// What larder says it did, in a word.
    pub(crate) fn word(&self) -> &str {
        self.field("x-cache").unwrap_or("none")
    }

    pub(crate) fn cache_status(&self) -> &str {
        self.fields("cache-status").last().copied().unwrap_or("none")
    }
}

/// The body, the trailers, and whether the last chunk was there.
fn unchunked(mut rest: &[u8]) -> (Vec<u8>, String, bool) {
    let mut body = Vec::new();
    loop {
        let Some(at) = position(rest, b"\r\n") else { return (body, String::new(), false) };
        let size = std::str::from_utf8(&rest[..at]).expect("a size");
        let size = usize::from_str_radix(size, 16).expect("a size");
        rest = &rest[at + 2..];
        if size == 0 {
            let trailers = String::from_utf8_lossy(rest).into_owned();
            return (body, trailers.clone(), trailers.ends_with("\r\n"));
        }
        let data = rest.get(..size).unwrap_or(rest);
        body.extend_from_slice(data);
        let Some(after) = rest.get(size + 2..) else { return (body, String::new(), false) };
        rest = after;
    }
}

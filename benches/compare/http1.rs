//! As much of HTTP/1.1 as a load generator needs: it must cost less than what it measures.

use anyhow::{Context, bail, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const BUFFER: usize = 256 * 1024;

/// A keep-alive connection with one request under way at a time.
pub(crate) struct Connection {
    stream: TcpStream,
    request: Vec<u8>,
    buffer: Vec<u8>,
}

/// The head of a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Head {
    /// Where the body begins.
    length: usize,
    content_length: usize,
}

impl Connection {
    pub(crate) async fn open(address: std::net::SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, request: Vec::with_capacity(128), buffer: vec![0; BUFFER] })
    }

    /// Asks for a path and reads the answer to its end; returns the length of the body.
    ///
    /// # Errors
    /// Any status but 200, an answer without `Content-Length`, or bytes after its end.
    pub(crate) async fn get(&mut self, path: impl std::fmt::Display) -> anyhow::Result<usize> {
        let mut body = 0;
        self.exchange(path, |part| body += part.len()).await?;
        Ok(body)
    }

    /// [`Connection::get`], keeping the body.
    pub(crate) async fn get_body(&mut self, path: impl std::fmt::Display) -> anyhow::Result<Vec<u8>> {
        let mut body = Vec::new();
        self.exchange(path, |part| body.extend_from_slice(part)).await?;
        Ok(body)
    }

    async fn exchange(&mut self, path: impl std::fmt::Display, mut body: impl FnMut(&[u8])) -> anyhow::Result<()> {
        self.request.clear();
        std::io::Write::write_fmt(
            &mut self.request,
            format_args!("GET {path} HTTP/1.1\r\nhost: bench.example\r\n\r\n"),
        )?;
        self.stream.write_all(&self.request).await?;

        let mut filled = 0;
        let head = loop {
            filled += self.read(filled).await?;
            if let Some(head) = parse_head(&self.buffer[..filled])? {
                break head;
            }
        };
        let mut left = take(head.content_length, &self.buffer[head.length..filled], &mut body)?;
        while left > 0 {
            let read = self.read(0).await?;
            left = take(left, &self.buffer[..read], &mut body)?;
        }
        Ok(())
    }

    async fn read(&mut self, at: usize) -> anyhow::Result<usize> {
        ensure!(at < self.buffer.len(), "a head of more than {BUFFER} bytes");
        let read = self.stream.read(&mut self.buffer[at..]).await?;
        ensure!(read > 0, "the connection ended within an answer");
        Ok(read)
    }
}

/// Hands a part of the body on; returns what is left to come.
fn take(left: usize, part: &[u8], body: &mut impl FnMut(&[u8])) -> anyhow::Result<usize> {
    body(part);
    left.checked_sub(part.len()).context("bytes after the end of an answer")
}

/// `None` while the head is not complete.
fn parse_head(bytes: &[u8]) -> anyhow::Result<Option<Head>> {
    let mut lines = 0;
    let mut content_length = None;
    let mut rest = bytes;
    while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
        let line = rest[..end].trim_ascii_end();
        rest = &rest[end + 1..];
        if line.is_empty() {
            let content_length = content_length.context("an answer without content-length")?;
            return Ok(Some(Head { length: bytes.len() - rest.len(), content_length }));
        }
        if lines == 0 && !line.starts_with(b"HTTP/1.1 200") {
            bail!("not a 200: {}", String::from_utf8_lossy(line));
        }
        const NAME: &[u8] = b"content-length:";
        if line.len() > NAME.len() && line[..NAME.len()].eq_ignore_ascii_case(NAME) {
            content_length = Some(std::str::from_utf8(line[NAME.len()..].trim_ascii())?.parse()?);
        }
        lines += 1;
    }
    Ok(None)
}

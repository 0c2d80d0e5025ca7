//! An origin that reads HTTP/1.1 strictly (RFC 9112), keeps its connections, and records every request.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A request as the origin understood it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    /// The request line, without its version.
    pub(crate) line: String,
    /// The fields as they came, each ended by CRLF.
    pub(crate) fields: String,
    /// The body, without chunks.
    pub(crate) body: String,
    /// Why it is not a request, when it is none.
    pub(crate) fault: Option<&'static str>,
}

/// What the origin answers.
pub(crate) type Answer = dyn Fn(&Seen) -> Vec<u8> + Send + Sync;

/// The running origin.
pub(crate) struct Strict {
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
}

/// A cacheable answer that is all of the request.
pub(crate) fn echo(seen: &Seen) -> Vec<u8> {
    let body = format!("{}\r\n{}\r\n{}", seen.line, seen.fields, seen.body);
    format!("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

impl Strict {
    pub(crate) async fn start(answer: Arc<Answer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, seen) = (listener.local_addr().unwrap(), Arc::<Mutex<Vec<Seen>>>::default());
        let record = Arc::clone(&seen);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(converse(stream, Arc::clone(&answer), Arc::clone(&record)));
            }
        });
        Self { address, seen }
    }

    /// Everything seen since this was asked last.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        std::mem::take(&mut self.seen.lock().unwrap())
    }
}

async fn converse(mut stream: TcpStream, answer: Arc<Answer>, record: Arc<Mutex<Vec<Seen>>>) {
    let mut bytes = Vec::new();
    while let Some(seen) = request(&mut stream, &mut bytes).await {
        record.lock().unwrap().push(seen.clone());
        if seen.fault.is_some() {
            return;
        }
        let answer = answer(&seen);
        let closes = String::from_utf8_lossy(&answer).contains("\r\nConnection: close\r\n");
        if stream.write_all(&answer).await.is_err() || closes {
            return;
        }
    }
}

/// The next request; `None` when the connection ends where one may end.
async fn request(stream: &mut TcpStream, bytes: &mut Vec<u8>) -> Option<Seen> {
    let head = loop {
        if let Some(at) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break bytes.drain(..at + 4).collect::<Vec<u8>>();
        }
        if stream.read_buf(bytes).await.unwrap_or(0) == 0 {
            return (!bytes.is_empty()).then(|| fault(bytes, "a head that was cut"));
        }
    };
    let mut seen = match read_head(&head) {
        Ok(seen) => seen,
        Err(why) => return Some(fault(&head, why)),
    };
    let body = match framing(&seen.fields) {
        Ok(Framing::None) => Ok(Vec::new()),
        Ok(Framing::Length(length)) => exactly(stream, bytes, length).await,
        Ok(Framing::Chunks) => chunks(stream, bytes).await,
        Err(why) => Err(why),
    };
    match body {
        Ok(body) => seen.body = String::from_utf8_lossy(&body).into_owned(),
        Err(why) => seen.fault = Some(why),
    }
    Some(seen)
}

fn fault(bytes: &[u8], why: &'static str) -> Seen {
    Seen { line: String::from_utf8_lossy(bytes).into_owned(), fault: Some(why), ..Seen::default() }
}

fn read_head(head: &[u8]) -> Result<Seen, &'static str> {
    let text = head.strip_suffix(b"\r\n").unwrap_or(head);
    let bare = |at: usize| match text[at] {
        b'\r' => text.get(at + 1) != Some(&b'\n'),
        b'\n' => at == 0 || text[at - 1] != b'\r',
        byte => byte < 0x20 && byte != b'\t' || byte == 0x7f,
    };
    if (0..text.len()).any(bare) {
        return Err("a control character");
    }
    let text = String::from_utf8_lossy(text).into_owned();
    let (line, fields) = text.split_once("\r\n").unwrap_or((&text, ""));
    let words: Vec<&str> = line.split(' ').collect();
    let [method, target, "HTTP/1.1"] = words[..] else { return Err("a request line that is none") };
    let in_form = target.starts_with('/') || (target, method) == ("*", "OPTIONS");
    if !is_token(method) || !in_form {
        return Err("a method or a target that is none");
    }
    for field in fields.split_terminator("\r\n") {
        if !field.split_once(':').is_some_and(|(name, _)| is_token(name)) {
            return Err("a field that is none");
        }
    }
    Ok(Seen { line: format!("{method} {target}"), fields: fields.to_owned(), ..Seen::default() })
}

fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}

enum Framing {
    None,
    Length(usize),
    Chunks,
}

/// RFC 9112 §6.3, without the part that guesses.
fn framing(fields: &str) -> Result<Framing, &'static str> {
    let values = |wanted: &str| {
        let fields = fields.lines().filter_map(|line| line.split_once(':'));
        fields.filter(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| value.trim()).collect::<Vec<_>>()
    };
    match (&values("content-length")[..], &values("transfer-encoding")[..]) {
        ([], []) => Ok(Framing::None),
        ([length], []) if !length.is_empty() && length.bytes().all(|b| b.is_ascii_digit()) => {
            length.parse().map(Framing::Length).map_err(|_| "a length that is none")
        }
        ([], ["chunked"]) => Ok(Framing::Chunks),
        _ => Err("a body of unclear length"),
    }
}

async fn exactly(stream: &mut TcpStream, bytes: &mut Vec<u8>, length: usize) -> Result<Vec<u8>, &'static str> {
    while bytes.len() < length {
        if stream.read_buf(bytes).await.unwrap_or(0) == 0 {
            return Err("a body that was cut");
        }
    }
    Ok(bytes.drain(..length).collect())
}

async fn chunks(stream: &mut TcpStream, bytes: &mut Vec<u8>) -> Result<Vec<u8>, &'static str> {
    let mut body = Vec::new();
    loop {
        let line = line(stream, bytes).await?;
        let size = usize::from_str_radix(&line, 16).ok().filter(|_| line.bytes().all(|b| b.is_ascii_hexdigit()));
        let size = size.ok_or("a chunk size that is none")?;
        if size == 0 {
            while !self::line(stream, bytes).await?.is_empty() {}
            return Ok(body);
        }
        body.extend(exactly(stream, bytes, size).await?);
        if exactly(stream, bytes, 2).await? != b"\r\n" {
            return Err("a chunk that is longer than its size");
        }
    }
}

async fn line(stream: &mut TcpStream, bytes: &mut Vec<u8>) -> Result<String, &'static str> {
    loop {
        if let Some(at) = bytes.windows(2).position(|window| window == b"\r\n") {
            let line: Vec<u8> = bytes.drain(..at + 2).collect();
            return String::from_utf8(line[..at].to_vec()).map_err(|_| "a line that is not text");
        }
        if stream.read_buf(bytes).await.unwrap_or(0) == 0 {
            return Err("a body that was cut");
        }
    }
}

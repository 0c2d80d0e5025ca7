//! An origin that sends the bytes a test gave it and remembers what it was asked.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};

/// How long a test waits for what never comes.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// A listening origin. A path for which nothing was scripted, or nothing is left, is answered [by itself](unscripted).
#[derive(Clone)]
pub(crate) struct Origin {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    scripts: Mutex<HashMap<String, VecDeque<Answer>>>,
    asked: Mutex<Vec<Asked>>,
    arrivals: watch::Sender<usize>,
}

/// A request as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) method: String,
    pub(crate) target: String,
    /// The head, without its empty line.
    pub(crate) head: String,
}

/// What is sent for one request.
#[derive(Clone, Debug, Default)]
pub(crate) struct Answer(Vec<Step>);

#[derive(Clone, Debug)]
enum Step {
    Send(Vec<u8>),
    Wait(Gate),
    Close,
    Reset,
}

/// Shut until it is opened.
#[derive(Clone, Debug)]
pub(crate) struct Gate(Arc<Semaphore>);

impl Gate {
    pub(crate) fn shut() -> Self {
        Self(Arc::new(Semaphore::new(0)))
    }

    pub(crate) fn open(&self) {
        self.0.close();
    }

    pub(crate) async fn passed(&self) {
        // Nobody adds permits: it ends when the semaphore is closed.
        drop(self.0.acquire().await);
    }
}

impl Answer {
    /// Exactly these bytes.
    pub(crate) fn raw(bytes: impl AsRef<[u8]>) -> Self {
        Self::default().send(bytes)
    }

    /// A status, these fields, and a body of a length that is said.
    pub(crate) fn with(status: u16, fields: &[impl AsRef<str>], body: &str) -> Self {
        let mut head = head(status, fields);
        let has_body = status != 204 && status != 304;
        if has_body {
            head.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        head.push_str("\r\n");
        Self::raw(head).send(if has_body { body } else { "" })
    }

    /// A status and these fields alone: what follows is said by the fields.
    pub(crate) fn head(status: u16, fields: &[impl AsRef<str>]) -> Self {
        Self::raw(head(status, fields) + "\r\n")
    }

    pub(crate) fn send(self, bytes: impl AsRef<[u8]>) -> Self {
        self.then(Step::Send(bytes.as_ref().to_vec()))
    }

    /// Sends nothing more until the gate is open.
    pub(crate) fn wait(self, gate: &Gate) -> Self {
        self.then(Step::Wait(gate.clone()))
    }

    pub(crate) fn close(self) -> Self {
        self.then(Step::Close)
    }

    pub(crate) fn reset(self) -> Self {
        self.then(Step::Reset)
    }

    /// What it sends, the waits left out.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let sent = self.0.iter().filter_map(|step| if let Step::Send(bytes) = step { Some(&bytes[..]) } else { None });
        sent.collect::<Vec<_>>().concat()
    }

    fn then(mut self, step: Step) -> Self {
        self.0.push(step);
        self
    }
}

fn head(status: u16, fields: &[impl AsRef<str>]) -> String {
    let fields: String = fields.iter().map(|field| format!("{}\r\n", field.as_ref())).collect();
    format!("HTTP/1.1 {status} Said\r\n{fields}")
}

impl Asked {
    /// The values of a field, in the order of their lines.
    pub(crate) fn fields(&self, name: &str) -> Vec<&str> {
        values(&self.head, name)
    }

    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.fields(name).first().copied()
    }

    pub(crate) fn is_conditional(&self) -> bool {
        self.field("if-none-match").or(self.field("if-modified-since")).is_some()
    }
}

/// The values of a field in a head.
pub(super) fn values<'h>(head: &'h str, name: &str) -> Vec<&'h str> {
    let lines = head.split("\r\n").skip(1).filter_map(|line| line.split_once(':'));
    lines.filter(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim()).collect()
}

impl Origin {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
        let origin = Self { address: listener.local_addr().expect("bound"), shared: Arc::default() };
        let (accepting, listener) = (origin.clone(), listener);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                stream.set_nodelay(true).expect("sends at once");
                let serving = accepting.clone();
                tokio::spawn(async move { serving.serve(stream).await });
            }
        });
        origin
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// What the next requests for a target are answered with, one after the other.
    pub(crate) fn answers(&self, target: &str, answers: impl IntoIterator<Item = Answer>) {
        self.shared.scripts.lock().unwrap().entry(target.to_owned()).or_default().extend(answers);
    }

    /// What was asked for a target.
    pub(crate) fn asked(&self, target: &str) -> Vec<Asked> {
        self.shared.asked.lock().unwrap().iter().filter(|asked| asked.target == target).cloned().collect()
    }

    /// How often a target was asked for.
    pub(crate) fn count(&self, target: &str) -> usize {
        self.asked(target).len()
    }

    /// Waits until a target has been asked for so often.
    pub(crate) async fn until_asked(&self, target: &str, times: usize) {
        let mut arrivals = self.shared.arrivals.subscribe();
        let arrived = arrivals.wait_for(|_| self.count(target) >= times);
        let arrived = tokio::time::timeout(PATIENCE, arrived).await;
        arrived.unwrap_or_else(|_| panic!("{target} was not asked for {times} times")).expect("the origin lives");
    }

    async fn serve(self, mut stream: TcpStream) {
        let mut arrived = Vec::new();
        while let Some(asked) = request(&mut stream, &mut arrived).await {
            let answer = self.shared.scripts.lock().unwrap().get_mut(&asked.target).and_then(VecDeque::pop_front);
            let answer = answer.unwrap_or_else(|| unscripted(&asked));
            self.shared.asked.lock().unwrap().push(asked);
            self.shared.arrivals.send_modify(|count| *count += 1);
            for step in answer.0 {
                match step {
                    Step::Send(bytes) => {
                        if stream.write_all(&bytes).await.is_err() {
                            return;
                        }
                    }
                    Step::Wait(gate) => gate.passed().await,
                    Step::Close => return,
                    Step::Reset => return stream.set_zero_linger().expect("lingers"),
                }
            }
        }
    }
}

/// A condition holds, and anything else is another answer than before that nobody may keep.
fn unscripted(asked: &Asked) -> Answer {
    match asked.method.as_str() {
        "HEAD" => Answer::head(200, &["Content-Length: 6"]),
        _ if asked.is_conditional() => Answer::head(304, &[] as &[&str]),
        _ => Answer::with(200, &[] as &[&str], "second"),
    }
}

/// The next request on a connection; its body has a length or is the last of its chunks.
async fn request(stream: &mut TcpStream, arrived: &mut Vec<u8>) -> Option<Asked> {
    let head = until(stream, arrived, |bytes| position(bytes, b"\r\n\r\n").map(|at| at + 4)).await?;
    let head = String::from_utf8_lossy(&head[..head.len() - 4]).into_owned();
    let length = values(&head, "content-length").first().map(|length| length.parse::<usize>().expect("a length"));
    let _body = match length {
        Some(length) => until(stream, arrived, |bytes| (bytes.len() >= length).then_some(length)).await?,
        None if values(&head, "transfer-encoding").is_empty() => Vec::new(),
        None => until(stream, arrived, |bytes| position(bytes, b"0\r\n\r\n").map(|at| at + 5)).await?,
    };
    let mut line = head.split(' ');
    let (method, target) = (line.next()?.to_owned(), line.next()?.to_owned());
    Some(Asked { method, target, head })
}

/// What has arrived up to where `end` finds one; nothing when the connection ends before.
async fn until(stream: &mut TcpStream, arrived: &mut Vec<u8>, end: impl Fn(&[u8]) -> Option<usize>) -> Option<Vec<u8>> {
    loop {
        if let Some(end) = end(arrived) {
            return Some(arrived.drain(..end).collect());
        }
        if stream.read_buf(arrived).await.ok()? == 0 {
            return None;
        }
    }
}

pub(super) fn position(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

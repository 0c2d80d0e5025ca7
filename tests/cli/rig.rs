//! The program as a child process, an origin whose answers the test holds in its hand, and a client.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::NamedTempFile;

/// Longer than anything here takes on a busy machine; no test waits for it to pass.
const PATIENCE: Duration = Duration::from_secs(20);

/// A running `larder`.
pub(crate) struct Program {
    child: Child,
    lines: Receiver<String>,
    pub(crate) proxy: SocketAddr,
    pub(crate) admin: SocketAddr,
}

/// An upstream that answers when the test says so.
pub(crate) struct Origin(TcpListener);

/// A request that the origin has received and not answered.
pub(crate) struct Held {
    stream: TcpStream,
    head: String,
}

/// A request that was sent.
pub(crate) struct Asked(TcpStream);

/// What came back.
pub(crate) struct Answer {
    pub(crate) status: u16,
    head: String,
    pub(crate) text: String,
}

/// A file with this text; it is gone when dropped.
pub(crate) fn file(text: &str) -> NamedTempFile {
    let file = NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    file
}

/// What `larder check` says of a file.
pub(crate) fn check(text: &str, arguments: &[&str]) -> Output {
    let file = file(text);
    larder(&[&["check", "-c", file.path().to_str().unwrap()], arguments].concat()).output().unwrap()
}

/// The exit code of a call that does not get far, and what it said on either stream.
pub(crate) fn exit_of(arguments: &[&str]) -> (Option<i32>, String) {
    let output = larder(arguments).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(said).unwrap())
}

/// The program with nothing of the environment that it would read.
fn larder(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_larder"));
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if ["LARDER_", "REDIS_", "CACHE_"].iter().any(|prefix| text.starts_with(prefix)) {
            command.env_remove(&name);
        }
    }
    command.args(arguments).stdin(Stdio::null());
    command
}

impl Program {
    /// The demo, on ports that it picked.
    pub(crate) fn demo(arguments: &[&str]) -> Self {
        let ports = ["demo", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"];
        Self::start(larder(&[&ports, arguments].concat()), |line| {
            let (name, url) = line.trim().split_once("  http://")?;
            Some((name.to_owned(), url.parse().ok()?))
        })
    }

    /// The proxy before this origin, on ports that it picked, with these variables set.
    pub(crate) fn serve(file: &NamedTempFile, origin: &Origin, variables: &[&str]) -> Self {
        let upstream = format!("http://{}", origin.0.local_addr().unwrap());
        let ports = ["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--upstream", &upstream];
        let mut command = larder(&[&["serve", "-c", file.path().to_str().unwrap()], &ports[..]].concat());
        command.envs(variables.iter().map(|variable| variable.split_once('=').unwrap()));
        let mut addresses = Vec::new();
        Self::start(command, move |line| {
            for (name, mark) in [("proxy", " listen="), ("admin", " admin=")] {
                let address = line.split_once(mark).and_then(|(_, rest)| rest.split(' ').next()?.parse().ok());
                addresses.extend(address.map(|address| (name.to_owned(), address)));
            }
            addresses.pop()
        })
    }

    /// Starts and reads lines until both addresses were named.
    fn start(mut command: Command, mut named: impl FnMut(&str) -> Option<(String, SocketAddr)>) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (sender, lines) = channel();
        let (stdout, stderr) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        for stream in [Box::new(stdout) as Box<dyn Read + Send>, Box::new(stderr)] {
            let sender = sender.clone();
            thread::spawn(move || {
                for line in BufReader::new(stream).lines().map_while(Result::ok) {
                    // A test that has seen enough does not listen any more.
                    let _ = sender.send(line);
                }
            });
        }
        let (mut proxy, mut admin) = (None, None);
        while let (None, _) | (_, None) = (proxy, admin) {
            let mut line = lines.recv_timeout(PATIENCE).expect("the addresses are printed");
            while let Some((name, address)) = named(&line) {
                *(if name == "proxy" { &mut proxy } else { &mut admin }) = Some(address);
                line.clear();
            }
        }
        Self { child, lines, proxy: proxy.unwrap(), admin: admin.unwrap() }
    }

    /// The next line of either stream that contains this.
    pub(crate) fn line_with(&self, part: &str) -> String {
        let mut seen = Vec::new();
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) if line.contains(part) => return line,
                Ok(line) => seen.push(line),
                Err(error) => panic!("no line with {part:?} ({error}) among {seen:#?}"),
            }
        }
    }

    pub(crate) fn signal(&self, name: &str) {
        let status = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status().unwrap();
        assert!(status.success());
    }

    /// Waits for the end.
    pub(crate) fn exit_code(&mut self) -> Option<i32> {
        let mut code = None;
        wait_until("the process ends", || {
            code = self.child.try_wait().unwrap();
            code.is_some()
        });
        code.and_then(|status| status.code())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Origin {
    pub(crate) fn new() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").unwrap())
    }

    /// Whether no connection waits to be accepted.
    pub(crate) fn is_idle(&self) -> bool {
        self.0.set_nonblocking(true).unwrap();
        let idle = self.0.accept().is_err();
        self.0.set_nonblocking(false).unwrap();
        idle
    }

    /// The next request, once all of it is there.
    pub(crate) fn next(&self) -> Held {
        let (mut stream, _) = self.0.accept().unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).expect("a whole head");
            head.push(byte[0]);
        }
        let head = String::from_utf8(head).unwrap();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
        stream.read_exact(&mut body).expect("a whole body");
        Held { stream, head }
    }
}

impl Held {
    /// The method and the target.
    pub(crate) fn line(&self) -> (&str, &str) {
        let (method, rest) = self.head.split_once(' ').expect("a request line");
        (method, rest.split(' ').next().unwrap_or_default())
    }

    pub(crate) fn answer(self, body: &str) {
        self.answer_with("", body);
    }

    /// The same with these fields.
    pub(crate) fn answer_with(mut self, fields: &str, body: &str) {
        let fields = format!("{fields}Content-Length: {}\r\nConnection: close\r\n", body.len());
        write!(self.stream, "HTTP/1.1 200 OK\r\n{fields}\r\n{body}").unwrap();
    }
}

/// Sends a GET and does not wait for the answer.
pub(crate) fn ask(address: SocketAddr, path: &str) -> Asked {
    request(address, "GET", path, "")
}

pub(crate) fn get(address: SocketAddr, path: &str) -> Answer {
    ask(address, path).answer()
}

pub(crate) fn send(address: SocketAddr, method: &str, path: &str, body: &str) -> Answer {
    request(address, method, path, body).answer()
}

fn request(address: SocketAddr, method: &str, path: &str, body: &str) -> Asked {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let length = body.len();
    let fields = format!("Host: {address}\r\nConnection: close\r\nContent-Type: application/json\r\n");
    let length = if body.is_empty() { String::new() } else { format!("Content-Length: {length}\r\n") };
    write!(stream, "{method} {path} HTTP/1.1\r\n{fields}{length}\r\n{body}").unwrap();
    Asked(stream)
}

impl Asked {
    pub(crate) fn answer(mut self) -> Answer {
        let mut text = String::new();
        self.0.read_to_string(&mut text).expect("an answer");
        let (head, body) = text.split_once("\r\n\r\n").expect("a whole answer");
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer { status, head: head.to_owned(), text: body.to_owned() }
    }
}

impl Answer {
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let mut fields = self.head.lines().filter_map(|line| line.split_once(": "));
        fields.find(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.text).expect(&self.text)
    }
}

/// Whether a connection to this address is refused.
pub(crate) fn is_refused(address: SocketAddr) -> bool {
    TcpStream::connect(address).is_err()
}

/// Looks again and again until it is so.
#[expect(clippy::disallowed_methods, reason = "a test that would wait for ever has to end")]
pub(crate) fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < PATIENCE, "{what}");
        thread::yield_now();
    }
}

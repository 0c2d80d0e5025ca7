//! A real `redis-server` for one test: on its own socket, in its own directory, gone with it.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

pub(crate) struct RedisServer {
    directory: tempfile::TempDir,
    arguments: Vec<String>,
    process: Option<Child>,
    port: Option<String>,
}

impl RedisServer {
    /// A server that answers.
    pub(crate) fn start() -> Self {
        Self::with(&[])
    }

    /// A server with further configuration, that answers.
    pub(crate) fn with(arguments: &[&str]) -> Self {
        let mut server = Self::absent();
        server.arguments = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        server.launch();
        server
    }

    /// A server that answers on a port of its own as well.
    pub(crate) fn on_tcp() -> Self {
        let port = free_port().to_string();
        let mut server = Self::with(&["--bind", "127.0.0.1", "--port", &port]);
        server.port = Some(port);
        server
    }

    /// A sentinel that watches a server on TCP under the name `mymaster`.
    pub(crate) fn sentinel_of(master: &Self) -> Self {
        let (port, watched) = (free_port().to_string(), master.port.as_deref().expect("a server on TCP"));
        Self::sentinel(&port, &format!("sentinel monitor mymaster 127.0.0.1 {watched} 1\n"))
    }

    /// A sentinel on this port, with these lines in its configuration.
    pub(crate) fn sentinel(port: &str, lines: &str) -> Self {
        let mut sentinel = Self::absent();
        let file = sentinel.directory.path().join("sentinel.conf");
        std::fs::write(&file, format!("bind 127.0.0.1\nport {port}\n{lines}")).unwrap();
        let mut command = Command::new("redis-server");
        command.arg(file).args(["--sentinel", "--unixsocket"]).arg(sentinel.socket());
        sentinel.run(command);
        sentinel.port = Some(port.to_owned());
        sentinel
    }

    pub(crate) fn tcp_url(&self) -> String {
        format!("redis://127.0.0.1:{}/0", self.port.as_deref().expect("a server on TCP"))
    }

    /// A place for a server that was not launched yet.
    pub(crate) fn absent() -> Self {
        Self { directory: tempfile::tempdir().unwrap(), arguments: Vec::new(), process: None, port: None }
    }

    pub(crate) fn launch(&mut self) {
        let mut command = Command::new("redis-server");
        command.args(["--port", "0", "--save", "", "--appendonly", "no", "--unixsocket"]).arg(self.socket());
        command.arg("--dir").arg(self.directory.path()).args(&self.arguments);
        self.run(command);
    }

    fn run(&mut self, mut command: Command) {
        let log = std::fs::File::create(self.directory.path().join("log")).unwrap();
        let spawned = command.stdin(Stdio::null()).stdout(log).stderr(Stdio::null()).spawn();
        self.process = Some(spawned.unwrap_or_else(|error| {
            panic!("redis-server cannot be run ({error}): install Redis 6.2 or newer (apt-get install redis-server)")
        }));
        until("redis-server answers", || {
            let answer = self.cli(&["PING"]);
            answer.ends_with("PONG") || answer.contains("NOAUTH")
        });
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.directory.path().join("redis.sock")
    }

    pub(crate) fn url(&self) -> String {
        format!("unix://{}", self.socket().display())
    }

    /// Runs a command on the server, as an operator would.
    pub(crate) fn cli(&self, arguments: &[&str]) -> String {
        let output = Command::new("redis-cli").arg("-s").arg(self.socket()).args(arguments).output();
        let output = output.expect("redis-cli cannot be run: install redis-tools");
        String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
    }

    pub(crate) fn keys(&self) -> Vec<String> {
        let names = self.cli(&["--scan"]);
        names.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect()
    }

    /// Stops the process without ending it: connections stay open and nothing answers.
    pub(crate) fn freeze(&self) {
        self.signal("-STOP");
    }

    pub(crate) fn thaw(&self) {
        self.signal("-CONT");
    }

    /// Ends the process at once.
    pub(crate) fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
        let _ = std::fs::remove_file(self.socket());
    }

    fn signal(&self, signal: &str) {
        let pid = self.process.as_ref().expect("launched").id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Waits for what a real server does in its own time.
#[expect(clippy::disallowed_methods, reason = "a deadline for a process outside this one")]
pub(crate) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !holds() {
        assert!(Instant::now() < deadline, "in vain: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A port that was free a moment ago.
pub(crate) fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

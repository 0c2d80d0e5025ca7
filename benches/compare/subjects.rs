//! Who is measured, and how each is brought up.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use tempfile::TempDir;

use crate::bare::What;
use crate::configuration::{self, LarderStore};
use crate::http1::Connection;
use crate::process::{Cores, Pinned};

/// One row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Subject {
    BareHyper,
    LarderMemory,
    NginxHit,
    VarnishHit,
    HyperHget,
    LarderRedis,
    HyperProxy,
    LarderMiss,
    NginxMiss,
    VarnishMiss,
    HyperProxySet,
    LarderRedisMiss,
}

/// What is asked of a subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// One path, over and over.
    Hit,
    /// A path that was never asked for before.
    Miss,
}

/// A subject that serves.
pub(crate) struct Running {
    pub(crate) subject: Subject,
    pub(crate) address: SocketAddr,
    pub(crate) process: Pinned,
}

/// What the subjects stand on: the origin, Redis, a directory.
pub(crate) struct Lab {
    cores: Cores,
    // Fields are dropped in this order: what runs ends before its directory goes.
    _origin: Pinned,
    origin: SocketAddr,
    _redis: Option<Pinned>,
    redis: Option<SocketAddr>,
    directory: TempDir,
    /// For a store that consists of files.
    files: TempDir,
}

/// Room for every body that is to be hit.
const STORE_FOR_HITS: u32 = 256;
/// Little enough that the store of a subject that only misses is full after the first rounds, and evicts.
const STORE_FOR_MISSES: u32 = 64;
const START_TIMEOUT: Duration = Duration::from_secs(15);
/// Files here are memory: a server that stores in files is not measured by its disk.
const TMPFS: &str = "/dev/shm";

impl Subject {
    pub(crate) const ALL: [Self; 12] = [
        Self::BareHyper,
        Self::LarderMemory,
        Self::NginxHit,
        Self::VarnishHit,
        Self::HyperHget,
        Self::LarderRedis,
        Self::HyperProxy,
        Self::LarderMiss,
        Self::NginxMiss,
        Self::VarnishMiss,
        Self::HyperProxySet,
        Self::LarderRedisMiss,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::BareHyper => "bare hyper, static body",
            Self::LarderMemory => "larder, hit in memory",
            Self::NginxHit => "nginx, hit",
            Self::VarnishHit => "Varnish, hit",
            Self::HyperHget => "bare hyper + one HGET",
            Self::LarderRedis => "larder, hit in Redis",
            Self::HyperProxy => "bare hyper proxy, miss",
            Self::LarderMiss => "larder, miss, memory",
            Self::NginxMiss => "nginx, miss",
            Self::VarnishMiss => "Varnish, miss",
            Self::HyperProxySet => "bare hyper proxy + one SET",
            Self::LarderRedisMiss => "larder, miss, Redis",
        }
    }

    pub(crate) const fn kind(self) -> Kind {
        match self {
            Self::BareHyper
            | Self::LarderMemory
            | Self::NginxHit
            | Self::VarnishHit
            | Self::HyperHget
            | Self::LarderRedis => Kind::Hit,
            Self::HyperProxy
            | Self::LarderMiss
            | Self::NginxMiss
            | Self::VarnishMiss
            | Self::HyperProxySet
            | Self::LarderRedisMiss => Kind::Miss,
        }
    }
}

impl Lab {
    pub(crate) fn open(cores: Cores) -> anyhow::Result<Self> {
        let directory = TempDir::with_prefix("larder-bench-")?;
        let (origin_process, origin) = start_bare(cores.load, What::Static, &[], &directory.path().join("origin.log"))?;
        let started = start_redis(cores.load, directory.path());
        let (redis_process, redis) = match started {
            Ok((process, address)) => (Some(process), Some(address)),
            Err(why) => {
                eprintln!("without Redis: {why:#}");
                (None, None)
            }
        };
        let files = if holds_a_store(Path::new(TMPFS)) {
            TempDir::with_prefix_in("larder-bench-", TMPFS)?
        } else {
            TempDir::with_prefix("larder-bench-")?
        };
        Ok(Self { cores, _origin: origin_process, origin, _redis: redis_process, redis, directory, files })
    }

    /// How many requests the origin has answered.
    pub(crate) async fn origin_requests(&self) -> anyhow::Result<u64> {
        let count = Connection::open(self.origin).await?.get_body("/count").await?;
        Ok(String::from_utf8(count)?.parse()?)
    }

    /// Starts a subject and waits until it answers.
    pub(crate) async fn start(&self, subject: Subject) -> anyhow::Result<Running> {
        let log = self.directory.path().join(format!("{subject:?}.log"));
        let (mut process, address) = self.spawn(subject, &log)?;
        let deadline = Instant::now() + START_TIMEOUT;
        loop {
            let why = match answers(address).await {
                Ok(()) => return Ok(Running { subject, address, process }),
                Err(why) => why,
            };
            if !process.is_running() || Instant::now() > deadline {
                let said = std::fs::read_to_string(&log).unwrap_or_default();
                return Err(why.context(format!("it does not serve; it says: {:?}", said.trim())));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    fn spawn(&self, subject: Subject, log: &Path) -> anyhow::Result<(Pinned, SocketAddr)> {
        let bare = |what, behind: &[SocketAddr]| start_bare(self.cores.server, what, behind, log);
        match subject {
            Subject::BareHyper => bare(What::Static, &[]),
            Subject::HyperHget => bare(What::Hget, &[self.redis()?]),
            Subject::HyperProxy => bare(What::Proxy, &[self.origin]),
            Subject::HyperProxySet => bare(What::ProxySet, &[self.origin, self.redis()?]),
            Subject::LarderMemory => self.larder(LarderStore::Memory(STORE_FOR_HITS), log),
            Subject::LarderMiss => self.larder(LarderStore::Memory(STORE_FOR_MISSES), log),
            Subject::LarderRedis | Subject::LarderRedisMiss => self.larder(LarderStore::Redis(self.redis()?), log),
            Subject::NginxHit => self.nginx(STORE_FOR_HITS, log),
            Subject::NginxMiss => self.nginx(STORE_FOR_MISSES, log),
            Subject::VarnishHit => self.varnish(STORE_FOR_HITS, log),
            Subject::VarnishMiss => self.varnish(STORE_FOR_MISSES, log),
        }
    }

    fn larder(&self, store: LarderStore, log: &Path) -> anyhow::Result<(Pinned, SocketAddr)> {
        let [listen, admin] = free_addresses()?;
        let file = log.with_extension("yaml");
        std::fs::write(&file, configuration::larder(listen, admin, self.origin, store))?;
        let arguments = ["serve".to_owned(), "-c".to_owned(), file.display().to_string()];
        Ok((Pinned::start(self.cores.server, Path::new(env!("CARGO_BIN_EXE_larder")), &arguments, log)?, listen))
    }

    fn nginx(&self, store_mib: u32, log: &Path) -> anyhow::Result<(Pinned, SocketAddr)> {
        let program = installed("nginx")?;
        let [listen] = free_addresses()?;
        let (directory, file) = (self.files.path().join(format!("nginx-{store_mib}")), log.with_extension("conf"));
        std::fs::create_dir(&directory)?;
        std::fs::write(&file, configuration::nginx(listen, self.origin, &directory, store_mib))?;
        let arguments = ["-p".to_owned(), directory.display().to_string(), "-c".to_owned(), file.display().to_string()];
        Ok((Pinned::start(self.cores.server, &program, &arguments, log)?, listen))
    }

    fn varnish(&self, store_mib: u32, log: &Path) -> anyhow::Result<(Pinned, SocketAddr)> {
        let program = installed("varnishd")?;
        let [listen] = free_addresses()?;
        let (directory, file) = (log.with_extension("d"), log.with_extension("vcl"));
        std::fs::write(&file, configuration::varnish(self.origin))?;
        let arguments = format!(
            "-F -j none -a {listen} -f {} -n {} -s malloc,{store_mib}m -p thread_pools=1 -p timeout_idle=300",
            file.display(),
            directory.display()
        );
        let arguments: Vec<String> = arguments.split(' ').map(str::to_owned).collect();
        Ok((Pinned::start(self.cores.server, &program, &arguments, log)?, listen))
    }

    fn redis(&self) -> anyhow::Result<SocketAddr> {
        self.redis.context("Redis does not run")
    }
}

async fn answers(address: SocketAddr) -> anyhow::Result<()> {
    Connection::open(address).await?.get("/hit/1024").await?;
    Ok(())
}

/// A server of this program, in a process of its own; it prints its address when it listens.
fn start_bare(core: usize, what: What, behind: &[SocketAddr], log: &Path) -> anyhow::Result<(Pinned, SocketAddr)> {
    let name = match what {
        What::Static => "static",
        What::Hget => "hget",
        What::Proxy => "proxy",
        What::ProxySet => "proxy-set",
    };
    let arguments: Vec<String> =
        ["serve", name].map(str::to_owned).into_iter().chain(behind.iter().map(ToString::to_string)).collect();
    let mut process = Pinned::start(core, &std::env::current_exe()?, &arguments, log)?;
    let deadline = Instant::now() + START_TIMEOUT;
    loop {
        let said = std::fs::read_to_string(log)?;
        if let Some(address) = said.lines().next().and_then(|line| line.parse().ok()) {
            return Ok((process, address));
        }
        if !process.is_running() || Instant::now() > deadline {
            bail!("the bare server {name} does not start: {said}");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn start_redis(core: usize, directory: &Path) -> anyhow::Result<(Pinned, SocketAddr)> {
    let program = installed("redis-server")?;
    let [address] = free_addresses()?;
    let arguments = [
        ["--bind", "127.0.0.1"],
        ["--port", &address.port().to_string()],
        ["--save", ""],
        ["--appendonly", "no"],
        ["--maxmemory", "256mb"],
        // What the bare servers read has no expiry and stays.
        ["--maxmemory-policy", "volatile-lru"],
    ];
    let arguments: Vec<String> = arguments.as_flattened().iter().map(|&argument| argument.to_owned()).collect();
    let mut process = Pinned::start(core, &program, &arguments, &directory.join("redis.log"))?;
    let deadline = Instant::now() + START_TIMEOUT;
    while std::net::TcpStream::connect(address).is_err() {
        if !process.is_running() || Instant::now() > deadline {
            bail!("redis-server does not start: {}", std::fs::read_to_string(directory.join("redis.log"))?);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok((process, address))
}

/// Where a program is installed. Servers often lie outside an ordinary user's search path.
pub(crate) fn installed(program: &str) -> anyhow::Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from))
        .map(|directory| directory.join(program))
        .find(|file| file.is_file())
        .with_context(|| format!("{program} is not installed"))
}

/// Whether a gigabyte is free there. In a container it often is not.
fn holds_a_store(directory: &Path) -> bool {
    let output = Command::new("df").args(["--output=avail", "-k"]).arg(directory).output();
    let said = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    said.lines().nth(1).and_then(|free| free.trim().parse::<u64>().ok()).is_some_and(|kib| kib >= 1024 * 1024)
}

/// Loopback addresses that nobody listens on. Held together while they are chosen, so that they differ.
fn free_addresses<const N: usize>() -> anyhow::Result<[SocketAddr; N]> {
    let mut held = Vec::with_capacity(N);
    for _ in 0..N {
        held.push(TcpListener::bind("127.0.0.1:0")?);
    }
    let mut addresses = [SocketAddr::from(([127, 0, 0, 1], 0)); N];
    for (address, listener) in addresses.iter_mut().zip(&held) {
        *address = listener.local_addr()?;
    }
    Ok(addresses)
}

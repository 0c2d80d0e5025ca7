//! Child processes, each held to a core, and the CPU time they used.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};

/// Where things run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cores {
    /// The measured servers.
    pub(crate) server: usize,
    /// The load generator, the origin, Redis.
    pub(crate) load: usize,
}

impl Cores {
    /// The first two cores that this process may use.
    pub(crate) fn choose() -> anyhow::Result<Self> {
        let status = fs::read_to_string("/proc/self/status").context("the bench needs Linux's /proc")?;
        let list = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:")).unwrap_or_default();
        let mut cores = Vec::new();
        for range in list.trim().split(',') {
            let (first, last) = range.split_once('-').unwrap_or((range, range));
            cores.extend(first.parse::<usize>()?..=last.parse()?);
        }
        match cores[..] {
            [server, load, ..] => Ok(Self { server, load }),
            _ => bail!("the bench needs two cores: one for the server, one for the load"),
        }
    }
}

/// Moves every thread of this process to the core.
pub(crate) fn pin_this_process(core: usize) -> anyhow::Result<()> {
    let (core, pid) = (core.to_string(), std::process::id().to_string());
    let status = Command::new("taskset")
        .args(["-a", "-c", "-p", &core, &pid])
        .stdout(Stdio::null())
        .status()
        .context("taskset (util-linux) is missing")?;
    ensure!(status.success(), "taskset cannot pin this process to core {core}");
    Ok(())
}

/// A child process on a core of its own choosing. Ended when dropped.
#[derive(Debug)]
pub(crate) struct Pinned {
    child: Child,
}

impl Pinned {
    /// Starts `program` on `core`. Its output goes to `log`.
    pub(crate) fn start(core: usize, program: &Path, arguments: &[String], log: &Path) -> anyhow::Result<Self> {
        let output = File::create(log)?;
        let mut command = Command::new("taskset");
        command.arg("-c").arg(core.to_string()).arg(program).args(arguments);
        // A server on one core has one worker. What the caller's environment says about larder and Redis is not meant.
        command.env("TOKIO_WORKER_THREADS", "1");
        for name in ["REDIS_URL", "REDIS_HOST", "CACHE_ENABLED", "CACHE_TTL_DEFAULT", "LARDER_ADMIN_TOKEN"] {
            command.env_remove(name);
        }
        let child = command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output).spawn()?;
        Ok(Self { child })
    }

    /// Whether the process is still there.
    pub(crate) fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// The CPU time that the process, its threads and its descendants have used, user and system.
    pub(crate) fn cpu(&self) -> anyhow::Result<Duration> {
        let mut family = vec![self.child.id()];
        let parents = parents()?;
        let mut seen = 0;
        while seen < family.len() {
            let parent = family[seen];
            family.extend(parents.iter().filter(|(_, of)| *of == parent).map(|(pid, _)| *pid));
            seen += 1;
        }
        family.into_iter().map(cpu_of).sum()
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        // A master process takes its workers with it when it is asked to end, not when it is killed.
        let _ = Command::new("kill").arg(self.child.id().to_string()).stderr(Stdio::null()).status();
        let deadline = Instant::now() + Duration::from_secs(5);
        while Instant::now() < deadline {
            if !self.is_running() {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Every process, with its parent.
fn parents() -> anyhow::Result<Vec<(u32, u32)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let Some(pid) = entry?.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        // A process may end while it is looked at.
        let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else { continue };
        if let Some(parent) = stat_fields(&stat).nth(1).and_then(|field| field.parse().ok()) {
            found.push((pid, parent));
        }
    }
    Ok(found)
}

/// The fields after the name, which may itself contain spaces and parentheses: state, parent, …
fn stat_fields(stat: &str) -> impl Iterator<Item = &str> {
    stat.rsplit_once(')').map_or("", |(_, fields)| fields).split_ascii_whitespace()
}

/// `utime` + `stime` of a process. The kernel counts the same time per thread in nanoseconds; where it shows that, the
/// sum is taken, since a clock tick is 10 ms.
fn cpu_of(pid: u32) -> anyhow::Result<Duration> {
    const TICK: Duration = Duration::from_millis(10);
    let mut nanoseconds = 0;
    for task in fs::read_dir(format!("/proc/{pid}/task"))? {
        let Ok(schedstat) = fs::read_to_string(task?.path().join("schedstat")) else { continue };
        nanoseconds += schedstat.split(' ').next().unwrap_or_default().parse::<u64>()?;
    }
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let ticks = stat_fields(&stat).skip(11).take(2).map(str::parse::<u32>).sum::<Result<u32, _>>()?;
    let (by_thread, by_ticks) = (Duration::from_nanos(nanoseconds), TICK * ticks);
    // Threads that have ended are counted by ticks only.
    Ok(if by_thread + 2 * TICK >= by_ticks { by_thread } else { by_ticks })
}

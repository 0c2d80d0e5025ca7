//! The table for people and the JSON for programs.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::load::Timing;
use crate::plan::{Plan, Size};
use crate::process::Cores;
use crate::subjects::{Subject, installed};

/// One measured window.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    /// CPU microseconds of the server per request.
    cpu: f64,
    /// Requests per second.
    rate: f64,
    p50: f64,
    p99: f64,
}

/// Everything a run found.
pub(crate) struct Report {
    settings: Value,
    sizes: BTreeMap<Size, BTreeMap<Subject, Vec<Sample>>>,
    skipped: Vec<Value>,
}

/// What is compared with what: the subject, and the floor or the neighbour it is held against.
const RATIOS: [(&str, Subject, Subject); 9] = [
    ("memory hit / bare hyper", Subject::LarderMemory, Subject::BareHyper),
    ("memory hit / nginx hit", Subject::LarderMemory, Subject::NginxHit),
    ("memory hit / Varnish hit", Subject::LarderMemory, Subject::VarnishHit),
    ("Redis hit / bare hyper + HGET", Subject::LarderRedis, Subject::HyperHget),
    ("Redis hit / nginx hit", Subject::LarderRedis, Subject::NginxHit),
    ("memory miss / bare hyper proxy", Subject::LarderMiss, Subject::HyperProxy),
    ("memory miss / nginx miss", Subject::LarderMiss, Subject::NginxMiss),
    ("memory miss / Varnish miss", Subject::LarderMiss, Subject::VarnishMiss),
    ("Redis miss / bare hyper proxy + SET", Subject::LarderRedisMiss, Subject::HyperProxySet),
];

impl Sample {
    pub(crate) fn new(requests: u64, cpu: Duration, timing: Timing) -> Self {
        let count = requests as f64;
        let at = |share: f64| {
            let index = (share * (timing.latencies.len() - 1) as f64) as usize;
            micros(timing.latencies[index])
        };
        Self { cpu: micros(cpu) / count, rate: count / timing.wall.as_secs_f64(), p50: at(0.5), p99: at(0.99) }
    }

    /// The share of its core that the server had: less than all of it when the load generator, or somebody else on the
    /// machine, was in the way.
    fn busy(&self) -> f64 {
        self.cpu * self.rate / 1e6
    }
}

fn micros(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}

fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_unstable_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 { values[middle] } else { f64::midpoint(values[middle - 1], values[middle]) }
}

impl Report {
    pub(crate) fn new(plan: &Plan, cores: Cores) -> anyhow::Result<Self> {
        let cpu_info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = cpu_info.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or_default();
        let settings = json!({
            "at": SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs(),
            "cpu": model.trim_start_matches(['\t', ' ', ':']),
            "kernel": first_line("uname", &["-r"]),
            "commit": first_line("git", &["describe", "--always", "--dirty"]),
            "nginx": version("nginx", "-v"),
            "varnish": version("varnishd", "-V"),
            "redis": version("redis-server", "--version"),
            "cores": { "server": cores.server, "load": cores.load },
            "connections": plan.connections,
            "rounds": plan.rounds,
            "quick": plan.quick,
        });
        Ok(Self { settings, sizes: BTreeMap::new(), skipped: Vec::new() })
    }

    pub(crate) fn skip(&mut self, subject: Subject, why: &anyhow::Error) {
        self.skipped.push(json!({ "subject": subject.name(), "why": format!("{why:#}") }));
    }

    pub(crate) fn add(&mut self, size: Size, samples: BTreeMap<Subject, Vec<Sample>>) {
        self.sizes.insert(size, samples);
    }

    /// The rows of one size: medians of the rounds, and how far the rounds lay apart.
    pub(crate) fn table(&self, size: Size) -> String {
        let title = format!("{size} body");
        let mut table = format!(
            "{title:<30}{:>12}{:>16}{:>12}{:>8}{:>10}{:>10}\n",
            "CPU us/req", "least-most", "req/s", "busy", "p50 us", "p99 us"
        );
        for (subject, samples) in self.sizes.get(&size).into_iter().flatten() {
            let of = |field: fn(&Sample) -> f64| median(samples.iter().map(field));
            let (least, most) = range(samples);
            // Writing to a String cannot fail.
            let _ = writeln!(
                table,
                "{:<30}{:>12.2}{:>16}{:>12.0}{:>7.0}%{:>10.0}{:>10.0}",
                subject.name(),
                of(|sample| sample.cpu),
                format!("{least:.2}-{most:.2}"),
                of(|sample| sample.rate),
                of(Sample::busy) * 100.0,
                of(|sample| sample.p50),
                of(|sample| sample.p99),
            );
        }
        table
    }

    /// The ratios of CPU per request, a row for each pair and a column for each size.
    pub(crate) fn ratios(&self) -> String {
        let mut table = format!("{:<38}", "ratio of CPU per request");
        for size in self.sizes.keys() {
            let _ = write!(table, "{:>10}", size.to_string());
        }
        for (name, subject, other) in RATIOS {
            let _ = write!(table, "\n{name:<38}");
            for samples in self.sizes.values() {
                let cell = ratio(samples, subject, other).map_or("-".to_owned(), |ratio| format!("{ratio:.2}"));
                let _ = write!(table, "{cell:>10}");
            }
        }
        table + "\n"
    }

    /// Writes the JSON; returns where.
    pub(crate) fn write(&self) -> anyhow::Result<PathBuf> {
        let directory = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/bench-results"));
        std::fs::create_dir_all(&directory)?;
        let file = directory.join(format!("compare-{}.json", self.settings["at"]));
        std::fs::write(&file, serde_json::to_string_pretty(&self.json())?)?;
        Ok(file)
    }

    fn json(&self) -> Value {
        let sizes: Vec<Value> = self
            .sizes
            .iter()
            .map(|(size, samples)| {
                let rows: Vec<Value> = samples.iter().map(|(subject, samples)| row(*subject, samples)).collect();
                let ratios: serde_json::Map<String, Value> = RATIOS
                    .into_iter()
                    .filter_map(|(name, subject, other)| {
                        Some((name.to_owned(), json!(ratio(samples, subject, other)?)))
                    })
                    .collect();
                json!({ "body_bytes": size.bytes(), "rows": rows, "ratios": ratios })
            })
            .collect();
        json!({ "settings": self.settings, "sizes": sizes, "skipped": self.skipped })
    }
}

fn row(subject: Subject, samples: &[Sample]) -> Value {
    let of = |field: fn(&Sample) -> f64| median(samples.iter().map(field));
    json!({
        "subject": subject.name(),
        "cpu_us_per_request": of(|sample| sample.cpu),
        "requests_per_second": of(|sample| sample.rate),
        "busy": of(Sample::busy),
        "p50_us": of(|sample| sample.p50),
        "p99_us": of(|sample| sample.p99),
        "cpu_us_per_request_by_round": samples.iter().map(|sample| sample.cpu).collect::<Vec<_>>(),
    })
}

fn range(samples: &[Sample]) -> (f64, f64) {
    samples.iter().fold((f64::INFINITY, 0.0), |(least, most), sample| (sample.cpu.min(least), sample.cpu.max(most)))
}

/// The median of the rounds' ratios: what was measured in one round met the same noise.
fn ratio(samples: &BTreeMap<Subject, Vec<Sample>>, subject: Subject, other: Subject) -> Option<f64> {
    let pairs = samples.get(&subject)?.iter().zip(samples.get(&other)?);
    Some(median(pairs.map(|(one, other)| one.cpu / other.cpu)))
}

fn version(program: &str, flag: &str) -> Option<String> {
    first_line(installed(program).ok()?.to_str()?, &[flag])
}

/// What a program says first, on either stream.
fn first_line(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    let said = if output.stdout.is_empty() { output.stderr } else { output.stdout };
    String::from_utf8_lossy(&said).lines().next().map(str::to_owned)
}

//! What the stores cost besides CPU per request: memory for each entry, and what large bodies and wide invalidations do to
//! small reads. `make resources` prints it; `ARGS=footprint` and the like narrow it.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a measurement"
)]

mod clears;
mod footprint;
mod pages;
mod reads;
#[path = "../../tests/rig/redis_server.rs"]
#[expect(dead_code, reason = "servers are neither frozen nor killed here")]
mod redis_server;

use std::time::{Duration, Instant};

/// The program's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    let asked: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    if let [memory, number] = &asked[..]
        && memory == "memory"
    {
        return footprint::child(&runtime, number.parse().unwrap());
    }
    for (name, measure) in [
        ("footprint", footprint::measure as fn(&tokio::runtime::Runtime)),
        ("reads", reads::lone),
        ("sizes", reads::beside_large_bodies),
        ("clears", clears::measure),
    ] {
        if asked.is_empty() || asked.iter().any(|asked| asked == name) {
            println!("\n{name}");
            measure(&runtime);
        }
    }
}

/// Times, and what they come to.
#[derive(Default)]
struct Times(Vec<Duration>);

impl Times {
    async fn of<T>(&mut self, work: impl Future<Output = T>) -> T {
        let began = Instant::now();
        let done = work.await;
        self.0.push(began.elapsed());
        done
    }

    fn print(mut self, what: &str) {
        self.0.sort_unstable();
        let at = |share: f64| self.0.get((self.0.len() as f64 * share) as usize).or(self.0.last()).copied();
        let shown = |share| at(share).map_or("-".into(), |time| format!("{:.0}", time.as_secs_f64() * 1e6));
        let (p50, p99, max) = (shown(0.5), shown(0.99), shown(1.0));
        println!("  {what:<52} p50 {p50:>6}  p99 {p99:>6}  longest {max:>7} us  ({} times)", self.0.len());
    }
}

/// CPU time of this thread.
fn cpu() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    Duration::from_nanos(text.split(' ').next().and_then(|nanos| nanos.parse().ok()).unwrap_or(0))
}

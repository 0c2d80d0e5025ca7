//! `make bench`: what a request costs, beside what it must cost.
//!
//! Each server runs pinned to one core; the load generator, the origin and Redis share another. Every subject answers
//! the same requests in interleaved rounds, and the figure that lasts is CPU time per request, as a ratio to the
//! floor: a bare hyper server that does the least the subject could do. See [`subjects`] for who takes part.
//!
//! A run is refused when a status or a length is wrong, when a hit reached the origin, or when a miss did not.

#![expect(clippy::disallowed_methods, reason = "a bench reads the clock and spawns the tasks of its servers")]

mod bare;
mod configuration;
mod http1;
mod load;
mod plan;
mod process;
mod report;
mod subjects;

use std::collections::BTreeMap;
use std::io::IsTerminal;

use anyhow::Context;
use clap::Parser;

use crate::load::Generator;
use crate::plan::{Arguments, Plan, Role, Size};
use crate::process::{Cores, pin_this_process};
use crate::report::{Report, Sample};
use crate::subjects::{Kind, Lab, Running, Subject};

// The same allocator on every side that is ours.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    match &arguments.role {
        Some(Role::Serve(bare)) => bare::run(bare),
        // `cargo test --benches` runs this program too, without the flag that `cargo bench` adds.
        None if !arguments.bench => Ok(()),
        None => compare(&Plan::new(&arguments)),
    }
}

fn compare(plan: &Plan) -> anyhow::Result<()> {
    let cores = Cores::choose()?;
    pin_this_process(cores.load)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut report = Report::new(plan, cores)?;
    let lab = Lab::open(cores)?;
    let mut running = Vec::new();
    for subject in Subject::ALL.into_iter().filter(|subject| plan.includes(*subject)) {
        match runtime.block_on(lab.start(subject)) {
            Ok(started) => running.push(started),
            Err(why) => {
                eprintln!("without {}: {why:#}", subject.name());
                report.skip(subject, &why);
            }
        }
    }
    for size in plan.sizes.iter().copied() {
        let samples = runtime.block_on(measure(plan, &lab, &running, size))?;
        report.add(size, samples);
        println!("{}", report.table(size));
    }
    println!("{}", report.ratios());
    println!("{}", report.write()?.display());
    Ok(())
}

/// Every subject, one after the other, as many times as the plan has rounds.
async fn measure(
    plan: &Plan,
    lab: &Lab,
    running: &[Running],
    size: Size,
) -> anyhow::Result<BTreeMap<Subject, Vec<Sample>>> {
    let mut samples: BTreeMap<Subject, Vec<Sample>> = BTreeMap::new();
    for round in 0..plan.rounds {
        for server in running {
            progress(format_args!("{size}, round {} of {}: {}", round + 1, plan.rounds, server.subject.name()));
            let sample = once(plan, lab, server, size)
                .await
                .with_context(|| format!("{}, {size}, round {}", server.subject.name(), round + 1))?;
            samples.entry(server.subject).or_default().push(sample);
        }
    }
    progress(format_args!(""));
    Ok(samples)
}

/// Says what is under way, on a line that the next overwrites.
fn progress(what: std::fmt::Arguments<'_>) {
    if std::io::stderr().is_terminal() {
        eprint!("\r\x1b[K{what}");
    }
}

/// One warm-up and one measured window, and the proof that the window held what it should have held.
async fn once(plan: &Plan, lab: &Lab, server: &Running, size: Size) -> anyhow::Result<Sample> {
    let kind = server.subject.kind();
    let mut generator = Generator::connect(server.address, plan.connections, kind, size).await?;
    generator.probe().await?;
    generator.run(plan.warm_up(kind, size)).await?;

    let (asked_before, cpu_before) = (lab.origin_requests().await?, server.process.cpu()?);
    let requests = plan.requests(kind, size);
    let timing = generator.run(requests).await?;
    let (cpu, asked) = (server.process.cpu()? - cpu_before, lab.origin_requests().await? - asked_before);

    let expected = if kind == Kind::Miss { requests } else { 0 };
    anyhow::ensure!(asked == expected, "the origin was asked {asked} times in {requests} requests, not {expected}");
    Ok(Sample::new(requests, cpu, timing))
}

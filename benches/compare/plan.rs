//! What to measure, and how much of it.

use std::fmt;

use crate::bare::Bare;
use crate::subjects::{Kind, Subject};

/// CPU per request of larder beside its floors and its neighbours.
#[derive(Debug, clap::Parser)]
pub(crate) struct Arguments {
    /// About a minute instead of five: fewer rounds, fewer requests.
    #[arg(long)]
    quick: bool,
    /// Interleaved rounds; the median is reported.
    #[arg(long)]
    rounds: Option<u32>,
    /// Connections to the server, each with one request under way.
    #[arg(long, default_value_t = 32)]
    connections: usize,
    /// Body sizes in KiB.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 10, 100])]
    sizes: Vec<usize>,
    /// Only subjects whose name contains one of these.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// What `cargo bench` says to every bench.
    #[arg(long, hide = true)]
    pub(crate) bench: bool,
    /// A part that this program plays in a process of its own.
    #[command(subcommand)]
    pub(crate) role: Option<Role>,
}

/// What a child process does.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Role {
    /// A bare server.
    #[command(hide = true)]
    Serve(Bare),
}

/// The length of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Size(usize);

/// What this run measures.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) rounds: u32,
    pub(crate) sizes: Vec<Size>,
    pub(crate) connections: usize,
    pub(crate) quick: bool,
    only: Vec<String>,
}

impl Size {
    pub(crate) const fn kib(kib: usize) -> Self {
        Self(kib * 1024)
    }

    pub(crate) const fn bytes(self) -> usize {
        self.0
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} KiB", self.0 / 1024)
    }
}

impl Plan {
    pub(crate) fn new(arguments: &Arguments) -> Self {
        Self {
            rounds: arguments.rounds.unwrap_or(if arguments.quick { 2 } else { 5 }).max(1),
            sizes: arguments.sizes.iter().copied().map(Size::kib).collect(),
            connections: arguments.connections.max(2),
            quick: arguments.quick,
            only: arguments.only.clone(),
        }
    }

    pub(crate) fn includes(&self, subject: Subject) -> bool {
        self.only.is_empty() || self.only.iter().any(|part| subject.name().contains(part.as_str()))
    }

    /// Requests in a measured window: about a second of the server's time, so that its CPU is known to a percent.
    pub(crate) fn requests(&self, kind: Kind, size: Size) -> u64 {
        let for_small = match kind {
            Kind::Hit => 160_000,
            Kind::Miss => 48_000,
        };
        let for_size = match size.bytes() / 1024 {
            0..=4 => for_small,
            5..=40 => for_small * 2 / 3,
            _ => for_small / 6,
        };
        if self.quick { for_size / 4 } else { for_size }
    }

    /// Requests before it, which also bring what is to be hit into the store.
    pub(crate) fn warm_up(&self, kind: Kind, size: Size) -> u64 {
        self.requests(kind, size) / 5
    }
}

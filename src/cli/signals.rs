//! What the system tells the process: SIGTERM and SIGINT end it, SIGHUP has it read its configuration again.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// The signals that are listened for.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

/// What a signal asks for.
enum Wish {
    End,
    Reload,
}

impl Signals {
    /// Listens from now on. A signal that comes while nobody waits is kept; several of them may count as one.
    pub(super) fn listen() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// Waits to be told to end, and reloads whenever told to meanwhile.
    pub(super) async fn end(&mut self, mut reload: impl FnMut()) {
        loop {
            match self.next().await {
                Wish::End => return,
                Wish::Reload => reload(),
            }
        }
    }

    async fn next(&mut self) -> Wish {
        tokio::select! {
            _ = self.terminate.recv() => Wish::End,
            _ = self.interrupt.recv() => Wish::End,
            _ = self.hangup.recv() => Wish::Reload,
        }
    }
}

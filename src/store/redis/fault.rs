//! Why Redis gave no answer.

use std::sync::Arc;

use fred::error::{Error, ErrorKind};

use crate::store::StoreError;

/// Why a command has no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// Its deadline passed; it may have been carried out.
    Timeout,
    /// There is no connection.
    Down(Arc<str>),
    /// The server refused it.
    Refused(Arc<str>),
}

impl From<Fault> for StoreError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Timeout => Self::Timeout,
            Fault::Down(why) | Fault::Refused(why) => Self::Unavailable(why),
        }
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        let details = Arc::from(error.details());
        match error.kind() {
            ErrorKind::Timeout => Self::Timeout,
            ErrorKind::IO
            | ErrorKind::Canceled
            | ErrorKind::Routing
            | ErrorKind::Auth
            | ErrorKind::Tls
            | ErrorKind::Sentinel
            | ErrorKind::Cluster
            | ErrorKind::Protocol
            | ErrorKind::Backpressure => Self::Down(details),
            _ => Self::Refused(details),
        }
    }
}

impl Fault {
    /// Whether the server said that it is not to be used for now: it loads its data, it was made a replica, its
    /// Cluster is not whole.
    pub(super) fn is_about_the_server(&self) -> bool {
        const SAYS: [&str; 4] = ["LOADING", "READONLY", "MASTERDOWN", "CLUSTERDOWN"];
        matches!(self, Self::Refused(why) if SAYS.iter().any(|word| why.starts_with(word)))
    }

    /// Whether the key holds something that is not a hash.
    pub(super) fn is_wrong_type(&self) -> bool {
        matches!(self, Self::Refused(why) if why.contains("WRONGTYPE"))
    }
}

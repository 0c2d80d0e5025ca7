//! Listening, and what to do when that fails.

use std::io::ErrorKind;
use std::net::SocketAddr;

use anyhow::Context;
use larder::server::{self, Listeners};
use tokio::net::TcpListener;

/// Sockets, and the addresses they were given.
pub(super) struct Open {
    pub(super) listeners: Listeners,
    pub(super) proxy: SocketAddr,
    pub(super) admin: SocketAddr,
}

/// Listens for clients and for the admin routes.
pub(super) fn open(proxy: SocketAddr, admin: SocketAddr) -> anyhow::Result<Open> {
    let clients = bind(proxy, "--listen")?;
    let admins = bind(admin, "--admin")?;
    let address = |listeners: &[TcpListener]| listeners.first().map(TcpListener::local_addr).transpose();
    let proxy = address(&clients)?.unwrap_or(proxy);
    let admin = address(&admins)?.unwrap_or(admin);
    Ok(Open { listeners: Listeners { proxy: clients, admin: admins.into_iter().next() }, proxy, admin })
}

fn bind(address: SocketAddr, option: &str) -> anyhow::Result<Vec<TcpListener>> {
    server::bind(address).with_context(|| format!("cannot listen on {address}")).map_err(|error| {
        let kind = error.downcast_ref::<std::io::Error>().map(std::io::Error::kind);
        let advice = match kind {
            Some(ErrorKind::AddrInUse) => {
                format!(
                    "stop the program that uses it, or choose another address with {option} (port 0 picks a free one)"
                )
            }
            Some(ErrorKind::PermissionDenied) => {
                format!("ports below 1024 need a privilege: choose another with {option}")
            }
            Some(ErrorKind::AddrNotAvailable) => {
                format!("no interface of this machine has the address: choose another with {option}")
            }
            _ => return error,
        };
        anyhow::anyhow!("{error:#}; {advice}")
    })
}

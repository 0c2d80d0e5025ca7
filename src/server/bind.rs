//! Listening on an address.

use std::io;
use std::net::SocketAddr;
use std::thread::available_parallelism;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpListener;

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 4096;

/// Listens on an address, with one socket for each core this process may use, so that accepting connections is shared
/// among them. Port 0 picks a free port, the same for all.
///
/// Needs a tokio runtime.
///
/// # Errors
/// When the address cannot be listened on, or somebody does so already.
pub fn bind(address: SocketAddr) -> io::Result<Vec<TcpListener>> {
    let cores = available_parallelism().map_or(1, usize::from);
    sockets(address, cores)?.into_iter().map(nonblocking).collect()
}

fn sockets(address: SocketAddr, count: usize) -> io::Result<Vec<std::net::TcpListener>> {
    // Sockets that share a port do not notice another process that shares it too. One that does not share does.
    let alone = std::net::TcpListener::bind(address)?;
    if count == 1 {
        return Ok(vec![alone]);
    }
    drop(alone);
    match shared(address, count)? {
        Some(sockets) => Ok(sockets),
        None => Ok(vec![std::net::TcpListener::bind(address)?]),
    }
}

/// Several sockets on one port; `None` where the system has no such thing.
fn shared(address: SocketAddr, count: usize) -> io::Result<Option<Vec<std::net::TcpListener>>> {
    let mut address = address;
    let mut sockets = Vec::with_capacity(count);
    for _ in 0..count {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_reuse_address(true)?;
        if socket.set_reuse_port(true).is_err() {
            return Ok(None);
        }
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        let listener: std::net::TcpListener = socket.into();
        address = listener.local_addr()?;
        sockets.push(listener);
    }
    Ok(Some(sockets))
}

fn nonblocking(listener: std::net::TcpListener) -> io::Result<TcpListener> {
    listener.set_nonblocking(true)?;
    TcpListener::from_std(listener)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_socket_has_the_port_that_was_picked() {
        let listeners = bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let ports: Vec<u16> = listeners.iter().map(|listener| listener.local_addr().unwrap().port()).collect();
        assert!(ports[0] != 0 && ports.iter().all(|port| *port == ports[0]), "{ports:?}");
    }

    #[test]
    fn one_core_has_one_socket() {
        assert_eq!(sockets("127.0.0.1:0".parse().unwrap(), 1).unwrap().len(), 1);
    }

    #[tokio::test]
    async fn an_address_in_use_is_an_error_even_when_it_could_be_shared() {
        let listeners = bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let taken = listeners[0].local_addr().unwrap();
        assert_eq!(bind(taken).unwrap_err().kind(), io::ErrorKind::AddrInUse);
    }
}

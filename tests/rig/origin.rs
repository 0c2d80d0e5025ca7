//! An upstream whose answers the test holds in its hand.

use std::net::SocketAddr;

use tokio::net::TcpListener;

use super::wire::Wire;

/// A listening socket. Nothing is accepted, read or answered unless the test says so.
pub(crate) struct Origin {
    listener: TcpListener,
    address: SocketAddr,
}

impl Origin {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
        let address = listener.local_addr().expect("bound");
        Self { listener, address }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The next connection.
    pub(crate) async fn accept(&self) -> Wire {
        let accepted = tokio::time::timeout(std::time::Duration::from_secs(10), self.listener.accept());
        Wire::new(accepted.await.expect("a connection comes").expect("accepts").0)
    }

    /// Whether a connection waits to be accepted. The system is asked: the runtime may not have heard of it yet.
    pub(crate) fn has_caller(&self) -> bool {
        socket2::SockRef::from(&self.listener).accept().is_ok()
    }
}

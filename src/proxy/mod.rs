//! A request's way to the upstream, and a connection's way in. Nothing here knows that a cache stands in between.
//!
//! [`serve`] accepts connections and hands each request to a service; [`Edge`] turns away what no cache or upstream
//! should see; [`Proxy`] sends a request to the upstream and answers with what it said, or says why it said nothing.
//! The program stacks them as `Edge(Cache(Proxy))`.
//!
//! ```no_run
//! use larder::proxy::{Edge, EdgeRules, Limits, Proxy, ProxyConfig, serve};
//! use tokio::net::TcpListener;
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let proxy = Proxy::new(ProxyConfig::new("http://127.0.0.1:9000".parse()?)?);
//! let listener = TcpListener::bind("127.0.0.1:0").await?;
//! let stop = async { drop(tokio::signal::ctrl_c().await) };
//! let connect = move |client| Edge::new(proxy.for_client(client), EdgeRules::default());
//! serve(vec![listener], connect, Limits::default(), stop).await;
//! # Ok(())
//! # }
//! ```

mod answer;
mod aside;
mod between;
mod body;
mod coding;
mod config;
mod connect;
mod connection;
mod drain;
mod edge;
mod expect;
mod fault;
mod forward;
mod half_closed;
mod incoming;
mod interim;
mod listen;
mod network;
mod outbox;
mod patience;
mod service;
mod tunnel;

pub use body::Body;
pub use config::{HostHeader, ProxyConfig, UpstreamError};
pub use edge::{Edge, EdgeBody, EdgeError, EdgeFuture, EdgeRules, HostName, check, pass};
pub use incoming::ClientBody;
pub use listen::{ClientAddr, Drained, Limits, serve};
pub use network::Network;
pub use service::{Proxy, ResponseFuture};

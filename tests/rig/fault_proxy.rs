//! What can go wrong between larder and Redis: a TCP proxy that does it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream, UnixStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until};

/// What the proxy does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nothing: it passes everything on.
    None,
    /// Replies come so much later.
    Delay(Duration),
    /// Replies come at so many bytes a second.
    Limit(u64),
    /// Of the next reply on each connection one half comes, and then a reset.
    Cut,
    /// Connections are accepted, what is said is swallowed, and nothing is answered.
    Blackhole,
    /// The same for connections with a lower number; later ones are served.
    Swallow(u64),
    /// The server's side of every connection is closed; the client's is still read.
    HalfClose,
    /// Nobody listens, and connections are reset.
    Refuse,
}

/// A proxy in front of a server's socket.
pub(crate) struct FaultProxy {
    address: SocketAddr,
    server: PathBuf,
    fault: watch::Sender<Fault>,
    counts: Arc<Counts>,
    accepting: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Default)]
struct Counts {
    connections: AtomicU64,
    commands: AtomicU64,
}

impl FaultProxy {
    pub(crate) fn before(server: PathBuf) -> Self {
        let (fault, _) = watch::channel(Fault::None);
        let (counts, nowhere) = (Arc::default(), SocketAddr::from(([127, 0, 0, 1], 0)));
        let mut proxy = Self { address: nowhere, server, fault, counts, accepting: Mutex::default() };
        let listener = listen(nowhere);
        proxy.address = listener.local_addr().unwrap();
        proxy.accept(listener);
        proxy
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://{}/0", self.address)
    }

    /// From now on this goes wrong, on connections that stand as well.
    pub(crate) fn suffers(&self, fault: Fault) {
        self.fault.send_replace(fault);
        let mut accepting = self.accepting.lock().unwrap();
        match (fault, accepting.is_some()) {
            (Fault::Refuse, true) => accepting.take().unwrap().abort(),
            (Fault::Refuse, false) | (_, true) => {}
            (_, false) => {
                drop(accepting);
                self.accept(listen(self.address));
            }
        }
    }

    /// Every connection there is now falls silent; new ones are served.
    pub(crate) fn swallows_what_stands(&self) {
        self.suffers(Fault::Swallow(self.counts.connections.load(Ordering::SeqCst)));
    }

    /// Commands about records that came from clients: reads and scripts.
    pub(crate) fn commands(&self) -> u64 {
        self.counts.commands.load(Ordering::SeqCst)
    }

    fn accept(&self, listener: TcpListener) {
        let (server, fault, counts) = (self.server.clone(), self.fault.clone(), Arc::clone(&self.counts));
        *self.accepting.lock().unwrap() = Some(tokio::spawn(async move {
            loop {
                let Ok((client, _)) = listener.accept().await else { continue };
                let number = counts.connections.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(pass(number, client, server.clone(), fault.subscribe(), Arc::clone(&counts)));
            }
        }));
    }
}

fn listen(address: SocketAddr) -> TcpListener {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_reuseaddr(true).unwrap();
    socket.bind(address).unwrap();
    socket.listen(1024).unwrap()
}

fn is_silent(fault: Fault, number: u64) -> bool {
    fault == Fault::Blackhole || matches!(fault, Fault::Swallow(below) if number < below)
}

/// One connection.
async fn pass(
    number: u64,
    client: TcpStream,
    server: PathBuf,
    mut faults: watch::Receiver<Fault>,
    counts: Arc<Counts>,
) {
    let (mut from_client, mut to_client) = client.into_split();
    let Ok(server) = UnixStream::connect(server).await else {
        let _ = to_client.as_ref().set_zero_linger();
        return;
    };
    let (mut from_server, mut to_server) = server.into_split();
    let upward = {
        let faults = faults.clone();
        tokio::spawn(async move {
            let mut chunk = vec![0; 64 << 10];
            while let Ok(read @ 1..) = from_client.read(&mut chunk).await {
                let words = |word: &[u8]| chunk[..read].windows(word.len()).filter(|part| *part == word).count();
                counts
                    .commands
                    .fetch_add((words(b"\r\nHGET\r\n") + words(b"\r\nEVALSHA\r\n")) as u64, Ordering::SeqCst);
                if !is_silent(*faults.borrow(), number) && to_server.write_all(&chunk[..read]).await.is_err() {
                    break;
                }
            }
        })
    };
    // A delay holds back every byte equally; it does not let them wait for one another.
    let (line, mut due) = mpsc::unbounded_channel::<(Instant, Vec<u8>)>();
    let reading = {
        let faults = faults.clone();
        tokio::spawn(async move {
            let mut chunk = vec![0; 64 << 10];
            while let Ok(read @ 1..) = from_server.read(&mut chunk).await {
                let fault = *faults.borrow();
                let delay = if let Fault::Delay(delay) = fault { delay } else { Duration::ZERO };
                if !is_silent(fault, number) && line.send((Instant::now() + delay, chunk[..read].to_vec())).is_err() {
                    break;
                }
            }
        })
    };
    loop {
        let fault = *faults.borrow_and_update();
        match fault {
            Fault::Refuse => {
                let _ = to_client.as_ref().set_zero_linger();
                break;
            }
            Fault::HalfClose => {
                let _ = to_client.shutdown().await;
                // The client's side is read until the client closes it.
                let _ = faults.changed().await;
                break;
            }
            _ => {}
        }
        let chunk = tokio::select! {
            chunk = due.recv() => chunk,
            changed = faults.changed() => match changed {
                Ok(()) => continue,
                Err(_) => break,
            },
        };
        let Some((at, chunk)) = chunk else { break };
        sleep_until(at).await;
        let half = if fault == Fault::Cut { chunk.len().div_ceil(2) } else { chunk.len() };
        if to_client.write_all(&chunk[..half]).await.is_err() {
            break;
        }
        match fault {
            Fault::Cut => {
                let _ = to_client.as_ref().set_zero_linger();
                break;
            }
            Fault::Limit(rate) => sleep(Duration::from_secs_f64(half as f64 / rate as f64)).await,
            _ => {}
        }
    }
    upward.abort();
    reading.abort();
}

//! The connections, and when not to use them.
//!
//! Commands share one connection, or up to three, and are bounded by permits of our own: the client's own bound leaves it dead
//! once it was reached. Every command has a deadline, is tried once and fails at once while there is no connection.
//! After a lost connection, or ten timeouts in a row, the link is *down*: calls fail without being sent until it
//! [recovers](super::recovery). When the server is back the link *settles* for a second, in which invalidations are
//! carried out and nothing is read, so that what other processes kept for it arrives first.

use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::time::Duration;

use fred::clients::WithOptions;
use fred::error::Error;
use fred::prelude::{Client, ClientLike, ClusterInterface, EventInterface, FredResult, FromValue, Server, Value};
use fred::types::{ClusterHash, CustomCommand};
use tokio::sync::Semaphore;
use tokio::sync::broadcast::{Receiver, error::RecvError};
use tokio::time::{Instant, sleep};

use super::config::{RedisConfig, RedisConfigError};
use super::connection::{Connection, builder, options, silence};
use super::fault::Fault;
use super::recovery::{self, Patience};
use super::scripts::Script;
use super::streak::{Length, Streak};

/// Timeouts in a row after which the server counts as hung; fewer are enough when they went on for [`silence`]. A Cluster
/// is not given up before as many commands found no connection: one that is redirected may find none for a moment.
const PATIENCE: u32 = 10;
/// Commands in flight.
const PERMITS: usize = 4096;
/// Which connection a command takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lane {
    /// Small requests with small deadlines.
    Read,
    /// Stores and invalidations: what may be many.
    Write,
    /// Large bodies, with deadlines that grow with them.
    Large,
}

/// Whether the server is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum State {
    Up,
    Settling,
    Down,
}

/// The connections to one Redis.
pub(super) struct Link {
    lanes: Vec<Connection>,
    state: AtomicU8,
    failures: Streak,
    breaks: AtomicU32,
    permits: Semaphore,
    /// Why the server is not used.
    why: Mutex<Arc<str>>,
    fell: Mutex<Option<Instant>>,
    pub(super) patience: Mutex<Patience>,
    /// What is done as soon as the server is back, before anything is read from it.
    pub(super) on_return: OnceLock<Box<dyn Fn() + Send + Sync>>,
    pub(super) shown: String,
    pub(super) connect_timeout: Duration,
    pub(super) read_timeout: Duration,
    pub(super) write_timeout: Duration,
    pub(super) clustered: bool,
}

impl Link {
    /// Begins to connect and waits for the first connection, for `connect_timeout` at most. A server that is not there
    /// is waited for in the background.
    pub(super) async fn open(config: &RedisConfig) -> Result<Arc<Self>, RedisConfigError> {
        let builder = builder(config)?;
        let lanes = config.pool_size.clamp(1, 3);
        let clustered = builder.get_config().is_some_and(|config| config.server.is_clustered());
        let link = Arc::new(Self {
            lanes: (0..lanes).map(|_| Connection::new(builder.clone())).collect::<Result<_, _>>()?,
            state: AtomicU8::new(State::Down as u8),
            failures: Streak::default(),
            breaks: AtomicU32::new(0),
            permits: Semaphore::new(PERMITS),
            why: Mutex::new("no answer".into()),
            fell: Mutex::default(),
            patience: Mutex::default(),
            on_return: OnceLock::new(),
            shown: config.shown_url(),
            connect_timeout: config.connect_timeout,
            read_timeout: config.read_timeout,
            write_timeout: config.write_timeout,
            clustered,
        });
        let first_contact = link.first_contact().await;
        link.watch();
        if let Err(why) = first_contact {
            link.explain(why);
            spawn(recovery::recover(Arc::downgrade(&link), false));
        } else {
            link.pass_to(State::Up);
        }
        Ok(link)
    }

    async fn first_contact(&self) -> Result<(), Arc<str>> {
        let mut refused: Arc<str> = "it does not answer in time".into();
        let deadline = Instant::now() + self.connect_timeout;
        let mut errors = self.client(Lane::Read).error_rx();
        loop {
            match self.probe().await {
                Ok(_) => return Ok(()),
                Err(Fault::Down(why) | Fault::Refused(why)) => refused = why,
                Err(Fault::Timeout) => {}
            }
            // A refused connection is reported at once; waiting for the rest of the time would not help.
            if let Ok((error, _)) = errors.try_recv() {
                return Err(error.details().into());
            }
            if Instant::now() >= deadline {
                return Err(refused);
            }
            sleep(Duration::from_millis(2)).await;
        }
    }

    /// Whether the server is used.
    pub(super) fn state(&self) -> State {
        match self.state.load(Ordering::Acquire) {
            0 => State::Up,
            1 => State::Settling,
            _ => State::Down,
        }
    }

    /// Sends what `work` makes of a client and waits for the answer.
    pub(super) fn call<T, W, F>(
        self: &Arc<Self>,
        lane: Lane,
        limit: Duration,
        work: W,
    ) -> impl Future<Output = Result<T, Fault>>
    where
        W: FnOnce(WithOptions<Client>) -> F,
        F: Future<Output = FredResult<T>>,
    {
        self.call_node(lane, limit, None, work)
    }

    /// The same for one node of a Cluster.
    pub(super) async fn call_node<T, W, F>(
        self: &Arc<Self>,
        lane: Lane,
        limit: Duration,
        node: Option<Server>,
        work: W,
    ) -> Result<T, Fault>
    where
        W: FnOnce(WithOptions<Client>) -> F,
        F: Future<Output = FredResult<T>>,
    {
        if self.state() == State::Down {
            return Err(Fault::Down(self.why()));
        }
        let Ok(_permit) = self.permits.try_acquire() else {
            return Err(Fault::Refused("too many commands in flight".into()));
        };
        let client = self.client(lane).with_options(&options(limit, node));
        match work(client).await {
            Ok(answer) => {
                self.failures.end();
                Ok(answer)
            }
            Err(error) => {
                let fault = Fault::from(error);
                // A large body that takes too long says more of the network than of the server.
                if lane != Lane::Large || fault != Fault::Timeout {
                    self.note(&fault);
                }
                Err(fault)
            }
        }
    }

    /// Runs a script on its key.
    pub(super) async fn run(
        self: &Arc<Self>,
        lane: Lane,
        limit: Duration,
        script: &'static Script,
        key: &str,
        arguments: Vec<Value>,
    ) -> Result<i64, Fault> {
        self.run_for(lane, limit, script, key, arguments).await
    }

    /// The same for a script whose answer is more than a number.
    pub(super) async fn run_for<T: FromValue>(
        self: &Arc<Self>,
        lane: Lane,
        limit: Duration,
        script: &'static Script,
        key: &str,
        arguments: Vec<Value>,
    ) -> Result<T, Fault> {
        let again = arguments.clone();
        let first = self.call(lane, limit, |client| evaluate(client, "EVALSHA", &script.sha1, key, arguments));
        match first.await {
            // EVAL leaves the script with the server that lacked it.
            Err(Fault::Refused(why)) if why.starts_with("NOSCRIPT") => {
                self.call(lane, limit, |client| evaluate(client, "EVAL", script.source, key, again)).await
            }
            answer => answer,
        }
    }

    /// The servers that hold keys: every master of a Cluster, or just the one.
    pub(super) fn nodes(&self) -> Vec<Option<Server>> {
        if !self.clustered {
            return vec![None];
        }
        let state = self.client(Lane::Write).cached_cluster_state();
        state.map(|state| state.unique_primary_nodes().into_iter().map(Some).collect()).unwrap_or_default()
    }

    /// The same servers by name, as far as there are connections to them.
    pub(super) fn servers(&self) -> Vec<Server> {
        if self.clustered {
            return self.nodes().into_iter().flatten().collect();
        }
        self.client(Lane::Read).active_connections()
    }

    /// How often the connection was lost: it may lead to another server since.
    pub(super) fn breaks(&self) -> u32 {
        self.breaks.load(Ordering::Acquire)
    }

    pub(super) fn client(&self, lane: Lane) -> Arc<Client> {
        let last = self.lanes.len() - 1;
        self.lanes[last.min(lane as usize)].client()
    }

    /// Judges a failure of a command.
    fn note(self: &Arc<Self>, fault: &Fault) {
        match fault {
            // What it says of itself as a whole: no command will fare better.
            Fault::Refused(why) if fault.is_about_the_server() => self.fall(why, true),
            Fault::Refused(_) => {}
            Fault::Down(why) if !self.clustered => self.fall(why, false),
            Fault::Timeout | Fault::Down(_) => {
                let Length { failures, lasts } = self.failures.lengthen(Instant::now());
                let silent = !self.clustered && lasts >= silence(self.write_timeout);
                match fault {
                    Fault::Down(why) if failures >= PATIENCE => self.fall(why, false),
                    Fault::Timeout if failures >= PATIENCE || silent => {
                        self.fall(&"it does not answer in time".into(), true);
                    }
                    _ => {}
                }
            }
        }
    }

    /// Takes the link down. With `renew`, its connections are of no more use.
    pub(super) fn fall(self: &Arc<Self>, why: &Arc<str>, renew: bool) {
        let before = self.state.swap(State::Down as u8, Ordering::AcqRel);
        self.breaks.fetch_add(1, Ordering::Release);
        if before == State::Up as u8 {
            self.explain(Arc::clone(why));
            let now = Instant::now();
            *self.fell.lock().unwrap_or_else(PoisonError::into_inner) = Some(now);
            let relapse = self.lock_patience().fall(now);
            let words = if relapse { "Redis fails again, and is not used" } else { "Redis is not used" };
            tracing::warn!(redis = %self.shown, %why, "{words} until it answers again");
            spawn(recovery::recover(Arc::downgrade(self), renew));
        }
    }

    /// How long the request for a lease may take. The read before it has just waited for a whole deadline when the last
    /// thing heard of the server is a timeout: no request should wait for two.
    pub(super) fn lease_timeout(&self) -> Duration {
        if self.failures.is_on() { self.read_timeout / 4 } else { self.read_timeout }
    }

    /// Has the link be in a state.
    pub(super) fn pass_to(&self, state: State) {
        self.failures.end();
        self.state.store(state as u8, Ordering::Release);
    }

    /// Puts the link back into use, unless it fell again while it settled.
    pub(super) fn rise(&self) -> bool {
        let (settling, up) = (State::Settling as u8, State::Up as u8);
        self.state.compare_exchange(settling, up, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// When the link last fell.
    pub(super) fn fell(&self) -> Option<Instant> {
        *self.fell.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Why the server is not used.
    pub(super) fn why(&self) -> Arc<str> {
        Arc::clone(&self.why.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Says from here on that this is why.
    pub(super) fn explain(&self, why: Arc<str>) {
        *self.why.lock().unwrap_or_else(PoisonError::into_inner) = why;
    }

    pub(super) fn lock_patience(&self) -> std::sync::MutexGuard<'_, Patience> {
        self.patience.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes all connections anew.
    pub(super) fn renew(self: &Arc<Self>) {
        for connection in &self.lanes {
            connection.renew();
        }
        self.watch();
    }

    /// Hears of a lost connection from the client. A command that was written into it just before is not told: it
    /// would take a whole deadline to find out. In a Cluster too: the client serves no node while it looks for one.
    fn watch(self: &Arc<Self>) {
        for connection in &self.lanes {
            spawn(watch(Arc::downgrade(self), connection.client().error_rx()));
        }
    }

    /// The clients of all connections.
    pub(super) fn clients(&self) -> Vec<Arc<Client>> {
        self.lanes.iter().map(Connection::client).collect()
    }

    /// Whether the task of a connection has ended, so that it never comes back by itself.
    pub(super) fn is_abandoned(&self) -> bool {
        self.lanes.iter().any(Connection::is_abandoned)
    }
}

/// Sends a script as a command by name: the client's own calls for scripts heed none of its options, deadline included.
async fn evaluate<T: FromValue>(
    client: WithOptions<Client>,
    command: &'static str,
    script: &str,
    key: &str,
    arguments: Vec<Value>,
) -> FredResult<T> {
    // The slot by its number: the key stands behind the script, where the client would not look for it.
    let command = CustomCommand::new_static(command, ClusterHash::from(key), false);
    let head = [Value::from(script), Value::from("1"), Value::from(key)];
    client.custom(command, head.into_iter().chain(arguments).collect()).await
}

/// Ends with the client it listens to.
async fn watch(link: Weak<Link>, mut errors: Receiver<(Error, Option<Server>)>) {
    loop {
        match errors.recv().await {
            Ok((error, _)) => match link.upgrade() {
                Some(link) => link.fall(&error.details().into(), false),
                None => return,
            },
            Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => return,
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "this file owns the task that waits for a lost server")]
fn spawn(task: impl Future<Output = ()> + Send + 'static) {
    tokio::spawn(task);
}

//! One tracking connection: made, set up, and listened to until it is lost.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use redis_protocol::resp3::decode::complete::decode_bytes_mut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::yield_now;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until, timeout_at};

use super::super::socket::{Place, Stream, Unconnected};
use super::push::{Heard, understand};
use super::{Access, News};

/// How often the server is asked whether it is there.
const PING_EVERY: Duration = Duration::from_millis(250);
/// Without a byte for this long the connection is lost.
const DEAD_AFTER: Duration = Duration::from_millis(700);
/// No message of a sane server is larger.
const LARGEST: usize = 64 << 20;
/// Names that are told before others may run: one command can change any number of keys.
const AT_ONCE: usize = 256;
/// Room for a read.
const CHUNK: usize = 8 << 10;

const PING: &[u8] = b"*1\r\n$4\r\nPING\r\n";

/// A connection on which the server tells what changes.
pub(super) struct Wire {
    stream: Box<dyn Stream>,
    arrived: BytesMut,
}

/// Why there is no connection, or no longer.
#[derive(Debug, thiserror::Error)]
pub(super) enum Lost {
    #[error(transparent)]
    Unconnected(#[from] Unconnected),
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("the server closed the connection")]
    Closed,
    #[error("the server fell silent")]
    Silent,
    #[error("the server sent what is not RESP3")]
    Garbage,
    #[error("the server refused: {0}")]
    Refused(Arc<str>),
}

impl Wire {
    /// Connects and has the server tell every change under the prefix.
    pub(super) async fn open(place: &Place, access: &Access) -> Result<Self, Lost> {
        let stream = place.connect(access.tls.as_ref(), access.connect_timeout).await?;
        let mut wire = Self { stream, arrived: BytesMut::with_capacity(CHUNK) };
        wire.set_up(access).await?;
        Ok(wire)
    }

    async fn set_up(&mut self, access: &Access) -> Result<(), Lost> {
        let mut hello: Vec<&[u8]> = vec![b"HELLO", b"3"];
        if let Some(password) = &access.password {
            let user = access.user.as_deref().unwrap_or("default");
            hello.extend([b"AUTH", user.as_bytes(), password.as_bytes()]);
        }
        let mut track: Vec<&[u8]> = vec![b"CLIENT", b"TRACKING", b"ON", b"BCAST"];
        track.extend(access.prefixes.iter().flat_map(|prefix| [b"PREFIX", prefix.as_bytes()]));
        let commands = [command(&hello), command(&track)].concat();
        self.say(&commands).await?;
        for _ in 0..2 {
            // A message that comes before the last answer is about a time in which nothing was relied on.
            while let Heard::Changed(_) | Heard::Flushed | Heard::Other = self.next().await? {}
        }
        Ok(())
    }

    /// Tells what changes until the connection is lost.
    pub(super) async fn listen(mut self, hear: &(impl Fn(News<'_>) + ?Sized)) -> Lost {
        loop {
            match self.next().await {
                Ok(Heard::Changed(names)) => {
                    for some in names.chunks(AT_ONCE) {
                        some.iter().for_each(|name: &Bytes| hear(News::Changed(name)));
                        yield_now().await;
                    }
                }
                Ok(Heard::Flushed) => hear(News::Flushed),
                Ok(_) => {}
                Err(lost) => return lost,
            }
        }
    }

    /// The next frame; a refusal is an error. Asks whether the server is there while nothing comes.
    async fn next(&mut self) -> Result<Heard, Lost> {
        let mut dead = Instant::now() + DEAD_AFTER;
        let mut pings = interval(PING_EVERY);
        pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
        pings.reset();
        loop {
            match self.frame()? {
                Some(Heard::Refusal(why)) => return Err(Lost::Refused(why.into())),
                Some(heard) => return Ok(heard),
                None => {}
            }
            if self.arrived.len() > LARGEST {
                return Err(Lost::Garbage);
            }
            self.arrived.reserve(CHUNK);
            tokio::select! {
                biased;
                read = self.stream.read_buf(&mut self.arrived) => {
                    if read? == 0 {
                        return Err(Lost::Closed);
                    }
                    dead = Instant::now() + DEAD_AFTER;
                }
                () = sleep_until(dead) => return Err(Lost::Silent),
                _ = pings.tick() => timeout_at(dead, self.say(PING)).await.map_err(|_| Lost::Silent)??,
            }
        }
    }

    async fn say(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await?;
        self.stream.flush().await
    }

    /// The first frame of what has arrived, once all of it has.
    fn frame(&mut self) -> Result<Option<Heard>, Lost> {
        /// Beyond it what has arrived is one large frame, which is not read anew with every piece of it.
        /// A small one before such a piece waits with it.
        const SMALL: usize = 64 << 10;
        if self.arrived.len() > SMALL && !self.arrived.ends_with(b"\r\n") {
            return Ok(None);
        }
        let frame = decode_bytes_mut(&mut self.arrived).map_err(|_| Lost::Garbage)?;
        Ok(frame.map(|(frame, ..)| understand(frame)))
    }
}

/// A command as the server reads it.
pub(in super::super) fn command(words: &[&[u8]]) -> Vec<u8> {
    let mut out = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        out.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
        out.extend_from_slice(word);
        out.extend_from_slice(b"\r\n");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_written_with_every_length() {
        assert_eq!(command(&[b"HELLO", b"3"]), b"*2\r\n$5\r\nHELLO\r\n$1\r\n3\r\n");
        assert_eq!(command(&[b"PING"]), PING);
    }
}

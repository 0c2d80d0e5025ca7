//! Questions and answers on a connection of its own: for what is asked before, or beside, everything else.

use std::io;
use std::time::Duration;

use bytes::BytesMut;
use fred::prelude::TlsConnector;
use redis_protocol::resp3::decode::complete::decode_bytes_mut;
use redis_protocol::resp3::types::BytesFrame;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use super::socket::{Place, Stream, Unconnected};
use super::tracking::wire::command;

/// A connection on which one question is asked at a time.
pub(super) struct Talk {
    stream: Box<dyn Stream>,
    arrived: BytesMut,
    limit: Duration,
}

/// What a server answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// A text, a number, or that all is well.
    Text(String),
    /// A list of the same.
    List(Vec<Said>),
    /// A refusal.
    Refused(String),
    /// Nothing, or what is none of these.
    Nothing,
}

impl Talk {
    /// Connects, and gives every answer as long to come.
    pub(super) async fn open(place: &Place, tls: Option<&TlsConnector>, limit: Duration) -> Result<Self, Unconnected> {
        Ok(Self { stream: place.connect(tls, limit).await?, arrived: BytesMut::new(), limit })
    }

    /// Asks, and waits for the answer.
    pub(super) async fn ask(&mut self, words: &[&str]) -> io::Result<Said> {
        let words: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
        let limit = self.limit;
        let answer = timeout(limit, async {
            self.stream.write_all(&command(&words)).await?;
            self.stream.flush().await?;
            self.answer().await
        });
        answer.await.unwrap_or_else(|_| Err(io::Error::new(io::ErrorKind::TimedOut, "no answer in time")))
    }

    async fn answer(&mut self) -> io::Result<Said> {
        loop {
            let frame = decode_bytes_mut(&mut self.arrived)
                .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "the answer is not that of a Redis"))?;
            match frame {
                Some((BytesFrame::Push { .. }, ..)) => {}
                Some((frame, ..)) => return Ok(said(frame)),
                None if self.stream.read_buf(&mut self.arrived).await? == 0 => {
                    return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the server closed the connection"));
                }
                None => {}
            }
        }
    }
}

impl Said {
    /// The text, if it is one.
    pub(super) fn text(self) -> Option<String> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }
}

fn said(frame: BytesFrame) -> Said {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    match frame {
        BytesFrame::BlobString { data, .. } | BytesFrame::SimpleString { data, .. } => Said::Text(text(&data)),
        BytesFrame::VerbatimString { data, .. } => Said::Text(text(&data)),
        BytesFrame::Number { data, .. } => Said::Text(data.to_string()),
        BytesFrame::SimpleError { data, .. } => Said::Refused(data.to_string()),
        BytesFrame::BlobError { data, .. } => Said::Refused(text(&data)),
        BytesFrame::Array { data, .. } => Said::List(data.into_iter().map(said).collect()),
        _ => Said::Nothing,
    }
}

//! What a server says on a tracking connection.

use bytes::Bytes;
use redis_protocol::resp3::types::BytesFrame;

/// One frame, understood.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// These keys changed.
    Changed(Vec<Bytes>),
    /// Everything may have changed: the server was emptied.
    Flushed,
    /// The answer to a command.
    Answer,
    /// A refused command.
    Refusal(String),
    /// A message about something else.
    Other,
}

/// Understands a frame. A message about keys that cannot be read counts as one about everything.
pub(super) fn understand(frame: BytesFrame) -> Heard {
    match frame {
        BytesFrame::Push { data, .. } => {
            let mut parts = data.into_iter();
            match (parts.next().and_then(text).as_deref(), parts.next()) {
                (Some(b"invalidate"), Some(BytesFrame::Array { data, .. })) => {
                    data.into_iter().map(text).collect::<Option<_>>().map_or(Heard::Flushed, Heard::Changed)
                }
                (Some(b"invalidate"), _) => Heard::Flushed,
                _ => Heard::Other,
            }
        }
        BytesFrame::SimpleError { data, .. } => Heard::Refusal(data.to_string()),
        BytesFrame::BlobError { data, .. } => Heard::Refusal(String::from_utf8_lossy(&data).into_owned()),
        _ => Heard::Answer,
    }
}

fn text(frame: BytesFrame) -> Option<Bytes> {
    match frame {
        BytesFrame::BlobString { data, .. } | BytesFrame::SimpleString { data, .. } => Some(data),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;
    use redis_protocol::resp3::decode::complete::decode_bytes_mut;

    use super::*;

    fn heard(wire: &str) -> Heard {
        let (frame, ..) = decode_bytes_mut(&mut BytesMut::from(wire)).unwrap().unwrap();
        understand(frame)
    }

    #[test]
    fn every_frame_a_server_sends_is_understood() {
        let keys = |names: &[&'static str]| {
            Heard::Changed(names.iter().map(|name| Bytes::from_static(name.as_bytes())).collect())
        };
        for (wire, expected) in [
            (">2\r\n$10\r\ninvalidate\r\n*1\r\n$8\r\nlarder:a\r\n", keys(&["larder:a"])),
            (">2\r\n$10\r\ninvalidate\r\n*2\r\n$1\r\na\r\n$1\r\nb\r\n", keys(&["a", "b"])),
            (">2\r\n$10\r\ninvalidate\r\n_\r\n", Heard::Flushed),
            (">2\r\n$10\r\ninvalidate\r\n*1\r\n:1\r\n", Heard::Flushed),
            (">3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\nb\r\n", Heard::Other),
            ("+PONG\r\n", Heard::Answer),
            ("%1\r\n$5\r\nproto\r\n:3\r\n", Heard::Answer),
            ("-NOPERM no\r\n", Heard::Refusal("NOPERM no".into())),
        ] {
            assert_eq!(heard(wire), expected, "{wire:?}");
        }
    }

    #[test]
    fn half_a_frame_is_waited_for() {
        let wire = ">2\r\n$10\r\ninvalidate\r\n*1\r\n$8\r\nlarder:a\r\n";
        for end in 0..wire.len() {
            assert!(decode_bytes_mut(&mut BytesMut::from(&wire[..end])).unwrap().is_none(), "{end}");
        }
    }
}

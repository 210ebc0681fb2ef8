//! The bytes of a publication in Redis: who published it, its number, all of its topics, and the payload; encrypted as
//! a Fernet token if there are keys.

use super::super::{Publication, Topic};
use crate::{environment::Environment, fernet::FernetKey};
use bytes::{Buf as _, BufMut as _, Bytes};
use parlor_protocol::ids::{ConversationId, UserId};

/// A frame begins with this byte. Another version of the format will have another one.
const FORMAT: u8 = 1;
/// Bytes of the format, the publisher, the number and the count of topics.
const HEAD_BYTES: usize = 1 + 8 + 8 + 4;
/// Bytes of a topic.
const TOPIC_BYTES: usize = 1 + 8;

/// A frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    /// One start of one node.
    pub publisher: u64,
    /// Increases with each publication of this publisher.
    pub number: u64,
    pub publication: Publication,
}

/// The bytes are not a frame of this version, or are encrypted with a key that this node does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NotAFrame;

/// Encodes frames, and encrypts them if there are keys.
#[derive(Clone, Debug)]
pub(super) struct FrameCodec {
    keys: Vec<FernetKey>,
    environment: Environment,
}

impl FrameCodec {
    /// The first key encrypts, each decrypts.
    pub(super) fn new(keys: &[String], environment: Environment) -> Self {
        Self { keys: keys.iter().map(|key| FernetKey::of(key)).collect(), environment }
    }

    pub(super) fn encode(&self, frame: &Frame) -> Vec<u8> {
        let Publication { topics, payload } = &frame.publication;
        let mut bytes = Vec::with_capacity(HEAD_BYTES + topics.len() * TOPIC_BYTES + payload.len());
        bytes.put_u8(FORMAT);
        bytes.put_u64(frame.publisher);
        bytes.put_u64(frame.number);
        bytes.put_u32(u32::try_from(topics.len()).expect("the fan-out limit is far below"));
        for topic in topics {
            let (kind, id) = parts(*topic);
            bytes.put_u8(kind);
            bytes.put_i64(id);
        }
        bytes.put_slice(payload);
        let Some(key) = self.keys.first() else { return bytes };
        let now_s = self.environment.now_ms() / 1000;
        key.encrypt(&bytes, now_s, self.environment.random()).into_bytes()
    }

    pub(super) fn decode(&self, bytes: &[u8]) -> Result<Frame, NotAFrame> {
        if self.keys.is_empty() {
            return decode(Bytes::copy_from_slice(bytes));
        }
        // The clocks of nodes may differ, so the age of a token has no meaning.
        let decrypted = self.keys.iter().find_map(|key| key.decrypt(bytes, None, 0).ok());
        decode(decrypted.ok_or(NotAFrame)?.into())
    }
}

fn decode(mut bytes: Bytes) -> Result<Frame, NotAFrame> {
    if bytes.len() < HEAD_BYTES || bytes.get_u8() != FORMAT {
        return Err(NotAFrame);
    }
    let (publisher, number) = (bytes.get_u64(), bytes.get_u64());
    let count = usize::try_from(bytes.get_u32()).map_err(|_| NotAFrame)?;
    if bytes.len() / TOPIC_BYTES < count {
        return Err(NotAFrame);
    }
    let topics = (0..count).map(|_| topic(bytes.get_u8(), bytes.get_i64())).collect::<Result<_, _>>()?;
    Ok(Frame { publisher, number, publication: Publication { topics, payload: bytes } })
}

fn parts(topic: Topic) -> (u8, i64) {
    match topic {
        Topic::User(id) => (b'u', id.0),
        Topic::Conversation(id) => (b'c', id.0),
        Topic::Presence(id) => (b'p', id.0),
        Topic::Host(id) => (b'h', id.0),
        Topic::Rooms(id) => (b'r', id.0),
        Topic::Nodes => (b'n', 0),
    }
}

fn topic(kind: u8, id: i64) -> Result<Topic, NotAFrame> {
    Ok(match kind {
        b'u' => Topic::User(UserId(id)),
        b'c' => Topic::Conversation(ConversationId(id)),
        b'p' => Topic::Presence(UserId(id)),
        b'h' => Topic::Host(UserId(id)),
        b'r' => Topic::Rooms(UserId(id)),
        b'n' => Topic::Nodes,
        _ => return Err(NotAFrame),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame() -> Frame {
        let topics = vec![
            Topic::User(UserId(7)),
            Topic::Conversation(ConversationId(-1)),
            Topic::Presence(UserId(i64::MAX)),
            Topic::Host(UserId(1)),
            Topic::Rooms(UserId(2)),
            Topic::Nodes,
        ];
        let publication = Publication { topics, payload: Bytes::from("payload") };
        Frame { publisher: u64::MAX, number: 3, publication }
    }

    fn codec(keys: &[&str]) -> FrameCodec {
        let keys: Vec<String> = keys.iter().map(|key| (*key).to_owned()).collect();
        FrameCodec::new(&keys, Environment::real())
    }

    #[test]
    fn frames_round_trip_with_every_key_that_is_known() {
        for (encoding, decoding) in
            [(&[][..], &[][..]), (&["new", "old"], &["old", "new"]), (&["old"], &["new", "old"])]
        {
            let bytes = codec(encoding).encode(&frame());
            assert_eq!(codec(decoding).decode(&bytes), Ok(frame()));
            assert_eq!(bytes.windows(7).any(|part| part == b"payload"), encoding.is_empty(), "only keys hide it");
        }
    }

    #[test]
    fn what_is_no_frame_is_refused_at_every_length() {
        let bytes = codec(&[]).encode(&frame());
        let (begin, payload) = bytes.split_at(bytes.len() - 7);
        assert_eq!(payload, b"payload");
        for length in 0..begin.len() {
            assert_eq!(codec(&[]).decode(&bytes[..length]), Err(NotAFrame), "{length}");
        }
        let mut many = bytes.clone();
        many[17..21].copy_from_slice(&[255; 4]);
        assert_eq!(codec(&[]).decode(&many), Err(NotAFrame), "a count of topics that are not there");
        let encrypted = codec(&["one"]).encode(&frame());
        assert_eq!(codec(&["other"]).decode(&encrypted), Err(NotAFrame));
        assert_eq!(
            codec(&["one"]).decode(&bytes),
            Err(NotAFrame),
            "with keys, nothing is accepted that is not encrypted"
        );
    }
}

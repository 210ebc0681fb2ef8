//! What nodes tell each other: an event, passed on to connections byte for byte, or something for the node.
//!
//! Encoded as one byte that says which, then JSON. An event is encoded once and its text never parsed again.
#![expect(missing_docs, reason = "fields that are named like what they hold")]

use bytes::{BufMut, Bytes, BytesMut};
use parlor_protocol::ids::{ConversationId, Epoch, SessionId, UserId, Version};
use serde::{Deserialize, Serialize};

const EVENT: u8 = b'e';
const NODE: u8 = b'n';

/// A payload, decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// The text of a frame for every connection in the topics.
    Event(Bytes),
    /// Something that the node acts on.
    Node(NodeMessage),
}

/// What a node acts on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum NodeMessage {
    /// Versions that were committed and whose events were published.
    Committed { node: Epoch, first: Version, last: Version },
    /// A conversation too large for its members' own topics changed.
    Hint { conversation: ConversationId, version: Version },
    /// People are no longer in a conversation: their connections leave its topic before anything else.
    Removed { conversation: ConversationId, users: Vec<UserId> },
    /// Sessions ended: this one, or all but `keep`.
    SessionsEnded { user: UserId, only: Option<SessionId>, keep: Option<SessionId>, disabled: bool },
}

/// The bytes are no message of this version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAMessage;

impl Message {
    /// The payload of an event, from the text of its frame.
    #[must_use]
    pub fn event(text: &str) -> Bytes {
        let mut bytes = BytesMut::with_capacity(text.len() + 1);
        bytes.put_u8(EVENT);
        bytes.put_slice(text.as_bytes());
        bytes.freeze()
    }

    /// The payload of something for the nodes.
    #[must_use]
    pub fn node(message: &NodeMessage) -> Bytes {
        let mut bytes = vec![NODE];
        serde_json::to_writer(&mut bytes, message).expect("a node message has string keys only");
        bytes.into()
    }

    /// Reads a payload.
    ///
    /// # Errors
    /// It is neither; a newer node may send what this one does not know.
    pub fn decode(payload: &Bytes) -> Result<Self, NotAMessage> {
        match payload.first() {
            Some(&EVENT) => Ok(Self::Event(payload.slice(1..))),
            Some(&NODE) => serde_json::from_slice(&payload[1..]).map(Self::Node).map_err(|_| NotAMessage),
            _ => Err(NotAMessage),
        }
    }
}

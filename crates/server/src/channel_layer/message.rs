//! Messages between nodes: an event, which is passed on to connections byte for byte, or a message for the node itself.
//!
//! Encoded as one byte that says which, then JSON. An event is encoded once and its text never parsed again.
#![expect(missing_docs, reason = "fields that are named like what they hold")]

use bytes::{BufMut, Bytes, BytesMut};
use parlor_protocol::ids::{ConversationId, Epoch, SessionId, UserId, Version};
use serde::{Deserialize, Serialize};

const EVENT: u8 = b'e';
const EVENT_FOR_OTHERS: u8 = b'o';
const NODE: u8 = b'n';

/// A payload, decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LayerMessage {
    /// The text of a frame for every connection in the topics.
    Event(Bytes),
    /// The same, for all connections but those of this user.
    EventForOthers(UserId, Bytes),
    /// A message that the node handles.
    Node(NodeMessage),
}

/// A message that a node handles.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum NodeMessage {
    /// Versions that were committed and whose events were published.
    Committed { node: Epoch, first: Version, last: Version },
    /// A conversation too large for its members' own topics changed.
    Hint { conversation: ConversationId, version: Version },
    /// Users were removed from a conversation: their connections leave its topic before anything else.
    Removed { conversation: ConversationId, users: Vec<UserId> },
    /// Who may see the presence of these users, or whose presence they may see, has changed.
    Visibility { users: Vec<UserId> },
    /// An entry of this user has changed: nodes with watchers observe them.
    Presence { user: UserId },
    /// Sessions ended: this one, or all but `keep`.
    SessionsEnded { user: UserId, only: Option<SessionId>, keep: Option<SessionId>, disabled: bool },
}

/// The bytes are not a message of this version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAMessage;

impl LayerMessage {
    /// Encodes an event, given the text of its frame.
    #[must_use]
    pub fn event(text: &str) -> Bytes {
        let mut bytes = BytesMut::with_capacity(text.len() + 1);
        bytes.put_u8(EVENT);
        bytes.put_slice(text.as_bytes());
        bytes.freeze()
    }

    /// Encodes an event that one user must not receive, given the text of its frame.
    #[must_use]
    pub fn event_for_others(of: UserId, text: &str) -> Bytes {
        let mut bytes = BytesMut::with_capacity(text.len() + 9);
        bytes.put_u8(EVENT_FOR_OTHERS);
        bytes.put_i64(of.0);
        bytes.put_slice(text.as_bytes());
        bytes.freeze()
    }

    /// Encodes a message for nodes.
    #[must_use]
    pub fn node(message: &NodeMessage) -> Bytes {
        let mut bytes = vec![NODE];
        serde_json::to_writer(&mut bytes, message).expect("a node message has string keys only");
        bytes.into()
    }

    /// Decodes a payload.
    ///
    /// # Errors
    /// It is none of these: a newer node may send messages that this one does not know.
    pub fn decode(payload: &Bytes) -> Result<Self, NotAMessage> {
        match payload.first() {
            Some(&EVENT) => Ok(Self::Event(payload.slice(1..))),
            Some(&EVENT_FOR_OTHERS) => {
                let (of, _) = payload[1..].split_first_chunk().ok_or(NotAMessage)?;
                Ok(Self::EventForOthers(UserId(i64::from_be_bytes(*of)), payload.slice(9..)))
            }
            Some(&NODE) => serde_json::from_slice(&payload[1..]).map(Self::Node).map_err(|_| NotAMessage),
            _ => Err(NotAMessage),
        }
    }
}

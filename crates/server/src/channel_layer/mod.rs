//! Delivery between nodes: bytes to everybody who joined a topic, at most once.
//!
//! Invariants: a joined topic is joined when `join` returns; what one node publishes to a topic arrives in the
//! order of publishing, or not at all. The store is the truth, so a lost delivery costs time, never a message.
//! Absent on purpose: local fan-out (the hub's), history, acknowledgements.

pub mod memory;
mod message;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use parlor_protocol::ids::{ConversationId, Scope, UserId};
use std::fmt;
use tokio::sync::mpsc;

pub use message::{Message, NodeMessage, NotAMessage};

/// An address in the channel layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Topic {
    /// Every connection of a person.
    User(UserId),
    /// The connections that show a conversation.
    Conversation(ConversationId),
    /// Every node, for what concerns no connection by name.
    Nodes,
}

impl fmt::Display for Topic {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(id) => write!(formatter, "user:{id}"),
            Self::Conversation(id) => write!(formatter, "conversation:{id}"),
            Self::Nodes => formatter.write_str("nodes"),
        }
    }
}

impl From<Scope> for Topic {
    fn from(scope: Scope) -> Self {
        match scope {
            Scope::Conversation(id) => Self::Conversation(id),
            Scope::User(id) => Self::User(id),
        }
    }
}

/// One payload to many topics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publication {
    /// Where to.
    pub topics: Vec<Topic>,
    /// What: an encoded [`Message`].
    pub payload: Bytes,
}

/// The layer could not take it, or could not join. Whoever publishes goes on: the store is the truth.
#[derive(Debug, thiserror::Error)]
#[error("the channel layer is not available: {0}")]
pub struct Unavailable(pub String);

/// The channel layer. One conformance suite holds for every implementation.
pub trait ChannelLayer: fmt::Debug + Send + Sync {
    /// Sends each payload once to every node that joined one of its topics, this one included.
    fn publish(&self, publications: Vec<Publication>) -> BoxFuture<'_, Result<(), Unavailable>>;

    /// From its return on, what is published to the topic is delivered here.
    fn join(&self, topic: Topic) -> BoxFuture<'_, Result<(), Unavailable>>;

    /// The topic is of no interest here any more. Deliveries under way may still come.
    fn leave(&self, topic: Topic) -> BoxFuture<'_, Result<(), Unavailable>>;

    /// What is delivered here. Taken once, by the hub.
    fn deliveries(&self) -> Option<mpsc::Receiver<Publication>>;
}

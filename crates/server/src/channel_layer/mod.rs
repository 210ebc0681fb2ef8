//! Delivery between nodes: bytes to everybody who joined a topic, at most once.
//!
//! Invariants: a joined topic is joined when `join` returns; what one node publishes to a topic arrives in the
//! order of publishing, or not at all. The store is the truth, so a lost delivery costs time, never a message.
//! Who is here is kept as signs that end by themselves, one for each person and node, never as a counter: a node that
//! was killed takes nothing back, and is forgotten all the same.
//! Absent on purpose: local fan-out (the hub's), history, acknowledgements.

pub mod memory;
mod message;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use parlor_protocol::ids::{ConversationId, Epoch, Scope, UserId};
use std::{fmt, sync::Arc, time::Duration};

pub use message::{Message, NodeMessage, NotAMessage};

/// An address in the channel layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Topic {
    /// Every connection of a person.
    User(UserId),
    /// The connections that show a conversation.
    Conversation(ConversationId),
    /// The connections that watch whether a person is here.
    Presence(UserId),
    /// Every node, for what concerns no connection by name.
    Nodes,
}

impl fmt::Display for Topic {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(id) => write!(formatter, "user:{id}"),
            Self::Conversation(id) => write!(formatter, "conversation:{id}"),
            Self::Presence(id) => write!(formatter, "presence:{id}"),
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

/// How a person is here; of several, the greatest counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Here {
    /// No longer.
    Gone,
    /// A page is open, and nobody is at it.
    Idle,
    /// A page is open and in use.
    Online,
}

/// What a node says of a person. It replaces what this node said before, and holds for `lasts`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sign {
    /// Who.
    pub user: UserId,
    /// Whether they are here.
    pub here: Here,
    /// When a page of theirs was last in use, in milliseconds since 1970.
    pub seen_ms: i64,
    /// How long it holds.
    pub lasts: Duration,
}

/// What the signs of all nodes come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Who.
    pub user: UserId,
    /// Whether they are here.
    pub here: Here,
    /// When a page of theirs was last in use, in milliseconds since 1970.
    pub seen_ms: i64,
}

/// The layer could not take it, or could not join. Whoever publishes goes on: the store is the truth.
#[derive(Debug, thiserror::Error)]
#[error("the channel layer is not available: {0}")]
pub struct Unavailable(pub String);

/// Takes what is delivered to a node, one after the other, and waits for nothing.
pub type Deliver = Arc<dyn Fn(Publication) + Send + Sync>;

/// The channel layer. One conformance suite holds for every implementation.
pub trait ChannelLayer: fmt::Debug + Send + Sync {
    /// Sends each payload once to every node that joined one of its topics, this one included.
    fn publish(&self, publications: Vec<Publication>) -> BoxFuture<'_, Result<(), Unavailable>>;

    /// From its return on, what is published to the topic is delivered here.
    fn join(&self, topic: Topic) -> BoxFuture<'_, Result<(), Unavailable>>;

    /// The topic is of no interest here any more. Deliveries under way may still come.
    fn leave(&self, topic: Topic) -> BoxFuture<'_, Result<(), Unavailable>>;

    /// Puts signs of this node up.
    fn say(&self, node: Epoch, signs: Vec<Sign>) -> BoxFuture<'_, Result<(), Unavailable>>;

    /// What the signs that hold now say of these people; nothing of whom there is none.
    fn seen(&self, users: Vec<UserId>) -> BoxFuture<'_, Result<Vec<Seen>, Unavailable>>;

    /// Where to deliver, from now on. Without it, what comes is lost.
    fn deliver_to(&self, deliver: Deliver);
}

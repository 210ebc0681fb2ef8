//! Delivery between nodes: bytes to every node that has joined a topic, at most once.
//!
//! Invariants: a topic is joined when `join` returns; what one node publishes to a topic arrives in the order of
//! publishing, or not at all. The store has the truth, so a lost delivery costs time, never a message.
//! Presence is kept as entries that expire, one for each user and node, never as a counter: a node that is killed takes
//! nothing back, and is forgotten anyway.
//! Absent on purpose: local fan-out (the hub's), history, acknowledgements.

pub mod memory;
mod message;
pub mod redis;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use parlor_protocol::ids::{ConversationId, Epoch, Scope, UserId};
use std::{fmt, sync::Arc, time::Duration};
use tokio::sync::watch;

pub use message::{LayerMessage, NodeMessage, NotAMessage};

/// An address in the channel layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Topic {
    /// Every connection of a user.
    User(UserId),
    /// The connections that show a conversation.
    Conversation(ConversationId),
    /// The connections that are subscribed to a user's presence.
    Presence(UserId),
    /// The old sockets of a user: they receive the host's rows of which the user is sender or recipient.
    Host(UserId),
    /// The sockets of a user in broadcast rooms. Nothing is published to it: rooms have a layer of their own.
    Rooms(UserId),
    /// Every node.
    Nodes,
}

impl fmt::Display for Topic {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(id) => write!(formatter, "user:{id}"),
            Self::Conversation(id) => write!(formatter, "conversation:{id}"),
            Self::Presence(id) => write!(formatter, "presence:{id}"),
            Self::Host(id) => write!(formatter, "host:{id}"),
            Self::Rooms(id) => write!(formatter, "rooms:{id}"),
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
    /// The topics.
    pub topics: Vec<Topic>,
    /// An encoded [`LayerMessage`].
    pub payload: Bytes,
}

/// A user's presence. Of several, the greatest counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PresenceLevel {
    /// Not present.
    Gone,
    /// A page is open, and the user is idle.
    Idle,
    /// A page is open and in use.
    Online,
}

/// A node's statement about a user. It replaces the node's previous one, and expires after `expires_after`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PresenceEntry {
    /// The user.
    pub user: UserId,
    /// Their presence.
    pub level: PresenceLevel,
    /// When a page of theirs was last in use, in milliseconds since 1970.
    pub last_seen_ms: i64,
    /// When it expires.
    pub expires_after: Duration,
}

/// The result of the entries of all nodes for a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UserPresence {
    /// The user.
    pub user: UserId,
    /// Their presence.
    pub level: PresenceLevel,
    /// When a page of theirs was last in use, in milliseconds since 1970.
    pub last_seen_ms: i64,
}

/// What the current entries say about some users.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PresenceAnswer {
    /// The users with an entry.
    pub users: Vec<UserPresence>,
    /// Whether users without an entry are not present. Otherwise entries were lost a moment ago, and nodes are writing them
    /// again.
    pub is_complete: bool,
}

/// Whether deliveries between nodes work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LayerStatus {
    /// Everything that other nodes publish to the joined topics arrives.
    pub is_connected: bool,
    /// What this node publishes reaches other nodes.
    pub is_publishing: bool,
    /// How often deliveries from other nodes may have been lost. It is raised before anything arrives again.
    pub interruptions: u64,
    /// How often entries may have been lost. Whenever it is raised, each node writes its own again.
    pub entry_losses: u64,
}

/// The layer could not publish or join. Publishers carry on, since the store has the truth.
#[derive(Debug, thiserror::Error)]
#[error("the channel layer is not available: {0}")]
pub struct Unavailable(pub String);

/// Receives the deliveries to a node, one after the other, and waits for nothing.
pub type Deliver = Arc<dyn Fn(Publication) + Send + Sync>;

/// The channel layer. One conformance suite holds for every implementation.
pub trait ChannelLayer: fmt::Debug + Send + Sync {
    /// Sends each payload once to every node that joined one of its topics, this one included.
    fn publish(&self, publications: Vec<Publication>) -> BoxFuture<'_, Result<(), Unavailable>>;

    /// Joins a topic: what is published to it after this returns is delivered to this node, while the layer is
    /// connected. A topic that is joined while it is not becomes complete when it is again.
    fn join(&self, topic: Topic) -> BoxFuture<'_, Result<(), Unavailable>>;

    /// Leaves a topic. Deliveries that are in progress may still arrive.
    fn leave(&self, topic: Topic) -> BoxFuture<'_, Result<(), Unavailable>>;

    /// Writes entries of this node.
    fn put_presence(&self, node: Epoch, entries: Vec<PresenceEntry>) -> BoxFuture<'_, Result<(), Unavailable>>;

    /// Returns what the current entries say about these users, and nothing for users without one.
    fn presence_of(&self, users: Vec<UserId>) -> BoxFuture<'_, Result<PresenceAnswer, Unavailable>>;

    /// Sets the receiver of deliveries. Without one, they are lost.
    fn deliver_to(&self, deliver: Deliver);

    /// Returns whether deliveries between nodes work, now and from now on.
    fn status(&self) -> watch::Receiver<LayerStatus>;
}

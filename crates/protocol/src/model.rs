//! The rows that people are shown, as they stand on the wire. Times are RFC 3339 in UTC with milliseconds.

use crate::ids::{ConversationId, MessageId, Seq, SessionId, UserId, Version};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A person, as others see them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({"id": 7, "name": "Ada Lovelace", "picture": "/v1/pictures/4f1c", "version": 31}))]
pub struct User {
    /// Who.
    pub id: UserId,
    /// What they are called.
    pub name: String,
    /// Where their picture is, on this server; none shows their initials.
    pub picture: Option<String>,
    /// The version of the last change of name or picture: of two copies, the higher one is right.
    pub version: Version,
}

/// The signed-in person, as they see themselves: the state of the scope `user:…`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Me {
    /// Name and picture.
    #[serde(flatten)]
    pub user: User,
    /// The name used to sign in.
    pub login: String,
    /// The version of the scope `user:…`.
    pub scope_version: Version,
}

/// How a context's status is meant; it decides the colour, never the words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Tone {
    /// Says nothing in particular.
    #[default]
    Plain,
    /// Something is asked for: lost, due.
    Asks,
    /// Something is settled: found, paid.
    Settled,
}

/// Names a thing of the host.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"type": "item", "id": "5"}))]
pub struct ContextKey {
    /// The host's kind of thing.
    #[serde(rename = "type")]
    pub kind: String,
    /// The host's own id.
    pub id: String,
}

/// What a conversation is about; made by the operator or the host, never by a user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({"type": "item", "id": "5", "title": "Black umbrella", "detail": "Tram 18, Friday", "url": "https://found.example/items/5", "image": "https://found.example/items/5.jpg", "status": "Lost", "tone": "asks", "closed": false}))]
pub struct Context {
    /// Type and id.
    #[serde(flatten)]
    pub key: ContextKey,
    /// Its name.
    pub title: String,
    /// One more line about it.
    pub detail: Option<String>,
    /// Its page; http or https.
    pub url: Option<String>,
    /// Its picture; http, https, or a path on this server.
    pub image: Option<String>,
    /// Its state in one or two words.
    pub status: Option<String>,
    /// How the status is meant.
    pub tone: Tone,
    /// Closed: nothing more is written about it.
    pub closed: bool,
}

/// What a conversation is between.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ConversationKind {
    /// Two people, for ever.
    Direct,
    /// Any number of people, who come and go.
    Group,
}

/// What a member may do in a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Adds and removes others.
    Owner,
    /// Reads and writes.
    Member,
}

/// A person's place in a conversation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Member {
    /// Who.
    pub user: User,
    /// What they may do.
    pub role: Role,
    /// What they are to the context: owner, finder. Words of the operator.
    pub context_role: Option<String>,
    /// Read up to here.
    pub read_seq: Seq,
    /// Received up to here; never less than `read_seq`.
    pub delivered_seq: Seq,
    /// Sees messages from here on.
    pub history_from: Seq,
    /// Left or was removed: a tombstone. Its other fields say nothing.
    pub left: bool,
    /// The version of the row's last change.
    pub version: Version,
}

/// A message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({"id": 4711, "conversation": 12, "seq": 3, "sender": 7, "client_id": "0192f0c1-7e2b-7c11-9d5e-2f1f6f0a9b51", "text": "Is it yours?", "created_at": "2026-11-22T09:12:03.120Z"}))]
pub struct Message {
    /// The version that made it.
    pub id: MessageId,
    /// Where.
    pub conversation: ConversationId,
    /// Its place there.
    pub seq: Seq,
    /// Who wrote it.
    pub sender: UserId,
    /// The sender's own name for it, by which he knows it again.
    pub client_id: String,
    /// What it says: plain text.
    pub text: String,
    /// When the server took it.
    pub created_at: String,
}

/// A conversation as the asking member sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Conversation {
    /// Which.
    pub id: ConversationId,
    /// The version of the scope `conversation:…`: everything here and in the asked messages is true at it.
    pub version: Version,
    /// Direct or group.
    pub kind: ConversationKind,
    /// The name of a group.
    pub title: Option<String>,
    /// What it is about.
    pub context: Option<Context>,
    /// Who opened it.
    pub created_by: UserId,
    /// When.
    pub created_at: String,
    /// The version of its newest message, or of its opening: the order of the list.
    pub activity: Version,
    /// The `seq` of its newest message; 0 when there is none.
    pub last_seq: Seq,
    /// Its newest message, unless there is none that the asker may see.
    pub last_message: Option<Message>,
    /// How many are in it.
    pub member_count: u32,
    /// Who is in it: everybody up to `conversation_fan_out_max` people; in a larger one the asker, the
    /// other longest-standing members up to that number, and the sender of `last_message`.
    pub members: Vec<Member>,
    /// How many messages of others lie after the asker's marker; 100 means "99+".
    pub unread: u32,
}

/// One sign-in, as its owner sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Session {
    /// Which.
    pub id: SessionId,
    /// When it began.
    pub created_at: String,
    /// When it was last used; kept to the minute.
    pub seen_at: String,
    /// The browser's or program's own name for itself, cut short.
    pub agent: String,
    /// The one that asks.
    pub current: bool,
}

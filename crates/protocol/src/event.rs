//! What the server tells unasked. An event carries the new state of its row, never a difference.

use crate::{
    ids::{ConversationId, FileId, Scope, Seq, UserId, Version},
    model::{Context, Conversation, Me, Member, Message, Presence, User},
    reply::Marker,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Where an event stands in its scope. A client applies it when its copy of the scope is at `prev`, drops it
/// when its copy is at or past `version`, and otherwise waits a moment and asks for what lies between.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Scoped {
    /// Which scope.
    #[schema(value_type = String, example = "conversation:12")]
    pub scope: Scope,
    /// The change's version.
    pub version: Version,
    /// The scope's version before; 0 when this change made it.
    pub prev: Version,
}

/// An event of the server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "type")]
pub enum Event {
    /// A message was sent.
    #[serde(rename = "message.created")]
    MessageCreated {
        /// Its place.
        #[serde(flatten)]
        place: Scoped,
        /// The message.
        message: Message,
        /// Who sent it.
        sender: User,
        /// The sender's marker after it: moved onto the message if everything before was read. Absent where it is not
        /// told: receipts are off, the sender's or the listener's.
        sender_read_seq: Option<Seq>,
    },
    /// A message was edited, deleted for everyone, or reacted to. Whoever has not read past a message that was
    /// deleted, and did not write it, asks for the conversation: its `unread` is another.
    #[serde(rename = "message.updated")]
    MessageUpdated {
        /// Its place.
        #[serde(flatten)]
        place: Scoped,
        /// The message as it is now.
        message: Message,
    },
    /// I deleted a message for myself: whoever holds it holds only its place from now on. If it was the
    /// `last_message`, the conversation is asked for.
    #[serde(rename = "message.hidden")]
    MessageHidden {
        /// Its place, in the scope `user:…`.
        #[serde(flatten)]
        place: Scoped,
        /// Which.
        seq: Seq,
        /// My markers there, with what is unread now.
        #[serde(flatten)]
        marker: Marker,
    },
    /// A conversation was opened with you in it.
    #[serde(rename = "conversation.created")]
    ConversationCreated {
        /// Its place.
        #[serde(flatten)]
        place: Scoped,
        /// The conversation; it has no messages yet, so it is the same for every member.
        conversation: Box<Conversation>,
    },
    /// The name, the picture or the context of a conversation changed.
    #[serde(rename = "conversation.updated")]
    ConversationUpdated {
        /// Its place.
        #[serde(flatten)]
        place: Scoped,
        /// The name of a group.
        title: Option<String>,
        /// The picture of a group.
        picture: Option<String>,
        /// What it is about.
        context: Option<Context>,
        /// The rows of those whose role in the context changed.
        members: Vec<Member>,
        /// The line of the system that says so; it is added as in `message.created`, and is unread for nobody.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        message: Option<Message>,
    },
    /// Members came, left, were renamed, or moved their markers.
    #[serde(rename = "member.updated")]
    MembersUpdated {
        /// Its place.
        #[serde(flatten)]
        place: Scoped,
        /// The rows that changed. Whoever finds himself here with `left` drops the conversation; whoever
        /// does not know the conversation asks for it.
        members: Vec<Member>,
        /// How many are in it now.
        member_count: u32,
        /// When one person's marker moved: how many messages that person now has unread.
        unread: Option<u32>,
        /// The line of the system that says so; it is added as in `message.created`, and is unread for nobody.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        message: Option<Message>,
    },
    /// My own markers moved, which nobody else is told: the conversation is large, or receipts are off.
    #[serde(rename = "marker.updated")]
    MarkerUpdated {
        /// Its place.
        #[serde(flatten)]
        place: Scoped,
        /// The markers.
        #[serde(flatten)]
        marker: Marker,
    },
    /// My own name, picture or password changed, or one of my sessions ended.
    #[serde(rename = "me.updated")]
    MeUpdated {
        /// Its place.
        #[serde(flatten)]
        place: Scoped,
        /// I, as I am now.
        me: Me,
    },
    /// Something changed that the listener is not told: only the scope's version moves.
    #[serde(rename = "scope.advanced")]
    ScopeAdvanced {
        /// Its place.
        #[serde(flatten)]
        place: Scoped,
    },
    /// The scope is at this version; what changed must be asked for.
    #[serde(rename = "scope.changed")]
    ScopeChanged {
        /// Which scope.
        #[schema(value_type = String, example = "conversation:12")]
        scope: Scope,
        /// Its version, or later.
        version: Version,
    },
    /// Somebody began to write, goes on, or stopped. Kept by nobody; what was said last holds for `expires_ms`, and
    /// ends with a message of theirs.
    #[serde(rename = "typing.changed")]
    TypingChanged {
        /// Where.
        conversation: ConversationId,
        /// Who.
        user: UserId,
        /// Whether they are writing.
        typing: bool,
        /// How long this holds unless it is said again, in milliseconds.
        expires_ms: u64,
    },
    /// Somebody whom this connection watches came, went or idles.
    #[serde(rename = "presence.changed")]
    PresenceChanged {
        /// How they are now.
        #[serde(flatten)]
        presence: Presence,
    },
    /// Bytes of an upload of this connection were kept.
    #[serde(rename = "upload.progress")]
    UploadProgress {
        /// Which.
        upload: FileId,
        /// How many are kept.
        received: u64,
    },
}

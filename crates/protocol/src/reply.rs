//! What a command is answered with; the bodies of HTTP answers too.

use crate::{
    cursor::Cursor,
    error::Problem,
    event::Scoped,
    ids::{ConversationId, Scope, Seq, UserId, Version},
    model::{Conversation, Me, Message, User},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What changed since a cursor, read in one snapshot of the store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Heads {
    /// Whose.
    pub user: UserId,
    /// The cursor to keep once every scope named here is at or past its version, or has been fetched.
    #[schema(value_type = String, example = "81273645.4711")]
    pub cursor: Cursor,
    /// The cursor that came is not good here (or none came): drop all state, keep `cursor`, and load anew.
    pub reset: bool,
    /// The scopes of mine that changed.
    pub heads: Vec<Head>,
    /// The scopes that I left.
    #[schema(value_type = Vec<String>)]
    pub gone: Vec<Scope>,
    /// For some of `heads`, the changes themselves, to save asking.
    pub changes: Vec<Changes>,
}

/// A scope and its version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Head {
    /// Which scope.
    #[schema(value_type = String, example = "conversation:12")]
    pub scope: Scope,
    /// The version of its last change.
    pub version: Version,
}

/// The newest state of what changed in a conversation since a version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Changes {
    /// Which scope.
    #[schema(value_type = String, example = "conversation:12")]
    pub scope: Scope,
    /// What was asked for: a client whose state is at or past this may apply the answer.
    pub since: Version,
    /// The state is true at this version once applied.
    pub version: Version,
    /// Too much changed: drop the messages held; these are the newest page.
    pub reset: bool,
    /// There is more: ask again with `since` = `version`.
    pub more: bool,
    /// The conversation itself; absent while there is `more`.
    pub conversation: Option<Conversation>,
    /// The changed messages, in the order of `seq`.
    pub messages: Vec<Message>,
    /// Those who wrote them.
    pub users: Vec<User>,
}

/// A page of the conversation list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ConversationPage {
    /// In the order of `activity`, the newest first.
    pub conversations: Vec<Conversation>,
    /// Give this as `before` for the next page; absent at the end.
    pub next: Option<Version>,
    /// True for what is here. It starts a client that has none and never moves one that has.
    #[schema(value_type = String, example = "81273645.4711")]
    pub cursor: Cursor,
}

/// One conversation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ConversationAnswer {
    /// Its state.
    pub conversation: Conversation,
    /// See [`ConversationPage::cursor`].
    #[schema(value_type = String, example = "81273645.4711")]
    pub cursor: Cursor,
}

/// Some messages of a conversation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MessagePage {
    /// In the order of `seq`, without gaps.
    pub messages: Vec<Message>,
    /// Those who wrote them.
    pub users: Vec<User>,
    /// There are older ones that the asker may see.
    pub more_before: bool,
    /// There are newer ones.
    pub more_after: bool,
    /// The version of the conversation at which this is true.
    pub version: Version,
    /// See [`ConversationPage::cursor`].
    #[schema(value_type = String, example = "81273645.4711")]
    pub cursor: Cursor,
}

/// The answer to `message.send`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Sent {
    /// The message, kept.
    pub message: Message,
    /// Its event's version and `prev`; of a repeat, the message's version twice.
    #[serde(flatten)]
    pub change: Changed,
    /// This `client_id` had been sent before; here is what it made then.
    pub duplicate: bool,
}

/// The place of a change in its scope: that of the event that tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Changed {
    /// The change's version. Equal to `prev` when there was nothing to change.
    pub version: Version,
    /// The version of its scope before.
    pub prev: Version,
}

/// The answer to `conversation.open`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Opened {
    /// The conversation, found or made.
    pub conversation: Conversation,
    /// It was there before.
    pub found: bool,
}

/// The answer to `conversation.mark`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Marked {
    /// The markers as they now stand.
    #[serde(flatten)]
    pub marker: Marker,
    /// The change's place.
    #[serde(flatten)]
    pub change: Changed,
}

/// A person's own markers in a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Marker {
    /// Where.
    pub conversation: ConversationId,
    /// Read up to here.
    pub read_seq: Seq,
    /// Received up to here.
    pub delivered_seq: Seq,
    /// How many messages of others lie after `read_seq`; 100 means "99+".
    pub unread: u32,
}

/// The answer to `message.cancel`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Cancelled {
    /// The command never happened and never will.
    pub cancelled: bool,
    /// It had happened: this is what it made.
    pub message: Option<Message>,
}

/// The answer to `conversation.show`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Shown {
    /// Those of the asked ones that the asker is in, with their versions now: live events follow from there.
    pub heads: Vec<Head>,
}

/// The state of the scope `user:…`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MeAnswer {
    /// The person.
    #[serde(flatten)]
    pub me: Me,
    /// The person's own markers in conversations of more than `conversation_fan_out_max` people, where
    /// markers are no change of the conversation. In smaller ones see the member's row.
    pub markers: Vec<Marker>,
    /// See [`ConversationPage::cursor`].
    #[schema(value_type = String, example = "81273645.4711")]
    pub cursor: Cursor,
}

/// The answer to `user.list`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Users {
    /// In the order of their names.
    pub users: Vec<User>,
}

/// An answer of any kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(untagged)]
pub enum Answer {
    /// To `session.resume`.
    Heads(Heads),
    /// To `conversation.list`.
    Conversations(ConversationPage),
    /// To `conversation.get`.
    Conversation(Box<ConversationAnswer>),
    /// To `conversation.changes`.
    Changes(Box<Changes>),
    /// To `conversation.open`.
    Opened(Box<Opened>),
    /// To `conversation.show`.
    Shown(Shown),
    /// To `conversation.mark`.
    Marked(Marked),
    /// To `member.add`, `member.remove` and `me.update`.
    Changed(Changed),
    /// To `message.send`.
    Sent(Sent),
    /// To `message.cancel`.
    Cancelled(Cancelled),
    /// To `message.list`.
    Messages(MessagePage),
    /// To `me.get`.
    Me(MeAnswer),
    /// To `user.list`.
    Users(Users),
}

/// A reply on the socket: `{"re": 1, …}` with the answer's fields beside `re`, or with `error`.
/// `re` is null when no `id` could be read.
#[derive(Clone, Debug, Serialize)]
pub struct ReplyFrame<'a> {
    /// The command's `id`.
    pub re: Option<i64>,
    /// The answer.
    #[serde(flatten)]
    pub answer: Option<&'a Answer>,
    /// Or why there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<&'a Problem>,
}

impl Changed {
    /// The change that an event tells.
    #[must_use]
    pub fn of(place: &Scoped) -> Self {
        Self { version: place.version, prev: place.prev }
    }
}

//! What a command is answered with; the bodies of HTTP answers too.

use crate::{
    cursor::Cursor,
    event::Scoped,
    ids::{ConversationId, Scope, Seq, UserId, Version},
    model::{Conversation, Me, Member, Message, Presence, Upload, User},
    params::MessagePlace,
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
    /// The changed messages, each once, in the order of their versions.
    pub messages: Vec<Message>,
    /// Those that `messages` answer, where the asker may see them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub quoted: Vec<Message>,
    /// Those who wrote them, or are named in lines of the system.
    pub users: Vec<User>,
}

/// A page of the conversation list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ConversationPage {
    /// In the order of `activity`, the newest first.
    pub conversations: Vec<Conversation>,
    /// People whom `created_by` or `last_message` name and who are not among the members: those who left, above all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub users: Vec<User>,
    /// Give this as `after` for the next page; null at the end.
    pub next: Option<String>,
    /// True for what is here. It starts a client that has none and never moves one that has.
    #[schema(value_type = String, example = "81273645.4711")]
    pub cursor: Cursor,
}

/// One conversation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ConversationAnswer {
    /// Its state.
    pub conversation: Conversation,
    /// See [`ConversationPage::users`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub users: Vec<User>,
    /// See [`ConversationPage::cursor`].
    #[schema(value_type = String, example = "81273645.4711")]
    pub cursor: Cursor,
}

/// Some messages of a conversation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MessagePage {
    /// In the order of `seq`, without gaps.
    pub messages: Vec<Message>,
    /// Those that `messages` answer, where the asker may see them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub quoted: Vec<Message>,
    /// Those who wrote them, or are named in lines of the system.
    pub users: Vec<User>,
    /// Give this as `before` for the older ones; null when there are none that the asker may see.
    pub previous: Option<Seq>,
    /// Give this as `after` for the newer ones; null when there are none.
    pub next: Option<Seq>,
    /// The version of the conversation at which this is true.
    pub version: Version,
    /// See [`ConversationPage::cursor`].
    #[schema(value_type = String, example = "81273645.4711")]
    pub cursor: Cursor,
}

/// The answer to `message.send` and `message.forward`.
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Marker {
    /// Where.
    pub conversation: ConversationId,
    /// Read up to here.
    pub read_seq: Seq,
    /// When that last moved, if it ever did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read_at: Option<String>,
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

/// What is unread in all conversations of a person.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Unread {
    /// Conversations with something unread.
    pub conversations: u32,
    /// The sum of their `unread`, each of which ends at 100.
    pub messages: u32,
}

/// The state of the scope `user:…`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MeAnswer {
    /// The person.
    #[serde(flatten)]
    pub me: Me,
    /// The person's own markers that moved without a change of the conversation: in those of more than
    /// `conversation_fan_out_max` people, and where receipts are off. For the others see the member's row.
    pub markers: Vec<Marker>,
    /// What is unread in all conversations, at the version of `cursor`.
    pub unread: Unread,
    /// What the person hid after the version that was asked for. Whoever holds one of them holds only its place
    /// from now on, and asks for its conversation, whose `unread` and `last_message` may be others.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hidden: Vec<MessagePlace>,
    /// Too much was hidden to tell: drop all messages and ask for every conversation that is held.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub hidden_reset: bool,
    /// See [`ConversationPage::cursor`].
    #[schema(value_type = String, example = "81273645.4711")]
    pub cursor: Cursor,
}

/// The answer to `message.edit`, `message.delete` and `message.react`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MessageChanged {
    /// The message as it is now.
    pub message: Message,
    /// Its event's version and `prev`; equal when there was nothing to change.
    #[serde(flatten)]
    pub change: Changed,
}

/// The answer to `message.reactions`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Reactions {
    /// In the order of each emoji's first use. A page counts people: an emoji may go on on the next page.
    pub reactions: Vec<ReactionBy>,
    /// Give this as `after` for the next page; null at the end.
    pub next: Option<String>,
}

/// One emoji under a message, and who put it there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReactionBy {
    /// Which.
    pub emoji: String,
    /// Who, in the order in which they came.
    pub users: Vec<User>,
}

/// The answer to `member.list`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Members {
    /// In the order of their ids.
    pub members: Vec<Member>,
    /// Give this as `after` for the next page; null at the end.
    pub next: Option<String>,
}

/// The answer to `message.search`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Found {
    /// The newest first.
    pub results: Vec<Hit>,
    /// The conversations that they are of, as `conversation.list` would give them.
    pub conversations: Vec<Conversation>,
    /// Those who wrote them.
    pub users: Vec<User>,
    /// Give this as `after` for the next page; null at the end.
    pub next: Option<String>,
}

/// A message that was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Hit {
    /// The message.
    pub message: Message,
    /// The part of its subject, text or file names that was looked for, in pieces.
    pub excerpt: Vec<Piece>,
}

/// A piece of an excerpt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({"text": "umbrella", "hit": true}))]
pub struct Piece {
    /// What it says.
    pub text: String,
    /// This is what was looked for.
    pub hit: bool,
}

/// The answer to `presence.watch`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Watched {
    /// Each of those that were asked for, as they are now.
    pub presence: Vec<Presence>,
}

/// The answer to `upload.begin`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UploadBegun {
    /// The upload as it is now: send what lies after `received`.
    pub upload: Upload,
    /// Bytes of the file in one binary frame, at the most.
    pub chunk_bytes_max: u32,
    /// Bytes that may be sent and not yet told by `upload.progress`, at the most.
    pub window_bytes: u32,
}

/// The answer to `upload.end`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UploadEnded {
    /// The upload, finished.
    pub upload: Upload,
}

/// The answer to what was done and has nothing to say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Done {}

/// The answer to `user.list`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Users {
    /// In the order of their names.
    pub users: Vec<User>,
    /// Give this as `after` for the next page; null at the end.
    pub next: Option<String>,
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
    /// To `conversation.update`, `member.add`, `member.update`, `member.remove`, `message.hide` and `me.update`.
    Changed(Changed),
    /// To `member.list`.
    Members(Members),
    /// To `message.send` and `message.forward`.
    Sent(Sent),
    /// To `message.edit`, `message.delete` and `message.react`.
    MessageChanged(Box<MessageChanged>),
    /// To `message.reactions`.
    Reactions(Reactions),
    /// To `message.search`.
    Found(Found),
    /// To `message.cancel`.
    Cancelled(Cancelled),
    /// To `message.list`.
    Messages(MessagePage),
    /// To `me.get`.
    Me(MeAnswer),
    /// To `presence.watch`.
    Watched(Watched),
    /// To `upload.begin`.
    UploadBegun(UploadBegun),
    /// To `upload.end`.
    UploadEnded(UploadEnded),
    /// To `user.list`.
    Users(Users),
    /// To `conversation.typing`, `presence.set` and `upload.cancel`.
    Done(Done),
}

impl Changed {
    /// The change that an event tells.
    #[must_use]
    pub fn of(place: &Scoped) -> Self {
        Self { version: place.version, prev: place.prev }
    }
}

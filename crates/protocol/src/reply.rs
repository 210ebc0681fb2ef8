//! The answers to commands, which are also the bodies of HTTP answers.

use crate::{
    cursor::Cursor,
    event::Scoped,
    ids::{ConversationId, Scope, Seq, UserId, Version},
    model::{Conversation, ConversationSettings, Draft, Me, Member, Message, Presence, Upload, User},
    params::MessagePlace,
    report::{ReportAnswer, ReportCounts, ReportSettled, Reported, Reports, Warning},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What changed since a cursor, read in one snapshot of the store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Heads {
    /// The user.
    pub user: UserId,
    /// The cursor to store once every scope listed here is at or past its version.
    #[schema(value_type = String, example = "81273645.4711")]
    pub cursor: Cursor,
    /// The client's cursor is absent or not valid here: drop all state, store `cursor`, and reload.
    pub reset: bool,
    /// The user's scopes that changed.
    pub heads: Vec<Head>,
    /// The scopes that the user left.
    #[schema(value_type = Vec<String>)]
    pub gone: Vec<Scope>,
    /// The changes of some of `heads`, to save requests.
    pub changes: Vec<Changes>,
}

/// A scope and its version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Head {
    /// The scope.
    #[schema(value_type = String, example = "conversation:12")]
    pub scope: Scope,
    /// The version of its last change.
    pub version: Version,
}

/// The newest state of what changed in a conversation since a version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Changes {
    /// The scope.
    #[schema(value_type = String, example = "conversation:12")]
    pub scope: Scope,
    /// The requested version: a client whose copy is at or past it may apply the answer.
    pub since: Version,
    /// The version of the copy after applying the answer.
    pub version: Version,
    /// Too much changed: drop the loaded messages; these are the newest page.
    pub reset: bool,
    /// There is more: request it with `since` = `version`.
    pub more: bool,
    /// The conversation itself; absent while there is `more`.
    pub conversation: Option<Conversation>,
    /// The changed messages, each once, in the order of their versions.
    pub messages: Vec<Message>,
    /// The messages that `messages` reply to, if the viewer may see them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub quoted: Vec<Message>,
    /// Their senders, and users named in system lines.
    pub users: Vec<User>,
}

/// A page of the conversation list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ConversationPage {
    /// In the order of `activity`, the newest first.
    pub conversations: Vec<Conversation>,
    /// Users named in `created_by` or `last_message` who are not among the members, such as former members.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub users: Vec<User>,
    /// The `after` of the next page; null at the end.
    pub next: Option<String>,
    /// The cursor of this answer. A client without a cursor adopts it; it never moves an existing one.
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
    /// The messages that `messages` reply to, if the viewer may see them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub quoted: Vec<Message>,
    /// Their senders, and users named in system lines.
    pub users: Vec<User>,
    /// The `before` of the older page; null if the viewer may see none.
    pub previous: Option<Seq>,
    /// The `after` of the newer page; null if there is none.
    pub next: Option<Seq>,
    /// The version of the conversation.
    pub version: Version,
    /// See [`ConversationPage::cursor`].
    #[schema(value_type = String, example = "81273645.4711")]
    pub cursor: Cursor,
}

/// The answer to `message.send` and `message.forward`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Sent {
    /// The stored message.
    pub message: Message,
    /// Its event's version and `prev`; of a repeat, the message's version twice.
    #[serde(flatten)]
    pub change: Changed,
    /// The `client_id` was sent before; this is the message it created.
    pub duplicate: bool,
}

/// The position of a change in its scope, which is also that of its event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Changed {
    /// The change's version. Equal to `prev` if nothing changed.
    pub version: Version,
    /// The previous version of its scope.
    pub prev: Version,
}

/// The answer to `conversation.open`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Opened {
    /// The conversation, existing or new.
    pub conversation: Conversation,
    /// It existed before.
    pub found: bool,
}

/// The answer to `conversation.mark`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Marked {
    /// The new markers.
    #[serde(flatten)]
    pub marker: Marker,
    /// The position of the change.
    #[serde(flatten)]
    pub change: Changed,
}

/// A user's own markers in a conversation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Marker {
    /// The conversation.
    pub conversation: ConversationId,
    /// Read up to this message.
    pub read_seq: Seq,
    /// When `read_seq` last moved, if ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read_at: Option<String>,
    /// Delivered up to this message.
    pub delivered_seq: Seq,
    /// The number of messages of others after `read_seq`; 100 means "99+".
    pub unread: u32,
}

/// The answer to `message.cancel`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Cancelled {
    /// The command never happened and never will.
    pub cancelled: bool,
    /// The command had happened: the message it created.
    pub message: Option<Message>,
}

/// The answer to `conversation.show`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Shown {
    /// The requested conversations of which the user is a member, with their current versions: events continue from
    /// there.
    pub heads: Vec<Head>,
}

/// The unread totals over the conversations of a user that are neither archived nor muted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Unread {
    /// Conversations with unread messages, or marked as unread.
    pub conversations: u32,
    /// The sum of their `unread`, each of which is at most 100.
    pub messages: u32,
}

/// The state of the scope `user:…`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MeAnswer {
    /// The user.
    #[serde(flatten)]
    pub me: Me,
    /// The user's own markers that moved without a change of the conversation: in those of more than
    /// `conversation_fan_out_max` members, and with receipts off. For the others see the member's row.
    pub markers: Vec<Marker>,
    /// The unread totals, at the version of `cursor` and the time of `now`.
    pub unread: Unread,
    /// The server's time.
    pub now: String,
    /// The settings of conversations that the user changed after the requested version; without one, of all pinned
    /// conversations.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub settings: Vec<SettingsOf>,
    /// All users whom the user has blocked, by their ids; absent if that has not changed after the requested version.
    #[schema(value_type = Vec<i64>)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blocks: Option<Vec<UserId>>,
    /// The drafts that changed after the requested version, deleted ones too; without one, all that are not empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub drafts: Vec<DraftOf>,
    /// How many reports there are; for moderators only, and always present for them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reports: Option<ReportCounts>,
    /// All warnings that the user has not seen, the oldest first; absent if that has not changed after the requested
    /// version.
    #[schema(value_type = Vec<Warning>)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warnings: Option<Vec<Warning>>,
    /// The messages that the user hid after the requested version. A client keeps only their places, and fetches their
    /// conversations, whose `unread` and `last_message` may have changed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hidden: Vec<MessagePlace>,
    /// The messages that the user had hidden and that the host has shown them again after the requested version. A client
    /// forgets that they are hidden, drops all messages of their conversations, and fetches these again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unhidden: Vec<MessagePlace>,
    /// Too many messages were hidden or shown again, or too many settings or drafts changed, to list them: drop all messages,
    /// settings and drafts, and fetch every loaded conversation.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub hidden_reset: bool,
    /// See [`ConversationPage::cursor`].
    #[schema(value_type = String, example = "81273645.4711")]
    pub cursor: Cursor,
}

/// The answer to `draft.save`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DraftSaved {
    /// Whether the draft is what was sent. If not, it had changed meanwhile, and nothing was saved.
    pub saved: bool,
    /// The draft as it is now.
    pub draft: Draft,
    /// The position of the change.
    #[serde(flatten)]
    pub change: Changed,
}

/// The draft in a conversation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DraftOf {
    /// The conversation.
    pub conversation: ConversationId,
    /// The draft.
    #[serde(flatten)]
    pub draft: Draft,
}

/// How the user keeps one of their conversations.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SettingsOf {
    /// The conversation.
    pub conversation: ConversationId,
    /// Its settings.
    #[serde(flatten)]
    pub settings: ConversationSettings,
}

/// The answer to `message.edit`, `message.delete` and `message.react`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MessageChanged {
    /// The message as it is now.
    pub message: Message,
    /// Its event's version and `prev`; equal if nothing changed.
    #[serde(flatten)]
    pub change: Changed,
}

/// The answer to `message.reactions`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Reactions {
    /// In the order of each emoji's first use. A page counts users: an emoji may continue on the next page.
    pub reactions: Vec<ReactionBy>,
    /// The `after` of the next page; null at the end.
    pub next: Option<String>,
}

/// An emoji, and the users who reacted with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReactionBy {
    /// The emoji.
    pub emoji: String,
    /// The users, in the order of their reactions.
    pub users: Vec<User>,
}

/// The answer to `member.list`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Members {
    /// In the order of their ids.
    pub members: Vec<Member>,
    /// The `after` of the next page; null at the end.
    pub next: Option<String>,
}

/// The answer to `message.search`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Found {
    /// The newest first.
    pub results: Vec<Hit>,
    /// Their conversations, as in `conversation.list`.
    pub conversations: Vec<Conversation>,
    /// Their senders.
    pub users: Vec<User>,
    /// The `after` of the next page; null at the end.
    pub next: Option<String>,
}

/// A search result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Hit {
    /// The message.
    pub message: Message,
    /// The matching part of its subject, text or file names, in pieces.
    pub excerpt: Vec<Piece>,
}

/// A piece of an excerpt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({"text": "umbrella", "hit": true}))]
pub struct Piece {
    /// The text.
    pub text: String,
    /// Whether it matches the query.
    pub hit: bool,
}

/// The answer to `presence.watch`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Watched {
    /// The current presence of each requested user.
    pub presence: Vec<Presence>,
}

/// The answer to `upload.begin`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UploadBegun {
    /// The upload: continue after `received`.
    pub upload: Upload,
    /// Maximum bytes of the file in one binary frame.
    pub chunk_bytes_max: u32,
    /// Maximum bytes sent ahead of `upload.progress`.
    pub window_bytes: u32,
}

/// The answer to `upload.end`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UploadEnded {
    /// The finished upload.
    pub upload: Upload,
}

/// An empty answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Done {}

/// The answer to `user.list` and `user.blocks`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Users {
    /// In the order of their names.
    pub users: Vec<User>,
    /// The `after` of the next page; null at the end.
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
    /// To `conversation.settings`, `conversation.clear`, `conversation.update`, `member.add`, `member.update`,
    /// `member.remove`, `message.hide`, `me.update`, `user.block`, `user.unblock` and `warning.read`.
    Changed(Changed),
    /// To `draft.save`.
    DraftSaved(Box<DraftSaved>),
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
    /// To `user.list` and `user.blocks`.
    Users(Users),
    /// To `message.report`.
    Reported(Reported),
    /// To `report.list`.
    Reports(Reports),
    /// To `report.get`.
    Report(Box<ReportAnswer>),
    /// To `report.settle`.
    ReportSettled(Box<ReportSettled>),
    /// To `conversation.typing`, `presence.set` and `upload.cancel`.
    Done(Done),
}

impl Changed {
    /// Returns the position of an event.
    #[must_use]
    pub fn of(place: &Scoped) -> Self {
        Self { version: place.version, prev: place.prev }
    }
}

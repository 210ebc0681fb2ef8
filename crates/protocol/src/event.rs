//! Events of the server. An event contains the new state of its row, never a difference.

use crate::{
    ids::{ConversationId, FileId, ReportId, Scope, Seq, UserId, Version},
    model::{Context, Conversation, ConversationSettings, Draft, Me, Member, Message, Presence, User},
    reply::Marker,
    report::{Report, Warning},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The position of an event in its scope. A client applies it if its copy of the scope is at `prev`, ignores it if its
/// copy is at or past `version`, and otherwise waits a moment and fetches what lies between.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Scoped {
    /// The scope.
    #[schema(value_type = String, example = "conversation:12")]
    pub scope: Scope,
    /// The version of the change.
    pub version: Version,
    /// The previous version of the scope; 0 if this change created it.
    pub prev: Version,
}

/// An event of the server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "type")]
pub enum Event {
    /// A message was sent.
    #[serde(rename = "message.created")]
    MessageCreated {
        /// Its position.
        #[serde(flatten)]
        place: Scoped,
        /// The message.
        message: Message,
        /// The sender.
        sender: User,
        /// The sender's marker after it: on the message, if everything before was read. Absent if the sender or the
        /// recipient has receipts off.
        sender_read_seq: Option<Seq>,
    },
    /// A message was edited, deleted for everyone, reacted to, or removed by the host (`hidden`). A client whose user has
    /// not read past a deleted or removed message of another sender fetches the conversation, because its `unread`
    /// changed; so does one whose `last_message` was removed.
    #[serde(rename = "message.updated")]
    MessageUpdated {
        /// Its position.
        #[serde(flatten)]
        place: Scoped,
        /// The message as it is now.
        message: Message,
    },
    /// The user deleted a message for themselves: clients keep only its place. If it was the `last_message`, they fetch
    /// the conversation.
    #[serde(rename = "message.hidden")]
    MessageHidden {
        /// Its position, in the scope `user:…`.
        #[serde(flatten)]
        place: Scoped,
        /// The message.
        seq: Seq,
        /// The user's markers there, with the new `unread`.
        #[serde(flatten)]
        marker: Marker,
    },
    /// A conversation was opened with the user as a member.
    #[serde(rename = "conversation.created")]
    ConversationCreated {
        /// Its position.
        #[serde(flatten)]
        place: Scoped,
        /// The conversation; it has no messages yet, so it is the same for every member.
        conversation: Box<Conversation>,
    },
    /// The name, the picture or the context of a conversation changed.
    #[serde(rename = "conversation.updated")]
    ConversationUpdated {
        /// Its position.
        #[serde(flatten)]
        place: Scoped,
        /// The name of a group.
        title: Option<String>,
        /// The picture of a group.
        picture: Option<String>,
        /// What it is about.
        context: Option<Context>,
        /// The members whose role in the context changed.
        members: Vec<Member>,
        /// The system line about it; it is added as in `message.created`, and never counts as unread.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        message: Option<Message>,
    },
    /// Members joined, left, were renamed, or moved their markers.
    #[serde(rename = "member.updated")]
    MembersUpdated {
        /// Its position.
        #[serde(flatten)]
        place: Scoped,
        /// The changed members. A client that finds its user here with `left` drops the conversation; one that does not
        /// have the conversation fetches it.
        members: Vec<Member>,
        /// The new number of members.
        member_count: u32,
        /// If one member's marker moved: how many messages that member has unread now.
        unread: Option<u32>,
        /// The system line about it; it is added as in `message.created`, and never counts as unread.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        message: Option<Message>,
    },
    /// The user's own markers moved, which is not reported to others: the conversation is large, or receipts are off.
    #[serde(rename = "marker.updated")]
    MarkerUpdated {
        /// Its position.
        #[serde(flatten)]
        place: Scoped,
        /// The markers.
        #[serde(flatten)]
        marker: Marker,
    },
    /// The user changed how they keep a conversation in their own list. Nobody else receives it.
    #[serde(rename = "settings.updated")]
    SettingsUpdated {
        /// Its position, in the scope `user:…`.
        #[serde(flatten)]
        place: Scoped,
        /// The conversation.
        conversation: ConversationId,
        /// All of its settings.
        settings: ConversationSettings,
    },
    /// The user blocked another one, or no longer does. Nobody else receives it.
    #[serde(rename = "block.updated")]
    BlockUpdated {
        /// Its position, in the scope `user:…`.
        #[serde(flatten)]
        place: Scoped,
        /// The other user.
        user: UserId,
        /// Whether the user blocks them now.
        blocked: bool,
    },
    /// The user's draft in a conversation changed: they wrote it on another device, sent it, or deleted it.
    #[serde(rename = "draft.updated")]
    DraftUpdated {
        /// Its position, in the scope `user:…`.
        #[serde(flatten)]
        place: Scoped,
        /// The conversation.
        conversation: ConversationId,
        /// All of the draft.
        draft: Draft,
    },
    /// A message was reported, once more, or a report was settled. Only moderators receive it.
    #[serde(rename = "report.updated")]
    ReportUpdated {
        /// Its position, in the scope `user:…` of the moderator.
        #[serde(flatten)]
        place: Scoped,
        /// The report as it is now.
        report: Box<Report>,
        /// The number of open reports now.
        open: u32,
    },
    /// A moderator warned the user because of a message. Nobody else receives it.
    #[serde(rename = "warning.created")]
    WarningCreated {
        /// Its position, in the scope `user:…`.
        #[serde(flatten)]
        place: Scoped,
        /// The warning.
        #[serde(flatten)]
        warning: Warning,
    },
    /// The user has seen a warning. Nobody else receives it.
    #[serde(rename = "warning.read")]
    WarningRead {
        /// Its position, in the scope `user:…`.
        #[serde(flatten)]
        place: Scoped,
        /// The report that led to it.
        report: ReportId,
    },
    /// The user's own name, picture or password changed, or one of their sessions ended.
    #[serde(rename = "me.updated")]
    MeUpdated {
        /// Its position.
        #[serde(flatten)]
        place: Scoped,
        /// The user's new state.
        me: Me,
    },
    /// Something changed that the recipient may not see: only the scope's version moves.
    #[serde(rename = "scope.advanced")]
    ScopeAdvanced {
        /// Its position.
        #[serde(flatten)]
        place: Scoped,
    },
    /// The scope is at this version; the changes must be fetched.
    #[serde(rename = "scope.changed")]
    ScopeChanged {
        /// The scope.
        #[schema(value_type = String, example = "conversation:12")]
        scope: Scope,
        /// Its version, or later.
        version: Version,
    },
    /// A user started, continues or stopped typing. Ephemeral: it expires after `expires_ms`, or with a message of
    /// theirs.
    #[serde(rename = "typing.changed")]
    TypingChanged {
        /// The conversation.
        conversation: ConversationId,
        /// The user.
        user: UserId,
        /// Whether they are typing.
        typing: bool,
        /// How long this lasts unless it is repeated, in milliseconds.
        expires_ms: u64,
    },
    /// The presence of a user whom this connection watches changed.
    #[serde(rename = "presence.changed")]
    PresenceChanged {
        /// The new presence.
        #[serde(flatten)]
        presence: Presence,
    },
    /// Bytes of an upload of this connection were stored.
    #[serde(rename = "upload.progress")]
    UploadProgress {
        /// The upload.
        upload: FileId,
        /// The bytes stored so far.
        received: u64,
    },
}

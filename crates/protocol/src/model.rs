//! The rows on the wire: users, conversations, members, messages. Times are RFC 3339 in UTC with milliseconds.

use crate::ids::{ConversationId, FileId, MessageId, Seq, SessionId, UserId, Version};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A user, as others see them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({"id": 7, "name": "Ada Lovelace", "picture": "/v1/pictures/4f1c", "version": 31}))]
pub struct User {
    /// The user.
    pub id: UserId,
    /// The display name.
    pub name: String,
    /// The path of their picture on this server; without one, clients show their initials.
    pub picture: Option<String>,
    /// The version of the last change of name or picture: of two copies, the one with the higher version is current.
    pub version: Version,
}

/// The signed-in user, as they see themselves: the state of the scope `user:…`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Me {
    /// Name and picture.
    #[serde(flatten)]
    pub user: User,
    /// The name used to sign in.
    pub login: String,
    /// Whether the user sends and sees read receipts: both or neither.
    pub receipts: bool,
    /// Whether the user shows their presence to others.
    pub presence: bool,
    /// Whether the user decides about reported messages. Omitted if not.
    #[serde(default, skip_serializing_if = "is_false")]
    pub moderator: bool,
    /// The version of the scope `user:…`.
    pub scope_version: Version,
}

/// The tone of a context's status; it determines the colour, never the words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Tone {
    /// Neutral.
    #[default]
    Plain,
    /// Something is needed: lost, due.
    Asks,
    /// Something is settled: found, paid.
    Settled,
}

/// Identifies an object of the host application.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"type": "item", "id": "5"}))]
pub struct ContextKey {
    /// The host's type of object.
    #[serde(rename = "type")]
    pub kind: String,
    /// The host's own id.
    pub id: String,
}

/// What a conversation is about; created by the operator or the host, never by a user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({"type": "item", "id": "5", "title": "Black umbrella", "detail": "Tram 18, Friday", "url": "https://found.example/items/5", "image": "https://found.example/items/5.jpg", "status": "Lost", "tone": "asks", "closed": false}))]
pub struct Context {
    /// Type and id.
    #[serde(flatten)]
    pub key: ContextKey,
    /// Its name.
    pub title: String,
    /// A second line.
    pub detail: Option<String>,
    /// Its page; http or https.
    pub url: Option<String>,
    /// Its picture; http, https, or a path on this server.
    pub image: Option<String>,
    /// Its status in one or two words.
    pub status: Option<String>,
    /// The tone of the status.
    pub tone: Tone,
    /// Closed: it accepts no more messages.
    pub closed: bool,
}

/// The kind of a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ConversationKind {
    /// Two users, forever.
    Direct,
    /// Any number of users, who join and leave.
    Group,
}

/// The role of a member in a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// May do everything, including changing roles and removing any member.
    Owner,
    /// Adds and removes members, renames the group, deletes messages of others.
    Moderator,
    /// Reads and sends messages.
    Member,
}

/// A member of a conversation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Member {
    /// The user.
    pub user: User,
    /// Their role in a group.
    pub role: Role,
    /// Their role in the context, such as owner or finder, in the operator's words.
    pub context_role: Option<String>,
    /// Read up to this message; 0 if hidden, because they or the viewer have receipts off.
    pub read_seq: Seq,
    /// When `read_seq` last moved; absent if it never did or is hidden.
    pub read_at: Option<String>,
    /// Delivered up to this message; never less than `read_seq`.
    pub delivered_seq: Seq,
    /// The first message that they may see.
    pub history_from: Seq,
    /// Left or was removed: a tombstone, whose other fields have no meaning.
    pub left: bool,
    /// The version of the row's last change.
    pub version: Version,
}

/// A message. Absent optional fields are omitted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({"id": 4711, "conversation": 12, "seq": 3, "version": 4711, "sender": 7, "client_id": "0192f0c1-7e2b-7c11-9d5e-2f1f6f0a9b51", "text": "Is it yours?", "created_at": "2026-11-22T09:12:03.120Z"}))]
pub struct Message {
    /// The version that created it.
    pub id: MessageId,
    /// Its conversation.
    pub conversation: ConversationId,
    /// Its position there.
    pub seq: Seq,
    /// The version of its last change; its `id` if it never changed. Of two copies the one with the higher version is
    /// current.
    pub version: Version,
    /// The sender; of a system line, the user who made the change.
    pub sender: UserId,
    /// The key chosen by the sender's client, to recognize it; empty in a system line.
    pub client_id: String,
    /// The subject, shown above the text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// Plain text. May be empty if there are attachments; empty once deleted.
    pub text: String,
    /// The members of the group that the text mentions, in its order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mentions: Vec<Mention>,
    /// The attachments, in the sender's order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attachments: Vec<Attachment>,
    /// The message of this conversation that it replies to; see `quoted` of pages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<Seq>,
    /// It is a copy of another message, perhaps of another sender.
    #[serde(default, skip_serializing_if = "is_false")]
    pub forwarded: bool,
    /// The reactions, in the order of each emoji's first use.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reactions: Vec<Reaction>,
    /// When it was last edited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edited_at: Option<String>,
    /// Deleted for everyone: only its place remains.
    #[serde(default, skip_serializing_if = "is_false")]
    pub deleted: bool,
    /// Deleted for the viewer alone, or removed by the host: only its place is returned. In an event it means removed,
    /// since events are the same for all members.
    #[serde(default, skip_serializing_if = "is_false")]
    pub hidden: bool,
    /// It is a system line, which has no author and never counts as unread.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system: Option<SystemLine>,
    /// When the server accepted it.
    pub created_at: String,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
fn is_false(flag: &bool) -> bool {
    !*flag
}

/// A place in a text that mentions a member of the group. Places are in UTF-16 code units, as JavaScript counts, in the
/// text with LF for CRLF; they begin and end between characters and do not overlap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"user": 9, "at": 6, "length": 11}))]
pub struct Mention {
    /// The member.
    pub user: UserId,
    /// Where it begins.
    pub at: u32,
    /// Its length, at least 1.
    pub length: u32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
fn is_none(seq: &Seq) -> bool {
    seq.0 == 0
}

/// The reactions with one emoji.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({"emoji": "👍", "users": [7, 9]}))]
pub struct Reaction {
    /// One emoji: a single sequence of emoji (Unicode Technical Standard 51).
    pub emoji: String,
    /// The users, in the order of their reactions. Their number is the count.
    pub users: Vec<UserId>,
}

/// The content of a system line; `sender` is the user who made the change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum SystemLine {
    /// Members were added.
    Added {
        /// The new members.
        users: Vec<UserId>,
    },
    /// A member was removed.
    Removed {
        /// The former member.
        user: UserId,
    },
    /// The sender left.
    Left {
        /// The new owner, if the sender was the last one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        heir: Option<UserId>,
    },
    /// The role of a member changed.
    RoleChanged {
        /// The member.
        user: UserId,
        /// The new role.
        role: Role,
    },
    /// The group was renamed.
    Renamed {
        /// The new title.
        title: String,
    },
    /// The picture of the group was changed or removed.
    PictureChanged {},
    /// A kind that this version does not know, of a newer server. Never sent.
    #[serde(other)]
    Other,
}

/// A file attached to a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({"id": 31, "name": "umbrella.jpg", "media_type": "image/jpeg", "bytes": 48213, "url": "/v1/files/31", "width": 1200, "height": 900, "blur_hash": "LEHV6nWB2yk8pyo0adR*.7kCMdnj", "preview": "/v1/files/31/preview"}))]
pub struct Attachment {
    /// The file.
    pub id: FileId,
    /// Its name, for display and download.
    pub name: String,
    /// Its media type, determined by its content.
    pub media_type: String,
    /// Its size.
    pub bytes: u64,
    /// Its path on this server, for members only.
    pub url: String,
    /// Of a displayable picture: its width in pixels, upright.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub width: Option<u32>,
    /// Its height.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub height: Option<u32>,
    /// A placeholder while it loads: see blurha.sh.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blur_hash: Option<String>,
    /// The path of a smaller copy of the picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preview: Option<String>,
}

/// A file being uploaded, or finished and not yet sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({"id": 31, "client_id": "0192f0c1-7e2b-7c11-9d5e-2f1f6f0a9b53", "name": "umbrella.jpg", "bytes": 48213, "received": 16384, "attachment": null}))]
pub struct Upload {
    /// The id, to be passed to `message.send`.
    pub id: FileId,
    /// The key chosen by the uploading client.
    pub client_id: String,
    /// Its name.
    pub name: String,
    /// Its total size.
    pub bytes: u64,
    /// The bytes stored so far: resume from here.
    pub received: u64,
    /// The attachment, once the upload is complete and processed.
    pub attachment: Option<Attachment>,
}

/// The presence status of a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PresenceStatus {
    /// At least one of their pages is in use.
    Online,
    /// A page is open, but none is in use.
    Idle,
    /// No page is open.
    Offline,
    /// Hidden: they do not show it, or share no conversation with the viewer.
    Unknown,
}

/// A user's presence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({"user": 9, "status": "offline", "seen_at": "2026-11-22T09:07:00.000Z"}))]
pub struct Presence {
    /// The user.
    pub user: UserId,
    /// Their status.
    pub status: PresenceStatus,
    /// When they were last online, if they are not and it is known.
    pub seen_at: Option<String>,
}

/// How a user keeps a conversation in their own list. No other user learns of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({"pinned": true, "archived_seq": null, "muted": true, "muted_until": "2026-11-22T17:00:00.000Z", "marked_unread": false, "version": 4720}))]
pub struct ConversationSettings {
    /// It is shown above the conversations that are not pinned.
    pub pinned: bool,
    /// It is archived while its `last_seq` is not greater than this, and while it is muted; null if it is not archived.
    pub archived_seq: Option<Seq>,
    /// It gives no notices, up to `muted_until`.
    pub muted: bool,
    /// When it is no longer muted; null for never. No event says that this time has come.
    pub muted_until: Option<String>,
    /// The user wants to see it as unread, until they mark it as read.
    pub marked_unread: bool,
    /// The user has cleared it up to here: they see only later messages. Omitted if they never did.
    #[serde(default, skip_serializing_if = "is_none")]
    pub cleared_seq: Seq,
    /// The version of their last change: of two copies, the one with the higher version is current.
    pub version: Version,
}

impl ConversationSettings {
    /// Returns whether they are those of a conversation whose settings never changed.
    #[must_use]
    pub fn are_default(&self) -> bool {
        *self == Self::default()
    }
}

/// What a user is writing in a conversation. No other user learns of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({"text": "On tram 18, under", "reply_to": 3, "version": 4741}))]
pub struct Draft {
    /// The text; empty with all else once it is sent or deleted.
    pub text: String,
    /// The members that the text mentions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mentions: Vec<Mention>,
    /// The subject.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// The message that it replies to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<Seq>,
    /// The version of its last change: of two copies, the one with the higher version is current.
    pub version: Version,
}

/// A conversation as the viewing member sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Conversation {
    /// The conversation.
    pub id: ConversationId,
    /// The version of the scope `conversation:…`, at which everything here was read.
    pub version: Version,
    /// Direct or group.
    pub kind: ConversationKind,
    /// The name of a group.
    pub title: Option<String>,
    /// The path of a group's picture on this server.
    pub picture: Option<String>,
    /// What it is about.
    pub context: Option<Context>,
    /// The user who opened it.
    pub created_by: UserId,
    /// When it was opened.
    pub created_at: String,
    /// The version of its newest message, or of its creation: the order of the list.
    pub activity: Version,
    /// The `seq` of its newest message; 0 if there is none.
    pub last_seq: Seq,
    /// Its newest message, if the viewer may see any.
    pub last_message: Option<Message>,
    /// The number of members.
    pub member_count: u32,
    /// All members, up to `conversation_fan_out_max`; in a larger conversation the viewer, the other longest-standing
    /// members up to that number, and the sender of `last_message`.
    pub members: Vec<Member>,
    /// The number of messages of others after the viewer's marker; 100 means "99+".
    pub unread: u32,
    /// The newest message of others that mentions the viewer, of those that they may see; unread if it is after their
    /// marker. Omitted if there is none.
    #[serde(default, skip_serializing_if = "is_none")]
    pub mention_seq: Seq,
    /// How the viewer keeps it; omitted if they never changed that.
    #[serde(default, skip_serializing_if = "ConversationSettings::are_default")]
    pub settings: ConversationSettings,
}

/// A session, as its user sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Session {
    /// The session.
    pub id: SessionId,
    /// When it began.
    pub created_at: String,
    /// When it was last used, to the minute.
    pub seen_at: String,
    /// The user agent, truncated.
    pub agent: String,
    /// Whether it is the session of this request.
    pub current: bool,
}

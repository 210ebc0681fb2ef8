//! The rows that people are shown, as they stand on the wire. Times are RFC 3339 in UTC with milliseconds.

use crate::ids::{ConversationId, FileId, MessageId, Seq, SessionId, UserId, Version};
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
    /// Tells others how far one has read, and is told how far they have: one is not without the other.
    pub receipts: bool,
    /// Shows others whether one is here.
    pub presence: bool,
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
    /// May do everything: also give and take roles, and remove anybody.
    Owner,
    /// Adds people, removes members, names the group, deletes what others wrote.
    Moderator,
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
    /// Read up to here; 0 where it is not told: receipts are off, theirs or the asker's.
    pub read_seq: Seq,
    /// When that last moved; absent where it never did or is not told.
    pub read_at: Option<String>,
    /// Received up to here; never less than `read_seq`.
    pub delivered_seq: Seq,
    /// Sees messages from here on.
    pub history_from: Seq,
    /// Left or was removed: a tombstone. Its other fields say nothing.
    pub left: bool,
    /// The version of the row's last change.
    pub version: Version,
}

/// A message. What may be absent is left out where it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({"id": 4711, "conversation": 12, "seq": 3, "version": 4711, "sender": 7, "client_id": "0192f0c1-7e2b-7c11-9d5e-2f1f6f0a9b51", "text": "Is it yours?", "created_at": "2026-11-22T09:12:03.120Z"}))]
pub struct Message {
    /// The version that made it.
    pub id: MessageId,
    /// Where.
    pub conversation: ConversationId,
    /// Its place there.
    pub seq: Seq,
    /// The version of its last change; its `id` if it never changed. Of two copies the higher one is right.
    pub version: Version,
    /// Who wrote it; of a line of the system, who did what it says.
    pub sender: UserId,
    /// The sender's own name for it, by which he knows it again; empty in a line of the system.
    pub client_id: String,
    /// What stands above the text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// What it says: plain text. May be empty where there are attachments; is empty once deleted.
    pub text: String,
    /// Its files, in the sender's order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attachments: Vec<Attachment>,
    /// The message of this conversation that it answers; see `quoted` of pages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<Seq>,
    /// It was first written elsewhere, perhaps by somebody else.
    #[serde(default, skip_serializing_if = "is_false")]
    pub forwarded: bool,
    /// Who reacted how, in the order of each emoji's first use.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reactions: Vec<Reaction>,
    /// When its text was last changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edited_at: Option<String>,
    /// Deleted for everyone: only its place is left.
    #[serde(default, skip_serializing_if = "is_false")]
    pub deleted: bool,
    /// Deleted for the asker alone: only its place is told. Never in an event, which is the same for everybody.
    #[serde(default, skip_serializing_if = "is_false")]
    pub hidden: bool,
    /// It is a line of the system, which nobody wrote and which counts as unread for nobody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system: Option<SystemLine>,
    /// When the server took it.
    pub created_at: String,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
fn is_false(flag: &bool) -> bool {
    !*flag
}

/// One emoji under a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({"emoji": "👍", "users": [7, 9]}))]
pub struct Reaction {
    /// One emoji: a single sequence of emoji (Unicode Technical Standard 51).
    pub emoji: String,
    /// Who, in the order in which they came. Their number is the count.
    pub users: Vec<UserId>,
}

/// What a line of the system says; `sender` is who did it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum SystemLine {
    /// People were added.
    Added {
        /// Who.
        users: Vec<UserId>,
    },
    /// Somebody was removed.
    Removed {
        /// Who.
        user: UserId,
    },
    /// The sender left.
    Left {
        /// Who owns the group from now on, if the sender was its last owner.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        heir: Option<UserId>,
    },
    /// Somebody has another role now.
    RoleChanged {
        /// Who.
        user: UserId,
        /// Which.
        role: Role,
    },
    /// The group was named.
    Renamed {
        /// How.
        title: String,
    },
    /// The group has another picture, or none.
    PictureChanged {},
    /// Something that this version does not know, of a newer server. Never sent.
    #[serde(other)]
    Other,
}

/// A file that a message carries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({"id": 31, "name": "umbrella.jpg", "media_type": "image/jpeg", "bytes": 48213, "url": "/v1/files/31", "width": 1200, "height": 900, "blur_hash": "LEHV6nWB2yk8pyo0adR*.7kCMdnj", "preview": "/v1/files/31/preview"}))]
pub struct Attachment {
    /// Which.
    pub id: FileId,
    /// Its name, for showing and saving.
    pub name: String,
    /// What it is, decided by its content.
    pub media_type: String,
    /// How large it is.
    pub bytes: u64,
    /// Where it is, on this server, for members only.
    pub url: String,
    /// Of a picture that is shown: its width in pixels, upright.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub width: Option<u32>,
    /// Its height.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub height: Option<u32>,
    /// What to show until it is there: see blurha.sh.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blur_hash: Option<String>,
    /// Where a smaller copy of the picture is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preview: Option<String>,
}

/// A file on its way to the server, or there and not yet sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({"id": 31, "client_id": "0192f0c1-7e2b-7c11-9d5e-2f1f6f0a9b53", "name": "umbrella.jpg", "bytes": 48213, "received": 16384, "attachment": null}))]
pub struct Upload {
    /// Which: what `message.send` is given.
    pub id: FileId,
    /// The uploader's own name for it.
    pub client_id: String,
    /// Its name.
    pub name: String,
    /// How large it will be.
    pub bytes: u64,
    /// How much of it is kept: go on from here after a cut.
    pub received: u64,
    /// What it came to be, once all of it is there and was looked at.
    pub attachment: Option<Attachment>,
}

/// Whether somebody is here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PresenceStatus {
    /// A page of theirs is open and in use.
    Online,
    /// A page is open, and nobody is at it.
    Idle,
    /// None is open.
    Offline,
    /// Not told: they do not show it, or share no conversation with the asker.
    Unknown,
}

/// A person's presence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({"user": 9, "status": "offline", "seen_at": "2026-11-22T09:07:00.000Z"}))]
pub struct Presence {
    /// Who.
    pub user: UserId,
    /// Whether they are here.
    pub status: PresenceStatus,
    /// When they were last, if they are not online and it is known.
    pub seen_at: Option<String>,
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
    /// Where the picture of a group is, on this server.
    pub picture: Option<String>,
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

//! Rows of the store, as rules and snapshots use them, and their form on the wire.
#![expect(missing_docs, reason = "the columns are described in the migrations")]

use super::{blocking::Blocking, change::HostRowKey, fingerprint::Fingerprint};
use crate::environment::rfc3339;
use parlor_protocol::{
    ids::{ConversationId, FileId, MessageId, Seq, UserId, Version},
    model::{
        Attachment, Context, ConversationKind, Me, Member, Mention, Message, Reaction, Role, SystemLine, Upload, User,
    },
};
use serde::{Deserialize, Serialize};

/// A user.
#[expect(clippy::struct_excessive_bools, reason = "each is a column")]
#[derive(Clone, Debug)]
pub struct UserRow {
    pub id: UserId,
    pub external_id: Option<String>,
    pub login: String,
    pub name: String,
    pub password_hash: Option<String>,
    /// The digest of the hash that the host had when it was last taken over.
    pub host_password: Option<String>,
    pub picture: Option<String>,
    pub disabled: bool,
    pub profile_version: Version,
    pub version: Version,
    pub created_at: i64,
    pub receipts: bool,
    pub presence: bool,
    pub blocks_version: Version,
    pub moderator: bool,
    pub warnings_version: Version,
}

impl UserRow {
    /// Returns the user as others see them.
    #[must_use]
    pub fn user(&self) -> User {
        User {
            id: self.id,
            name: self.name.clone(),
            picture: self.picture.as_ref().map(|id| format!("/v1/pictures/{id}")),
            version: self.profile_version,
        }
    }

    /// Returns the user as they see themselves. `receipts` is whether the operator allows receipts.
    #[must_use]
    pub fn me(&self, receipts: bool) -> Me {
        Me {
            user: self.user(),
            login: self.login.clone(),
            receipts: self.receipts && receipts,
            presence: self.presence,
            moderator: self.moderator,
            scope_version: self.version,
        }
    }
}

/// A context, with the roles of users in it.
#[derive(Clone, Debug)]
pub struct ContextRow {
    pub id: i64,
    pub context: Context,
    pub roles: Vec<(UserId, String)>,
    pub version: Version,
}

impl ContextRow {
    /// Returns the role of a user in this context.
    #[must_use]
    pub fn role_of(&self, user: UserId) -> Option<&str> {
        self.roles.iter().find(|(holder, _)| *holder == user).map(|(_, role)| role.as_str())
    }
}

/// A conversation.
#[derive(Clone, Debug)]
pub struct ConversationRow {
    pub id: ConversationId,
    pub kind: ConversationKind,
    pub direct_key: Option<String>,
    pub title: Option<String>,
    pub context_id: Option<i64>,
    pub context_closed: bool,
    pub created_by: UserId,
    pub client_id: String,
    pub fingerprint: Fingerprint,
    pub created_at: i64,
    pub version: Version,
    pub activity: Version,
    pub last_seq: Seq,
    pub last_message_id: Option<MessageId>,
    pub member_count: u32,
    pub picture: Option<String>,
    pub uncounted_seq: Seq,
    pub history_from_max: Seq,
    /// Only of a direct conversation.
    pub blocking: Blocking,
}

impl ConversationRow {
    /// Returns the URL of its picture.
    #[must_use]
    pub fn picture(&self) -> Option<String> {
        self.picture.as_ref().map(|id| format!("/v1/pictures/{id}"))
    }
}

/// A member of a conversation, with the user as others see them.
#[derive(Clone, Debug)]
pub struct MemberRow {
    pub user: User,
    pub disabled: bool,
    /// The user's setting.
    pub receipts: bool,
    pub role: Role,
    pub context_role: Option<String>,
    pub joined_version: Version,
    pub history_from: Seq,
    pub read_seq: Seq,
    pub delivered_seq: Seq,
    pub sent_seq: Seq,
    pub has_left: bool,
    pub version: Version,
    pub personal_version: Version,
    pub read_at: Option<i64>,
    pub hidden_seq: Seq,
    /// They have cleared the conversation for themselves up to here.
    pub cleared_seq: Seq,
}

impl MemberRow {
    /// Returns the first message that they may see.
    #[must_use]
    pub fn history_start(&self) -> Seq {
        self.history_from.max(Seq(self.cleared_seq.0 + 1))
    }

    /// Returns the member's form on the wire.
    #[must_use]
    pub fn member(&self) -> Member {
        Member {
            user: self.user.clone(),
            role: self.role,
            context_role: self.context_role.clone(),
            read_seq: self.read_seq,
            read_at: self.read_at.map(rfc3339),
            delivered_seq: self.delivered_seq,
            history_from: self.history_from,
            left: self.has_left,
            version: self.version,
        }
    }

    /// Returns the member's form on the wire without their markers.
    #[must_use]
    pub fn masked(&self) -> Member {
        Member { read_seq: Seq(0), read_at: None, ..self.member() }
    }

    /// Returns the member's form on the wire for a viewer. `has_receipts` is whether the viewer gets receipts, `blocking`
    /// is that of the conversation.
    #[must_use]
    pub fn member_for(&self, viewer: UserId, has_receipts: bool, blocking: Blocking) -> Member {
        if self.user.id == viewer || has_receipts && self.receipts && !blocking.is_any() {
            self.member()
        } else {
            self.masked()
        }
    }
}

/// A message.
#[derive(Clone, Debug)]
pub struct MessageRow {
    pub id: MessageId,
    pub conversation: ConversationId,
    pub seq: Seq,
    pub sender: UserId,
    pub client_id: String,
    pub fingerprint: Fingerprint,
    pub text: String,
    pub created_at: i64,
    pub details: Details,
    /// `None` if it never changed.
    pub changed_version: Option<Version>,
    /// Its recipient has read it in the host, so it does not count as unread, wherever their marker is.
    pub is_read: bool,
}

/// How a message counts, as the store has it in `messages.uncounted`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counting {
    /// It counts as unread after the marker.
    Counted = 0,
    /// It was deleted, or is a system message.
    Uncounted = 1,
    /// It was removed: nobody sees anything of it.
    Removed = 2,
    /// Its recipient has read it in the host.
    Read = 3,
}

/// What only few messages have. Stored as JSON, or not at all if it is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Details {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mentions: Vec<Mention>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub attachments: Vec<Attachment>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<Seq>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub forwarded: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reactions: Vec<Reaction>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub edited_at: Option<i64>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub deleted: bool,
    /// The host removed it: everybody gets a placeholder.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub removed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub system: Option<SystemLine>,
}

impl MessageRow {
    /// Returns the version of its last change.
    #[must_use]
    pub fn version(&self) -> Version {
        self.changed_version.unwrap_or(Version(self.id.0))
    }

    /// Returns whether it never counts as unread, and cannot be found.
    #[must_use]
    pub fn is_uncounted(&self) -> bool {
        self.details.deleted || self.details.removed || self.details.system.is_some()
    }

    /// Returns how it counts.
    #[must_use]
    pub fn counting(&self) -> Counting {
        match (self.details.removed, self.is_uncounted(), self.is_read) {
            (true, ..) => Counting::Removed,
            (_, true, _) => Counting::Uncounted,
            (.., true) => Counting::Read,
            _ => Counting::Counted,
        }
    }

    /// Returns its form on the wire.
    #[must_use]
    pub fn message(&self) -> Message {
        if self.details.removed { self.hidden_message() } else { self.shown_message() }
    }

    fn shown_message(&self) -> Message {
        let details = &self.details;
        Message {
            id: self.id,
            conversation: self.conversation,
            seq: self.seq,
            version: self.version(),
            sender: self.sender,
            client_id: if details.system.is_some() { String::new() } else { self.client_id.clone() },
            subject: details.subject.clone(),
            text: self.text.clone(),
            mentions: details.mentions.clone(),
            attachments: details.attachments.clone(),
            reply_to: details.reply_to,
            forwarded: details.forwarded,
            reactions: details.reactions.clone(),
            edited_at: details.edited_at.map(rfc3339),
            deleted: details.deleted,
            hidden: false,
            system: details.system.clone(),
            created_at: rfc3339(self.created_at),
        }
    }
}

impl MessageRow {
    /// Returns its form on the wire for users that have hidden it: a placeholder.
    #[must_use]
    pub fn hidden_message(&self) -> Message {
        let bare = Self { text: String::new(), details: Details::default(), ..self.clone() };
        let is_line = self.details.system.is_some();
        let client_id = if is_line { String::new() } else { self.client_id.clone() };
        Message { hidden: true, client_id, ..bare.shown_message() }
    }
}

/// A row of the host's message table as it was last read, and its message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostRowCopy {
    pub key: HostRowKey,
    /// Conversation and `seq`; none for a message to its own sender.
    pub place: Option<(ConversationId, Seq)>,
    pub sender: UserId,
    pub recipient: UserId,
    /// Of text and subject.
    pub text_fingerprint: Fingerprint,
    /// Of the time and the attachments.
    pub rest_fingerprint: Fingerprint,
    pub is_read: bool,
    pub hidden_by_sender: bool,
    pub hidden_by_recipient: bool,
}

/// The state of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileState {
    /// It is incomplete, or was not processed yet.
    Uploading,
    /// It is complete, and attached to no message.
    Finished,
    /// It is attached to a message.
    Sent,
}

impl Named for FileState {
    fn name(self) -> &'static str {
        match self {
            Self::Uploading => "uploading",
            Self::Finished => "finished",
            Self::Sent => "sent",
        }
    }

    fn named(name: &str) -> Option<Self> {
        [Self::Uploading, Self::Finished, Self::Sent].into_iter().find(|state| state.name() == name)
    }
}

/// The format of a preview image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preview {
    /// A JPEG.
    Jpeg,
    /// A PNG, because it has transparency.
    Png,
}

impl Preview {
    /// Returns its media type.
    #[must_use]
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Jpeg => "image/jpeg",
            Self::Png => "image/png",
        }
    }

    /// Returns its number in the store; 0 for none.
    #[must_use]
    pub fn number(preview: Option<Self>) -> i64 {
        match preview {
            None => 0,
            Some(Self::Jpeg) => 1,
            Some(Self::Png) => 2,
        }
    }

    /// Returns the preview of a number in the store.
    #[must_use]
    pub fn numbered(number: i64) -> Option<Self> {
        [Self::Jpeg, Self::Png].into_iter().find(|preview| Self::number(Some(*preview)) == number)
    }
}

/// A file.
#[derive(Clone, Debug)]
pub struct FileRow {
    pub id: FileId,
    pub owner: UserId,
    pub client_id: String,
    pub name: String,
    pub bytes: u64,
    pub announced_bytes: u64,
    pub received: u64,
    pub state: FileState,
    pub media_type: Option<String>,
    pub size: Option<(u32, u32)>,
    pub blur_hash: Option<String>,
    pub blob: String,
    pub preview: Option<Preview>,
    pub touched_at: i64,
}

impl FileRow {
    /// Returns its form as an attachment.
    #[must_use]
    pub fn attachment(&self) -> Attachment {
        Attachment {
            id: self.id,
            name: self.name.clone(),
            media_type: self.media_type.clone().unwrap_or_else(|| "application/octet-stream".to_owned()),
            bytes: self.bytes,
            url: url(self.id),
            width: self.size.map(|(width, _)| width),
            height: self.size.map(|(_, height)| height),
            blur_hash: self.blur_hash.clone(),
            preview: self.preview.map(|_| preview_url(self.id)),
        }
    }

    /// Returns its form as an upload.
    #[must_use]
    pub fn upload(&self) -> Upload {
        Upload {
            id: self.id,
            client_id: self.client_id.clone(),
            name: self.name.clone(),
            bytes: self.announced_bytes,
            received: self.received,
            attachment: (self.state != FileState::Uploading).then(|| self.attachment()),
        }
    }
}

pub(super) fn url(id: FileId) -> String {
    format!("/v1/files/{id}")
}

pub(super) fn preview_url(id: FileId) -> String {
    format!("/v1/files/{id}/preview")
}

/// Estimates how many bytes a message takes on the wire, for the limits of pages.
#[must_use]
pub fn weight(message: &Message) -> usize {
    let attachments = message.attachments.iter().map(|file| 256 + file.name.len());
    let reactions = message.reactions.iter().map(|reaction| 32 + 8 * reaction.users.len());
    let subject = message.subject.as_ref().map_or(0, String::len);
    message.text.len() + 32 * message.mentions.len() + subject + attachments.sum::<usize>() + reactions.sum::<usize>()
}

/// Unread messages are counted up to here; it means "99+".
pub const UNREAD_MAX: i64 = 100;

/// Names of enum values in the store.
pub trait Named: Sized {
    /// Returns the stored name.
    fn name(self) -> &'static str;
    /// Returns the value of a stored name.
    fn named(name: &str) -> Option<Self>;
}

macro_rules! named {
    ($kind:ty { $($variant:path = $name:literal),+ }) => {
        impl Named for $kind {
            fn name(self) -> &'static str { match self { $($variant => $name,)+ } }
            fn named(name: &str) -> Option<Self> { match name { $($name => Some($variant),)+ _ => None } }
        }
    };
}

named!(ConversationKind { ConversationKind::Direct = "direct", ConversationKind::Group = "group" });
named!(Role { Role::Owner = "owner", Role::Moderator = "moderator", Role::Member = "member" });
named!(parlor_protocol::model::Tone {
    parlor_protocol::model::Tone::Plain = "plain",
    parlor_protocol::model::Tone::Asks = "asks",
    parlor_protocol::model::Tone::Settled = "settled"
});

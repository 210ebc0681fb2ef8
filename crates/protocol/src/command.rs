//! What a client may ask for. The HTTP edge makes the same values out of paths and bodies.

use crate::{
    cursor::Cursor,
    ids::{ConversationId, FileId, Seq, UserId, Version},
    model::Role,
    params::{History, MeUpdate, MessagePlace, Open, Search},
    patch,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// One command of a client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "type", deny_unknown_fields)]
pub enum Command {
    /// Says whose page this is and asks what changed since the cursor. The first command on a socket; later
    /// as often as wanted. Answer: [`Heads`](crate::reply::Heads).
    #[serde(rename = "session.resume")]
    Resume {
        /// Whose page this is.
        user: UserId,
        /// How far the client's state goes; absent when it holds nothing. A text that is no cursor is as good as none.
        #[schema(value_type = Option<String>)]
        #[serde(
            default,
            skip_serializing_if = "Option::is_none",
            deserialize_with = "crate::cursor::deserialize_lenient"
        )]
        cursor: Option<Cursor>,
    },
    /// The conversations of the asker, the one with the newest activity first.
    #[serde(rename = "conversation.list")]
    ListConversations {
        /// The `next` of the page before.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after: Option<String>,
        /// At most so many: 1 to `page_rows_max`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        limit: Option<u32>,
    },
    /// One conversation.
    #[serde(rename = "conversation.get")]
    GetConversation {
        /// Which.
        conversation: ConversationId,
    },
    /// What changed in a conversation since a version.
    #[serde(rename = "conversation.changes")]
    GetChanges {
        /// Which.
        conversation: ConversationId,
        /// The version at which the asker's state of it is true.
        since: Version,
    },
    /// Finds or opens a direct conversation, or opens a group.
    #[serde(rename = "conversation.open")]
    Open(Open),
    /// Replaces the set of conversations that this connection shows, so that it hears large ones live too.
    #[serde(rename = "conversation.show")]
    Show {
        /// All that are on the screen.
        conversations: Vec<ConversationId>,
    },
    /// Moves the asker's own markers forward; never back.
    #[serde(rename = "conversation.mark")]
    Mark {
        /// Where.
        conversation: ConversationId,
        /// Received up to here.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        delivered: Option<Seq>,
        /// Read up to here; includes `delivered`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        read: Option<Seq>,
    },
    /// Names a group. Owners and moderators.
    #[serde(rename = "conversation.update")]
    UpdateConversation {
        /// Which.
        conversation: ConversationId,
        /// Its new name.
        title: String,
    },
    /// Tells the others that the asker is writing, or no longer is. Say it again every three seconds while it is so.
    #[serde(rename = "conversation.typing")]
    SetTyping {
        /// Where.
        conversation: ConversationId,
        /// Whether it is so.
        typing: bool,
    },
    /// Everybody in a conversation, in the order of their ids, with their markers as they are now.
    #[serde(rename = "member.list")]
    ListMembers {
        /// Where.
        conversation: ConversationId,
        /// The `next` of the page before.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after: Option<String>,
        /// At most so many: 1 to `page_rows_max`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        limit: Option<u32>,
    },
    /// Adds people to a group. Owners and moderators.
    #[serde(rename = "member.add")]
    AddMembers {
        /// Where.
        conversation: ConversationId,
        /// Who.
        users: Vec<UserId>,
        /// What they see of what was written before; the operator's setting when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        history: Option<History>,
    },
    /// Gives a member of a group another role. Owners only.
    #[serde(rename = "member.update")]
    UpdateMember {
        /// Where.
        conversation: ConversationId,
        /// Who.
        user: UserId,
        /// Which.
        role: Role,
    },
    /// Removes a person from a group (owners; moderators only members), or oneself (leaving).
    #[serde(rename = "member.remove")]
    RemoveMember {
        /// Where.
        conversation: ConversationId,
        /// Who.
        user: UserId,
    },
    /// Sends a message.
    #[serde(rename = "message.send")]
    Send {
        /// Where to.
        conversation: ConversationId,
        /// The sender's own name for it: 1 to 64 visible ASCII characters, the same in every retry.
        /// Ids that begin with the time (UUID version 7) are the fastest to store.
        client_id: String,
        /// What it says; may be empty where there are attachments.
        #[serde(default)]
        text: String,
        /// What stands above the text.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        subject: Option<String>,
        /// The message of this conversation that it answers.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reply_to: Option<Seq>,
        /// The sender's finished uploads, each used once.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        attachments: Vec<FileId>,
    },
    /// Sends again, elsewhere, what a message that the asker sees says and carries.
    #[serde(rename = "message.forward")]
    Forward {
        /// Where to.
        conversation: ConversationId,
        /// As in `message.send`.
        client_id: String,
        /// What.
        from: MessagePlace,
    },
    /// Changes the text or the subject of one's own message, within the operator's time; what is absent stays. One of
    /// the two is expected.
    #[serde(rename = "message.edit")]
    Edit {
        /// Where.
        conversation: ConversationId,
        /// Which.
        seq: Seq,
        /// What it says from now on; may be empty where there are attachments.
        #[schema(value_type = String)]
        #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "patch::non_null")]
        text: Option<String>,
        /// What stands above the text from now on; null for nothing.
        #[schema(value_type = Option<String>)]
        #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "patch::clearable")]
        subject: Option<Option<String>>,
    },
    /// Deletes a message for everyone: one's own, or as owner or moderator of a group another's.
    #[serde(rename = "message.delete")]
    Delete {
        /// Where.
        conversation: ConversationId,
        /// Which.
        seq: Seq,
    },
    /// Deletes a message for oneself alone, for good.
    #[serde(rename = "message.hide")]
    Hide {
        /// Where.
        conversation: ConversationId,
        /// Which.
        seq: Seq,
    },
    /// Puts one's own reaction under a message, or takes it away.
    #[serde(rename = "message.react")]
    React {
        /// Where.
        conversation: ConversationId,
        /// Which.
        seq: Seq,
        /// One emoji.
        emoji: String,
        /// Whether it is to be there.
        on: bool,
    },
    /// Who reacted to a message, with their names.
    #[serde(rename = "message.reactions")]
    ListReactions {
        /// Where.
        conversation: ConversationId,
        /// Which.
        seq: Seq,
        /// The `next` of the page before.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after: Option<String>,
        /// At most so many: 1 to `page_rows_max`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        limit: Option<u32>,
    },
    /// Messages that say something, the newest first, of all that the asker may see.
    #[serde(rename = "message.search")]
    Search(Search),
    /// Gives up a command whose outcome is unknown: it either has happened, or never will.
    #[serde(rename = "message.cancel")]
    Cancel {
        /// The `client_id` that it was sent with.
        client_id: String,
    },
    /// Messages of a conversation, in the order of `seq`. At most one of `before`, `after`, `around`;
    /// none means the newest.
    #[serde(rename = "message.list")]
    ListMessages {
        /// Where.
        conversation: ConversationId,
        /// The newest of those with a lower `seq`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        before: Option<Seq>,
        /// The oldest of those with a higher `seq`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after: Option<Seq>,
        /// Those around this `seq`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        around: Option<Seq>,
        /// At most so many: 1 to `page_rows_max`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        limit: Option<u32>,
    },
    /// The signed-in person.
    #[serde(rename = "me.get")]
    GetMe {
        /// The version of the scope `user:…` at which the asker's state is true: what was hidden since is told.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        since: Option<Version>,
    },
    /// Changes the asker's own name or settings; what is absent stays.
    #[serde(rename = "me.update")]
    UpdateMe(MeUpdate),
    /// Replaces the set of people whose presence this connection is told.
    #[serde(rename = "presence.watch")]
    WatchPresence {
        /// All that are on the screen.
        users: Vec<UserId>,
    },
    /// Says whether somebody is at this page.
    #[serde(rename = "presence.set")]
    SetPresence {
        /// Nobody is.
        idle: bool,
    },
    /// Begins to send a file in binary frames on this socket, or goes on with one that was cut off.
    #[serde(rename = "upload.begin")]
    BeginUpload {
        /// The uploader's own name for it, the same when it goes on.
        client_id: String,
        /// Its name.
        name: String,
        /// How large it is.
        bytes: u64,
    },
    /// All of a file was sent: it is looked at and kept.
    #[serde(rename = "upload.end")]
    EndUpload {
        /// Which.
        upload: FileId,
    },
    /// Gives a file up that no message carries yet.
    #[serde(rename = "upload.cancel")]
    CancelUpload {
        /// Which.
        upload: FileId,
    },
    /// People whom the asker may write to and whose name has a word that begins so.
    #[serde(rename = "user.list")]
    ListUsers {
        /// Beginnings of words, in any order; empty for everybody.
        #[serde(default)]
        query: String,
        /// The `next` of the page before.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after: Option<String>,
        /// At most so many: 1 to `page_rows_max`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        limit: Option<u32>,
    },
}

impl Command {
    /// `message.send` of a text and nothing else.
    #[must_use]
    pub fn send_text(conversation: ConversationId, client_id: impl Into<String>, text: impl Into<String>) -> Self {
        let (client_id, text) = (client_id.into(), text.into());
        Self::Send { conversation, client_id, text, subject: None, reply_to: None, attachments: Vec::new() }
    }
}

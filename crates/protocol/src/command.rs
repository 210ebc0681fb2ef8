//! The commands of a client. The HTTP API builds the same values from paths and bodies.

use crate::{
    cursor::Cursor,
    ids::{ConversationId, FileId, ReportId, Seq, UserId, Version},
    model::{Mention, Role},
    params::{DraftUpdate, History, MeUpdate, MessagePlace, NewReport, Open, Search, SettingsUpdate},
    patch,
    report::ReportState,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// One command of a client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "type", deny_unknown_fields)]
pub enum Command {
    /// Names the user of the page and requests what changed since the cursor. The first command on a socket; it may be
    /// repeated. Answer: [`Heads`](crate::reply::Heads).
    #[serde(rename = "session.resume")]
    Resume {
        /// The user of the page.
        user: UserId,
        /// The cursor of the client's state; absent without any. A text that is not a cursor counts as absent.
        #[schema(value_type = Option<String>)]
        #[serde(
            default,
            skip_serializing_if = "Option::is_none",
            deserialize_with = "crate::cursor::deserialize_lenient"
        )]
        cursor: Option<Cursor>,
    },
    /// Lists the user's conversations, newest activity first.
    #[serde(rename = "conversation.list")]
    ListConversations {
        /// The `next` of the previous page.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after: Option<String>,
        /// Maximum rows: 1 to `page_rows_max`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        limit: Option<u32>,
    },
    /// Fetches a conversation.
    #[serde(rename = "conversation.get")]
    GetConversation {
        /// The conversation.
        conversation: ConversationId,
    },
    /// Fetches what changed in a conversation since a version.
    #[serde(rename = "conversation.changes")]
    GetChanges {
        /// The conversation.
        conversation: ConversationId,
        /// The version of the client's copy.
        since: Version,
    },
    /// Opens a direct conversation, or finds the one that exists, or opens a group.
    #[serde(rename = "conversation.open")]
    Open(Open),
    /// Replaces the set of conversations that this connection shows, so that it also receives events of large ones.
    #[serde(rename = "conversation.show")]
    Show {
        /// All conversations on the screen.
        conversations: Vec<ConversationId>,
    },
    /// Moves the user's own markers forward, never back. With `read`, the conversation is no longer marked as unread.
    #[serde(rename = "conversation.mark")]
    Mark {
        /// The conversation.
        conversation: ConversationId,
        /// Delivered up to this message.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        delivered: Option<Seq>,
        /// Read up to this message; implies `delivered`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        read: Option<Seq>,
    },
    /// Changes how the user keeps a conversation in their own list: pinned, archived, muted, marked as unread.
    #[serde(rename = "conversation.settings")]
    UpdateSettings {
        /// The conversation.
        conversation: ConversationId,
        /// What changes.
        settings: SettingsUpdate,
    },
    /// Clears a conversation for the user alone, for good: they no longer see its messages up to one, which count as read.
    #[serde(rename = "conversation.clear")]
    ClearConversation {
        /// The conversation.
        conversation: ConversationId,
        /// The newest message that the user knows.
        seq: Seq,
    },
    /// Renames a group. Owners and moderators.
    #[serde(rename = "conversation.update")]
    UpdateConversation {
        /// The conversation.
        conversation: ConversationId,
        /// The new title.
        title: String,
    },
    /// Reports whether the user is typing. Repeat it every three seconds while they are.
    #[serde(rename = "conversation.typing")]
    SetTyping {
        /// The conversation.
        conversation: ConversationId,
        /// Whether the user is typing.
        typing: bool,
    },
    /// Lists the members of a conversation in the order of their ids, with their current markers.
    #[serde(rename = "member.list")]
    ListMembers {
        /// The conversation.
        conversation: ConversationId,
        /// The `next` of the previous page.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after: Option<String>,
        /// Maximum rows: 1 to `page_rows_max`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        limit: Option<u32>,
    },
    /// Adds members to a group. Owners and moderators.
    #[serde(rename = "member.add")]
    AddMembers {
        /// The conversation.
        conversation: ConversationId,
        /// The new members.
        users: Vec<UserId>,
        /// What they see of earlier messages; the operator's setting if absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        history: Option<History>,
    },
    /// Changes the role of a member of a group. Owners only.
    #[serde(rename = "member.update")]
    UpdateMember {
        /// The conversation.
        conversation: ConversationId,
        /// The member.
        user: UserId,
        /// The new role.
        role: Role,
    },
    /// Removes a member from a group (owners; moderators only members), or leaves it.
    #[serde(rename = "member.remove")]
    RemoveMember {
        /// The conversation.
        conversation: ConversationId,
        /// The member.
        user: UserId,
    },
    /// Sends a message.
    #[serde(rename = "message.send")]
    Send {
        /// The target conversation.
        conversation: ConversationId,
        /// A key chosen by the client: 1 to 64 visible ASCII characters, the same in every retry. Keys that start with
        /// the time (UUID version 7) are the fastest to store.
        client_id: String,
        /// The text; may be empty if there are attachments.
        #[serde(default)]
        text: String,
        /// The members of the group that the text mentions, up to `message_mentions_max`. Users who are no members are
        /// left out, and in a direct conversation all are.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        mentions: Vec<Mention>,
        /// The subject, shown above the text.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        subject: Option<String>,
        /// The message of this conversation that it replies to.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reply_to: Option<Seq>,
        /// The sender's finished uploads, each used once.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        attachments: Vec<FileId>,
        /// The version of the user's draft that this message was: it is deleted with the same change, unless it has
        /// changed since.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        draft: Option<Version>,
    },
    /// Saves what the user is writing in a conversation, in place of their draft there; nothing at all deletes it.
    #[serde(rename = "draft.save")]
    SaveDraft {
        /// The conversation.
        conversation: ConversationId,
        /// What the user is writing.
        draft: DraftUpdate,
    },
    /// Sends a copy of a visible message to another conversation.
    #[serde(rename = "message.forward")]
    Forward {
        /// The target conversation.
        conversation: ConversationId,
        /// As in `message.send`.
        client_id: String,
        /// The original.
        from: MessagePlace,
    },
    /// Edits the text or the subject of the user's own message, within the operator's time limit. Absent fields stay as
    /// they are; one is required.
    #[serde(rename = "message.edit")]
    Edit {
        /// The conversation.
        conversation: ConversationId,
        /// The message.
        seq: Seq,
        /// The new text; may be empty if there are attachments.
        #[schema(value_type = String)]
        #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "patch::non_null")]
        text: Option<String>,
        /// The members that the new text mentions, as in `message.send`; only with `text`.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        mentions: Vec<Mention>,
        /// The new subject; null to remove it.
        #[schema(value_type = Option<String>)]
        #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "patch::clearable")]
        subject: Option<Option<String>>,
    },
    /// Deletes a message for everyone: the user's own, or any as owner or moderator of a group.
    #[serde(rename = "message.delete")]
    Delete {
        /// The conversation.
        conversation: ConversationId,
        /// The message.
        seq: Seq,
    },
    /// Deletes a message for the user alone, for good.
    #[serde(rename = "message.hide")]
    Hide {
        /// The conversation.
        conversation: ConversationId,
        /// The message.
        seq: Seq,
    },
    /// Adds or removes the user's own reaction.
    #[serde(rename = "message.react")]
    React {
        /// The conversation.
        conversation: ConversationId,
        /// The message.
        seq: Seq,
        /// One emoji.
        emoji: String,
        /// Whether to add or to remove it.
        on: bool,
    },
    /// Lists who reacted to a message, with their names.
    #[serde(rename = "message.reactions")]
    ListReactions {
        /// The conversation.
        conversation: ConversationId,
        /// The message.
        seq: Seq,
        /// The `next` of the previous page.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after: Option<String>,
        /// Maximum rows: 1 to `page_rows_max`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        limit: Option<u32>,
    },
    /// Searches all messages that the user may see, newest first.
    #[serde(rename = "message.search")]
    Search(Search),
    /// Cancels a command whose outcome is unknown: it either has happened, or never will.
    #[serde(rename = "message.cancel")]
    Cancel {
        /// The `client_id` of the command.
        client_id: String,
    },
    /// Lists messages of a conversation in the order of `seq`. At most one of `before`, `after` and `around`; without
    /// any, the newest.
    #[serde(rename = "message.list")]
    ListMessages {
        /// The conversation.
        conversation: ConversationId,
        /// The newest messages with a lower `seq`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        before: Option<Seq>,
        /// The oldest messages with a higher `seq`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after: Option<Seq>,
        /// The messages around this `seq`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        around: Option<Seq>,
        /// Maximum rows: 1 to `page_rows_max`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        limit: Option<u32>,
    },
    /// Fetches the signed-in user.
    #[serde(rename = "me.get")]
    GetMe {
        /// The client's version of the scope `user:…`: the answer lists messages hidden since.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        since: Option<Version>,
    },
    /// Changes the user's own name or settings. Absent fields stay as they are.
    #[serde(rename = "me.update")]
    UpdateMe(MeUpdate),
    /// Replaces the set of users whose presence this connection receives.
    #[serde(rename = "presence.watch")]
    WatchPresence {
        /// All users on the screen.
        users: Vec<UserId>,
    },
    /// Reports whether the page is in use.
    #[serde(rename = "presence.set")]
    SetPresence {
        /// The page is not in use.
        idle: bool,
    },
    /// Starts an upload in binary frames on this socket, or resumes one.
    #[serde(rename = "upload.begin")]
    BeginUpload {
        /// A key chosen by the client, the same when it resumes.
        client_id: String,
        /// The file name.
        name: String,
        /// The size of the file.
        bytes: u64,
    },
    /// Finishes an upload: the file is checked and stored.
    #[serde(rename = "upload.end")]
    EndUpload {
        /// The upload.
        upload: FileId,
    },
    /// Cancels an upload that is not attached to a message yet.
    #[serde(rename = "upload.cancel")]
    CancelUpload {
        /// The upload.
        upload: FileId,
    },
    /// Lists users to whom the user may write, by prefixes of their names.
    #[serde(rename = "user.list")]
    ListUsers {
        /// Prefixes of words, in any order; empty for all users.
        #[serde(default)]
        query: String,
        /// The `next` of the previous page.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after: Option<String>,
        /// Maximum rows: 1 to `page_rows_max`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        limit: Option<u32>,
    },
    /// Blocks a user: neither writes to the other, nor sees their presence and, in direct conversations, their markers.
    #[serde(rename = "user.block")]
    Block {
        /// The other user.
        user: UserId,
    },
    /// Ends a block of the user's own.
    #[serde(rename = "user.unblock")]
    Unblock {
        /// The other user.
        user: UserId,
    },
    /// Lists the users whom the user has blocked, in the order of their names.
    #[serde(rename = "user.blocks")]
    ListBlocks {
        /// The `next` of the previous page.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after: Option<String>,
        /// Maximum rows: 1 to `page_rows_max`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        limit: Option<u32>,
    },
    /// Reports a message of another user to the moderators, with a copy of it and of those near it.
    #[serde(rename = "message.report")]
    Report(NewReport),
    /// Lists reports: the open ones, the oldest first, or the settled ones, those settled last first. Moderators only.
    #[serde(rename = "report.list")]
    ListReports {
        /// Which ones.
        #[serde(default = "open", skip_serializing_if = "is_open")]
        state: ReportState,
        /// The `next` of the previous page.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after: Option<String>,
        /// Maximum rows: 1 to `page_rows_max`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        limit: Option<u32>,
    },
    /// Fetches a report with its copies. Moderators only.
    #[serde(rename = "report.get")]
    GetReport {
        /// The report.
        report: ReportId,
    },
    /// Settles an open report: removes the message for everyone, warns its sender, both, or neither. Moderators only.
    #[serde(rename = "report.settle")]
    SettleReport {
        /// The report.
        report: ReportId,
        /// Remove the message for everyone.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        remove: bool,
        /// Warn its sender.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        warn: bool,
        /// A note for the record, which only moderators see.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        note: String,
    },
    /// Says that the user has seen a warning: it is no longer listed.
    #[serde(rename = "warning.read")]
    ReadWarning {
        /// The report that led to it.
        report: ReportId,
    },
}

/// The state of the reports that are listed if none is given.
fn open() -> ReportState {
    ReportState::Open
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
fn is_open(state: &ReportState) -> bool {
    *state == ReportState::Open
}

impl Command {
    /// Builds a `message.send` with only a text.
    #[must_use]
    pub fn send_text(conversation: ConversationId, client_id: impl Into<String>, text: impl Into<String>) -> Self {
        let (client_id, text) = (client_id.into(), text.into());
        Self::Send {
            conversation,
            client_id,
            text,
            mentions: Vec::new(),
            subject: None,
            reply_to: None,
            attachments: Vec::new(),
            draft: None,
        }
    }
}

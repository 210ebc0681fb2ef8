//! The state of a batch: loaded, changed by its decisions, and then written.
#![expect(missing_docs, reason = "fields that are named like what they hold")]

use super::{
    change::{HostRowKey, Which},
    draft_row::{DraftRow, DraftSizes},
    fingerprint::Fingerprint,
    report_row::ReportRow,
    rows::{ContextRow, ConversationRow, Counting, FileRow, HostRowCopy, MemberRow, MessageRow, UserRow},
    settings_row::SettingsRow,
};
use parlor_protocol::{
    error::{Code, Problem},
    ids::{ConversationId, FileId, ReportId, Scope, Seq, SessionId, UserId, Version},
    model::ContextKey,
};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// A message, by conversation and `seq`.
pub type MessageKey = (ConversationId, Seq);

/// What a `client_id` was used for.
#[derive(Clone, Debug)]
pub enum ClientIdUse {
    /// It created this message, which is among `messages`.
    Message(ConversationId, Seq),
    /// It created this conversation.
    Conversation(ConversationId, Fingerprint),
    /// It was cancelled.
    Cancelled,
}

/// Sessions to end.
#[derive(Clone, Debug)]
pub struct Ending {
    pub user: UserId,
    pub which: Which,
    pub keep: Option<SessionId>,
}

/// A file to be created with the bytes of another one.
#[derive(Clone, Debug)]
pub struct FileCopy {
    pub id: FileId,
    pub source: FileId,
    pub owner: UserId,
    pub conversation: ConversationId,
    pub seq: Seq,
    pub made_at: i64,
}

/// The first messages that count as unread after a user's marker.
#[derive(Clone, Debug, Default)]
pub struct FirstUnread {
    /// In their order.
    pub seqs: Vec<Seq>,
    /// Whether there are no others.
    pub is_all: bool,
}

/// Whether a user has hidden a message, if that changed in this batch.
#[derive(Clone, Copy, Debug)]
pub struct HiddenChange {
    /// Whether they had hidden it before.
    pub was_hidden: bool,
    /// The version of the last change.
    pub version: Version,
}

/// The state of a batch. What is absent does not exist, or was not needed.
#[derive(Debug, Default)]
pub struct State {
    pub keys: HashMap<(UserId, String), ClientIdUse>,
    pub users: HashMap<UserId, UserRow>,
    pub logins: HashMap<String, UserId>,
    /// Users by the host's ids.
    pub external_users: HashMap<String, UserId>,
    pub contexts: HashMap<ContextKey, ContextRow>,
    /// How many conversations are about a context, by the id of its row.
    pub context_conversations: HashMap<i64, i64>,
    pub conversations: HashMap<ConversationId, ConversationRow>,
    pub members: HashMap<ConversationId, BTreeMap<UserId, MemberRow>>,
    pub memberships_of: HashMap<UserId, Vec<ConversationId>>,
    pub about: HashMap<ContextKey, Vec<ConversationId>>,
    /// The contexts of conversations that are renamed.
    pub context_of: HashMap<ConversationId, ContextKey>,
    /// The context roles of users that may join a conversation.
    pub coming_roles: HashMap<(ConversationId, UserId), Option<String>>,
    pub directs: HashMap<String, ConversationId>,
    /// Pairs that share a context, the lower id first.
    pub sharing: HashSet<(UserId, UserId)>,
    /// Whether any context existed before the batch. Loaded with pairs.
    pub has_contexts: bool,
    pub conversation_counts: HashMap<UserId, i64>,
    /// When these users opened their newest conversations, as many as they may open in an hour, and those of this
    /// batch, in milliseconds since 1970.
    pub openings: HashMap<UserId, Vec<i64>>,
    /// Who has blocked whom, of the pairs for which that matters, including this batch.
    pub blocks: HashSet<(UserId, UserId)>,
    /// How many users these have blocked, including this batch.
    pub block_counts: HashMap<UserId, i64>,
    /// Of the blocks that may change: users who are or were in a conversation with the one whom they block.
    pub met: HashSet<(UserId, UserId)>,
    /// The direct conversations of the pairs whose blocks may change, the lower id first.
    pub directs_of: HashMap<(UserId, UserId), Vec<ConversationId>>,
    /// The reports that may change, with all their reasons.
    pub reports: HashMap<ReportId, ReportRow>,
    /// Of the messages that are reported: their open reports.
    pub open_reports: HashMap<MessageKey, ReportId>,
    /// How many reports are open, including this batch. Counted beyond the maximum by as many as the batch may settle.
    pub open_report_count: u32,
    /// All moderators, if reports change.
    pub moderators: BTreeSet<UserId>,
    /// When these users last reported messages, as many times as they may report in a day, and those of this batch, in
    /// milliseconds since 1970.
    pub report_times: HashMap<UserId, Vec<i64>>,
    /// How many warnings these users have not seen, including this batch.
    pub unread_warnings: HashMap<UserId, i64>,
    /// The messages around those that users report, as far as they may see them.
    pub report_copies: HashMap<(UserId, MessageKey), Vec<MessageRow>>,
    /// The settings of those users whose settings may change.
    pub settings: HashMap<(UserId, ConversationId), SettingsRow>,
    /// The drafts of those users whose drafts may change.
    pub drafts: HashMap<(UserId, ConversationId), DraftRow>,
    /// How many drafts these users have that are not empty, and the characters of their texts, including this batch.
    pub draft_sizes: HashMap<UserId, DraftSizes>,
    /// How many conversations these users have pinned, including this batch.
    pub pinned_counts: HashMap<UserId, i64>,
    /// How many messages were unread after a marker before the batch: the member's own, or the requested one if that is
    /// later. Counted beyond the maximum by as many as the batch may remove.
    pub unread: BTreeMap<(ConversationId, UserId, Seq), i64>,
    /// Messages that were needed or are new.
    pub messages: HashMap<MessageKey, MessageRow>,
    /// Which users hid which messages, where it matters, including this batch.
    pub hidden: HashSet<(UserId, MessageKey)>,
    /// Files that will be attached.
    pub files: HashMap<FileId, FileRow>,
    /// Rows of the host that are put or removed.
    pub host_rows: HashMap<HostRowKey, HostRowCopy>,
    /// The rows of messages that Parlor wrote a row for.
    pub host_rows_by_message: HashMap<MessageKey, HostRowKey>,
    /// Of members who may have read more in the host.
    pub first_unread: HashMap<(ConversationId, UserId), FirstUnread>,

    // The rest is to be written.
    pub new_messages: Vec<MessageKey>,
    /// May include new ones.
    pub changed_messages: BTreeSet<MessageKey>,
    /// Whether messages that existed before the batch counted as unread, where that may have changed.
    pub were_counted: BTreeMap<MessageKey, bool>,
    /// What users hid in this batch, or no longer hide.
    pub changed_hidden: BTreeMap<(UserId, MessageKey), HiddenChange>,
    /// Whether messages mention users, where that changed.
    pub changed_mentions: BTreeMap<(UserId, MessageKey), bool>,
    /// Files, and the new message to which each is attached.
    pub carried: Vec<(FileId, ConversationId, Seq)>,
    /// Files of forwarded messages.
    pub copied: Vec<FileCopy>,
    pub new_conversations: Vec<ConversationId>,
    pub changed_conversations: BTreeSet<ConversationId>,
    pub changed_members: BTreeSet<(ConversationId, UserId)>,
    pub changed_users: BTreeSet<UserId>,
    pub changed_settings: BTreeSet<(UserId, ConversationId)>,
    /// Blocks; those that are not in `blocks` are deleted.
    pub changed_blocks: BTreeSet<(UserId, UserId)>,
    pub changed_drafts: BTreeSet<(UserId, ConversationId)>,
    pub new_reports: Vec<ReportId>,
    /// May include new ones.
    pub changed_reports: BTreeSet<ReportId>,
    pub changed_contexts: HashSet<ContextKey>,
    pub new_cancelled: Vec<(UserId, String)>,
    /// Rows of the host; those that are not in `host_rows` are deleted.
    pub changed_host_rows: BTreeSet<HostRowKey>,
    /// Users that are deleted, with what only they could see.
    pub deleted_users: Vec<UserId>,
    pub endings: Vec<Ending>,
    /// Changed scopes, with their newest version.
    pub scopes: BTreeMap<Scope, Version>,
    /// Whether something that was published must be erased: deleted, or edited away.
    pub erases: bool,
}

impl State {
    /// Returns the conversation, reached through the actor's membership (I9).
    ///
    /// # Errors
    /// `not_found` if the actor is not in it, whether or not it exists.
    pub fn place(
        &self,
        conversation: ConversationId,
        actor: UserId,
    ) -> Result<(&ConversationRow, &MemberRow), Problem> {
        let row = self.conversations.get(&conversation);
        let member = self.members.get(&conversation).and_then(|members| members.get(&actor));
        match (row, member) {
            (Some(row), Some(member)) if !member.has_left && !member.disabled => Ok((row, member)),
            _ => Err(Code::NotFound.into()),
        }
    }

    /// Returns a message that the actor may see and has not hidden.
    ///
    /// # Errors
    /// `not_found`, also for messages before the actor's history begins.
    pub fn seen(&self, actor: UserId, key: MessageKey) -> Result<&MessageRow, Problem> {
        let (_, member) = self.place(key.0, actor)?;
        let is_open = key.1 >= member.history_start() && !self.hidden.contains(&(actor, key));
        self.messages.get(&key).filter(|row| is_open && !row.details.removed).ok_or_else(|| Code::NotFound.into())
    }

    /// Returns a user that exists and is not disabled.
    ///
    /// # Errors
    /// `not_found`.
    pub fn user(&self, user: UserId) -> Result<&UserRow, Problem> {
        self.users.get(&user).filter(|row| !row.disabled).ok_or_else(|| Code::NotFound.into())
    }

    /// Raises the version of a conversation's scope and returns the previous one.
    pub(super) fn raise_conversation(&mut self, conversation: ConversationId, version: Version) -> Version {
        let row = self.conversations.get_mut(&conversation).expect("a decided change has loaded its conversation");
        let prev = std::mem::replace(&mut row.version, version);
        self.changed_conversations.insert(conversation);
        self.scopes.insert(Scope::Conversation(conversation), version);
        prev
    }

    /// Raises the version of a user's scope and returns the previous one.
    pub(super) fn raise_user(&mut self, user: UserId, version: Version) -> Version {
        let row = self.users.get_mut(&user).expect("a decided change has loaded its user");
        let prev = std::mem::replace(&mut row.version, version);
        self.changed_users.insert(user);
        self.scopes.insert(Scope::User(user), version);
        prev
    }

    /// Returns a member's row to be changed, and marks it for writing.
    pub(super) fn member_mut(&mut self, conversation: ConversationId, user: UserId) -> &mut MemberRow {
        self.changed_members.insert((conversation, user));
        self.members
            .get_mut(&conversation)
            .and_then(|members| members.get_mut(&user))
            .expect("a decided change has loaded its member")
    }

    /// Returns a message to be changed in a way that may change whether it counts as unread.
    pub(super) fn recounted(&mut self, key: MessageKey) -> &mut MessageRow {
        let row = self.messages.get_mut(&key).expect("a decided change has loaded its message");
        if !self.new_messages.contains(&key) {
            self.were_counted.entry(key).or_insert_with(|| row.counting() == Counting::Counted);
        }
        row
    }

    /// Hides a message from a user, or shows it again.
    pub(super) fn set_hidden(&mut self, user: UserId, key: MessageKey, is_hidden: bool, version: Version) {
        let was_hidden = if is_hidden { !self.hidden.insert((user, key)) } else { self.hidden.remove(&(user, key)) };
        let change = self.changed_hidden.entry((user, key)).or_insert(HiddenChange { was_hidden, version });
        change.version = version;
        if is_hidden {
            let member = self.member_mut(key.0, user);
            member.hidden_seq = member.hidden_seq.max(key.1);
        }
    }

    /// Returns the loaded rows of current members.
    pub fn present(&self, conversation: ConversationId) -> impl Iterator<Item = &MemberRow> {
        self.members.get(&conversation).into_iter().flat_map(BTreeMap::values).filter(|member| !member.has_left)
    }
}

impl State {
    /// Returns whether there is anything to write.
    #[must_use]
    pub fn is_changed(&self) -> bool {
        !self.scopes.is_empty()
            || !self.new_cancelled.is_empty()
            || !self.changed_reports.is_empty()
            || !self.changed_contexts.is_empty()
            || !self.changed_host_rows.is_empty()
    }
}

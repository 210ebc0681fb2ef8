//! What a batch loaded, changed by its decisions, and then written.
#![expect(missing_docs, reason = "fields that are named like what they hold")]

use super::{
    change::Which,
    fingerprint::Fingerprint,
    rows::{ContextRow, ConversationRow, FileRow, MemberRow, MessageRow, UserRow},
};
use parlor_protocol::{
    error::{Code, Problem},
    ids::{ConversationId, FileId, Scope, Seq, SessionId, UserId, Version},
    model::ContextKey,
};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// A message, by its place.
pub type MessageKey = (ConversationId, Seq);

/// What a `client_id` was used for.
#[derive(Clone, Debug)]
pub enum Use {
    /// It made this message, which is among `messages`.
    Message(ConversationId, Seq),
    /// It made this conversation.
    Conversation(ConversationId, Fingerprint),
    /// It was given up.
    Cancelled,
}

/// Sessions to end, with the reason.
#[derive(Clone, Debug)]
pub struct Ending {
    pub user: UserId,
    pub which: Which,
    pub keep: Option<SessionId>,
}

/// A file to be made of another one with the same bytes.
#[derive(Clone, Debug)]
pub struct FileCopy {
    pub id: FileId,
    pub source: FileId,
    pub owner: UserId,
    pub conversation: ConversationId,
    pub seq: Seq,
    pub made_at: i64,
}

/// The state of a batch. Absent means: it does not exist, or nobody asked for it.
#[derive(Debug, Default)]
pub struct State {
    pub keys: HashMap<(UserId, String), Use>,
    pub users: HashMap<UserId, UserRow>,
    pub logins: HashMap<String, UserId>,
    pub contexts: HashMap<ContextKey, ContextRow>,
    /// How many conversations there are about a context, by its row's id.
    pub context_conversations: HashMap<i64, i64>,
    pub conversations: HashMap<ConversationId, ConversationRow>,
    pub members: HashMap<ConversationId, BTreeMap<UserId, MemberRow>>,
    pub memberships_of: HashMap<UserId, Vec<ConversationId>>,
    pub about: HashMap<ContextKey, Vec<ConversationId>>,
    /// What conversations that are named anew are about.
    pub context_of: HashMap<ConversationId, ContextKey>,
    /// What people who may come to a conversation are to its context.
    pub coming_roles: HashMap<(ConversationId, UserId), Option<String>>,
    pub directs: HashMap<String, ConversationId>,
    /// Pairs that share a context, the lower id first.
    pub sharing: HashSet<(UserId, UserId)>,
    /// Whether any context was there before the batch; loaded where pairs are.
    pub has_contexts: bool,
    pub conversation_counts: HashMap<UserId, i64>,
    /// What was unread after a marker before the batch: the member's own, or the one asked for if that is later.
    /// Counted beyond the maximum by as many as the batch may take away.
    pub unread: BTreeMap<(ConversationId, UserId, Seq), i64>,
    /// Messages that were asked for or are new, by their place.
    pub messages: HashMap<MessageKey, MessageRow>,
    /// What people hid, of the messages where it matters; that of this batch is among it.
    pub hidden: HashSet<(UserId, MessageKey)>,
    /// Files that messages are to carry.
    pub files: HashMap<FileId, FileRow>,

    // What is to be written.
    pub new_messages: Vec<MessageKey>,
    /// New ones may be among them.
    pub changed_messages: BTreeSet<MessageKey>,
    /// Those deleted in this batch that were there before it.
    pub deleted_messages: BTreeSet<MessageKey>,
    pub new_hidden: BTreeMap<(UserId, MessageKey), Version>,
    /// Files, and the new message that carries each.
    pub carried: Vec<(FileId, ConversationId, Seq)>,
    /// Files of forwarded messages.
    pub copied: Vec<FileCopy>,
    pub new_conversations: Vec<ConversationId>,
    pub changed_conversations: BTreeSet<ConversationId>,
    pub changed_members: BTreeSet<(ConversationId, UserId)>,
    pub changed_users: BTreeSet<UserId>,
    pub changed_contexts: HashSet<ContextKey>,
    pub new_cancelled: Vec<(UserId, String)>,
    pub endings: Vec<Ending>,
    /// Scopes touched, with their newest version.
    pub scopes: BTreeMap<Scope, Version>,
    /// Something that was told is to be gone for good: deleted, or edited away.
    pub erases: bool,
}

impl State {
    /// The conversation, reached through the actor's membership (I9).
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

    /// A message that the actor may see and has not hidden.
    ///
    /// # Errors
    /// `not_found`, also for what was written before the actor's history begins.
    pub fn seen(&self, actor: UserId, key: MessageKey) -> Result<&MessageRow, Problem> {
        let (_, member) = self.place(key.0, actor)?;
        let is_open = key.1 >= member.history_from && !self.hidden.contains(&(actor, key));
        self.messages.get(&key).filter(|_| is_open).ok_or_else(|| Code::NotFound.into())
    }

    /// A person who is there and not disabled.
    ///
    /// # Errors
    /// `not_found`.
    pub fn person(&self, user: UserId) -> Result<&UserRow, Problem> {
        self.users.get(&user).filter(|row| !row.disabled).ok_or_else(|| Code::NotFound.into())
    }

    /// Raises the scope of a conversation and gives its version before.
    pub(super) fn raise_conversation(&mut self, conversation: ConversationId, version: Version) -> Version {
        let row = self.conversations.get_mut(&conversation).expect("a decided change has loaded its conversation");
        let prev = std::mem::replace(&mut row.version, version);
        self.changed_conversations.insert(conversation);
        self.scopes.insert(Scope::Conversation(conversation), version);
        prev
    }

    /// Raises the scope of a person and gives its version before.
    pub(super) fn raise_user(&mut self, user: UserId, version: Version) -> Version {
        let row = self.users.get_mut(&user).expect("a decided change has loaded its person");
        let prev = std::mem::replace(&mut row.version, version);
        self.changed_users.insert(user);
        self.scopes.insert(Scope::User(user), version);
        prev
    }

    /// A member's row, to be changed and written.
    pub(super) fn member_mut(&mut self, conversation: ConversationId, user: UserId) -> &mut MemberRow {
        self.changed_members.insert((conversation, user));
        self.members
            .get_mut(&conversation)
            .and_then(|members| members.get_mut(&user))
            .expect("a decided change has loaded its member")
    }

    /// Those in the conversation now, whose rows are loaded.
    pub fn present(&self, conversation: ConversationId) -> impl Iterator<Item = &MemberRow> {
        self.members.get(&conversation).into_iter().flat_map(BTreeMap::values).filter(|member| !member.has_left)
    }
}

impl State {
    /// Whether there is anything to write.
    #[must_use]
    pub fn is_changed(&self) -> bool {
        !self.scopes.is_empty() || !self.new_cancelled.is_empty() || !self.changed_contexts.is_empty()
    }
}

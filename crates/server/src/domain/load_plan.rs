//! What a batch of changes needs to be decided, collected before anything is loaded.
//!
//! Each set is loaded by one statement, so the number of statements depends on the kinds of changes, not on their
//! number.
#![expect(missing_docs, reason = "fields that are named like what they hold")]

use super::{
    change::{Change, Content, HostMessage, HostRowKey, ProfileUpdate, SettingsPatch},
    host_user::HostUser,
    report_row::ReportRow,
    rows::HostRowCopy,
    state::{MessageKey, State},
};
use parlor_protocol::{
    ids::{ConversationId, FileId, ReportId, Seq, UserId},
    model::{ContextKey, Role},
    params::{DraftUpdate, MessagePlace, NewReport, Open},
};
use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet, HashMap},
};

/// The user that a direct conversation is opened with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DirectTarget {
    /// This user.
    User(UserId),
    /// The user that has this role in the context.
    Role(String),
}

/// A direct conversation that may exist already.
#[derive(Clone, Debug)]
pub struct Direct {
    pub actor: UserId,
    pub context: Option<ContextKey>,
    pub target: DirectTarget,
}

/// A row of the host that is put.
#[derive(Clone, Debug)]
pub struct HostPut {
    pub row: HostRowKey,
    pub direct: Direct,
    pub recipient: UserId,
    pub sent_as: Option<MessageKey>,
    pub is_read: bool,
    /// By the sender and by the recipient.
    pub hidden: (bool, bool),
}

/// See the module documentation.
#[derive(Clone, Debug, Default)]
pub struct LoadPlan {
    /// Uses of a `client_id`.
    pub keys: BTreeSet<(UserId, String)>,
    /// Users by id.
    pub users: BTreeSet<UserId>,
    /// Users by their login name.
    pub logins: BTreeSet<String>,
    /// Users by the host's ids, with their conversations.
    pub external_users: BTreeSet<String>,
    /// Contexts with their roles.
    pub contexts: BTreeSet<(String, String)>,
    /// Conversations with the rows of these members, and of all members if they are few.
    pub places: BTreeSet<(ConversationId, UserId)>,
    /// Conversations with the rows of all members, however many, because an owner may leave and another member take
    /// over.
    pub whole: BTreeSet<ConversationId>,
    /// Users that may join a conversation, for their roles in its context.
    pub coming: BTreeSet<(ConversationId, UserId)>,
    /// Users whose conversations are all needed.
    pub memberships_of: BTreeSet<UserId>,
    /// Contexts whose conversations are all needed.
    pub about: BTreeSet<(String, String)>,
    /// Conversations whose context is published.
    pub contexts_of: BTreeSet<ConversationId>,
    /// Direct conversations.
    pub directs: Vec<Direct>,
    /// Pairs that may share a context, or of whom one may have blocked the other, the lower id first.
    pub pairs: BTreeSet<(UserId, UserId)>,
    /// Blocks that may change: by whom, and of whom.
    pub blocks: BTreeSet<(UserId, UserId)>,
    /// Messages that are reported, with who reports them.
    pub reportings: BTreeSet<(UserId, MessageKey)>,
    /// Reports by id.
    pub reports: BTreeSet<ReportId>,
    /// Whether all moderators are needed.
    pub moderators: bool,
    /// How many reports may be settled.
    pub settling: u32,
    /// Users who may open a conversation, for how many they have opened lately.
    pub openers: BTreeSet<UserId>,
    /// Users whose conversations are counted.
    pub counted: BTreeSet<UserId>,
    /// Members whose settings may change.
    pub settings: BTreeSet<(UserId, ConversationId)>,
    /// Members whose draft may change.
    pub drafts: BTreeSet<(UserId, ConversationId)>,
    /// Users whose drafts are counted.
    pub drafting: BTreeSet<UserId>,
    /// Users whose pinned conversations are counted.
    pub pinned: BTreeSet<UserId>,
    /// Messages by conversation and `seq`.
    pub messages: BTreeSet<MessageKey>,
    /// Ranges of messages that these users may have hidden, by first and last `seq`.
    pub hidden: BTreeSet<(UserId, ConversationId, Seq, Seq)>,
    /// Files that will be attached.
    pub files: BTreeSet<FileId>,
    /// Markers after which unread messages are counted.
    pub marks: Vec<(ConversationId, UserId, Seq)>,
    /// How many messages may stop counting as unread.
    pub uncounting: u32,
    /// Rows of the host that are put.
    pub host_puts: Vec<HostPut>,
    /// Rows of the host that are removed.
    pub host_removals: BTreeSet<HostRowKey>,
}

impl LoadPlan {
    /// Collects what these changes need.
    #[must_use]
    pub fn by<'a>(changes: impl IntoIterator<Item = &'a Change, IntoIter: Clone>) -> Self {
        let mut plan = Self::default();
        let changes = changes.into_iter();
        for change in changes.clone() {
            plan.add(change);
        }
        plan.add_hidden(changes.clone());
        plan
    }

    /// Adds who may have hidden a message that is deleted, since it did not count as unread for them.
    fn add_hidden<'a>(&mut self, changes: impl Iterator<Item = &'a Change>) {
        let mut deleted = BTreeMap::<ConversationId, (Seq, Seq)>::new();
        for change in changes {
            if let Change::Delete { conversation, seq, .. } = change {
                let (first, last) = deleted.entry(*conversation).or_insert((*seq, *seq));
                (*first, *last) = ((*first).min(*seq), (*last).max(*seq));
            }
        }
        for (conversation, user, _) in &self.marks {
            if let Some((first, last)) = deleted.get(conversation) {
                self.hidden.insert((*user, *conversation, *first, *last));
            }
        }
    }

    fn add_message(&mut self, actor: UserId, conversation: ConversationId, seq: Seq) {
        self.places.insert((conversation, actor));
        self.messages.insert((conversation, seq));
        self.hidden.insert((actor, conversation, seq, seq));
    }

    fn add_mark(&mut self, actor: UserId, conversation: ConversationId, read: Seq) {
        self.places.insert((conversation, actor));
        self.users.insert(actor);
        self.marks.push((conversation, actor, read));
        if read > Seq(0) {
            self.settings.insert((actor, conversation));
        }
    }

    fn add_settings(&mut self, actor: UserId, conversation: ConversationId, patch: &SettingsPatch) {
        self.places.insert((conversation, actor));
        self.users.insert(actor);
        self.settings.insert((actor, conversation));
        if patch.pinned.is_some() {
            self.pinned.insert(actor);
        }
    }

    fn add_role(&mut self, actor: UserId, conversation: ConversationId, user: UserId, role: Role) {
        self.places.extend([(conversation, actor), (conversation, user)]);
        if role != Role::Owner {
            // The last owner must stay one, so all members are needed.
            self.whole.insert(conversation);
        }
    }

    fn add(&mut self, change: &Change) {
        match change {
            Change::Send { actor, conversation, client_id, content } => {
                self.add_send(*actor, *conversation, client_id, content);
            }
            Change::SaveDraft { actor, conversation, draft } => self.add_draft(*actor, *conversation, draft),
            Change::Forward { actor, conversation, client_id, from } => {
                self.add_forward(*actor, *conversation, client_id, *from);
            }
            Change::Edit { actor, conversation, seq, mentions, .. } => {
                self.add_message(*actor, *conversation, *seq);
                self.places.extend(mentions.iter().map(|mention| (*conversation, mention.user)));
            }
            Change::React { actor, conversation, seq, .. } => self.add_message(*actor, *conversation, *seq),
            Change::Delete { actor, conversation, seq } => {
                self.add_message(*actor, *conversation, *seq);
                self.uncounting += 1;
            }
            Change::Hide { actor, conversation, seq } => self.add_hide(*actor, *conversation, *seq),
            Change::Cancel { actor, client_id } => {
                self.keys.insert((*actor, client_id.clone()));
            }
            Change::Open { actor, open } => self.add_open(*actor, open),
            Change::Mark { actor, conversation, read, .. } => self.add_mark(*actor, *conversation, *read),
            Change::Clear { actor, conversation, seq } => self.add_mark(*actor, *conversation, *seq),
            Change::UpdateSettings { actor, conversation, patch } => self.add_settings(*actor, *conversation, patch),
            Change::SetBlocked { actor, user, .. } => self.add_block(*actor, *user),
            Change::Report { actor, report } => self.add_report(*actor, report),
            Change::SettleReport { actor, report, .. } => self.add_settlement(*actor, *report),
            Change::ReadWarning { actor, report } => self.add_report_of(*actor, *report),
            Change::SetModerator { user, .. } => {
                self.users.insert(*user);
                self.moderators = true;
            }
            Change::AddMembers { actor, conversation, users, .. } => self.add_members(*actor, *conversation, users),
            Change::UpdateConversation { actor, conversation, .. } => {
                self.places.insert((*conversation, *actor));
                self.contexts_of.insert(*conversation);
            }
            Change::UpdateMember { actor, conversation, user, role } => {
                self.add_role(*actor, *conversation, *user, *role);
            }
            Change::RemoveMember { actor, conversation, user } => self.add_leaving(*actor, *conversation, *user),
            Change::AddUser { login, .. } => {
                self.logins.insert(login.clone());
            }
            Change::PutUser(host) => self.add_host_user(host),
            Change::UpdateProfile { user, profile } => self.add_profile(*user, profile),
            Change::SetLogin { user, login } => {
                self.users.insert(*user);
                self.logins.insert(login.clone());
            }
            Change::DeleteUser { user } => self.add_deletion(*user),
            Change::SetPassword { user, .. }
            | Change::UpgradePassword { user, .. }
            | Change::EndSessions { user, .. }
            | Change::SetDisabled { user, .. } => {
                self.users.insert(*user);
            }
            Change::PutContext { context, roles } => {
                self.add_context(&context.key);
                self.users.extend(roles.iter().map(|(user, _)| *user));
            }
            Change::CloseContext { key, .. } => self.add_context(key),
            Change::PutHostMessage(put) => self.add_host_put(put),
            Change::RemoveHostMessage { row } => self.host_removals.extend([row.clone()]),
        }
    }

    fn add_block(&mut self, actor: UserId, user: UserId) {
        self.add_pair(actor, user);
        self.blocks.insert((actor, user));
    }

    fn add_report_of(&mut self, actor: UserId, report: ReportId) {
        self.users.insert(actor);
        self.reports.insert(report);
    }

    fn add_settlement(&mut self, actor: UserId, report: ReportId) {
        self.add_report_of(actor, report);
        self.moderators = true;
        self.settling += 1;
        self.uncounting += 1;
    }

    fn add_deletion(&mut self, user: UserId) {
        self.users.insert(user);
        self.memberships_of.insert(user);
    }

    fn add_leaving(&mut self, actor: UserId, conversation: ConversationId, user: UserId) {
        self.places.extend([(conversation, actor), (conversation, user)]);
        self.whole.insert(conversation);
        self.users.insert(user);
        self.drafts.insert((user, conversation));
    }

    fn add_host_user(&mut self, host: &HostUser) {
        self.external_users.insert(host.external_id.clone());
        self.logins.extend(host.logins());
    }

    fn add_profile(&mut self, user: UserId, profile: &ProfileUpdate) {
        self.users.insert(user);
        if profile.is_shown() || profile.receipts.is_some() {
            self.memberships_of.insert(user);
        }
    }

    fn add_host_put(&mut self, put: &HostMessage) {
        let target = DirectTarget::User(put.recipient);
        let direct = Direct { actor: put.sender, context: put.context.clone(), target };
        self.contexts.extend(put.context.as_ref().map(pair));
        self.users.extend([put.sender, put.recipient]);
        self.messages.extend(put.sent_as);
        self.files.extend(put.files.iter().flatten());
        self.directs.push(direct.clone());
        self.host_puts.push(HostPut {
            row: put.row.clone(),
            direct,
            recipient: put.recipient,
            sent_as: put.sent_as,
            is_read: put.is_read,
            hidden: (put.hidden_by_sender, put.hidden_by_recipient),
        });
    }

    /// Adds what the rows of the host need, now that it is known which messages they have.
    #[must_use]
    pub fn with_host_rows(&self, known: &HashMap<HostRowKey, HostRowCopy>) -> Cow<'_, Self> {
        if self.host_puts.is_empty() && self.host_removals.is_empty() {
            return Cow::Borrowed(self);
        }
        let mut plan = self.clone();
        for row in self.host_removals.iter().filter_map(|row| known.get(row)) {
            plan.add_message_of_pair(row.place, row.sender, row.recipient);
        }
        for put in &self.host_puts {
            let row = known.get(&put.row);
            let pair = row.map_or((put.direct.actor, put.recipient), |row| (row.sender, row.recipient));
            let place = row.map_or(put.sent_as, |row| row.place);
            plan.add_message_of_pair(place, pair.0, pair.1);
            let before = row
                .map_or((false, (false, false)), |row| (row.is_read, (row.hidden_by_sender, row.hidden_by_recipient)));
            if let Some((conversation, _)) = place.filter(|_| before != (put.is_read, put.hidden)) {
                plan.marks.extend([pair.0, pair.1].map(|user| (conversation, user, Seq(0))));
            }
        }
        Cow::Owned(plan)
    }

    /// Adds what the changes of reports need, now that these are known.
    #[must_use]
    pub fn with_reports(&self, state: &State) -> Cow<'_, Self> {
        if !self.moderators && self.reports.is_empty() {
            return Cow::Borrowed(self);
        }
        let mut plan = self.clone();
        plan.users.extend(&state.moderators);
        plan.users.extend(state.reports.values().flat_map(ReportRow::users));
        for ((_, key), rows) in &state.report_copies {
            plan.users.extend(rows.iter().filter(|row| row.seq == key.1).map(|row| row.sender));
        }
        let settled = self.reports.iter().filter(|_| self.settling > 0).filter_map(|id| state.reports.get(id));
        for row in settled {
            let (conversation, seq) = (row.conversation, row.seq);
            // It needs no particular member: user 0 does not exist, and all members are loaded where there are few.
            plan.places.insert((conversation, UserId(0)));
            plan.messages.insert((conversation, seq));
            let marked = self.marks.iter().filter(|(place, ..)| *place == conversation);
            plan.hidden.extend(marked.map(|(_, user, _)| (*user, conversation, seq, seq)));
        }
        Cow::Owned(plan)
    }

    fn add_report(&mut self, actor: UserId, report: &NewReport) {
        self.add_message(actor, report.conversation, report.seq);
        self.users.insert(actor);
        self.reportings.insert((actor, (report.conversation, report.seq)));
        self.moderators = true;
    }

    fn add_message_of_pair(&mut self, place: Option<MessageKey>, sender: UserId, recipient: UserId) {
        let Some((conversation, seq)) = place else { return };
        self.messages.insert((conversation, seq));
        for user in [sender, recipient] {
            self.places.insert((conversation, user));
            self.hidden.insert((user, conversation, seq, seq));
        }
        self.uncounting += 1;
    }

    fn add_send(&mut self, actor: UserId, conversation: ConversationId, client_id: &str, content: &Content) {
        self.files.extend(&content.attachments);
        self.keys.insert((actor, client_id.to_owned()));
        self.places.insert((conversation, actor));
        self.places.extend(content.mentions.iter().map(|mention| (conversation, mention.user)));
        if let Some(seq) = content.reply_to {
            self.add_message(actor, conversation, seq);
        }
        if content.draft.is_some() {
            self.users.insert(actor);
            self.drafts.insert((actor, conversation));
        }
    }

    fn add_draft(&mut self, actor: UserId, conversation: ConversationId, draft: &DraftUpdate) {
        self.places.insert((conversation, actor));
        self.places.extend(draft.mentions.iter().map(|mention| (conversation, mention.user)));
        self.users.insert(actor);
        self.drafts.insert((actor, conversation));
        self.drafting.insert(actor);
    }

    fn add_forward(&mut self, actor: UserId, conversation: ConversationId, client_id: &str, from: MessagePlace) {
        self.keys.insert((actor, client_id.to_owned()));
        self.places.insert((conversation, actor));
        self.add_message(actor, from.conversation, from.seq);
    }

    fn add_hide(&mut self, actor: UserId, conversation: ConversationId, seq: Seq) {
        self.add_message(actor, conversation, seq);
        self.users.insert(actor);
        self.marks.push((conversation, actor, Seq(0)));
        self.uncounting += 1;
    }

    fn add_members(&mut self, actor: UserId, conversation: ConversationId, users: &[UserId]) {
        self.places.insert((conversation, actor));
        self.places.extend(users.iter().map(|user| (conversation, *user)));
        self.coming.extend(users.iter().map(|user| (conversation, *user)));
        self.add_users(actor, users);
    }

    fn add_context(&mut self, key: &ContextKey) {
        self.about.insert(pair(key));
        self.contexts.insert(pair(key));
    }

    fn add_open(&mut self, actor: UserId, open: &Open) {
        self.keys.insert((actor, open.client_id.clone()));
        self.users.insert(actor);
        self.counted.insert(actor);
        self.contexts.extend(open.context.as_ref().map(pair));
        let target = match (&open.user, &open.role) {
            (Some(user), _) => Some(DirectTarget::User(*user)),
            (None, Some(role)) => Some(DirectTarget::Role(role.clone())),
            (None, None) => None,
        };
        if let Some(user) = open.user {
            self.add_users(actor, &[user]);
        }
        if let Some(target) = target {
            self.directs.push(Direct { actor, context: open.context.clone(), target });
            self.openers.insert(actor);
        }
        if let Some(group) = &open.group {
            self.add_users(actor, &group.users);
            self.openers.insert(actor);
        }
    }

    fn add_users(&mut self, actor: UserId, users: &[UserId]) {
        self.users.insert(actor);
        for &user in users {
            self.add_pair(actor, user);
            self.counted.insert(user);
        }
    }

    fn add_pair(&mut self, actor: UserId, user: UserId) {
        self.users.extend([actor, user]);
        self.pairs.insert((actor.min(user), actor.max(user)));
    }
}

fn pair(key: &ContextKey) -> (String, String) {
    (key.kind.clone(), key.id.clone())
}

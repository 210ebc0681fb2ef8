//! A client's copy of a conversation: its last known state and its loaded messages.

use super::message_run::MessageRun;
use parlor_protocol::{
    event::Event,
    ids::{Seq, UserId, Version},
    model::{Conversation, Member, Message},
    reply::{Changes, Marker, MessagePage},
};

/// "99+"
const UNREAD_MAX: u32 = 100;

/// Pages of changes, collected until the last one arrives.
#[derive(Clone, Debug, Default)]
struct PartialChanges {
    version: Version,
    is_reset: bool,
    messages: Vec<Message>,
    quoted: Vec<Message>,
}

#[derive(Clone, Debug)]
pub(super) struct ConversationCopy {
    pub(super) conversation: Conversation,
    pub(super) messages: MessageRun,
    /// Whether to load messages.
    pub(super) is_open: bool,
    /// The user has cleared the conversation up to here.
    cleared_seq: Seq,
    /// The version at which `unread` was counted.
    unread_version: Version,
    partial: Option<PartialChanges>,
}

impl ConversationCopy {
    pub(super) fn new(conversation: Conversation) -> Self {
        let (messages, unread_version) = (MessageRun::default(), conversation.version);
        Self { conversation, messages, is_open: false, cleared_seq: Seq(0), unread_version, partial: None }
    }

    /// Iterates over the messages of the changes collected so far.
    pub(super) fn partial_messages(&self) -> impl Iterator<Item = &Message> {
        self.partial.iter().flat_map(|partial| &partial.messages)
    }

    /// Whether the collected changes are a reset: too much changed to list it all.
    pub(super) fn is_partial_reset(&self) -> bool {
        self.partial.as_ref().is_some_and(|partial| partial.is_reset)
    }

    pub(super) fn own_member(&self, user: UserId) -> Option<&Member> {
        self.conversation.members.iter().find(|member| member.user.id == user)
    }

    /// The version from which to request changes.
    pub(super) fn changes_since(&self) -> Version {
        self.partial.as_ref().map_or(self.conversation.version, |partial| partial.version)
    }

    /// Whether the loaded messages reach the newest one that this copy knows of.
    pub(super) fn has_newest_messages(&self, user: UserId) -> bool {
        match self.messages.last() {
            Some(seq) => seq >= self.conversation.last_seq,
            None => self.conversation.last_seq < self.history_start(user),
        }
    }

    /// The first `seq` that the user may see.
    fn history_start(&self, user: UserId) -> Seq {
        let from = self.own_member(user).map_or(Seq(1), |own| own.history_from.max(Seq(1)));
        from.max(Seq(self.cleared_seq.0 + 1))
    }

    /// Drops what the user has cleared.
    pub(super) fn clear_up_to(&mut self, seq: Seq, user: UserId) {
        self.cleared_seq = self.cleared_seq.max(seq);
        self.drop_cleared(user);
    }

    fn drop_cleared(&mut self, user: UserId) {
        let cleared_seq = self.cleared_seq;
        self.messages.retain_from(self.history_start(user));
        self.conversation.last_message.take_if(|last| last.seq <= cleared_seq);
        if self.conversation.mention_seq <= cleared_seq {
            self.conversation.mention_seq = Seq(0);
        }
    }

    /// Hides a message that the user deleted for themselves. False if the newest message, the newest mention or `unread`
    /// is unknown after it.
    pub(super) fn hide(&mut self, seq: Seq) -> bool {
        self.messages.hide(seq);
        let was_last = self.conversation.last_message.as_ref().is_some_and(|message| message.seq == seq);
        if was_last {
            self.conversation.last_message = None;
        }
        !was_last && self.conversation.mention_seq != seq
    }

    /// Hides a message, with the user's markers at the version of the event.
    pub(super) fn apply_hidden(&mut self, seq: Seq, marker: &Marker, version: Version, user: UserId) -> bool {
        let is_known = self.hide(seq) && self.own_member(user).is_some_and(|own| own.read_seq == marker.read_seq);
        if !is_known || version < self.conversation.version {
            return false;
        }
        self.conversation.unread = marker.unread;
        self.unread_version = version;
        true
    }

    /// Forgets that a message is hidden, and drops all messages, so that they are fetched again.
    pub(super) fn unhide(&mut self, seq: Seq) {
        self.messages.unhide(seq);
        self.clear();
    }

    /// Whether a message mentions the user, and may be seen by them as far as is known.
    fn is_mention(&self, message: &Message, user: UserId) -> bool {
        mentions(message, user) && !self.messages.is_hidden(message.seq) && message.seq > self.cleared_seq
    }

    /// Accounts for the mentions of a new message.
    fn apply_new_mentions(&mut self, message: &Message, user: UserId) {
        if self.is_mention(message, user) {
            self.conversation.mention_seq = message.seq.max(self.conversation.mention_seq);
        }
    }

    /// Whether the newest mention is still known after a message has changed. A later one that mentions the user now may
    /// be one that they hid before it was loaded, which only the server knows.
    fn knows_newest_mention(&self, message: &Message, user: UserId) -> bool {
        let newest = self.conversation.mention_seq;
        if self.is_mention(message, user) { message.seq <= newest } else { message.seq != newest }
    }

    /// Applies a changed message. False if `unread` is unknown after it, because a message that is gone may have been
    /// unread, or if the newest message or the newest mention is unknown.
    fn apply_update(&mut self, message: Message, version: Version, user: UserId) -> bool {
        let was_hidden = self.messages.is_hidden(message.seq);
        self.messages.update(&message);
        let own_read_seq = self.own_member(user).map_or(Seq(0), |own| own.read_seq);
        let is_known = !(message.deleted || message.hidden)
            || message.sender == user
            || message.seq <= own_read_seq
            || version <= self.unread_version
            || was_hidden;
        let is_known = self.knows_newest_mention(&message, user) && is_known;
        let last = self.conversation.last_message.as_mut();
        let Some(last) = last.filter(|last| last.seq == message.seq && last.version < message.version) else {
            return is_known;
        };
        if message.hidden {
            self.conversation.last_message = None;
            return false;
        }
        *last = message;
        is_known
    }

    /// Applies the next event. False if the conversation must be fetched again, because the user's own marker, which
    /// events for everyone may omit, or `unread` is unknown after it.
    pub(super) fn apply_event(
        &mut self,
        event: Event,
        version: Version,
        (user, is_large): (UserId, bool),
        shown: &mut Vec<Message>,
    ) -> bool {
        let mut is_whole = true;
        match event {
            Event::MessageCreated { message, sender, sender_read_seq, .. } => {
                is_whole = message.sender != user || sender_read_seq.is_some();
                // If something else than this message moved the user's marker, another event reports it with `unread`.
                let moves_own_marker = message.sender != user || sender_read_seq == Some(message.seq);
                if let Some(member) = self.conversation.members.iter_mut().find(|it| it.user.id == sender.id) {
                    // A sender who had received everything before it has received it.
                    if !is_large && member.delivered_seq.0 + 1 == message.seq.0 {
                        member.delivered_seq = message.seq;
                    }
                    if moves_own_marker && let Some(read_seq) = sender_read_seq.filter(|it| *it > member.read_seq) {
                        member.read_seq = read_seq;
                        member.read_at = Some(message.created_at.clone());
                        member.delivered_seq = member.delivered_seq.max(read_seq);
                    }
                    if sender.version > member.user.version {
                        member.user = sender;
                    }
                }
                self.count_unread(message.sender != user, moves_own_marker, version);
                self.append(message, user, shown);
            }
            Event::MessageUpdated { message, .. } => is_whole = self.apply_update(message, version, user),
            Event::MembersUpdated { members, member_count, unread, message, .. } => {
                if members.iter().any(|member| member.user.id == user)
                    && version > self.unread_version
                    && let Some(unread) = unread
                {
                    self.conversation.unread = unread;
                    self.unread_version = version;
                }
                self.conversation.member_count = member_count;
                self.apply_members_and_line(members, message, user, shown);
            }
            Event::ConversationUpdated { title, picture, context, members, message, .. } => {
                self.conversation.title = title;
                self.conversation.picture = picture;
                self.conversation.context = context;
                self.apply_members_and_line(members, message, user, shown);
            }
            // These say nothing more than the version, or belong to another scope.
            Event::ConversationCreated { .. }
            | Event::MessageHidden { .. }
            | Event::MarkerUpdated { .. }
            | Event::MeUpdated { .. }
            | Event::SettingsUpdated { .. }
            | Event::BlockUpdated { .. }
            | Event::DraftUpdated { .. }
            | Event::ReportUpdated { .. }
            | Event::WarningCreated { .. }
            | Event::WarningRead { .. }
            | Event::ScopeAdvanced { .. }
            | Event::ScopeChanged { .. }
            | Event::TypingChanged { .. }
            | Event::PresenceChanged { .. }
            | Event::UploadProgress { .. } => {}
        }
        self.conversation.version = version;
        is_whole
    }

    /// Counts a new message, unless `unread` includes it.
    fn count_unread(&mut self, is_of_another: bool, moves_own_marker: bool, version: Version) {
        if version <= self.unread_version {
            return;
        }
        self.unread_version = version;
        if is_of_another {
            self.conversation.unread = UNREAD_MAX.min(self.conversation.unread + 1);
        } else if moves_own_marker {
            self.conversation.unread = 0;
        }
    }

    fn apply_members_and_line(
        &mut self,
        members: Vec<Member>,
        line: Option<Message>,
        user: UserId,
        shown: &mut Vec<Message>,
    ) {
        self.apply_members(members, user);
        if let Some(line) = line {
            self.append(line, user, shown);
        }
    }

    /// Appends a message or a system line.
    fn append(&mut self, message: Message, user: UserId, shown: &mut Vec<Message>) {
        self.apply_new_mentions(&message, user);
        self.conversation.activity = message.version;
        self.conversation.last_seq = message.seq;
        if !self.messages.is_hidden(message.seq) {
            self.conversation.last_message = Some(message.clone());
        }
        self.add(message, user, shown);
    }

    /// Applies member rows. The user's own markers never move back: rows for everyone may omit them.
    fn apply_members(&mut self, members: Vec<Member>, user: UserId) {
        for mut member in members {
            let rows = &mut self.conversation.members;
            let before = rows.iter().position(|other| other.user.id == member.user.id).map(|index| rows.remove(index));
            if let Some(before) = before.filter(|before| member.user.id == user && before.read_seq > member.read_seq) {
                member.read_seq = before.read_seq;
                member.read_at = before.read_at;
            }
            if !member.left {
                rows.push(member);
            }
        }
    }

    /// Applies the user's own marker, reported in another scope. False if `unread` is unknown after it.
    pub(super) fn apply_marker(&mut self, marker: &Marker, version: Version, user: UserId) -> bool {
        let Some(own) = self.conversation.members.iter_mut().find(|member| member.user.id == user) else {
            return true;
        };
        own.delivered_seq = own.delivered_seq.max(marker.delivered_seq);
        if marker.read_seq <= own.read_seq {
            return true;
        }
        own.read_seq = marker.read_seq;
        own.read_at.clone_from(&marker.read_at);
        if version < self.conversation.version {
            return false;
        }
        self.conversation.unread = marker.unread;
        self.unread_version = version;
        true
    }

    /// Replaces the conversation by a state that is not older. False if that state has older markers of the user.
    pub(super) fn replace(&mut self, conversation: Conversation, user: UserId) -> bool {
        let before = self.own_member(user).map(|own| (own.read_seq, own.read_at.clone(), own.delivered_seq));
        self.partial = None;
        let unread_version = conversation.version;
        let old = std::mem::replace(&mut self.conversation, conversation);
        let same_version = old.version == self.conversation.version;
        if self.conversation.last_message.as_ref().is_some_and(|last| self.messages.is_hidden(last.seq)) {
            // This state was read before the message was hidden; hiding it has marked the conversation as stale.
            self.conversation.last_message = None;
        }
        self.drop_cleared(user);
        let Some(own) = self.conversation.members.iter_mut().find(|member| member.user.id == user) else {
            return true;
        };
        let (read_seq, read_at, delivered_seq) = before.unwrap_or_default();
        own.delivered_seq = own.delivered_seq.max(delivered_seq);
        if read_seq > own.read_seq {
            own.read_seq = read_seq;
            own.read_at = read_at;
            if same_version {
                self.conversation.unread = old.unread;
            }
            return same_version;
        }
        self.unread_version = unread_version;
        true
    }

    /// Applies changes if they start at or before this copy's version; those that come with heads do (`follows`).
    /// True if the copy is complete after it.
    pub(super) fn apply_changes(
        &mut self,
        changes: Changes,
        follows: bool,
        user: UserId,
        shown: &mut Vec<Message>,
    ) -> bool {
        if (changes.since > self.changes_since() && !follows) || changes.version <= self.conversation.version {
            return false;
        }
        let mut partial = self.partial.take().unwrap_or_default();
        if changes.reset {
            partial = PartialChanges { is_reset: true, ..PartialChanges::default() };
        }
        partial.messages.extend(changes.messages);
        partial.quoted.extend(changes.quoted);
        partial.version = changes.version;
        let Some(conversation) = changes.conversation.filter(|_| !changes.more) else {
            self.partial = Some(partial);
            return false;
        };
        let is_whole = self.replace(conversation, user);
        if partial.is_reset {
            let page = if self.is_open { partial.messages } else { Vec::new() };
            self.messages.reset(page, self.conversation.version, shown);
        } else {
            // They arrive in the order of versions and are added in the order of `seq`.
            partial.messages.sort_by_key(|message| message.seq);
            for message in partial.messages {
                self.add(message, user, shown);
            }
        }
        if self.is_open {
            self.messages.apply_quoted(partial.quoted);
        }
        self.messages.retain_from(self.history_start(user));
        is_whole
    }

    /// Drops the messages, so that they are fetched again.
    pub(super) fn clear(&mut self) {
        self.messages.clear();
        self.partial = None;
    }

    /// Adds a page of messages.
    pub(super) fn apply_page(&mut self, page: MessagePage, user: UserId, shown: &mut Vec<Message>) {
        let next = self.is_open.then(|| self.history_start(user));
        self.messages.apply_page(page, next, shown);
        self.messages.retain_from(self.history_start(user));
    }

    /// Adds a message that others answer.
    pub(super) fn apply_quote_page(&mut self, seq: Seq, page: MessagePage, user: UserId) {
        self.messages.apply_quote_page(seq, page);
        self.messages.retain_from(self.history_start(user));
    }

    /// Adds a message, if it follows the loaded ones.
    fn add(&mut self, message: Message, user: UserId, shown: &mut Vec<Message>) {
        let next = self.is_open.then(|| self.history_start(user));
        self.messages.add(message, next, shown);
    }
}

/// Whether a message of another user mentions the user.
fn mentions(message: &Message, user: UserId) -> bool {
    message.sender != user && message.mentions.iter().any(|mention| mention.user == user)
}

//! One conversation as a client holds it: the whole as it was last read, and its messages.

use super::messages::Messages;
use parlor_protocol::{
    event::Event,
    ids::{Seq, UserId, Version},
    model::{Conversation, Member, Message},
    reply::{Changes, Marker, MessagePage},
};

/// "99+"
const UNREAD_MAX: u32 = 100;

/// Pages of changes that wait for their last one.
#[derive(Clone, Debug, Default)]
struct Partial {
    through: Version,
    is_reset: bool,
    messages: Vec<Message>,
    quoted: Vec<Message>,
}

#[derive(Clone, Debug)]
pub(super) struct Held {
    pub(super) conversation: Conversation,
    pub(super) messages: Messages,
    /// Messages are wanted.
    pub(super) is_open: bool,
    /// The version at which `unread` is true.
    unread_version: Version,
    partial: Option<Partial>,
}

impl Held {
    pub(super) fn new(conversation: Conversation) -> Self {
        let unread_version = conversation.version;
        Self { conversation, messages: Messages::default(), is_open: false, unread_version, partial: None }
    }

    /// The messages of pages of changes that wait for their last one.
    pub(super) fn partial_messages(&self) -> impl Iterator<Item = &Message> {
        self.partial.iter().flat_map(|partial| &partial.messages)
    }

    /// Whether too much changed for these pages to tell all of it.
    pub(super) fn is_partly_reset(&self) -> bool {
        self.partial.as_ref().is_some_and(|partial| partial.is_reset)
    }

    pub(super) fn own(&self, user: UserId) -> Option<&Member> {
        self.conversation.members.iter().find(|member| member.user.id == user)
    }

    /// The version from which to ask for changes.
    pub(super) fn through(&self) -> Version {
        self.partial.as_ref().map_or(self.conversation.version, |partial| partial.through)
    }

    /// Whether the run of messages goes up to the newest, as far as this copy knows of one.
    pub(super) fn reaches_end(&self, user: UserId) -> bool {
        match self.messages.last() {
            Some(seq) => seq >= self.conversation.last_seq,
            None => self.conversation.last_seq < self.first(user),
        }
    }

    /// Where the history that I may see begins.
    fn first(&self, user: UserId) -> Seq {
        Seq(self.own(user).map_or(1, |own| own.history_from.0.max(1)))
    }

    /// Deleted for myself. False when the newest message or the number of unread ones is then not known.
    pub(super) fn hide(&mut self, seq: Seq) -> bool {
        self.messages.hide(seq);
        let was_last = self.conversation.last_message.as_ref().is_some_and(|message| message.seq == seq);
        if was_last {
            self.conversation.last_message = None;
        }
        !was_last
    }

    /// The same, with my markers as they were when it was told.
    pub(super) fn take_hidden(&mut self, seq: Seq, marker: &Marker, version: Version, user: UserId) -> bool {
        let is_known = self.hide(seq) && self.own(user).is_some_and(|own| own.read_seq == marker.read_seq);
        if !is_known || version < self.conversation.version {
            return false;
        }
        self.conversation.unread = marker.unread;
        self.unread_version = version;
        true
    }

    /// Takes a message that changed. False when the number of unread messages is then not known: what was deleted may
    /// have been among them.
    fn take_changed(&mut self, message: Message, version: Version, user: UserId) -> bool {
        self.messages.update(&message);
        let own_read_seq = self.own(user).map_or(Seq(0), |own| own.read_seq);
        let is_known = !message.deleted
            || message.sender == user
            || message.seq <= own_read_seq
            || version <= self.unread_version
            || self.messages.is_hidden(message.seq);
        let last = self.conversation.last_message.as_mut();
        if let Some(last) = last.filter(|last| last.seq == message.seq && last.version < message.version) {
            *last = message;
        }
        is_known
    }

    /// Applies an event that follows on this copy. False when the whole must be asked for: my own marker is not known,
    /// since what is told to all does not tell it, or what is unread is not.
    pub(super) fn apply(
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
                // My own marker, moved otherwise than by this message, is told by its own event with what is unread.
                let is_marker_told_here = message.sender != user || sender_read_seq == Some(message.seq);
                if let Some(member) = self.conversation.members.iter_mut().find(|it| it.user.id == sender.id) {
                    // Whoever had received all before it has received it.
                    if !is_large && member.delivered_seq.0 + 1 == message.seq.0 {
                        member.delivered_seq = message.seq;
                    }
                    if is_marker_told_here && let Some(read_seq) = sender_read_seq.filter(|it| *it > member.read_seq) {
                        member.read_seq = read_seq;
                        member.read_at = Some(message.created_at.clone());
                        member.delivered_seq = member.delivered_seq.max(read_seq);
                    }
                    if sender.version > member.user.version {
                        member.user = sender;
                    }
                }
                if version > self.unread_version {
                    self.unread_version = version;
                    if message.sender != user {
                        self.conversation.unread = UNREAD_MAX.min(self.conversation.unread + 1);
                    } else if is_marker_told_here {
                        self.conversation.unread = 0;
                    }
                }
                self.take_newest(message, user, shown);
            }
            Event::MessageUpdated { message, .. } => is_whole = self.take_changed(message, version, user),
            Event::MembersUpdated { members, member_count, unread, message, .. } => {
                if members.iter().any(|member| member.user.id == user)
                    && version > self.unread_version
                    && let Some(unread) = unread
                {
                    self.conversation.unread = unread;
                    self.unread_version = version;
                }
                self.conversation.member_count = member_count;
                self.take_members(members, user);
                if let Some(line) = message {
                    self.take_newest(line, user, shown);
                }
            }
            Event::ConversationUpdated { title, picture, context, members, message, .. } => {
                self.conversation.title = title;
                self.conversation.picture = picture;
                self.conversation.context = context;
                self.take_members(members, user);
                if let Some(line) = message {
                    self.take_newest(line, user, shown);
                }
            }
            _ => {}
        }
        self.conversation.version = version;
        is_whole
    }

    /// A message or a line of the system at the end.
    fn take_newest(&mut self, message: Message, user: UserId, shown: &mut Vec<Message>) {
        self.conversation.activity = message.version;
        self.conversation.last_seq = message.seq;
        if !self.messages.is_hidden(message.seq) {
            self.conversation.last_message = Some(message.clone());
        }
        self.add(message, user, shown);
    }

    /// Takes rows of members. My own markers never move back: a row that was told to many does not tell them.
    fn take_members(&mut self, members: Vec<Member>, user: UserId) {
        for mut member in members {
            let held = &mut self.conversation.members;
            let before = held.iter().position(|other| other.user.id == member.user.id).map(|index| held.remove(index));
            if let Some(before) = before.filter(|before| member.user.id == user && before.read_seq > member.read_seq) {
                member.read_seq = before.read_seq;
                member.read_at = before.read_at;
            }
            if !member.left {
                held.push(member);
            }
        }
    }

    /// Takes my marker from another scope; false when the number of unread messages is then not known.
    pub(super) fn take_marker(&mut self, marker: &Marker, version: Version, user: UserId) -> bool {
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

    /// Replaces the copy by one that is not older. False when it knows less of my markers than this one did.
    pub(super) fn replace(&mut self, conversation: Conversation, user: UserId) -> bool {
        let before = self.own(user).map(|own| (own.read_seq, own.read_at.clone(), own.delivered_seq));
        self.partial = None;
        let unread_version = conversation.version;
        let old = std::mem::replace(&mut self.conversation, conversation);
        let same_version = old.version == self.conversation.version;
        if self.conversation.last_message.as_ref().is_some_and(|last| self.messages.is_hidden(last.seq)) {
            // This copy was read before: whoever hid it asks again.
            self.conversation.last_message = None;
        }
        let Some(own) = self.conversation.members.iter_mut().find(|member| member.user.id == user) else {
            return true;
        };
        self.messages.retain_from(own.history_from);
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

    /// Applies changes if they follow on this copy, as is known of those that came with heads; true when the copy is
    /// then whole again.
    pub(super) fn take_changes(
        &mut self,
        changes: Changes,
        follows: bool,
        user: UserId,
        shown: &mut Vec<Message>,
    ) -> bool {
        if (changes.since > self.through() && !follows) || changes.version <= self.conversation.version {
            return false;
        }
        let mut partial = self.partial.take().unwrap_or_default();
        if changes.reset {
            partial = Partial { is_reset: true, ..Partial::default() };
        }
        partial.messages.extend(changes.messages);
        partial.quoted.extend(changes.quoted);
        partial.through = changes.version;
        let Some(conversation) = changes.conversation.filter(|_| !changes.more) else {
            self.partial = Some(partial);
            return false;
        };
        let is_whole = self.replace(conversation, user);
        if partial.is_reset {
            let page = if self.is_open { partial.messages } else { Vec::new() };
            self.messages.begin_anew(page, self.conversation.version, shown);
        } else {
            // By version they came; by place they are added.
            partial.messages.sort_by_key(|message| message.seq);
            for message in partial.messages {
                self.add(message, user, shown);
            }
        }
        if self.is_open {
            self.messages.take_quoted(partial.quoted);
        }
        is_whole
    }

    /// Drops the messages, which are to be asked for again.
    pub(super) fn clear(&mut self) {
        self.messages.clear();
        self.partial = None;
    }

    /// Adds a page to the run where it follows on it or lies in it.
    pub(super) fn take_page(&mut self, page: MessagePage, user: UserId, shown: &mut Vec<Message>) {
        let next = self.is_open.then(|| self.first(user));
        self.messages.take_page(page, next, shown);
    }

    /// Adds a message to the end of the run, if it belongs there.
    fn add(&mut self, message: Message, user: UserId, shown: &mut Vec<Message>) {
        let next = self.is_open.then(|| self.first(user));
        self.messages.add(message, next, shown);
    }
}

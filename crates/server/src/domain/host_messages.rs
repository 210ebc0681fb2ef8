//! Makes the store equal to rows of the host's message table.
//!
//! A row is compared with what the host had when it was last read, not with the message: only what the host has changed
//! since then is applied. So a row that was read before a user's edit reached the host does not revert that edit.
//!
//! Invariants: a row has at most one message, and a message at most one row; the same row again changes nothing and
//! publishes nothing; the message of a removed row keeps its place and nothing else; markers never move back.

use super::{
    change::{HostMessage, HostRowKey, Mirrored, Outcome},
    conversations::{direct_key, new_row},
    decide::{At, Decided, Outgoing, Rules},
    host_content::{HostContent, host_text},
    messages::NewMessage,
    rows::{ConversationRow, Details, HostRowCopy},
    state::{MessageKey, State},
};
use crate::channel_layer::Topic;
use parlor_protocol::{
    error::{Code, Problem},
    event::{Event, Scoped},
    ids::{ConversationId, Scope, Seq, UserId},
    model::ConversationKind,
};
use std::collections::BTreeSet;

/// A member whose unread count changed, perhaps with their markers.
struct Recount {
    conversation: ConversationId,
    user: UserId,
    has_moved: bool,
    is_delivered: bool,
}

/// What a change does that users see.
#[derive(Default)]
struct Effects {
    /// The message that was added, and its position in the scope.
    added: Option<(MessageKey, Scoped)>,
    /// Its conversation is new.
    is_opened: bool,
    /// Messages that were changed or removed.
    changed: BTreeSet<MessageKey>,
    recount: Option<Recount>,
    /// The users for whom the message was hidden (true) or is shown again.
    hidden: Vec<(UserId, bool)>,
}

impl State {
    pub(super) fn put_host_message(&mut self, put: &HostMessage, rules: &Rules, at: At) -> Result<Decided, Problem> {
        let is_new = !self.host_rows.contains_key(&put.row);
        let known = self.known_row(put);
        let known_place = known.as_ref().and_then(|row| row.place);
        let mut effects = Effects::default();
        let place = if put.sender == put.recipient {
            None
        } else {
            let conversation = self.conversation_for(put, &mut effects, at)?;
            let content = HostContent::of(put, rules.limits.text_chars_max, rules.limits.subject_chars_max);
            let is_here =
                |row: &&HostRowCopy| row.sender == put.sender && row.place.is_some_and(|it| it.0 == conversation);
            match known.as_ref().filter(is_here).and_then(|row| row.place.map(|place| (row, place))) {
                Some((row, place)) => {
                    self.update_message(place, put, row, content, &mut effects, rules, at);
                    Some(place)
                }
                None => Some(self.add_for_row(conversation, put, content, &mut effects, rules, at)?),
            }
        };
        if let Some(old) = known_place.filter(|old| Some(*old) != place) {
            self.remove_message(old, &mut effects);
        }
        self.put_host_row(row_of(put, place, rules));
        let outgoing = self.publish_effects(effects, place, rules, at);
        let message = place.map(|key| Box::new(self.messages[&key].message()));
        let changed = !outgoing.is_empty();
        Ok(Decided { outcome: Outcome::Mirrored(Mirrored { message, is_new, changed }), outgoing })
    }

    pub(super) fn remove_host_message(&mut self, row: &HostRowKey, rules: &Rules, at: At) -> Decided {
        let mut effects = Effects::default();
        if let Some(known) = self.host_rows.remove(row) {
            self.changed_host_rows.insert(row.clone());
            if let Some(place) = known.place {
                self.host_rows_by_message.remove(&place);
                self.remove_message(place, &mut effects);
            }
        }
        let outgoing = self.publish_effects(effects, None, rules, at);
        let changed = !outgoing.is_empty();
        Decided { outcome: Outcome::Mirrored(Mirrored { message: None, is_new: false, changed }), outgoing }
    }

    /// Returns the row as it was last read. A row that Parlor wrote for a message, and that is seen for the first time,
    /// is one that nobody has read or hidden.
    fn known_row(&self, put: &HostMessage) -> Option<HostRowCopy> {
        if let Some(row) = self.host_rows.get(&put.row) {
            return Some(row.clone());
        }
        let place = put.sent_as.filter(|place| !self.host_rows_by_message.contains_key(place))?;
        let message = self.messages.get(&place).filter(|message| !message.details.removed)?;
        Some(HostRowCopy {
            key: put.row.clone(),
            place: Some(place),
            sender: message.sender,
            recipient: put.recipient,
            text_fingerprint: [0; 16],
            rest_fingerprint: [0; 16],
            is_read: false,
            hidden_by_sender: false,
            hidden_by_recipient: false,
        })
    }

    fn put_host_row(&mut self, row: HostRowCopy) {
        if self.host_rows.get(&row.key) == Some(&row) {
            return;
        }
        if let Some(place) = row.place {
            self.host_rows_by_message.insert(place, row.key.clone());
        }
        self.changed_host_rows.insert(row.key.clone());
        self.host_rows.insert(row.key.clone(), row);
    }

    /// Returns the direct conversation of the pair about the context, opened if there is none. The host has decided
    /// that they write to each other, so no rule and no limit refuses it.
    fn conversation_for(
        &mut self,
        put: &HostMessage,
        effects: &mut Effects,
        at: At,
    ) -> Result<ConversationId, Problem> {
        let absent = |name: &str| Problem::new(Code::NotFound).with_detail(format!("`{name}` does not exist"));
        let context = match &put.context {
            Some(key) => Some(self.contexts.get(key).cloned().ok_or_else(|| absent("context"))?),
            None => None,
        };
        let key = direct_key(context.as_ref().map(|context| context.id), put.sender, put.recipient);
        if let Some(conversation) = self.directs.get(&key) {
            return Ok(*conversation);
        }
        let users = [("sender", put.sender), ("recipient", put.recipient)];
        let users = users.map(|(name, user)| self.users.get(&user).cloned().ok_or_else(|| absent(name)));
        let [Ok(sender), Ok(recipient)] = users else {
            return Err(users.into_iter().find_map(Result::err).unwrap_or_else(|| absent("user")));
        };
        let name = (format!(" host {}", at.version), [0; 16]);
        let row = new_row(ConversationKind::Direct, put.sender, name, context.as_ref(), 2, at);
        let blocking = self.blocking(put.sender, put.recipient);
        let row = ConversationRow { direct_key: Some(key.clone()), blocking, ..row };
        let conversation = row.id;
        self.directs.insert(key, conversation);
        self.add_conversation(row, &[sender, recipient], context.as_ref(), at);
        effects.is_opened = true;
        Ok(conversation)
    }

    fn add_for_row(
        &mut self,
        conversation: ConversationId,
        put: &HostMessage,
        content: HostContent,
        effects: &mut Effects,
        rules: &Rules,
        at: At,
    ) -> Result<MessageKey, Problem> {
        let key = (conversation, Seq(self.conversations[&conversation].last_seq.0 + 1));
        let HostContent { text, subject, attachments: of_host, created_at } = content;
        let attachments = match &put.files {
            Some(files) => self.attachments(put.sender, files, rules)?,
            None => of_host,
        };
        let details = Details { subject, attachments, ..Details::default() };
        let details = self.with_files(details, put.sender, key, rules, at);
        // No client can send one that begins with a space. The version tells it from an earlier message of a row with
        // the same id.
        let client_id = format!(" row {} {}", put.row.id, at.version);
        let is_read = put.is_read;
        let new = NewMessage { client_id, fingerprint: [0; 16], text, details, created_at, is_read };
        let place = self.add_message(conversation, put.sender, new, rules, at);
        effects.added = Some((key, place));
        if is_read {
            effects.recount = Some(self.pass_marker(key, put.recipient, at));
        }
        for (user, is_hidden) in [(put.sender, put.hidden_by_sender), (put.recipient, put.hidden_by_recipient)] {
            if is_hidden {
                self.set_hidden(user, key, true, at.version);
                effects.hidden.push((user, true));
            }
        }
        Ok(key)
    }

    /// Applies what the host has changed since the row was last read.
    #[expect(clippy::too_many_arguments, reason = "a row as it is, as it was, and what comes of it")]
    fn update_message(
        &mut self,
        key: MessageKey,
        put: &HostMessage,
        known: &HostRowCopy,
        content: HostContent,
        effects: &mut Effects,
        rules: &Rules,
        at: At,
    ) {
        let is_bound_now = !self.host_rows.contains_key(&put.row);
        let row = self.messages.get_mut(&key).expect("loaded with its row");
        let is_there = !row.is_uncounted();
        if is_there {
            let HostContent { mut text, subject, attachments, mut created_at } = content;
            if is_bound_now {
                // Parlor wrote the row: it differs by what the host has changed since, unless the message was edited.
                created_at = row.created_at;
                if put.text == host_text(row) {
                    text.clone_from(&row.text);
                }
            }
            let is_older = is_bound_now && row.details.edited_at.is_some();
            let fingerprint = rules.fingerprints.of_host_text(&put.text, put.subject.as_deref());
            let is_other = text != row.text || subject != row.details.subject;
            if fingerprint != known.text_fingerprint && is_other && !is_older {
                (row.text, row.details.subject) = (text, subject);
                row.details.edited_at = Some(at.now_ms);
                self.erases = true;
                effects.changed.insert(key);
            }
            let fingerprint = rules.fingerprints.of_host_rest(put.created_at, &put.attachments);
            let attachments = match put.files {
                Some(_) => row.details.attachments.clone(),
                None => HostContent::beside_stored(&row.details.attachments, attachments),
            };
            let is_same = created_at == row.created_at && attachments == row.details.attachments;
            if fingerprint != known.rest_fingerprint && !is_same {
                (row.created_at, row.details.attachments) = (created_at, attachments);
                self.erases = true;
                effects.changed.insert(key);
            }
        }
        if is_there && put.is_read != known.is_read {
            effects.recount = self.set_read(key, put.recipient, put.is_read, at);
        }
        let flags = [
            (put.sender, put.hidden_by_sender, known.hidden_by_sender),
            (put.recipient, put.hidden_by_recipient, known.hidden_by_recipient),
        ];
        for (user, is_hidden, was_hidden) in flags {
            if is_hidden != was_hidden && is_hidden != self.hidden.contains(&(user, key)) {
                self.set_hidden(user, key, is_hidden, at.version);
                effects.hidden.push((user, is_hidden));
            }
        }
    }

    /// Leaves nothing of a message but its place. One that was deleted stays as it is.
    fn remove_message(&mut self, key: MessageKey, effects: &mut Effects) {
        let row = self.recounted(key);
        if row.is_uncounted() {
            return;
        }
        row.text = String::new();
        row.details = Details { removed: true, ..Details::default() };
        row.is_read = false;
        self.raise_uncounted(key);
        self.erases = true;
        effects.changed.insert(key);
    }

    fn raise_uncounted(&mut self, (conversation, seq): MessageKey) {
        let row = self.conversations.get_mut(&conversation).expect("loaded with its message");
        if row.uncounted_seq < seq {
            row.uncounted_seq = seq;
            self.changed_conversations.insert(conversation);
        }
    }

    /// Sets whether the recipient has read a message in the host, and moves their marker if it can. One that becomes
    /// unread again counts again only after the marker.
    fn set_read(&mut self, key: MessageKey, user: UserId, is_read: bool, at: At) -> Option<Recount> {
        let before = self.marker(key.0, user);
        self.recounted(key).is_read = is_read;
        if !self.new_messages.contains(&key) {
            self.changed_messages.insert(key);
        }
        let mut recount = Recount { conversation: key.0, user, has_moved: false, is_delivered: false };
        if is_read {
            recount = self.pass_marker(key, user, at);
        }
        let is_seen = recount.has_moved || self.marker(key.0, user).unread != before.unread;
        is_seen.then_some(recount)
    }

    /// Moves the recipient's marker to the message before the first one that is unread, after this one became read.
    fn pass_marker(&mut self, key: MessageKey, user: UserId, at: At) -> Recount {
        let (conversation, seq) = key;
        self.raise_uncounted(key);
        let to = self.read_to(conversation, user);
        let member = &self.members[&conversation][&user];
        let has_moved = seq > member.read_seq && to > member.read_seq;
        let is_delivered = has_moved && to > member.delivered_seq;
        if has_moved {
            let member = self.member_mut(conversation, user);
            member.read_seq = to;
            member.read_at = Some(at.now_ms);
            member.delivered_seq = member.delivered_seq.max(to);
        }
        Recount { conversation, user, has_moved, is_delivered }
    }

    /// Returns the last message before the first one that counts as unread after the user's marker; the marker itself
    /// if that is not known.
    fn read_to(&self, conversation: ConversationId, user: UserId) -> Seq {
        let read_seq = self.members[&conversation][&user].read_seq;
        let loaded = self.first_unread.get(&(conversation, user));
        if loaded.is_none() && !self.new_conversations.contains(&conversation) {
            return read_seq;
        }
        let in_batch = self.new_messages.iter().chain(self.were_counted.keys()).copied();
        let in_batch = in_batch.chain(self.rehidden_by(user)).filter(|key| key.0 == conversation).map(|key| key.1);
        let may_count = |seq: Seq| {
            let key = (conversation, seq);
            !self.messages.contains_key(&key) || self.is_counted(user, &key)
        };
        let listed = loaded.into_iter().flat_map(|unread| unread.seqs.iter().copied());
        let first = listed.chain(in_batch).filter(|seq| *seq > read_seq && may_count(*seq)).min();
        let end = loaded.filter(|unread| !unread.is_all).and_then(|unread| unread.seqs.last().copied());
        let known_to = end.unwrap_or(self.conversations[&conversation].last_seq);
        first.map_or(known_to, |seq| Seq(seq.0 - 1).min(known_to))
    }
}

/// What users see of a change.
impl State {
    /// Publishes the effects. A scope in which several things changed at once is fetched: an event has one of them.
    fn publish_effects(&mut self, effects: Effects, place: Option<MessageKey>, rules: &Rules, at: At) -> Vec<Outgoing> {
        let Effects { added, is_opened, changed, recount, hidden } = effects;
        let conversations: BTreeSet<ConversationId> = added
            .iter()
            .map(|(key, _)| key.0)
            .chain(changed.iter().map(|key| key.0))
            .chain(recount.iter().map(|recount| recount.conversation))
            .collect();
        let mut outgoing = Vec::new();
        for conversation in conversations {
            let added = added.filter(|(key, _)| key.0 == conversation);
            let changed: Vec<MessageKey> = changed.iter().copied().filter(|key| key.0 == conversation).collect();
            let recount = recount.as_ref().filter(|recount| recount.conversation == conversation);
            outgoing.extend(match (added, &changed[..], recount) {
                (Some((key, place)), [], None) if !is_opened => self.publish_new_message(key, place, rules),
                (None, [key], None) => self.publish_message(*key, rules, at).1,
                (None, [], Some(recount)) if self.has_unread(conversation, recount.user) => {
                    self.publish_recount(recount, rules, at)
                }
                _ => self.publish_many(conversation, &changed, recount, rules, at),
            });
        }
        for (user, is_hidden) in hidden {
            let key = place.expect("a message that was hidden is there");
            outgoing.push(self.publish_hidden(user, key, is_hidden, at));
        }
        outgoing
    }

    /// Returns whether it is known what was unread before the batch. It is not counted for rows that were not known.
    fn has_unread(&self, conversation: ConversationId, user: UserId) -> bool {
        let all = (conversation, user, Seq(0))..=(conversation, user, Seq(i64::MAX));
        self.new_conversations.contains(&conversation) || self.unread.range(all).next().is_some()
    }

    /// Several changes of one conversation: clients fetch them.
    fn publish_many(
        &mut self,
        conversation: ConversationId,
        changed: &[MessageKey],
        recount: Option<&Recount>,
        rules: &Rules,
        at: At,
    ) -> Vec<Outgoing> {
        for key in changed {
            self.messages.get_mut(key).expect("just changed").changed_version = Some(at.version);
            self.changed_messages.insert(*key);
        }
        if let Some(recount) = recount {
            self.member_mut(conversation, recount.user).version = at.version;
        }
        self.raise_conversation(conversation, at.version);
        let event = Event::ScopeChanged { scope: Scope::Conversation(conversation), version: at.version };
        let count = self.conversations[&conversation].member_count;
        self.notify(conversation, count, &[], rules, event, at.version)
    }

    /// Publishes a member's markers and unread count, as `mark` does.
    fn publish_recount(&mut self, recount: &Recount, rules: &Rules, at: At) -> Vec<Outgoing> {
        let Recount { conversation, user, has_moved, is_delivered } = *recount;
        let marker = self.marker(conversation, user);
        let row = &self.conversations[&conversation];
        let count = row.member_count;
        let receipts = self.members[&conversation][&user].receipts && rules.messages.receipts && !row.blocking.is_any();
        let is_quiet = count > rules.limits.conversation_fan_out_max || !(receipts || is_delivered);
        let member = self.member_mut(conversation, user);
        if has_moved && is_quiet {
            member.personal_version = at.version;
            let prev = self.raise_user(user, at.version);
            let place = Scoped { scope: Scope::User(user), version: at.version, prev };
            let event = Event::MarkerUpdated { place, marker };
            return vec![Outgoing::Event(vec![Topic::User(user)], Box::new(event))];
        }
        member.version = at.version;
        let prev = self.raise_conversation(conversation, at.version);
        let place = Scoped { scope: Scope::Conversation(conversation), version: at.version, prev };
        self.notify_rows(place, count, &[user], rules, |members, whole| Event::MembersUpdated {
            place,
            members,
            member_count: count,
            unread: whole.then_some(marker.unread),
            message: None,
        })
    }

    /// Publishes that a message is hidden from a user. Clients fetch one that is shown again, and one that is hidden
    /// while it is not known what is unread.
    fn publish_hidden(&mut self, user: UserId, key: MessageKey, is_hidden: bool, at: At) -> Outgoing {
        let scope = Scope::User(user);
        let place = Scoped { scope, version: at.version, prev: self.raise_user(user, at.version) };
        let event = if is_hidden && self.has_unread(key.0, user) {
            Event::MessageHidden { place, seq: key.1, marker: self.marker(key.0, user) }
        } else {
            Event::ScopeChanged { scope, version: at.version }
        };
        Outgoing::Event(vec![Topic::User(user)], Box::new(event))
    }
}

/// The row to be remembered.
fn row_of(put: &HostMessage, place: Option<MessageKey>, rules: &Rules) -> HostRowCopy {
    HostRowCopy {
        key: put.row.clone(),
        place,
        sender: put.sender,
        recipient: put.recipient,
        text_fingerprint: rules.fingerprints.of_host_text(&put.text, put.subject.as_deref()),
        rest_fingerprint: rules.fingerprints.of_host_rest(put.created_at, &put.attachments),
        is_read: put.is_read,
        hidden_by_sender: put.hidden_by_sender,
        hidden_by_recipient: put.hidden_by_recipient,
    }
}

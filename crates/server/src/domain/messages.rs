//! Sending and forwarding messages, and cancelling a send. Changes of existing messages are in `message_edits`.

use super::{
    change::{Content, Outcome},
    conversations::field,
    decide::{At, Decided, Outgoing, Rules},
    fingerprint::Fingerprint,
    rows::{Details, MessageRow},
    state::{ClientIdUse, MessageKey, State},
    text, visible,
};
use parlor_protocol::{
    error::{Code, Problem},
    event::{Event, Scoped},
    ids::{ConversationId, MessageId, Scope, Seq, UserId},
    model::{Attachment, Message},
    params::MessagePlace,
    reply::{Answer, Cancelled, Changed, Sent},
};
use std::borrow::Cow;

/// The identity of a new message, by which a repeat is recognized.
struct Name<'a> {
    sender: UserId,
    client_id: &'a str,
    /// Of the stored content.
    fingerprint: Fingerprint,
    /// Of the content as it came, if that differs: earlier versions stored this one.
    as_it_came: Option<Fingerprint>,
}

/// The content of a new message.
pub(super) struct NewMessage {
    pub client_id: String,
    pub fingerprint: Fingerprint,
    pub text: String,
    pub details: Details,
    pub created_at: i64,
    pub is_read: bool,
}

impl Name<'_> {
    fn is_of(&self, fingerprint: Fingerprint) -> bool {
        fingerprint == self.fingerprint || Some(fingerprint) == self.as_it_came
    }
}

impl State {
    pub(super) fn send(
        &mut self,
        actor: UserId,
        conversation: ConversationId,
        client_id: &str,
        content: &Content,
        rules: &Rules,
        at: At,
    ) -> Result<Decided, Problem> {
        text::client_id(client_id, rules.limits.client_id_chars_max)?;
        let came = content;
        let content = came.kept();
        let of = |content: &Content| rules.fingerprints.of_send(conversation, content);
        let as_it_came = matches!(content, Cow::Owned(_)).then(|| of(came));
        let name = Name { sender: actor, client_id, fingerprint: of(&content), as_it_came };
        if let Some(sent) = self.sent_before(&name)? {
            return Ok(sent);
        }
        self.open_place(conversation, actor)?;
        let attachments = self.attachments(actor, &content.attachments, rules)?;
        let text = message_text(&content.text, &attachments, rules)?;
        let mentions = self.checked_mentions(conversation, &content.mentions, &text, &[])?;
        let subject = subject(content.subject.as_deref(), rules)?;
        if let Some(seq) = content.reply_to {
            let answered = self.seen(actor, (conversation, seq)).map_err(|_| absent("reply_to"))?;
            if answered.details.system.is_some() {
                return Err(field("`reply_to`: a line of the system is not answered"));
            }
        }
        let sent = (text.as_str(), subject.as_deref());
        let draft = content.draft.and_then(|version| self.delete_sent_draft((actor, conversation), version, sent, at));
        let details = Details { subject, mentions, attachments, reply_to: content.reply_to, ..Details::default() };
        let mut decided = self.keep(conversation, &name, text, details, rules, at);
        decided.outgoing.extend(draft);
        Ok(decided)
    }

    pub(super) fn forward(
        &mut self,
        actor: UserId,
        conversation: ConversationId,
        client_id: &str,
        from: MessagePlace,
        rules: &Rules,
        at: At,
    ) -> Result<Decided, Problem> {
        text::client_id(client_id, rules.limits.client_id_chars_max)?;
        let fingerprint = rules.fingerprints.of_forward(conversation, from);
        let name = Name { sender: actor, client_id, fingerprint, as_it_came: None };
        if let Some(sent) = self.sent_before(&name)? {
            return Ok(sent);
        }
        self.open_place(conversation, actor)?;
        let source = self.seen(actor, (from.conversation, from.seq)).map_err(|_| absent("from"))?;
        if source.is_uncounted() {
            return Err(absent("from"));
        }
        let Details { subject, attachments, .. } = source.details.clone();
        let text = source.text.clone();
        let details = Details { subject, attachments, forwarded: true, ..Details::default() };
        Ok(self.keep(conversation, &name, text, details, rules, at))
    }

    /// Returns what this `client_id` created before, if the command is the same.
    fn sent_before(&self, name: &Name<'_>) -> Result<Option<Decided>, Problem> {
        match self.keys.get(&(name.sender, name.client_id.to_owned())) {
            Some(&ClientIdUse::Message(conversation, seq))
                if name.is_of(self.messages[&(conversation, seq)].fingerprint) =>
            {
                let message = self.message_for(name.sender, (conversation, seq));
                let change = Changed { version: message.version, prev: message.version };
                let sent = Sent { message, change, duplicate: true };
                Ok(Some(Decided::quietly(Outcome::Answer(Answer::Sent(sent)))))
            }
            Some(ClientIdUse::Cancelled) => Err(Code::Cancelled.into()),
            Some(_) => Err(Code::Conflict.into()),
            None => Ok(None),
        }
    }

    /// Returns a message as the user sees it now: a placeholder if they left or joined again later.
    fn message_for(&self, user: UserId, key: MessageKey) -> Message {
        let row = &self.messages[&key];
        let sees = self.place(key.0, user).is_ok_and(|(_, member)| member.history_start() <= key.1);
        if sees && !self.hidden.contains(&(user, key)) { row.message() } else { row.hidden_message() }
    }

    /// Checks whether the actor may write here now.
    pub(super) fn open_place(&self, conversation: ConversationId, actor: UserId) -> Result<(), Problem> {
        let (row, _) = self.place(conversation, actor)?;
        if row.context_closed { Err(Code::ContextClosed.into()) } else { row.check_blocking(actor) }
    }

    /// Adds a message and publishes it.
    fn keep(
        &mut self,
        conversation: ConversationId,
        name: &Name<'_>,
        text: String,
        details: Details,
        rules: &Rules,
        at: At,
    ) -> Decided {
        let key = (conversation, Seq(self.conversations[&conversation].last_seq.0 + 1));
        let details = self.with_files(details, name.sender, key, rules, at);
        let (client_id, fingerprint) = (name.client_id.to_owned(), name.fingerprint);
        let new = NewMessage { client_id, fingerprint, text, details, created_at: at.now_ms, is_read: false };
        let place = self.add_message(conversation, name.sender, new, rules, at);
        let outgoing = self.publish_new_message(key, place, rules);
        let sent = Sent { message: self.messages[&key].message(), change: Changed::of(&place), duplicate: false };
        self.keys.insert((name.sender, name.client_id.to_owned()), ClientIdUse::Message(key.0, key.1));
        Decided { outcome: Outcome::Answer(Answer::Sent(sent)), outgoing }
    }

    /// Adds a message. If the sender had read or received all before it, their markers move to it.
    pub(super) fn add_message(
        &mut self,
        conversation: ConversationId,
        sender: UserId,
        new: NewMessage,
        rules: &Rules,
        at: At,
    ) -> Scoped {
        let (row, member) = (&self.conversations[&conversation], &self.members[&conversation][&sender]);
        let had_read_all = member.read_seq == row.last_seq;
        // Not published: clients that have the sender's row derive it. In a large conversation none has it.
        let is_large = row.member_count > rules.limits.conversation_fan_out_max;
        let had_received_all = had_read_all || (!is_large && member.delivered_seq == row.last_seq);
        let seq = Seq(row.last_seq.0 + 1);
        let NewMessage { client_id, fingerprint, text, details, created_at, is_read } = new;
        let id = MessageId(at.version.0);
        let prev = self.raise_conversation(conversation, at.version);
        let row = self.conversations.get_mut(&conversation).expect("just raised");
        row.activity = at.version;
        row.last_seq = seq;
        row.last_message_id = Some(id);
        let member = self.member_mut(conversation, sender);
        member.sent_seq = seq;
        if had_read_all {
            member.read_seq = seq;
            // As clients derive it.
            member.read_at = Some(created_at);
        }
        if had_received_all {
            member.delivered_seq = seq;
        }
        self.new_messages.push((conversation, seq));
        let changed_version = None;
        let message = MessageRow {
            id,
            conversation,
            seq,
            sender,
            client_id,
            fingerprint,
            text,
            created_at,
            details,
            changed_version,
            is_read,
        };
        let mentions = message.details.mentions.clone();
        self.messages.insert((conversation, seq), message);
        self.put_mentions((conversation, seq), &mentions);
        Scoped { scope: Scope::Conversation(conversation), version: at.version, prev }
    }

    /// Addresses the event of a message that was just added.
    pub(super) fn publish_new_message(&self, key: MessageKey, place: Scoped, rules: &Rules) -> Vec<Outgoing> {
        let message = self.messages[&key].message();
        let member = &self.members[&key.0][&message.sender];
        let count = self.conversations[&key.0].member_count;
        self.notify_rows(place, count, &[message.sender], rules, |_, whole| Event::MessageCreated {
            place,
            message: message.clone(),
            sender: member.user.clone(),
            sender_read_seq: whole.then_some(member.read_seq),
        })
    }

    pub(super) fn cancel(&mut self, actor: UserId, client_id: &str, rules: &Rules) -> Result<Decided, Problem> {
        text::client_id(client_id, rules.limits.client_id_chars_max)?;
        let key = (actor, client_id.to_owned());
        let message = match self.keys.get(&key) {
            Some(&ClientIdUse::Message(conversation, seq)) => Some(self.message_for(actor, (conversation, seq))),
            Some(ClientIdUse::Conversation(..)) => return Err(Code::Conflict.into()),
            Some(ClientIdUse::Cancelled) => None,
            None => {
                self.keys.insert(key.clone(), ClientIdUse::Cancelled);
                self.new_cancelled.push(key);
                None
            }
        };
        let answer = Answer::Cancelled(Cancelled { cancelled: message.is_none(), message });
        Ok(Decided::quietly(Outcome::Answer(answer)))
    }
}

/// Checks the text of a message, which may be empty if it has attachments.
pub(super) fn message_text(text: &str, attachments: &[Attachment], rules: &Rules) -> Result<String, Problem> {
    if visible::is_blank(text) && !attachments.is_empty() {
        return Ok(String::new());
    }
    text::message(text, rules.limits.text_chars_max)
}

/// Checks the subject.
pub(super) fn subject(subject: Option<&str>, rules: &Rules) -> Result<Option<String>, Problem> {
    subject.map(|subject| text::subject(subject, rules.limits.subject_chars_max)).transpose()
}

/// Refuses a field that names something that does not exist or that the actor may not see.
fn absent(name: &str) -> Problem {
    Problem::new(Code::NotFound).with_detail(format!("`{name}`: there is no such thing here"))
}

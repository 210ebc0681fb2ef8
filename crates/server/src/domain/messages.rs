//! Sending, and giving a send up.

use super::{
    change::{Content, Outcome},
    decide::{At, Decided, Rules},
    rows::{Details, MessageRow},
    state::{State, Use},
    text,
};
use parlor_protocol::{
    error::{Code, Problem},
    event::{Event, Scoped},
    ids::{ConversationId, MessageId, Scope, Seq, UserId},
    reply::{Answer, Cancelled, Changed, Sent},
};

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
        let fingerprint = rules.fingerprints.of_send(conversation, content);
        let key = (actor, client_id.to_owned());
        match self.keys.get(&key) {
            Some(&Use::Message(conversation, seq))
                if self.messages[&(conversation, seq)].fingerprint == fingerprint =>
            {
                return Ok(again(&self.messages[&(conversation, seq)]));
            }
            Some(Use::Cancelled) => return Err(Code::Cancelled.into()),
            Some(_) => return Err(Code::Conflict.into()),
            None => {}
        }
        let (row, member) = self.place(conversation, actor)?;
        if row.context_closed {
            return Err(Code::ContextClosed.into());
        }
        let kept = text::message(&content.text, rules.limits.text_chars_max)?;
        let had_read_all = member.read_seq == row.last_seq;
        let (count, seq, sender) = (row.member_count, Seq(row.last_seq.0 + 1), member.user.clone());

        let message = MessageRow {
            id: MessageId(at.version.0),
            conversation,
            seq,
            sender: actor,
            client_id: client_id.to_owned(),
            fingerprint,
            text: kept,
            created_at: at.now_ms,
            details: Details::default(),
            changed_version: None,
        };
        let prev = self.raise_conversation(conversation, at.version);
        let row = self.conversations.get_mut(&conversation).expect("just raised");
        row.activity = at.version;
        row.last_seq = seq;
        row.last_message_id = Some(message.id);
        let member = self.member_mut(conversation, actor);
        member.sent_seq = seq;
        if had_read_all {
            member.read_seq = seq;
            member.delivered_seq = seq;
            member.read_at = Some(at.now_ms);
        }
        let sender_read_seq = Some(member.read_seq);
        let place = Scoped { scope: Scope::Conversation(conversation), version: at.version, prev };
        let event = Event::MessageCreated { place, message: message.message(), sender, sender_read_seq };
        let told = self.tell(conversation, count, &[], rules, event, at.version);
        let sent = Sent { message: message.message(), change: Changed::of(&place), duplicate: false };
        self.keys.insert(key, Use::Message(conversation, seq));
        self.new_messages.push((conversation, seq));
        self.messages.insert((conversation, seq), message);
        Ok(Decided { outcome: Outcome::Answer(Answer::Sent(sent)), told })
    }

    pub(super) fn cancel(&mut self, actor: UserId, client_id: &str, rules: &Rules) -> Result<Decided, Problem> {
        text::client_id(client_id, rules.limits.client_id_chars_max)?;
        let key = (actor, client_id.to_owned());
        let message = match self.keys.get(&key) {
            Some(&Use::Message(conversation, seq)) => Some(self.messages[&(conversation, seq)].message()),
            Some(Use::Conversation(..)) => return Err(Code::Conflict.into()),
            Some(Use::Cancelled) => None,
            None => {
                self.keys.insert(key.clone(), Use::Cancelled);
                self.new_cancelled.push(key);
                None
            }
        };
        let answer = Answer::Cancelled(Cancelled { cancelled: message.is_none(), message });
        Ok(Decided::quietly(Outcome::Answer(answer)))
    }
}

fn again(row: &MessageRow) -> Decided {
    let version = parlor_protocol::ids::Version(row.id.0);
    let change = Changed { version, prev: version };
    Decided::quietly(Outcome::Answer(Answer::Sent(Sent { message: row.message(), change, duplicate: true })))
}

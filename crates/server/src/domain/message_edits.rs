//! Changes of existing messages: editing, deleting for everyone, hiding, reacting.
//!
//! Invariants: the message is reached through the actor's membership, within what they may see; a change that changes
//! nothing is answered with the current version, twice; a deleted message never changes again.

use super::{
    change::Outcome,
    decide::{At, Decided, Outgoing, Rules},
    messages::{message_text, subject},
    rows::{Details, MessageRow},
    state::{MessageKey, State},
    text,
};
use crate::channel_layer::Topic;
use parlor_protocol::{
    error::{Code, Problem},
    event::{Event, Scoped},
    ids::{Scope, UserId},
    model::{ConversationKind, Mention, Reaction, Role},
    reply::{Answer, Changed, MessageChanged},
};

/// A new text, and its mentions.
type NewText<'a> = (&'a str, &'a [Mention]);

impl State {
    pub(super) fn edit(
        &mut self,
        actor: UserId,
        key: MessageKey,
        (text, above): (Option<NewText<'_>>, Option<&Option<String>>),
        rules: &Rules,
        at: At,
    ) -> Result<Decided, Problem> {
        let row = self.seen(actor, key)?;
        if row.sender != actor || row.details.system.is_some() {
            return Err(Code::NotAllowed.into());
        }
        if row.details.deleted {
            return Err(too_late("it was deleted"));
        }
        let before = &row.details.mentions;
        let (text, mentions) = match text {
            Some((text, mentions)) => {
                let text = message_text(text, &row.details.attachments, rules)?;
                let mentions = self.checked_mentions(key.0, mentions, &text, before)?;
                (text, mentions)
            }
            None => (row.text.clone(), before.clone()),
        };
        let subject = match above {
            Some(above) => subject(above.as_deref(), rules)?,
            None => row.details.subject.clone(),
        };
        if text == row.text && mentions == *before && subject == row.details.subject {
            return Ok(self.unchanged(key));
        }
        self.open_place(key.0, actor)?;
        within(row, rules.messages.edit_within_ms, at)?;
        self.put_mentions(key, &mentions);
        let row = self.messages.get_mut(&key).expect("just seen");
        row.text = text;
        row.details.mentions = mentions;
        row.details.subject = subject;
        row.details.edited_at = Some(at.now_ms);
        self.erases = true;
        Ok(self.message_updated_event(key, rules, at))
    }

    pub(super) fn delete(&mut self, actor: UserId, key: MessageKey, rules: &Rules, at: At) -> Result<Decided, Problem> {
        let row = self.seen(actor, key)?;
        let (conversation, member) = self.place(key.0, actor)?;
        let moderates = conversation.kind == ConversationKind::Group && member.role != Role::Member;
        if row.details.system.is_some() || !(moderates || row.sender == actor) {
            return Err(Code::NotAllowed.into());
        }
        if row.details.deleted {
            return Ok(self.unchanged(key));
        }
        if !moderates {
            within(row, rules.messages.delete_within_ms, at)?;
        }
        let (place, outgoing) = self.erase_message(key, rules, at);
        Ok(self.message_changed(key, place, outgoing))
    }

    /// Deletes a message for everyone, which has not been deleted.
    pub(super) fn erase_message(&mut self, key: MessageKey, rules: &Rules, at: At) -> (Scoped, Vec<Outgoing>) {
        self.put_mentions(key, &[]);
        let row = self.recounted(key);
        row.text = String::new();
        row.details = Details { deleted: true, ..Details::default() };
        let row = self.conversations.get_mut(&key.0).expect("loaded with the message");
        row.uncounted_seq = row.uncounted_seq.max(key.1);
        self.erases = true;
        self.publish_message(key, rules, at)
    }

    pub(super) fn hide(&mut self, actor: UserId, key: MessageKey, at: At) -> Result<Decided, Problem> {
        let (conversation, seq) = key;
        self.place(conversation, actor)?;
        let version = self.user(actor)?.version;
        if self.hidden.contains(&(actor, key)) {
            let change = Changed { version, prev: version };
            return Ok(Decided::quietly(Outcome::Answer(Answer::Changed(change))));
        }
        self.seen(actor, key)?;
        self.set_hidden(actor, key, true, at.version);
        let marker = self.marker(conversation, actor);
        let prev = self.raise_user(actor, at.version);
        let place = Scoped { scope: Scope::User(actor), version: at.version, prev };
        let event = Event::MessageHidden { place, seq, marker };
        let outgoing = vec![Outgoing::Event(vec![Topic::User(actor)], Box::new(event))];
        Ok(Decided { outcome: Outcome::Answer(Answer::Changed(Changed::of(&place))), outgoing })
    }

    pub(super) fn react(
        &mut self,
        actor: UserId,
        key: MessageKey,
        emoji: &str,
        on: bool,
        rules: &Rules,
        at: At,
    ) -> Result<Decided, Problem> {
        let emoji = text::emoji(emoji)?;
        let row = self.seen(actor, key)?;
        if row.details.system.is_some() {
            return Err(Code::NotAllowed.into());
        }
        if row.details.deleted {
            return Err(too_late("it was deleted"));
        }
        let reactions = &row.details.reactions;
        let index = reactions.iter().position(|reaction| reaction.emoji == emoji);
        if index.is_some_and(|index| reactions[index].users.contains(&actor)) == on {
            return Ok(self.unchanged(key));
        }
        self.open_place(key.0, actor)?;
        if on {
            let full = |limit: u32| Err(Problem::new(Code::LimitReached).with_limit(limit.into()));
            let (emoji_max, most) = (rules.limits.message_emoji_max, rules.limits.message_reactions_max);
            if reactions.iter().map(|reaction| reaction.users.len()).sum::<usize>() >= most as usize {
                return full(most);
            }
            if index.is_none() && reactions.len() >= emoji_max as usize {
                return full(emoji_max);
            }
        }
        let reactions = &mut self.messages.get_mut(&key).expect("just seen").details.reactions;
        match index {
            Some(index) if on => reactions[index].users.push(actor),
            Some(index) => {
                reactions[index].users.retain(|user| *user != actor);
                reactions.retain(|reaction| !reaction.users.is_empty());
            }
            None => reactions.push(Reaction { emoji: emoji.to_owned(), users: vec![actor] }),
        }
        Ok(self.message_updated_event(key, rules, at))
    }

    /// Answers with the message and its conversation's version as they are.
    fn unchanged(&self, key: MessageKey) -> Decided {
        let version = self.conversations[&key.0].version;
        let change = Changed { version, prev: version };
        let changed = MessageChanged { message: self.messages[&key].message(), change };
        Decided::quietly(Outcome::Answer(Answer::MessageChanged(Box::new(changed))))
    }

    /// The decision on a changed message.
    fn message_updated_event(&mut self, key: MessageKey, rules: &Rules, at: At) -> Decided {
        let (place, outgoing) = self.publish_message(key, rules, at);
        self.message_changed(key, place, outgoing)
    }

    fn message_changed(&self, key: MessageKey, place: Scoped, outgoing: Vec<Outgoing>) -> Decided {
        let changed = MessageChanged { message: self.messages[&key].message(), change: Changed::of(&place) };
        Decided { outcome: Outcome::Answer(Answer::MessageChanged(Box::new(changed))), outgoing }
    }

    /// Raises the message's version and publishes it, in full to those who may see it.
    pub(super) fn publish_message(&mut self, key: MessageKey, rules: &Rules, at: At) -> (Scoped, Vec<Outgoing>) {
        let (conversation, seq) = key;
        let row = self.messages.get_mut(&key).expect("just changed");
        row.changed_version = Some(at.version);
        let message = row.message();
        self.changed_messages.insert(key);
        let prev = self.raise_conversation(conversation, at.version);
        let place = Scoped { scope: Scope::Conversation(conversation), version: at.version, prev };
        let full = Event::MessageUpdated { place, message };
        let row = &self.conversations[&conversation];
        let is_large = row.member_count > rules.limits.conversation_fan_out_max;
        let outgoing = if is_large && seq >= row.history_from_max {
            self.notify(conversation, row.member_count, &[], rules, full, at.version)
        } else {
            let rest = Event::ScopeAdvanced { place };
            self.notify_by_visibility(place, rules, full, rest, |member| member.history_start() <= seq)
        };
        (place, outgoing)
    }
}

/// Returns whether the sender may still change the message; 0 is forever.
fn within(row: &MessageRow, within_ms: u64, at: At) -> Result<(), Problem> {
    let age_ms = u64::try_from(at.ageing_ms.saturating_sub(row.created_at)).unwrap_or(0);
    if within_ms == 0 || age_ms <= within_ms { Ok(()) } else { Err(too_late("its time is over").with_limit(within_ms)) }
}

pub(super) fn too_late(detail: &str) -> Problem {
    Problem::new(Code::TooLate).with_detail(detail)
}

//! What users are writing: one draft for each of their conversations, in their own scope.
//!
//! A draft is saved over the one that the client knew. If that has changed since, on another device or because it was
//! sent, nothing is saved: what was sent does not come back, and no device overwrites what another one wrote. A message
//! that was a draft deletes it with the same change, and so does leaving the conversation.

use super::{
    change::Outcome,
    decide::{At, Decided, Outgoing, Rules},
    draft_row::DraftRow,
    rows::Details,
    state::State,
    text, visible,
};
use crate::channel_layer::Topic;
use parlor_protocol::{
    error::{Code, Problem},
    event::{Event, Scoped},
    ids::{ConversationId, Scope, UserId, Version},
    params::DraftUpdate,
    reply::{Answer, Changed, DraftSaved},
};

impl State {
    pub(super) fn save_draft(
        &mut self,
        actor: UserId,
        conversation: ConversationId,
        update: &DraftUpdate,
        rules: &Rules,
        at: At,
    ) -> Result<Decided, Problem> {
        self.place(conversation, actor)?;
        let prev = self.user(actor)?.version;
        let before = self.drafts.get(&(actor, conversation)).cloned().unwrap_or_default();
        let after = self.checked_draft(conversation, update, &before, rules)?;
        let is_same = (&after.text, &after.details) == (&before.text, &before.details);
        let is_current = update.since == before.version || (update.since == Version(0) && before.is_empty());
        if is_same || !is_current {
            let change = Changed { version: prev, prev };
            return Ok(Decided::quietly(saved(is_same, &before, change)));
        }
        let sizes = self.draft_sizes.get(&actor).copied().unwrap_or_default().changed(&before, &after);
        // What is kept already may be more than a limit that was lowered: it may shrink.
        let limits = [
            (before.is_empty(), sizes.count, rules.limits.drafts_max),
            (after.chars() > before.chars(), sizes.chars, rules.limits.drafts_chars_max),
        ];
        for (grows, size, most) in limits {
            if grows && size > i64::from(most) {
                return Err(Problem::new(Code::LimitReached).with_limit(most.into()));
            }
        }
        self.draft_sizes.insert(actor, sizes);
        self.erases |= before.loses(&after.text, after.details.subject.as_deref());
        let (place, event) = self.put_draft(actor, conversation, after, at);
        let draft = &self.drafts[&(actor, conversation)];
        Ok(Decided { outcome: saved(true, draft, Changed::of(&place)), outgoing: vec![event] })
    }

    fn checked_draft(
        &self,
        conversation: ConversationId,
        update: &DraftUpdate,
        before: &DraftRow,
        rules: &Rules,
    ) -> Result<DraftRow, Problem> {
        let limits = &rules.limits;
        let text = if visible::is_blank(&update.text) {
            String::new()
        } else {
            text::message(&update.text, limits.text_chars_max)?
        };
        let mentions = if text.is_empty() { &[][..] } else { &update.mentions };
        let mentions = self.checked_mentions(conversation, mentions, &text, &before.details.mentions)?;
        let subject = update.subject.as_deref().filter(|subject| !visible::is_blank(subject));
        let subject = subject.map(|subject| text::subject(subject, limits.subject_chars_max)).transpose()?;
        let details = Details { subject, mentions, reply_to: update.reply_to, ..Details::default() };
        Ok(DraftRow { text, details, version: before.version })
    }

    /// Deletes a draft that was sent with this text and subject, unless it has changed since.
    pub(super) fn delete_sent_draft(
        &mut self,
        (user, conversation): (UserId, ConversationId),
        version: Version,
        (text, subject): (&str, Option<&str>),
        at: At,
    ) -> Option<Outgoing> {
        let row = self.drafts.get(&(user, conversation)).filter(|row| row.version == version && !row.is_empty())?;
        self.erases |= row.loses(text, subject);
        self.remove_draft(user, conversation, at)
    }

    /// Deletes a draft and its words, if there is one.
    pub(super) fn delete_draft(&mut self, user: UserId, conversation: ConversationId, at: At) -> Option<Outgoing> {
        let removed = self.remove_draft(user, conversation, at)?;
        self.erases = true;
        Some(removed)
    }

    fn remove_draft(&mut self, user: UserId, conversation: ConversationId, at: At) -> Option<Outgoing> {
        let before = self.drafts.get(&(user, conversation)).filter(|row| !row.is_empty())?;
        let sizes = self.draft_sizes.entry(user).or_default();
        *sizes = sizes.changed(before, &DraftRow::default());
        Some(self.put_draft(user, conversation, DraftRow::default(), at).1)
    }

    /// Stores a draft at a new version of the user's scope, and addresses its event.
    fn put_draft(&mut self, user: UserId, conversation: ConversationId, row: DraftRow, at: At) -> (Scoped, Outgoing) {
        let row = DraftRow { version: at.version, ..row };
        let draft = row.draft();
        self.drafts.insert((user, conversation), row);
        self.changed_drafts.insert((user, conversation));
        let prev = self.raise_user(user, at.version);
        let place = Scoped { scope: Scope::User(user), version: at.version, prev };
        let event = Event::DraftUpdated { place, conversation, draft };
        (place, Outgoing::Event(vec![Topic::User(user)], Box::new(event)))
    }
}

fn saved(saved: bool, row: &DraftRow, change: Changed) -> Outcome {
    Outcome::Answer(Answer::DraftSaved(Box::new(DraftSaved { saved, draft: row.draft(), change })))
}

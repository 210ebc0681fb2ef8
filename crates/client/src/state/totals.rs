//! What is unread in all conversations, whether they are held or not.
//!
//! The server tells the totals at a version. What is held is counted here; the difference is the rest, which lies in
//! conversations that are not held. It stays true while those do not change, and any change of one makes it held.
//!
//! Invariant: the rest and what is unread in the conversations that are held, at their versions at `at`, are the totals
//! that the server told at `at`. Where a change leaves that in doubt, the totals are wanted again.

use super::{Asked, State, held::Held};
use parlor_protocol::{
    ids::{ConversationId, UserId, Version},
    model::Conversation,
    reply::{Changes, MeAnswer, Unread},
};

/// A number of conversations and a number of messages.
#[derive(Clone, Copy, Debug, Default)]
struct Count {
    conversations: i64,
    messages: i64,
}

/// A conversation's version, and what is unread in it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    version: Version,
    unread: u32,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Totals {
    /// What lies in conversations that are not held, and as of which version the server told it.
    rest: Option<(Count, Version)>,
    /// When the totals were last wanted; none when they need not be asked for.
    wanted: Option<u64>,
}

impl Totals {
    pub(super) fn are_wanted(&self) -> bool {
        self.wanted.is_some()
    }
}

impl Row {
    pub(super) fn of(conversation: &Conversation) -> Self {
        Self { version: conversation.version, unread: conversation.unread }
    }
}

fn is_unread(unread: u32) -> i64 {
    i64::from(unread > 0)
}

impl Held {
    /// Whether all of the changes that may have changed what is unread happened after a version. They may lack pages
    /// that came before.
    pub(super) fn changed_after(&self, at: Version, changes: &Changes, user: UserId) -> bool {
        let Some(whole) = &changes.conversation else { return false };
        let held = self.conversation.version;
        // A message's id is the version that made it.
        let mut messages = self.partial_messages().chain(&changes.messages);
        let are_later = messages.all(|one| one.version > at && (one.id.0 > at.0 || one.id.0 <= held.0));
        let is_marker =
            |whole: &Conversation| whole.members.iter().any(|member| member.user.id == user && member.version > held);
        are_later && !changes.reset && !self.is_partly_reset() && !is_marker(whole)
    }
}

impl State {
    /// What is unread in all conversations; in those that are held, until the server has told.
    #[must_use]
    pub fn unread(&self) -> Unread {
        let held = self.unread_held();
        let rest = self.totals.rest.map_or_else(Count::default, |(rest, _)| rest);
        let sum = |held: i64, rest: i64| u32::try_from((held + rest).max(0)).unwrap_or(u32::MAX);
        Unread {
            conversations: sum(held.conversations, rest.conversations),
            messages: sum(held.messages, rest.messages),
        }
    }

    fn unread_held(&self) -> Count {
        let mut sum = Count::default();
        for conversation in self.conversations() {
            sum.messages += i64::from(conversation.unread);
            sum.conversations += is_unread(conversation.unread);
        }
        sum
    }

    /// As of which version the totals were told.
    pub(super) fn totals_at(&self) -> Option<Version> {
        self.totals.rest.map(|(_, at)| at)
    }

    /// Takes the totals of an answer to `me.get`.
    pub(super) fn take_totals(&mut self, answer: &MeAnswer, asked: Asked) {
        let at = answer.cursor.version;
        if self.totals_at().is_some_and(|held| held > at) {
            return;
        }
        let held = self.unread_held();
        let rest = Count {
            conversations: i64::from(answer.unread.conversations) - held.conversations,
            messages: i64::from(answer.unread.messages) - held.messages,
        };
        self.totals.rest = Some((rest, at));
        if self.totals.wanted.is_some_and(|wanted| wanted <= asked.0) {
            self.totals.wanted = None;
        }
        if self.conversations().any(|conversation| conversation.version > at) {
            // What was heard meanwhile is not in them.
            self.want_totals();
        }
    }

    /// Notes that a conversation is held now, or was replaced. `is_all_told`: nothing that was unread changed between
    /// the two but what the new copy tells. That cannot be known of a copy that is to be renewed: its own number may be
    /// wrong, and the new one would be taken for a change after the totals.
    pub(super) fn count_row(&mut self, id: ConversationId, before: Option<Row>, is_all_told: bool) {
        let Some(after) = self.conversation(id).map(Row::of) else { return };
        let Some((rest, at)) = &mut self.totals.rest else { return };
        if after.version <= *at {
            let was = before.map_or(0, |row| row.unread);
            rest.messages -= i64::from(after.unread) - i64::from(was);
            rest.conversations -= is_unread(after.unread) - is_unread(was);
        } else if (!is_all_told || self.renew.contains(&id)) && before.is_none_or(|row| row.version <= *at) {
            self.want_totals();
        }
    }

    pub(super) fn want_totals(&mut self) {
        self.tick += 1;
        self.totals.wanted = Some(self.tick);
    }
}

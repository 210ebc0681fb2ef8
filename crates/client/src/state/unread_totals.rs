//! The unread totals over all conversations, loaded or not.
//!
//! The server reports totals at a version. Loaded conversations are counted here; the rest, the difference, belongs to
//! the others. It stays right until one of those changes, which loads it.
//!
//! Invariant: the rest plus the unread messages of the loaded conversations, at their versions at `at`, are the totals
//! that the server reported at `at`. When a change makes that uncertain, the totals are fetched again.

use super::{RequestTick, State, conversation_copy::ConversationCopy};
use parlor_protocol::{
    ids::{ConversationId, UserId, Version},
    model::Conversation,
    reply::{Changes, MeAnswer, Unread},
};

/// Unread conversations and messages. Signed, because it also holds differences.
#[derive(Clone, Copy, Debug, Default)]
struct Count {
    conversations: i64,
    messages: i64,
}

/// What a conversation adds to the totals, and its version.
#[derive(Clone, Copy, Debug)]
pub(super) struct UnreadAt {
    version: Version,
    count: Count,
}

#[derive(Clone, Debug, Default)]
pub(super) struct UnreadTotals {
    /// The unread messages of conversations that are not loaded, and the version of the totals.
    rest: Option<(Count, Version)>,
    /// When the totals were last marked as stale; `None` if they are not.
    requested_at: Option<u64>,
}

impl UnreadTotals {
    pub(super) fn are_stale(&self) -> bool {
        self.requested_at.is_some()
    }
}

impl ConversationCopy {
    /// Whether everything in these changes and the pages before them that can affect `unread` happened after a version.
    pub(super) fn changed_after(&self, at: Version, changes: &Changes, user: UserId) -> bool {
        let Some(whole) = &changes.conversation else { return false };
        let current = self.conversation.version;
        // A message's id is the version that made it.
        let mut messages = self.partial_messages().chain(&changes.messages);
        let are_later = messages.all(|one| one.version > at && (one.id.0 > at.0 || one.id.0 <= current.0));
        let is_marker = |whole: &Conversation| {
            whole.members.iter().any(|member| member.user.id == user && member.version > current)
        };
        are_later && !changes.reset && !self.is_partial_reset() && !is_marker(whole)
    }
}

impl State {
    /// Returns the unread totals; those of the loaded conversations until the server has reported any.
    #[must_use]
    pub fn unread(&self) -> Unread {
        let loaded = self.unread_in_copies();
        let rest = self.unread_totals.rest.map_or_else(Count::default, |(rest, _)| rest);
        let sum = |loaded: i64, rest: i64| u32::try_from((loaded + rest).max(0)).unwrap_or(u32::MAX);
        Unread {
            conversations: sum(loaded.conversations, rest.conversations),
            messages: sum(loaded.messages, rest.messages),
        }
    }

    fn unread_in_copies(&self) -> Count {
        let mut sum = Count::default();
        for conversation in self.conversations() {
            let count = self.unread_at(conversation).count;
            sum.messages += count.messages;
            sum.conversations += count.conversations;
        }
        sum
    }

    /// Returns what a conversation adds to the totals.
    pub(super) fn unread_at(&self, conversation: &Conversation) -> UnreadAt {
        let Conversation { id, version, unread, .. } = *conversation;
        if !self.counts(conversation) {
            return UnreadAt { version, count: Count::default() };
        }
        let is_marked = self.settings.get(&id).is_some_and(|settings| settings.marked_unread);
        let count = Count { conversations: i64::from(unread > 0 || is_marked), messages: i64::from(unread) };
        UnreadAt { version, count }
    }

    /// The version of the last reported totals.
    pub(super) fn totals_version(&self) -> Option<Version> {
        self.unread_totals.rest.map(|(_, at)| at)
    }

    /// Applies the totals of an answer to `me.get`.
    pub(super) fn apply_totals(&mut self, answer: &MeAnswer, requested_at: RequestTick) {
        let at = answer.cursor.version;
        if self.totals_version().is_some_and(|current| current > at) {
            return;
        }
        self.now.clone_from(&answer.now);
        let loaded = self.unread_in_copies();
        let rest = Count {
            conversations: i64::from(answer.unread.conversations) - loaded.conversations,
            messages: i64::from(answer.unread.messages) - loaded.messages,
        };
        self.unread_totals.rest = Some((rest, at));
        if self.unread_totals.requested_at.is_some_and(|wanted| wanted <= requested_at.0) {
            self.unread_totals.requested_at = None;
        }
        if self.conversations().any(|conversation| conversation.version > at) {
            // They do not include events that arrived meanwhile.
            self.mark_totals_stale();
        }
    }

    /// Accounts for a conversation that was added or replaced. `is_complete`: the new copy includes every change of
    /// `unread` since the old one. That is never certain of a stale copy: its count may be wrong, and the correction
    /// would look like a change after the totals.
    pub(super) fn update_totals(&mut self, id: ConversationId, before: Option<UnreadAt>, is_complete: bool) {
        let Some(after) = self.conversation(id).map(|row| self.unread_at(row)) else { return };
        let Some((rest, at)) = &mut self.unread_totals.rest else { return };
        if after.version <= *at {
            let was = before.map_or_else(Count::default, |row| row.count);
            rest.messages -= after.count.messages - was.messages;
            rest.conversations -= after.count.conversations - was.conversations;
        } else if (!is_complete || self.stale.contains(&id)) && before.is_none_or(|row| row.version <= *at) {
            self.mark_totals_stale();
        }
    }

    /// Accounts for settings of a version that were stored; `before` is what their conversation added, if it is loaded.
    pub(super) fn update_totals_of_settings(&mut self, id: ConversationId, before: Option<UnreadAt>, version: Version) {
        let Some((_, at)) = self.unread_totals.rest else { return };
        if version > at || before.is_some_and(|row| row.version > at) {
            self.mark_totals_stale();
        } else if before.is_some() {
            self.update_totals(id, before, true);
        }
    }

    pub(super) fn mark_totals_stale(&mut self) {
        self.tick += 1;
        self.unread_totals.requested_at = Some(self.tick);
    }
}

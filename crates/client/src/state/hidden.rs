//! Messages that the user deleted for themselves, or that are shown to them again.

use super::{RequestTick, State};
use parlor_protocol::{ids::ConversationId, params::MessagePlace};

impl State {
    /// Notes that a message of this conversation was hidden.
    pub(super) fn mark_hidden(&mut self, id: ConversationId) {
        self.tick += 1;
        self.hidden_at.insert(id, self.tick);
    }

    /// Whether an answer was requested before messages of this conversation were shown again or all were dropped: it may
    /// have only their places.
    pub(super) fn may_lack_messages(&self, id: ConversationId, requested_at: RequestTick) -> bool {
        self.all_hidden_at > requested_at.0 || self.unhidden_at.get(&id).is_some_and(|tick| *tick > requested_at.0)
    }

    pub(super) fn apply_unhidden(&mut self, places: Vec<MessagePlace>) {
        for MessagePlace { conversation, seq } in places {
            self.mark_hidden(conversation);
            self.unhidden_at.insert(conversation, self.tick);
            if let Some(copy) = self.conversations.get_mut(&conversation) {
                copy.unhide(seq);
                self.stale.insert(conversation);
            }
        }
    }

    /// Marks a conversation for refetching if the answer was requested before one of its messages was hidden.
    pub(super) fn mark_stale_if_hidden(&mut self, id: ConversationId, requested_at: RequestTick) {
        if self.hidden_at.get(&id).is_some_and(|tick| *tick > requested_at.0) || self.all_hidden_at > requested_at.0 {
            self.stale.insert(id);
        }
    }

    pub(super) fn apply_hidden(&mut self, places: Vec<MessagePlace>, is_all: bool) {
        for MessagePlace { conversation, seq } in places {
            self.mark_hidden(conversation);
            if let Some(copy) = self.conversations.get_mut(&conversation) {
                copy.hide(seq);
                self.stale.insert(conversation);
            }
        }
        if is_all {
            self.tick += 1;
            self.all_hidden_at = self.tick;
            for (id, copy) in &mut self.conversations {
                copy.clear();
                self.stale.insert(*id);
            }
        }
    }
}

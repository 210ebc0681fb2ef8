//! How the user keeps conversations in their own list.
//!
//! The settings belong to the scope of the user, and arrive with copies of conversations, too: of two copies, the one with
//! the higher version is current.

use super::State;
use parlor_protocol::{
    ids::ConversationId,
    model::{Conversation, ConversationSettings},
};

impl State {
    /// Returns the settings of a conversation.
    #[must_use]
    pub fn settings(&self, conversation: ConversationId) -> ConversationSettings {
        self.settings.get(&conversation).cloned().unwrap_or_default()
    }

    /// Stores settings, unless newer ones are known.
    pub(super) fn put_settings(&mut self, conversation: ConversationId, settings: ConversationSettings) {
        if self.settings.get(&conversation).is_some_and(|known| known.version >= settings.version) {
            return;
        }
        if settings.cleared_seq > self.settings(conversation).cleared_seq {
            // Copies and pages that were requested before may still show what is gone.
            self.mark_hidden(conversation);
            if let Some(copy) = self.conversations.get_mut(&conversation) {
                copy.clear_up_to(settings.cleared_seq, self.user);
            }
        }
        let before = self.conversation(conversation).map(|row| self.unread_at(row));
        let version = settings.version;
        self.settings.insert(conversation, settings);
        self.update_totals_of_settings(conversation, before, version);
    }

    /// Returns whether a conversation counts in the totals: it is neither archived nor muted at their time.
    pub(super) fn counts(&self, conversation: &Conversation) -> bool {
        let Some(settings) = self.settings.get(&conversation.id) else { return true };
        // Times have one form, so their texts have their order.
        let is_muted = settings.muted && settings.muted_until.as_ref().is_none_or(|until| *until > self.now);
        !is_muted && settings.archived_seq.is_none_or(|seq| seq < conversation.last_seq)
    }
}

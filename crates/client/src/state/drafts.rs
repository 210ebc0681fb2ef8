//! What the user is writing, on whichever device: of two copies, the one with the higher version is current.

use super::State;
use parlor_protocol::{ids::ConversationId, model::Draft, reply::DraftOf};

impl State {
    /// Returns the draft in a conversation, unless there is none.
    #[must_use]
    pub fn draft(&self, conversation: ConversationId) -> Option<&Draft> {
        self.drafts.get(&conversation).filter(|draft| !is_empty(draft))
    }

    /// Iterates over the drafts that are not empty.
    pub fn drafts(&self) -> impl Iterator<Item = (ConversationId, &Draft)> {
        self.drafts.iter().map(|(id, draft)| (*id, draft)).filter(|(_, draft)| !is_empty(draft))
    }

    /// Stores a draft, unless a newer one is known.
    pub(super) fn put_draft(&mut self, conversation: ConversationId, draft: Draft) {
        if self.drafts.get(&conversation).is_none_or(|known| known.version < draft.version) {
            self.drafts.insert(conversation, draft);
        }
    }

    /// Stores the drafts of an answer to `me.get`, which are all if too much has changed.
    pub(super) fn apply_me_drafts(&mut self, drafts: Vec<DraftOf>, are_all: bool) {
        if are_all {
            self.drafts.clear();
        }
        for one in drafts {
            self.put_draft(one.conversation, one.draft);
        }
    }
}

fn is_empty(draft: &Draft) -> bool {
    draft.text.is_empty() && draft.subject.is_none() && draft.reply_to.is_none()
}

//! What a client must fetch to catch up with the server.

use super::State;
use parlor_protocol::ids::{ConversationId, Scope, Seq, Version};
use std::collections::BTreeSet;

/// A request that the state needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Need {
    /// `conversation.list`, page after page.
    List,
    /// `me.get`
    Me,
    /// `conversation.get`
    Conversation(ConversationId),
    /// `conversation.changes`
    Changes(ConversationId, Version),
    /// `message.list` after this `seq`; the newest page when no message is loaded.
    Messages(ConversationId, Option<Seq>),
    /// `message.list` of a single message, which another one answers.
    Quote(ConversationId, Seq),
}

impl State {
    /// Whether there are no pending heads, no pending events and no needs.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.pending_heads.is_none() && self.pending_events.is_empty() && self.needs().is_empty()
    }

    /// Returns what to fetch now.
    #[must_use]
    pub fn needs(&self) -> Vec<Need> {
        if self.me.is_none() {
            // This comes first: its scope reports what is hidden later, and all answers know what was hidden before.
            return vec![Need::Me];
        }
        if !self.is_list_loaded {
            return vec![Need::List];
        }
        // The answer to `conversation.changes` contains the whole conversation, too.
        let is_behind = |id: &&ConversationId| {
            let scope = Scope::Conversation(**id);
            self.known_versions.get(&scope) > self.version(scope).as_ref() && self.conversations.contains_key(*id)
        };
        let refetched = self.stale.iter().filter(|id| !is_behind(id));
        let mut needs: BTreeSet<Need> = refetched.map(|id| Need::Conversation(*id)).collect();
        if self.unread_totals.are_stale() {
            needs.insert(Need::Me);
        }
        for (scope, version) in &self.known_versions {
            if self.version(*scope).is_some_and(|current| current >= *version) {
                continue;
            }
            needs.insert(match scope {
                Scope::User(_) => Need::Me,
                Scope::Conversation(id) => match self.conversations.get(id) {
                    Some(copy) => Need::Changes(*id, copy.changes_since()),
                    None => Need::Conversation(*id),
                },
            });
        }
        for (id, copy) in &self.conversations {
            if copy.is_open && !copy.has_newest_messages(self.user) {
                needs.insert(Need::Messages(*id, copy.messages.last()));
            }
            needs.extend(copy.messages.unknown_quotes().map(|seq| Need::Quote(*id, seq)));
        }
        needs.into_iter().collect()
    }
}

//! Answers of the server, applied to the state.

use super::{PendingHeads, RequestTick, State, conversation_copy::ConversationCopy};
use parlor_protocol::{
    event::Event,
    ids::{ConversationId, Scope, Seq, Version},
    model::Conversation,
    reply::{Changes, ConversationAnswer, ConversationPage, Heads, MeAnswer, MessagePage, Shown},
};
use std::collections::BTreeMap;

impl State {
    /// Applies the answer to `session.resume` or `GET /v1/events`.
    pub fn apply_heads(&mut self, heads: Heads, requested_at: RequestTick) {
        if heads.reset {
            self.reset();
            self.cursor = Some(heads.cursor);
            return;
        }
        for scope in heads.gone {
            let Scope::Conversation(id) = scope else { continue };
            if self.added_at.get(&id).is_some_and(|tick| *tick > requested_at.0) {
                self.stale.insert(id);
            } else {
                self.drop_conversation(id);
            }
        }
        let scopes: BTreeMap<_, _> = heads.heads.iter().map(|head| (head.scope, head.version)).collect();
        for (scope, version) in &scopes {
            self.note_version(*scope, *version);
        }
        // Copies from before the user's last known change may count messages that they hid since: they are fetched again.
        let are_older = self.me.as_ref().is_some_and(|me| heads.cursor.version < me.scope_version);
        self.pending_heads = Some(PendingHeads { cursor: heads.cursor, scopes });
        for changes in heads.changes.into_iter().filter(|_| !are_older) {
            // These changes start at the cursor, which every loaded copy has reached.
            self.apply_changes_page(changes, requested_at, true);
        }
        self.advance_cursor();
    }

    /// Applies the answer to `conversation.show`: live events continue from these versions.
    pub fn apply_shown(&mut self, shown: &Shown) {
        for head in &shown.heads {
            self.apply_event(Event::ScopeChanged { scope: head.scope, version: head.version });
        }
    }

    /// Applies the answer `not_found` to a request about a conversation.
    pub fn apply_not_found(&mut self, id: ConversationId, requested_at: RequestTick) {
        if self.added_at.get(&id).is_none_or(|tick| *tick <= requested_at.0) {
            self.drop_conversation(id);
        } else {
            self.stale.insert(id);
        }
    }

    /// Applies a page of the list and returns the cursor of the next page. A page requested before a reset is ignored:
    /// the list starts over.
    pub fn apply_conversation_page(&mut self, page: ConversationPage, requested_at: RequestTick) -> Option<String> {
        if self.reset_at > requested_at.0 {
            return None;
        }
        self.cursor = self.cursor.or(Some(page.cursor));
        for conversation in page.conversations {
            self.apply_conversation(conversation, requested_at);
        }
        self.advance_cursor();
        page.next
    }

    /// Marks the list as loaded; `requested_at` is the tick of its last page.
    pub fn finish_list(&mut self, requested_at: RequestTick) {
        self.is_list_loaded = self.reset_at <= requested_at.0;
    }

    /// Applies the answer to `conversation.get`.
    pub fn apply_conversation_answer(&mut self, answer: ConversationAnswer, requested_at: RequestTick) {
        self.apply_conversation(answer.conversation, requested_at);
        self.advance_cursor();
    }

    /// Applies a whole conversation, whichever answer or event contained it.
    pub fn apply_conversation(&mut self, conversation: Conversation, requested_at: RequestTick) {
        let id = conversation.id;
        if self.is_stale(id, requested_at) {
            return;
        }
        self.put_settings(id, conversation.settings.clone());
        let before = self.conversation(id).map(|row| self.unread_at(row));
        match self.conversations.get_mut(&id) {
            Some(copy) if conversation.version < copy.conversation.version => return,
            Some(copy) if conversation.version > copy.conversation.version && !copy.messages.is_empty() => {
                // Loaded messages may have changed meanwhile: fetching the changes brings the conversation as well.
                return self.note_version(Scope::Conversation(id), conversation.version);
            }
            Some(copy) => {
                if copy.replace(conversation, self.user) {
                    self.stale.remove(&id);
                } else {
                    self.stale.insert(id);
                }
            }
            None => {
                self.stale.remove(&id);
                self.tick += 1;
                self.added_at.insert(id, self.tick);
                let mut copy = ConversationCopy::new(conversation);
                copy.clear_up_to(self.settings(id).cleared_seq, self.user);
                self.conversations.insert(id, copy);
            }
        }
        self.update_totals(id, before, false);
        self.mark_stale_if_hidden(id, requested_at);
        self.apply_pending_events(Scope::Conversation(id));
    }

    /// Applies the answer to `conversation.changes`.
    pub fn apply_changes(&mut self, changes: Changes, requested_at: RequestTick) {
        self.apply_changes_page(changes, requested_at, false);
    }

    fn apply_changes_page(&mut self, changes: Changes, requested_at: RequestTick, follows: bool) {
        let Scope::Conversation(id) = changes.scope else { return };
        if self.is_stale(id, requested_at) || self.may_lack_messages(id, requested_at) {
            return;
        }
        let at = self.totals_version();
        if let Some(conversation) = &changes.conversation {
            self.put_settings(id, conversation.settings.clone());
        }
        let before = self.conversation(id).map(|row| self.unread_at(row));
        match self.conversations.get_mut(&id) {
            Some(copy) => {
                let is_complete = at.is_some_and(|at| copy.changed_after(at, &changes, self.user));
                let is_whole = copy.apply_changes(changes, follows, self.user, &mut self.appended);
                self.update_totals(id, before, is_complete);
                if is_whole {
                    self.stale.remove(&id);
                    self.mark_stale_if_hidden(id, requested_at);
                    self.apply_pending_events(Scope::Conversation(id));
                }
            }
            None => {
                if let Some(conversation) = changes.conversation {
                    self.apply_conversation(conversation, requested_at);
                }
            }
        }
        self.advance_cursor();
    }

    /// Applies a page of messages.
    pub fn apply_message_page(&mut self, id: ConversationId, page: MessagePage, requested_at: RequestTick) {
        if self.is_stale(id, requested_at) || self.may_lack_messages(id, requested_at) {
            return;
        }
        if let Some(copy) = self.conversations.get_mut(&id) {
            copy.apply_page(page, self.user, &mut self.appended);
        }
    }

    /// Applies the page fetched for one message that others answer.
    pub fn apply_quote_page(&mut self, id: ConversationId, seq: Seq, page: MessagePage, requested_at: RequestTick) {
        if self.is_stale(id, requested_at) || self.may_lack_messages(id, requested_at) {
            return;
        }
        if let Some(copy) = self.conversations.get_mut(&id) {
            copy.apply_quote_page(seq, page, self.user);
        }
    }

    /// Applies the answer to `me.get`, requested with the state's version of `user:…`.
    pub fn apply_me(&mut self, answer: MeAnswer, requested_at: RequestTick) {
        if self.reset_at > requested_at.0 {
            return;
        }
        self.apply_totals(&answer, requested_at);
        if answer.me.scope_version < self.me.as_ref().map_or(Version(0), |me| me.scope_version) {
            return;
        }
        self.me = Some(answer.me);
        for one in answer.settings {
            self.put_settings(one.conversation, one.settings);
        }
        if let Some(blocks) = answer.blocks {
            self.blocks = blocks.into_iter().collect();
        }
        self.apply_me_drafts(answer.drafts, answer.hidden_reset);
        self.reports = answer.reports;
        if let Some(warnings) = answer.warnings {
            self.warnings = warnings.into_iter().map(|warning| (warning.report, warning)).collect();
        }
        self.apply_hidden(answer.hidden, answer.hidden_reset);
        self.apply_unhidden(answer.unhidden);
        for marker in answer.markers {
            let copy = self.conversations.get_mut(&marker.conversation);
            // `unread` may have been counted at another version than `scope_version`.
            if copy.is_some_and(|copy| !copy.apply_marker(&marker, Version(0), self.user)) {
                self.stale.insert(marker.conversation);
            }
        }
        self.apply_pending_events(Scope::User(self.user));
        self.advance_cursor();
    }
}

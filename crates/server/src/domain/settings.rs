//! How a user keeps a conversation in their own list: pinned, archived, muted, marked as unread, cleared.
//!
//! The settings belong to the scope of the user: no other member receives them, and none of their rows has them. Whether
//! a conversation is in the archive follows from `archived_seq` and its newest message, so a new message needs no change
//! of settings; whether it is muted follows from the time.

use super::{
    change::{Outcome, SettingsPatch},
    decide::{At, Decided, Outgoing, Rules},
    settings_row::SettingsRow,
    state::State,
};
use crate::channel_layer::Topic;
use parlor_protocol::{
    error::{Code, Problem},
    event::{Event, Scoped},
    ids::{ConversationId, Scope, Seq, UserId},
    reply::{Answer, Changed},
};

impl State {
    pub(super) fn update_settings(
        &mut self,
        actor: UserId,
        conversation: ConversationId,
        patch: &SettingsPatch,
        rules: &Rules,
        at: At,
    ) -> Result<Decided, Problem> {
        let (row, _) = self.place(conversation, actor)?;
        let before = self.settings_of(actor, conversation);
        // A newer message has taken it out of the archive; muting it later must not put it back.
        let archived_before = before.archived_seq.filter(|seq| *seq >= row.last_seq || before.muted_until > at.now_ms);
        let settings = SettingsRow {
            pinned: patch.pinned.unwrap_or(before.pinned),
            archived_seq: patch.archived_seq.map_or(archived_before, |seq| seq.map(|seq| seq.min(row.last_seq))),
            muted_until: patch.muted_until.unwrap_or(before.muted_until),
            marked_unread: patch.marked_unread.unwrap_or(before.marked_unread),
            ..before
        };
        if settings == before {
            let version = self.user(actor)?.version;
            let change = Changed { version, prev: version };
            return Ok(Decided::quietly(Outcome::Answer(Answer::Changed(change))));
        }
        let most = rules.limits.pinned_max;
        let pinned = self.pinned_counts.entry(actor).or_default();
        if settings.pinned && !before.pinned && *pinned >= i64::from(most) {
            return Err(Problem::new(Code::LimitReached).with_limit(most.into()));
        }
        *pinned += i64::from(settings.pinned) - i64::from(before.pinned);
        let (place, event) = self.put_settings(actor, conversation, settings, at);
        Ok(Decided { outcome: Outcome::Answer(Answer::Changed(Changed::of(&place))), outgoing: vec![event] })
    }

    /// Clears a conversation for one member up to a message, or the last one if that is earlier. The messages count as read,
    /// so nothing that they no longer see is unread.
    pub(super) fn clear(
        &mut self,
        actor: UserId,
        conversation: ConversationId,
        seq: Seq,
        rules: &Rules,
        at: At,
    ) -> Result<Decided, Problem> {
        let (row, member) = self.place(conversation, actor)?;
        let cleared_seq = seq.min(row.last_seq);
        let prev = self.user(actor)?.version;
        if cleared_seq <= member.cleared_seq {
            return Ok(Decided::quietly(Outcome::Answer(Answer::Changed(Changed { version: prev, prev }))));
        }
        let (_, moved) = self.move_markers(actor, conversation, (Seq(0), cleared_seq), rules, at)?;
        self.member_mut(conversation, actor).cleared_seq = cleared_seq;
        let settings = SettingsRow { cleared_seq, marked_unread: false, ..self.settings_of(actor, conversation) };
        let (_, outgoing) = self.with_settings(actor, conversation, moved, settings, at);
        let change = Changed { version: at.version, prev };
        Ok(Decided { outcome: Outcome::Answer(Answer::Changed(change)), outgoing })
    }

    /// Returns the settings of a member, which have been loaded if there are any.
    pub(super) fn settings_of(&self, user: UserId, conversation: ConversationId) -> SettingsRow {
        self.settings.get(&(user, conversation)).copied().unwrap_or_default()
    }

    /// Stores settings at a new version of the user's scope, and addresses their event.
    pub(super) fn put_settings(
        &mut self,
        user: UserId,
        conversation: ConversationId,
        settings: SettingsRow,
        at: At,
    ) -> (Scoped, Outgoing) {
        let settings = SettingsRow { version: at.version, ..settings };
        self.settings.insert((user, conversation), settings);
        self.changed_settings.insert((user, conversation));
        let prev = self.raise_user(user, at.version);
        let place = Scoped { scope: Scope::User(user), version: at.version, prev };
        let event = Event::SettingsUpdated { place, conversation, settings: settings.settings() };
        (place, Outgoing::Event(vec![Topic::User(user)], Box::new(event)))
    }
}

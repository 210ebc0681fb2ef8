//! Markers: how far a member has received and read. They never move back. Reading also ends that a conversation is marked
//! as unread.

use super::{
    change::Outcome,
    decide::{At, Decided, Outgoing, Rules},
    rows::{Counting, UNREAD_MAX},
    settings_row::SettingsRow,
    state::{MessageKey, State},
};
use crate::{channel_layer::Topic, environment::rfc3339};
use parlor_protocol::{
    error::Problem,
    event::{Event, Scoped},
    ids::{ConversationId, Scope, Seq, UserId},
    reply::{Answer, Changed, Marked, Marker},
};
use std::collections::BTreeSet;

/// Markers that have moved, and the event that says so.
pub(super) struct MovedMarkers {
    place: Scoped,
    /// Nobody else learns of it.
    is_quiet: bool,
    outgoing: Vec<Outgoing>,
}

impl State {
    pub(super) fn mark(
        &mut self,
        actor: UserId,
        conversation: ConversationId,
        delivered: Seq,
        read: Seq,
        rules: &Rules,
        at: At,
    ) -> Result<Decided, Problem> {
        let (marker, moved) = self.move_markers(actor, conversation, (delivered, read), rules, at)?;
        let settings = self.settings_of(actor, conversation);
        let (change, outgoing) = if read > Seq(0) && settings.marked_unread {
            let (place, outgoing) =
                self.with_settings(actor, conversation, moved, SettingsRow { marked_unread: false, ..settings }, at);
            (Changed::of(&place), outgoing)
        } else if let Some(moved) = moved {
            (Changed::of(&moved.place), moved.outgoing)
        } else {
            let version = self.conversations[&conversation].version;
            (Changed { version, prev: version }, Vec::new())
        };
        Ok(Decided { outcome: Outcome::Answer(Answer::Marked(Marked { marker, change })), outgoing })
    }

    /// Moves the markers of a member forward. Returns them, and what has changed if they moved.
    pub(super) fn move_markers(
        &mut self,
        actor: UserId,
        conversation: ConversationId,
        (delivered, read): (Seq, Seq),
        rules: &Rules,
        at: At,
    ) -> Result<(Marker, Option<MovedMarkers>), Problem> {
        let (row, member) = self.place(conversation, actor)?;
        let read_seq = read.min(row.last_seq).max(member.read_seq);
        let delivered_seq = delivered.max(read_seq).min(row.last_seq).max(member.delivered_seq);
        let read_at = if read_seq > member.read_seq { Some(at.now_ms) } else { member.read_at };
        let unread = self.unread_after(conversation, actor, read_seq);
        let marker = Marker { conversation, read_seq, read_at: read_at.map(rfc3339), delivered_seq, unread };
        // Published to nobody else: there are too many members, or only the read marker moved, and receipts are off or one
        // has blocked the other.
        let receipts = rules.messages.receipts && member.receipts && !row.blocking.is_any();
        let is_told = receipts || delivered_seq > member.delivered_seq;
        let is_quiet = row.member_count > rules.limits.conversation_fan_out_max || !is_told;
        let count = row.member_count;
        if read_seq <= member.read_seq && delivered_seq <= member.delivered_seq {
            return Ok((marker, None));
        }
        let changed = self.member_mut(conversation, actor);
        changed.read_at = read_at;
        changed.read_seq = read_seq;
        changed.delivered_seq = delivered_seq;
        let (place, outgoing) = if is_quiet {
            changed.personal_version = at.version;
            let place =
                Scoped { scope: Scope::User(actor), version: at.version, prev: self.raise_user(actor, at.version) };
            let event = Event::MarkerUpdated { place, marker: marker.clone() };
            (place, vec![Outgoing::Event(vec![Topic::User(actor)], Box::new(event))])
        } else {
            changed.version = at.version;
            let prev = self.raise_conversation(conversation, at.version);
            let place = Scoped { scope: Scope::Conversation(conversation), version: at.version, prev };
            let outgoing = self.notify_rows(place, count, &[actor], rules, |members, whole| Event::MembersUpdated {
                place,
                members,
                member_count: count,
                unread: whole.then_some(marker.unread),
                message: None,
            });
            (place, outgoing)
        };
        Ok((marker, Some(MovedMarkers { place, is_quiet, outgoing })))
    }

    /// Stores settings that change together with markers, and addresses the events of both.
    pub(super) fn with_settings(
        &mut self,
        actor: UserId,
        conversation: ConversationId,
        moved: Option<MovedMarkers>,
        settings: SettingsRow,
        at: At,
    ) -> (Scoped, Vec<Outgoing>) {
        let (place, event) = self.put_settings(actor, conversation, settings, at);
        match moved {
            None => (place, vec![event]),
            Some(MovedMarkers { place, is_quiet: true, .. }) => {
                // Both are changes of the user's scope, which has one event for a version.
                let event = Event::ScopeChanged { scope: place.scope, version: place.version };
                (place, vec![Outgoing::Event(vec![Topic::User(actor)], Box::new(event))])
            }
            Some(MovedMarkers { place, mut outgoing, .. }) => {
                outgoing.push(event);
                (place, outgoing)
            }
        }
    }

    /// Returns a member's own markers as they are now. The store has counted what is unread after them.
    pub(super) fn marker(&self, conversation: ConversationId, user: UserId) -> Marker {
        let member = &self.members[&conversation][&user];
        let (read_seq, delivered_seq) = (member.read_seq, member.delivered_seq);
        let unread = self.unread_after(conversation, user, read_seq);
        Marker { conversation, read_seq, read_at: member.read_at.map(rfc3339), delivered_seq, unread }
    }

    /// Returns the unread count: what the store counted before the batch after this marker or an earlier one, minus
    /// what the batch deleted, hid or marked as read, plus what it added.
    pub(super) fn unread_after(&self, conversation: ConversationId, user: UserId, read_seq: Seq) -> u32 {
        let new = || self.new_messages.iter().filter(|key| key.0 == conversation);
        let old_last = Seq(self.conversations[&conversation].last_seq.0 - i64::try_from(new().count()).unwrap_or(0));
        let now = |key: &MessageKey| key.1 > read_seq && self.is_counted(user, key);
        let added = new().filter(|key| now(key)).count();
        let counted = self.unread.range((conversation, user, Seq(0))..=(conversation, user, read_seq)).next_back();
        let (from, before) = match counted {
            _ if read_seq >= old_last => (old_last, 0),
            Some(((_, _, from), count)) => (*from, *count),
            None => (read_seq, 0),
        };
        let touched: BTreeSet<MessageKey> = self.were_counted.keys().copied().chain(self.rehidden_by(user)).collect();
        let touched = touched.iter().filter(|key| key.0 == conversation && key.1 > from && key.1 <= old_last);
        let more: i64 = touched.map(|key| i64::from(now(key)) - i64::from(self.was_counted(user, key))).sum();
        let added = i64::try_from(added).unwrap_or(UNREAD_MAX);
        let unread = before.saturating_add(added).saturating_add(more).clamp(0, UNREAD_MAX);
        u32::try_from(unread).expect("between 0 and the maximum")
    }

    /// Returns what the user hid in this batch, or no longer hides.
    pub(super) fn rehidden_by(&self, user: UserId) -> impl Iterator<Item = MessageKey> {
        let keys =
            self.changed_hidden.range((user, (ConversationId(0), Seq(0)))..).take_while(move |(key, _)| key.0 == user);
        keys.map(|((_, key), _)| *key)
    }

    /// Returns whether a message counts for the user.
    pub(super) fn is_counted(&self, user: UserId, key: &MessageKey) -> bool {
        let row = &self.messages[key];
        row.sender != user && row.counting() == Counting::Counted && !self.hidden.contains(&(user, *key))
    }

    /// The same before the batch.
    fn was_counted(&self, user: UserId, key: &MessageKey) -> bool {
        let row = &self.messages[key];
        let was_counted = self.were_counted.get(key).copied().unwrap_or(row.counting() == Counting::Counted);
        let hidden = self.changed_hidden.get(&(user, *key));
        let was_hidden = hidden.map_or_else(|| self.hidden.contains(&(user, *key)), |change| change.was_hidden);
        row.sender != user && was_counted && !was_hidden
    }
}

//! Live events: applied in order, queued when they are early, ignored when they are old.

use super::State;
use parlor_protocol::{
    event::{Event, Scoped},
    ids::{Scope, Version},
    report::ReportCounts,
};

impl State {
    /// Applies a live event, or queues it.
    pub fn apply_event(&mut self, event: Event) {
        let Some((scope, version, prev)) = position(&event) else { return };
        match self.version(scope) {
            Some(current) if version <= current => return,
            Some(current) if prev == Some(current) => self.apply_next_event(event),
            Some(_) => {
                self.queue_event(event, scope, version);
                return;
            }
            None => match event {
                // A conversation opened before the cursor and not loaded may have been left since, without an event
                // to say so: the event is queued like any other, and the conversation is fetched.
                Event::ConversationCreated { conversation, .. }
                    if self.is_list_loaded && version > self.reported_version() =>
                {
                    self.apply_conversation(*conversation, self.request_tick());
                }
                Event::MembersUpdated { members, .. }
                    if members.iter().any(|member| member.left && member.user.id == self.user) =>
                {
                    self.mark_totals_stale();
                }
                other => {
                    self.queue_event(other, scope, version);
                    return;
                }
            },
        }
        self.apply_pending_events(scope);
        self.advance_cursor();
    }

    /// The version up to which heads or a first page have reported everything.
    fn reported_version(&self) -> Version {
        let cursors = self.cursor.into_iter().chain(self.pending_heads.as_ref().map(|goal| goal.cursor));
        cursors.map(|cursor| cursor.version).max().unwrap_or_default()
    }

    fn queue_event(&mut self, event: Event, scope: Scope, version: Version) {
        self.note_version(scope, version);
        if !matches!(event, Event::ScopeChanged { .. }) {
            self.pending_events.entry(scope).or_default().push(event);
        }
    }

    /// Applies queued events that are no longer early.
    pub(super) fn apply_pending_events(&mut self, scope: Scope) {
        let Some(mut events) = self.pending_events.remove(&scope) else { return };
        events.sort_by_key(version_of);
        let mut rest = Vec::new();
        for event in events {
            let Some((_, version, prev)) = position(&event) else { continue };
            match self.version(scope) {
                Some(current) if version <= current => {}
                Some(current) if prev == Some(current) => self.apply_next_event(event),
                _ => rest.push(event),
            }
        }
        for event in rest {
            // It stays queued, unless an event before it was a removal and this one is of the user's return.
            self.apply_event(event);
        }
    }

    fn apply_next_event(&mut self, event: Event) {
        let Some((scope, version, _)) = position(&event) else { return };
        let Scope::Conversation(id) = scope else { return self.apply_user_event(event, version) };
        let removed = matches!(&event, Event::MembersUpdated { members, .. }
            if members.iter().any(|member| member.left && member.user.id == self.user));
        if removed {
            // Events that overtook the removal are of the user's return.
            let ahead = self.pending_events.remove(&scope).unwrap_or_default();
            self.drop_conversation(id);
            for event in ahead.into_iter().filter(|event| version_of(event) > version) {
                self.apply_event(event);
            }
            return;
        }
        let before = self.conversation(id).map(|row| self.unread_at(row));
        let Some(copy) = self.conversations.get_mut(&id) else { return };
        let was_large = copy.conversation.member_count > self.fan_out_max;
        let is_whole = copy.apply_event(event, version, (self.user, was_large), &mut self.appended);
        let crossed_limit = was_large != (copy.conversation.member_count > self.fan_out_max);
        self.update_totals(id, before, true);
        if !is_whole || crossed_limit {
            self.stale.insert(id);
        }
    }

    fn apply_user_event(&mut self, event: Event, version: Version) {
        match event {
            Event::MeUpdated { me, .. } => self.me = Some(me),
            Event::MessageHidden { seq, marker, .. } => {
                let id = marker.conversation;
                self.mark_hidden(id);
                // It belongs to the user's scope, so the conversation's copy may already include it.
                self.mark_totals_stale();
                let copy = self.conversations.get_mut(&id);
                if copy.is_some_and(|copy| !copy.apply_hidden(seq, &marker, version, self.user)) {
                    self.stale.insert(id);
                }
            }
            Event::MarkerUpdated { marker, .. } => {
                self.mark_totals_stale();
                let copy = self.conversations.get_mut(&marker.conversation);
                if copy.is_some_and(|copy| !copy.apply_marker(&marker, version, self.user)) {
                    self.stale.insert(marker.conversation);
                }
            }
            Event::SettingsUpdated { conversation, settings, .. } => {
                self.mark_totals_stale();
                self.put_settings(conversation, settings);
            }
            Event::BlockUpdated { user, blocked: true, .. } => {
                self.blocks.insert(user);
            }
            Event::BlockUpdated { user, blocked: false, .. } => {
                self.blocks.remove(&user);
            }
            Event::DraftUpdated { conversation, draft, .. } => self.put_draft(conversation, draft),
            Event::ReportUpdated { open, .. } => self.reports = Some(ReportCounts { open }),
            Event::WarningCreated { warning, .. } => {
                self.warnings.insert(warning.report, warning);
            }
            Event::WarningRead { report, .. } => {
                self.warnings.remove(&report);
            }
            // These belong to conversations, or to no scope.
            Event::MessageCreated { .. }
            | Event::MessageUpdated { .. }
            | Event::ConversationCreated { .. }
            | Event::ConversationUpdated { .. }
            | Event::MembersUpdated { .. }
            | Event::ScopeAdvanced { .. }
            | Event::ScopeChanged { .. }
            | Event::TypingChanged { .. }
            | Event::PresenceChanged { .. }
            | Event::UploadProgress { .. } => {}
        }
        if let Some(me) = &mut self.me {
            me.scope_version = version;
        }
    }
}

fn version_of(event: &Event) -> Version {
    position(event).map_or(Version(0), |(_, version, _)| version)
}

/// Returns the scope, the version and, if it has one, the `prev` of an event; `None` for ephemeral events.
#[must_use]
pub fn position(event: &Event) -> Option<(Scope, Version, Option<Version>)> {
    let of = |place: &Scoped| Some((place.scope, place.version, Some(place.prev)));
    match event {
        Event::MessageCreated { place, .. }
        | Event::ConversationCreated { place, .. }
        | Event::ConversationUpdated { place, .. }
        | Event::MembersUpdated { place, .. }
        | Event::MarkerUpdated { place, .. }
        | Event::MeUpdated { place, .. }
        | Event::SettingsUpdated { place, .. }
        | Event::BlockUpdated { place, .. }
        | Event::DraftUpdated { place, .. }
        | Event::ReportUpdated { place, .. }
        | Event::WarningCreated { place, .. }
        | Event::WarningRead { place, .. }
        | Event::MessageUpdated { place, .. }
        | Event::MessageHidden { place, .. }
        | Event::ScopeAdvanced { place } => of(place),
        Event::ScopeChanged { scope, version } => Some((*scope, *version, None)),
        Event::TypingChanged { .. } | Event::PresenceChanged { .. } | Event::UploadProgress { .. } => None,
    }
}

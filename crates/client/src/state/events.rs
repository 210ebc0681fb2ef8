//! Live events: applied when they follow on what is held, held when they are ahead, dropped when they are past.

use super::{State, totals::Row};
use parlor_protocol::{
    event::{Event, Scoped},
    ids::{Scope, Version},
};

impl State {
    /// Applies a live event, or holds it.
    pub fn event(&mut self, event: Event) {
        let Some((scope, version, prev)) = place(&event) else { return };
        match self.version(scope) {
            Some(held) if version <= held => return,
            Some(held) if prev == Some(held) => self.apply(event),
            Some(_) => {
                self.hold(event, scope, version);
                return;
            }
            None => match event {
                // One that was opened before what heads have told, and is not held, may have been left since in a way
                // that is told no more: it is held back like any other event, and the conversation is asked for.
                Event::ConversationCreated { conversation, .. } if self.is_loaded && version > self.told() => {
                    self.take_conversation(*conversation, self.asking());
                }
                Event::MembersUpdated { members, .. }
                    if members.iter().any(|member| member.left && member.user.id == self.user) =>
                {
                    self.want_totals();
                }
                other => {
                    self.hold(other, scope, version);
                    return;
                }
            },
        }
        self.look_again(scope);
        self.settle();
    }

    /// The version up to which heads or a first page have told everything.
    fn told(&self) -> Version {
        let cursors = self.cursor.into_iter().chain(self.goal.as_ref().map(|goal| goal.cursor));
        cursors.map(|cursor| cursor.version).max().unwrap_or_default()
    }

    fn hold(&mut self, event: Event, scope: Scope, version: Version) {
        self.reach(scope, version);
        if !matches!(event, Event::ScopeChanged { .. }) {
            self.ahead.entry(scope).or_default().push(event);
        }
    }

    /// Applies events that were ahead and no longer are.
    pub(super) fn look_again(&mut self, scope: Scope) {
        let Some(mut events) = self.ahead.remove(&scope) else { return };
        events.sort_by_key(version_of);
        let mut rest = Vec::new();
        for event in events {
            let Some((_, version, prev)) = place(&event) else { continue };
            match self.version(scope) {
                Some(held) if version <= held => {}
                Some(held) if prev == Some(held) => self.apply(event),
                _ => rest.push(event),
            }
        }
        for event in rest {
            // It waits on; or one of those before it was a removal, and it is of a return.
            self.event(event);
        }
    }

    fn apply(&mut self, event: Event) {
        let Some((scope, version, _)) = place(&event) else { return };
        let Scope::Conversation(id) = scope else { return self.apply_own(event, version) };
        let removed = matches!(&event, Event::MembersUpdated { members, .. }
            if members.iter().any(|member| member.left && member.user.id == self.user));
        if removed {
            // What overtook the removal is of a return.
            let ahead = self.ahead.remove(&scope).unwrap_or_default();
            self.drop_conversation(id);
            for event in ahead.into_iter().filter(|event| version_of(event) > version) {
                self.event(event);
            }
            return;
        }
        let Some(held) = self.conversations.get_mut(&id) else { return };
        let was_large = held.conversation.member_count > self.fan_out_max;
        let before = Row::of(&held.conversation);
        let is_whole = held.apply(event, version, (self.user, was_large), &mut self.shown);
        let is_other_kind = was_large != (held.conversation.member_count > self.fan_out_max);
        self.count_row(id, Some(before), true);
        if !is_whole || is_other_kind {
            self.renew.insert(id);
        }
    }

    fn apply_own(&mut self, event: Event, version: Version) {
        match event {
            Event::MeUpdated { me, .. } => self.me = Some(me),
            Event::MessageHidden { seq, marker, .. } => {
                let id = marker.conversation;
                self.note_hidden(id);
                // It has a scope of its own, so that a copy that was taken may know it already.
                self.want_totals();
                let held = self.conversations.get_mut(&id);
                if held.is_some_and(|held| !held.take_hidden(seq, &marker, version, self.user)) {
                    self.renew.insert(id);
                }
            }
            Event::MarkerUpdated { marker, .. } => {
                self.want_totals();
                let held = self.conversations.get_mut(&marker.conversation);
                if held.is_some_and(|held| !held.take_marker(&marker, version, self.user)) {
                    self.renew.insert(marker.conversation);
                }
            }
            _ => {}
        }
        if let Some(me) = &mut self.me {
            me.scope_version = version;
        }
    }
}

fn version_of(event: &Event) -> Version {
    place(event).map_or(Version(0), |(_, version, _)| version)
}

/// The scope and version of an event, and `prev` if it has one; none of what is kept by nobody.
#[must_use]
pub fn place(event: &Event) -> Option<(Scope, Version, Option<Version>)> {
    let of = |place: &Scoped| Some((place.scope, place.version, Some(place.prev)));
    match event {
        Event::MessageCreated { place, .. }
        | Event::ConversationCreated { place, .. }
        | Event::ConversationUpdated { place, .. }
        | Event::MembersUpdated { place, .. }
        | Event::MarkerUpdated { place, .. }
        | Event::MeUpdated { place, .. }
        | Event::MessageUpdated { place, .. }
        | Event::MessageHidden { place, .. }
        | Event::ScopeAdvanced { place } => of(place),
        Event::ScopeChanged { scope, version } => Some((*scope, *version, None)),
        Event::TypingChanged { .. } | Event::PresenceChanged { .. } | Event::UploadProgress { .. } => None,
    }
}

//! Receipts: who sees how far others have read.
//!
//! They are reciprocal: users who switch theirs off see none of others, and the operator can switch them off for all.
//! Users always see their own row in full. Rows are sent in at most two encodings, and as a stub to the few for whom
//! neither is right. In a large conversation, whose members are not all loaded, rows are sent without receipts.

use super::{
    decide::{Outgoing, Rules},
    rows::MemberRow,
    state::State,
};
use crate::channel_layer::{NodeMessage, Topic};
use parlor_protocol::{
    event::{Event, Scoped},
    ids::{ConversationId, Scope, UserId},
    model::Member,
};
use std::collections::BTreeMap;

/// Members that get the same event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Audience {
    /// The only member whose row changed: they get all of it.
    Own,
    /// Members with receipts: they get the receipts of others that have them.
    With,
    /// Members without receipts: they get none.
    Without,
    /// Members without receipts whose own row is among several: neither is right, so they are told to fetch.
    Fetches,
}

impl Audience {
    /// Returns the rows as these members get them, and whether they get them in full.
    fn rows(self, rows: &[&MemberRow]) -> (Vec<Member>, bool) {
        let is_whole = |row: &MemberRow| match self {
            Self::Own => true,
            Self::With => row.receipts,
            Self::Without | Self::Fetches => false,
        };
        let are_whole = rows.iter().all(|row| row.has_left || is_whole(row));
        // A member that left is sent without receipts.
        let shown = |row: &&MemberRow| if is_whole(row) && !row.has_left { row.member() } else { row.masked() };
        (rows.iter().map(shown).collect(), are_whole)
    }
}

impl State {
    /// Addresses an event with the rows of members, those of `subjects`. `event` makes it from the rows as they are
    /// sent, and whether they are sent in full. Members that have left get nothing here.
    pub(super) fn notify_rows(
        &self,
        place: Scoped,
        count_before: u32,
        subjects: &[UserId],
        rules: &Rules,
        event: impl Fn(Vec<Member>, bool) -> Event,
    ) -> Vec<Outgoing> {
        let Scope::Conversation(conversation) = place.scope else { return Vec::new() };
        if self.conversations[&conversation].blocking.is_any() {
            return self.notify_blocked(conversation, place, rules);
        }
        let rows: Vec<&MemberRow> = subjects.iter().map(|user| &self.members[&conversation][user]).collect();
        let staying: Vec<UserId> = rows.iter().filter(|row| !row.has_left).map(|row| row.user.id).collect();
        let some_tell = rules.messages.receipts && rows.iter().any(|row| row.receipts && !row.has_left);
        let audience = |member: &MemberRow| {
            let is_subject = staying.contains(&member.user.id);
            match (is_subject, rules.messages.receipts && member.receipts) {
                (_, true) if some_tell => Audience::With,
                (false, _) => Audience::Without,
                (true, _) if staying.len() == 1 => Audience::Own,
                (true, _) => Audience::Fetches,
            }
        };
        let (count, most) = (self.conversations[&conversation].member_count, rules.limits.conversation_fan_out_max);
        // In a large conversation the member whose row it is gets it in their own topic, and not again in the
        // conversation's.
        let apart =
            if let ([only], true) = (&staying[..], count.min(count_before) > most) { Some(*only) } else { None };
        let mut topics: BTreeMap<Audience, Vec<Topic>> = BTreeMap::new();
        if count.min(count_before) <= most {
            for member in self.present(conversation) {
                topics.entry(audience(member)).or_default().push(Topic::User(member.user.id));
            }
        } else if let Some(only) = apart {
            topics.entry(Audience::Own).or_default().push(Topic::User(only));
        }
        let large = count.max(count_before) > most;
        if large {
            // Joining members do not have the conversation yet, and fetch it in any case.
            let of_many = staying.len() > 1 && rows.iter().any(|row| row.joined_version != place.version);
            let audience = if of_many { Audience::Fetches } else { Audience::Without };
            topics.entry(audience).or_default().push(Topic::Conversation(conversation));
        }
        let mut all: Vec<Outgoing> = topics
            .into_iter()
            .map(|(audience, topics)| {
                let event = match audience {
                    Audience::Fetches => Event::ScopeChanged { scope: place.scope, version: place.version },
                    audience => {
                        let (members, are_whole) = audience.rows(&rows);
                        event(members, are_whole)
                    }
                };
                match apart {
                    Some(only) if audience != Audience::Own => Outgoing::EventForOthers(only, topics, Box::new(event)),
                    _ => Outgoing::Event(topics, Box::new(event)),
                }
            })
            .collect();
        if large {
            all.push(Outgoing::Nodes(NodeMessage::Hint { conversation, version: place.version }));
        }
        all
    }

    /// Tells the members of a direct conversation, of whom one has blocked the other, to fetch what they may see.
    fn notify_blocked(&self, conversation: ConversationId, place: Scoped, rules: &Rules) -> Vec<Outgoing> {
        let event = Event::ScopeChanged { scope: place.scope, version: place.version };
        self.notify(conversation, self.conversations[&conversation].member_count, &[], rules, event, place.version)
    }

    /// Addresses the events after a user has switched receipts: others get the row, the user's own clients must fetch,
    /// since all rows that they have look different now.
    pub(super) fn notify_receipts_setting(&self, place: Scoped, user: UserId, rules: &Rules) -> Vec<Outgoing> {
        let Scope::Conversation(conversation) = place.scope else { return Vec::new() };
        if self.conversations[&conversation].blocking.is_any() {
            return self.notify_blocked(conversation, place, rules);
        }
        let count = self.conversations[&conversation].member_count;
        let ask = Event::ScopeChanged { scope: place.scope, version: place.version };
        if count > rules.limits.conversation_fan_out_max {
            return self.notify(conversation, count, &[], rules, ask, place.version);
        }
        let row = &self.members[&conversation][&user];
        let mut outgoing = vec![Outgoing::Event(vec![Topic::User(user)], Box::new(ask))];
        for is_told in [true, false] {
            let with = |member: &MemberRow| rules.messages.receipts && row.receipts && member.receipts;
            let others = self.present(conversation).filter(|member| member.user.id != user && with(member) == is_told);
            let topics: Vec<Topic> = others.map(|member| Topic::User(member.user.id)).collect();
            if topics.is_empty() {
                continue;
            }
            let members = vec![if is_told { row.member() } else { row.masked() }];
            let event = Event::MembersUpdated { place, members, member_count: count, unread: None, message: None };
            outgoing.push(Outgoing::Event(topics, Box::new(event)));
        }
        outgoing
    }
}

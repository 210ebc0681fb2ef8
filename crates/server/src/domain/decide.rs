//! Decides a change: which rows change, which events go to whom, and what the answer is.
#![expect(missing_docs, reason = "fields that are named like what they hold")]

use super::{
    change::{Change, Outcome},
    fingerprint::FingerprintKey,
    rows::MemberRow,
    state::State,
};
use crate::channel_layer::{NodeMessage, Topic};
use parlor_protocol::{
    error::Problem,
    event::{Event, Scoped},
    ids::{ConversationId, Scope, UserId, Version},
    limits::Limits,
    params::History,
};
use std::collections::BTreeSet;

/// Who may open a conversation with whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum WhoMayWrite {
    /// Everyone with everyone.
    Everyone,
    /// Users who both have a role in one context; and about a context, any user with one who has a role in it, as a
    /// contact link does. While the server has no contexts, everyone with everyone.
    SharedContext,
    /// Users who both have a role in one context; and about a context, only users who both have a role in it.
    BothInContext,
    /// Only the operator opens conversations.
    Nobody,
}

impl WhoMayWrite {
    /// Returns its name in the configuration and on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Everyone => "everyone",
            Self::SharedContext => "shared_context",
            Self::BothInContext => "both_in_context",
            Self::Nobody => "nobody",
        }
    }
}

/// What decisions depend on besides the state.
#[derive(Clone, Debug)]
pub struct Rules {
    pub limits: Limits,
    pub who_may_write: WhoMayWrite,
    pub fingerprints: FingerprintKey,
    pub messages: MessageRules,
    /// What new members see of earlier messages by default.
    pub history: History,
}

/// The rules for messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields)]
pub struct MessageRules {
    /// How long senders can edit a message, in milliseconds; 0 for ever.
    pub edit_within_ms: u64,
    /// How long they can delete it for everyone.
    pub delete_within_ms: u64,
    /// Whether users see how far others have read.
    pub receipts: bool,
}

/// The version and the time of a decision.
#[derive(Clone, Copy, Debug)]
pub(super) struct At {
    pub version: Version,
    pub now_ms: i64,
    pub ageing_ms: i64,
}

/// The time of a decision.
#[derive(Clone, Copy, Debug, Default)]
pub struct Now {
    /// The wall clock, which is stored and shown.
    pub wall_ms: i64,
    /// The clock by which things expire, see `Environment::ageing_ms`.
    pub ageing_ms: i64,
}

/// A message that is published after the commit, in this order.
#[derive(Clone, Debug)]
pub enum Outgoing {
    /// An event for all connections in the topics.
    Event(Vec<Topic>, Box<Event>),
    /// The same, but not for this user, who gets it in another form.
    EventForOthers(UserId, Vec<Topic>, Box<Event>),
    /// A message for the nodes.
    Nodes(NodeMessage),
}

/// The decision on an accepted change.
#[derive(Clone, Debug)]
pub struct Decided {
    pub outcome: Outcome,
    pub outgoing: Vec<Outgoing>,
}

impl Decided {
    /// A decision that publishes nothing.
    pub(super) fn quietly(outcome: Outcome) -> Self {
        Self { outcome, outgoing: Vec::new() }
    }
}

/// Decides a change at its version.
///
/// # Errors
/// The refusal. The state is then unchanged.
pub fn decide(
    state: &mut State,
    change: &Change,
    rules: &Rules,
    version: Version,
    now: Now,
) -> Result<Decided, Problem> {
    let at = At { version, now_ms: now.wall_ms, ageing_ms: now.ageing_ms };
    match change {
        Change::Send { actor, conversation, client_id, content } => {
            state.send(*actor, *conversation, client_id, content, rules, at)
        }
        Change::SaveDraft { actor, conversation, draft } => state.save_draft(*actor, *conversation, draft, rules, at),
        Change::Forward { actor, conversation, client_id, from } => {
            state.forward(*actor, *conversation, client_id, *from, rules, at)
        }
        Change::Edit { actor, conversation, seq, text, mentions, subject } => {
            let text = text.as_deref().map(|text| (text, mentions.as_slice()));
            state.edit(*actor, (*conversation, *seq), (text, subject.as_ref()), rules, at)
        }
        Change::Delete { actor, conversation, seq } => state.delete(*actor, (*conversation, *seq), rules, at),
        Change::Hide { actor, conversation, seq } => state.hide(*actor, (*conversation, *seq), at),
        Change::React { actor, conversation, seq, emoji, on } => {
            state.react(*actor, (*conversation, *seq), emoji, *on, rules, at)
        }
        Change::Cancel { actor, client_id } => state.cancel(*actor, client_id, rules),
        Change::Open { actor, open } => state.open(*actor, open, rules, at),
        Change::Mark { actor, conversation, delivered, read } => {
            state.mark(*actor, *conversation, *delivered, *read, rules, at)
        }
        Change::UpdateSettings { actor, conversation, patch } => {
            state.update_settings(*actor, *conversation, patch, rules, at)
        }
        Change::SetBlocked { actor, user, on } => state.set_blocked(*actor, *user, *on, rules, at),
        Change::Report { actor, report } => state.report_message(*actor, report, rules, at),
        Change::SettleReport { actor, report, settlement } => {
            state.settle_report(*actor, *report, settlement, rules, at)
        }
        Change::ReadWarning { actor, report } => state.read_warning(*actor, *report, at),
        Change::SetModerator { user, on } => state.set_moderator(*user, *on, at),
        Change::Clear { actor, conversation, seq } => state.clear(*actor, *conversation, *seq, rules, at),
        Change::UpdateConversation { actor, conversation, update } => {
            state.update_conversation(*actor, *conversation, update, rules, at)
        }
        Change::UpdateMember { actor, conversation, user, role } => {
            state.update_member(*actor, *conversation, *user, *role, rules, at)
        }
        Change::AddMembers { actor, conversation, users, history } => {
            state.add_members(*actor, *conversation, users, *history, rules, at)
        }
        Change::RemoveMember { actor, conversation, user } => {
            state.remove_member(*actor, *conversation, *user, rules, at)
        }
        Change::AddUser { login, name, password_hash } => {
            state.add_user(login, name, password_hash.as_deref(), rules, at)
        }
        Change::UpdateProfile { user, profile } => state.update_profile(*user, profile, rules, at),
        Change::SetPassword { user, password_hash, keep } => state.set_password(*user, password_hash, *keep, rules, at),
        Change::EndSessions { user, which } => state.end_sessions(*user, *which, rules, at),
        Change::SetDisabled { user, disabled } => state.set_disabled(*user, *disabled, rules, at),
        Change::SetLogin { user, login } => state.set_login(*user, login, rules, at),
        Change::DeleteUser { user } => state.delete_user(*user, rules, at),
        Change::PutUser(host) => state.put_user(host, rules, at),
        Change::UpgradePassword { user, from, to } => state.upgrade_password(*user, from, to, rules, at),
        Change::PutContext { context, roles } => state.put_context(context, roles, rules, at),
        Change::CloseContext { key, closed } => state.close_context(key, *closed, rules, at),
        Change::PutHostMessage(put) => state.put_host_message(put, rules, at),
        Change::RemoveHostMessage { row } => Ok(state.remove_host_message(row, rules, at)),
    }
}

impl State {
    /// Addresses an event of a conversation: to each member's topic while they are few; to the conversation's topic,
    /// with a hint to the nodes, when they are many; to both when the change crosses the limit. `leaving` get it, too.
    pub(super) fn notify(
        &self,
        conversation: ConversationId,
        count_before: u32,
        leaving: &[UserId],
        rules: &Rules,
        event: Event,
        version: Version,
    ) -> Vec<Outgoing> {
        let count = self.conversations[&conversation].member_count;
        let most = rules.limits.conversation_fan_out_max;
        let mut topics = BTreeSet::new();
        topics.extend(leaving.iter().map(|user| Topic::User(*user)));
        if count.min(count_before) <= most {
            topics.extend(self.present(conversation).map(|member| Topic::User(member.user.id)));
        }
        let large = count.max(count_before) > most;
        if large {
            topics.insert(Topic::Conversation(conversation));
        }
        let mut outgoing = vec![Outgoing::Event(topics.into_iter().collect(), Box::new(event))];
        if large {
            outgoing.push(Outgoing::Nodes(NodeMessage::Hint { conversation, version }));
        }
        outgoing
    }

    /// Does the same if some members may not see all of it: members for whom `sees` is true get `full`, the others
    /// `rest`. In a large conversation, whose members are not all loaded, all clients are told to fetch it.
    pub(super) fn notify_by_visibility(
        &self,
        place: Scoped,
        rules: &Rules,
        full: Event,
        rest: Event,
        sees: impl Fn(&MemberRow) -> bool,
    ) -> Vec<Outgoing> {
        let Scope::Conversation(conversation) = place.scope else { return Vec::new() };
        let count = self.conversations[&conversation].member_count;
        if count > rules.limits.conversation_fan_out_max {
            let event = Event::ScopeChanged { scope: place.scope, version: place.version };
            return self.notify(conversation, count, &[], rules, event, place.version);
        }
        let topic = |member: &MemberRow| Topic::User(member.user.id);
        let (seeing, others): (Vec<_>, Vec<_>) = self.present(conversation).partition(|member| sees(member));
        let outgoing = |members: Vec<&MemberRow>, event| {
            let topics: Vec<Topic> = members.into_iter().map(topic).collect();
            (!topics.is_empty()).then(|| Outgoing::Event(topics, Box::new(event)))
        };
        outgoing(seeing, full).into_iter().chain(outgoing(others, rest)).collect()
    }
}

//! Coming and going in groups. A direct conversation has two people for ever.

use super::{
    change::Outcome,
    conversations::{field, new_member},
    decide::{At, Decided, Rules, Told},
    state::State,
};
use crate::channel_layer::{NodeMessage, Topic};
use parlor_protocol::{
    error::{Code, Problem},
    event::{Event, Scoped},
    ids::{ConversationId, Scope, Seq, UserId},
    model::{ConversationKind, Role},
    reply::{Answer, Changed},
};

impl State {
    pub(super) fn add_members(
        &mut self,
        actor: UserId,
        conversation: ConversationId,
        users: &[UserId],
        rules: &Rules,
        at: At,
    ) -> Result<Decided, Problem> {
        let (row, member) = self.place(conversation, actor)?;
        if row.kind == ConversationKind::Direct || member.role != Role::Owner {
            return Err(Code::NotAllowed.into());
        }
        let (before, last_seq, version) = (row.member_count, row.last_seq, row.version);
        let is_present = |user: &UserId| self.members[&conversation].get(user).is_some_and(|member| !member.has_left);
        let mut coming: Vec<UserId> = users.iter().copied().filter(|user| !is_present(user)).collect();
        coming.sort_unstable();
        coming.dedup();
        if coming.is_empty() {
            let change = Changed { version, prev: version };
            return Ok(Decided::quietly(Outcome::Answer(Answer::Changed(change))));
        }
        let most = rules.limits.group_members_max;
        let after = before.saturating_add(u32::try_from(coming.len()).unwrap_or(u32::MAX));
        if after > most {
            return Err(Problem::new(Code::LimitReached).with_limit(most.into()));
        }
        for &user in &coming {
            self.may_write(actor, user, None, rules)?;
        }
        self.room_for_more(&coming, None, rules)?;

        for &user in &coming {
            let mut member = new_member(&self.users[&user], Role::Member, None, last_seq, at.version);
            member.context_role = self.coming_roles.get(&(conversation, user)).cloned().flatten();
            self.members.entry(conversation).or_default().insert(user, member);
            self.changed_members.insert((conversation, user));
        }
        let prev = self.raise_conversation(conversation, at.version);
        let row = self.conversations.get_mut(&conversation).expect("just raised");
        row.member_count = after;
        row.history_from_max = row.history_from_max.max(Seq(last_seq.0 + 1));
        let place = Scoped { scope: Scope::Conversation(conversation), version: at.version, prev };
        let members = coming.iter().map(|user| self.members[&conversation][user].member()).collect();
        let event = Event::MembersUpdated { place, members, member_count: after, unread: None, message: None };
        let mut told = self.tell(conversation, before, &[], rules, event, at.version);
        if before > rules.limits.conversation_fan_out_max {
            // Those who come are not yet in the large conversation's topic.
            let topics = coming.iter().map(|user| Topic::User(*user)).collect();
            told.push(Told::Event(topics, Box::new(Event::ScopeChanged { scope: place.scope, version: at.version })));
        }
        Ok(Decided { outcome: Outcome::Answer(Answer::Changed(Changed::of(&place))), told })
    }

    pub(super) fn remove_member(
        &mut self,
        actor: UserId,
        conversation: ConversationId,
        user: UserId,
        rules: &Rules,
        at: At,
    ) -> Result<Decided, Problem> {
        let (row, member) = self.place(conversation, actor)?;
        if row.kind == ConversationKind::Direct {
            return Err(field("a direct conversation is not left"));
        }
        if actor != user && member.role != Role::Owner {
            return Err(Code::NotAllowed.into());
        }
        let before = row.member_count;
        if self.members[&conversation].get(&user).is_none_or(|member| member.has_left) {
            return Err(Code::NotFound.into());
        }
        let leaving = self.member_mut(conversation, user);
        leaving.has_left = true;
        leaving.version = at.version;
        let mut members = vec![leaving.member()];
        members.extend(self.hand_over(conversation, at));
        let prev = self.raise_conversation(conversation, at.version);
        self.conversations.get_mut(&conversation).expect("just raised").member_count = before - 1;
        let place = Scoped { scope: Scope::Conversation(conversation), version: at.version, prev };
        let event = Event::MembersUpdated { place, members, member_count: before - 1, unread: None, message: None };
        let mut told = vec![Told::Nodes(NodeMessage::Removed { conversation, users: vec![user] })];
        told.extend(self.tell(conversation, before, &[user], rules, event, at.version));
        Ok(Decided { outcome: Outcome::Answer(Answer::Changed(Changed::of(&place))), told })
    }

    /// A group without an owner goes to its longest-standing member.
    fn hand_over(&mut self, conversation: ConversationId, at: At) -> Option<parlor_protocol::model::Member> {
        if self.present(conversation).any(|member| member.role == Role::Owner) {
            return None;
        }
        let heir = self
            .present(conversation)
            .min_by_key(|member| (member.disabled, member.joined_version, member.user.id))?
            .user
            .id;
        let member = self.member_mut(conversation, heir);
        member.role = Role::Owner;
        member.version = at.version;
        Some(member.member())
    }
}

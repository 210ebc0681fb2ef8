//! Joining and leaving groups. A direct conversation always has the same two members.

use super::{
    change::Outcome,
    conversations::new_member,
    decide::{At, Decided, Outgoing, Rules},
    groups::unchanged,
    state::State,
};
use crate::channel_layer::{NodeMessage, Topic};
use parlor_protocol::{
    error::{Code, Problem},
    event::{Event, Scoped},
    ids::{ConversationId, Scope, Seq, UserId},
    model::{ConversationKind, Role, SystemLine},
    params::History,
    reply::{Answer, Changed},
};

impl State {
    pub(super) fn add_members(
        &mut self,
        actor: UserId,
        conversation: ConversationId,
        users: &[UserId],
        history: Option<History>,
        rules: &Rules,
        at: At,
    ) -> Result<Decided, Problem> {
        let row = self.managed(conversation, actor)?;
        let before = row.member_count;
        let is_present = |user: &UserId| self.members[&conversation].get(user).is_some_and(|member| !member.has_left);
        let mut coming: Vec<UserId> = users.iter().copied().filter(|user| !is_present(user)).collect();
        coming.sort_unstable();
        coming.dedup();
        if coming.is_empty() {
            return Ok(unchanged(row));
        }
        let most = rules.limits.group_members_max;
        let after = before.saturating_add(u32::try_from(coming.len()).unwrap_or(u32::MAX));
        if after > most {
            return Err(Problem::new(Code::LimitReached).with_limit(most.into()));
        }
        for &user in &coming {
            self.may_write(actor, user, None, rules)?;
            self.check_blocks(actor, user)?;
        }
        self.room_for_more(&coming, None, rules)?;

        // No one can show others what they cannot see themselves.
        let seen = self.members[&conversation][&actor].history_from;
        for &user in &coming {
            self.come(conversation, user, history.unwrap_or(rules.history), seen, at);
        }
        let prev = self.raise_conversation(conversation, at.version);
        self.conversations.get_mut(&conversation).expect("just raised").member_count = after;
        let message = self.write_line(conversation, actor, SystemLine::Added { users: coming.clone() }, at);
        let place = Scoped { scope: Scope::Conversation(conversation), version: at.version, prev };
        let mut outgoing = self.notify_rows(place, before, &coming, rules, |members, _| Event::MembersUpdated {
            place,
            members,
            member_count: after,
            unread: None,
            message: Some(message.clone()),
        });
        if before > rules.limits.conversation_fan_out_max {
            // Joining members are not yet in the large conversation's topic.
            let topics = coming.iter().map(|user| Topic::User(*user)).collect();
            outgoing.push(Outgoing::Event(
                topics,
                Box::new(Event::ScopeChanged { scope: place.scope, version: at.version }),
            ));
        }
        Ok(Decided { outcome: Outcome::Answer(Answer::Changed(Changed::of(&place))), outgoing })
    }

    /// Adds a user, or adds them again: nothing is unread, and they see the history that this change gives them. What
    /// they hid or cleared before stays gone.
    fn come(&mut self, conversation: ConversationId, user: UserId, history: History, seen: Seq, at: At) {
        let row = self.conversations.get_mut(&conversation).expect("the actor is in it");
        let mut member = new_member(&self.users[&user], Role::Member, None, row.last_seq, at.version);
        if history == History::FromStart {
            member.history_from = seen;
        }
        row.history_from_max = row.history_from_max.max(member.history_from);
        member.context_role = self.coming_roles.get(&(conversation, user)).cloned().flatten();
        let members = self.members.entry(conversation).or_default();
        if let Some(before) = members.get(&user) {
            (member.hidden_seq, member.cleared_seq) = (before.hidden_seq, before.cleared_seq);
        }
        members.insert(user, member);
        self.changed_members.insert((conversation, user));
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
            return Err(Problem::new(Code::NotAllowed).with_detail("a direct conversation is not left"));
        }
        if actor != user && member.role == Role::Member {
            return Err(Code::NotAllowed.into());
        }
        let Some(subject) = self.members[&conversation].get(&user).filter(|member| !member.has_left) else {
            return Err(Code::NotFound.into());
        };
        if actor != user && member.role == Role::Moderator && subject.role != Role::Member {
            return Err(Code::NotAllowed.into());
        }
        let count = row.member_count - 1;
        let owned = subject.role == Role::Owner;
        let leaving = self.member_mut(conversation, user);
        leaving.has_left = true;
        leaving.version = at.version;
        let tombstone = leaving.masked();
        let heir = if owned { self.inherit(conversation, at) } else { None };
        let prev = self.raise_conversation(conversation, at.version);
        self.conversations.get_mut(&conversation).expect("just raised").member_count = count;
        let line = if actor == user { SystemLine::Left { heir } } else { SystemLine::Removed { user } };
        let message = self.write_line(conversation, actor, line, at);
        let place = Scoped { scope: Scope::Conversation(conversation), version: at.version, prev };
        let event =
            |members, message| Event::MembersUpdated { place, members, member_count: count, unread: None, message };
        let changed: Vec<UserId> = [user].into_iter().chain(heir).collect();
        let mut outgoing = vec![
            Outgoing::Nodes(NodeMessage::Removed { conversation, users: vec![user] }),
            // A member that left gets this, and nothing of what follows from it.
            Outgoing::Event(vec![Topic::User(user)], Box::new(event(vec![tombstone], None))),
        ];
        outgoing.extend(
            self.notify_rows(place, count + 1, &changed, rules, |members, _| event(members, Some(message.clone()))),
        );
        outgoing.extend(self.delete_draft(user, conversation, at));
        Ok(Decided { outcome: Outcome::Answer(Answer::Changed(Changed::of(&place))), outgoing })
    }

    /// Returns the new owner of a group whose last owner left: the longest-standing moderator, else member; a disabled
    /// one only if there is no other.
    fn inherit(&mut self, conversation: ConversationId, at: At) -> Option<UserId> {
        let is_owned = |able: bool| {
            self.present(conversation).any(|member| member.role == Role::Owner && (!able || !member.disabled))
        };
        let someone_able = self.present(conversation).any(|member| !member.disabled);
        if is_owned(someone_able) {
            return None;
        }
        let heir = self
            .present(conversation)
            .min_by_key(|it| (it.disabled, it.role == Role::Member, it.joined_version, it.user.id))?
            .user
            .id;
        let member = self.member_mut(conversation, heir);
        member.role = Role::Owner;
        member.version = at.version;
        Some(heir)
    }
}

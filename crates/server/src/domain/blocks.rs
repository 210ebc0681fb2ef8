//! Blocks: a user wants to hear nothing from another one.
//!
//! A block belongs to the scope of the user who makes it. The other user is not told: they see that what they send is
//! refused, and no presence and no read position, as of users who do not show these. Every direct conversation of the two has a
//! copy of it, so that a send loads nothing more; groups have none, and there both go on.

use super::{
    blocking::Blocking,
    change::Outcome,
    conversations::field,
    decide::{At, Decided, Outgoing, Rules},
    rows::ConversationRow,
    state::State,
};
use crate::channel_layer::{NodeMessage, Topic};
use parlor_protocol::{
    error::{Code, Problem},
    event::{Event, Scoped},
    ids::{ConversationId, Scope, UserId},
    reply::{Answer, Changed},
};

impl ConversationRow {
    /// Refuses what is not possible while one of the two members of a direct conversation has blocked the other.
    pub(super) fn check_blocking(&self, actor: UserId) -> Result<(), Problem> {
        if !self.blocking.is_any() {
            return Ok(());
        }
        let lower = self.direct_key.as_deref().and_then(|key| key.split(':').nth(1));
        let is_lower = lower.is_some_and(|lower| lower == actor.to_string());
        refuse(if is_lower { self.blocking.by_lower } else { self.blocking.by_higher }, true)
    }
}

/// Refuses what a block forbids. Users learn of their own blocks only.
fn refuse(is_own: bool, is_any: bool) -> Result<(), Problem> {
    match (is_own, is_any) {
        (true, _) => Err(Code::Blocked.into()),
        (false, true) => Err(Code::NotAllowed.into()),
        (false, false) => Ok(()),
    }
}

impl State {
    pub(super) fn set_blocked(
        &mut self,
        actor: UserId,
        user: UserId,
        on: bool,
        rules: &Rules,
        at: At,
    ) -> Result<Decided, Problem> {
        let version = self.user(actor)?.version;
        if user == actor {
            return Err(field("`user`: another user is expected"));
        }
        if self.blocks.contains(&(actor, user)) == on {
            let change = Changed { version, prev: version };
            return Ok(Decided::quietly(Outcome::Answer(Answer::Changed(change))));
        }
        let count = self.block_counts.get(&actor).copied().unwrap_or_default();
        if on {
            // Of users whom they cannot know, nobody learns whether they exist (I9).
            if !self.met.contains(&(actor, user)) && self.may_write(actor, user, None, rules).is_err() {
                return Err(Code::NotFound.into());
            }
            let most = rules.limits.blocks_max;
            if count >= i64::from(most) {
                return Err(Problem::new(Code::LimitReached).with_limit(most.into()));
            }
            self.blocks.insert((actor, user));
        } else {
            self.blocks.remove(&(actor, user));
        }
        self.block_counts.insert(actor, count + if on { 1 } else { -1 });
        self.changed_blocks.insert((actor, user));
        let prev = self.raise_user(actor, at.version);
        self.users.get_mut(&actor).expect("just seen").blocks_version = at.version;
        let place = Scoped { scope: Scope::User(actor), version: at.version, prev };
        let event = Event::BlockUpdated { place, user, blocked: on };
        let mut outgoing = vec![
            Outgoing::Event(vec![Topic::User(actor)], Box::new(event)),
            Outgoing::Nodes(NodeMessage::Visibility { users: vec![actor, user] }),
        ];
        for conversation in self.directs_of.get(&(actor.min(user), actor.max(user))).cloned().unwrap_or_default() {
            outgoing.extend(self.copy_block(conversation, (actor, user), rules, at));
        }
        Ok(Decided { outcome: Outcome::Answer(Answer::Changed(Changed::of(&place))), outgoing })
    }

    /// Copies the blocks of a pair to one of their direct conversations. Both fetch it again, since each sees the other's
    /// row differently now.
    fn copy_block(
        &mut self,
        conversation: ConversationId,
        pair: (UserId, UserId),
        rules: &Rules,
        at: At,
    ) -> Vec<Outgoing> {
        for user in [pair.0, pair.1] {
            self.member_mut(conversation, user).version = at.version;
        }
        let blocking = self.blocking(pair.0, pair.1);
        self.raise_conversation(conversation, at.version);
        let row = self.conversations.get_mut(&conversation).expect("just raised");
        row.blocking = blocking;
        let count = row.member_count;
        let event = Event::ScopeChanged { scope: Scope::Conversation(conversation), version: at.version };
        self.notify(conversation, count, &[], rules, event, at.version)
    }

    /// Returns the blocks between two users, which have been loaded.
    pub(super) fn blocking(&self, one: UserId, other: UserId) -> Blocking {
        let (lower, higher) = (one.min(other), one.max(other));
        Blocking { by_lower: self.blocks.contains(&(lower, higher)), by_higher: self.blocks.contains(&(higher, lower)) }
    }

    /// Refuses to bring together users of whom one has blocked the other.
    pub(super) fn check_blocks(&self, actor: UserId, user: UserId) -> Result<(), Problem> {
        refuse(self.blocks.contains(&(actor, user)), self.blocks.contains(&(user, actor)))
    }
}

//! Changes of a group by owners and moderators, and the system messages about them.

use super::{
    change::{GroupUpdate, Outcome},
    decide::{At, Decided, Rules},
    rows::{ConversationRow, Details, MessageRow},
    state::State,
    text,
};
use parlor_protocol::{
    error::{Code, Problem},
    event::{Event, Scoped},
    ids::{ConversationId, MessageId, Scope, Seq, UserId},
    model::{ConversationKind, Message, Role, SystemLine},
    reply::{Answer, Changed},
};

impl State {
    pub(super) fn update_conversation(
        &mut self,
        actor: UserId,
        conversation: ConversationId,
        update: &GroupUpdate,
        rules: &Rules,
        at: At,
    ) -> Result<Decided, Problem> {
        let row = self.managed(conversation, actor)?;
        let mut changed = row.clone();
        let line = match update {
            GroupUpdate::Title(title) => {
                let title = text::name(title, rules.limits.name_chars_max)?;
                changed.title = Some(title.clone());
                SystemLine::Renamed { title }
            }
            GroupUpdate::Picture(picture) => {
                changed.picture.clone_from(picture);
                SystemLine::PictureChanged {}
            }
        };
        if changed.title == row.title && changed.picture == row.picture {
            return Ok(unchanged(row));
        }
        let (count, title, picture) = (row.member_count, changed.title.clone(), changed.picture());
        self.conversations.insert(conversation, changed);
        let prev = self.raise_conversation(conversation, at.version);
        let message = Some(self.write_line(conversation, actor, line, at));
        let context = self.context_of.get(&conversation).map(|key| self.contexts[key].context.clone());
        let place = Scoped { scope: Scope::Conversation(conversation), version: at.version, prev };
        let event = Event::ConversationUpdated { place, title, picture, context, members: Vec::new(), message };
        let outgoing = self.notify(conversation, count, &[], rules, event, at.version);
        Ok(Decided { outcome: Outcome::Answer(Answer::Changed(Changed::of(&place))), outgoing })
    }

    pub(super) fn update_member(
        &mut self,
        actor: UserId,
        conversation: ConversationId,
        user: UserId,
        role: Role,
        rules: &Rules,
        at: At,
    ) -> Result<Decided, Problem> {
        let (row, member) = self.place(conversation, actor)?;
        if row.kind == ConversationKind::Direct || member.role != Role::Owner {
            return Err(Code::NotAllowed.into());
        }
        let Some(subject) = self.members[&conversation].get(&user).filter(|member| !member.has_left) else {
            return Err(Code::NotFound.into());
        };
        if subject.role == role {
            return Ok(unchanged(row));
        }
        let is_owner = subject.role == Role::Owner;
        if is_owner && !self.has_owner_beside(conversation, user) {
            let detail = "the last owner stays one: make somebody else an owner first, or leave";
            return Err(Problem::new(Code::NotAllowed).with_detail(detail));
        }
        let count = row.member_count;
        let member = self.member_mut(conversation, user);
        member.role = role;
        member.version = at.version;
        let prev = self.raise_conversation(conversation, at.version);
        let message = self.write_line(conversation, actor, SystemLine::RoleChanged { user, role }, at);
        let place = Scoped { scope: Scope::Conversation(conversation), version: at.version, prev };
        let outgoing = self.notify_rows(place, count, &[user], rules, |members, _| Event::MembersUpdated {
            place,
            members,
            member_count: count,
            unread: None,
            message: Some(message.clone()),
        });
        Ok(Decided { outcome: Outcome::Answer(Answer::Changed(Changed::of(&place))), outgoing })
    }

    /// Returns a group that the actor is an owner or a moderator of.
    pub(super) fn managed(&self, conversation: ConversationId, actor: UserId) -> Result<&ConversationRow, Problem> {
        let (row, member) = self.place(conversation, actor)?;
        if row.kind == ConversationKind::Direct || member.role == Role::Member {
            return Err(Code::NotAllowed.into());
        }
        Ok(row)
    }

    /// Returns whether the group has another owner that is not disabled. All its members are loaded.
    pub(super) fn has_owner_beside(&self, conversation: ConversationId, user: UserId) -> bool {
        self.present(conversation).any(|it| it.role == Role::Owner && !it.disabled && it.user.id != user)
    }

    /// Adds a system message to a conversation that was raised to this version. It moves no markers and never counts as
    /// unread.
    pub(super) fn write_line(
        &mut self,
        conversation: ConversationId,
        actor: UserId,
        line: SystemLine,
        at: At,
    ) -> Message {
        let row = self.conversations.get_mut(&conversation).expect("just raised");
        let seq = Seq(row.last_seq.0 + 1);
        row.last_seq = seq;
        row.uncounted_seq = seq;
        row.activity = at.version;
        row.last_message_id = Some(MessageId(at.version.0));
        let line = MessageRow {
            id: MessageId(at.version.0),
            conversation,
            seq,
            sender: actor,
            // No client can send one that begins with a space.
            client_id: format!(" {}", at.version),
            fingerprint: [0; 16],
            text: String::new(),
            created_at: at.now_ms,
            details: Details { system: Some(line), ..Details::default() },
            changed_version: None,
            is_read: false,
        };
        let message = line.message();
        self.new_messages.push((conversation, seq));
        self.messages.insert((conversation, seq), line);
        message
    }
}

/// A decision for a change that changes nothing.
pub(super) fn unchanged(row: &ConversationRow) -> Decided {
    let change = Changed { version: row.version, prev: row.version };
    Decided::quietly(Outcome::Answer(Answer::Changed(change)))
}

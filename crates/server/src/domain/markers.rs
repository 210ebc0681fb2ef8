//! Markers: read and received up to here. They never move back.

use super::{
    change::Outcome,
    decide::{At, Decided, Rules, Told},
    rows::UNREAD_MAX,
    state::State,
};
use crate::{channel_layer::Topic, environment::rfc3339};
use parlor_protocol::{
    error::Problem,
    event::{Event, Scoped},
    ids::{ConversationId, Scope, Seq, UserId},
    reply::{Answer, Changed, Marked, Marker},
};

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
        let (row, member) = self.place(conversation, actor)?;
        let read_seq = read.min(row.last_seq).max(member.read_seq);
        let delivered_seq = delivered.max(read_seq).min(row.last_seq).max(member.delivered_seq);
        let read_at = if read_seq > member.read_seq { Some(at.now_ms) } else { member.read_at };
        let unread = self.unread_after(conversation, actor, read_seq);
        let marker = Marker { conversation, read_seq, read_at: read_at.map(rfc3339), delivered_seq, unread };
        let large = row.member_count > rules.limits.conversation_fan_out_max;
        let (count, version) = (row.member_count, row.version);
        if read_seq == member.read_seq && delivered_seq == member.delivered_seq {
            let change = Changed { version, prev: version };
            return Ok(Decided::quietly(Outcome::Answer(Answer::Marked(Marked { marker, change }))));
        }
        let changed = self.member_mut(conversation, actor);
        changed.read_at = read_at;
        changed.read_seq = read_seq;
        changed.delivered_seq = delivered_seq;
        let (place, told) = if large {
            changed.personal_version = at.version;
            let place =
                Scoped { scope: Scope::User(actor), version: at.version, prev: self.raise_user(actor, at.version) };
            let event = Event::MarkerUpdated { place, marker: marker.clone() };
            (place, vec![Told::Event(vec![Topic::User(actor)], Box::new(event))])
        } else {
            changed.version = at.version;
            let members = vec![changed.member()];
            let prev = self.raise_conversation(conversation, at.version);
            let place = Scoped { scope: Scope::Conversation(conversation), version: at.version, prev };
            let event = Event::MembersUpdated {
                place,
                members,
                member_count: count,
                unread: Some(marker.unread),
                message: None,
            };
            (place, self.tell(conversation, count, &[], rules, event, at.version))
        };
        let answer = Answer::Marked(Marked { marker, change: Changed::of(&place) });
        Ok(Decided { outcome: Outcome::Answer(answer), told })
    }

    /// What the store counted before the batch, plus what the batch has added since.
    fn unread_after(&self, conversation: ConversationId, user: UserId, read_seq: Seq) -> u32 {
        let before = self.unread.get(&(conversation, user)).copied().unwrap_or(0);
        let added = self
            .new_messages
            .iter()
            .map(|place| &self.messages[place])
            .filter(|message| message.conversation == conversation && message.sender != user && message.seq > read_seq)
            .filter(|message| !message.is_uncounted())
            .count();
        let unread = before.saturating_add(i64::try_from(added).unwrap_or(UNREAD_MAX)).clamp(0, UNREAD_MAX);
        u32::try_from(unread).expect("between 0 and the maximum")
    }
}

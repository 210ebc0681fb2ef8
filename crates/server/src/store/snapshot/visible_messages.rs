//! Messages as one person sees them: within his history, what he hid as its place only, with what they answer and the
//! people whom they name.

use super::Snapshot;
use crate::{
    domain::rows::{MessageRow, weight},
    store::{
        Result,
        bulk_params::BulkParams,
        column,
        rows::{MESSAGE, RowReader},
    },
};
use parlor_protocol::{
    ids::{ConversationId, Seq, UserId, Version},
    model::{Conversation, Message, SystemLine, User},
    reply::ReactionBy,
};
use std::collections::BTreeSet;

/// People named of those who gave one reaction to a message; whoever wants all asks for them.
const REACTION_USERS_MAX: usize = 20;

/// What a member may see of a conversation, and its version.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    pub(super) user: UserId,
    pub(super) conversation: ConversationId,
    pub(super) history_from: i64,
    /// The newest message that he hid.
    pub(super) hidden_seq: i64,
    pub(super) last_seq: i64,
    pub(super) version: Version,
}

impl Snapshot<'_> {
    /// None if the person is not in the conversation.
    pub(super) fn window(&mut self, user: UserId, conversation: ConversationId) -> Result<Option<Window>> {
        self.connection().query_optional(
            "SELECT m.history_from, m.hidden_seq, c.last_seq, c.version FROM members m \
             JOIN conversations c ON c.id = m.conversation_id \
             WHERE m.conversation_id = $1 AND m.user_id = $2 AND m.has_left = 0",
            &[conversation.0.into(), user.0.into()],
            |row| {
                let mut reader = RowReader::new(row);
                Ok(Window {
                    user,
                    conversation,
                    history_from: reader.int()?,
                    hidden_seq: reader.int()?,
                    last_seq: reader.int()?,
                    version: Version(reader.int()?),
                })
            },
        )
    }

    /// The rows on the wire. One statement more where some of them may be hidden.
    pub(super) fn shown(&mut self, window: &Window, rows: &[MessageRow]) -> Result<Vec<Message>> {
        let (first, last) = (rows.iter().map(|row| row.seq.0).min(), rows.iter().map(|row| row.seq.0).max());
        let mut hidden = BTreeSet::new();
        if let (Some(first), Some(last)) = (first, last)
            && first <= window.hidden_seq
        {
            hidden.extend(self.connection().query(
                "SELECT h.seq FROM hidden_messages h WHERE h.user_id = $1 AND h.conversation_id = $2 \
                 AND h.seq >= $3 AND h.seq <= $4",
                &[window.user.0.into(), window.conversation.0.into(), first.into(), last.into()],
                |row| column(row, 0).map(Seq),
            )?);
        }
        let shown = |row: &MessageRow| if hidden.contains(&row.seq) { row.hidden_message() } else { row.message() };
        Ok(rows.iter().map(shown).collect())
    }

    /// What the messages answer and the person may see, unless it is among them; as much as fits in the bytes of a
    /// page. What is left out can be asked for.
    pub(super) fn quoted(&mut self, window: &Window, messages: &[Message]) -> Result<Vec<Message>> {
        let there: BTreeSet<Seq> = messages.iter().map(|message| message.seq).collect();
        let asked: BTreeSet<Seq> = messages.iter().filter_map(|message| message.reply_to).collect();
        let mut params = BulkParams::new(["conversation_id", "seq"]);
        for seq in asked.difference(&there).filter(|seq| seq.0 >= window.history_from) {
            params.push([window.conversation.0.into(), seq.0.into()]);
        }
        if params.is_empty() {
            return Ok(Vec::new());
        }
        let sql = format!(
            "SELECT {MESSAGE} FROM v JOIN messages g ON g.conversation_id = v.conversation_id AND g.seq = v.seq"
        );
        let mut rows = params.query(self.connection(), &sql, |row| RowReader::new(row).message())?;
        rows.sort_by_key(|row| std::cmp::Reverse(row.seq));
        let mut quoted = self.shown(window, &rows)?;
        let mut bytes = 0;
        let bytes_max = self.limits.page_bytes_max as usize;
        let count = quoted.iter().take_while(|message| {
            bytes += weight(message);
            bytes <= bytes_max
        });
        quoted.truncate(count.count());
        quoted.reverse();
        Ok(quoted)
    }

    /// Those who wrote the messages, or are named in lines of the system.
    pub(super) fn users_in<'a>(&mut self, messages: impl Iterator<Item = &'a Message>) -> Result<Vec<User>> {
        let mut ids = BTreeSet::new();
        for message in messages {
            ids.extend(members_and_leavers(message));
        }
        self.users_by_id(ids.into_iter())
    }

    /// Those who opened these conversations or whom their last messages name, and who are not among the members there.
    ///
    /// # Errors
    /// The store is not there.
    pub fn users_beside_members(&mut self, conversations: &[Conversation]) -> Result<Vec<User>> {
        let users_beside_members = conversations.iter().flat_map(|one| {
            let mut ids = one.last_message.as_ref().map_or_else(BTreeSet::new, members_and_leavers);
            ids.insert(one.created_by);
            for member in &one.members {
                ids.remove(&member.user.id);
            }
            ids
        });
        self.users_by_id(users_beside_members)
    }

    /// Who reacted how to a message; none if the person may not see it.
    ///
    /// # Errors
    /// The store is not there.
    pub fn reactions(
        &mut self,
        user: UserId,
        conversation: ConversationId,
        seq: Seq,
    ) -> Result<Option<Vec<ReactionBy>>> {
        let Some(window) = self.window(user, conversation)? else { return Ok(None) };
        let row = self.connection().query_optional(
            &format!("SELECT {MESSAGE} FROM messages g WHERE g.conversation_id = $1 AND g.seq = $2"),
            &[conversation.0.into(), seq.0.into()],
            |row| RowReader::new(row).message(),
        )?;
        let row = row.filter(|row| row.seq.0 >= window.history_from);
        let message = self.shown(&window, row.as_slice())?.pop();
        let Some(message) = message.filter(|message| !message.hidden) else { return Ok(None) };
        let ids = message.reactions.iter().flat_map(|reaction| reaction.users.iter().copied());
        let people = self.users_by_id(ids)?;
        let person = |id: &UserId| people.iter().find(|person| person.id == *id).cloned();
        let reactions = message.reactions.iter().map(|reaction| ReactionBy {
            emoji: reaction.emoji.clone(),
            users: reaction.users.iter().filter_map(person).collect(),
        });
        Ok(Some(reactions.collect()))
    }
}

/// Those whom a message names: its sender, who reacted first, and whom a line of the system is about.
pub(super) fn members_and_leavers(message: &Message) -> BTreeSet<UserId> {
    let mut ids = BTreeSet::from([message.sender]);
    ids.extend(message.reactions.iter().flat_map(|reaction| reaction.users.iter().take(REACTION_USERS_MAX)));
    match &message.system {
        Some(SystemLine::Added { users }) => ids.extend(users),
        Some(SystemLine::Removed { user } | SystemLine::RoleChanged { user, .. }) => {
            ids.insert(*user);
        }
        Some(SystemLine::Left { heir }) => ids.extend(heir),
        Some(SystemLine::Renamed { .. } | SystemLine::PictureChanged {} | SystemLine::Other) | None => {}
    }
    ids
}

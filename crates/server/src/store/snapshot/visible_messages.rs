//! Messages as a user sees them: within their history, hidden ones as placeholders, with the messages they reply to and
//! the users they mention.

use super::Snapshot;
use crate::{
    domain::rows::{MessageRow, weight},
    store::{
        Result,
        bulk_params::BulkParams,
        column,
        rows::{HISTORY_START, MESSAGE, RowReader},
    },
};
use parlor_protocol::{
    ids::{ConversationId, Seq, UserId, Version},
    model::{Conversation, Message, SystemLine, User},
    reply::ReactionBy,
};
use std::collections::BTreeSet;

/// How many users of each reaction are included with a message; the full list is a separate query.
const REACTION_USERS_MAX: usize = 20;

/// What a member may see of a conversation, and its version.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    pub(super) user: UserId,
    pub(super) conversation: ConversationId,
    /// The first message that they may see.
    pub(super) history_from: i64,
    /// The newest message they hid.
    pub(super) hidden_seq: i64,
    pub(super) last_seq: i64,
    pub(super) version: Version,
}

impl Snapshot<'_> {
    /// Returns none if the user is not in the conversation.
    pub(super) fn window(&mut self, user: UserId, conversation: ConversationId) -> Result<Option<Window>> {
        self.connection().query_optional(
            &format!(
                "SELECT {HISTORY_START}, m.hidden_seq, c.last_seq, c.version FROM members m \
                 JOIN conversations c ON c.id = m.conversation_id \
                 WHERE m.conversation_id = $1 AND m.user_id = $2 AND m.has_left = 0"
            ),
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

    /// Converts rows for the wire. Takes one more statement if some of them may be hidden.
    pub(super) fn messages_for_viewer(&mut self, window: &Window, rows: &[MessageRow]) -> Result<Vec<Message>> {
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

    /// Returns the messages that these reply to and that the user may see, without those already among them, up to the
    /// byte limit of a page. Clients can fetch the rest.
    pub(super) fn quoted_messages(&mut self, window: &Window, messages: &[Message]) -> Result<Vec<Message>> {
        let included: BTreeSet<Seq> = messages.iter().map(|message| message.seq).collect();
        let replied_to: BTreeSet<Seq> = messages.iter().filter_map(|message| message.reply_to).collect();
        let mut params = BulkParams::new(["conversation_id", "seq"]);
        for seq in replied_to.difference(&included).filter(|seq| seq.0 >= window.history_from) {
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
        let mut quoted = self.messages_for_viewer(window, &rows)?;
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

    /// Returns the senders of the messages and the users named in system messages.
    pub(super) fn users_in<'a>(&mut self, messages: impl Iterator<Item = &'a Message>) -> Result<Vec<User>> {
        let mut ids = BTreeSet::new();
        for message in messages {
            ids.extend(users_named_in(message));
        }
        self.users_by_id(ids.into_iter())
    }

    /// Returns the creators of these conversations and the users their last messages name, where they are not among the
    /// members shown.
    ///
    /// # Errors
    /// The store is unavailable.
    pub fn users_beside_members(&mut self, conversations: &[Conversation]) -> Result<Vec<User>> {
        let users_beside_members = conversations.iter().flat_map(|one| {
            let mut ids = one.last_message.as_ref().map_or_else(BTreeSet::new, users_named_in);
            ids.insert(one.created_by);
            for member in &one.members {
                ids.remove(&member.user.id);
            }
            ids
        });
        self.users_by_id(users_beside_members)
    }

    /// Returns who reacted to a message and how; none if the user may not see it.
    ///
    /// # Errors
    /// The store is unavailable.
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
        let message = self.messages_for_viewer(&window, row.as_slice())?.pop();
        let Some(message) = message.filter(|message| !message.hidden) else { return Ok(None) };
        let ids = message.reactions.iter().flat_map(|reaction| reaction.users.iter().copied());
        let users = self.users_by_id(ids)?;
        let user = |id: &UserId| users.iter().find(|row| row.id == *id).cloned();
        let reactions = message.reactions.iter().map(|reaction| ReactionBy {
            emoji: reaction.emoji.clone(),
            users: reaction.users.iter().filter_map(user).collect(),
        });
        Ok(Some(reactions.collect()))
    }
}

/// Returns the users a message names: its sender, the first who reacted, and the subjects of a system message.
pub(super) fn users_named_in(message: &Message) -> BTreeSet<UserId> {
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

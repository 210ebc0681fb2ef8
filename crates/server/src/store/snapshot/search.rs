//! Reads the messages that a search considers: only what the viewer may see, in its current state.

use super::Snapshot;
use crate::{
    domain::rows::MessageRow,
    store::{
        Result, StoreError,
        bulk_params::BulkParams,
        column,
        param::Param,
        rows::{HISTORY_START, MESSAGE, RowReader},
    },
};
use parlor_protocol::{
    ids::{ConversationId, MessageId, UserId, Version},
    model::ContextKey,
};

/// How many conversations of a user are looked up one by one; as many as one context can have.
pub(crate) const SEARCHED_CONVERSATIONS_MAX: u32 = 1000;

/// Which messages are searched.
#[derive(Clone, Debug, Default)]
pub(crate) struct SearchScope {
    pub conversation: Option<ConversationId>,
    pub context: Option<ContextKey>,
}

/// A conversation that the viewer is in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SearchedConversation {
    pub id: ConversationId,
    /// The version of its newest message, or of its creation.
    pub activity: Version,
    /// At most how many of its messages the viewer can see.
    pub visible: i64,
    history_from: i64,
}

impl Snapshot<'_> {
    /// Returns whether the user is in the conversation.
    pub(crate) fn is_member(&mut self, user: UserId, conversation: ConversationId) -> Result<bool> {
        Ok(self.window(user, conversation)?.is_some())
    }

    /// Returns the conversations to search; one more than [`SEARCHED_CONVERSATIONS_MAX`] if there are more.
    pub(crate) fn searched_conversations(
        &mut self,
        user: UserId,
        scope: &SearchScope,
    ) -> Result<Vec<SearchedConversation>> {
        let mut sql = format!(
            "SELECT c.id, c.activity, c.last_seq, {HISTORY_START} FROM members m \
             JOIN conversations c ON c.id = m.conversation_id"
        );
        let mut parameters = vec![Param::from(user.0), Param::from(i64::from(SEARCHED_CONVERSATIONS_MAX) + 1)];
        let mut condition = String::new();
        if let Some(key) = &scope.context {
            sql.push_str(" JOIN contexts x ON x.id = c.context_id AND x.kind = $3 AND x.external_id = $4");
            parameters.extend([key.kind.as_str().into(), key.id.as_str().into()]);
        }
        if let Some(conversation) = scope.conversation {
            parameters.push(conversation.0.into());
            condition = format!(" AND m.conversation_id = ${}", parameters.len());
        }
        sql.push_str(" WHERE m.user_id = $1 AND m.has_left = 0");
        sql.push_str(&condition);
        sql.push_str(" LIMIT $2");
        self.connection().query(&sql, &parameters, |row| {
            let mut reader = RowReader::new(row);
            let (id, activity) = (ConversationId(reader.int()?), Version(reader.int()?));
            let (last_seq, history_from) = (reader.int()?, reader.int()?);
            Ok(SearchedConversation { id, activity, visible: (last_seq - history_from + 1).max(0), history_from })
        })
    }

    /// Returns the ids, below `after` and in no order, of all messages of these conversations that the viewer may see.
    /// They are read as one text for each conversation, because a row for each message would cost many times as much.
    pub(crate) fn message_ids_in(
        &mut self,
        searched_conversations: &[SearchedConversation],
        after: MessageId,
    ) -> Result<Vec<MessageId>> {
        let mut params = BulkParams::new(["conversation_id", "history_from"]);
        for place in searched_conversations {
            params.push([place.id.0.into(), place.history_from.into()]);
        }
        let mut all = Vec::new();
        params.for_each(
            self.connection(),
            "SELECT string_agg(CAST(g.id AS TEXT), ',') FROM v CROSS JOIN messages g \
                 WHERE g.conversation_id = v.conversation_id AND g.seq >= v.history_from GROUP BY v.conversation_id",
            |row| {
                let ids: String = column(row, 0)?;
                for id in ids.split(',') {
                    all.push(
                        id.parse().map(MessageId).map_err(|_| StoreError::Corrupt(format!("a message named {id}")))?,
                    );
                }
                Ok(())
            },
        )?;
        all.retain(|id| *id < after);
        Ok(all)
    }

    /// Returns those of the messages that the viewer may see and that can be found, newest first.
    pub(crate) fn visible_messages(&mut self, user: UserId, ids: &[MessageId]) -> Result<Vec<MessageRow>> {
        let mut params = BulkParams::new(["id", "user_id"]);
        for id in ids {
            params.push([id.0.into(), user.0.into()]);
        }
        let sql = format!(
            "SELECT {MESSAGE} FROM v CROSS JOIN messages g \
             JOIN members m ON m.conversation_id = g.conversation_id AND m.user_id = v.user_id \
             LEFT JOIN hidden_messages h ON h.user_id = v.user_id AND h.conversation_id = g.conversation_id \
             AND h.seq = g.seq \
             WHERE g.id = v.id AND m.has_left = 0 AND g.seq >= {HISTORY_START} AND h.seq IS NULL AND g.uncounted IN (0, 3)"
        );
        let mut rows = params.query(self.connection(), &sql, |row| RowReader::new(row).message())?;
        rows.sort_unstable_by_key(|row| std::cmp::Reverse(row.id));
        Ok(rows)
    }
}

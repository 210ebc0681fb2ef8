//! Conversations as a member sees them.

use super::Snapshot;
use crate::{
    domain::{
        rows::{ConversationRow, UNREAD_MAX},
        settings_row::SettingsRow,
    },
    environment::rfc3339,
    store::{
        Result,
        bulk_params::BulkParams,
        column,
        row::Row,
        rows::{
            self, CONTEXT, CONVERSATION, CONVERSATION_COLUMNS, HISTORY_START, MESSAGE, NEWEST_MENTION, RowReader,
            SETTINGS,
        },
    },
};
use parlor_protocol::{
    ids::{ConversationId, Seq, UserId, Version},
    model::{Context, Conversation, Message},
};
use std::collections::HashMap;

/// A conversation with what the viewing member sees of it.
struct ViewedConversation {
    row: ConversationRow,
    unread: u32,
    history_from: i64,
    hidden_seq: i64,
    settings: SettingsRow,
    mention_seq: i64,
}

/// Converts a count from the store for the wire.
pub(super) fn unread(count: i64) -> u32 {
    u32::try_from(count.clamp(0, UNREAD_MAX)).expect("clamped")
}

impl Snapshot<'_> {
    /// Returns a page of a user's conversations, most recently active first, and where the next page starts.
    ///
    /// # Errors
    /// The store is unavailable.
    pub fn list_conversations(
        &mut self,
        user: UserId,
        before: Option<Version>,
        limit: u32,
    ) -> Result<(Vec<Conversation>, Option<Version>)> {
        let mut ids: Vec<ConversationId> = self.connection().query(
            "SELECT c.id, c.activity FROM members m JOIN conversations c ON c.id = m.conversation_id \
             WHERE m.user_id = $1 AND m.has_left = 0 AND c.activity < $2 ORDER BY c.activity DESC LIMIT $3",
            &[user.0.into(), before.map_or(i64::MAX, |version| version.0).into(), (i64::from(limit) + 1).into()],
            |row| column(row, 0).map(ConversationId),
        )?;
        let is_last = ids.len() <= limit as usize;
        ids.truncate(limit as usize);
        let mut conversations = self.conversations(user, &ids)?;
        conversations.sort_unstable_by_key(|conversation| std::cmp::Reverse(conversation.activity));
        let next = conversations.last().filter(|_| !is_last).map(|conversation| conversation.activity);
        Ok((conversations, next))
    }

    /// Returns a conversation if the user is in it.
    ///
    /// # Errors
    /// The store is unavailable.
    pub fn conversation(&mut self, user: UserId, conversation: ConversationId) -> Result<Option<Conversation>> {
        Ok(self.conversations(user, &[conversation])?.pop())
    }

    /// Returns those of the conversations that the user is in. Takes a fixed number of statements, except for large
    /// groups.
    ///
    /// # Errors
    /// The store is unavailable.
    pub fn conversations(&mut self, user: UserId, ids: &[ConversationId]) -> Result<Vec<Conversation>> {
        let mut params = BulkParams::new(["id", "user_id"]);
        for id in ids {
            params.push([id.0.into(), user.0.into()]);
        }
        let found = params.query(
            self.connection(),
            &format!(
                "SELECT {CONVERSATION}, {}, {HISTORY_START}, m.hidden_seq, {SETTINGS}, {NEWEST_MENTION} \
                     FROM v JOIN members m ON m.conversation_id = v.id AND m.user_id = v.user_id AND m.has_left = 0 \
                     JOIN conversations c ON c.id = v.id LEFT JOIN contexts x ON x.id = c.context_id \
                     LEFT JOIN conversation_settings s ON s.user_id = m.user_id AND s.conversation_id = c.id",
                rows::unread()
            ),
            |row| {
                let mut rest = RowReader::at(row, CONVERSATION_COLUMNS);
                Ok(ViewedConversation {
                    row: RowReader::new(row).conversation()?,
                    unread: unread(rest.int()?),
                    history_from: rest.int()?,
                    hidden_seq: rest.int()?,
                    settings: rest.settings()?,
                    mention_seq: rest.int()?,
                })
            },
        )?;
        let mut messages = self.last_messages(user, &found)?;
        let contexts = self.contexts(&found)?;
        let rows: Vec<&ConversationRow> = found.iter().map(|found| &found.row).collect();
        let mut members = self.shown_members(user, &rows, &messages)?;
        Ok(found
            .into_iter()
            .map(|ViewedConversation { row, unread, settings, mention_seq, .. }| Conversation {
                id: row.id,
                version: row.version,
                kind: row.kind,
                context: row.context_id.and_then(|id| contexts.get(&id).cloned()),
                created_by: row.created_by,
                created_at: rfc3339(row.created_at),
                activity: row.activity,
                last_seq: row.last_seq,
                last_message: messages.remove(&row.id),
                member_count: row.member_count,
                members: members.remove(&row.id).unwrap_or_default(),
                unread,
                mention_seq: Seq(mention_seq),
                picture: row.picture(),
                title: row.title,
                settings: settings.settings(),
            })
            .collect())
    }

    /// Returns the newest message of each conversation that was not removed and that the user has not hidden.
    fn last_messages(
        &mut self,
        user: UserId,
        found: &[ViewedConversation],
    ) -> Result<HashMap<ConversationId, Message>> {
        let mut newest = BulkParams::new(["id"]);
        let mut hidden = BulkParams::new(["conversation_id", "user_id", "history_from"]);
        for ViewedConversation { row, history_from, hidden_seq, .. } in found {
            if row.last_seq.0 < *history_from {
                continue;
            }
            if *hidden_seq >= row.last_seq.0 || row.uncounted_seq >= row.last_seq {
                hidden.push([row.id.0.into(), user.0.into(), (*history_from).into()]);
            } else if let Some(id) = row.last_message_id {
                newest.push([id.0.into()]);
            }
        }
        let sql = format!("SELECT {MESSAGE} FROM v JOIN messages g ON g.id = v.id");
        let message = |row: Row<'_>| {
            let message = RowReader::new(row).message()?.message();
            Ok((message.conversation, message))
        };
        let mut messages = newest.query(self.connection(), &sql, message)?;
        let sql = format!(
            "SELECT {MESSAGE} FROM v JOIN messages g ON g.conversation_id = v.conversation_id AND g.seq = \
             (SELECT n.seq FROM messages n WHERE n.conversation_id = v.conversation_id AND n.seq >= v.history_from \
             AND n.uncounted <> 2 AND NOT EXISTS (SELECT 1 FROM hidden_messages h WHERE h.user_id = v.user_id \
             AND h.conversation_id = v.conversation_id AND h.seq = n.seq) ORDER BY n.seq DESC LIMIT 1)"
        );
        messages.extend(hidden.query(self.connection(), &sql, message)?);
        Ok(messages.into_iter().collect())
    }

    fn contexts(&mut self, found: &[ViewedConversation]) -> Result<HashMap<i64, Context>> {
        let mut ids: Vec<i64> = found.iter().filter_map(|found| found.row.context_id).collect();
        ids.sort_unstable();
        ids.dedup();
        let mut params = BulkParams::new(["id"]);
        for id in ids {
            params.push([id.into()]);
        }
        let sql = format!("SELECT {CONTEXT} FROM v JOIN contexts x ON x.id = v.id");
        let context = |row: Row<'_>| RowReader::new(row).context().map(|row| (row.id, row.context));
        Ok(params.query(self.connection(), &sql, context)?.into_iter().collect())
    }
}

//! Conversations, as a member sees them.

use super::Snapshot;
use crate::{
    domain::rows::{ConversationRow, UNREAD_MAX},
    environment::rfc3339,
    store::{
        Result, query,
        rows::{CONTEXT, CONVERSATION, CONVERSATION_COLUMNS, MEMBER, MESSAGE, Reader},
        values::Values,
    },
};
use parlor_protocol::{
    ids::{ConversationId, UserId, Version},
    model::{Context, Conversation, Member, Message},
};
use std::collections::HashMap;

/// What a member `m` has not read of a conversation `c`: a subtraction, unless messages that do not count for him lie
/// after his marker (his own, hidden ones, deleted ones, lines of the system), which are then left out one by one, up
/// to the maximum of 100.
pub(super) const UNREAD: &str = "CASE WHEN m.sent_seq <= m.read_seq AND c.uncounted_seq <= m.read_seq \
     AND m.hidden_seq <= m.read_seq THEN c.last_seq - m.read_seq ELSE \
     (SELECT count(*) FROM (SELECT 1 FROM messages g WHERE g.conversation_id = c.id AND g.seq > m.read_seq \
     AND g.sender_id <> m.user_id AND g.uncounted = 0 AND NOT EXISTS (SELECT 1 FROM hidden_messages h \
     WHERE h.user_id = m.user_id AND h.conversation_id = g.conversation_id AND h.seq = g.seq) \
     LIMIT 100) AS counted) END";

/// A count of the store on the wire.
pub(super) fn unread(count: i64) -> u32 {
    u32::try_from(count.clamp(0, UNREAD_MAX)).expect("clamped")
}

impl Snapshot<'_> {
    /// A page of a person's conversations, the one with the newest activity first, and where the next begins.
    ///
    /// # Errors
    /// The store is not there.
    pub async fn list(
        &mut self,
        user: UserId,
        before: Option<Version>,
        limit: u32,
    ) -> Result<(Vec<Conversation>, Option<Version>)> {
        let rows = query(
            "SELECT c.id, c.activity FROM members m JOIN conversations c ON c.id = m.conversation_id \
             WHERE m.user_id = $1 AND m.has_left = 0 AND c.activity < $2 ORDER BY c.activity DESC LIMIT $3",
        )
        .bind(user.0)
        .bind(before.map_or(i64::MAX, |version| version.0))
        .bind(i64::from(limit) + 1)
        .fetch_all(self.connection())
        .await?;
        let mut ids = Vec::with_capacity(rows.len());
        for row in &rows {
            ids.push(ConversationId(Reader::new(row).int()?));
        }
        let is_last = ids.len() <= limit as usize;
        ids.truncate(limit as usize);
        let mut conversations = self.conversations(user, &ids).await?;
        conversations.sort_unstable_by_key(|conversation| std::cmp::Reverse(conversation.activity));
        let next = conversations.last().filter(|_| !is_last).map(|conversation| conversation.activity);
        Ok((conversations, next))
    }

    /// One conversation, if the person is in it.
    ///
    /// # Errors
    /// The store is not there.
    pub async fn conversation(&mut self, user: UserId, conversation: ConversationId) -> Result<Option<Conversation>> {
        Ok(self.conversations(user, &[conversation]).await?.pop())
    }

    /// Those of the conversations that the person is in. A fixed number of statements, but for large groups.
    ///
    /// # Errors
    /// The store is not there.
    pub async fn conversations(&mut self, user: UserId, ids: &[ConversationId]) -> Result<Vec<Conversation>> {
        let mut values = Values::new(["id", "user_id"]);
        for id in ids {
            values.push([id.0.into(), user.0.into()]);
        }
        let rows = values
            .fetch(
                self.connection(),
                &format!(
                    "SELECT {CONVERSATION}, {UNREAD}, m.history_from \
                     FROM v JOIN members m ON m.conversation_id = v.id AND m.user_id = v.user_id AND m.has_left = 0 \
                     JOIN conversations c ON c.id = v.id LEFT JOIN contexts x ON x.id = c.context_id"
                ),
            )
            .await?;
        let mut found = Vec::with_capacity(rows.len());
        for row in &rows {
            let mut rest = Reader::from(row, CONVERSATION_COLUMNS);
            found.push((Reader::new(row).conversation()?, unread(rest.int()?), rest.int()?));
        }
        let mut messages = self.last_messages(&found).await?;
        let contexts = self.contexts(&found).await?;
        let mut members = self.members_of(user, &found, &messages).await?;
        Ok(found
            .into_iter()
            .map(|(row, unread, _)| Conversation {
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
                picture: row.picture(),
                title: row.title,
            })
            .collect())
    }

    async fn last_messages(
        &mut self,
        found: &[(ConversationRow, u32, i64)],
    ) -> Result<HashMap<ConversationId, Message>> {
        let mut values = Values::new(["id"]);
        for (row, _, history_from) in found {
            if let Some(id) = row.last_message_id.filter(|_| row.last_seq.0 >= *history_from) {
                values.push([id.0.into()]);
            }
        }
        let rows =
            values.fetch(self.connection(), &format!("SELECT {MESSAGE} FROM v JOIN messages g ON g.id = v.id")).await?;
        rows.iter()
            .map(|row| {
                let message = Reader::new(row).message()?.message();
                Ok((message.conversation, message))
            })
            .collect()
    }

    async fn contexts(&mut self, found: &[(ConversationRow, u32, i64)]) -> Result<HashMap<i64, Context>> {
        let mut ids: Vec<i64> = found.iter().filter_map(|(row, ..)| row.context_id).collect();
        ids.sort_unstable();
        ids.dedup();
        let mut values = Values::new(["id"]);
        for id in ids {
            values.push([id.into()]);
        }
        let rows =
            values.fetch(self.connection(), &format!("SELECT {CONTEXT} FROM v JOIN contexts x ON x.id = v.id")).await?;
        rows.iter().map(|row| Reader::new(row).context().map(|row| (row.id, row.context))).collect()
    }

    async fn members_of(
        &mut self,
        user: UserId,
        found: &[(ConversationRow, u32, i64)],
        messages: &HashMap<ConversationId, Message>,
    ) -> Result<HashMap<ConversationId, Vec<Member>>> {
        const JOIN: &str = "JOIN conversations c ON c.id = v.id JOIN members m ON m.conversation_id = c.id AND m.has_left = 0 \
             JOIN users u ON u.id = m.user_id \
             LEFT JOIN context_roles r ON r.context_id = c.context_id AND r.user_id = m.user_id";
        let few = self.limits.conversation_fan_out_max;
        let mut values = Values::new(["id"]);
        for (row, ..) in found.iter().filter(|(row, ..)| row.member_count <= few) {
            values.push([row.id.0.into()]);
        }
        let sql = format!("SELECT {MEMBER}, c.id FROM v {JOIN} ORDER BY m.joined_version, m.user_id");
        let mut rows = values.fetch(self.connection(), &sql).await?;
        for (row, ..) in found.iter().filter(|(row, ..)| row.member_count > few) {
            let sender = messages.get(&row.id).map_or(0, |message| message.sender.0);
            let mut values = Values::new(["id", "asker_id", "sender_id"]);
            values.push([row.id.0.into(), user.0.into(), sender.into()]);
            let sql = format!(
                "SELECT {MEMBER}, c.id FROM v {JOIN} ORDER BY \
                 CASE WHEN m.user_id = v.asker_id THEN 0 WHEN m.user_id = v.sender_id THEN 1 ELSE 2 END, m.joined_version, m.user_id \
                 LIMIT {few}"
            );
            rows.extend(values.fetch(self.connection(), &sql).await?);
        }
        let mut members: HashMap<ConversationId, Vec<Member>> = HashMap::new();
        for row in &rows {
            let mut reader = Reader::new(row);
            let member = reader.member()?;
            members.entry(ConversationId(reader.int()?)).or_default().push(member.member());
        }
        Ok(members)
    }
}

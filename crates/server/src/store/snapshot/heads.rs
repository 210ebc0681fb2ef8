//! What changed since a cursor.

use super::Snapshot;
use crate::store::{Result, query, rows::Reader, values::Values};
use parlor_protocol::{
    ids::{ConversationId, Scope, UserId, Version},
    reply::Head,
};

impl Snapshot<'_> {
    /// The scopes of a person that changed after a version, and those left after it; none when they are more
    /// than `heads_max`.
    ///
    /// # Errors
    /// The store is not there.
    pub async fn heads(&mut self, user: UserId, since: Version) -> Result<Option<(Vec<Head>, Vec<Scope>)>> {
        let most = self.limits.heads_max as usize;
        let rows = query(
            "SELECT 1, u.id, u.version FROM users u WHERE u.id = $1 AND u.version > $2 \
             UNION ALL SELECT 2, c.id, c.version FROM members m JOIN conversations c ON c.id = m.conversation_id \
             WHERE m.user_id = $1 AND m.has_left = 0 AND c.version > $2 \
             UNION ALL SELECT 3, m.conversation_id, m.version FROM members m \
             WHERE m.user_id = $1 AND m.has_left = 1 AND m.version > $2 LIMIT $3",
        )
        .bind(user.0)
        .bind(since.0)
        .bind(i64::from(self.limits.heads_max) + 1)
        .fetch_all(self.connection())
        .await?;
        if rows.len() > most {
            return Ok(None);
        }
        let (mut heads, mut gone) = (Vec::new(), Vec::new());
        for row in &rows {
            let mut reader = Reader::new(row);
            let (kind, id, version) = (reader.int()?, reader.int()?, Version(reader.int()?));
            match kind {
                1 => heads.push(Head { scope: Scope::User(UserId(id)), version }),
                2 => heads.push(Head { scope: Scope::Conversation(ConversationId(id)), version }),
                _ => gone.push(Scope::Conversation(ConversationId(id))),
            }
        }
        heads.sort_unstable_by_key(|head| std::cmp::Reverse(head.version));
        Ok(Some((heads, gone)))
    }

    /// Those of the conversations that the person is in, with their versions.
    ///
    /// # Errors
    /// The store is not there.
    pub async fn present_in(&mut self, user: UserId, conversations: &[ConversationId]) -> Result<Vec<Head>> {
        let mut values = Values::new(["id", "user_id"]);
        for conversation in conversations {
            values.push([conversation.0.into(), user.0.into()]);
        }
        let rows = values
            .fetch(
                self.connection(),
                "SELECT c.id, c.version FROM v JOIN members m ON m.conversation_id = v.id \
                 AND m.user_id = v.user_id AND m.has_left = 0 JOIN conversations c ON c.id = v.id",
            )
            .await?;
        rows.iter()
            .map(|row| {
                let mut reader = Reader::new(row);
                let scope = Scope::Conversation(ConversationId(reader.int()?));
                Ok(Head { scope, version: Version(reader.int()?) })
            })
            .collect()
    }
}

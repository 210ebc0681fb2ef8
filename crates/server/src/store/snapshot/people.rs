//! People: oneself, those who wrote, those whom one may write to.

use super::{Snapshot, conversations::unread};
use crate::{
    domain::{WhoMayWrite, rows::UserRow},
    environment::rfc3339,
    search::names::{self, Asked},
    store::{
        Result, query,
        rows::{self, Reader, USER},
        values::{Value, Values, bind},
    },
};
use parlor_protocol::{
    command::MessagePlace,
    ids::{ConversationId, Seq, UserId, Version},
    model::User,
    reply::Marker,
};
use std::collections::BTreeSet;

impl Snapshot<'_> {
    /// A person's own row.
    ///
    /// # Errors
    /// The store is not there.
    pub async fn me(&mut self, user: UserId) -> Result<Option<UserRow>> {
        let row = query(format!("SELECT {USER} FROM users u WHERE u.id = $1"))
            .bind(user.0)
            .fetch_optional(self.connection())
            .await?;
        row.map(|row| Reader::new(&row).user()).transpose()
    }

    /// The person's markers that moved without a change of their conversation.
    ///
    /// # Errors
    /// The store is not there.
    pub async fn markers(&mut self, user: UserId) -> Result<Vec<Marker>> {
        let rows = query(format!(
            "SELECT c.id, m.read_seq, m.read_at, m.delivered_seq, {} FROM members m \
             JOIN conversations c ON c.id = m.conversation_id \
             WHERE m.user_id = $1 AND m.has_left = 0 AND m.personal_version > 0 ORDER BY m.personal_version DESC LIMIT $2",
            rows::unread()
        ))
        .bind(user.0)
        .bind(i64::from(self.limits.conversations_max))
        .fetch_all(self.connection())
        .await?;
        rows.iter()
            .map(|row| {
                let mut reader = Reader::new(row);
                Ok(Marker {
                    conversation: ConversationId(reader.int()?),
                    read_seq: Seq(reader.int()?),
                    read_at: reader.optional_int()?.map(rfc3339),
                    delivered_seq: Seq(reader.int()?),
                    unread: unread(reader.int()?),
                })
            })
            .collect()
    }

    /// What the person hid after a version, in the order in which it was hidden; none when it is more than
    /// `changes_rows_max`.
    ///
    /// # Errors
    /// The store is not there.
    pub async fn hidden(&mut self, user: UserId, since: Version) -> Result<Option<Vec<MessagePlace>>> {
        let most = self.limits.changes_rows_max;
        let rows = query(
            "SELECT h.conversation_id, h.seq FROM hidden_messages h WHERE h.user_id = $1 AND h.version > $2 \
             ORDER BY h.version LIMIT $3",
        )
        .bind(user.0)
        .bind(since.0)
        .bind(i64::from(most) + 1)
        .fetch_all(self.connection())
        .await?;
        if rows.len() > most as usize {
            return Ok(None);
        }
        let place = |row| {
            let mut reader = Reader::new(row);
            Ok(MessagePlace { conversation: ConversationId(reader.int()?), seq: Seq(reader.int()?) })
        };
        rows.iter().map(place).collect::<Result<_>>().map(Some)
    }

    /// People by id, each once.
    pub(crate) async fn users_by_id(&mut self, ids: impl Iterator<Item = UserId>) -> Result<Vec<User>> {
        let mut values = Values::new(["id"]);
        for id in ids.collect::<BTreeSet<_>>() {
            values.push([id.0.into()]);
        }
        let rows = values
            .fetch(self.connection(), &format!("SELECT {USER} FROM v JOIN users u ON u.id = v.id ORDER BY u.id"))
            .await?;
        rows.iter().map(|row| Ok(Reader::new(row).user()?.user())).collect()
    }

    /// People whom the asker may open a conversation with and whose name has what was asked for.
    ///
    /// # Errors
    /// The store is not there.
    pub async fn writable(&mut self, asker: UserId, words: &str, who: WhoMayWrite, limit: u32) -> Result<Vec<User>> {
        let mut sql = format!("SELECT {USER} FROM users u WHERE u.id <> $1 AND u.disabled = 0");
        let mut parameters = vec![Value::from(asker.0), Value::from(i64::from(limit))];
        match who {
            WhoMayWrite::Nobody => return Ok(Vec::new()),
            WhoMayWrite::Everyone => {}
            WhoMayWrite::SharedContext => sql.push_str(
                " AND EXISTS (SELECT 1 FROM context_roles q JOIN context_roles r ON r.context_id = q.context_id \
                 WHERE q.user_id = $1 AND r.user_id = u.id)",
            ),
        }
        let mut has = |word: &str| {
            // Of the signs that LIKE knows, a word may hold this one.
            parameters.push(Value::from(format!("% {}%", word.replace('%', ""))));
            format!("u.name_words LIKE ${}", parameters.len())
        };
        for Asked { whole, parts } in names::asked(words) {
            let whole = has(&whole);
            let parts = parts.iter().map(|part| has(part)).collect::<Vec<_>>().join(" AND ");
            let either = if parts.is_empty() { String::new() } else { format!(" OR ({parts})") };
            sql.push_str(&format!(" AND ({whole}{either})"));
        }
        sql.push_str(" ORDER BY u.name_words, u.id LIMIT $2");
        let statement = parameters.into_iter().fold(query(sql), bind);
        let rows = statement.fetch_all(self.connection()).await?;
        rows.iter().map(|row| Ok(Reader::new(row).user()?.user())).collect()
    }
}

//! What changed since a cursor.

use super::Snapshot;
use crate::store::{
    Result, Store, bulk_params::BulkParams, column, connection::DatabaseConnection, param::Param, row::Row,
    rows::RowReader,
};
use parlor_protocol::{
    cursor::Cursor,
    ids::{ConversationId, Epoch, Scope, UserId, Version},
    reply::Head,
};

/// How a client's cursor compares with the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SyncStatus {
    /// There is no cursor, or it is invalid.
    Reset,
    /// Nothing has changed since the cursor.
    UpToDate,
    /// Something has changed since the cursor.
    Behind,
}

impl Store {
    /// Returns the status of each user's cursor, and the cursor of the moment at which it was read. One statement is
    /// enough, because most clients that reconnect have missed nothing.
    ///
    /// # Errors
    /// The store is unavailable.
    pub(crate) async fn sync_statuses(
        &self,
        cursors: Vec<(UserId, Option<Cursor>)>,
    ) -> Result<Vec<(Cursor, SyncStatus)>> {
        self.query(move |connection| sync_statuses(connection, &cursors)).await
    }
}

fn sync_statuses(
    connection: &mut DatabaseConnection,
    cursors: &[(UserId, Option<Cursor>)],
) -> Result<Vec<(Cursor, SyncStatus)>> {
    let mut params = BulkParams::new(["place", "user_id", "epoch", "since"]);
    for (place, (user, cursor)) in (0..).zip(cursors) {
        let epoch = Param::Int(cursor.map(|cursor| cursor.epoch.0));
        params.push([Param::Int(Some(place)), user.0.into(), epoch, cursor.map(|cursor| cursor.version.0).into()]);
    }
    let sql = "SELECT v.place, k.version, (SELECT epoch FROM starts ORDER BY position DESC LIMIT 1), s.position, \
         (SELECT n.version FROM starts n WHERE n.position > s.position ORDER BY n.position LIMIT 1), v.since, \
         CASE WHEN EXISTS (SELECT 1 FROM users u WHERE u.id = v.user_id AND u.version > v.since) \
         OR EXISTS (SELECT 1 FROM members m JOIN conversations c ON c.id = m.conversation_id \
         WHERE m.user_id = v.user_id AND m.has_left = 0 AND c.version > v.since) \
         OR EXISTS (SELECT 1 FROM members m \
         WHERE m.user_id = v.user_id AND m.has_left = 1 AND m.version > v.since) THEN 1 ELSE 0 END \
         FROM v CROSS JOIN clock k LEFT JOIN starts s ON s.epoch = v.epoch WHERE v.place IS NOT NULL";
    let mut rows = params.query(connection, sql, read_status)?;
    rows.sort_unstable_by_key(|(place, _)| *place);
    Ok(rows.into_iter().map(|(_, read)| read).collect())
}

fn read_status(row: Row<'_>) -> Result<(i64, (Cursor, SyncStatus))> {
    let mut reader = RowReader::new(row);
    let (place, version) = (reader.int()?, Version(reader.int()?));
    let epoch = Epoch(reader.optional_int()?.unwrap_or(1));
    let (start, next) = (reader.optional_int()?, reader.optional_int()?.unwrap_or(version.0));
    let (since, is_behind) = (reader.optional_int()?, reader.flag()?);
    let status = match since {
        Some(since) if start.is_some() && since <= next && is_behind => SyncStatus::Behind,
        Some(since) if start.is_some() && since <= next => SyncStatus::UpToDate,
        _ => SyncStatus::Reset,
    };
    Ok((place, (Cursor { epoch, version }, status)))
}

impl Snapshot<'_> {
    /// Returns the user's scopes that changed after a version, and the conversations they left after it; none if there
    /// are more than `heads_max`.
    ///
    /// # Errors
    /// The store is unavailable.
    pub fn heads(&mut self, user: UserId, since: Version) -> Result<Option<(Vec<Head>, Vec<Scope>)>> {
        let most = self.limits.heads_max as usize;
        let limit = i64::from(self.limits.heads_max) + 1;
        let rows: Vec<(i64, i64, Version)> = self.connection().query(
            "SELECT 1, u.id, u.version FROM users u WHERE u.id = $1 AND u.version > $2 \
             UNION ALL SELECT 2, c.id, c.version FROM members m JOIN conversations c ON c.id = m.conversation_id \
             WHERE m.user_id = $1 AND m.has_left = 0 AND c.version > $2 \
             UNION ALL SELECT 3, m.conversation_id, m.version FROM members m \
             WHERE m.user_id = $1 AND m.has_left = 1 AND m.version > $2 LIMIT $3",
            &[user.0.into(), since.0.into(), limit.into()],
            |row| Ok((column(row, 0)?, column(row, 1)?, Version(column(row, 2)?))),
        )?;
        if rows.len() > most {
            return Ok(None);
        }
        let (mut heads, mut gone) = (Vec::new(), Vec::new());
        for (kind, id, version) in rows {
            match kind {
                1 => heads.push(Head { scope: Scope::User(UserId(id)), version }),
                2 => heads.push(Head { scope: Scope::Conversation(ConversationId(id)), version }),
                _ => gone.push(Scope::Conversation(ConversationId(id))),
            }
        }
        heads.sort_unstable_by_key(|head| std::cmp::Reverse(head.version));
        Ok(Some((heads, gone)))
    }

    /// Returns those of the conversations that the user is in, with their versions.
    ///
    /// # Errors
    /// The store is unavailable.
    pub fn current_heads(&mut self, user: UserId, conversations: &[ConversationId]) -> Result<Vec<Head>> {
        let mut params = BulkParams::new(["id", "user_id"]);
        for conversation in conversations {
            params.push([conversation.0.into(), user.0.into()]);
        }
        params.query(
            self.connection(),
            "SELECT c.id, c.version FROM v JOIN members m ON m.conversation_id = v.id \
                 AND m.user_id = v.user_id AND m.has_left = 0 JOIN conversations c ON c.id = v.id",
            |row| {
                let scope = Scope::Conversation(ConversationId(column(row, 0)?));
                Ok(Head { scope, version: Version(column(row, 1)?) })
            },
        )
    }
}

//! The clock, starts of servers, the log of commits, and the store's own secrets.
#![expect(missing_docs, reason = "fields that are named like what they hold")]

use super::{Dialect, Result, Store, batch, column, query, rows::Reader};
use parlor_protocol::ids::{ConversationId, Epoch, Scope, SessionId, UserId, Version};
use sqlx::{Any, Transaction};

/// A row of `commits`.
#[derive(Clone, Debug)]
pub struct CommitRow {
    pub first: Version,
    pub last: Version,
    /// Scopes touched, with the version of each.
    pub scopes: Vec<(Scope, Version)>,
}

/// Starts that are remembered; a cursor of an older one is reset.
const STARTS_KEPT: i64 = 1000;

impl Store {
    /// Notes that a server starts: from here on cursors carry `epoch`.
    ///
    /// # Errors
    /// The store is not there.
    pub async fn start(&self, epoch: Epoch, now_ms: i64) -> Result<()> {
        let mut transaction = self.write().await?;
        // The clock's row first, so that no commit falls between the version and its epoch.
        query("UPDATE clock SET version = version WHERE one = 1").execute(&mut *transaction).await?;
        self.forget_if_switched(&mut transaction).await?;
        query("INSERT INTO starts (epoch, version, started_at) SELECT $1, version, $2 FROM clock")
            .bind(epoch.0)
            .bind(now_ms)
            .execute(&mut *transaction)
            .await?;
        query("DELETE FROM starts WHERE position <= (SELECT max(position) FROM starts) - $1")
            .bind(STARTS_KEPT)
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Where receipts were switched by the operator since the last start, every row of a member is told otherwise now,
    /// and no version says so: cursors from before are forgotten, and everybody loads anew.
    async fn forget_if_switched(&self, transaction: &mut Transaction<'_, Any>) -> Result<()> {
        let now = vec![u8::from(self.receipts)];
        let rows = query("SELECT value FROM secrets WHERE name = 'receipts'").fetch_all(&mut **transaction).await?;
        let before = rows.first().map(|row| column::<Vec<u8>>(row, 0)).transpose()?.unwrap_or_else(|| vec![1]);
        if before == now {
            return Ok(());
        }
        query("DELETE FROM starts").execute(&mut **transaction).await?;
        query(
            "INSERT INTO secrets (name, value) VALUES ('receipts', $1) \
             ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        )
        .bind(now)
        .execute(&mut **transaction)
        .await?;
        Ok(())
    }

    /// The version of the last commit.
    ///
    /// # Errors
    /// The store is not there.
    pub async fn version(&self) -> Result<Version> {
        let row = query("SELECT version FROM clock").fetch_one(&self.readers).await?;
        Ok(Version(column(&row, 0)?))
    }

    /// Whether a commit of this node came to be: how an unanswered COMMIT is resolved.
    ///
    /// # Errors
    /// The store is not there.
    pub async fn has_commit(&self, node: Epoch, first: Version, last: Version) -> Result<bool> {
        let mut transaction = self.write().await?;
        // The clock's row first: if the database is still about to commit, it holds it, and this waits for the end.
        query("UPDATE clock SET version = version WHERE one = 1").execute(&mut *transaction).await?;
        let row = query("SELECT 1 FROM commits WHERE last_version = $1 AND first_version = $2 AND node = $3")
            .bind(last.0)
            .bind(first.0)
            .bind(node.0)
            .fetch_optional(&mut *transaction)
            .await?;
        transaction.rollback().await?;
        Ok(row.is_some())
    }

    /// Commits after a version, the oldest first, at most `limit`.
    ///
    /// # Errors
    /// The store is not there.
    pub async fn commits_after(&self, version: Version, limit: i64) -> Result<Vec<CommitRow>> {
        let rows = query(
            "SELECT first_version, last_version, scopes FROM commits WHERE last_version > $1 \
             ORDER BY last_version LIMIT $2",
        )
        .bind(version.0)
        .bind(limit)
        .fetch_all(&self.readers)
        .await?;
        rows.iter()
            .map(|row| {
                let mut reader = Reader::new(row);
                let (first, last) = (Version(reader.int()?), Version(reader.int()?));
                Ok(CommitRow { first, last, scopes: batch::scopes(&reader.text()?).collect() })
            })
            .collect()
    }

    /// Forgets commits before a time.
    ///
    /// # Errors
    /// The store is not there.
    pub async fn prune_commits(&self, before_ms: i64) -> Result<()> {
        // The oldest rows come first in the key, so finding the boundary reads no more than is forgotten.
        let row = query("SELECT last_version FROM commits WHERE committed_at >= $1 ORDER BY last_version LIMIT 1")
            .bind(before_ms)
            .fetch_optional(&self.readers)
            .await?;
        let first_kept = row.map_or(Ok(i64::MAX), |row| column::<i64>(&row, 0))?;
        query("DELETE FROM commits WHERE last_version < $1").bind(first_kept).execute(&self.writer).await?;
        Ok(())
    }

    /// Everybody who is in a conversation, or left it at or after a version, and whether they left.
    ///
    /// # Errors
    /// The store is not there.
    pub async fn people_of(&self, conversation: ConversationId, version: Version) -> Result<Vec<(UserId, bool)>> {
        let rows = query(
            "SELECT user_id, has_left FROM members WHERE conversation_id = $1 AND (has_left = 0 OR version >= $2)",
        )
        .bind(conversation.0)
        .bind(version.0)
        .fetch_all(&self.readers)
        .await?;
        rows.iter().map(|row| Ok((UserId(column(row, 0)?), column::<i64>(row, 1)? != 0))).collect()
    }

    /// The sessions of a person that have not ended; none if the person is disabled.
    ///
    /// # Errors
    /// The store is not there.
    pub async fn living_sessions(&self, user: UserId) -> Result<Vec<SessionId>> {
        let rows = query(
            "SELECT s.id FROM sessions s JOIN users u ON u.id = s.user_id AND u.disabled = 0 WHERE s.user_id = $1",
        )
        .bind(user.0)
        .fetch_all(&self.readers)
        .await?;
        rows.iter().map(|row| Ok(SessionId(column(row, 0)?))).collect()
    }

    /// A secret of this store, made the first time.
    ///
    /// # Errors
    /// The store is not there.
    pub async fn secret(&self, name: &str, fresh: [u8; 32]) -> Result<Vec<u8>> {
        query("INSERT INTO secrets (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING")
            .bind(name.to_owned())
            .bind(fresh.to_vec())
            .execute(&self.writer)
            .await?;
        let row =
            query("SELECT value FROM secrets WHERE name = $1").bind(name.to_owned()).fetch_one(&self.writer).await?;
        column(&row, 0)
    }

    /// On SQLite, folds the log into the file and empties it. Waits for nobody: false if somebody reads or writes just
    /// now, and it is to be tried again.
    ///
    /// # Errors
    /// The store is not there.
    pub async fn clear_log(&self) -> Result<bool> {
        if self.dialect != Dialect::Sqlite {
            return Ok(true);
        }
        let mut connection = self.readers.acquire().await?;
        // Most of the work is done while others go on; only the rest keeps them out.
        query("PRAGMA wal_checkpoint(PASSIVE)").execute(&mut *connection).await?;
        query("PRAGMA busy_timeout = 20").execute(&mut *connection).await?;
        let answer = query("PRAGMA wal_checkpoint(TRUNCATE)").fetch_one(&mut *connection).await;
        let timeout = self.patience.as_millis() / 3;
        query(format!("PRAGMA busy_timeout = {timeout}")).execute(&mut *connection).await?;
        Ok(column::<i64>(&answer?, 0)? == 0)
    }
}

//! The clock, server starts, the commit log, and the store's own secrets.
#![expect(missing_docs, reason = "fields that are named like what they hold")]

use super::{
    Dialect, ErrorCause, Result, Store, StoreError, batch, column, connection::DatabaseConnection, rows::RowReader,
};
use parlor_protocol::ids::{ConversationId, Epoch, Scope, SessionId, UserId, Version};
use std::sync::atomic::Ordering;

/// A row of `commits`.
#[derive(Clone, Debug)]
pub struct CommitRow {
    pub first: Version,
    pub last: Version,
    /// The scopes it touched, each with its version.
    pub scopes: Vec<(Scope, Version)>,
}

/// A timestamp further in the future than this comes from a clock that has since been set back.
pub(super) const CLOCK_AHEAD_MS: i64 = 24 * 60 * 60 * 1000;
/// How many starts are remembered; a cursor from an older one is reset.
const STARTS_KEPT: i64 = 1000;

impl Store {
    /// Records that a server starts; from now on cursors carry `epoch`. Nothing is committed before the start is
    /// recorded, so a cursor of the previous epoch never has a version that this start does not know.
    ///
    /// Returns whether earlier cursors were invalidated.
    ///
    /// # Errors
    /// The store is unavailable or cannot be written.
    pub async fn start(&self, epoch: Epoch, now_ms: i64) -> Result<bool> {
        let receipts = self.0.receipts;
        let is_forgotten = self.commits().write(move |transaction| start(transaction, epoch, now_ms, receipts)).await?;
        self.0.is_started.store(true, Ordering::Release);
        Ok(is_forgotten)
    }

    /// Fails until the start of this server is recorded.
    pub(super) fn check_started(&self) -> Result<()> {
        if self.0.is_started.load(Ordering::Acquire) {
            return Ok(());
        }
        Err(StoreError::Unavailable(ErrorCause::Message("nothing could be written since the server started")))
    }

    /// Returns the version of the last commit.
    ///
    /// # Errors
    /// The store is unavailable.
    pub async fn version(&self) -> Result<Version> {
        let sql = "SELECT version FROM clock";
        self.query(move |connection| connection.query_one(sql, &[], |row| column(row, 0).map(Version))).await
    }

    /// Returns whether a commit of this node took effect. This resolves a COMMIT that got no answer.
    ///
    /// # Errors
    /// The store is unavailable.
    pub async fn has_commit(&self, node: Epoch, first: Version, last: Version) -> Result<bool> {
        let lookup = self.0.writers.transact(move |transaction| {
            // The clock's row first: if the database is still about to commit, it holds that row's lock, and this waits
            // for the outcome.
            transaction.execute("UPDATE clock SET version = version WHERE one = 1", &[])?;
            let sql = "SELECT 1 FROM commits WHERE last_version = $1 AND first_version = $2 AND node = $3";
            let found = transaction.query_optional(sql, &[last.0.into(), first.0.into(), node.0.into()], |_| Ok(()))?;
            Ok((found.is_some(), false))
        });
        // Together with the wait for COMMIT itself, this must stay within the callers' timeout.
        let within = tokio::time::timeout(self.0.timeout / 5, lookup).await;
        Ok(within.unwrap_or(Err(StoreError::Timeout))?.0)
    }

    /// Returns commits after a version, oldest first, up to `limit`.
    ///
    /// # Errors
    /// The store is unavailable.
    pub async fn commits_after(&self, version: Version, limit: i64) -> Result<Vec<CommitRow>> {
        let sql = "SELECT first_version, last_version, scopes FROM commits WHERE last_version > $1 \
                   ORDER BY last_version LIMIT $2";
        self.query(move |connection| {
            connection.query(sql, &[version.0.into(), limit.into()], |row| {
                let mut reader = RowReader::new(row);
                let (first, last) = (Version(reader.int()?), Version(reader.int()?));
                Ok(CommitRow { first, last, scopes: batch::scopes(&reader.text()?).collect() })
            })
        })
        .await
    }

    /// Deletes commits from before a time. Commits with a timestamp in the future are deleted along with older ones.
    ///
    /// # Errors
    /// The store is unavailable.
    pub async fn prune_commits(&self, before_ms: i64, now_ms: i64) -> Result<()> {
        // The key has the oldest rows first, so finding the boundary reads no more rows than are deleted.
        let sql = "SELECT last_version FROM commits WHERE committed_at BETWEEN $1 AND $2 ORDER BY last_version LIMIT 1";
        let bounds = [before_ms.into(), now_ms.saturating_add(CLOCK_AHEAD_MS).into()];
        let first_kept = self
            .query(move |connection| connection.query_optional(sql, &bounds, |row| column::<i64>(row, 0)))
            .await?
            .unwrap_or(i64::MAX);
        let sql = "DELETE FROM commits WHERE last_version < $1";
        self.write(move |transaction| transaction.execute(sql, &[first_kept.into()]).map(drop)).await
    }

    /// Returns the members of a conversation and those who left it at or after a version, each with whether they left.
    ///
    /// # Errors
    /// The store is unavailable.
    pub async fn members_and_leavers(
        &self,
        conversation: ConversationId,
        version: Version,
    ) -> Result<Vec<(UserId, bool)>> {
        let sql =
            "SELECT user_id, has_left FROM members WHERE conversation_id = $1 AND (has_left = 0 OR version >= $2)";
        self.query(move |connection| {
            connection.query(sql, &[conversation.0.into(), version.0.into()], |row| {
                Ok((UserId(column(row, 0)?), column::<i64>(row, 1)? != 0))
            })
        })
        .await
    }

    /// Returns the sessions of a user that have not ended; none if the user is disabled.
    ///
    /// # Errors
    /// The store is unavailable.
    pub async fn active_sessions(&self, user: UserId) -> Result<Vec<SessionId>> {
        let sql =
            "SELECT s.id FROM sessions s JOIN users u ON u.id = s.user_id AND u.disabled = 0 WHERE s.user_id = $1";
        self.query(move |connection| connection.query(sql, &[user.0.into()], |row| column(row, 0).map(SessionId))).await
    }

    /// Returns one of the store's secrets, which is created on first use.
    ///
    /// # Errors
    /// The store is unavailable.
    pub async fn secret(&self, name: &'static str, fresh: [u8; 32]) -> Result<Vec<u8>> {
        let known = self.query(move |connection| secret(connection, name)).await?;
        if let Some(known) = known {
            return Ok(known);
        }
        self.write(move |transaction| {
            let sql = "INSERT INTO secrets (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING";
            transaction.execute(sql, &[name.into(), fresh.as_slice().into()])?;
            // Another node may have created it first.
            secret(transaction, name)?.ok_or_else(|| StoreError::Corrupt("a new secret is missing".to_owned()))
        })
        .await
    }

    /// On SQLite, checkpoints the write-ahead log and truncates it. Returns false without waiting if another connection
    /// is reading or writing; the caller should retry.
    ///
    /// # Errors
    /// The store is unavailable.
    pub async fn truncate_log(&self) -> Result<bool> {
        if self.0.dialect != Dialect::Sqlite {
            return Ok(true);
        }
        self.run_long(|connection| {
            // The passive checkpoint does most of the work without blocking anyone; only the rest blocks others.
            connection.query_optional("PRAGMA wal_checkpoint(PASSIVE)", &[], |_| Ok(()))?;
            connection.query_optional("PRAGMA busy_timeout = 20", &[], |_| Ok(()))?;
            connection.query_one("PRAGMA wal_checkpoint(TRUNCATE)", &[], |row| Ok(column::<i64>(row, 0)? == 0))
        })
        .await
    }
}

fn secret(connection: &mut DatabaseConnection, name: &str) -> Result<Option<Vec<u8>>> {
    connection.query_optional("SELECT value FROM secrets WHERE name = $1", &[name.into()], |row| column(row, 0))
}

fn start(transaction: &mut DatabaseConnection, epoch: Epoch, now_ms: i64, receipts: bool) -> Result<bool> {
    // The clock's row first, so that no commit falls between the version and its epoch.
    transaction.execute("UPDATE clock SET version = version WHERE one = 1", &[])?;
    let is_forgotten = forget_cursors_if_receipts_changed(transaction, receipts)?;
    let sql = "INSERT INTO starts (epoch, version, started_at) SELECT $1, version, $2 FROM clock";
    transaction.execute(sql, &[epoch.0.into(), now_ms.into()])?;
    let sql = "DELETE FROM starts WHERE position <= (SELECT max(position) FROM starts) - $1";
    transaction.execute(sql, &[STARTS_KEPT.into()])?;
    Ok(is_forgotten)
}

/// When the operator has switched receipts since the last start, members look different to everyone without a new
/// version. All cursors are invalidated, so every client reloads.
fn forget_cursors_if_receipts_changed(transaction: &mut DatabaseConnection, receipts: bool) -> Result<bool> {
    let now = vec![u8::from(receipts)];
    let before = secret(transaction, "receipts")?.unwrap_or_else(|| vec![1]);
    if before == now {
        return Ok(false);
    }
    transaction.execute("DELETE FROM starts", &[])?;
    let sql = "INSERT INTO secrets (name, value) VALUES ('receipts', $1) \
               ON CONFLICT (name) DO UPDATE SET value = excluded.value";
    transaction.execute(sql, &[now.into()])?;
    Ok(true)
}

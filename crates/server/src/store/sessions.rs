//! Sessions. They have no version: this module writes their start and last use. Their end closes connections, so it is
//! a change of the user, which `commit` writes.

use super::{Result, Store, bulk_params::BulkParams, clock::CLOCK_AHEAD_MS, column, param::Param, rows::RowReader};
use parlor_protocol::ids::{SessionId, UserId};
use std::collections::HashMap;

/// The provider of sessions that begin with a sign-in at Parlor.
pub(crate) const ACCOUNTS: &str = "accounts";

/// A session found by its token.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ActiveSession {
    pub(crate) session: SessionId,
    pub(crate) user: UserId,
    pub(crate) seen_at: i64,
    /// Whether it stands for a session of the host, which only the host ends.
    pub(crate) is_host: bool,
}

/// A session in its owner's list.
#[derive(Clone, Debug)]
pub(crate) struct SessionSummary {
    pub(crate) id: SessionId,
    pub(crate) created_at: i64,
    pub(crate) seen_at: i64,
    pub(crate) agent: String,
    /// Whether it stands for a session of the host.
    pub(crate) is_host: bool,
}

/// A session to be created.
#[derive(Clone, Debug)]
pub(crate) struct NewSession {
    pub(crate) user: UserId,
    /// The hash that the password was checked against; none when the operator signs a user in (the demo).
    pub(crate) password_hash: Option<String>,
    pub(crate) token_hash: [u8; 32],
    pub(crate) now_ms: i64,
    pub(crate) agent: String,
    /// Sessions last used before this have expired and are deleted.
    pub(crate) expired_before: i64,
    /// Whose session it is.
    pub(crate) provider: &'static str,
}

impl Store {
    /// Creates a session, unless the user was disabled or the password changed since it was checked.
    pub(crate) async fn insert_session(&self, new: NewSession) -> Result<Option<SessionId>> {
        self.write(move |transaction| {
            // On PostgreSQL, locking the row orders this against a change of the password.
            let sql = "UPDATE users SET disabled = 0 WHERE id = $1 AND disabled = 0 \
                       AND (password_hash = $2 OR $2 IS NULL)";
            if transaction.execute(sql, &[new.user.0.into(), new.password_hash.into()])? == 0 {
                return Ok(None);
            }
            let sql = "DELETE FROM sessions WHERE user_id = $1 AND seen_at < $2";
            transaction.execute(sql, &[new.user.0.into(), new.expired_before.into()])?;
            // Two requests with one session of the host may both begin it.
            let sql = "INSERT INTO sessions (user_id, token_hash, created_at, seen_at, agent, provider) \
                       VALUES ($1, $2, $3, $3, $4, $5) ON CONFLICT (token_hash) DO UPDATE SET seen_at = $3 \
                       WHERE sessions.user_id = $1 RETURNING id";
            let parameters = [
                new.user.0.into(),
                new.token_hash.as_slice().into(),
                new.now_ms.into(),
                new.agent.into(),
                new.provider.into(),
            ];
            transaction.query_optional(sql, &parameters, |row| column(row, 0).map(SessionId))
        })
        .await
    }

    /// Returns the session of each token, if it has not ended and its user is not disabled. The caller checks whether
    /// it has expired.
    pub(crate) async fn find_sessions(&self, token_hashes: Vec<[u8; 32]>) -> Result<Vec<Option<ActiveSession>>> {
        let sql = "SELECT s.token_hash, s.id, s.user_id, s.seen_at, s.provider FROM v \
                   JOIN sessions s ON s.token_hash = v.token_hash JOIN users u ON u.id = s.user_id AND u.disabled = 0";
        self.query(move |connection| {
            let mut params = BulkParams::new(["token_hash"]);
            for hash in &token_hashes {
                params.push([hash.as_slice().into()]);
            }
            let mut found = HashMap::with_capacity(token_hashes.len());
            params.for_each(connection, sql, |row| {
                let mut reader = RowReader::new(row);
                let hash: [u8; 32] = reader.bytes()?;
                let (session, user) = (SessionId(reader.int()?), UserId(reader.int()?));
                let seen_at = reader.int()?;
                let is_host = reader.text()? != ACCOUNTS;
                found.insert(hash, ActiveSession { session, user, seen_at, is_host });
                Ok(())
            })?;
            Ok(token_hashes.iter().map(|hash| found.get(hash).copied()).collect())
        })
        .await
    }

    /// Returns a user's sessions, newest first.
    pub(crate) async fn list_sessions(&self, user: UserId, expired_before: i64) -> Result<Vec<SessionSummary>> {
        let sql = "SELECT id, created_at, seen_at, agent, provider FROM sessions WHERE user_id = $1 AND seen_at >= $2 \
                   ORDER BY id DESC";
        self.query(move |connection| {
            connection.query(sql, &[user.0.into(), expired_before.into()], |row| {
                Ok(SessionSummary {
                    id: SessionId(column(row, 0)?),
                    created_at: column(row, 1)?,
                    seen_at: column(row, 2)?,
                    agent: column(row, 3)?,
                    is_host: column::<String>(row, 4)? != ACCOUNTS,
                })
            })
        })
        .await
    }

    /// Records when sessions were last used. A time moves back only if it was recorded by a clock that has since been
    /// set back.
    pub(crate) async fn touch_sessions(&self, seen: Vec<(SessionId, i64)>) -> Result<()> {
        let sql = "UPDATE sessions SET seen_at = v.seen_at FROM v WHERE sessions.id = v.id \
                   AND (sessions.seen_at < v.seen_at OR sessions.seen_at > v.seen_at + 600000)";
        self.write(move |transaction| {
            let mut params = BulkParams::new(["id", "seen_at"]);
            for (session, at) in seen {
                params.push([Param::from(session.0), Param::from(at)]);
            }
            params.execute(transaction, sql)
        })
        .await
    }

    /// Resets future times of last use to now. They come from a clock that has since been set back, and would keep the
    /// sessions alive for as long as it was ahead.
    pub(crate) async fn clamp_future_sessions(&self, now_ms: i64) -> Result<()> {
        let ahead = now_ms.saturating_add(CLOCK_AHEAD_MS);
        let sql = "SELECT 1 FROM sessions WHERE seen_at > $1 LIMIT 1";
        if self.query(move |connection| connection.query_optional(sql, &[ahead.into()], |_| Ok(()))).await?.is_none() {
            return Ok(());
        }
        let sql = "UPDATE sessions SET seen_at = $1 WHERE seen_at > $2";
        self.write(move |transaction| transaction.execute(sql, &[now_ms.into(), ahead.into()]).map(drop)).await
    }
}

//! The durable truth: SQLite or PostgreSQL, behind one type.
//!
//! Each statement stands once, in the dialect that both share; where they truly differ, the method shows both.
//! Invariants: `commit` is the only writer of conversations, members, messages, people and contexts; all
//! statements of one answer run in one snapshot, the clock among them; rows are reached through membership.
//! Absent on purpose: rules (they are `domain`'s) and a trait (there is one store).

pub mod accounts;
pub mod backup;
pub mod batch;
pub mod clock;
pub mod files;
pub mod followers;
pub mod index;
mod names;
mod open;
pub mod pictures;
mod presence;
mod rows;
pub mod sessions;
pub mod snapshot;
mod values;
pub mod verify;

use sqlx::{
    Any, AnyPool, Transaction,
    any::{AnyArguments, AnyRow},
};

use std::time::Duration;

pub use open::{Durability, Settings};

/// Which database answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// One file beside the server.
    Sqlite,
    /// A server of its own.
    Postgres,
}

/// The store.
#[derive(Clone, Debug)]
pub struct Store {
    pub(crate) dialect: Dialect,
    /// On SQLite one connection: its only writer. On PostgreSQL the same pool as `readers`.
    pub(crate) writer: AnyPool,
    pub(crate) readers: AnyPool,
    /// After this long without an answer the store counts as silent: longer than its own time-outs, which come first
    /// wherever it still runs.
    pub(crate) patience: Duration,
    /// Whether anybody is told how far others have read.
    pub(crate) receipts: bool,
}

/// What can go wrong in the store.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It is not there, busy, or full: nothing happened, and the same may succeed later.
    #[error("the store is not available: {0}")]
    Unavailable(#[source] sqlx::Error),
    /// It did not answer within its time: a frozen database, or a network that went away silently.
    #[error("the store did not answer in time")]
    Silent,
    /// The data or the statement is at fault.
    #[error("the store refused: {0}")]
    Refused(#[source] sqlx::Error),
    /// A row does not hold what the program wrote.
    #[error("the store holds a row that cannot be: {0}")]
    Corrupt(String),
    /// The schema is newer than this program, or a setting makes it unsafe.
    #[error("{0}")]
    Unusable(String),
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed
            | sqlx::Error::Protocol(_) => Self::Unavailable(error),
            sqlx::Error::Database(database) if is_transient(database.code().as_deref()) => Self::Unavailable(error),
            _ => Self::Refused(error),
        }
    }
}

/// SQLite: busy, locked, I/O error, cannot open, full, read-only, by primary result code
/// (<https://sqlite.org/rescode.html>). PostgreSQL: connection, resource and operator classes, time-outs and
/// lost serialisation (appendix A of its manual).
fn is_transient(code: Option<&str>) -> bool {
    let Some(code) = code else { return false };
    // SQLSTATE has five characters; SQLite's codes have fewer.
    if code.len() == 5 {
        return ["08", "40", "53", "57", "58"].iter().any(|class| code.starts_with(class))
            || ["25006", "25P03", "55P03"].contains(&code);
    }
    matches!(code.parse::<u32>().map(|code| code & 0xff), Ok(5 | 6 | 8 | 10 | 13 | 14))
}

impl Error {
    /// Whether the store is not there, rather than something at fault.
    #[must_use]
    pub fn is_outage(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::Silent)
    }
}

/// A result of the store.
pub type Result<T> = std::result::Result<T, Error>;

/// A query whose text was put together by this crate from constants and counts, never from input.
pub(crate) fn query(sql: impl Into<String>) -> sqlx::query::Query<'static, Any, AnyArguments> {
    sqlx::query(sqlx::AssertSqlSafe(sql.into()))
}

/// A column by its position.
pub(crate) fn column<T>(row: &AnyRow, position: usize) -> Result<T>
where
    T: for<'row> sqlx::Decode<'row, Any> + sqlx::Type<Any>,
{
    sqlx::Row::try_get(row, position).map_err(|error| Error::Corrupt(error.to_string()))
}

/// A write transaction outside `commit`, for the modules that own rows without a version
/// (sign-ins, pictures, secrets, followers' cursors).
impl Store {
    /// Waits for an answer of the store, up to its patience.
    ///
    /// # Errors
    /// What the store answered, or that it did not.
    pub async fn answered<T>(&self, asking: impl Future<Output = Result<T>>) -> Result<T> {
        tokio::time::timeout(self.patience, asking).await.unwrap_or(Err(Error::Silent))
    }

    /// Connections that are in use.
    #[must_use]
    pub fn busy(&self) -> usize {
        let busy = |pool: &AnyPool| (pool.size() as usize).saturating_sub(pool.num_idle());
        match self.dialect {
            Dialect::Sqlite => busy(&self.readers) + busy(&self.writer),
            Dialect::Postgres => busy(&self.readers),
        }
    }

    /// Begins to write.
    pub(crate) async fn write(&self) -> Result<Transaction<'_, Any>> {
        Ok(self.writer.begin().await?)
    }
}

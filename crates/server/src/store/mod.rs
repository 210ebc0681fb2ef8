//! Durable storage in SQLite or PostgreSQL, behind one type.
//!
//! Each statement is written once, in the dialect that both databases share; where they truly differ, the method has
//! both versions. Reads and writes are units of work: closures that a thread of the store runs to completion
//! (`threads.rs`).
//!
//! Invariants: `commit` is the only writer of conversations, members, messages, users and contexts; all statements of
//! one answer, the clock's included, run in one snapshot; rows are reached through membership; nothing holds a
//! connection or a snapshot while it waits for something else.
//!
//! Absent on purpose: rules (they are in `domain`) and a trait (there is one store).

pub mod backup;
pub mod batch;
mod blocks;
mod bulk_params;
pub mod clock;
pub(crate) mod connection;
pub mod consumers;
mod error;
pub mod files;
pub mod index;
mod job_caller;
mod known_places;
mod name_words;
mod open;
mod param;
pub mod pictures;
mod positions;
mod postgres;
mod presence;
mod row;
mod rows;
pub mod sessions;
pub mod snapshot;
#[cfg(test)]
mod tests;
mod threads;
pub mod users;
pub mod verify;

use connection::DatabaseConnection;
use open::Opener;
use parlor_protocol::limits::Limits;
use row::column;
use snapshot::Snapshot;
use std::{
    io,
    sync::{Arc, atomic::AtomicBool},
    time::{Duration, Instant},
};
use threads::ThreadPool;

pub use open::{Durability, StoreOptions};

/// The kind of database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// A file beside the server.
    Sqlite,
    /// A separate server.
    Postgres,
}

/// The store. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Store(Arc<StoreInner>);

#[derive(Debug)]
struct StoreInner {
    dialect: Dialect,
    opener: Opener,
    timeout: Duration,
    readers: ThreadPool,
    /// On SQLite this is the only thread that writes; on PostgreSQL these writes do not queue behind commits.
    writers: ThreadPool,
    /// The thread for commits on PostgreSQL.
    commits: Option<ThreadPool>,
    limits: Arc<Limits>,
    /// Whether members can see how far others have read.
    receipts: bool,
    /// Whether the start of this server is recorded; nothing is committed before that.
    is_started: AtomicBool,
}

/// The cause of a store error.
#[derive(Debug, thiserror::Error)]
pub enum ErrorCause {
    /// SQLite.
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
    /// PostgreSQL, or the connection to it.
    #[error(transparent)]
    Postgres(#[from] sqlx::Error),
    /// A file or a thread.
    #[error(transparent)]
    Machine(#[from] io::Error),
    /// The store itself.
    #[error("{0}")]
    Message(&'static str),
}

impl ErrorCause {
    /// Returns SQLite's primary result code (<https://sqlite.org/rescode.html>).
    fn sqlite_code(&self) -> Option<i32> {
        let Self::Sqlite(error) = self else { return None };
        error.sqlite_error().map(|failure| failure.extended_code & 0xff)
    }
}

/// An error of the store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database is unreachable, busy or full. Nothing happened, and a retry may succeed.
    #[error("the store is not available: {0}")]
    Unavailable(#[source] ErrorCause),
    /// The database did not answer in time: it is frozen, or the network dropped silently.
    #[error("the store did not answer in time")]
    Timeout,
    /// The data or the statement is wrong.
    #[error("the store refused: {0}")]
    Refused(#[source] ErrorCause),
    /// A row contains something this program never writes.
    #[error("the store contains an invalid row: {0}")]
    Corrupt(String),
    /// The schema is newer than this program, or a setting makes the database unsafe.
    #[error("{0}")]
    Unusable(String),
}

/// Busy, locked, I/O error, cannot open, full and read-only say nothing about the data
/// (<https://sqlite.org/rescode.html>). Interrupted means that the caller stopped waiting.
impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error().map(|failure| failure.extended_code & 0xff) {
            Some(5 | 6 | 8 | 10 | 13 | 14) => Self::Unavailable(error.into()),
            Some(9) => Self::Timeout,
            _ => Self::Refused(error.into()),
        }
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::Protocol(_) => Self::Unavailable(error.into()),
            sqlx::Error::Database(database) if is_transient(database.code().as_deref()) => {
                Self::Unavailable(error.into())
            }
            _ => Self::Refused(error.into()),
        }
    }
}

/// Connection, resource and operator errors, timeouts, read-only mode and serialization failures (appendix A of the
/// PostgreSQL manual).
fn is_transient(code: Option<&str>) -> bool {
    code.is_some_and(|code| {
        ["08", "40", "53", "57", "58"].iter().any(|class| code.starts_with(class))
            || ["25006", "25P03", "55P03"].contains(&code)
    })
}

impl StoreError {
    /// Returns whether the store is unavailable, as opposed to a problem with the data.
    #[must_use]
    pub fn is_outage(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::Timeout)
    }
}

/// The result of a store operation.
pub type Result<T> = std::result::Result<T, StoreError>;

impl Store {
    /// The kind of database.
    #[must_use]
    pub fn dialect(&self) -> Dialect {
        self.0.dialect
    }

    /// Reads in one snapshot: `work` runs from its first statement to its last on one of the store's threads.
    ///
    /// # Errors
    /// The error of the work, or the store is unavailable.
    pub async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Snapshot<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (limits, receipts) = (self.0.limits.clone(), self.0.receipts);
        self.0.readers.run(move |connection| Snapshot::run(connection, &limits, receipts, work)).await
    }

    /// Returns how many units of work are running or queued.
    #[must_use]
    pub fn busy(&self) -> usize {
        let commits = self.0.commits.as_ref().map_or(0, ThreadPool::busy);
        self.0.readers.busy() + self.0.writers.busy() + commits
    }

    /// Runs a read outside a transaction, usually a single statement.
    async fn query<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut DatabaseConnection) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.0.readers.run(work).await
    }

    /// Writes rows that have no version, for the modules that own them (sessions, pictures, secrets, consumers'
    /// cursors). The write is durable when this returns.
    async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut DatabaseConnection) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.0.writers.write(work).await
    }

    /// Runs long work on its own connection and thread, without a timeout.
    async fn run_long<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut DatabaseConnection) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let store = self.clone();
        let done = tokio::task::spawn_blocking(move || {
            let deadline = Instant::now() + store.0.timeout;
            work(&mut store.0.opener.open(open::Purpose::LongRunning, Some(deadline))?)
        });
        done.await.unwrap_or_else(|error| Err(StoreError::Corrupt(error.to_string())))
    }
}

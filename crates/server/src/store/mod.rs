//! The durable truth: SQLite or PostgreSQL, behind one type.
//!
//! Each statement stands once, in the dialect that both share; where they truly differ, the method shows both. Reads and
//! writes are units of work: closures that a thread of the store runs to their end (`threads.rs`).
//! Invariants: `commit` is the only writer of conversations, members, messages, people and contexts; all
//! statements of one answer run in one snapshot, the clock among them; rows are reached through membership; nobody holds
//! a connection or a snapshot while waiting for something else.
//! Absent on purpose: rules (they are `domain`'s) and a trait (there is one store).

pub mod backup;
pub mod batch;
mod bulk_params;
pub mod clock;
pub(crate) mod connection;
pub mod consumers;
mod error;
pub mod files;
pub mod index;
mod known_places;
mod name_words;
mod open;
pub mod pictures;
mod postgres;
mod presence;
mod rows;
pub mod sessions;
pub mod snapshot;
#[cfg(test)]
mod tests;
mod threads;
pub mod users;
pub mod verify;

use connection::{Connection, column};
use open::Opener;
use parlor_protocol::limits::Limits;
use snapshot::Snapshot;
use std::{
    io,
    sync::{Arc, atomic::AtomicBool},
    time::{Duration, Instant},
};
use threads::ThreadPool;

pub use open::{Durability, StoreOptions};

/// Which database answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// One file beside the server.
    Sqlite,
    /// A server of its own.
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
    /// On SQLite the only thread that writes; on PostgreSQL nobody waits there behind a commit.
    writers: ThreadPool,
    /// On PostgreSQL, a thread of its own for commits.
    commits: Option<ThreadPool>,
    limits: Arc<Limits>,
    /// Whether anybody is told how far others have read.
    receipts: bool,
    /// The start of this server is noted: until then nothing is committed.
    is_started: AtomicBool,
}

/// What a fault of the store came from.
#[derive(Debug, thiserror::Error)]
pub enum ErrorCause {
    /// SQLite.
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
    /// PostgreSQL, or the way to it.
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
    /// The primary result code of SQLite (<https://sqlite.org/rescode.html>).
    fn sqlite_code(&self) -> Option<i32> {
        let Self::Sqlite(error) = self else { return None };
        error.sqlite_error().map(|failure| failure.extended_code & 0xff)
    }
}

/// What can go wrong in the store.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It is not there, busy, or full: nothing happened, and the same may succeed later.
    #[error("the store is not available: {0}")]
    Unavailable(#[source] ErrorCause),
    /// It did not answer within its time: a frozen database, or a network that went away silently.
    #[error("the store did not answer in time")]
    Timeout,
    /// The data or the statement is at fault.
    #[error("the store refused: {0}")]
    Refused(#[source] ErrorCause),
    /// A row does not hold what the program wrote.
    #[error("the store holds a row that cannot be: {0}")]
    Corrupt(String),
    /// The schema is newer than this program, or a setting makes it unsafe.
    #[error("{0}")]
    Unusable(String),
}

/// Busy, locked, I/O error, cannot open, full and read-only are no fault of the data
/// (<https://sqlite.org/rescode.html>); interrupted is whatever nobody waits for any longer.
impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error().map(|failure| failure.extended_code & 0xff) {
            Some(5 | 6 | 8 | 10 | 13 | 14) => Self::Unavailable(error.into()),
            Some(9) => Self::Timeout,
            _ => Self::Refused(error.into()),
        }
    }
}

impl From<sqlx::Error> for Error {
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

/// Connection, resource and operator classes, time-outs, read-only and lost serialisation (appendix A of PostgreSQL's
/// manual).
fn is_transient(code: Option<&str>) -> bool {
    code.is_some_and(|code| {
        ["08", "40", "53", "57", "58"].iter().any(|class| code.starts_with(class))
            || ["25006", "25P03", "55P03"].contains(&code)
    })
}

impl Error {
    /// Whether the store is not there, rather than something at fault.
    #[must_use]
    pub fn is_outage(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::Timeout)
    }
}

/// A result of the store.
pub type Result<T> = std::result::Result<T, Error>;

impl Store {
    /// Which database answers.
    #[must_use]
    pub fn dialect(&self) -> Dialect {
        self.0.dialect
    }

    /// Reads in one snapshot: a unit of work, from its first statement to its last on one of the store's threads.
    ///
    /// # Errors
    /// What the work ended with, or the store is not there.
    pub async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Snapshot<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (limits, receipts) = (self.0.limits.clone(), self.0.receipts);
        self.0.readers.run(move |connection| Snapshot::run(connection, &limits, receipts, work)).await
    }

    /// How many units of work are under way.
    #[must_use]
    pub fn busy(&self) -> usize {
        let commits = self.0.commits.as_ref().map_or(0, ThreadPool::busy);
        self.0.readers.busy() + self.0.writers.busy() + commits
    }

    /// Reads what one statement gives.
    async fn query<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.0.readers.run(work).await
    }

    /// Writes rows without a version, for the modules that own them (sign-ins, pictures, secrets, followers' cursors).
    /// It is durable when this returns.
    async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.0.writers.write(work).await
    }

    /// Does what may take long on a connection and a thread of its own, without a time-out.
    async fn aside<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let store = self.clone();
        let done = tokio::task::spawn_blocking(move || {
            let deadline = Instant::now() + store.0.timeout;
            work(&mut store.0.opener.open(open::Purpose::LongRunning, Some(deadline))?)
        });
        done.await.unwrap_or_else(|error| Err(Error::Corrupt(error.to_string())))
    }
}

//! One commit: raise the clock, load what is decided on, write what was decided, COMMIT.
//!
//! Every step is one statement over a whole batch. How many run follows from the kinds of change in it: a batch
//! of sends takes seven, however many they are (I2); `statements` counts them for the test that holds this.

mod files;
mod load;
mod write;

pub(crate) use write::scopes;

use super::{Dialect, Result, Store, column, query};
use parlor_protocol::ids::Version;
use sqlx::{Any, Transaction};

/// A commit in progress. Dropped, it never was.
#[derive(Debug)]
pub struct Batch<'store> {
    transaction: Transaction<'store, Any>,
    /// Statements run so far, BEGIN and COMMIT apart.
    pub statements: u32,
}

/// What COMMIT came to.
#[derive(Debug)]
pub enum Committed {
    /// It is durable.
    Yes,
    /// No answer came: its row in `commits` tells.
    Unknown(super::Error),
}

impl Store {
    /// Begins a commit by raising the clock by `changes`; gives the version before. Until the commit ends,
    /// no other begins.
    ///
    /// # Errors
    /// The store is not there.
    pub async fn begin(&self, changes: usize) -> Result<(Batch<'_>, Version)> {
        let begin = match self.dialect {
            // The write lock at once: a reader that turns writer could not wait for it.
            Dialect::Sqlite => "BEGIN IMMEDIATE",
            // Whatever the database's default: under a stricter level, reads would be older than the lock.
            Dialect::Postgres => "BEGIN ISOLATION LEVEL READ COMMITTED",
        };
        let transaction = self.writer.begin_with(begin).await?;
        let mut batch = Batch { transaction, statements: 0 };
        let raise = i64::try_from(changes).expect("a batch is small");
        let row = query("UPDATE clock SET version = version + $1 RETURNING version")
            .bind(raise)
            .fetch_one(batch.connection())
            .await?;
        let version = Version(column::<i64>(&row, 0)? - raise);
        Ok((batch, version))
    }
}

impl Batch<'_> {
    fn connection(&mut self) -> &mut sqlx::AnyConnection {
        self.statements += 1;
        &mut self.transaction
    }

    /// Makes it durable.
    pub async fn commit(self) -> Committed {
        match self.transaction.commit().await {
            Ok(()) => Committed::Yes,
            Err(error) => Committed::Unknown(error.into()),
        }
    }

    /// Gives it up.
    pub async fn roll_back(self) {
        // A connection that cannot roll back is closed by the pool, which ends its transaction too.
        drop(self.transaction.rollback().await);
    }
}

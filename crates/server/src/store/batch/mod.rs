//! One commit: raise the clock, load what is decided on, write what was decided, COMMIT.
//!
//! Every step is one statement over a whole batch. How many run follows from the kinds of change in it: a batch
//! of sends takes seven, however many they are (I2); `statements` counts them for the test that holds this.

mod files;
mod load;
mod write;

pub(crate) use write::scopes;

use super::{Result, Store, column, connection::Connection, threads::ThreadPool};
use parlor_protocol::ids::Version;

/// A commit in progress.
#[derive(Debug)]
pub struct Batch<'connection> {
    connection: &'connection mut Connection,
    /// The version before it.
    pub before: Version,
    /// Statements run so far, BEGIN and COMMIT apart.
    pub statements: u32,
}

impl Store {
    /// Raises the clock by `changes` and does `work`: a unit of work, from there to COMMIT. Until it ends, no other
    /// begins. The work says whether what it did is to be kept; else it never was.
    ///
    /// After an error nothing happened and nothing will. Else the work has decided, and beside that stands what COMMIT
    /// came to: after an error there, only its row in `commits` tells ([`Store::has_commit`]).
    ///
    /// # Errors
    /// What the work ended with, or the store is not there.
    pub async fn commit<T: Send + 'static>(
        &self,
        changes: usize,
        work: impl FnOnce(&mut Batch<'_>) -> Result<(T, bool)> + Send + 'static,
    ) -> Result<(T, Result<()>)> {
        self.started()?;
        self.commits().transact(move |connection| work(&mut Batch::begin(connection, changes)?)).await
    }

    /// The thread that commits.
    pub(super) fn commits(&self) -> &ThreadPool {
        self.0.commits.as_ref().unwrap_or(&self.0.writers)
    }
}

impl<'connection> Batch<'connection> {
    fn begin(connection: &'connection mut Connection, changes: usize) -> Result<Self> {
        let raise = i64::try_from(changes).expect("a batch is small");
        let sql = "UPDATE clock SET version = version + $1 RETURNING version";
        let version: i64 = connection.query_one(sql, &[raise.into()], |row| column(row, 0))?;
        Ok(Self { connection, before: Version(version - raise), statements: 1 })
    }

    fn connection(&mut self) -> &mut Connection {
        self.statements += 1;
        self.connection
    }
}

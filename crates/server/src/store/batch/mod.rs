//! A commit: advance the clock, load the state, write the decisions, COMMIT.
//!
//! Every step is one statement for the whole batch. How many statements run depends on the kinds of changes in it: a
//! batch of sends takes seven, however many sends there are (I2). `statements` counts them for the test that guards
//! this.

mod blocks;
mod drafts;
mod files;
mod host_rows;
mod load;
mod mentions;
mod openings;
mod reports;
mod settings;
mod write;

pub(crate) use write::scopes;

use super::{
    Result, Store, bulk_params::BulkParams, column, connection::DatabaseConnection, row::Row, threads::ThreadPool,
};
use parlor_protocol::ids::Version;

/// A commit in progress.
#[derive(Debug)]
pub struct BatchTransaction<'connection> {
    connection: &'connection mut DatabaseConnection,
    /// The clock's version before this commit.
    pub before: Version,
    /// How many statements have run so far, without BEGIN and COMMIT.
    pub statements: u32,
}

impl Store {
    /// Advances the clock by `changes` and runs `work` in a transaction that excludes all other commits. `work` returns
    /// whether its writes are kept; if not, they are rolled back.
    ///
    /// After an error nothing happened and nothing will. Otherwise `work` has decided, and the second result says how
    /// COMMIT went: after an error there, only the row in `commits` tells whether it took effect
    /// ([`Store::has_commit`]).
    ///
    /// # Errors
    /// The error of the work, or the store is unavailable.
    pub async fn commit<T: Send + 'static>(
        &self,
        changes: usize,
        work: impl FnOnce(&mut BatchTransaction<'_>) -> Result<(T, bool)> + Send + 'static,
    ) -> Result<(T, Result<()>)> {
        self.check_started()?;
        self.commits().transact(move |connection| work(&mut BatchTransaction::begin(connection, changes)?)).await
    }

    /// Returns the thread that commits.
    pub(super) fn commits(&self) -> &ThreadPool {
        self.0.commits.as_ref().unwrap_or(&self.0.writers)
    }
}

impl<'connection> BatchTransaction<'connection> {
    fn begin(connection: &'connection mut DatabaseConnection, changes: usize) -> Result<Self> {
        let raise = i64::try_from(changes).expect("a batch is small");
        let sql = "UPDATE clock SET version = version + $1 RETURNING version";
        let version: i64 = connection.query_one(sql, &[raise.into()], |row| column(row, 0))?;
        Ok(Self { connection, before: Version(version - raise), statements: 1 })
    }

    fn connection(&mut self) -> &mut DatabaseConnection {
        self.statements += 1;
        self.connection
    }

    /// Runs one statement for all rows of parameters, and passes each resulting row to `on_row`. Like the methods
    /// below, it runs no statement if there are no parameters.
    fn for_each<const COLUMNS: usize>(
        &mut self,
        mut params: BulkParams<'_, COLUMNS>,
        sql: &str,
        on_row: impl FnMut(Row<'_>) -> Result<()>,
    ) -> Result<()> {
        if params.is_empty() { Ok(()) } else { params.for_each(self.connection(), sql, on_row) }
    }

    fn execute<const COLUMNS: usize>(&mut self, mut params: BulkParams<'_, COLUMNS>, sql: &str) -> Result<()> {
        if params.is_empty() { Ok(()) } else { params.execute(self.connection(), sql) }
    }

    fn insert<const COLUMNS: usize>(&mut self, mut params: BulkParams<'_, COLUMNS>, table: &str) -> Result<()> {
        if params.is_empty() { Ok(()) } else { params.insert(self.connection(), table) }
    }

    fn upsert<const COLUMNS: usize>(
        &mut self,
        mut params: BulkParams<'_, COLUMNS>,
        table: &str,
        keys: usize,
    ) -> Result<()> {
        if params.is_empty() { Ok(()) } else { params.upsert(self.connection(), table, keys) }
    }

    fn update<const COLUMNS: usize>(&mut self, mut params: BulkParams<'_, COLUMNS>, table: &str) -> Result<()> {
        if params.is_empty() { Ok(()) } else { params.update(self.connection(), table) }
    }
}

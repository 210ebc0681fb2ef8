//! A connection to either database: statements in, rows out.
//!
//! Invariants: a connection is used by one thread at a time, and only on the store's threads; a statement ends when its
//! caller stops waiting, on SQLite while it runs, on PostgreSQL at its timeout; interrupting one unit of work never
//! affects the next.

use super::{Result, StoreError, job_caller::JobCaller, param::Param, postgres::Postgres, row::Row};
use rusqlite::{CachedStatement, OpenFlags, config::DbConfig};
use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

/// How many prepared statements a SQLite connection caches: enough for all forms of all frequent statements.
const STATEMENTS_KEPT: usize = 256;
/// SQLite virtual-machine steps between two checks whether the caller is still waiting; about 0.1 ms.
const PROGRESS_STEPS: i32 = 4000;
/// How long a PostgreSQL connection is kept at most, so that changed server settings reach every connection.
const CONNECTION_LIFETIME: Duration = Duration::from_mins(10);

/// The caller that waits for the current work.
type CurrentCaller = Arc<Mutex<Option<Arc<JobCaller>>>>;

/// A connection.
pub(crate) struct DatabaseConnection {
    driver: Driver,
    current: CurrentCaller,
    opened_at: Instant,
    /// How many statements have run so far.
    pub(super) statements: u64,
}

enum Driver {
    Sqlite(rusqlite::Connection),
    Postgres(Box<Postgres>),
}

impl std::fmt::Debug for DatabaseConnection {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(if self.is_sqlite() { "Connection to SQLite" } else { "Connection to PostgreSQL" })
    }
}

impl DatabaseConnection {
    /// Opens an existing SQLite file and runs `setup_sql` on it.
    pub(super) fn sqlite(file: &Path, flags: OpenFlags, vfs: &std::ffi::CStr, setup_sql: &str) -> Result<Self> {
        let flags = flags | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut connection = rusqlite::Connection::open_with_flags_and_vfs(file, flags, vfs)?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS_KEPT);
        // Otherwise SQLite prepares a statement again whenever a value is bound that its plan may depend on, such as a LIMIT.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
        connection.execute_batch(setup_sql)?;
        let current = CurrentCaller::default();
        let watched = current.clone();
        let is_given_up = move || {
            let current = watched.lock().unwrap_or_else(PoisonError::into_inner);
            current.as_ref().is_some_and(|caller| !caller.is_waiting())
        };
        connection.progress_handler(PROGRESS_STEPS, Some(is_given_up))?;
        Ok(Self { driver: Driver::Sqlite(connection), current, opened_at: Instant::now(), statements: 0 })
    }

    /// Wraps a PostgreSQL connection.
    pub(super) fn postgres(postgres: Postgres) -> Self {
        let driver = Driver::Postgres(Box::new(postgres));
        Self { driver, current: CurrentCaller::default(), opened_at: Instant::now(), statements: 0 }
    }

    /// Returns how often SQLite prepared a statement again since it was first prepared here.
    #[cfg(test)]
    pub(super) fn reprepared(&mut self, sql: &str) -> i32 {
        let Driver::Sqlite(connection) = &self.driver else { return 0 };
        let statement = connection.prepare_cached(sql).expect("a statement that ran before");
        statement.get_status(rusqlite::StatementStatus::RePrepare)
    }

    pub(super) fn is_sqlite(&self) -> bool {
        matches!(self.driver, Driver::Sqlite(_))
    }

    /// Sets the caller of the work that follows. Without a caller nothing is interrupted.
    pub(super) fn set_caller(&mut self, caller: Option<Arc<JobCaller>>) {
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = caller;
    }

    /// Returns the caller of the current work.
    pub(super) fn caller(&self) -> Option<Arc<JobCaller>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns whether the connection can be used for other work.
    pub(super) fn is_reusable(&self) -> bool {
        match &self.driver {
            // A transaction that is still open could not be rolled back.
            Driver::Sqlite(connection) => connection.is_autocommit(),
            Driver::Postgres(postgres) => postgres.is_reusable() && self.opened_at.elapsed() < CONNECTION_LIFETIME,
        }
    }

    /// Returns whether the connection still works after being idle: the PostgreSQL server may have closed it.
    pub(super) fn is_alive(&mut self, deadline: Instant) -> bool {
        match &mut self.driver {
            Driver::Sqlite(_) => true,
            Driver::Postgres(postgres) => postgres.is_alive(deadline),
        }
    }

    /// Fails if the caller no longer waits. For long computations between two statements.
    pub(crate) fn check_caller(&self) -> Result<()> {
        let current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if current.as_ref().is_some_and(|caller| !caller.is_waiting()) { Err(StoreError::Timeout) } else { Ok(()) }
    }

    fn deadline(&self) -> Option<Instant> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(|caller| caller.deadline)
    }

    /// Begins a write transaction. On SQLite it takes the write lock immediately, since a transaction that reads first
    /// cannot wait for that lock later.
    pub(super) fn begin_write(&mut self) -> Result<()> {
        self.check_caller()?;
        // On PostgreSQL regardless of the database's default: at a stricter level, reads would see a state older than
        // the lock.
        self.run(if self.is_sqlite() { "BEGIN IMMEDIATE" } else { "BEGIN ISOLATION LEVEL READ COMMITTED" })
    }

    /// Begins a transaction whose reads all see one state.
    pub(super) fn begin_read(&mut self) -> Result<()> {
        self.check_caller()?;
        self.run(if self.is_sqlite() { "BEGIN" } else { "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY" })
    }

    /// Commits the transaction, which is durable when this returns.
    pub(super) fn commit(&mut self) -> Result<()> {
        // A COMMIT that may already have taken effect is not interrupted; on PostgreSQL the timeout still applies.
        let deadline = self.deadline();
        if let Driver::Sqlite(_) = &self.driver {
            self.set_caller(None);
        }
        let committed = match &mut self.driver {
            Driver::Sqlite(connection) => {
                connection.prepare_cached("COMMIT")?.raw_execute().map(drop).map_err(StoreError::from)
            }
            Driver::Postgres(postgres) => postgres.execute("COMMIT", &[], deadline).map(drop),
        };
        if committed.is_err() {
            self.roll_back();
        }
        committed
    }

    /// Rolls the transaction back. If that fails, the connection is closed, which ends the transaction as well.
    pub(super) fn roll_back(&mut self) {
        let deadline = self.deadline();
        match &mut self.driver {
            Driver::Sqlite(connection) => {
                // On a full disk SQLite has already rolled it back.
                if !connection.is_autocommit() {
                    *self.current.lock().unwrap_or_else(PoisonError::into_inner) = None;
                    drop(connection.prepare_cached("ROLLBACK").and_then(|mut statement| statement.raw_execute()));
                }
            }
            Driver::Postgres(postgres) => postgres.roll_back(deadline),
        }
    }

    fn run(&mut self, sql: &str) -> Result<()> {
        let deadline = self.deadline();
        match &mut self.driver {
            Driver::Sqlite(connection) => connection.prepare_cached(sql)?.raw_execute().map(drop)?,
            Driver::Postgres(postgres) => postgres.begin(sql, deadline)?,
        }
        Ok(())
    }

    /// Runs several statements without parameters: migrations and settings.
    pub(super) fn batch(&mut self, text: &str) -> Result<()> {
        self.check_caller()?;
        let deadline = self.deadline();
        match &mut self.driver {
            Driver::Sqlite(connection) => Ok(connection.execute_batch(text)?),
            Driver::Postgres(postgres) => postgres.batch(text, deadline),
        }
    }

    /// Runs a statement that returns no rows, and returns how many rows it affected.
    pub(crate) fn execute(&mut self, sql: &str, parameters: &[Param<'_>]) -> Result<u64> {
        self.check_caller()?;
        self.statements += 1;
        let deadline = self.deadline();
        match &mut self.driver {
            Driver::Sqlite(connection) => Ok(bound(connection, sql, parameters)?.raw_execute()? as u64),
            Driver::Postgres(postgres) => postgres.execute(sql, parameters, deadline),
        }
    }

    /// Passes each row to `on_row` until that returns false.
    pub(crate) fn for_each(
        &mut self,
        sql: &str,
        parameters: &[Param<'_>],
        mut on_row: impl FnMut(Row<'_>) -> Result<bool>,
    ) -> Result<()> {
        self.check_caller()?;
        self.statements += 1;
        let deadline = self.deadline();
        match &mut self.driver {
            Driver::Sqlite(connection) => {
                let mut statement = bound(connection, sql, parameters)?;
                let mut rows = statement.raw_query();
                while let Some(row) = rows.next()? {
                    if !on_row(Row::Sqlite(row))? {
                        break;
                    }
                }
                Ok(())
            }
            Driver::Postgres(postgres) => postgres.for_each(sql, parameters, deadline, on_row),
        }
    }

    /// Runs a statement once for each set of parameters, and passes each row to `on_row` until that returns false. For
    /// SQLite only, where statements need no round trip to a server. SQLite numbers `$1`, `$2` and so on in the order
    /// of their first appearance in the statement; where that is not the intended order, write `?1`.
    pub(super) fn for_each_set<'a, 'v: 'a>(
        &mut self,
        sql: &str,
        sets: impl Iterator<Item = &'a [Param<'v>]>,
        mut on_row: impl FnMut(Row<'_>) -> Result<bool>,
    ) -> Result<()> {
        self.check_caller()?;
        self.statements += 1;
        let Driver::Sqlite(connection) = &mut self.driver else {
            return Err(StoreError::Corrupt("sets of parameters are only for SQLite".to_owned()));
        };
        let mut statement = connection.prepare_cached(sql)?;
        for set in sets {
            for (place, value) in (1..).zip(set) {
                statement.raw_bind_parameter(place, value)?;
            }
            let mut rows = statement.raw_query();
            while let Some(row) = rows.next()? {
                if !on_row(Row::Sqlite(row))? {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Returns what `read` makes of each row.
    pub(crate) fn query<T>(
        &mut self,
        sql: &str,
        parameters: &[Param<'_>],
        mut read: impl FnMut(Row<'_>) -> Result<T>,
    ) -> Result<Vec<T>> {
        let mut all = Vec::new();
        self.for_each(sql, parameters, |row| {
            all.push(read(row)?);
            Ok(true)
        })?;
        Ok(all)
    }

    /// Returns what `read` makes of the first row, if there is one.
    pub(crate) fn query_optional<T>(
        &mut self,
        sql: &str,
        parameters: &[Param<'_>],
        mut read: impl FnMut(Row<'_>) -> Result<T>,
    ) -> Result<Option<T>> {
        let mut first = None;
        self.for_each(sql, parameters, |row| {
            first = Some(read(row)?);
            Ok(false)
        })?;
        Ok(first)
    }

    /// Returns what `read` makes of the only row.
    pub(crate) fn query_one<T>(
        &mut self,
        sql: &str,
        parameters: &[Param<'_>],
        read: impl FnMut(Row<'_>) -> Result<T>,
    ) -> Result<T> {
        let row = self.query_optional(sql, parameters, read)?;
        row.ok_or_else(|| StoreError::Corrupt("a required row is missing".to_owned()))
    }
}

/// Prepares a statement and binds parameters by number: `$1` is the first and may appear several times, in any order.
fn bound<'c>(connection: &'c rusqlite::Connection, sql: &str, parameters: &[Param<'_>]) -> Result<CachedStatement<'c>> {
    let mut statement = connection.prepare_cached(sql)?;
    for place in 1..=statement.parameter_count() {
        let name = statement.parameter_name(place).and_then(|name| name.strip_prefix('$')?.parse::<usize>().ok());
        let value = name.and_then(|name| parameters.get(name.checked_sub(1)?));
        let value = value.ok_or_else(|| StoreError::Corrupt(format!("a statement lacks a parameter: {sql}")))?;
        statement.raw_bind_parameter(place, value)?;
    }
    Ok(statement)
}

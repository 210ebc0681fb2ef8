//! A connection to PostgreSQL, driven by the thread that owns it: each statement is awaited in place until its caller's
//! deadline. A server that does not answer, frozen or behind a dead network, blocks its thread no longer than that.

use super::{ErrorCause, Result, StoreError, param::Param, row::Row};
use futures_util::TryStreamExt as _;
use sqlx::{
    AssertSqlSafe, Connection as _, Executor as _,
    postgres::{PgArguments, PgConnectOptions, PgConnection},
};
use std::time::{Duration, Instant};
use tokio::{runtime::Runtime, time::timeout_at};

/// How many prepared statements a connection caches.
const STATEMENTS_KEPT: usize = 256;

/// A connection that was idle for longer than this is pinged before it is used.
const IDLE_BEFORE_PING: Duration = Duration::from_millis(200);

/// See the module documentation.
pub(super) struct Postgres {
    // Declared before the runtime that drives it, so that it is dropped first.
    connection: PgConnection,
    runtime: Runtime,
    used_at: Instant,
    is_in_transaction: bool,
    /// The state of the protocol is unknown, or the connection cannot write.
    is_broken: bool,
}

impl Postgres {
    /// Connects and runs `setup_sql`.
    pub(super) fn connect(options: PgConnectOptions, setup_sql: &str, deadline: Option<Instant>) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| StoreError::Unavailable(error.into()))?;
        let options = options.statement_cache_capacity(STATEMENTS_KEPT);
        let connecting = async {
            let mut connection = PgConnection::connect_with(&options).await?;
            connection.execute(sqlx::raw_sql(AssertSqlSafe(setup_sql.to_owned()))).await?;
            Ok(connection)
        };
        // A refused connection says nothing about the work that was to run on it.
        let connection = wait(&runtime, deadline, connecting).map_err(|error| match error {
            StoreError::Refused(cause) => StoreError::Unavailable(cause),
            error => error,
        })?;
        Ok(Self { connection, runtime, used_at: Instant::now(), is_in_transaction: false, is_broken: false })
    }

    pub(super) fn is_reusable(&self) -> bool {
        !self.is_broken && !self.is_in_transaction
    }

    /// Returns whether the server still answers on this connection.
    pub(super) fn is_alive(&mut self, deadline: Instant) -> bool {
        if self.used_at.elapsed() < IDLE_BEFORE_PING {
            return true;
        }
        let answered = wait(&self.runtime, Some(deadline), self.connection.ping());
        self.note_failure(answered).is_ok()
    }

    pub(super) fn begin(&mut self, sql: &str, deadline: Option<Instant>) -> Result<()> {
        self.is_in_transaction = true;
        self.execute(sql, &[], deadline).map(drop)
    }

    pub(super) fn roll_back(&mut self, deadline: Option<Instant>) {
        if self.is_in_transaction && !self.is_broken {
            self.is_broken = self.execute("ROLLBACK", &[], deadline).is_err();
        }
    }

    pub(super) fn batch(&mut self, text: &str, deadline: Option<Instant>) -> Result<()> {
        let running = self.connection.execute(sqlx::raw_sql(AssertSqlSafe(text.to_owned())));
        let result = wait(&self.runtime, deadline, running);
        self.note_failure(result).map(drop)
    }

    pub(super) fn execute(&mut self, sql: &str, parameters: &[Param<'_>], deadline: Option<Instant>) -> Result<u64> {
        let query = sqlx::query_with(AssertSqlSafe(sql.to_owned()), arguments(parameters)?);
        let result = wait(&self.runtime, deadline, query.execute(&mut self.connection));
        let rows_affected = self.note_failure(result)?.rows_affected();
        if matches!(sql, "COMMIT" | "ROLLBACK") {
            self.is_in_transaction = false;
        }
        Ok(rows_affected)
    }

    pub(super) fn for_each(
        &mut self,
        sql: &str,
        parameters: &[Param<'_>],
        deadline: Option<Instant>,
        mut on_row: impl FnMut(Row<'_>) -> Result<bool>,
    ) -> Result<()> {
        let query = sqlx::query_with(AssertSqlSafe(sql.to_owned()), arguments(parameters)?);
        let mut answer = Ok(());
        let reading = async {
            let mut rows = query.fetch(&mut self.connection);
            while let Some(row) = rows.try_next().await? {
                match on_row(Row::Postgres(&row)) {
                    Ok(true) => {}
                    Ok(false) => break,
                    Err(error) => {
                        answer = Err(error);
                        break;
                    }
                }
            }
            Ok(())
        };
        let read = wait(&self.runtime, deadline, reading);
        self.note_failure(read)?;
        answer
    }

    /// Marks the connection as broken where the next answer could belong to an earlier statement.
    fn note_failure<T>(&mut self, answer: Result<T>) -> Result<T> {
        self.used_at = Instant::now();
        if let Err(error) = &answer {
            self.is_broken |= match error {
                StoreError::Unavailable(ErrorCause::Postgres(sqlx::Error::Database(refused))) => {
                    // The connection was opened while the database was read-only, and stays so; or the server is
                    // closing it.
                    refused.code().is_some_and(|code| code == "25006" || code.starts_with("57P"))
                }
                StoreError::Timeout | StoreError::Unavailable(_) => true,
                _ => false,
            };
        }
        answer
    }
}

fn wait<T>(
    runtime: &Runtime,
    deadline: Option<Instant>,
    answer: impl Future<Output = std::result::Result<T, sqlx::Error>>,
) -> Result<T> {
    runtime.block_on(async {
        match deadline {
            Some(deadline) => match timeout_at(deadline.into(), answer).await {
                Ok(answer) => Ok(answer?),
                Err(_) => Err(StoreError::Timeout),
            },
            None => Ok(answer.await?),
        }
    })
}

fn arguments(parameters: &[Param<'_>]) -> Result<PgArguments> {
    use sqlx::Arguments as _;
    let mut arguments = PgArguments::default();
    for value in parameters {
        match value {
            Param::Int(number) => arguments.add(*number),
            Param::Text(text) => arguments.add(text.as_deref()),
            Param::Bytes(bytes) => arguments.add(bytes.as_deref()),
        }
        .map_err(|error| StoreError::Refused(sqlx::Error::Encode(error).into()))?;
    }
    Ok(arguments)
}

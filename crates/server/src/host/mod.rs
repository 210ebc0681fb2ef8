//! The database of the host: the web application beside which Parlor runs. SQLite, PostgreSQL, MySQL and MariaDB.
//!
//! It is not Parlor's own and may be slow, frozen or gone. So a connection is opened when it is needed, and every
//! call ends within its time-out, which the server applies as well. Callers hold nothing of Parlor's own store
//! meanwhile.
//!
//! Absent on purpose: retries; changing the host's schema, which only `mirror` does.

mod columns;
mod connection;
pub mod django;
mod error;
mod mysql;
mod placeholders;
mod pool;
mod postgres;
mod sqlite;
mod time;
mod value;
mod watch;

pub use columns::HostColumn;
pub use error::HostError;
pub use value::{HostRow, HostValue};
pub use watch::HostWatch;

use pool::{Pool, PooledConnection};
use sqlx::{ConnectOptions as _, mysql::MySqlConnectOptions, postgres::PgConnectOptions};
use std::{fmt, path::PathBuf, str::FromStr, sync::Arc, time::Duration};

/// The URL of a host's database: `sqlite:FILE`, `postgres://…`, or `mysql://…`. Its `Debug` output hides it because it
/// contains a password.
#[derive(Clone)]
pub struct HostUrl(ConnectOptions);

#[derive(Clone)]
enum ConnectOptions {
    Sqlite(PathBuf),
    Postgres(Box<PgConnectOptions>),
    MySql(Box<MySqlConnectOptions>),
}

/// The kinds of databases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostKind {
    /// SQLite.
    Sqlite,
    /// PostgreSQL.
    Postgres,
    /// MySQL and MariaDB.
    MySql,
}

/// How to connect.
#[derive(Clone, Debug)]
pub struct HostOptions {
    /// The database.
    pub url: HostUrl,
    /// How many connections are open at most.
    pub connections: usize,
    /// The time-out of a call, waiting for a connection included; also how long a transaction may be idle.
    pub timeout: Duration,
}

/// A host's database. Cheap to clone; clones share the connections.
#[derive(Clone)]
pub struct HostDatabase(Arc<Pool>);

/// A transaction, which is rolled back unless it is committed.
pub struct HostTransaction {
    lease: PooledConnection,
    /// A statement has failed, after which PostgreSQL would answer COMMIT by rolling back.
    has_failed: bool,
}

impl FromStr for HostUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (scheme, rest) = text.split_once(':').unwrap_or_default();
        // An error of a parser could contain a part of the password.
        let wrong = |_| format!("it is not a valid {scheme} URL");
        let target = match scheme {
            "sqlite" => match rest.strip_prefix("//").unwrap_or(rest) {
                "" => return Err("expected a file after sqlite:".to_owned()),
                file => ConnectOptions::Sqlite(file.into()),
            },
            "postgres" | "postgresql" => {
                let options: PgConnectOptions = text.parse().map_err(wrong)?;
                ConnectOptions::Postgres(options.disable_statement_logging().into())
            }
            "mysql" | "mariadb" => {
                let options: MySqlConnectOptions = format!("mysql:{rest}").parse().map_err(wrong)?;
                ConnectOptions::MySql(options.disable_statement_logging().into())
            }
            _ => return Err("expected sqlite:FILE, postgres://…, or mysql://…".to_owned()),
        };
        Ok(Self(target))
    }
}

impl fmt::Debug for HostUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "HostUrl({:?})", self.kind())
    }
}

impl HostUrl {
    /// Returns the kind of the database.
    #[must_use]
    pub fn kind(&self) -> HostKind {
        match &self.0 {
            ConnectOptions::Sqlite(_) => HostKind::Sqlite,
            ConnectOptions::Postgres(_) => HostKind::Postgres,
            ConnectOptions::MySql(_) => HostKind::MySql,
        }
    }
}

impl HostKind {
    /// Quotes an identifier.
    #[must_use]
    pub fn quoted(self, name: &str) -> String {
        match self {
            Self::Sqlite | Self::Postgres => format!("\"{}\"", name.replace('"', "\"\"")),
            Self::MySql => format!("`{}`", name.replace('`', "``")),
        }
    }
}

impl fmt::Debug for HostDatabase {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("HostDatabase").field(&self.kind()).finish()
    }
}

impl fmt::Debug for HostTransaction {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("HostTransaction")
    }
}

impl HostDatabase {
    /// Prepares connections; the first is opened when it is needed, so a host that is away is no error here.
    #[must_use]
    pub fn new(options: HostOptions) -> Self {
        Self(Arc::new(Pool::new(options)))
    }

    /// Returns the kind of the database.
    #[must_use]
    pub fn kind(&self) -> HostKind {
        self.0.options.url.kind()
    }

    /// Returns how it connects, for another set of connections.
    #[must_use]
    pub fn options(&self) -> &HostOptions {
        &self.0.options
    }

    /// Quotes an identifier for this database.
    #[must_use]
    pub fn quoted(&self, name: &str) -> String {
        self.kind().quoted(name)
    }

    /// Runs one statement by itself and returns its rows. Parameters are `$1`, `$2` and so on for every database; only
    /// texts in quotes may contain `$` and `?` otherwise.
    ///
    /// # Errors
    /// An outage, which lasts no longer than the time-out; a refusal; or a type that is not supported.
    pub async fn query(&self, sql: String, params: Vec<HostValue>) -> Result<Vec<HostRow>, HostError> {
        let deadline = self.0.deadline();
        self.0.lease(deadline).await?.query(sql, params, deadline).await
    }

    /// Begins a transaction that writes. On SQLite, the host cannot write until it ends: keep it short.
    ///
    /// # Errors
    /// An outage.
    pub async fn begin(&self) -> Result<HostTransaction, HostError> {
        let deadline = self.0.deadline();
        let mut lease = self.0.lease(deadline).await?;
        lease.begin(deadline).await?;
        Ok(HostTransaction { lease, has_failed: false })
    }
}

impl HostTransaction {
    /// Runs a statement and returns its rows; see [`HostDatabase::query`].
    ///
    /// # Errors
    /// As for [`HostDatabase::query`]. After an error the transaction cannot be committed.
    pub async fn query(&mut self, sql: String, params: Vec<HostValue>) -> Result<Vec<HostRow>, HostError> {
        let deadline = self.lease.deadline();
        let answer = self.lease.query(sql, params, deadline).await;
        self.note(answer)
    }

    /// Runs a statement and returns how many rows it affected. On MySQL, a row that an UPDATE matches and leaves as it
    /// is counts, too.
    ///
    /// # Errors
    /// As for [`HostTransaction::query`].
    pub async fn execute(&mut self, sql: String, params: Vec<HostValue>) -> Result<u64, HostError> {
        let deadline = self.lease.deadline();
        let answer = self.lease.execute(sql, params, deadline).await;
        self.note(answer)
    }

    /// Runs a statement without parameters, also one that cannot be prepared. One that defines something commits on
    /// MySQL.
    ///
    /// # Errors
    /// As for [`HostTransaction::query`].
    pub async fn script(&mut self, sql: String) -> Result<(), HostError> {
        let deadline = self.lease.deadline();
        let answer = self.lease.script(sql, deadline).await;
        self.note(answer)
    }

    /// Inserts a row and returns its id: the one among the values, or else the one that the database assigns.
    ///
    /// # Errors
    /// As for [`HostTransaction::query`].
    pub async fn insert(
        &mut self,
        table: &str,
        id_column: &str,
        values: Vec<(String, HostValue)>,
    ) -> Result<i64, HostError> {
        let deadline = self.lease.deadline();
        let answer = self.lease.insert(table, id_column, values, deadline).await;
        self.note(answer)
    }

    /// Commits. After an outage it is unknown whether it did.
    ///
    /// # Errors
    /// An outage; or a refusal, after which nothing was written: constraints may be checked here.
    pub async fn commit(mut self) -> Result<(), HostError> {
        if self.has_failed {
            return Err(HostError::Refused("a statement of the transaction failed".to_owned()));
        }
        let deadline = self.lease.deadline();
        self.lease.script("COMMIT".to_owned(), deadline).await?;
        self.lease.is_in_transaction = false;
        Ok(())
    }

    fn note<T>(&mut self, answer: Result<T, HostError>) -> Result<T, HostError> {
        self.has_failed |= answer.is_err();
        answer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_of_three_databases_are_accepted_and_never_shown() {
        for (url, kind) in [
            ("sqlite:/srv/db.sqlite3", HostKind::Sqlite),
            ("sqlite:///srv/db.sqlite3", HostKind::Sqlite),
            ("postgres://ada:secret@db/x", HostKind::Postgres),
            ("postgresql://ada:secret@db/x", HostKind::Postgres),
            ("mysql://ada:secret@db:3307/x", HostKind::MySql),
            ("mariadb://ada:secret@db/x?socket=/run/mysqld/mysqld.sock", HostKind::MySql),
        ] {
            let parsed: HostUrl = url.parse().expect(url);
            assert_eq!(parsed.kind(), kind, "{url}");
            assert!(!format!("{parsed:?}").contains("secret"), "{url}");
        }
        for url in ["", "sqlite:", "oracle://x", "postgres://ada:secret@db:port/x", "mysql://ada:secret@db:x/y"] {
            let error = url.parse::<HostUrl>().expect_err(url);
            assert!(!error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn identifiers_are_quoted() {
        assert_eq!(HostKind::Postgres.quoted("FindIt_\"x"), "\"FindIt_\"\"x\"");
        assert_eq!(HostKind::MySql.quoted("a`b"), "`a``b`");
    }
}

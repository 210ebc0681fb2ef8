//! A connection to any of the three databases. Nothing here limits how long it waits: the lease does.

use super::{
    ConnectOptions, HostKind,
    error::HostError,
    mysql, postgres,
    sqlite::SqliteConnection,
    value::{HostRow, HostValue},
};
use sqlx::{Connection as _, mysql::MySqlConnection, postgres::PgConnection};
use std::time::{Duration, Instant};

pub(super) enum HostConnection {
    Sqlite(SqliteConnection),
    Postgres(Box<PgConnection>),
    MySql(Box<MySqlConnection>),
}

impl HostConnection {
    pub(super) async fn open(target: &ConnectOptions, timeout: Duration) -> Result<Self, HostError> {
        let opened = match target {
            ConnectOptions::Sqlite(file) => SqliteConnection::open(file.clone(), timeout).await.map(Self::Sqlite),
            ConnectOptions::Postgres(options) => {
                postgres::connect(options, timeout).await.map(|it| Self::Postgres(it.into()))
            }
            ConnectOptions::MySql(options) => mysql::connect(options, timeout).await.map(|it| Self::MySql(it.into())),
        };
        opened.map_err(HostError::while_connecting)
    }

    /// Returns whether the connection still works after being idle.
    pub(super) async fn is_alive(&mut self) -> bool {
        match self {
            Self::Sqlite(sqlite) => sqlite.is_of_the_file(),
            Self::Postgres(connection) => connection.ping().await.is_ok(),
            Self::MySql(connection) => connection.ping().await.is_ok(),
        }
    }

    /// Returns whether [`HostConnection::is_alive`] asks no server.
    pub(super) fn is_checked_for_free(&self) -> bool {
        matches!(self, Self::Sqlite(_))
    }

    pub(super) async fn query(
        &mut self,
        sql: String,
        params: Vec<HostValue>,
        deadline: Instant,
    ) -> Result<Vec<HostRow>, HostError> {
        match self {
            Self::Sqlite(sqlite) => sqlite.query(sql, params, deadline).await,
            Self::Postgres(connection) => postgres::query(connection, sql, &params).await,
            Self::MySql(connection) => mysql::query(connection, &sql, &params).await,
        }
    }

    pub(super) async fn execute(
        &mut self,
        sql: String,
        params: Vec<HostValue>,
        deadline: Instant,
    ) -> Result<u64, HostError> {
        match self {
            Self::Sqlite(sqlite) => sqlite.execute(sql, params, deadline).await,
            Self::Postgres(connection) => postgres::execute(connection, sql, &params).await,
            Self::MySql(connection) => Ok(mysql::execute(connection, &sql, &params).await?.rows_affected()),
        }
    }

    /// Runs a statement without parameters, also one that cannot be prepared.
    pub(super) async fn script(&mut self, sql: String, deadline: Instant) -> Result<(), HostError> {
        match self {
            Self::Sqlite(sqlite) => sqlite.script(sql, deadline).await,
            Self::Postgres(connection) => postgres::script(connection, sql).await,
            Self::MySql(connection) => mysql::script(connection, sql).await,
        }
    }

    pub(super) async fn begin(&mut self, deadline: Instant) -> Result<(), HostError> {
        let sql = match self {
            // A transaction that reads first could not wait for the write lock later.
            Self::Sqlite(_) => "BEGIN IMMEDIATE",
            Self::Postgres(_) => "BEGIN ISOLATION LEVEL READ COMMITTED",
            Self::MySql(_) => "START TRANSACTION",
        };
        self.script(sql.to_owned(), deadline).await
    }

    /// Inserts a row and returns its id, which the database assigns unless it is among the values.
    pub(super) async fn insert(
        &mut self,
        table: &str,
        id_column: &str,
        values: Vec<(String, HostValue)>,
        deadline: Instant,
    ) -> Result<i64, HostError> {
        let kind = self.kind();
        let given = values.iter().find(|(column, _)| column == id_column).map(|(_, value)| value.clone());
        let columns: Vec<_> = values.iter().map(|(column, _)| kind.quoted(column)).collect();
        let places: Vec<_> = (1..=values.len()).map(|number| format!("${number}")).collect();
        let params: Vec<_> = values.into_iter().map(|(_, value)| value).collect();
        let (table, columns, places) = (kind.quoted(table), columns.join(", "), places.join(", "));
        let sql = format!("INSERT INTO {table} ({columns}) VALUES ({places})");
        if let Self::MySql(connection) = self {
            let assigned = mysql::execute(connection, &sql, &params).await?.last_insert_id();
            return match given {
                Some(HostValue::Integer(id)) => Ok(id),
                _ => match i64::try_from(assigned) {
                    Ok(id) if id != 0 => Ok(id),
                    _ => Err(HostError::Unexpected(format!("the database gave a row of {table} no id"))),
                },
            };
        }
        let rows = self.query(format!("{sql} RETURNING {}", kind.quoted(id_column)), params, deadline).await?;
        rows.first().ok_or_else(|| HostError::Unexpected("no row was inserted".to_owned()))?.integer(0)
    }

    fn kind(&self) -> HostKind {
        match self {
            Self::Sqlite(_) => HostKind::Sqlite,
            Self::Postgres(_) => HostKind::Postgres,
            Self::MySql(_) => HostKind::MySql,
        }
    }
}

//! What can go wrong with the host's database.

use sqlx::{mysql::MySqlDatabaseError, postgres::PgDatabaseError};

/// Why a statement on the host's database failed. The texts name no password and no value of a statement.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HostError {
    /// The database cannot be reached or cannot work now; the same later may succeed.
    #[error("the host's database is not available: {0}")]
    Unavailable(String),
    /// The database did not answer in time. A statement may have taken effect all the same.
    #[error("the host's database does not answer in time")]
    Timeout,
    /// The database refused the statement: a constraint, missing rights, an unknown table.
    #[error("the host's database refuses: {0}")]
    Refused(String),
    /// A value is not what it was read or written as.
    #[error("the host's database has something unexpected: {0}")]
    Unexpected(String),
}

impl HostError {
    /// Returns whether the same may succeed later without anything being changed.
    #[must_use]
    pub fn is_outage(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::Timeout)
    }

    /// Makes an error while connecting an outage: the statement has not been sent.
    pub(super) fn while_connecting(self) -> Self {
        match self {
            Self::Refused(why) | Self::Unexpected(why) => Self::Unavailable(why),
            error => error,
        }
    }
}

impl From<sqlx::Error> for HostError {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::Database(database) => {
                if let Some(postgres) = database.try_downcast_ref::<PgDatabaseError>() {
                    return of_postgres(postgres);
                }
                if let Some(mysql) = database.try_downcast_ref::<MySqlDatabaseError>() {
                    return of_mysql(mysql);
                }
                Self::Refused(database.message().to_owned())
            }
            sqlx::Error::Encode(cause) | sqlx::Error::Decode(cause) => Self::Unexpected(cause.to_string()),
            sqlx::Error::ColumnDecode { source, .. } => Self::Unexpected(source.to_string()),
            _ => Self::Unavailable(error.to_string()),
        }
    }
}

/// By SQLSTATE: <https://www.postgresql.org/docs/current/errcodes-appendix.html>.
fn of_postgres(error: &PgDatabaseError) -> HostError {
    let text = match error.detail() {
        // A constraint's detail contains values.
        Some(detail) if !error.code().starts_with("23") => format!("{} ({detail})", error.message()),
        _ => error.message().to_owned(),
    };
    match error.code() {
        // Cancelled by a time-out of the statement, or while waiting for a lock.
        "57014" | "55P03" => HostError::Timeout,
        // A table was changed after the statement was prepared; a new connection prepares it again.
        "0A000" if text.contains("cached plan") => HostError::Unavailable(text),
        // Read-only, as a standby is; a deadlock or a conflict with another transaction.
        "25006" | "40001" | "40P01" => HostError::Unavailable(text),
        code if ["08", "28", "3D", "53", "57", "58"].iter().any(|class| code.starts_with(class)) => {
            HostError::Unavailable(text)
        }
        // The transaction was idle for too long.
        "25P03" => HostError::Timeout,
        _ => HostError::Refused(text),
    }
}

/// By number: <https://mariadb.com/kb/en/mariadb-error-code-reference/>.
fn of_mysql(error: &MySqlDatabaseError) -> HostError {
    match error.number() {
        // A lock, or a statement that took too long (MariaDB, MySQL).
        1205 | 1969 | 3024 => HostError::Timeout,
        // A full disk or table and files that cannot be read or written, too many connections, out of memory, access
        // denied, an unknown database, shutting down, interrupted, a deadlock, read-only, and a connection that the
        // server ended.
        3
        | 1016
        | 1020
        | 1021
        | 1026
        | 1030
        | 1037
        | 1038
        | 1040
        | 1041
        | 1044
        | 1045
        | 1049
        | 1053
        | 1080
        | 1114
        | 1152..=1161
        | 1203
        | 1213
        | 1290
        | 1317
        | 1836
        | 1927
        | 4031 => HostError::Unavailable(error.message().to_owned()),
        1419 => HostError::Refused(
            "only an account with SUPER may create triggers while the server writes a binary log (error 1419): set \
             log_bin_trust_function_creators = 1 on the server"
                .to_owned(),
        ),
        // A duplicate entry's message contains the value.
        1062 | 1586 => HostError::Refused("a row with this key exists".to_owned()),
        _ => HostError::Refused(error.message().to_owned()),
    }
}

impl From<rusqlite::Error> for HostError {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode::{
            CannotOpen, DatabaseBusy, DatabaseCorrupt, DatabaseLocked, DiskFull, FileLockingProtocolFailed,
            NotADatabase, OperationInterrupted, OutOfMemory, PermissionDenied, ReadOnly, SystemIoFailure,
        };
        match error.sqlite_error_code() {
            Some(DatabaseBusy | DatabaseLocked | OperationInterrupted) => Self::Timeout,
            Some(
                CannotOpen
                | DatabaseCorrupt
                | DiskFull
                | FileLockingProtocolFailed
                | NotADatabase
                | OutOfMemory
                | PermissionDenied
                | ReadOnly
                | SystemIoFailure,
            ) => Self::Unavailable(error.to_string()),
            Some(_) => Self::Refused(match &error {
                rusqlite::Error::SqliteFailure(_, Some(message)) => message.clone(),
                error => error.to_string(),
            }),
            None => match error {
                // Its display contains the statement.
                rusqlite::Error::SqlInputError { msg, .. } => Self::Refused(msg),
                error => Self::Unexpected(error.to_string()),
            },
        }
    }
}

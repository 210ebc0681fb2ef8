//! Notices that the host's database has changed: notifications of PostgreSQL, the file's version on SQLite. MySQL and
//! MariaDB do not notify, so there the caller looks again after a short time.
//!
//! A notice is a hint: it may come without a change, and be lost with a connection. The caller looks by itself once in a
//! while.

use super::{ConnectOptions, HostDatabase, error::HostError, sqlite::SqliteConnection};
use sqlx::postgres::{PgListener, PgPoolOptions};
use std::{
    fmt,
    time::{Duration, Instant},
};
use tokio::time::{sleep, timeout};

/// How long a change on MySQL may remain unnoticed.
const MYSQL_POLL: Duration = Duration::from_millis(20);
/// The time between two attempts to connect.
const RETRY: Duration = Duration::from_millis(500);

/// Waits for changes of a host's database, on a connection of its own.
pub struct HostWatch {
    database: HostDatabase,
    channel: &'static str,
    source: Option<NoticeSource>,
}

enum NoticeSource {
    Sqlite(SqliteConnection),
    Postgres(Box<PgListener>),
    Poll,
}

impl fmt::Debug for HostWatch {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("HostWatch").field(&self.channel).finish()
    }
}

impl HostDatabase {
    /// Prepares to wait for changes; `channel` is that of PostgreSQL's notifications.
    #[must_use]
    pub fn watch(&self, channel: &'static str) -> HostWatch {
        HostWatch { database: self.clone(), channel, source: None }
    }
}

impl HostWatch {
    /// Waits until there may be a change, at most this long. Returns false if the time passed without a notice. Never
    /// fails: while the database is away, it just waits. A wait that is dropped keeps the connection.
    pub async fn wait(&mut self, at_most: Duration) -> bool {
        let limit = at_most + self.database.options().timeout;
        let Some(source) = &mut self.source else { return self.start(at_most).await };
        let noticed = source.next(at_most, limit).await;
        if noticed.is_err() {
            // The connection is lost, and with it perhaps a notice.
            self.source = None;
        }
        noticed.unwrap_or(true)
    }

    /// Opens the connection; what happened before is not notified.
    async fn start(&mut self, at_most: Duration) -> bool {
        self.source = self.open().await.ok();
        if self.source.is_none() {
            sleep(at_most.min(RETRY)).await;
        }
        self.source.is_some()
    }

    /// Gives the connection up, so that the next wait opens another: a change was found without a notice.
    pub fn reopen(&mut self) {
        if !matches!(self.source, Some(NoticeSource::Poll)) {
            self.source = None;
        }
    }

    async fn open(&self) -> Result<NoticeSource, HostError> {
        let options = self.database.options();
        let opening = async {
            match &options.url.0 {
                ConnectOptions::Sqlite(file) => {
                    SqliteConnection::open(file.clone(), options.timeout).await.map(NoticeSource::Sqlite)
                }
                ConnectOptions::Postgres(to) => {
                    let pool = PgPoolOptions::new().max_connections(1).acquire_timeout(options.timeout);
                    let mut listener = PgListener::connect_with(&pool.connect_lazy_with((**to).clone())).await?;
                    listener.eager_reconnect(false);
                    listener.listen(self.channel).await?;
                    Ok(NoticeSource::Postgres(listener.into()))
                }
                ConnectOptions::MySql(_) => Ok(NoticeSource::Poll),
            }
        };
        timeout(options.timeout, opening).await.unwrap_or(Err(HostError::Timeout))
    }
}

impl NoticeSource {
    /// Waits for the next notice.
    async fn next(&mut self, at_most: Duration, limit: Duration) -> Result<bool, HostError> {
        match self {
            Self::Sqlite(connection) if !connection.is_of_the_file() => {
                Err(HostError::Unavailable("the file was replaced".to_owned()))
            }
            Self::Sqlite(connection) => {
                let changing = connection.wait_for_change(Instant::now() + at_most);
                timeout(limit, changing).await.unwrap_or(Err(HostError::Timeout))
            }
            Self::Postgres(listener) => {
                let Ok(notified) = timeout(at_most, listener.try_recv()).await else { return Ok(false) };
                if notified?.is_none() {
                    return Err(HostError::Unavailable("the connection was lost".to_owned()));
                }
                // One look is enough for all that has been notified so far.
                while let Ok(Ok(Some(_))) = timeout(Duration::ZERO, listener.try_recv()).await {}
                Ok(true)
            }
            Self::Poll => {
                sleep(at_most.min(MYSQL_POLL)).await;
                Ok(true)
            }
        }
    }
}

//! The index of what messages say: on SQLite a file of its own, which no commit waits for; on PostgreSQL tables
//! beside the others.
//!
//! It is made from the messages and can be thrown away: whoever deletes the file gets it built anew. It holds no
//! text: for each block of ids (`slots.rs`) the terms that occur there, and where. What leaves a message leaves the
//! index with the next step of its follower; SQLite overwrites it, in the file and in the log.
//!
//! Absent on purpose: what a term is (`search/words.rs`), who may see what (the messages decide), ranking.

pub(crate) mod read;
pub mod slots;
mod write;

use super::{
    Dialect, Error, Result, Store, followers,
    followers::{Lease, Place, Taker},
    open::Settings,
    query,
};
use sqlx::{Any, AnyConnection, AnyPool, Connection as _, Transaction, any::AnyPoolOptions, pool::PoolConnection};
use std::{
    fs::{self, OpenOptions},
    io,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

pub use write::{Document, Writing};

/// The form of what is kept, the analyser's included: raise it, and every index is built anew.
pub const FORMAT: i64 = 1;
/// The file's name in the data folder.
pub const FILE: &str = "search.db";
const NAME: &str = "search";

/// The index.
#[derive(Clone, Debug)]
pub struct Index {
    dialect: Dialect,
    writer: AnyPool,
    /// On SQLite; on PostgreSQL the snapshot itself reads it.
    readers: Option<AnyPool>,
}

impl Index {
    /// Opens the index of a store, or makes an empty one.
    ///
    /// # Errors
    /// Neither can be done.
    pub async fn open(store: &Store, settings: &Settings) -> Result<Self> {
        if let Some(database) = settings.url.strip_prefix("sqlite:") {
            return open_file(&Path::new(database).with_file_name(FILE), settings).await;
        }
        let index = Self { dialect: Dialect::Postgres, writer: store.writer.clone(), readers: None };
        index.prepare().await?;
        Ok(index)
    }

    /// A file that no other node can have open.
    #[must_use]
    pub fn is_file(&self) -> bool {
        self.dialect == Dialect::Sqlite
    }

    async fn prepare(&self) -> Result<()> {
        let text = match self.dialect {
            Dialect::Sqlite => include_str!("../../../migrations/search/sqlite.sql"),
            Dialect::Postgres => include_str!("../../../migrations/search/postgres.sql"),
        };
        let mut transaction = self.begin().await?;
        if self.dialect == Dialect::Postgres {
            query("SELECT pg_advisory_xact_lock(7272)").execute(&mut *transaction).await?;
        }
        sqlx::raw_sql(sqlx::AssertSqlSafe(text.to_owned())).execute(&mut *transaction).await?;
        followers::ensure(&mut transaction, NAME).await?;
        transaction.commit().await?;
        Ok(())
    }

    async fn begin(&self) -> Result<Transaction<'_, Any>> {
        Ok(match self.dialect {
            Dialect::Sqlite => self.writer.begin_with("BEGIN IMMEDIATE").await?,
            Dialect::Postgres => self.writer.begin().await?,
        })
    }

    /// A connection that reads the index, where the store's own does not.
    pub(crate) async fn reader(&self) -> Result<Option<PoolConnection<Any>>> {
        match &self.readers {
            Some(readers) => Ok(Some(readers.acquire().await?)),
            None => Ok(None),
        }
    }

    /// Takes the right to write.
    ///
    /// # Errors
    /// The database is not there.
    pub async fn take(&self, taker: Taker) -> Result<Option<(Lease, Place)>> {
        followers::take(&mut *self.writer.acquire().await?, NAME, taker).await
    }

    /// Notes how far was read where there was nothing to write; says whether one still has the lease.
    ///
    /// # Errors
    /// The database is not there.
    pub async fn advance(&self, lease: &Lease, place: &Place, until_ms: i64) -> Result<bool> {
        followers::advance(&mut *self.writer.acquire().await?, lease, place, until_ms).await
    }

    /// Gives the right to write back.
    ///
    /// # Errors
    /// The database is not there.
    pub async fn release(&self, lease: &Lease) -> Result<()> {
        followers::release(&mut *self.writer.acquire().await?, lease).await
    }

    /// On SQLite, folds the log into the file and empties it; says whether nobody was reading it.
    ///
    /// # Errors
    /// The file cannot be written.
    pub async fn fold(&self) -> Result<bool> {
        if self.dialect == Dialect::Postgres {
            return Ok(true);
        }
        let row = query("PRAGMA wal_checkpoint(TRUNCATE)").fetch_one(&self.writer).await?;
        Ok(super::column::<i64>(&row, 0)? == 0)
    }

    /// Waits for what runs and closes the file.
    pub async fn close(&self) {
        if let Some(readers) = &self.readers {
            readers.close().await;
            self.writer.close().await;
        }
    }
}

/// What cannot be read is thrown away: all of it can be made again.
async fn open_file(file: &Path, settings: &Settings) -> Result<Index> {
    match try_open(file, settings).await {
        Err(Error::Refused(cause)) => {
            tracing::warn!(%cause, "the search index cannot be read; it is made anew");
            remove(file).map_err(|error| Error::Unavailable(error.into()))?;
            try_open(file, settings).await
        }
        opened => opened,
    }
}

async fn try_open(file: &Path, settings: &Settings) -> Result<Index> {
    let made = OpenOptions::new().create(true).append(true).mode(0o600).open(file);
    made.map_err(|error| Error::Unavailable(error.into()))?;
    let url = format!("sqlite:{}?mode=rwc", file.display());
    let busy = settings.timeout.as_millis();
    // Rows that are changed or removed are overwritten. What a power cut takes is read again.
    let every = format!(
        "PRAGMA page_size = 8192; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; \
         PRAGMA secure_delete = ON; PRAGMA busy_timeout = {busy}; PRAGMA temp_store = MEMORY; \
         PRAGMA cache_size = -16384; PRAGMA wal_autocheckpoint = 2000;"
    );
    // A pool would try again and again what can never be opened.
    let mut first = AnyConnection::connect(&url).await?;
    sqlx::raw_sql(sqlx::AssertSqlSafe(every.clone())).execute(&mut first).await?;
    query("SELECT count(*) FROM sqlite_schema").fetch_one(&mut first).await?;
    first.close().await?;
    let writer = pool(settings, 1, every.clone()).connect(&url).await?;
    let readers = pool(settings, settings.readers, format!("{every} PRAGMA query_only = ON;")).connect_lazy(&url)?;
    let index = Index { dialect: Dialect::Sqlite, writer, readers: Some(readers) };
    match index.prepare().await {
        Ok(()) => Ok(index),
        Err(error) => {
            index.close().await;
            Err(error)
        }
    }
}

fn remove(file: &Path) -> io::Result<()> {
    for end in ["", "-wal", "-shm"] {
        let mut name = file.as_os_str().to_owned();
        name.push(end);
        match fs::remove_file(PathBuf::from(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

fn pool(settings: &Settings, connections: u32, every: String) -> AnyPoolOptions {
    AnyPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(settings.timeout)
        .test_before_acquire(false)
        .after_connect(move |connection: &mut AnyConnection, _| {
            let every = every.clone();
            Box::pin(async move {
                sqlx::raw_sql(sqlx::AssertSqlSafe(every)).execute(connection).await?;
                Ok(())
            })
        })
        // As in `store/open.rs`: a connection that counts an ended transaction as open is not kept.
        .after_release(|connection: &mut AnyConnection, _| {
            Box::pin(async move {
                connection.ping().await?;
                Ok(!connection.is_in_transaction())
            })
        })
}

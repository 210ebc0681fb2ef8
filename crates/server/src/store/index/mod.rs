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
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
};

pub use write::{Document, Writing};

/// The form of what is kept, the analyser's included: raise it, and every index is built anew.
pub const FORMAT: i64 = 2;
/// The file's name in the data folder.
pub const FILE: &str = "search.db";
const NAME: &str = "search";

/// The index.
#[derive(Clone, Debug)]
pub struct Index {
    dialect: Dialect,
    pools: Arc<RwLock<Pools>>,
    /// On SQLite.
    file: Option<Arc<(PathBuf, Settings)>>,
    is_damaged: Arc<AtomicBool>,
}

#[derive(Clone, Debug)]
struct Pools {
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
        let index = Self::new(Dialect::Postgres, Pools { writer: store.writer.clone(), readers: None }, None);
        index.prepare().await?;
        Ok(index)
    }

    fn new(dialect: Dialect, pools: Pools, file: Option<(PathBuf, Settings)>) -> Self {
        let pools = Arc::new(RwLock::new(pools));
        Self { dialect, pools, file: file.map(Arc::new), is_damaged: Arc::default() }
    }

    fn pools(&self) -> Pools {
        self.pools.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Notes if an answer of the index says that it is damaged.
    pub(crate) fn heed<T>(&self, answer: Result<T>) -> Result<T> {
        if answer.as_ref().is_err_and(is_damage) {
            self.is_damaged.store(true, Ordering::Relaxed);
        }
        answer
    }

    /// It was found damaged while it was in use.
    #[must_use]
    pub fn is_damaged(&self) -> bool {
        self.is_damaged.load(Ordering::Relaxed)
    }

    /// Throws a damaged file away and makes an empty one. On PostgreSQL its tables are emptied by whoever feeds it.
    ///
    /// # Errors
    /// A file cannot be made; it stays damaged until it can.
    pub async fn mend(&self) -> Result<()> {
        tracing::warn!("the search index is damaged; it is made anew");
        if let Some((file, settings)) = self.file.as_deref() {
            self.close().await;
            let anew = open_anew(file, settings).await?;
            *self.pools.write().unwrap_or_else(PoisonError::into_inner) = anew.pools();
        }
        self.is_damaged.store(false, Ordering::Relaxed);
        Ok(())
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

    async fn begin(&self) -> Result<Transaction<'static, Any>> {
        let writer = self.pools().writer;
        Ok(match self.dialect {
            Dialect::Sqlite => writer.begin_with("BEGIN IMMEDIATE").await?,
            Dialect::Postgres => writer.begin().await?,
        })
    }

    /// A connection that reads the index, where the store's own does not.
    pub(crate) async fn reader(&self) -> Result<Option<PoolConnection<Any>>> {
        match self.pools().readers {
            Some(readers) => Ok(Some(readers.acquire().await?)),
            None => Ok(None),
        }
    }

    /// Takes the right to write.
    ///
    /// # Errors
    /// The database is not there.
    pub async fn take(&self, taker: Taker) -> Result<Option<(Lease, Place)>> {
        self.heed(followers::take(&mut *self.pools().writer.acquire().await?, NAME, taker).await)
    }

    /// Notes how far was read where there was nothing to write; says whether one still has the lease.
    ///
    /// # Errors
    /// The database is not there.
    pub async fn advance(&self, lease: &Lease, place: &Place, until_ms: i64) -> Result<bool> {
        self.heed(followers::advance(&mut *self.pools().writer.acquire().await?, lease, place, until_ms).await)
    }

    /// Gives the right to write back.
    ///
    /// # Errors
    /// The database is not there.
    pub async fn release(&self, lease: &Lease) -> Result<()> {
        self.heed(followers::release(&mut *self.pools().writer.acquire().await?, lease).await)
    }

    /// On SQLite, folds the log into the file and empties it; says whether nobody was reading it.
    ///
    /// # Errors
    /// The file cannot be written.
    pub async fn fold(&self) -> Result<bool> {
        if self.dialect == Dialect::Postgres {
            return Ok(true);
        }
        let row = query("PRAGMA wal_checkpoint(TRUNCATE)").fetch_one(&self.pools().writer).await;
        let row = self.heed(row.map_err(Error::from))?;
        Ok(super::column::<i64>(&row, 0)? == 0)
    }

    /// Waits for what runs and closes the file.
    pub async fn close(&self) {
        let Pools { writer, readers } = self.pools();
        if let Some(readers) = readers {
            readers.close().await;
            writer.close().await;
        }
    }
}

/// What cannot be read is thrown away: all of it can be made again.
async fn open_file(file: &Path, settings: &Settings) -> Result<Index> {
    match try_open(file, settings).await {
        Err(Error::Refused(cause)) => {
            tracing::warn!(%cause, "the search index cannot be read; it is made anew");
            open_anew(file, settings).await
        }
        opened => opened,
    }
}

async fn open_anew(file: &Path, settings: &Settings) -> Result<Index> {
    remove(file).map_err(|error| Error::Unavailable(error.into()))?;
    try_open(file, settings).await
}

/// SQLite: a damaged file, or none of a database; and what this program did not write.
fn is_damage(error: &Error) -> bool {
    match error {
        Error::Corrupt(_) => true,
        Error::Refused(sqlx::Error::Database(database)) => {
            let code = database.code();
            let code = code.as_deref().filter(|code| code.len() < 5).and_then(|code| code.parse::<u32>().ok());
            matches!(code.map(|code| code & 0xff), Some(11 | 26))
        }
        _ => false,
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
    let pools = Pools { writer, readers: Some(readers) };
    let index = Index::new(Dialect::Sqlite, pools, Some((file.to_owned(), settings.clone())));
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

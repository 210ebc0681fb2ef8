//! The search index over messages: on SQLite a separate file, which no commit waits for; on PostgreSQL tables in the
//! same database.
//!
//! It is derived from the messages and disposable: if the file is deleted, it is rebuilt. It stores no text, only which
//! terms occur in each block of ids, and where (`block_bitmap.rs`). Text that leaves a message leaves the index with
//! the consumer's next step; SQLite overwrites it, in the file and in the log.
//!
//! Absent on purpose: what a term is (`search/words.rs`), access control (the messages decide), ranking.

pub mod block_bitmap;
pub(crate) mod read;
mod write;

use super::{
    ErrorCause, Result, Store, StoreError, StoreInner,
    backup::with_suffix,
    column,
    connection::DatabaseConnection,
    consumers,
    consumers::{ConsumerPosition, Lease, LeaseRequest},
    open::{Opener, Purpose, SqliteFile, StoreOptions, sqlite_settings},
    snapshot::Snapshot,
    threads::ThreadPool,
};
use std::{
    fs::{self, OpenOptions},
    io,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

pub use write::{Document, IndexWriter};

/// The format of the index, including the analyser. Raising it rebuilds every index.
pub const FORMAT: i64 = 2;
/// The name of the file in the data folder.
pub const FILE: &str = "search.db";
const NAME: &str = "search";

/// The index. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Index(Arc<IndexInner>);

#[derive(Debug)]
struct IndexInner {
    storage: IndexStorage,
    /// Whether it was created and can be read.
    is_ready: AtomicBool,
    is_damaged: AtomicBool,
}

#[derive(Debug)]
enum IndexStorage {
    File(IndexFile),
    /// Tables in the store's database, written by the store's threads and read through the snapshot itself.
    Tables(Arc<StoreInner>),
}

/// On SQLite, a separate file with its own writer thread. The store's readers read it beside the store.
#[derive(Debug)]
struct IndexFile {
    writer: ThreadPool,
    file: Arc<Mutex<IndexFileState>>,
}

#[derive(Debug)]
struct IndexFileState {
    path: PathBuf,
    settings: StoreOptions,
    opener: Opener,
    /// Read connections that are not in use.
    idle: Vec<DatabaseConnection>,
}

/// A connection that reads the index file for one unit of work.
#[derive(Debug)]
pub(crate) struct IndexReader {
    connection: Option<DatabaseConnection>,
    file: Arc<Mutex<IndexFileState>>,
    opener: Opener,
}

impl IndexReader {
    /// Returns the connection.
    pub(crate) fn connection(&mut self) -> &mut DatabaseConnection {
        self.connection.as_mut().expect("it is there until it is dropped")
    }
}

impl Drop for IndexReader {
    fn drop(&mut self) {
        let Some(mut connection) = self.connection.take() else { return };
        connection.set_caller(None);
        let mut opened = locked(&self.file);
        // The file may have been replaced meanwhile.
        if connection.is_reusable() && opened.opener.is_same(&self.opener) {
            opened.idle.push(connection);
        }
    }
}

fn locked(file: &Mutex<IndexFileState>) -> MutexGuard<'_, IndexFileState> {
    file.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Index {
    /// Opens the index of a store, or creates an empty one. If that is impossible now, as on a full disk, the consumer
    /// creates it later.
    ///
    /// # Errors
    /// The database rejects the schema, or the system cannot start more threads.
    pub async fn open(store: &Store, settings: &StoreOptions) -> Result<Self> {
        let storage = match settings.sqlite_file() {
            Some(database) => IndexStorage::File(IndexFile::at(&database.with_file_name(FILE), settings)?),
            None => IndexStorage::Tables(store.0.clone()),
        };
        let (is_ready, is_damaged) = (AtomicBool::new(false), AtomicBool::new(false));
        let index = Self(Arc::new(IndexInner { storage, is_ready, is_damaged }));
        match index.prepare().await {
            Ok(()) => {}
            Err(StoreError::Refused(_) | StoreError::Corrupt(_)) if index.is_file() => index.rebuild().await?,
            Err(error) if !error.is_outage() => return Err(error),
            Err(cause) => tracing::warn!(%cause, "the search index cannot be opened now; retrying later"),
        }
        Ok(index)
    }

    /// Notes if a result shows that the index is damaged.
    pub(crate) fn note_damage<T>(&self, answer: Result<T>) -> Result<T> {
        if answer.as_ref().is_err_and(is_damage) {
            self.0.is_damaged.store(true, Ordering::Relaxed);
        }
        answer
    }

    /// Returns whether damage was found while the index was in use.
    #[must_use]
    pub fn is_damaged(&self) -> bool {
        self.0.is_damaged.load(Ordering::Relaxed)
    }

    /// Replaces a damaged file with an empty one. On PostgreSQL the consumer empties the tables.
    ///
    /// # Errors
    /// The file cannot be created; it stays damaged until it can.
    pub async fn rebuild(&self) -> Result<()> {
        tracing::warn!("the search index is damaged; rebuilding it");
        if let IndexStorage::File(file) = &self.0.storage {
            self.0.is_ready.store(false, Ordering::Release);
            let state = file.file.clone();
            // On the writer thread, so that nothing else writes meanwhile.
            file.writer.reopen(move || replace(&state)).await?;
            self.prepare().await?;
        }
        self.0.is_damaged.store(false, Ordering::Relaxed);
        Ok(())
    }

    /// Returns whether the index is a file, which no other node can have open.
    #[must_use]
    pub fn is_file(&self) -> bool {
        matches!(self.0.storage, IndexStorage::File(_))
    }

    async fn prepare(&self) -> Result<()> {
        let prepared = self.writers().write(|transaction| {
            let text = if transaction.is_sqlite() {
                include_str!("../../../migrations/search/sqlite.sql")
            } else {
                transaction.execute("SELECT pg_advisory_xact_lock(7272)", &[])?;
                include_str!("../../../migrations/search/postgres.sql")
            };
            transaction.batch(text)?;
            consumers::ensure(transaction, NAME)
        });
        prepared.await?;
        self.0.is_ready.store(true, Ordering::Release);
        Ok(())
    }

    fn writers(&self) -> &ThreadPool {
        match &self.0.storage {
            IndexStorage::File(file) => &file.writer,
            IndexStorage::Tables(store) => &store.writers,
        }
    }

    async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut DatabaseConnection) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.note_damage(self.writers().write(work).await)
    }

    /// Returns a connection that reads the index beside a snapshot, or none if the snapshot's own connection can.
    pub(crate) fn reader(&self, snapshot: &mut Snapshot<'_>) -> Result<Option<IndexReader>> {
        if !self.0.is_ready.load(Ordering::Acquire) {
            return Err(StoreError::Unavailable(ErrorCause::Message("the search index is not ready yet")));
        }
        let IndexStorage::File(file) = &self.0.storage else { return Ok(None) };
        let (idle, opener) = {
            let mut opened = locked(&file.file);
            (opened.idle.pop(), opened.opener.clone())
        };
        let mut connection = match idle {
            Some(connection) => connection,
            None => self.note_damage(opener.open(Purpose::Read, None))?,
        };
        connection.set_caller(snapshot.connection().caller());
        Ok(Some(IndexReader { connection: Some(connection), file: file.file.clone(), opener }))
    }

    /// Acquires the lease that allows writing.
    ///
    /// # Errors
    /// The database is unavailable.
    pub async fn acquire_lease(&self, request: LeaseRequest) -> Result<Option<(Lease, ConsumerPosition)>> {
        if !self.0.is_ready.load(Ordering::Acquire) {
            self.note_damage(self.prepare().await)?;
        }
        self.write(move |transaction| consumers::acquire(transaction, NAME, request)).await
    }

    /// Records how far was read when there was nothing to write; returns whether this node still has the lease.
    ///
    /// # Errors
    /// The database is unavailable.
    pub async fn advance(&self, lease: &Lease, position: &ConsumerPosition, until_ms: i64) -> Result<bool> {
        let (lease, position) = (lease.clone(), *position);
        self.write(move |transaction| consumers::advance(transaction, &lease, &position, until_ms)).await
    }

    /// Releases the lease.
    ///
    /// # Errors
    /// The database is unavailable.
    pub async fn release(&self, lease: &Lease) -> Result<()> {
        let lease = lease.clone();
        self.write(move |transaction| consumers::release(transaction, &lease)).await
    }

    /// On SQLite, checkpoints and truncates the log; returns false if a reader prevented it.
    ///
    /// # Errors
    /// The file cannot be written.
    pub async fn checkpoint(&self) -> Result<bool> {
        let IndexStorage::File(file) = &self.0.storage else { return Ok(true) };
        let sql = "PRAGMA wal_checkpoint(TRUNCATE)";
        let folding =
            file.writer.run(move |connection| connection.query_one(sql, &[], |row| Ok(column::<i64>(row, 0)? == 0)));
        self.note_damage(folding.await)
    }

    /// Waits for running work and closes the file.
    pub async fn close(&self) {
        if let IndexStorage::File(file) = &self.0.storage {
            locked(&file.file).idle.clear();
            file.writer.close().await;
        }
    }
}

impl IndexFile {
    fn at(path: &Path, settings: &StoreOptions) -> Result<Self> {
        let (path, settings) = (path.to_owned(), settings.clone());
        let timeout = settings.timeout;
        let opener = opener(&path, &settings);
        let file = Arc::new(Mutex::new(IndexFileState { path, settings, opener, idle: Vec::new() }));
        let state = file.clone();
        let open = move |deadline| {
            let (path, opener) = {
                let state = locked(&state);
                (state.path.clone(), state.opener.clone())
            };
            OpenOptions::new()
                .create(true)
                .append(true)
                .mode(0o600)
                .open(&path)
                .map_err(|error| StoreError::Unavailable(error.into()))?;
            opener.open(Purpose::Write, deadline)
        };
        Ok(Self { writer: ThreadPool::start("search index", 1, timeout, open)?, file })
    }
}

fn opener(path: &Path, options: &StoreOptions) -> Opener {
    // What a power cut loses is read again from the messages.
    let setup_sql = format!("PRAGMA page_size = 8192; {}", sqlite_settings("NORMAL", 2000));
    Opener::Sqlite(Arc::new(SqliteFile::new(path, options.timeout, &setup_sql)))
}

/// Replaces an unreadable file with an empty one, since all of it can be rebuilt. Current readers finish on the old
/// file.
fn replace(file: &Mutex<IndexFileState>) -> Result<()> {
    let mut opened = locked(file);
    opened.idle.clear();
    remove(&opened.path).map_err(|error| StoreError::Unavailable(error.into()))?;
    opened.opener = opener(&opened.path, &opened.settings);
    Ok(())
}

/// Returns whether the error shows damage: a corrupt SQLite file, a file that is no database, or content this program
/// did not write.
fn is_damage(error: &StoreError) -> bool {
    match error {
        StoreError::Corrupt(_) => true,
        StoreError::Refused(cause) => matches!(cause.sqlite_code(), Some(11 | 26)),
        _ => false,
    }
}

fn remove(file: &Path) -> io::Result<()> {
    for suffix in ["", "-wal", "-shm"] {
        match fs::remove_file(with_suffix(file, suffix)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

//! Opens a store: settings that make acknowledged commits durable, and migrations.

use super::{
    Dialect, Result, Store, StoreError, StoreInner, column, connection::DatabaseConnection, name_words,
    postgres::Postgres, threads::ThreadPool,
};
use parlor_protocol::limits::Limits;
use rusqlite::OpenFlags;
use sqlx::{ConnectOptions as _, postgres::PgConnectOptions};
use std::{
    ffi::CStr,
    path::{Path, PathBuf},
    sync::{Arc, OnceLock, atomic::AtomicBool},
    time::{Duration, Instant},
};

/// How safely a commit is written to disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Durability {
    /// An acknowledged change survives a power cut.
    Full,
    /// An acknowledged change survives a crash of the server, but not always a power cut.
    Relaxed,
}

/// How to open a store.
#[derive(Clone, Debug)]
pub struct StoreOptions {
    /// `sqlite:FILE` or `postgres://…`.
    pub url: String,
    /// See [`Durability`].
    pub durability: Durability,
    /// How many threads read, each with its own connection.
    pub readers: u32,
    /// How long a caller waits for an answer, queueing included.
    pub timeout: Duration,
    /// Whether members can see how far others have read.
    pub receipts: bool,
    /// The limits that snapshots respect.
    pub limits: Limits,
}

/// How many threads write to PostgreSQL besides the one that commits: for consumers, sessions, uploads, and looking up
/// unanswered commits.
const POSTGRES_WRITERS: u32 = 3;

/// The longest time for which PostgreSQL lets a transaction that writes wait for its node, in milliseconds. A node that
/// is frozen, or cut off, while it holds the clock or a lease delays the others no longer than this.
const IDLE_WRITE_MS: u128 = 2000;

/// The migrations in order: name, SQL for SQLite, SQL for PostgreSQL.
static MIGRATIONS: [(&str, &str, &str); 16] = [
    (
        "0001_first",
        include_str!("../../migrations/sqlite/0001_first.sql"),
        include_str!("../../migrations/postgres/0001_first.sql"),
    ),
    (
        "0002_conversation",
        include_str!("../../migrations/sqlite/0002_conversation.sql"),
        include_str!("../../migrations/postgres/0002_conversation.sql"),
    ),
    (
        "0003_files",
        include_str!("../../migrations/sqlite/0003_files.sql"),
        include_str!("../../migrations/postgres/0003_files.sql"),
    ),
    (
        "0004_presence",
        include_str!("../../migrations/sqlite/0004_presence.sql"),
        include_str!("../../migrations/postgres/0004_presence.sql"),
    ),
    (
        "0005_forms",
        include_str!("../../migrations/sqlite/0005_forms.sql"),
        include_str!("../../migrations/postgres/0005_forms.sql"),
    ),
    (
        "0006_owners",
        include_str!("../../migrations/sqlite/0006_owners.sql"),
        include_str!("../../migrations/postgres/0006_owners.sql"),
    ),
    (
        "0007_host_rows",
        include_str!("../../migrations/sqlite/0007_host_rows.sql"),
        include_str!("../../migrations/postgres/0007_host_rows.sql"),
    ),
    (
        "0008_host_users",
        include_str!("../../migrations/sqlite/0008_host_users.sql"),
        include_str!("../../migrations/postgres/0008_host_users.sql"),
    ),
    (
        "0009_positions",
        include_str!("../../migrations/sqlite/0009_positions.sql"),
        include_str!("../../migrations/postgres/0009_positions.sql"),
    ),
    (
        "0010_settings",
        include_str!("../../migrations/sqlite/0010_settings.sql"),
        include_str!("../../migrations/postgres/0010_settings.sql"),
    ),
    (
        "0011_mentions",
        include_str!("../../migrations/sqlite/0011_mentions.sql"),
        include_str!("../../migrations/postgres/0011_mentions.sql"),
    ),
    (
        "0012_blocks",
        include_str!("../../migrations/sqlite/0012_blocks.sql"),
        include_str!("../../migrations/postgres/0012_blocks.sql"),
    ),
    (
        "0013_openings",
        include_str!("../../migrations/sqlite/0013_openings.sql"),
        include_str!("../../migrations/postgres/0013_openings.sql"),
    ),
    (
        "0014_cleared",
        include_str!("../../migrations/sqlite/0014_cleared.sql"),
        include_str!("../../migrations/postgres/0014_cleared.sql"),
    ),
    (
        "0015_drafts",
        include_str!("../../migrations/sqlite/0015_drafts.sql"),
        include_str!("../../migrations/postgres/0015_drafts.sql"),
    ),
    (
        "0016_reports",
        include_str!("../../migrations/sqlite/0016_reports.sql"),
        include_str!("../../migrations/postgres/0016_reports.sql"),
    ),
];

impl StoreOptions {
    /// Returns the URL of the SQLite file in a data folder.
    #[must_use]
    pub fn sqlite_url(folder: &Path) -> String {
        format!("sqlite:{}", folder.join("parlor.db").display())
    }

    /// Returns the SQLite file, unless the URL is PostgreSQL's.
    pub(super) fn sqlite_file(&self) -> Option<&Path> {
        self.url.strip_prefix("sqlite:").map(Path::new)
    }
}

/// What a connection is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    Read,
    Write,
    /// Work that may take long and that nothing queues behind.
    LongRunning,
}

/// Returns the settings that the store and the search index share. Deleted content is overwritten, also in the file.
pub(super) fn sqlite_settings(synchronous: &str, checkpoint_pages: u32) -> String {
    format!(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = {synchronous}; PRAGMA secure_delete = ON; \
         PRAGMA temp_store = MEMORY; PRAGMA cache_size = -16384; PRAGMA wal_autocheckpoint = {checkpoint_pages};"
    )
}

/// Opens connections. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) enum Opener {
    Sqlite(Arc<SqliteFile>),
    Postgres(Arc<PostgresServer>),
}

/// A PostgreSQL server and how it is connected to.
#[derive(Debug)]
pub(super) struct PostgresServer {
    options: PgConnectOptions,
    /// Settings applied to every connection.
    setup_sql: String,
    timeout: Duration,
}

/// A SQLite file and how it is opened.
#[derive(Debug)]
pub(super) struct SqliteFile {
    pub(super) file: PathBuf,
    /// Settings applied to every connection.
    setup_sql: String,
    /// SQLite's interface to the operating system, the same for all connections.
    vfs: OnceLock<&'static CStr>,
}

impl SqliteFile {
    pub(super) fn new(file: &Path, timeout: Duration, setup_sql: &str) -> Self {
        // The timeout comes first, since the other settings may have to wait for a lock.
        let setup_sql = format!("PRAGMA busy_timeout = {}; {setup_sql}", timeout.as_millis());
        Self { file: file.to_owned(), setup_sql, vfs: OnceLock::new() }
    }

    pub(super) fn open(&self, purpose: Purpose) -> Result<DatabaseConnection> {
        let open = |vfs| {
            let setup_sql = if purpose == Purpose::Read {
                format!("{} PRAGMA query_only = ON;", self.setup_sql)
            } else {
                self.setup_sql.clone()
            };
            let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE;
            let mut connection = DatabaseConnection::sqlite(&self.file, flags, vfs, &setup_sql)?;
            // SQLite looks at the file only when it is first read.
            connection.for_each("SELECT count(*) FROM sqlite_schema", &[], |_| Ok(true))?;
            Ok(connection)
        };
        if let Some(vfs) = self.vfs.get() {
            return open(vfs);
        }
        let (vfs, opened) = match open(c"unix") {
            // A full disk has no room for the shared-memory file of the write-ahead log. If no other process has the
            // database open, it is kept in memory instead.
            Err(StoreError::Unavailable(cause)) if matches!(cause.sqlite_code(), Some(10 | 13 | 14)) => {
                match open(c"unix-excl") {
                    Ok(connection) => {
                        tracing::warn!(%cause, file = %self.file.display(), "a database was opened for this server alone");
                        (c"unix-excl", Ok(connection))
                    }
                    Err(_) => return Err(StoreError::Unavailable(cause)),
                }
            }
            opened => (c"unix", opened),
        };
        let opened = opened?;
        if *self.vfs.get_or_init(|| vfs) == vfs {
            return Ok(opened);
        }
        drop(opened);
        self.open(purpose)
    }
}

impl Opener {
    /// Returns whether the two are the same opener, not merely equal.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Sqlite(one), Self::Sqlite(other)) => Arc::ptr_eq(one, other),
            (Self::Postgres(one), Self::Postgres(other)) => Arc::ptr_eq(one, other),
            _ => false,
        }
    }

    fn new(settings: &StoreOptions) -> Result<Self> {
        if let Some(file) = settings.sqlite_file() {
            let synchronous = if settings.durability == Durability::Full { "FULL" } else { "NORMAL" };
            let setup_sql = format!("{} PRAGMA foreign_keys = ON;", sqlite_settings(synchronous, 4000));
            return Ok(Self::Sqlite(Arc::new(SqliteFile::new(file, settings.timeout, &setup_sql))));
        }
        let options: PgConnectOptions =
            settings.url.parse().map_err(|error: sqlx::Error| StoreError::Unusable(format!("store.url: {error}")))?;
        let timeout = settings.timeout.as_millis();
        // Stronger settings than `on`, such as remote_apply, are left to the operator.
        let commit = match settings.durability {
            Durability::Full => {
                "SELECT set_config('synchronous_commit', 'on', false) \
                 WHERE current_setting('synchronous_commit') IN ('off', 'local')"
            }
            Durability::Relaxed => "SET synchronous_commit = off",
        };
        // Statements are short, so compiling one costs more than it saves.
        let setup_sql = format!(
            "{commit}; SET jit = off; SET statement_timeout = {timeout}; \
             SET idle_in_transaction_session_timeout = {timeout}; SET lock_timeout = {timeout};"
        );
        let (options, timeout) = (options.disable_statement_logging(), settings.timeout);
        Ok(Self::Postgres(Arc::new(PostgresServer { options, setup_sql, timeout })))
    }

    /// Opens a connection, on PostgreSQL before a deadline.
    pub(super) fn open(&self, purpose: Purpose, deadline: Option<Instant>) -> Result<DatabaseConnection> {
        match self {
            Self::Sqlite(file) => file.open(purpose),
            Self::Postgres(settings) => {
                let more = match purpose {
                    Purpose::Read => String::new(),
                    // The second is for a node that no longer takes the rows of an answer.
                    Purpose::Write => format!(
                        " SET idle_in_transaction_session_timeout = {idle}; SET tcp_user_timeout = {idle};",
                        idle = IDLE_WRITE_MS.min(settings.timeout.as_millis())
                    ),
                    Purpose::LongRunning => " SET statement_timeout = 0;".to_owned(),
                };
                Postgres::connect(settings.options.clone(), &format!("{}{more}", settings.setup_sql), deadline)
                    .map(DatabaseConnection::postgres)
            }
        }
    }

    /// Starts threads that each open a connection.
    pub(super) fn start(&self, name: &str, count: u32, timeout: Duration, purpose: Purpose) -> Result<ThreadPool> {
        let opener = self.clone();
        ThreadPool::start(name, count, timeout, move |deadline| opener.open(purpose, deadline))
    }
}

impl Store {
    /// Opens the store and migrates its schema.
    ///
    /// # Errors
    /// The database is unavailable, its schema is newer than this program, or `fsync` is off while the durability asked
    /// for is full.
    pub async fn open(settings: &StoreOptions) -> Result<Self> {
        let opener = Opener::new(settings)?;
        let dialect = if matches!(opener, Opener::Sqlite(_)) { Dialect::Sqlite } else { Dialect::Postgres };
        let is_postgres = dialect == Dialect::Postgres;
        let start = |name, count, purpose| opener.start(name, count, settings.timeout, purpose);
        let store = Self(Arc::new(StoreInner {
            dialect,
            readers: start("store reader", settings.readers, Purpose::Read)?,
            writers: start("store writer", if is_postgres { POSTGRES_WRITERS } else { 1 }, Purpose::Write)?,
            commits: if is_postgres { Some(start("store commits", 1, Purpose::Write)?) } else { None },
            opener,
            timeout: settings.timeout,
            limits: Arc::new(settings.limits.clone()),
            receipts: settings.receipts,
            is_started: AtomicBool::new(false),
        }));
        let durability = settings.durability;
        store.run_long(move |connection| prepare(connection, durability)).await?;
        Ok(store)
    }

    /// Waits for running work and closes every connection; on SQLite this also checkpoints the log.
    pub async fn close(&self) {
        self.0.readers.close().await;
        if let Some(commits) = &self.0.commits {
            commits.close().await;
        }
        self.0.writers.close().await;
    }
}

/// Checks that the database is safe and not newer than this program, and migrates it if it is older.
fn prepare(connection: &mut DatabaseConnection, durability: Durability) -> Result<()> {
    let is_postgres = !connection.is_sqlite();
    if is_postgres && durability == Durability::Full {
        let fsync: String = connection.query_one("SELECT current_setting('fsync')", &[], |row| column(row, 0))?;
        if fsync != "on" {
            return Err(StoreError::Unusable(
                "PostgreSQL runs with fsync off, so a power cut may lose acknowledged changes; \
                 switch it on, or set store.durability = \"relaxed\""
                    .to_owned(),
            ));
        }
    }
    // If nothing needs to be done, nothing is written: a full disk must not prevent reading.
    match pending_migrations(connection) {
        Ok(pending_migrations) if pending_migrations.is_empty() && name_words::are_current(connection)? => {
            return Ok(());
        }
        // A database without this table is new.
        Ok(_) | Err(StoreError::Refused(_)) => {}
        Err(error) => return Err(error),
    }
    connection.begin_write()?;
    let migrated = migrate(connection).and_then(|()| connection.commit());
    connection.roll_back();
    migrated
}

fn migrate(connection: &mut DatabaseConnection) -> Result<()> {
    // On PostgreSQL several nodes may start at the same time; only one of them migrates.
    if !connection.is_sqlite() {
        connection.execute("SELECT pg_advisory_xact_lock(7271)", &[])?;
    }
    connection.execute("CREATE TABLE IF NOT EXISTS migrations (name TEXT PRIMARY KEY)", &[])?;
    for (name, sqlite, postgres) in pending_migrations(connection)? {
        connection.batch(if connection.is_sqlite() { sqlite } else { postgres })?;
        connection.execute("INSERT INTO migrations (name) VALUES ($1)", &[(*name).into()])?;
    }
    name_words::recompute(connection)
}

/// Returns the migrations that were not applied yet.
fn pending_migrations(
    connection: &mut DatabaseConnection,
) -> Result<Vec<&'static (&'static str, &'static str, &'static str)>> {
    let done: Vec<String> = connection.query("SELECT name FROM migrations ORDER BY name", &[], |row| column(row, 0))?;
    if let Some(unknown) = done.iter().find(|name| MIGRATIONS.iter().all(|(known, ..)| known != name)) {
        return Err(StoreError::Unusable(format!(
            "the database was written by a newer Parlor (it has migration {unknown}); run that version"
        )));
    }
    Ok(MIGRATIONS.iter().filter(|(name, ..)| !done.iter().any(|done| done == name)).collect())
}

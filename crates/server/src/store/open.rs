//! Opening a store: settings that make an acknowledged commit durable, and migrations.

use super::{Dialect, Error, Result, Store, column, names::refold_names, query};
use sqlx::{
    AnyConnection, Connection as _,
    any::{AnyPoolOptions, install_default_drivers},
};
use std::{path::Path, sync::Once, time::Duration};

/// How hard a commit presses on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Durability {
    /// An acknowledged change survives a power cut.
    Full,
    /// An acknowledged change survives a crash of the server, not always a power cut.
    Relaxed,
}

/// How to open a store.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `sqlite:FILE` or `postgres://…`.
    pub url: String,
    /// See [`Durability`].
    pub durability: Durability,
    /// Connections that read.
    pub readers: u32,
    /// How long a statement may take, and how long a connection is waited for.
    pub timeout: Duration,
    /// Whether anybody is told how far others have read.
    pub receipts: bool,
}

/// Connections to PostgreSQL that write: one for commits, one for followers, the others for sign-ins.
const POSTGRES_WRITERS: u32 = 4;

/// The migrations, in their order: name, SQLite's text, PostgreSQL's text.
const MIGRATIONS: [(&str, &str, &str); 5] = [
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
];

impl Settings {
    /// The SQLite file of a data folder.
    #[must_use]
    pub fn url_in_folder(folder: &Path) -> String {
        format!("sqlite:{}", folder.join("parlor.db").display())
    }
}

impl Store {
    /// Opens the store and brings its schema up to date.
    ///
    /// # Errors
    /// The database is not there, its schema is newer than this program, or `fsync` is off while
    /// the durability asked for is full.
    pub async fn open(settings: &Settings) -> Result<Self> {
        static DRIVERS: Once = Once::new();
        DRIVERS.call_once(install_default_drivers);
        let store = if settings.url.starts_with("sqlite:") {
            open_sqlite(settings).await?
        } else {
            open_postgres(settings).await?
        };
        store.migrate().await?;
        Ok(store)
    }

    /// Waits for what runs and closes every connection; on SQLite the log is folded into the file.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }

    async fn migrate(&self) -> Result<()> {
        let mut transaction = self.write().await?;
        // On PostgreSQL several nodes may start at once; one of them migrates.
        if self.dialect == Dialect::Postgres {
            query("SELECT pg_advisory_xact_lock(7271)").execute(&mut *transaction).await?;
        }
        query("CREATE TABLE IF NOT EXISTS migrations (name TEXT PRIMARY KEY)").execute(&mut *transaction).await?;
        let rows = query("SELECT name FROM migrations ORDER BY name").fetch_all(&mut *transaction).await?;
        let done = rows.iter().map(|row| column::<String>(row, 0)).collect::<Result<Vec<_>>>()?;
        if let Some(unknown) = done.iter().find(|name| MIGRATIONS.iter().all(|(known, ..)| known != name)) {
            return Err(Error::Unusable(format!(
                "the database was written by a newer Parlor (it has the migration {unknown}); run that version"
            )));
        }
        for (name, sqlite, postgres) in MIGRATIONS.iter().filter(|(name, ..)| !done.iter().any(|done| done == name)) {
            let text = if self.dialect == Dialect::Sqlite { sqlite } else { postgres };
            sqlx::raw_sql(sqlx::AssertSqlSafe((*text).to_owned())).execute(&mut *transaction).await?;
            query("INSERT INTO migrations (name) VALUES ($1)")
                .bind((*name).to_owned())
                .execute(&mut *transaction)
                .await?;
        }
        refold_names(&mut transaction).await?;
        transaction.commit().await?;
        Ok(())
    }
}

async fn open_sqlite(settings: &Settings) -> Result<Store> {
    let synchronous = if settings.durability == Durability::Full { "FULL" } else { "NORMAL" };
    let busy = settings.timeout.as_millis();
    let every = format!(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = {synchronous}; PRAGMA foreign_keys = ON; \
         PRAGMA busy_timeout = {busy}; PRAGMA temp_store = MEMORY; PRAGMA cache_size = -16384; \
         PRAGMA wal_autocheckpoint = 4000; PRAGMA secure_delete = ON;"
    );
    let url = format!("{}?mode=rwc", settings.url);
    let writer = pool(settings, 1, every.clone()).connect(&url).await?;
    let readers = pool(settings, settings.readers, format!("{every} PRAGMA query_only = ON;")).connect(&url).await?;
    Ok(Store { dialect: Dialect::Sqlite, writer, readers, patience: settings.timeout * 3, receipts: settings.receipts })
}

async fn open_postgres(settings: &Settings) -> Result<Store> {
    let timeout = settings.timeout.as_millis();
    // What is stronger than `on`, such as remote_apply, stays as the operator has it.
    let commit = match settings.durability {
        Durability::Full => {
            "SELECT set_config('synchronous_commit', 'on', false) \
             WHERE current_setting('synchronous_commit') IN ('off', 'local')"
        }
        Durability::Relaxed => "SET synchronous_commit = off",
    };
    let every = format!(
        "{commit}; SET statement_timeout = {timeout}; \
         SET idle_in_transaction_session_timeout = {timeout}; SET lock_timeout = {timeout};"
    );
    // Writers do not queue behind readers: a herd of clients that come back must not hold up commits.
    let writer = pool(settings, POSTGRES_WRITERS, every.clone()).connect(&settings.url).await?;
    let readers = pool(settings, settings.readers, every).connect(&settings.url).await?;
    let row = query("SELECT current_setting('fsync')").fetch_one(&readers).await?;
    if settings.durability == Durability::Full && column::<String>(&row, 0)? != "on" {
        return Err(Error::Unusable(
            "PostgreSQL runs with fsync off, so a power cut may lose what was acknowledged; \
             switch it on, or set store.durability = \"relaxed\""
                .to_owned(),
        ));
    }
    Ok(Store {
        dialect: Dialect::Postgres,
        writer,
        readers,
        patience: settings.timeout * 3,
        receipts: settings.receipts,
    })
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
        // A transaction that the database ended by itself, as SQLite does on a full disk, leaves a connection that
        // counts it as open and begins no other: it is not kept. The ping lets a queued rollback run first.
        .after_release(|connection: &mut AnyConnection, _| {
            Box::pin(async move {
                connection.ping().await?;
                Ok(!connection.is_in_transaction())
            })
        })
}

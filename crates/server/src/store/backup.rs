//! Copies of a SQLite database: made while it is in use, restored while it is not.

use super::{Dialect, Result, Store, StoreError, column, connection::DatabaseConnection, open::Purpose};
use rusqlite::OpenFlags;
use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

/// Why a copy could not be made or restored.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// PostgreSQL has its own tools for this.
    #[error("the database is PostgreSQL: use pg_dump and pg_restore")]
    Postgres,
    /// The target file already exists.
    #[error("the file {0} already exists")]
    Exists(PathBuf),
    /// The copy is not a complete Parlor database.
    #[error("{0} is not a complete Parlor database: {1}")]
    NotWhole(PathBuf, String),
    /// A file cannot be read or written.
    #[error("{0}: {1}")]
    File(PathBuf, #[source] io::Error),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Store {
    /// Writes a consistent copy while the database is in use, and returns its size in bytes.
    ///
    /// # Errors
    /// See [`CopyError`].
    pub async fn backup(&self, file: &Path) -> std::result::Result<u64, CopyError> {
        if self.dialect() == Dialect::Postgres {
            return Err(CopyError::Postgres);
        }
        let (file, store) = (file.to_owned(), self.clone());
        // Writers are not blocked: this is one read transaction on its own connection.
        let copied = tokio::task::spawn_blocking(move || {
            copy(&file, |part| {
                let mut source = store.0.opener.open(Purpose::LongRunning, None)?;
                source.execute("VACUUM INTO $1", &[part.into()]).map(drop)
            })
        });
        copied.await.unwrap_or_else(|error| Err(StoreError::Corrupt(error.to_string()).into()))
    }
}

fn copy(file: &Path, copy_into: impl FnOnce(&str) -> Result<()>) -> std::result::Result<u64, CopyError> {
    if file.exists() {
        return Err(CopyError::Exists(file.to_owned()));
    }
    let part = with_suffix(file, ".part");
    let at = |error| CopyError::File(part.clone(), error);
    match fs::remove_file(&part) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(at(error)),
        _ => {}
    }
    // VACUUM accepts an empty file; creating it first makes it readable by its owner only.
    OpenOptions::new().create_new(true).write(true).mode(0o600).open(&part).map_err(at)?;
    let text = part.to_str().ok_or_else(|| at(io::Error::other("its name is not UTF-8")))?;
    let copied = match copy_into(text) {
        Ok(()) => check(&part),
        Err(error) => Err(error.into()),
    };
    if copied.is_err() {
        // The original error is what matters; the incomplete copy is useless.
        let _ = fs::remove_file(&part);
    }
    copied?;
    let bytes = fs::metadata(&part).map_err(at)?.len();
    sync_and_rename(&part, file)?;
    Ok(bytes)
}

/// Replaces the database in a folder that no server uses with a copy. The old database is kept under a name that ends
/// in `suffix`, which is returned.
///
/// # Errors
/// See [`CopyError`].
pub fn restore(copy: &Path, database: &Path, suffix: &str) -> std::result::Result<Option<PathBuf>, CopyError> {
    check(copy)?;
    let part = with_suffix(database, ".part");
    let private = |part: &Path| fs::set_permissions(part, fs::Permissions::from_mode(0o600));
    fs::copy(copy, &part).and_then(|_| private(&part)).map_err(|error| CopyError::File(part.clone(), error))?;
    delete_starts(&part)?;
    let mut kept = None;
    if database.exists() {
        let set_aside = with_suffix(database, suffix);
        // The write-ahead log belongs to its database and holds its newest changes.
        for end in ["-wal", "-shm", ""] {
            let from = with_suffix(database, end);
            if from.exists() {
                let to = with_suffix(&set_aside, end);
                fs::rename(&from, &to).map_err(|error| CopyError::File(from, error))?;
            }
        }
        kept = Some(set_aside);
    }
    sync_and_rename(&part, database)?;
    Ok(kept)
}

/// Invalidates all cursors. A cursor past the copy points to a different history, and even one from before it may
/// belong to a client that has since received live events that the copy does not contain.
fn delete_starts(file: &Path) -> Result<()> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE;
    DatabaseConnection::sqlite(file, flags, c"unix", "")?.execute("DELETE FROM starts", &[]).map(drop)
}

/// Appends a suffix to the name of a file.
pub(super) fn with_suffix(file: &Path, suffix: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// Syncs the file to disk, then gives it its final name.
fn sync_and_rename(part: &Path, file: &Path) -> std::result::Result<(), CopyError> {
    let at = |error| CopyError::File(file.to_owned(), error);
    File::open(part).and_then(|part| part.sync_all()).map_err(at)?;
    fs::rename(part, file).map_err(at)?;
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(at)
}

/// Checks that a file is a complete database with our tables.
fn check(file: &Path) -> std::result::Result<(), CopyError> {
    let not_whole = |why: String| CopyError::NotWhole(file.to_owned(), why);
    if !file.is_file() {
        return Err(not_whole("there is no such file".to_owned()));
    }
    let look = || {
        let mut connection = DatabaseConnection::sqlite(file, OpenFlags::SQLITE_OPEN_READ_ONLY, c"unix", "")?;
        let answer: String = connection.query_one("PRAGMA quick_check", &[], |row| column(row, 0))?;
        connection.query_one("SELECT version FROM clock WHERE one = 1", &[], |_| Ok(()))?;
        Ok::<_, StoreError>(answer)
    };
    match look() {
        Ok(answer) if answer == "ok" => Ok(()),
        Ok(answer) => Err(not_whole(answer)),
        Err(error) => Err(not_whole(error.to_string())),
    }
}

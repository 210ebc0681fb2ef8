//! The data folder: for one process at a time, and readable by its owner only.
//!
//! Whoever holds the lock may open the store. Everybody else speaks with the holder through the socket in it.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError},
    io,
    os::{
        fd::AsRawFd as _,
        unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _},
    },
    path::{Path, PathBuf},
};
use tokio::net::UnixListener;

const LOCK: &str = "parlor.lock";
const SOCKET: &str = "parlor.sock";
/// The name of the SQLite database.
pub const DATABASE: &str = "parlor.db";
/// The longest path that an address of a unix socket holds everywhere.
const SOCKET_PATH_BYTES_MAX: usize = 100;

/// Why the folder cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another process has it.
    #[error("the data folder {0} is in use by another Parlor")]
    Locked(PathBuf),
    /// It cannot be made or opened.
    #[error("cannot use the data folder {0}: {1}")]
    Unusable(PathBuf, #[source] io::Error),
}

/// The data folder, locked for this process until dropped.
#[derive(Debug)]
pub struct DataFolder {
    path: PathBuf,
    handle: File,
    _lock: File,
}

impl DataFolder {
    /// Makes the folder if needed, and locks it.
    ///
    /// # Errors
    /// It is locked, or cannot be used.
    pub fn lock(path: &Path) -> Result<Self, Error> {
        let unusable = |error| Error::Unusable(path.to_owned(), error);
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(unusable)?;
        let path = fs::canonicalize(path).map_err(unusable)?;
        let handle = File::open(&path).map_err(unusable)?;
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(path.join(LOCK))
            .map_err(unusable)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path, handle, _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(Error::Locked(path)),
            Err(TryLockError::Error(error)) => Err(Error::Unusable(path, error)),
        }
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes the file of the SQLite database, if there is none, readable by its owner only.
    ///
    /// # Errors
    /// The file cannot be made.
    pub fn prepare_database(&self) -> Result<(), Error> {
        let made = OpenOptions::new().create(true).append(true).mode(0o600).open(self.path.join(DATABASE));
        made.map(drop).map_err(|error| Error::Unusable(self.path.clone(), error))
    }

    /// Opens the socket for commands.
    pub(crate) fn socket(&self) -> io::Result<UnixListener> {
        let path = self.path.join(SOCKET);
        // Whoever left it there is gone: the lock is ours.
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(short(&path, &self.handle))?;
        fs::set_permissions(&path, Permissions::from_mode(0o600))?;
        Ok(listener)
    }

    /// Removes the socket and gives the folder free.
    pub fn release(self) {
        let _ = fs::remove_file(self.path.join(SOCKET));
    }
}

/// The path of the socket in a folder, short enough for an address; the file holds the folder open meanwhile.
pub(crate) fn socket_path(folder: &Path) -> io::Result<(PathBuf, File)> {
    let handle = File::open(folder)?;
    Ok((short(&folder.join(SOCKET), &handle), handle))
}

fn short(path: &Path, folder: &File) -> PathBuf {
    if path.as_os_str().len() <= SOCKET_PATH_BYTES_MAX {
        return path.to_owned();
    }
    PathBuf::from(format!("/proc/self/fd/{}/{SOCKET}", folder.as_raw_fd()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_process_has_the_folder_and_its_owner_only_may_look_in() {
        let parent = tempfile::tempdir().expect("a folder");
        let path = parent.path().join("a").join("data");
        let folder = DataFolder::lock(&path).expect("free");
        assert!(matches!(DataFolder::lock(&path), Err(Error::Locked(_))));
        assert_eq!(fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o700);
        let _socket = folder.socket().expect("a socket");
        assert_eq!(fs::metadata(path.join(SOCKET)).expect("there").permissions().mode() & 0o777, 0o600);
        folder.release();
        assert!(!path.join(SOCKET).exists());
        DataFolder::lock(&path).expect("free again");
    }

    #[tokio::test]
    async fn a_long_path_has_a_socket_too() {
        let parent = tempfile::tempdir().expect("a folder");
        let path = parent.path().join("long".repeat(40));
        let folder = DataFolder::lock(&path).expect("free");
        let listener = folder.socket().expect("a socket");
        let (short, _handle) = socket_path(&path).expect("a path");
        let _client = tokio::net::UnixStream::connect(short).await.expect("it listens");
        drop(listener);
    }
}

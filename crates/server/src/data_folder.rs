//! The data folder: used by one process at a time, and readable by its owner only.
//!
//! The process that holds the lock may open the store. Others talk to it through the socket in the folder.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError},
    io::{self, Read as _, Seek as _, Write as _},
    os::{
        fd::{AsRawFd as _, OwnedFd},
        unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _},
    },
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::{net::UnixListener, time::Instant};

const LOCK: &str = "parlor.lock";
const SOCKET: &str = "parlor.sock";
/// The name of the SQLite database.
pub const DATABASE: &str = "parlor.db";
/// The maximum length of a socket path that works on all systems.
const SOCKET_PATH_BYTES_MAX: usize = 100;

/// Why the folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DataFolderError {
    /// Another process uses it.
    #[error("the data folder {path} is in use by {holder}")]
    Locked {
        /// The folder.
        path: PathBuf,
        /// The process id and command, if known.
        holder: String,
    },
    /// Others may read it, and it belongs to another user.
    #[error(
        "others may read the data folder {0}, which belongs to another user: ask its owner to remove that permission \
         (chmod 700), or use another folder"
    )]
    ReadableByOthers(PathBuf),
    /// It cannot be created or opened.
    #[error("cannot use the data folder {0}: {1}")]
    Unusable(PathBuf, #[source] io::Error),
}

/// The data folder, locked for this process until dropped.
#[derive(Debug)]
pub struct DataFolder {
    path: PathBuf,
    handle: File,
    was_restricted: bool,
    lock: File,
}

/// How many characters of the lock holder's command are shown, and how many bytes are read.
const HOLDER_CHARS_MAX: usize = 100;
const HOLDER_BYTES_MAX: u64 = 1024;
/// The time between two attempts to lock the folder.
const RETRY_INTERVAL: Duration = Duration::from_millis(50);
/// The permission bits of group and others.
const OTHERS_MODE: u32 = 0o077;

impl DataFolder {
    /// Creates the folder if needed, and locks it. Permissions of others are removed.
    ///
    /// # Errors
    /// The folder is locked, readable by others, or unusable.
    pub fn lock(path: &Path) -> Result<Self, DataFolderError> {
        Self::lock_with(path, None)
    }

    /// Uses the lock of the program before, if it is this folder's.
    fn lock_with(path: &Path, before: Option<File>) -> Result<Self, DataFolderError> {
        let unusable = |error| DataFolderError::Unusable(path.to_owned(), error);
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(unusable)?;
        let path = fs::canonicalize(path).map_err(unusable)?;
        let handle = File::open(&path).map_err(unusable)?;
        let was_restricted = restrict_to_owner(&path, &handle)?;
        let mut lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .mode(0o600)
            .open(path.join(LOCK))
            .map_err(unusable)?;
        if let Some(before) = before.filter(|before| is_same_file(before, &lock)) {
            lock = before;
        }
        // The lock belongs to the open file: one that was taken over is held already.
        match lock.try_lock() {
            Ok(()) => {
                // Shown to waiting processes. The lock works even if this cannot be written.
                let _ = lock.rewind().and_then(|()| lock.set_len(0)).and_then(|()| lock.write_all(holder().as_bytes()));
                Ok(Self { path, handle, was_restricted, lock })
            }
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                let read = lock.take(HOLDER_BYTES_MAX).read_to_string(&mut holder);
                let holder = if read.is_ok() && !holder.is_empty() { holder } else { "another process".to_owned() };
                Err(DataFolderError::Locked { path, holder })
            }
            Err(TryLockError::Error(error)) => Err(DataFolderError::Unusable(path, error)),
        }
    }

    /// Locks the folder like [`DataFolder::lock`], but waits up to `patience` for another process to release it.
    ///
    /// # Errors
    /// As for [`DataFolder::lock`].
    pub async fn lock_within(path: &Path, patience: Duration) -> Result<Self, DataFolderError> {
        let deadline = Instant::now() + patience;
        loop {
            match Self::lock(path) {
                Err(DataFolderError::Locked { .. }) if Instant::now() < deadline => {
                    tokio::time::sleep(RETRY_INTERVAL).await;
                }
                locked => return locked,
            }
        }
    }

    /// Takes the folder over with the lock of the program before, if that is this folder's; otherwise locks it like
    /// [`DataFolder::lock_within`].
    ///
    /// # Errors
    /// As for [`DataFolder::lock`].
    pub(crate) async fn take_over(
        path: &Path,
        before: Option<OwnedFd>,
        patience: Duration,
    ) -> Result<Self, DataFolderError> {
        match Self::lock_with(path, before.map(File::from)) {
            Err(DataFolderError::Locked { .. }) => Self::lock_within(path, patience).await,
            locked => locked,
        }
    }

    /// Returns a note if permissions of others were removed.
    #[must_use]
    pub fn note(&self) -> Option<String> {
        let path = self.path.display();
        self.was_restricted.then(|| format!("others could read the data folder {path}; their permissions were removed"))
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Creates the file of the SQLite database if there is none, readable by its owner only.
    ///
    /// # Errors
    /// The file cannot be created.
    pub fn prepare_database(&self) -> Result<(), DataFolderError> {
        let made = OpenOptions::new().create(true).append(true).mode(0o600).open(self.path.join(DATABASE));
        made.map(drop).map_err(|error| DataFolderError::Unusable(self.path.clone(), error))
    }

    /// Opens the socket for commands.
    pub(crate) fn socket(&self) -> io::Result<UnixListener> {
        let path = self.path.join(SOCKET);
        // The process that left it there is gone, since the lock is ours.
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(short_socket_path(&path, &self.handle))?;
        fs::set_permissions(&path, Permissions::from_mode(0o600))?;
        Ok(listener)
    }

    /// Removes the socket and releases the folder.
    pub fn release(self) {
        drop(self.into_lock());
    }

    /// Removes the socket and returns the lock, for the program that takes this one's place.
    pub(crate) fn into_lock(self) -> OwnedFd {
        let _ = fs::remove_file(self.path.join(SOCKET));
        self.lock.into()
    }
}

fn is_same_file(one: &File, other: &File) -> bool {
    let id = |file: &File| file.metadata().map(|metadata| (metadata.dev(), metadata.ino())).ok();
    id(one).is_some_and(|one| id(other) == Some(one))
}

/// Removes the permissions of others on a folder; returns whether they had any.
fn restrict_to_owner(path: &Path, handle: &File) -> Result<bool, DataFolderError> {
    let unusable = |error| DataFolderError::Unusable(path.to_owned(), error);
    let mode = handle.metadata().map_err(unusable)?.permissions().mode();
    if mode & OTHERS_MODE == 0 {
        return Ok(false);
    }
    match handle.set_permissions(Permissions::from_mode(mode & !OTHERS_MODE & 0o7777)) {
        // Only the owner may change permissions.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            Err(DataFolderError::ReadableByOthers(path.to_owned()))
        }
        restricted => restricted.map(|()| true).map_err(unusable),
    }
}

/// Describes this process in the lock file: its id and its command, without the path of the program.
fn holder() -> String {
    let mut words = std::env::args();
    let program = words.next().unwrap_or_default();
    let program = program.rsplit('/').next().unwrap_or_default().to_owned();
    let command = std::iter::once(program).chain(words).collect::<Vec<_>>().join(" ");
    let command: String = command.chars().filter(|letter| !letter.is_control()).take(HOLDER_CHARS_MAX).collect();
    format!("process {} ({command})", std::process::id())
}

/// Returns the path of the socket in a folder, short enough for a socket address; the file keeps the folder open
/// meanwhile.
pub(crate) fn socket_path(folder: &Path) -> io::Result<(PathBuf, File)> {
    let handle = File::open(folder)?;
    Ok((short_socket_path(&folder.join(SOCKET), &handle), handle))
}

fn short_socket_path(path: &Path, folder: &File) -> PathBuf {
    if path.as_os_str().len() <= SOCKET_PATH_BYTES_MAX {
        return path.to_owned();
    }
    PathBuf::from(format!("/proc/self/fd/{}/{SOCKET}", folder.as_raw_fd()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_folder_has_one_process_and_only_its_owner_can_read_it() {
        let parent = tempfile::tempdir().expect("a folder");
        let path = parent.path().join("a").join("data");
        let folder = DataFolder::lock(&path).expect("free");
        let locked = DataFolder::lock(&path).expect_err("it is locked").to_string();
        assert!(locked.contains(&format!("in use by process {} (", std::process::id())), "{locked}");
        assert_eq!(fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o700);
        let _socket = folder.socket().expect("a socket");
        assert_eq!(fs::metadata(path.join(SOCKET)).expect("there").permissions().mode() & 0o777, 0o600);
        folder.release();
        assert!(!path.join(SOCKET).exists());
        DataFolder::lock(&path).expect("free again");
    }

    #[tokio::test]
    async fn permissions_of_others_are_removed_with_a_notice() {
        let parent = tempfile::tempdir().expect("a folder");
        let path = parent.path().join("data");
        assert_eq!(DataFolder::lock(&path).expect("free").note(), None);
        fs::set_permissions(&path, Permissions::from_mode(0o755)).expect("ours");
        let folder = DataFolder::lock(&path).expect("ours");
        assert!(folder.note().is_some_and(|note| note.contains("data")));
        assert_eq!(fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o700);
    }

    #[tokio::test]
    async fn a_waiting_process_gets_the_lock_when_it_is_released() {
        let parent = tempfile::tempdir().expect("a folder");
        let path = parent.path().join("data");
        let first = DataFolder::lock(&path).expect("free");
        assert!(DataFolder::lock_within(&path, Duration::from_millis(1)).await.is_err());
        let waiting = tokio::spawn(async move { DataFolder::lock_within(&path, Duration::from_mins(1)).await });
        tokio::task::yield_now().await;
        drop(first);
        waiting.await.expect("it ends").expect("free");
    }

    #[tokio::test]
    async fn a_lock_that_is_taken_over_is_held_all_the_time_and_is_for_its_own_folder_only() {
        let parent = tempfile::tempdir().expect("a folder");
        let [path, other] = ["data", "other"].map(|name| parent.path().join(name));
        let folder = DataFolder::lock(&path).expect("free");
        let _socket = folder.socket().expect("a socket");
        let lock = folder.into_lock();
        assert!(!path.join(SOCKET).exists());
        DataFolder::lock(&path).expect_err("the lock is held");
        let folder = DataFolder::take_over(&path, Some(lock), Duration::ZERO).await.expect("taken over");
        let locked = DataFolder::lock(&path).expect_err("it is locked").to_string();
        assert!(locked.ends_with(&holder()), "{locked}");
        let other = DataFolder::take_over(&other, Some(folder.into_lock()), Duration::ZERO).await.expect("free");
        DataFolder::lock(other.path()).expect_err("it is locked");
        DataFolder::lock(&path).expect("it was released");
    }

    #[tokio::test]
    async fn a_folder_with_a_long_path_has_a_working_socket() {
        let parent = tempfile::tempdir().expect("a folder");
        let path = parent.path().join("long".repeat(40));
        let folder = DataFolder::lock(&path).expect("free");
        let listener = folder.socket().expect("a socket");
        let (short_socket_path, _handle) = socket_path(&path).expect("a path");
        let _client = tokio::net::UnixStream::connect(short_socket_path).await.expect("it listens");
        drop(listener);
    }
}

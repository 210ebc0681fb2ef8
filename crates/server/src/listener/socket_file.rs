//! The file of a unix socket.
//!
//! Invariants: a file is replaced only if nobody listens on it, and removed at the end only if it is still this process's;
//! nothing here waits for another process.

use crate::config::SocketMode;
use rustix::{
    fs::{FlockOperation, OFlags, flock},
    io::Errno,
    net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with},
};
use std::{
    ffi::OsString,
    fs, io,
    os::unix::fs::{FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};
use tokio::net::{UnixListener, UnixSocket};

/// What the name of the lock of a path ends with.
const LOCK_SUFFIX: &str = ".lock";
/// Connections that wait to be accepted, as for TCP.
const BACKLOG: u32 = 1024;

/// The file of a unix socket, removed on drop.
#[derive(Debug)]
pub(super) struct BoundFile {
    pub(super) path: PathBuf,
    /// Device and inode: another process may have replaced the file.
    pub(super) identity: (u64, u64),
}

impl BoundFile {
    /// Takes care of the file of a socket of this process, and sets its permissions.
    pub(super) fn of(path: &Path, mode: SocketMode) -> io::Result<Self> {
        let file = Self { path: path.to_owned(), identity: identity(path)? };
        fs::set_permissions(path, fs::Permissions::from_mode(mode.0))?;
        Ok(file)
    }
}

impl Drop for BoundFile {
    fn drop(&mut self) {
        if identity(&self.path).is_ok_and(|identity| identity == self.identity) {
            // It may be gone already.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Listens on a path. The file of a process that has ended is replaced.
///
/// # Errors
/// Another process listens there, or begins to at this moment; the file is no socket, or not allowed.
pub(super) fn bind_path(path: &Path, mode: SocketMode) -> io::Result<(UnixListener, BoundFile)> {
    let _lock = BindLock::take(path)?;
    let socket = UnixSocket::new_stream()?;
    match socket.bind(path) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse && is_stale(path)? => {
            fs::remove_file(path)?;
            socket.bind(path)?;
        }
        bound => bound?,
    }
    // Before anybody can connect.
    let file = BoundFile::of(path, mode)?;
    Ok((socket.listen(BACKLOG)?, file))
}

/// Held while a path is bound: two processes that start at the same time must not replace each other's file. Nobody else
/// can take it, since only the user of this process can open its file. The file is removed on drop.
#[derive(Debug)]
struct BindLock {
    file: fs::File,
    path: PathBuf,
}

impl BindLock {
    fn take(socket: &Path) -> io::Result<Self> {
        let path = PathBuf::from([socket.as_os_str(), LOCK_SUFFIX.as_ref()].into_iter().collect::<OsString>());
        let named = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
        let mut options = fs::OpenOptions::new();
        let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
        options.write(true).create(true).truncate(false).mode(0o600).custom_flags(flags);
        let file = options.open(&path).map_err(named)?;
        flock(&file, FlockOperation::NonBlockingLockExclusive).map_err(|error| match error {
            Errno::WOULDBLOCK => another_starts(&path),
            error => named(error.into()),
        })?;
        // The process that had it may have removed it in between.
        let found = file.metadata().map_err(named)?;
        if identity(&path).ok() != Some((found.dev(), found.ino())) {
            return Err(another_starts(&path));
        }
        Ok(Self { file, path })
    }
}

impl Drop for BindLock {
    fn drop(&mut self) {
        // While it is held, so that nobody holds a file that others do not find. It may be gone already.
        let _ = fs::remove_file(&self.path);
        // Closing it does the same.
        let _ = flock(&self.file, FlockOperation::Unlock);
    }
}

fn another_starts(path: &Path) -> io::Error {
    io::Error::other(format!("another process begins to listen there at this moment ({} is locked)", path.display()))
}

/// Returns whether a file is a socket on which nobody listens.
fn is_stale(path: &Path) -> io::Result<bool> {
    if !fs::symlink_metadata(path)?.file_type().is_socket() {
        return Ok(false);
    }
    // A process that listens but accepts nothing would make a blocking connect wait for it.
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    Ok(connect(&socket, &SocketAddrUnix::new(path)?) == Err(Errno::CONNREFUSED))
}

/// Device and inode.
pub(super) fn identity(path: &Path) -> io::Result<(u64, u64)> {
    fs::symlink_metadata(path).map(|file| (file.dev(), file.ino()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_socket_file_is_replaced_only_if_nobody_listens_and_is_removed_at_the_end() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("parlor.sock");
        let mode = SocketMode(0o600);
        // It stays behind, as after a crash.
        drop(std::os::unix::net::UnixListener::bind(&path).expect("bound"));
        let first = bind_path(&path, mode).expect("the stale file is replaced");
        assert_eq!(fs::metadata(&path).expect("a file").permissions().mode() & 0o777, 0o600);
        let refused = bind_path(&path, mode).expect_err("in use").to_string();
        assert!(refused.contains("in use"), "{refused}");
        drop(first);
        assert!(!path.exists());
        fs::write(&path, "kept").expect("a file");
        assert!(bind_path(&path, mode).is_err(), "a file that is no socket");
        assert_eq!(fs::read_to_string(&path).expect("still there"), "kept");
    }

    #[test]
    fn a_process_that_accepts_nothing_is_not_waited_for() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("parlor.sock");
        let socket =
            socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None).expect("a socket");
        let address = SocketAddrUnix::new(&path).expect("an address");
        rustix::net::bind(&socket, &address).expect("bound");
        rustix::net::listen(&socket, 0).expect("it listens");
        // With no room for others, this one fills it.
        let _waiting = std::os::unix::net::UnixStream::connect(&path).expect("connected");
        let (answer, answered) = std::sync::mpsc::channel();
        std::thread::spawn(move || answer.send(is_stale(&path)));
        let is_stale = answered.recv_timeout(std::time::Duration::from_mins(1)).expect("an answer");
        assert!(!is_stale.expect("a socket"));
    }

    #[tokio::test]
    async fn the_file_of_another_process_is_not_removed() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("parlor.sock");
        let first = bind_path(&path, SocketMode(0o600)).expect("bound");
        fs::remove_file(&path).expect("somebody removes it");
        let _second = bind_path(&path, SocketMode(0o600)).expect("bound again");
        drop(first);
        assert!(path.exists());
    }

    #[tokio::test]
    async fn a_process_that_begins_to_listen_there_is_not_waited_for() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("parlor.sock");
        let lock = BindLock::take(&path).expect("free");
        let refused = bind_path(&path, SocketMode(0o600)).expect_err("locked").to_string();
        assert!(refused.contains("another process") && refused.contains("parlor.sock.lock"), "{refused}");
        drop(lock);
        // It stays behind, as after a crash.
        fs::write(folder.path().join("parlor.sock.lock"), "").expect("written");
        let _bound = bind_path(&path, SocketMode(0o600)).expect("bound");
        let names: Vec<_> =
            fs::read_dir(&folder).expect("a folder").map(|file| file.expect("one").file_name()).collect();
        assert_eq!(names, ["parlor.sock"]);
        std::os::unix::fs::symlink("/dev/null", folder.path().join("other.sock.lock")).expect("a link");
        assert!(bind_path(&folder.path().join("other.sock"), SocketMode(0o600)).is_err(), "links are not followed");
    }
}

//! Makes listening sockets: binds addresses and paths, and takes over inherited sockets.
//!
//! Invariants: a socket file is replaced only if nobody listens on it, and removed at the end only if it is still this
//! process's. Inherited sockets are taken over before any other is opened. After a restart in place every socket comes
//! from the program before, and no number is adopted: what is open under it belongs to somebody already.

use super::stream::RawStream;
use crate::config::{ListenAddress, SocketMode};
use rustix::net::{AddressFamily, SocketType, sockopt};
use std::{
    fmt, fs, io, mem,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    os::{
        fd::{BorrowedFd, OwnedFd},
        unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _},
    },
    path::{Path, PathBuf},
};
use tokio::net::{TcpListener, UnixListener, UnixSocket};

/// The first descriptor that systemd passes.
const SYSTEMD_FIRST: i32 = 3;
/// Connections that wait to be accepted, as for TCP.
const BACKLOG: u32 = 1024;

/// A listening socket.
#[derive(Debug)]
pub struct Listener {
    /// The entry of `listen` that it is for.
    setting: String,
    socket: ListeningSocket,
}

#[derive(Debug)]
enum ListeningSocket {
    /// On an address.
    Tcp(TcpListener),
    /// On a path. The file is removed at the end, unless the socket is inherited.
    Unix(UnixListener, Option<SocketFile>),
}

/// Where a server can be reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BoundAddress {
    /// An address and a port.
    Tcp(SocketAddr),
    /// The path of a socket; empty if it has none.
    Unix(PathBuf),
}

/// Why a server cannot listen.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {cause}")]
pub struct ListenError {
    address: ListenAddress,
    #[source]
    cause: io::Error,
}

/// The file of a unix socket, removed on drop.
#[derive(Debug)]
struct SocketFile {
    path: PathBuf,
    /// Device and inode: another process may have replaced the file.
    identity: (u64, u64),
}

impl fmt::Display for BoundAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => write!(formatter, "{address}"),
            Self::Unix(path) => write!(formatter, "unix:{}", path.display()),
        }
    }
}

impl SocketFile {
    /// Takes care of the file of a socket of this process, and sets its permissions.
    fn of(path: &Path, mode: SocketMode) -> io::Result<Self> {
        let file = Self { path: path.to_owned(), identity: identity(path)? };
        fs::set_permissions(path, fs::Permissions::from_mode(mode.0))?;
        Ok(file)
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if identity(&self.path).is_ok_and(|identity| identity == self.identity) {
            // It may be gone already.
            let _ = fs::remove_file(&self.path);
        }
    }
}

impl Listener {
    /// Returns where it listens.
    ///
    /// # Errors
    /// The system does not know.
    pub fn address(&self) -> io::Result<BoundAddress> {
        match &self.socket {
            ListeningSocket::Tcp(listener) => listener.local_addr().map(BoundAddress::Tcp),
            ListeningSocket::Unix(listener, _) => {
                let address = listener.local_addr()?;
                Ok(BoundAddress::Unix(address.as_pathname().map(Path::to_owned).unwrap_or_default()))
            }
        }
    }

    fn new(setting: &ListenAddress, socket: ListeningSocket) -> Self {
        Self { setting: setting.to_string(), socket }
    }

    /// Takes over a listening socket. Its file, if it has one, is left to others.
    fn adopt(setting: &ListenAddress, descriptor: OwnedFd) -> io::Result<Self> {
        if sockopt::socket_domain(&descriptor)? == AddressFamily::UNIX {
            let listener = std::os::unix::net::UnixListener::from(descriptor);
            listener.set_nonblocking(true)?;
            return Ok(Self::new(setting, ListeningSocket::Unix(UnixListener::from_std(listener)?, None)));
        }
        let listener = std::net::TcpListener::from(descriptor);
        listener.set_nonblocking(true)?;
        Ok(Self::new(setting, ListeningSocket::Tcp(TcpListener::from_std(listener)?)))
    }

    /// Takes over a listening socket of the program before, and the file that it made.
    fn resume(setting: &ListenAddress, mode: SocketMode, descriptor: OwnedFd) -> io::Result<Self> {
        let mut listener = Self::adopt(setting, descriptor)?;
        if let (ListenAddress::Unix(path), ListeningSocket::Unix(_, file)) = (setting, &mut listener.socket) {
            *file = Some(SocketFile::of(path, mode)?);
        }
        Ok(listener)
    }

    pub(super) fn is_unix(&self) -> bool {
        matches!(self.socket, ListeningSocket::Unix(..))
    }

    /// Gives the socket up, still listening, for the program that takes this one's place; with the setting that it is
    /// for. Its file stays. None if the system refuses it.
    pub(crate) fn into_descriptor(self) -> Option<(String, OwnedFd)> {
        let descriptor = match self.socket {
            ListeningSocket::Tcp(listener) => listener.into_std().ok()?.into(),
            ListeningSocket::Unix(listener, file) => {
                let descriptor = listener.into_std().ok()?.into();
                mem::forget(file);
                descriptor
            }
        };
        Some((self.setting, descriptor))
    }

    /// Accepts a connection. A peer on a unix socket is on this machine.
    pub(super) async fn accept(&self) -> io::Result<(RawStream, IpAddr)> {
        match &self.socket {
            ListeningSocket::Tcp(listener) => {
                listener.accept().await.map(|(stream, peer)| (RawStream::Tcp(stream), peer.ip()))
            }
            ListeningSocket::Unix(listener, _) => {
                let (stream, _) = listener.accept().await?;
                Ok((RawStream::Unix(stream), Ipv4Addr::LOCALHOST.into()))
            }
        }
    }
}

/// Listens on every address, in their order. `taken_over` has the sockets of the program before, after a restart in
/// place; those that no entry is for are closed.
///
/// # Errors
/// An address is in use or not of this machine, a path cannot be used, or an inherited socket is missing.
pub async fn listen(
    addresses: &[ListenAddress],
    mode: SocketMode,
    taken_over: Option<Vec<(String, OwnedFd)>>,
) -> Result<Vec<Listener>, ListenError> {
    let is_restart = taken_over.is_some();
    let mut taken_over = taken_over.unwrap_or_default();
    let mut had = Vec::new();
    for address in addresses {
        let named = |cause| ListenError { address: address.clone(), cause };
        let mut resumed = Vec::new();
        for descriptor in take(&mut taken_over, address) {
            resumed.push(Listener::resume(address, mode, descriptor).map_err(named)?);
        }
        if resumed.is_empty() && address.is_inherited() {
            resumed = if is_restart { Err(not_of_the_program_before()) } else { inherited(address) }.map_err(named)?;
        }
        had.push(resumed);
    }
    // One of them may be in the way of an address that is bound now.
    close_listeners(taken_over);
    let mut listeners = Vec::new();
    for (address, had) in addresses.iter().zip(had) {
        if !had.is_empty() {
            listeners.extend(had);
            continue;
        }
        if is_restart {
            tracing::warn!(%address, "The program before did not listen on this address");
        }
        let bound = match address {
            ListenAddress::Tcp(address) => TcpListener::bind(address).await.map(ListeningSocket::Tcp),
            ListenAddress::Unix(path) => bind_path(path, mode),
            ListenAddress::Descriptor(_) | ListenAddress::Systemd => continue,
        };
        let bound = bound.map_err(|cause| ListenError { address: address.clone(), cause })?;
        listeners.push(Listener::new(address, bound));
    }
    Ok(listeners)
}

/// Takes the sockets of the program before that an entry is for: all of systemd's, otherwise one. One whose file is gone
/// is closed, because nobody can connect to it.
fn take(taken_over: &mut Vec<(String, OwnedFd)>, address: &ListenAddress) -> Vec<OwnedFd> {
    let setting = address.to_string();
    let mut found = Vec::new();
    while let Some(at) = taken_over.iter().position(|(name, _)| *name == setting) {
        let (_, descriptor) = taken_over.remove(at);
        let is_unreachable = matches!(address, ListenAddress::Unix(path) if identity(path).is_err());
        if !is_unreachable {
            found.push(descriptor);
        }
        if *address != ListenAddress::Systemd {
            break;
        }
    }
    found
}

/// Closes sockets of the program before, and removes the files that it made for them.
pub(crate) fn close_listeners(unwanted: Vec<(String, OwnedFd)>) {
    for (setting, descriptor) in unwanted {
        drop(descriptor);
        if let Ok(ListenAddress::Unix(path)) = setting.parse()
            && is_stale(&path).unwrap_or(false)
        {
            // It may be gone already.
            let _ = fs::remove_file(&path);
        }
    }
}

fn not_of_the_program_before() -> io::Error {
    io::Error::other("the program before had no such socket; stop the server and start it")
}

fn inherited(address: &ListenAddress) -> io::Result<Vec<Listener>> {
    match address {
        ListenAddress::Descriptor(number) => Ok(vec![inherit(address, *number)?]),
        ListenAddress::Systemd => {
            let numbers = passed(|name| std::env::var(name).ok(), std::process::id())?;
            numbers.map(|number| inherit(address, number)).collect()
        }
        ListenAddress::Tcp(_) | ListenAddress::Unix(_) => Ok(Vec::new()),
    }
}

/// Returns the numbers of the descriptors that systemd passes to this process, see `sd_listen_fds(3)`.
fn passed(variable: impl Fn(&str) -> Option<String>, pid: u32) -> io::Result<std::ops::Range<i32>> {
    let number = |name| variable(name).and_then(|text| text.parse::<u32>().ok());
    let count = number("LISTEN_FDS").and_then(|count| i32::try_from(count).ok()).unwrap_or(0);
    if number("LISTEN_PID") != Some(pid) || count == 0 {
        return Err(io::Error::other("systemd passed no sockets (LISTEN_PID and LISTEN_FDS)"));
    }
    Ok(SYSTEMD_FIRST..SYSTEMD_FIRST.saturating_add(count))
}

fn inherit(setting: &ListenAddress, number: i32) -> io::Result<Listener> {
    Listener::adopt(setting, parlor_descriptors::adopt(number, check)?)
}

/// Checks that a descriptor is a listening stream socket.
fn check(descriptor: BorrowedFd<'_>) -> io::Result<()> {
    let is_right = sockopt::socket_type(descriptor)? == SocketType::STREAM && sockopt::socket_acceptconn(descriptor)?;
    let domains = [AddressFamily::UNIX, AddressFamily::INET, AddressFamily::INET6];
    if is_right && domains.contains(&sockopt::socket_domain(descriptor)?) {
        return Ok(());
    }
    Err(io::Error::other("the inherited descriptor is not a listening socket"))
}

/// Listens on a path. The file of a process that has ended is replaced.
fn bind_path(path: &Path, mode: SocketMode) -> io::Result<ListeningSocket> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // Two processes that start at the same time must not replace each other's file.
    let lock = fs::File::open(folder)?;
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::LockExclusive)?;
    let socket = UnixSocket::new_stream()?;
    match socket.bind(path) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse && is_stale(path)? => {
            fs::remove_file(path)?;
            socket.bind(path)?;
        }
        bound => bound?,
    }
    // Before anybody can connect.
    let file = SocketFile::of(path, mode)?;
    Ok(ListeningSocket::Unix(socket.listen(BACKLOG)?, Some(file)))
}

/// Returns whether a file is a socket on which nobody listens.
fn is_stale(path: &Path) -> io::Result<bool> {
    if !fs::symlink_metadata(path)?.file_type().is_socket() {
        return Ok(false);
    }
    let tried = std::os::unix::net::UnixStream::connect(path);
    Ok(tried.is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused))
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    fs::symlink_metadata(path).map(|file| (file.dev(), file.ino()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unix(path: &Path) -> [ListenAddress; 1] {
        [ListenAddress::Unix(path.to_owned())]
    }

    #[tokio::test]
    async fn a_socket_file_is_replaced_only_if_nobody_listens_and_is_removed_at_the_end() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("parlor.sock");
        let mode = SocketMode(0o600);
        // It stays behind, as after a crash.
        drop(std::os::unix::net::UnixListener::bind(&path).expect("bound"));
        let first = listen(&unix(&path), mode, None).await.expect("the stale file is replaced");
        assert_eq!(fs::metadata(&path).expect("a file").permissions().mode() & 0o777, 0o600);
        assert_eq!(first[0].address().expect("known"), BoundAddress::Unix(path.clone()));
        let refused = listen(&unix(&path), mode, None).await.expect_err("in use").to_string();
        assert!(refused.contains("unix:") && refused.contains("in use"), "{refused}");
        drop(first);
        assert!(!path.exists());
        fs::write(&path, "kept").expect("a file");
        assert!(listen(&unix(&path), mode, None).await.is_err(), "a file that is no socket");
        assert_eq!(fs::read_to_string(&path).expect("still there"), "kept");
    }

    #[tokio::test]
    async fn the_file_of_another_process_is_not_removed() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("parlor.sock");
        let first = listen(&unix(&path), SocketMode(0o600), None).await.expect("bound");
        fs::remove_file(&path).expect("somebody removes it");
        let _second = listen(&unix(&path), SocketMode(0o600), None).await.expect("bound again");
        drop(first);
        assert!(path.exists());
    }

    #[tokio::test]
    async fn an_inherited_socket_is_used_and_anything_else_is_refused_by_name() {
        use std::os::fd::IntoRawFd as _;
        let bound = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = bound.local_addr().expect("bound");
        let connected = std::net::TcpStream::connect(address).expect("connected").into_raw_fd();
        let number = bound.into_raw_fd();
        let listeners = listen(&[ListenAddress::Descriptor(number)], SocketMode(0o600), None).await.expect("inherited");
        assert_eq!(listeners[0].address().expect("known"), BoundAddress::Tcp(address));
        let refused =
            listen(&[ListenAddress::Descriptor(connected)], SocketMode(0o600), None).await.expect_err("refused");
        assert!(refused.to_string().starts_with(&format!("cannot listen on fd:{connected}: ")), "{refused}");
    }

    fn handed_over(listeners: Vec<Listener>) -> Vec<(String, OwnedFd)> {
        listeners.into_iter().map(|listener| listener.into_descriptor().expect("given up")).collect()
    }

    #[tokio::test]
    async fn the_next_program_goes_on_with_each_socket_and_closes_those_that_it_does_not_want() {
        let folder = tempfile::tempdir().expect("a folder");
        let (kept, unwanted) = (folder.path().join("kept.sock"), folder.path().join("unwanted.sock"));
        let port = ListenAddress::Tcp("127.0.0.1:0".parse().expect("an address"));
        let mode = SocketMode(0o600);
        let before = [ListenAddress::Unix(kept.clone()), ListenAddress::Unix(unwanted.clone()), port.clone(), port];
        let first = listen(&before, mode, None).await.expect("bound");
        let addresses: Vec<_> = first.iter().map(|listener| listener.address().expect("known")).collect();
        let waiting = std::os::unix::net::UnixStream::connect(&kept).expect("it waits to be accepted");
        let after = [before[2].clone(), before[0].clone()];
        let second = listen(&after, SocketMode(0o660), Some(handed_over(first))).await.expect("taken over");
        let found: Vec<_> = second.iter().map(|listener| listener.address().expect("known")).collect();
        assert_eq!(found, [addresses[2].clone(), addresses[0].clone()]);
        assert_eq!(fs::metadata(&kept).expect("a file").permissions().mode() & 0o777, 0o660);
        assert!(matches!(second[1].accept().await, Ok((RawStream::Unix(_), _))));
        assert!(!unwanted.exists());
        let BoundAddress::Tcp(closed) = addresses[3] else { panic!("a port") };
        assert!(std::net::TcpStream::connect(closed).is_err());
        fs::remove_file(&kept).expect("somebody removes it");
        let third = listen(&after, mode, Some(handed_over(second))).await.expect("bound again");
        std::os::unix::net::UnixStream::connect(&kept).expect("it can be reached again");
        drop((waiting, third));
        assert!(!kept.exists());
    }

    #[tokio::test]
    async fn after_a_restart_no_number_is_adopted() {
        use std::os::fd::IntoRawFd as _;
        let before = [ListenAddress::Tcp("127.0.0.1:0".parse().expect("an address"))];
        let first = listen(&before, SocketMode(0o600), None).await.expect("bound");
        let number = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").into_raw_fd();
        let after = [before[0].clone(), ListenAddress::Descriptor(number)];
        let refused = listen(&after, SocketMode(0o600), Some(handed_over(first))).await.expect_err("refused");
        assert!(refused.to_string().contains("the program before had no such socket"), "{refused}");
    }

    #[test]
    fn sockets_of_systemd_are_those_of_this_process() {
        let numbers = |pid: &'static str, count: &'static str| {
            passed(|name| Some(if name == "LISTEN_PID" { pid } else { count }.to_owned()), 7).ok()
        };
        assert_eq!(numbers("7", "2"), Some(3..5));
        assert_eq!((numbers("8", "2"), numbers("7", "0"), numbers("7", "x")), (None, None, None));
        assert!(passed(|_| None, 7).is_err());
    }
}

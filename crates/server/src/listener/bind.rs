//! Makes listening sockets: binds addresses and paths, and takes over inherited sockets.
//!
//! Invariants: inherited sockets are taken over before any other is opened. After a restart in place every socket comes
//! from the program before, and no number is adopted: what is open under it belongs to somebody already.

use super::{
    socket_file::{BoundFile, bind_path, identity},
    stream::RawStream,
};
use crate::{
    config::{ListenAddress, SocketMode},
    handover::{HandedListener, ListenerRecord},
};
use rustix::net::{AddressFamily, SocketType, sockopt};
use std::{
    fmt, fs, io, mem,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    os::{
        fd::{BorrowedFd, OwnedFd},
        unix::fs::MetadataExt as _,
    },
    path::{Path, PathBuf},
};
use tokio::net::{TcpListener, UnixListener};

/// The first descriptor that systemd passes.
const SYSTEMD_FIRST: i32 = 3;
/// The permission of others to write, which lets them connect.
const OTHERS_WRITE: u32 = 0o002;

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
    Unix(UnixListener, Option<BoundFile>),
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

impl fmt::Display for BoundAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => write!(formatter, "{address}"),
            Self::Unix(path) => write!(formatter, "unix:{}", path.display()),
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

    /// Takes over a listening socket of the program before, and the file that it made, if that is still there.
    fn resume(setting: &ListenAddress, mode: SocketMode, handed: HandedListener) -> io::Result<Self> {
        let mut listener = Self::adopt(setting, handed.descriptor)?;
        if let (ListenAddress::Unix(path), ListeningSocket::Unix(_, file)) = (setting, &mut listener.socket) {
            if handed.record.file == identity(path).ok() {
                *file = Some(BoundFile::of(path, mode)?);
            } else {
                tracing::warn!(address = %setting, "The file of the socket was replaced; nobody reaches this server by it");
            }
        }
        Ok(listener)
    }

    /// Returns whether it is a unix socket to which every process of this machine can connect, and be trusted.
    fn is_open_to_all(&self) -> bool {
        let ListeningSocket::Unix(listener, _) = &self.socket else { return false };
        let address = listener.local_addr().ok();
        let path = address.as_ref().and_then(|address| address.as_pathname());
        // Without a path there are no permissions. If nobody can look at the file, who connects is not known.
        path.is_none_or(|path| fs::metadata(path).is_ok_and(|file| file.mode() & OTHERS_WRITE != 0))
    }

    pub(super) fn is_unix(&self) -> bool {
        matches!(self.socket, ListeningSocket::Unix(..))
    }

    /// Gives the socket up, still listening, for the program that takes this one's place. Its file stays. None if the
    /// system refuses it.
    pub(crate) fn hand_over(self) -> Option<HandedListener> {
        let (descriptor, file) = match self.socket {
            ListeningSocket::Tcp(listener) => (listener.into_std().ok()?.into(), None),
            ListeningSocket::Unix(listener, file) => {
                let descriptor = listener.into_std().ok()?.into();
                let identity = file.as_ref().map(|file| file.identity);
                mem::forget(file);
                (descriptor, identity)
            }
        };
        Some(HandedListener { descriptor, record: ListenerRecord { setting: self.setting, file } })
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
    taken_over: Option<Vec<HandedListener>>,
) -> Result<Vec<Listener>, ListenError> {
    let is_restart = taken_over.is_some();
    let mut taken_over = taken_over.unwrap_or_default();
    let mut had = Vec::new();
    for address in addresses {
        let named = |cause| ListenError { address: address.clone(), cause };
        let mut resumed = Vec::new();
        for handed in take(&mut taken_over, address) {
            resumed.push(Listener::resume(address, mode, handed).map_err(named)?);
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
            ListenAddress::Unix(path) => {
                bind_path(path, mode).map(|(listener, file)| ListeningSocket::Unix(listener, Some(file)))
            }
            ListenAddress::Descriptor(_) | ListenAddress::Systemd => continue,
        };
        let bound = bound.map_err(|cause| ListenError { address: address.clone(), cause })?;
        listeners.push(Listener::new(address, bound));
    }
    for listener in listeners.iter().filter(|listener| listener.is_open_to_all()) {
        let address = &listener.setting;
        tracing::warn!(
            address,
            "All processes that reach the folder of this socket may connect, and are trusted as proxies"
        );
    }
    Ok(listeners)
}

/// Takes the sockets of the program before that an entry is for: all of systemd's, otherwise one. One whose file is gone
/// is closed, because nobody can connect to it.
fn take(taken_over: &mut Vec<HandedListener>, address: &ListenAddress) -> Vec<HandedListener> {
    let setting = address.to_string();
    let mut found = Vec::new();
    while let Some(at) = taken_over.iter().position(|handed| handed.record.setting == setting) {
        let handed = taken_over.remove(at);
        let is_unreachable = matches!(address, ListenAddress::Unix(path) if identity(path).is_err());
        if !is_unreachable {
            found.push(handed);
        }
        if *address != ListenAddress::Systemd {
            break;
        }
    }
    found
}

/// Closes sockets of the program before, and removes the files that it made for them.
pub(crate) fn close_listeners(unwanted: Vec<HandedListener>) {
    for HandedListener { descriptor, record } in unwanted {
        if let (Ok(ListenAddress::Unix(path)), Some(identity)) = (record.setting.parse(), record.file) {
            // Before the socket is closed, since the number of the inode may be used again then.
            drop(BoundFile { path, identity });
        }
        drop(descriptor);
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

#[cfg(test)]
mod tests {
    use super::*;

    fn unix(path: &Path) -> [ListenAddress; 1] {
        [ListenAddress::Unix(path.to_owned())]
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

    fn handed_over(listeners: Vec<Listener>) -> Vec<HandedListener> {
        listeners.into_iter().map(|listener| listener.hand_over().expect("given up")).collect()
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
        assert_eq!(fs::metadata(&kept).expect("a file").mode() & 0o777, 0o660);
        assert!(matches!(second[1].accept().await, Ok((RawStream::Unix(_), _))));
        assert!(!unwanted.exists());
        let BoundAddress::Tcp(closed) = addresses[3] else { panic!("a port") };
        assert!(std::net::TcpStream::connect(closed).is_err());
        fs::remove_file(&kept).expect("somebody removes it");
        let third = listen(&after, mode, Some(handed_over(second))).await.expect("bound again");
        std::os::unix::net::UnixStream::connect(&kept).expect("it can be reached again");
        drop(waiting);
        fs::remove_file(&kept).expect("somebody removes it");
        let _other = std::os::unix::net::UnixListener::bind(&kept).expect("and listens there");
        drop(listen(&after, mode, Some(handed_over(third))).await.expect("nothing prevents the start"));
        assert!(kept.exists(), "it is not this server's any more");
    }

    #[tokio::test]
    async fn a_socket_to_which_everybody_can_connect_is_recognised() {
        use std::os::{linux::net::SocketAddrExt as _, unix::net};
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("parlor.sock");
        for (mode, expected) in [(0o660, false), (0o666, true), (0o602, true)] {
            let listeners = listen(&unix(&path), SocketMode(mode), None).await.expect("bound");
            assert_eq!(listeners[0].is_open_to_all(), expected, "{mode:o}");
        }
        let name = folder.path().as_os_str().as_encoded_bytes();
        let address = net::SocketAddr::from_abstract_name(name).expect("a name");
        let inherited = net::UnixListener::bind_addr(&address).expect("bound").into();
        assert!(Listener::adopt(&ListenAddress::Systemd, inherited).expect("a listening socket").is_open_to_all());
        let port = [ListenAddress::Tcp("127.0.0.1:0".parse().expect("an address"))];
        let listeners = listen(&port, SocketMode(0o666), None).await.expect("bound");
        assert!(!listeners[0].is_open_to_all());
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

//! Sockets and their state as one descriptor: one end of a socket pair, in which everything else is in flight. So the
//! next program inherits a single descriptor, its standard input, and whatever it does not take closes by itself.
//!
//! The first descriptor in flight is a file in memory with the state, then come the lock of the data folder, the
//! listening sockets and the held ones. The state is JSON: a line that every version understands, its head, then a line
//! for each held socket, in the order of the descriptors.

use super::{CLOSE_FRAME, HandedListener, Handover, HeldSocket, ListenerRecord, SocketRecord};
use crate::listener::close_listeners;
use rustix::{
    fs::{MemfdFlags, memfd_create},
    io::Errno,
    net::{
        AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
        SendFlags, SocketFlags, SocketType, recvmsg, send, sendmsg, socketpair,
        sockopt::{socket_acceptconn, socket_type},
    },
};
use serde::{Deserialize, Serialize};
use std::{
    fs::File,
    io::{self, BufRead, BufReader, BufWriter, IoSlice, IoSliceMut, Read as _, Seek as _, Write as _},
    iter,
    mem::MaybeUninit,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};
use tracing::warn;

/// The version of the lines of held sockets. A program that has another one closes these sockets.
const VERSION: u32 = 1;
/// How many descriptors one message carries; the system allows 253.
const DESCRIPTORS_PER_MESSAGE: usize = 128;
/// How many descriptors are taken.
const DESCRIPTORS_MAX: usize = 100_000;
/// The maximum size of the state in bytes.
const STATE_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// See the module documentation.
#[derive(Debug)]
pub struct Bundle(OwnedFd);

/// Why nothing can be taken over.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UnpackError {
    #[error("it cannot be read: {0}")]
    Io(#[from] io::Error),
    #[error("it is not understood: {0}")]
    Format(#[from] serde_json::Error),
    #[error("it has version {0}")]
    Version(u32),
    #[error("{0}")]
    Content(&'static str),
}

/// The first line of the state. Later versions may add fields, which others ignore; nothing else of it changes.
#[derive(Debug, Serialize, Deserialize)]
struct Head {
    version: u32,
    /// Whether the lock of the data folder is there.
    has_lock: bool,
    /// The settings that the listening sockets are for.
    listeners: Vec<String>,
    /// Device and inode of the file of each, if it has one.
    #[serde(default)]
    files: Vec<Option<(u64, u64)>>,
}

impl Head {
    /// Takes the descriptors of the listening sockets.
    fn listeners(&self, descriptors: &mut impl Iterator<Item = OwnedFd>) -> Vec<HandedListener> {
        let files = self.files.iter().copied().chain(iter::repeat(None));
        let records = self.listeners.iter().cloned().zip(files);
        let records = records.map(|(setting, file)| ListenerRecord { setting, file });
        let listeners = records.zip(descriptors).map(|(record, descriptor)| HandedListener { descriptor, record });
        listeners.filter(|listener| is_listening(&listener.descriptor)).collect()
    }
}

impl Bundle {
    /// Packs what is handed over. Sockets for which there is no room are closed, the last ones first.
    ///
    /// # Errors
    /// The system refuses it.
    pub(crate) fn pack(handover: Handover) -> io::Result<Self> {
        Self::pack_within(handover, STATE_BYTES_MAX)
    }

    fn pack_within(handover: Handover, bytes_max: u64) -> io::Result<Self> {
        let (sending, receiving) =
            socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None).map_err(io::Error::from)?;
        let file = File::from(memfd_create("parlor-handover", MemfdFlags::CLOEXEC)?);
        let mut head = Head { version: VERSION, has_lock: handover.lock.is_some(), listeners: vec![], files: vec![] };
        let mut listeners = Vec::new();
        for HandedListener { descriptor, record } in handover.listeners {
            head.listeners.push(record.setting);
            head.files.push(record.file);
            listeners.push(descriptor);
        }
        let mut head = serde_json::to_vec(&head)?;
        head.push(b'\n');
        let first = [file.as_fd()].into_iter().chain(handover.lock.iter().chain(&listeners).map(AsFd::as_fd));
        for descriptors in first.collect::<Vec<_>>().chunks(DESCRIPTORS_PER_MESSAGE) {
            send_descriptors(&sending, descriptors)?;
        }
        let count = handover.sockets.len();
        let mut bytes = head.len() as u64;
        let mut packed = Vec::new();
        for socket in handover.sockets {
            let line = socket.record.line()?;
            bytes += line.len() as u64;
            if bytes > bytes_max {
                break;
            }
            packed.push((socket.stream, line));
        }
        let sent = send_sockets(&sending, &packed);
        if sent < count {
            warn!(closed = count - sent, "Sockets are closed, because there is no room for them");
        }
        let mut writer = BufWriter::new(file);
        writer.write_all(&head)?;
        for (_, line) in &packed[..sent] {
            writer.write_all(line)?;
        }
        writer.flush()?;
        Ok(Self(receiving))
    }

    /// Takes a bundle that this program has as its standard input, which is empty from then on.
    ///
    /// # Errors
    /// The system refuses it.
    pub fn of_stdin() -> io::Result<Self> {
        let stdin = io::stdin().as_fd().try_clone_to_owned()?;
        rustix::stdio::dup2_stdin(File::open("/dev/null")?)?;
        Ok(Self(stdin))
    }

    pub(super) fn into_descriptor(self) -> OwnedFd {
        self.0
    }

    /// Unpacks what is taken over: what is understood of it. The other sockets are closed.
    #[must_use]
    pub fn unpack(self) -> Handover {
        let mut handover = Handover { is_restart: true, ..Handover::default() };
        if let Err(error) = self.unpack_into(&mut handover) {
            warn!(%error, "Not everything can be taken over from the program before; its sockets are closed");
        }
        handover
    }

    fn unpack_into(self, handover: &mut Handover) -> Result<(), UnpackError> {
        let mut descriptors = receive_descriptors(&self.0)?.into_iter();
        let file = descriptors.next().ok_or(UnpackError::Content("it is empty"))?;
        let mut file = File::from(file);
        file.rewind()?;
        let mut reader = BufReader::new(file.take(STATE_BYTES_MAX));
        let head = read_head(&mut reader);
        if let Ok(head) = &head {
            handover.lock = if head.has_lock { descriptors.next() } else { None };
            handover.listeners = head.listeners(&mut descriptors);
        }
        let records = match head.and_then(|head| read_records(head.version, reader, descriptors.len())) {
            Ok(records) => records,
            Err(error) => {
                descriptors.filter(|socket| !is_listening(socket)).for_each(|socket| {
                    // Perhaps it is in the middle of a frame, or gone.
                    _ = send(&socket, &CLOSE_FRAME, SendFlags::DONTWAIT | SendFlags::NOSIGNAL);
                });
                return Err(error);
            }
        };
        let sockets = records.into_iter().zip(descriptors).filter(|(_, socket)| is_connected(socket));
        let sockets = sockets.map(|(record, stream)| HeldSocket { stream, record, attached: None });
        handover.sockets = sockets.collect();
        Ok(())
    }

    /// Closes what was packed, as at a stop.
    pub(crate) fn close(self) {
        let handover = self.unpack();
        close_listeners(handover.listeners);
        handover.sockets.into_iter().for_each(HeldSocket::close);
    }
}

fn read_head(reader: &mut impl BufRead) -> Result<Head, UnpackError> {
    let mut line = String::new();
    reader.read_line(&mut line)?;
    Ok(serde_json::from_str(&line)?)
}

/// Reads the lines of a number of sockets.
fn read_records(version: u32, reader: impl BufRead, sockets: usize) -> Result<Vec<SocketRecord>, UnpackError> {
    if version != VERSION {
        return Err(UnpackError::Version(version));
    }
    let mut records = Vec::new();
    for line in reader.lines() {
        records.push(serde_json::from_str(&line?)?);
    }
    if records.len() != sockets {
        return Err(UnpackError::Content("it does not have the descriptors that it names"));
    }
    Ok(records)
}

fn is_listening(socket: &OwnedFd) -> bool {
    socket_acceptconn(socket).unwrap_or(false)
}

fn is_connected(socket: &OwnedFd) -> bool {
    socket_type(socket) == Ok(SocketType::STREAM) && !is_listening(socket) && rustix::net::getpeername(socket).is_ok()
}

/// Sends the descriptors of sockets, as many as the system takes. Returns how many these are.
fn send_sockets(sending: &OwnedFd, packed: &[(OwnedFd, Vec<u8>)]) -> usize {
    let mut sent = 0;
    for sockets in packed.chunks(DESCRIPTORS_PER_MESSAGE) {
        let descriptors: Vec<BorrowedFd<'_>> = sockets.iter().map(|(stream, _)| stream.as_fd()).collect();
        if let Err(error) = send_descriptors(sending, &descriptors) {
            warn!(%error, "The system takes no more sockets");
            break;
        }
        sent += sockets.len();
    }
    sent
}

fn send_descriptors(socket: &OwnedFd, descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_PER_MESSAGE))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !control.push(SendAncillaryMessage::ScmRights(descriptors)) {
        return Err(io::Error::other("too many descriptors for one message"));
    }
    sendmsg(socket, &[IoSlice::new(&[0])], &mut control, SendFlags::DONTWAIT | SendFlags::NOSIGNAL)?;
    Ok(())
}

/// Returns what has arrived; nothing more can come.
fn receive_descriptors(socket: &OwnedFd) -> io::Result<Vec<OwnedFd>> {
    let mut descriptors = Vec::new();
    while descriptors.len() < DESCRIPTORS_MAX {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_PER_MESSAGE))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let mut byte = [0];
        let flags = RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT;
        let received = match recvmsg(socket, &mut [IoSliceMut::new(&mut byte)], &mut control, flags) {
            Ok(received) => received,
            Err(Errno::INTR) => continue,
            Err(Errno::AGAIN) => break,
            Err(error) => return Err(error.into()),
        };
        if received.bytes == 0 {
            break;
        }
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(more) = message {
                descriptors.extend(more);
            }
        }
    }
    Ok(descriptors)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::handover::tests::record;
    use bytes::BytesMut;
    use std::{
        net::{TcpListener, TcpStream},
        os::unix::net::UnixStream,
    };

    /// Returns held sockets of some users, and their peers.
    fn held(users: std::ops::RangeInclusive<i64>) -> (Vec<HeldSocket>, Vec<UnixStream>) {
        let pair = |user| {
            let (ours, theirs) = UnixStream::pair().expect("a pair");
            (HeldSocket { stream: ours.into(), record: record(user), attached: None }, theirs)
        };
        users.map(pair).unzip()
    }

    fn heard(peer: &mut impl io::Read) -> Vec<u8> {
        let mut heard = Vec::new();
        peer.read_to_end(&mut heard).expect("it is closed");
        heard
    }

    #[test]
    fn everything_comes_out_in_the_order_in_which_it_was_packed() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("bound");
        let (sockets, peers) = held(1..=300);
        let here = ListenerRecord { setting: "here".to_owned(), file: Some((1, u64::MAX)) };
        let listeners = vec![HandedListener { descriptor: listener.into(), record: here.clone() }];
        let handover = Handover { listeners, sockets, ..Handover::default() };
        let handover = Bundle::pack(handover).expect("packed").unpack();
        assert!(handover.is_restart && handover.lock.is_none());
        let [listener] = handover.listeners.try_into().expect("one");
        assert_eq!(listener.record, here);
        assert_eq!(TcpListener::from(listener.descriptor).local_addr().expect("bound"), address);
        assert_eq!(handover.sockets.len(), 300);
        for (number, (socket, mut peer)) in (1..).zip(handover.sockets.into_iter().zip(peers)) {
            assert_eq!(format!("{:?}", socket.record), format!("{:?}", record(number)));
            drop(socket);
            assert!(heard(&mut peer).is_empty());
        }
    }

    #[test]
    fn a_state_that_grows_too_large_loses_its_last_sockets_only() {
        let (sockets, mut peers) = held(1..=300);
        let bytes: usize = sockets.iter().take(200).map(|socket| socket.record.bytes()).sum();
        let handover = Handover { sockets, ..Handover::default() };
        let handover = Bundle::pack_within(handover, bytes as u64 + 100).expect("packed").unpack();
        let users: Vec<_> = handover.sockets.iter().map(|socket| socket.record.user.0).collect();
        assert_eq!(users, (1..=200).collect::<Vec<_>>());
        assert!(heard(&mut peers[299]).is_empty());
    }

    #[test]
    fn a_bundle_that_is_not_wanted_closes_its_sockets_with_a_reason() {
        let (mut sockets, mut peers) = held(1..=2);
        sockets[1].record.output = BytesMut::from(&b"\x81\x02hi"[..]);
        Bundle::pack(Handover { sockets, ..Handover::default() }).expect("packed").close();
        assert_eq!(heard(&mut peers[0]), CLOSE_FRAME);
        assert_eq!(heard(&mut peers[1]), [&b"\x81\x02hi"[..], &CLOSE_FRAME].concat());
    }

    #[test]
    fn a_state_that_is_not_understood_closes_the_sockets_and_keeps_what_its_head_names() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("bound");
        let head = |version| format!(r#"{{"version": {version}, "has_lock": true, "listeners": ["here"]}}"#);
        let states = [
            (r#"{"version": 2, "has_lock": true, "listeners": ["here"], "more": 1}"#.to_owned() + "\nmore\n", true),
            (head(1), true),
            (head(1) + "\n{}\n", true),
            (head(1) + "\n{", true),
            (r#"{"version": 1"#.to_owned(), false),
            (String::new(), false),
        ];
        for (state, is_named) in states {
            let mut peer = TcpStream::connect(address).expect("connected");
            let (socket, _) = listener.accept().expect("accepted");
            let (sending, receiving) =
                socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None).expect("a pair");
            let mut file = File::from(memfd_create("test", MemfdFlags::CLOEXEC).expect("a file"));
            file.write_all(state.as_bytes()).expect("written");
            let lock = memfd_create("lock", MemfdFlags::CLOEXEC).expect("a file");
            let descriptors = [file.as_fd(), lock.as_fd(), listener.as_fd(), socket.as_fd()];
            send_descriptors(&sending, &descriptors).expect("sent");
            drop((sending, socket));
            let handover = Bundle(receiving).unpack();
            assert!(handover.is_restart && handover.sockets.is_empty(), "{state}");
            assert_eq!(handover.lock.is_some(), is_named, "{state}");
            assert_eq!(handover.listeners.len(), usize::from(is_named), "{state}");
            assert_eq!(heard(&mut peer), CLOSE_FRAME, "{state}");
        }
    }
}

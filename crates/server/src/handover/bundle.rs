//! Sockets and their state as one descriptor: one end of a socket pair, in which everything else is in flight. So the
//! next program inherits a single descriptor, its standard input, and whatever it does not take closes by itself.
//!
//! The first descriptor in flight is a file in memory with the state as JSON, then come the listening sockets, then the
//! held ones, in the order of the state.

use super::{Handover, HeldSocket, SocketRecord};
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
    io::{self, BufWriter, IoSlice, IoSliceMut, Read as _, Seek as _, Write as _},
    mem::MaybeUninit,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};
use tracing::warn;

/// The version of the state. A program that has another one closes the held sockets.
const VERSION: u32 = 1;
/// How many descriptors one message carries; the system allows 253.
const DESCRIPTORS_PER_MESSAGE: usize = 128;
/// How many descriptors are taken.
const DESCRIPTORS_MAX: usize = 100_000;
/// The maximum size of the state in bytes.
const STATE_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// A close frame with the code 1012, "service restart".
const CLOSE_FRAME: [u8; 4] = [0x88, 2, 0x03, 0xf4];

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

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    version: u32,
    /// The settings that the listening sockets are for.
    listeners: Vec<String>,
    sockets: Vec<SocketRecord>,
}

/// What a state of every version begins with.
#[derive(Debug, Deserialize)]
struct Versioned {
    version: u32,
}

impl Bundle {
    /// Packs what is handed over. Sockets for which the system has no room are closed.
    ///
    /// # Errors
    /// The system refuses it.
    pub(crate) fn pack(handover: Handover) -> io::Result<Self> {
        let (sending, receiving) =
            socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None).map_err(io::Error::from)?;
        let file = File::from(memfd_create("parlor-handover", MemfdFlags::CLOEXEC)?);
        let (settings, listeners): (Vec<String>, Vec<OwnedFd>) = handover.listeners.into_iter().unzip();
        let first: Vec<BorrowedFd<'_>> = [file.as_fd()].into_iter().chain(listeners.iter().map(AsFd::as_fd)).collect();
        send_descriptors(&sending, &first)?;
        let mut sent = 0;
        for sockets in handover.sockets.chunks(DESCRIPTORS_PER_MESSAGE) {
            let descriptors: Vec<BorrowedFd<'_>> = sockets.iter().map(|socket| socket.stream.as_fd()).collect();
            if let Err(error) = send_descriptors(&sending, &descriptors) {
                warn!(%error, closed = handover.sockets.len() - sent, "sockets cannot be handed over");
                break;
            }
            sent += sockets.len();
        }
        let records = handover.sockets.into_iter().take(sent).map(|socket| socket.record).collect();
        let state = State { version: VERSION, listeners: settings, sockets: records };
        let mut writer = BufWriter::new(file);
        serde_json::to_writer(&mut writer, &state)?;
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

    /// Unpacks what is taken over: nothing, if it is not understood.
    #[must_use]
    pub fn unpack(self) -> Handover {
        let descriptors = match receive_descriptors(&self.0) {
            Ok(descriptors) => descriptors,
            Err(error) => {
                warn!(%error, "nothing can be taken over from the program before");
                return Handover::default();
            }
        };
        let mut descriptors = descriptors.into_iter();
        let Some(file) = descriptors.next() else { return Handover::default() };
        let rest: Vec<OwnedFd> = descriptors.collect();
        match read(File::from(file), rest.len()) {
            Ok(state) => taken_over(state, rest),
            Err(error) => {
                warn!(%error, "nothing can be taken over from the program before; its sockets are closed");
                rest.iter().filter(|socket| !is_listening(socket)).for_each(|socket| {
                    // Perhaps it is in the middle of a frame, or gone.
                    _ = send(socket, &CLOSE_FRAME, SendFlags::DONTWAIT | SendFlags::NOSIGNAL);
                });
                Handover::default()
            }
        }
    }
}

/// Reads the state that belongs to a number of descriptors.
fn read(mut file: File, descriptors: usize) -> Result<State, UnpackError> {
    file.rewind()?;
    let mut text = Vec::new();
    file.take(STATE_BYTES_MAX).read_to_end(&mut text)?;
    let Versioned { version } = serde_json::from_slice(&text)?;
    if version != VERSION {
        return Err(UnpackError::Version(version));
    }
    let state: State = serde_json::from_slice(&text)?;
    if state.listeners.len() + state.sockets.len() != descriptors {
        return Err(UnpackError::Content("it does not have the descriptors that it names"));
    }
    Ok(state)
}

/// Gives each descriptor its meaning. One that cannot have it is closed.
fn taken_over(state: State, descriptors: Vec<OwnedFd>) -> Handover {
    let mut descriptors = descriptors.into_iter();
    let listeners = state.listeners.into_iter().zip(descriptors.by_ref());
    let listeners = listeners.filter(|(_, socket)| is_listening(socket)).collect();
    let sockets = state.sockets.into_iter().zip(descriptors).filter(|(_, socket)| is_connected(socket));
    let sockets = sockets.map(|(record, stream)| HeldSocket { stream, record, attached: None });
    Handover { listeners, sockets: sockets.collect() }
}

fn is_listening(socket: &OwnedFd) -> bool {
    socket_acceptconn(socket).unwrap_or(false)
}

fn is_connected(socket: &OwnedFd) -> bool {
    socket_type(socket) == Ok(SocketType::STREAM) && !is_listening(socket) && rustix::net::getpeername(socket).is_ok()
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
    use bytes::BytesMut;
    use parlor_protocol::ids::{SessionId, UserId};
    use std::{
        net::{TcpListener, TcpStream},
        os::unix::net::UnixStream,
    };

    fn held(stream: OwnedFd, number: i64) -> HeldSocket {
        let record = SocketRecord {
            path: format!("/ws/chat/5-{number}/"),
            user: UserId(number),
            session: SessionId(number),
            external_id: number.to_string(),
            page: None,
            input: BytesMut::from(&b"\x81\xff half"[..]),
            output: BytesMut::new(),
            shown: vec![1, 2],
            rows: vec!["{}".to_owned()],
            host_session: None,
        };
        HeldSocket { stream, record, attached: None }
    }

    #[test]
    fn everything_comes_out_in_the_order_in_which_it_was_packed() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("bound");
        let (mut peers, mut sockets) = (Vec::new(), Vec::new());
        for number in 1..=300 {
            let (ours, theirs) = UnixStream::pair().expect("a pair");
            peers.push(theirs);
            sockets.push(held(ours.into(), number));
        }
        let bundle = Bundle::pack(Handover { listeners: vec![("here".to_owned(), listener.into())], sockets });
        let mut handover = bundle.expect("packed").unpack();
        let listener = handover.take_listener("here").map(TcpListener::from).expect("it is there");
        assert_eq!(listener.local_addr().expect("bound"), address);
        assert_eq!(handover.sockets.len(), 300);
        for (number, (socket, mut peer)) in (1..).zip(handover.sockets.into_iter().zip(peers)) {
            assert_eq!(format!("{:?}", socket.record), format!("{:?}", held(socket.stream, number).record));
            let mut end = Vec::new();
            peer.read_to_end(&mut end).expect("it was closed here");
        }
    }

    #[test]
    fn a_state_that_is_not_understood_closes_the_sockets_and_gives_nothing() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("bound");
        let states = [
            r#"{"version": 2, "listeners": ["here"], "sockets": [], "more": 1}"#,
            r#"{"version": 1, "listeners": ["here"], "sockets": []}"#,
            r#"{"version": 1"#,
            "",
        ];
        for state in states {
            let mut peer = TcpStream::connect(address).expect("connected");
            let (socket, _) = listener.accept().expect("accepted");
            let (sending, receiving) =
                socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None).expect("a pair");
            let mut file = File::from(memfd_create("test", MemfdFlags::CLOEXEC).expect("a file"));
            file.write_all(state.as_bytes()).expect("written");
            send_descriptors(&sending, &[file.as_fd(), listener.as_fd(), socket.as_fd()]).expect("sent");
            drop((sending, socket));
            let handover = Bundle(receiving).unpack();
            assert!(handover.listeners.is_empty() && handover.sockets.is_empty(), "{state}");
            let mut heard = Vec::new();
            peer.read_to_end(&mut heard).expect("it is closed");
            assert_eq!(heard, CLOSE_FRAME, "{state}");
        }
    }
}

//! Restarting in place: the sockets of pages that never reconnect are held while this process becomes the program that
//! is installed now.
//!
//! Old sockets finish the frame in progress and are held, everything else stops as at any stop, and the new program
//! gets the listening and the held sockets (`bundle.rs`). Messages that come meanwhile wait in the send queues, which stay
//! attached until the very end, and in the new program before anything can publish a message (see
//! [0021](../../../../docs/decisions/0021-restart-in-place.md)).
//! Invariants: whatever cannot be taken over is closed, and the server starts as usual; what is handed over has limits;
//! it is in memory only, since it contains cookies of the host.
//! Absent on purpose: sockets of clients that reconnect; surviving a crash.

pub mod bundle;
pub mod program;
mod record;

use crate::{
    hub::{Attached, Hub},
    identity::{actor::Actor, host_sessions::HostSessions},
};
use parlor_protocol::{close::Close, ids::UserId};
use rustix::net::{SendFlags, send};
use std::{
    collections::{HashMap, HashSet},
    os::fd::OwnedFd,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
};
use tokio::sync::{mpsc, oneshot, watch};
use tracing::{info, warn};

pub(crate) use record::SocketRecord;

/// How many sockets are held. Others are closed.
const SOCKETS_MAX: usize = 50_000;
/// How many bytes are held, of all sockets together and of those of one user. Sockets that do not fit in are closed.
const BYTES_MAX: usize = 192 * 1024 * 1024;
const USER_BYTES_MAX: usize = 16 * 1024 * 1024;
/// How many requests to restart wait for their answer.
const REQUESTS_MAX: usize = 4;
/// A close frame with the code 1012, "service restart".
const CLOSE_FRAME: [u8; 4] = [0x88, 2, 0x03, 0xf4];

/// Answers a request to restart: what prevents it, if anything does.
pub(crate) type RestartReply = oneshot::Sender<Result<(), String>>;

/// What a program takes over when it starts; nothing, usually.
#[derive(Debug, Default)]
pub struct Handover {
    /// Whether the program was started by a restart in place, even if nothing could be taken over: what the service
    /// manager passed to the first program is not there any more.
    pub(crate) is_restart: bool,
    /// The lock of the data folder.
    pub(crate) lock: Option<OwnedFd>,
    pub(crate) listeners: Vec<HandedListener>,
    pub(crate) sockets: Vec<HeldSocket>,
}

/// A listening socket that nobody accepts connections on at the moment.
#[derive(Debug)]
pub struct HandedListener {
    pub(crate) descriptor: OwnedFd,
    pub(crate) record: ListenerRecord,
}

/// What is known about a listening socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ListenerRecord {
    /// The entry of `listen` that it is for.
    pub(crate) setting: String,
    /// Device and inode of its file, if this server made one.
    pub(crate) file: Option<(u64, u64)>,
}

/// A socket that nobody serves at the moment.
#[derive(Debug)]
pub(crate) struct HeldSocket {
    pub(crate) stream: OwnedFd,
    pub(crate) record: SocketRecord,
    /// Where its messages wait; none if its user has too many connections.
    pub(crate) attached: Option<Attached>,
}

/// The held sockets of a server: those that it took over when it started, and later those that it will hand over.
#[derive(Debug, Default)]
pub struct Holding {
    is_on: watch::Sender<bool>,
    sockets: Mutex<Vec<HeldSocket>>,
    requests: OnceLock<mpsc::Sender<RestartReply>>,
}

impl HeldSocket {
    pub(crate) fn actor(&self) -> Actor {
        Actor { user: self.record.user, session: self.record.session }
    }

    /// Takes the messages that wait for it. Returns whether it can be handed over: not if some may be missing. One whose
    /// session has ended is closed by the next program, which looks sessions up again.
    fn take_messages(&mut self) -> bool {
        let Some(send_queue) = self.attached.as_ref().map(|attached| &attached.send_queue) else { return true };
        let rows = send_queue.take_ready().into_iter();
        self.record.rows.extend(rows.filter_map(|row| String::from_utf8(row.to_vec()).ok()));
        matches!(send_queue.closed(), None | Some(Close::SessionEnded | Close::Disabled))
    }

    /// Closes it as at a restart, after what is left to write, if the system takes that at once.
    fn close(self) {
        let left = [&self.record.output[..], &CLOSE_FRAME].concat();
        // It is closed in any case.
        _ = send(&self.stream, &left, SendFlags::DONTWAIT | SendFlags::NOSIGNAL);
    }
}

impl Holding {
    /// Begins with sockets that were taken over.
    pub(crate) fn of(sockets: Vec<HeldSocket>) -> Self {
        Self { sockets: Mutex::new(sockets), ..Self::default() }
    }

    /// Attaches what was taken over, so that messages wait for it. Before this, nothing may publish messages.
    pub(crate) async fn attach(&self, hub: &Arc<Hub>) {
        let mut sockets = self.take();
        for socket in &mut sockets {
            let Actor { user, session } = socket.actor();
            socket.attached = hub.attach_old_socket(user, session).await.ok();
        }
        *self.lock() = sockets;
    }

    /// Asks old sockets to be held.
    pub(crate) fn begin(&self) {
        self.is_on.send_replace(true);
    }

    /// Returns whether old sockets are held, because the server restarts in place.
    pub(crate) fn is_on(&self) -> bool {
        *self.is_on.borrow()
    }

    /// Returns a receiver that becomes true when old sockets are to be held.
    pub(crate) fn signal(&self) -> watch::Receiver<bool> {
        self.is_on.subscribe()
    }

    /// Holds a socket, unless there are too many: it is closed then.
    pub(crate) fn hold(&self, socket: HeldSocket) {
        let mut sockets = self.lock();
        if sockets.len() < SOCKETS_MAX {
            sockets.push(socket);
        }
    }

    /// Takes the held sockets.
    pub(crate) fn take(&self) -> Vec<HeldSocket> {
        std::mem::take(&mut self.lock())
    }

    /// Takes the sockets that are handed over, with their messages and what the host's sessions need: called when
    /// nothing publishes messages any more.
    pub(crate) fn take_all(&self, host: Option<&HostSessions>) -> Vec<HeldSocket> {
        let (mut sockets, mut closed) = (Vec::new(), Vec::new());
        for mut socket in self.take() {
            let list = if socket.take_messages() { &mut sockets } else { &mut closed };
            list.push(socket);
        }
        if let Some(host) = host {
            let sessions: HashSet<_> = sockets.iter().map(|socket| socket.record.session).collect();
            let records = host.records(&sessions);
            for socket in &mut sockets {
                socket.record.host_session = records.get(&socket.record.session).cloned();
            }
        }
        let (kept, too_large) = within_limits(sockets, BYTES_MAX, USER_BYTES_MAX);
        closed.extend(too_large);
        info!(held = kept.len(), "Sockets are held during the restart");
        if !closed.is_empty() {
            warn!(closed = closed.len(), "Sockets are closed, because too much waits for them");
        }
        closed.into_iter().for_each(HeldSocket::close);
        kept
    }

    /// Returns the requests to restart. Called once, by what can restart this server.
    pub(crate) fn requests(&self) -> mpsc::Receiver<RestartReply> {
        let (sender, receiver) = mpsc::channel(REQUESTS_MAX);
        // A second receiver hears nothing.
        _ = self.requests.set(sender);
        receiver
    }

    /// Asks for a restart in place. It begins when this returns.
    ///
    /// # Errors
    /// What prevents it.
    pub(crate) async fn request_restart(&self) -> Result<(), String> {
        let impossible = || "this server cannot be restarted in place".to_owned();
        let (reply, replied) = oneshot::channel();
        let requests = self.requests.get().ok_or_else(impossible)?;
        requests.try_send(reply).map_err(|_| "it restarts already".to_owned())?;
        replied.await.unwrap_or_else(|_| Err("it stops".to_owned()))
    }

    fn lock(&self) -> MutexGuard<'_, Vec<HeldSocket>> {
        self.sockets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns the sockets that are kept, and the others. Those that hold least are kept first, so that nobody's socket is
/// closed because of what waits for others.
fn within_limits(
    sockets: Vec<HeldSocket>,
    bytes_max: usize,
    user_bytes_max: usize,
) -> (Vec<HeldSocket>, Vec<HeldSocket>) {
    let mut sized: Vec<_> = sockets.into_iter().map(|socket| (socket.record.bytes(), socket)).collect();
    sized.sort_by_key(|(bytes, _)| *bytes);
    let (mut kept, mut others) = (Vec::new(), Vec::new());
    let (mut of_all, mut of_users) = (0_usize, HashMap::<UserId, usize>::new());
    for (bytes, socket) in sized {
        let of_user = of_users.entry(socket.record.user).or_default();
        let (with_all, with_user) = (of_all.saturating_add(bytes), of_user.saturating_add(bytes));
        if with_all <= bytes_max && with_user <= user_bytes_max {
            (of_all, *of_user) = (with_all, with_user);
            kept.push(socket);
        } else {
            others.push(socket);
        }
    }
    (kept, others)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::BytesMut;
    use parlor_protocol::ids::SessionId;
    use std::os::unix::net::UnixStream;

    /// Returns the users of those sockets that are kept. Each has a path of some length; the limits are 192,000 bytes,
    /// and 16,000 for a user.
    fn kept(sizes: impl IntoIterator<Item = (i64, usize)>) -> Vec<i64> {
        let held = |(user, bytes): (i64, usize)| {
            let (stream, _) = UnixStream::pair().expect("a pair");
            let record = SocketRecord { path: "x".repeat(bytes), ..record(user) };
            HeldSocket { stream: stream.into(), record, attached: None }
        };
        let (kept, _) = within_limits(sizes.into_iter().map(held).collect(), 192_000, 16_000);
        kept.iter().map(|socket| socket.record.user.0).collect()
    }

    pub(super) fn record(user: i64) -> SocketRecord {
        SocketRecord {
            path: format!("/ws/chat/5-{user}/"),
            user: UserId(user),
            session: SessionId(user),
            external_id: user.to_string(),
            page: None,
            input: BytesMut::from(&b"\x81\xff half"[..]),
            output: BytesMut::new(),
            shown: vec![1, 2],
            rows: vec!["{}".to_owned()],
            host_session: None,
            life_left_ms: Some(60_000),
        }
    }

    #[test]
    fn nobody_loses_a_socket_because_of_what_waits_for_others() {
        let large = (1..=14).map(|user| (user, 15_000));
        let small = (101..=120).map(|user| (user, 10));
        let kept = kept(large.chain(small));
        assert_eq!(kept[..20], (101..=120).collect::<Vec<_>>());
        assert_eq!(kept.len(), 20 + 12);
    }

    #[test]
    fn one_user_has_a_share_and_keeps_the_small_ones() {
        assert_eq!(kept([(1, 9000), (1, 8000), (1, 10), (2, 9000)]), [1, 1, 2]);
    }

    #[test]
    fn everything_that_a_socket_holds_counts() {
        let empty = record(1).bytes();
        let long = "x".repeat(1000);
        let with_rows = SocketRecord { rows: vec![long.clone()], ..record(1) };
        let with_output = SocketRecord { output: BytesMut::from(long.as_bytes()), ..record(1) };
        let with_path = SocketRecord { path: long, ..record(1) };
        let with_shown = SocketRecord { shown: vec![1; 500], ..record(1) };
        for record in [with_rows, with_output, with_path, with_shown] {
            assert!(record.bytes() > empty + 900, "{} {empty}", record.bytes());
            assert_eq!(record.bytes(), record.line().expect("JSON").len());
        }
    }
}

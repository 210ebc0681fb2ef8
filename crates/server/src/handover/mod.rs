//! Restarting in place: the sockets of pages that never reconnect are held while this process becomes the program that
//! is installed now.
//!
//! Old sockets finish the frame in progress and are held, everything else stops as at any stop, and the new program
//! gets the listening and the held sockets (`bundle.rs`). Messages that come meanwhile wait in the outboxes, which stay
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
    identity::actor::Actor,
};
use parlor_protocol::close::Close;
use std::{
    os::fd::OwnedFd,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
};
use tokio::sync::{mpsc, oneshot, watch};
use tracing::{info, warn};

pub(crate) use record::SocketRecord;

/// How many sockets are held. Others are closed.
const SOCKETS_MAX: usize = 50_000;
/// How many bytes of messages are held, of all sockets together. Sockets that do not fit in are closed.
const BYTES_MAX: usize = 64 * 1024 * 1024;
/// How many requests to restart wait for their answer.
const REQUESTS_MAX: usize = 4;

/// Answers a request to restart: what prevents it, if anything does.
pub(crate) type RestartReply = oneshot::Sender<Result<(), String>>;

/// What a program takes over when it starts; nothing, usually.
#[derive(Debug, Default)]
pub struct Handover {
    /// Listening sockets, with the setting that each is for.
    pub(crate) listeners: Vec<(String, OwnedFd)>,
    pub(crate) sockets: Vec<HeldSocket>,
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

impl Handover {
    /// Takes the listening socket for a setting.
    pub(crate) fn take_listener(&mut self, setting: &str) -> Option<OwnedFd> {
        let at = self.listeners.iter().position(|(name, _)| name == setting)?;
        Some(self.listeners.swap_remove(at).1)
    }
}

impl HeldSocket {
    pub(crate) fn actor(&self) -> Actor {
        Actor { user: self.record.user, session: self.record.session }
    }

    /// Takes the messages that wait for it. Returns whether it can be handed over: not if some may be missing. One whose
    /// session has ended is closed by the next program, which looks sessions up again.
    fn take_messages(&mut self) -> bool {
        let Some(outbox) = self.attached.as_ref().map(|attached| &attached.outbox) else { return true };
        let rows = outbox.take_ready().into_iter();
        self.record.rows.extend(rows.filter_map(|row| String::from_utf8(row.to_vec()).ok()));
        matches!(outbox.closed(), None | Some(Close::SessionEnded | Close::Disabled))
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

    /// Takes the sockets that are handed over, with their messages: called when nothing publishes messages any more.
    pub(crate) fn take_all(&self) -> Vec<HeldSocket> {
        let (mut kept, mut bytes) = (self.take(), 0);
        let before = kept.len();
        kept.retain_mut(|socket| {
            let is_whole = socket.take_messages();
            bytes += socket.record.bytes();
            is_whole && bytes <= BYTES_MAX
        });
        info!(held = kept.len(), "Sockets are held during the restart");
        if kept.len() < before {
            warn!(closed = before - kept.len(), "Sockets are closed, because too much waits for them");
        }
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

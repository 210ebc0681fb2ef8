//! A socket in a broadcast room: passes on what the application sends to a group, and answers the page's pings.
//!
//! Invariants: only one place waits, for whatever comes first; a socket of a user ends with their session; what a page
//! sends besides pings is read and dropped.

use super::{
    Socket, Upgrade,
    ending::{End, close},
    upgraded,
    wire::Moved,
};
use crate::{
    app::App,
    bridge::{Bridge, GroupMember},
    hub::{AttachError, Attached, SendQueue, Taken},
    identity::actor::Actor,
    listener::until_stopped,
    profile::rooms::RoomProfile,
    ws::framing::Message,
};
use parlor_protocol::{
    close::Close,
    error::{Code, Problem},
};
use serde_json::{Map, Value};
use std::{sync::Arc, time::Duration};
use tokio::time::{Instant, sleep_until};

/// A frame that is longer than this is no ping.
const PING_BYTES_MAX: usize = 1024;

/// A socket that may be opened: it is in its group already, so that nothing is missed that is sent once the page knows
/// that it is open.
pub(crate) struct Visit {
    app: Arc<App>,
    room: Arc<RoomProfile>,
    /// The user's connection; none for a room that everyone may join.
    attached: Option<Attached>,
    send_queue: Arc<SendQueue>,
    _member: GroupMember,
}

impl Visit {
    /// Joins a group for a user, or for nobody in particular.
    ///
    /// # Errors
    /// The user has too many connections, their session has ended, or the server is stopping.
    pub(crate) async fn begin(
        app: &Arc<App>,
        bridge: &Bridge,
        (room, group): (&Arc<RoomProfile>, &str),
        user: Option<(Actor, u64)>,
    ) -> Result<Self, Problem> {
        let attached = match user {
            Some((actor, ends)) => {
                let attached = app.hub.attach_room(actor.user, actor.session).await.map_err(|cause| match cause {
                    AttachError::TooMany => Problem::from(Code::TooMany),
                    AttachError::Draining => Code::Draining.into(),
                    AttachError::Layer(_) => Code::Unavailable.into(),
                })?;
                if !app.is_signed_in(actor, ends).await? {
                    return Err(Code::NotSignedIn.into());
                }
                Some(attached)
            }
            None if app.is_draining() => return Err(Code::Draining.into()),
            None => None,
        };
        let send_queue = attached.as_ref().map_or_else(Arc::default, |attached| attached.send_queue.clone());
        let member = bridge.join(group, room.clone(), send_queue.clone()).await;
        Ok(Self { app: app.clone(), room: room.clone(), attached, send_queue, _member: member })
    }

    /// Serves the socket until it ends.
    pub(crate) async fn serve(self, upgrade: Upgrade) {
        let Some(mut wire) = upgraded(&self.app, upgrade).await else { return };
        let mut stop = self.app.draining();
        let end = loop {
            let stopping = async {
                if self.attached.is_some() {
                    // The hub closes its connections.
                    std::future::pending::<()>().await;
                }
                until_stopped(&mut stop).await;
            };
            let stepped = tokio::select! {
                stepped = self.step(&mut wire) => stepped,
                () = stopping => Err(End::Close(Close::Restarting)),
            };
            if let Err(end) = stepped {
                break end;
            }
        };
        match end {
            End::Close(why) => {
                self.app.metrics.closes.get_or_create(&why.into()).inc();
                close(&self.app, wire, why).await;
            }
            End::Closed(code) => wire.close(code, "", true).await,
            End::Gone => {}
        }
    }

    async fn step(&self, wire: &mut Socket) -> Result<(), End> {
        let has_room = wire.unwritten() == 0;
        let socket = &self.app.config.socket;
        let silent = wire.last_received() + Duration::from_millis(socket.silence_ms);
        let ping = wire.last_sent() + Duration::from_millis(socket.ping_interval_ms);
        tokio::select! {
            taken = self.send_queue.take(), if has_room => match taken {
                Taken::Frames(frames) => frames.iter().for_each(|frame| wire.text(frame)),
                Taken::Closed(why) => return Err(End::Close(why)),
            },
            why = self.send_queue.until_closed(), if !has_room => return Err(End::Close(why)),
            moved = wire.moved(true) => match moved? {
                Moved::Read(Message::Text(text)) => {
                    if let Some(pong) = self.pong(&text) {
                        wire.text(&pong);
                    }
                }
                Moved::Read(Message::Binary(_)) => return Err(End::Close(Close::Unsupported)),
                Moved::Read(Message::Close(code)) => return Err(End::Closed(code)),
                Moved::Read(Message::Ping(_) | Message::Pong) | Moved::Written => {}
            },
            () = sleep_until(silent) => {
                // A pong may have come in the meantime.
                if Instant::now() >= wire.last_received() + Duration::from_millis(socket.silence_ms) {
                    return Err(End::Close(Close::Silent));
                }
            }
            // Bytes that are still being written serve as a ping.
            () = sleep_until(ping.max(Instant::now())), if has_room => wire.ping(),
        }
        Ok(())
    }

    /// Returns the answer to a frame of a page, if the room has one.
    fn pong(&self, text: &[u8]) -> Option<Vec<u8>> {
        let (ping, pong) = (self.room.ping.as_ref()?, self.room.pong.as_ref()?);
        if text.len() > PING_BYTES_MAX {
            return None;
        }
        let frame: Map<String, Value> = serde_json::from_slice(text).ok()?;
        let is_ping = ping.iter().all(|(name, value)| frame.get(name) == Some(value));
        is_ping.then(|| serde_json::to_vec(pong).expect("an object has string keys only"))
    }
}

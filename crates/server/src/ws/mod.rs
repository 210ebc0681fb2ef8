//! The socket `/v1/socket`: a transport for commands, replies and events. It decides nothing.

mod connection;
mod ending;
mod frames;
pub(crate) mod framing;
mod heartbeat;
mod room;
mod subscriptions;
mod uploads;
pub(crate) mod wire;

use crate::{
    access_log::SocketEntry,
    app::App,
    identity::actor::Actor,
    listener::{TimedStream, until_stopped},
};
use framing::{Fault, Message};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use parlor_protocol::close::Close;
use std::{sync::Arc, time::Duration};
use tokio::time::timeout_at;
use wire::{Bounds, Moved, Stop, Wire};

pub(crate) use room::Visit;

/// The part of their longest life in which sockets end.
const LIFE_SPREAD: u64 = 5;

/// The subprotocol.
pub const SUBPROTOCOL: &str = "parlor.v1";

/// A connection that becomes a socket, and its entry in the access log.
pub(crate) struct Upgrade {
    pub(crate) on: OnUpgrade,
    pub(crate) log: Option<SocketEntry>,
}

/// A connection that has become a socket.
pub(crate) type Socket = Wire<TimedStream>;

/// Serves a socket until it ends. Its Origin was checked, and its session, when the hub had counted `ends`.
pub(crate) async fn serve(app: Arc<App>, actor: (Actor, u64), upgrade: Upgrade) {
    // Boxed, so that what only opening needs is freed before the connection waits.
    let opened = Box::pin(open(app, actor, upgrade)).await;
    if let Some(connection) = opened {
        connection.serve().await;
    }
}

async fn open(app: Arc<App>, actor: (Actor, u64), upgrade: Upgrade) -> Option<Box<connection::Connection>> {
    let socket = upgraded(&app, upgrade).await?;
    connection::open(app, actor, socket).await
}

/// Echoes messages until the client ends or the server stops.
pub(crate) async fn echo(app: Arc<App>, upgrade: Upgrade) {
    let Some(mut socket) = upgraded(&app, upgrade).await else { return };
    let (silence, mut stop) = (Duration::from_millis(app.config.socket.silence_ms), app.draining());
    drop(app);
    loop {
        let deadline = socket.last_received() + silence;
        let moved = tokio::select! {
            moved = timeout_at(deadline, socket.moved(true)) => moved,
            () = until_stopped(&mut stop) => return socket.close(Some(Close::Restarting.code()), "", false).await,
        };
        let Ok(moved) = moved else { return socket.close(Some(Close::Silent.code()), "", false).await };
        match moved {
            Ok(Moved::Read(Message::Text(text))) => socket.text(&text),
            Ok(Moved::Read(Message::Binary(bytes))) => socket.binary(&bytes),
            Ok(Moved::Read(Message::Close(code))) => return socket.close(code, "", true).await,
            Ok(_) => {}
            Err(Stop::Fault(fault)) => return socket.close(Some(Close::from(fault).code()), "", true).await,
            Err(Stop::TooFast) => return socket.close(Some(Close::TooFast.code()), "", true).await,
            Err(Stop::Expired) => return socket.close(Some(Close::Expired.code()), "", false).await,
            Err(Stop::Gone | Stop::Stuck) => return,
        }
    }
}

/// Returns the stream of an upgraded connection. Bytes that came with the handshake are copied, so that the buffer of
/// the head is freed.
pub(crate) async fn upgraded(app: &App, Upgrade { on, log }: Upgrade) -> Option<Socket> {
    let upgraded = on.await.inspect_err(|error| tracing::debug!(%error, "a connection became no socket")).ok()?;
    let parts = upgraded.downcast::<TokioIo<TimedStream>>().ok()?;
    let wire = Wire::new(parts.io.into_inner(), &parts.read_buf, Bounds::of(&app.config));
    Some(wire.logged_as(log).living_for(life(app)))
}

/// Returns how long a socket may live, if not forever. They do not all end at once.
pub(crate) fn life(app: &App) -> Option<Duration> {
    let max_ms = app.config.socket.life_max_ms;
    (max_ms > 0).then(|| Duration::from_millis(max_ms - app.environment.jitter(max_ms / LIFE_SPREAD)))
}

impl From<Fault> for Close {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Protocol(_) => Self::ProtocolError,
            Fault::NotUtf8 => Self::NotUtf8,
            Fault::TooLarge => Self::TooLarge,
        }
    }
}

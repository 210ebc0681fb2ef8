//! Sockets of signed-in people, resumed.

use crate::{
    Result,
    frames::{self, Heard},
    people::Person,
    wire::Socket,
};
use parlor_protocol::cursor::Cursor;
use std::{
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};
use tokio::time::timeout;

/// Sockets from one address: far fewer than the system has ports for. It seeks a free one the longer the more are
/// taken, and those of the run before are for a minute more.
const ADDRESS_SOCKETS_MAX: usize = 2_000;
/// How long one may take.
const OPENING: Duration = Duration::from_secs(20);

/// Opens a socket and resumes; `place` is its number among all.
pub(crate) async fn open(server: SocketAddr, person: &Person, place: usize, cursor: Option<Cursor>) -> Result<Socket> {
    let opening = async {
        let last = u8::try_from(place / ADDRESS_SOCKETS_MAX + 1).map_err(|_| "too many sockets")?;
        let mut socket = Socket::open(server, Ipv4Addr::new(127, 0, 0, last), &person.token).await?;
        let mut out = Vec::new();
        frames::resume(&mut out, person.user, cursor);
        socket.write(&out).await?;
        reply(&mut socket).await?;
        Ok(socket)
    };
    timeout(OPENING, opening).await.map_err(|_| "a socket was not opened in time".to_owned())?
}

/// Waits for the next reply.
pub(crate) async fn reply(socket: &mut Socket) -> Result<()> {
    loop {
        let mut answer = Ok(false);
        socket
            .read(|frame| match frames::sort(frame) {
                Ok(heard) => answer = answer.clone().map(|is_there| is_there || matches!(heard, Heard::Reply(_))),
                Err(error) => answer = Err(error),
            })
            .await?;
        if answer? {
            return Ok(());
        }
    }
}

/// Answers heartbeats until the socket ends, and says why it did.
pub(crate) async fn idle(mut socket: Socket) -> String {
    let mut heartbeat = Vec::new();
    frames::heartbeat(&mut heartbeat);
    loop {
        let mut beats = 0;
        let read = socket.read(|frame| beats += usize::from(frames::sort(frame) == Ok(Heard::Heartbeat))).await;
        if let Err(error) = read {
            return error;
        }
        for _ in 0..beats {
            if let Err(error) = socket.write(&heartbeat).await {
                return error;
            }
        }
    }
}

//! Opens sockets of signed-in users and resumes them.

use crate::{
    Result,
    frames::{self, ServerFrame},
    users::BenchUser,
    websocket::Socket,
};
use parlor_protocol::cursor::Cursor;
use std::{
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};
use tokio::time::timeout;

/// Sockets per client address: far fewer than there are ports. Finding a free port takes longer the more are taken,
/// and those of the previous run stay taken for a minute.
const ADDRESS_SOCKETS_MAX: usize = 2_000;
/// The timeout of opening a socket.
const OPENING: Duration = Duration::from_secs(20);

/// Opens a socket and resumes; `place` is its index.
pub(crate) async fn open(server: SocketAddr, user: &BenchUser, place: usize, cursor: Option<Cursor>) -> Result<Socket> {
    let opening = async {
        let last = u8::try_from(place / ADDRESS_SOCKETS_MAX + 1).map_err(|_| "too many sockets")?;
        let mut socket = Socket::open(server, Ipv4Addr::new(127, 0, 0, last), &user.token).await?;
        let mut out = Vec::new();
        frames::resume(&mut out, user.user, cursor);
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
                Ok(received) => {
                    answer = answer.clone().map(|is_there| is_there || matches!(received, ServerFrame::Reply(_)));
                }
                Err(error) => answer = Err(error),
            })
            .await?;
        if answer? {
            return Ok(());
        }
    }
}

/// Answers heartbeats until the socket ends, and returns why it ended.
pub(crate) async fn idle(mut socket: Socket) -> String {
    let mut heartbeat = Vec::new();
    frames::heartbeat(&mut heartbeat);
    loop {
        let mut beats = 0;
        let read = socket.read(|frame| beats += usize::from(frames::sort(frame) == Ok(ServerFrame::Heartbeat))).await;
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

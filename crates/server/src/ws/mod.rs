//! The socket `/v1/socket`: a transport for commands, replies and events. It decides nothing.

mod connection;
mod frames;
mod screen;
mod uploads;
mod wire;

use crate::app::{Actor, App};
use axum::{
    extract::ws::WebSocketUpgrade,
    response::{IntoResponse, Response},
};
use parlor_protocol::{
    error::{Code, Problem},
    limits::Limits,
};
use std::sync::Arc;

/// The subprotocol.
pub const SUBPROTOCOL: &str = "parlor.v1";

/// Bytes that one read takes from a socket at most. Small: every idle socket keeps as many.
const READ_BUFFER_BYTES: usize = 1024;
/// Bytes gathered before they are written, when more is queued.
const WRITE_BUFFER_BYTES: usize = 16 * 1024;

/// Turns a request whose session (when the hub counted so many ends) and Origin were checked into a socket.
///
/// # Errors
/// The client does not offer the subprotocol.
pub fn upgrade(app: Arc<App>, actor: (Actor, u64), upgrade: WebSocketUpgrade) -> Result<Response, Problem> {
    let upgrade = bounded(upgrade, &app.config.limits).protocols([SUBPROTOCOL]);
    if upgrade.selected_protocol().is_none() {
        return Err(Problem::new(Code::InvalidField).with_detail("the subprotocol parlor.v1 is expected"));
    }
    Ok(upgrade.on_upgrade(move |socket| connection::run(app, actor, socket)).into_response())
}

/// A socket with the limits in force.
///
/// A frame over `frame_bytes_max` is read all the same, up to twice as much, so that it can be answered with a
/// close code before the connection goes; beyond that the connection is cut.
pub fn bounded(upgrade: WebSocketUpgrade, limits: &Limits) -> WebSocketUpgrade {
    let frame = limits.frame_bytes_max as usize;
    upgrade
        .max_frame_size(frame.saturating_mul(2))
        .max_message_size(frame.saturating_mul(2))
        .read_buffer_size(READ_BUFFER_BYTES)
        .write_buffer_size(WRITE_BUFFER_BYTES)
        // No frame is too large to be written: answers are bounded by their pages, and writing waits for the network
        // whenever more than the buffer is unwritten.
        .max_write_buffer_size(usize::MAX)
}

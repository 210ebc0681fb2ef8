//! A socket's frames: what came is read while what is queued is written, so that neither waits for the other.

use axum::extract::ws::{Message, WebSocket};
use futures_util::{Sink as _, Stream as _};
use parlor_protocol::close::Close;
use std::{
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll, ready},
};

/// See the module.
pub(super) struct Wire {
    socket: WebSocket,
    /// Bytes queued since the queue was empty last.
    unwritten: usize,
}

/// What a socket has come to.
pub(super) enum Moved {
    /// A message; `None` at the end.
    Read(Option<Result<Message, axum::Error>>),
    /// All that was queued is written.
    Written(Result<(), axum::Error>),
}

impl Wire {
    pub(super) fn new(socket: WebSocket) -> Self {
        Self { socket, unwritten: 0 }
    }

    /// Queues a message. [`Wire::moved`] writes it.
    ///
    /// # Errors
    /// The connection is closed.
    pub(super) fn queue(&mut self, message: Message) -> Result<(), axum::Error> {
        self.unwritten += bytes(&message);
        // The library queues whatever the state of the network.
        Pin::new(&mut self.socket).start_send(message)
    }

    /// Bytes that were queued and are perhaps not written.
    pub(super) fn unwritten(&self) -> usize {
        self.unwritten
    }

    /// Writes what is queued, and reads if told to, until one of the two has come to something. Safe to drop.
    pub(super) async fn moved(&mut self, may_read: bool) -> Moved {
        poll_fn(|context| {
            if self.unwritten > 0
                && let Poll::Ready(written) = self.poll_written(context)
            {
                return Poll::Ready(Moved::Written(written));
            }
            if may_read {
                let read = ready!(Pin::new(&mut self.socket).poll_next(context));
                return Poll::Ready(Moved::Read(read));
            }
            Poll::Pending
        })
        .await
    }

    fn poll_written(&mut self, context: &mut Context<'_>) -> Poll<Result<(), axum::Error>> {
        let written = ready!(Pin::new(&mut self.socket).poll_flush(context));
        self.unwritten = 0;
        Poll::Ready(written)
    }
}

/// What a message weighs, its head included.
fn bytes(message: &Message) -> usize {
    let content = match message {
        Message::Text(text) => text.len(),
        Message::Binary(bytes) | Message::Ping(bytes) | Message::Pong(bytes) => bytes.len(),
        Message::Close(_) => 0,
    };
    content + 16
}

/// What the library would not read: too large, or not UTF-8; else the network is gone.
pub(super) fn why_unreadable(cause: &axum::Error) -> Option<Close> {
    let text = cause.to_string();
    tracing::debug!(%cause, "a socket could not be read");
    if text.contains("too long") || text.contains("too big") {
        Some(Close::TooLarge)
    } else if text.contains("UTF-8") || text.contains("utf-8") {
        Some(Close::Unsupported)
    } else {
        None
    }
}

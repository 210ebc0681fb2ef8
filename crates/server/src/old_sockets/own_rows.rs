//! Finds the row of a message that a view of the host wrote, among the rows that the mirror publishes to the socket.

use crate::{
    host_pages::HostPages, host_side::MessageTarget, mirror::message_row::HostMessageRow, profile::sockets::SocketError,
};
use tokio::{
    sync::mpsc,
    time::{Instant, timeout_at},
};

/// Rows of the socket's user that may come while one of their messages is sent.
const ROWS_MAX: usize = 64;
/// How far the host's clock may be behind, in milliseconds, with what it leaves out of a time.
const CLOCKS_DIFFER_MAX_MS: i64 = 2000;

/// The rows of the socket's user, from before the message was sent.
#[derive(Debug)]
pub(super) struct OwnRows {
    rows: mpsc::Receiver<HostMessageRow>,
    /// When the frame must be answered.
    deadline: Instant,
}

/// A message that a view has accepted.
#[derive(Debug)]
pub(super) struct Posted {
    pub(super) sender: String,
    pub(super) target: MessageTarget,
    pub(super) text: String,
    /// When it was sent, in milliseconds since 1970.
    pub(super) sent_at_ms: i64,
}

impl OwnRows {
    /// Returns the rows, and where to put them. A row for which there is no room is not found.
    pub(super) fn new(deadline: Instant) -> (mpsc::Sender<HostMessageRow>, Self) {
        let (sender, rows) = mpsc::channel(ROWS_MAX);
        (sender, Self { rows, deadline })
    }

    pub(super) const fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Waits for the row of a message. A row is found once, whichever of the user's sockets sent the message.
    pub(super) async fn find(mut self, pages: &HostPages, posted: &Posted) -> Result<HostMessageRow, SocketError> {
        let finding = async {
            loop {
                let row = self.rows.recv().await?;
                if posted.is(&row) && pages.claim(row.row_id) {
                    return Some(row);
                }
            }
        };
        timeout_at(self.deadline, finding).await.ok().flatten().ok_or(SocketError::Unavailable)
    }
}

impl Posted {
    fn is(&self, row: &HostMessageRow) -> bool {
        row.sender.id == self.sender
            && row.recipient.id == self.target.recipient
            && row.context == self.target.context
            && row.created_at_ms >= self.sent_at_ms - CLOCKS_DIFFER_MAX_MS
            && as_stored(&row.text) == as_stored(&self.text)
    }
}

/// Returns a text without what views change in it.
fn as_stored(text: &str) -> String {
    text.replace("\r\n", "\n").trim().to_owned()
}

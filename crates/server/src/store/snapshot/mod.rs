//! Reads: every statement of one answer, the clock's included, runs in one snapshot (I6).
//!
//! Rows are reached through the viewer's membership (I9): a conversation that the viewer is not in does not exist for
//! them.

mod changes;
mod conversations;
mod heads;
mod host_rows;
mod members;
mod messages;
mod mirror;
mod read_from;
mod reports;
mod search;
mod users;
mod visible_messages;

use super::{Result, column, connection::DatabaseConnection, rows::RowReader};
use parlor_protocol::{
    cursor::Cursor,
    ids::{Epoch, Version},
    limits::Limits,
};

pub(crate) use heads::SyncStatus;
pub use host_rows::{MirroredRow, UnmirroredMessage, UnmirroredMessages};
pub use messages::PageAnchor;
pub use mirror::HostRowFlags;
pub(crate) use search::{SEARCHED_CONVERSATIONS_MAX, SearchScope, SearchedConversation};

/// A fixed state of the store. It lives on a store thread, for one unit of work.
#[derive(Debug)]
pub struct Snapshot<'work> {
    connection: &'work mut DatabaseConnection,
    limits: &'work Limits,
    /// Whether members can see how far others have read.
    receipts: bool,
    /// The cursor of this state.
    pub cursor: Cursor,
}

impl Snapshot<'_> {
    /// Runs `work` on the current state.
    pub(super) fn run<T>(
        connection: &mut DatabaseConnection,
        limits: &Limits,
        receipts: bool,
        work: impl FnOnce(&mut Snapshot<'_>) -> Result<T>,
    ) -> Result<T> {
        connection.begin_read()?;
        let sql = "SELECT version, (SELECT epoch FROM starts ORDER BY position DESC LIMIT 1) FROM clock";
        let cursor = connection.query_one(sql, &[], |row| {
            let mut reader = RowReader::new(row);
            let version = Version(reader.int()?);
            Ok(Cursor { epoch: Epoch(reader.optional_int()?.unwrap_or(1)), version })
        });
        let answer =
            cursor.and_then(|cursor| work(&mut Snapshot { connection: &mut *connection, limits, receipts, cursor }));
        connection.roll_back();
        answer
    }

    pub(crate) fn connection(&mut self) -> &mut DatabaseConnection {
        self.connection
    }

    /// Returns whether a cursor belongs to this store's past: its epoch is known, and its version is not beyond the
    /// clock at which the next epoch began.
    ///
    /// # Errors
    /// The store is unavailable.
    pub fn is_valid(&mut self, cursor: Cursor) -> Result<bool> {
        let ended = self.connection().query_optional(
            "SELECT (SELECT n.version FROM starts n WHERE n.position > s.position \
             ORDER BY n.position LIMIT 1) FROM starts s WHERE s.epoch = $1",
            &[cursor.epoch.0.into()],
            |row| column::<Option<i64>>(row, 0),
        )?;
        let Some(ended) = ended else { return Ok(false) };
        Ok(cursor.version <= ended.map_or(self.cursor.version, Version))
    }
}

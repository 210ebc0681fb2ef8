//! Reading: every statement of one answer runs in one snapshot, the clock among them (I6).
//!
//! Rows are reached through the asker's membership (I9): a conversation that the asker is not in is not there.

mod changes;
mod conversations;
mod following;
mod heads;
mod members;
mod messages;
mod people;
mod search;
mod sight;

use super::{Dialect, Result, Store, query, rows::Reader};
use parlor_protocol::{
    cursor::Cursor,
    ids::{Epoch, Version},
    limits::Limits,
};
use sqlx::{Any, Transaction};

pub(crate) use heads::News;
pub use messages::Page;
pub(crate) use search::{PLACES_MAX, Place, Where};

/// A state of the store that does not move while it is read.
#[derive(Debug)]
pub struct Snapshot<'store> {
    transaction: Transaction<'store, Any>,
    limits: &'store Limits,
    /// Whether anybody is told how far others have read.
    receipts: bool,
    /// The cursor of this state.
    pub cursor: Cursor,
}

impl Store {
    /// The state as it is now.
    ///
    /// # Errors
    /// The store is not there.
    pub async fn snapshot<'store>(&'store self, limits: &'store Limits) -> Result<Snapshot<'store>> {
        let begin = match self.dialect {
            Dialect::Sqlite => "BEGIN",
            Dialect::Postgres => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
        };
        let mut transaction = self.readers.begin_with(begin).await?;
        let row = query("SELECT version, (SELECT epoch FROM starts ORDER BY position DESC LIMIT 1) FROM clock")
            .fetch_one(&mut *transaction)
            .await?;
        let mut reader = Reader::new(&row);
        let version = Version(reader.int()?);
        let epoch = Epoch(reader.optional_int()?.unwrap_or(1));
        Ok(Snapshot { transaction, limits, receipts: self.receipts, cursor: Cursor { epoch, version } })
    }
}

impl Snapshot<'_> {
    pub(crate) fn connection(&mut self) -> &mut sqlx::AnyConnection {
        &mut self.transaction
    }

    /// Whether a cursor is of this store's past: its epoch is known, and its version is not past the clock at
    /// which the next epoch began.
    ///
    /// # Errors
    /// The store is not there.
    pub async fn is_good(&mut self, cursor: Cursor) -> Result<bool> {
        let row = query(
            "SELECT s.position, (SELECT n.version FROM starts n WHERE n.position > s.position \
             ORDER BY n.position LIMIT 1) FROM starts s WHERE s.epoch = $1",
        )
        .bind(cursor.epoch.0)
        .fetch_optional(self.connection())
        .await?;
        let Some(row) = row else { return Ok(false) };
        let ended = Reader::from(&row, 1).optional_int()?.map_or(self.cursor.version, Version);
        Ok(cursor.version <= ended)
    }
}

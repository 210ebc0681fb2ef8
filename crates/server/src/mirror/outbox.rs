//! The outbox in the host's database: a queue of rows to look at again, which triggers fill ([`super::triggers`]).
//!
//! An entry is removed by its key once it was handled, and never skipped by its number: a slow transaction of the host
//! may commit a lower number later. Entries may repeat, and may lag behind the rows.

use crate::host::{HostDatabase, HostError, HostKind, HostRow, HostValue, HostWatch};
use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

/// The channel of PostgreSQL's notifications.
pub(super) const CHANNEL: &str = "parlor_outbox";
/// How many entries one statement removes.
const REMOVED_AT_ONCE: usize = 256;

/// What happened to a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// It was inserted.
    Insert,
    /// It was updated.
    Update,
    /// It was deleted. Another row may have its id since then.
    Delete,
}

/// An entry: a row to look at again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutboxEntry {
    /// Its key.
    pub seq: i64,
    /// The table whose row changed.
    pub table: String,
    /// What happened.
    pub operation: Operation,
    /// The id of the message: of the row itself, or of the row that a file belongs to.
    pub row_id: i64,
}

/// The outbox of a host.
#[derive(Debug)]
pub struct HostOutbox {
    database: HostDatabase,
    watch: HostWatch,
    /// The last wait ended without a notice.
    is_unnoticed: bool,
    /// Entries were found without a notice.
    has_missed: AtomicBool,
}

/// Returns the outbox table, quoted.
pub(super) fn outbox_table(kind: HostKind) -> &'static str {
    if kind == HostKind::Postgres { "parlor.parlor_outbox" } else { "parlor_outbox" }
}

/// Returns the table that maps Parlor's keys to the rows that it inserted: `parlor_key`, `table_name`, `row_id`.
pub(super) fn map_table(kind: HostKind) -> &'static str {
    if kind == HostKind::Postgres { "parlor.parlor_map" } else { "parlor_map" }
}

impl HostOutbox {
    /// Prepares to read; nothing is connected yet.
    #[must_use]
    pub fn new(database: HostDatabase) -> Self {
        let watch = database.watch(CHANNEL);
        Self { database, watch, is_unnoticed: false, has_missed: AtomicBool::new(false) }
    }

    /// Waits until there may be entries, at most this long. While the host's database is away, it just waits.
    pub async fn wait(&mut self, at_most: Duration) {
        if self.has_missed.swap(false, Ordering::Relaxed) {
            self.watch.reopen();
        }
        self.is_unnoticed = !self.watch.wait(at_most).await;
    }

    /// Reads the first entries.
    ///
    /// # Errors
    /// As for [`HostDatabase::query`]; a refusal if there is no outbox.
    pub async fn read(&self, at_most: usize) -> Result<Vec<OutboxEntry>, HostError> {
        let table = outbox_table(self.database.kind());
        let sql = format!("SELECT seq, table_name, operation, row_id FROM {table} ORDER BY seq LIMIT {at_most}");
        let rows = self.database.query(sql, Vec::new()).await?;
        if self.is_unnoticed && !rows.is_empty() {
            // The connection for notices may be dead.
            self.has_missed.store(true, Ordering::Relaxed);
        }
        rows.iter().map(entry).collect()
    }

    /// Removes entries that were handled.
    ///
    /// # Errors
    /// As for [`HostDatabase::query`]. Some may have been removed.
    pub async fn remove(&self, seqs: &[i64]) -> Result<(), HostError> {
        for seqs in seqs.chunks(REMOVED_AT_ONCE) {
            if self.database.kind() == HostKind::MySql {
                self.remove_one_by_one(seqs).await?;
            } else {
                self.remove_all(seqs).await?;
            }
        }
        Ok(())
    }

    async fn remove_all(&self, seqs: &[i64]) -> Result<(), HostError> {
        // A few lengths only, so that few statements are prepared.
        let length = seqs.len().next_power_of_two();
        let places: Vec<_> = (1..=length).map(|number| format!("${number}")).collect();
        let repeated = std::iter::repeat_n(seqs.last(), length - seqs.len()).flatten();
        let params = seqs.iter().chain(repeated).map(|seq| HostValue::Integer(*seq)).collect();
        let table = outbox_table(self.database.kind());
        let sql = format!("DELETE FROM {table} WHERE seq IN ({})", places.join(", "));
        self.database.query(sql, params).await.map(drop)
    }

    /// With a list of keys, MySQL and MariaDB read the whole table if it is small, and wait for each row that a
    /// transaction of the host has not committed yet.
    async fn remove_one_by_one(&self, seqs: &[i64]) -> Result<(), HostError> {
        let table = outbox_table(self.database.kind());
        let statements: Vec<_> = seqs.iter().map(|seq| format!("DELETE FROM {table} WHERE seq = {seq}")).collect();
        let mut transaction = self.database.begin().await?;
        transaction.script(statements.join("; ")).await?;
        transaction.commit().await
    }
}

/// An entry that cannot be understood is about no row, and is removed like the others.
fn entry(row: &HostRow) -> Result<OutboxEntry, HostError> {
    let operation = match row.text(2).unwrap_or_default().as_str() {
        "I" => Operation::Insert,
        "D" => Operation::Delete,
        _ => Operation::Update,
    };
    let (table, row_id) = (row.text(1).unwrap_or_default(), row.integer(3).unwrap_or_default());
    Ok(OutboxEntry { seq: row.integer(0)?, table, operation, row_id })
}

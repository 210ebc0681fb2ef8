//! How far a consumer has read, and which node runs it: a row beside the consumer's own data, written in the same
//! transactions.
//!
//! Invariant: every write checks the lease number, which rises each time the lease is acquired, so a node that was
//! presumed dead and comes back writes nothing. Timestamps only decide when a lease may be acquired.

use super::{Result, connection::DatabaseConnection, rows::RowReader};
use parlor_protocol::{
    cursor::Cursor,
    ids::{Epoch, Version},
};

/// A lease that lasts longer than this many lease times by this node's clock is not believed.
const CLOCKS_APART: i64 = 6;

/// The right to run a consumer, until another node acquires it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The consumer's name.
    pub name: &'static str,
    /// Rises each time the lease is acquired.
    pub number: i64,
}

/// How far a consumer has read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConsumerPosition {
    /// The format of the data it wrote.
    pub format: i64,
    /// Everything up to here has been read.
    pub cursor: Cursor,
    /// The clock's version when it started from scratch.
    pub base: Version,
}

/// Who requests a lease, and until when.
#[derive(Clone, Copy, Debug)]
pub struct LeaseRequest {
    /// The epoch of the requesting server.
    pub holder: Epoch,
    /// The current time.
    pub now_ms: i64,
    /// Until when no other node may acquire it.
    pub until_ms: i64,
    /// No other node can be running, so the lease is taken over unconditionally.
    pub is_alone: bool,
}

/// Creates the row if there is none.
pub(super) fn ensure(connection: &mut DatabaseConnection, name: &'static str) -> Result<()> {
    // Looked up first, so that a full disk or another writer does not prevent reading.
    let sql = "SELECT 1 FROM followers WHERE name = $1";
    if connection.query_optional(sql, &[name.into()], |_| Ok(()))?.is_some() {
        return Ok(());
    }
    let sql = "INSERT INTO followers (name, format, epoch, version, base, lease, holder, until_ms) \
               VALUES ($1, 0, 0, 0, 0, 0, 0, 0) ON CONFLICT (name) DO NOTHING";
    connection.execute(sql, &[name.into()]).map(drop)
}

/// Acquires the lease if it is free, expired, or already this node's.
pub(super) fn acquire(
    connection: &mut DatabaseConnection,
    name: &'static str,
    request: LeaseRequest,
) -> Result<Option<(Lease, ConsumerPosition)>> {
    let sql = "UPDATE followers SET lease = lease + 1, holder = $2, until_ms = $3 \
               WHERE name = $1 AND (holder = $2 OR until_ms <= $4 OR until_ms > $6 OR $5 <> 0) \
               RETURNING lease, format, epoch, version, base";
    // No correct clock yields such a late expiry: the clock that wrote it has since been set back, and the lease is
    // over.
    let believed = request.now_ms.saturating_add((request.until_ms - request.now_ms).saturating_mul(CLOCKS_APART));
    let parameters = [
        name.into(),
        request.holder.0.into(),
        request.until_ms.into(),
        request.now_ms.into(),
        request.is_alone.into(),
        believed.into(),
    ];
    connection.query_optional(sql, &parameters, |row| {
        let mut reader = RowReader::new(row);
        let lease = Lease { name, number: reader.int()? };
        let format = reader.int()?;
        let cursor = Cursor { epoch: Epoch(reader.int()?), version: Version(reader.int()?) };
        Ok((lease, ConsumerPosition { format, cursor, base: Version(reader.int()?) }))
    })
}

/// Records how far was read and extends the lease; returns whether this node still has it. It is the first statement of
/// a consumer's transaction: from here until its end no other node can acquire the lease.
pub(super) fn advance(
    connection: &mut DatabaseConnection,
    lease: &Lease,
    position: &ConsumerPosition,
    until_ms: i64,
) -> Result<bool> {
    let sql = "UPDATE followers SET format = $3, epoch = $4, version = $5, base = $6, until_ms = $7 \
               WHERE name = $1 AND lease = $2";
    let parameters = [
        lease.name.into(),
        lease.number.into(),
        position.format.into(),
        position.cursor.epoch.0.into(),
        position.cursor.version.0.into(),
        position.base.0.into(),
        until_ms.into(),
    ];
    Ok(connection.execute(sql, &parameters)? == 1)
}

/// Releases the lease if this node still has it.
pub(super) fn release(connection: &mut DatabaseConnection, lease: &Lease) -> Result<()> {
    let sql = "UPDATE followers SET until_ms = 0 WHERE name = $1 AND lease = $2";
    connection.execute(sql, &[lease.name.into(), lease.number.into()]).map(drop)
}

//! How far a follower has read, and who runs it: a row beside what it feeds, written in the same transactions.
//!
//! Invariant: every write demands the lease's number, which rises with each taking, so that whoever was thought
//! dead and comes back writes nothing. Times decide only when a lease may be taken.

use super::{Result, connection::Connection, rows::RowReader};
use parlor_protocol::{
    cursor::Cursor,
    ids::{Epoch, Version},
};

/// How many times as long as a lease it may last by another node's clock and still be believed.
const CLOCKS_APART: i64 = 6;

/// The right to run a follower, until somebody else takes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// Which follower.
    pub name: &'static str,
    /// Higher with each taking.
    pub number: i64,
}

/// How far a follower has read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConsumerPosition {
    /// The form of what it wrote.
    pub format: i64,
    /// Everything up to here was read.
    pub cursor: Cursor,
    /// The clock when it began from nothing.
    pub base: Version,
}

/// Who wants a lease, and until when.
#[derive(Clone, Copy, Debug)]
pub struct LeaseRequest {
    /// The start of the server.
    pub holder: Epoch,
    /// Now.
    pub now_ms: i64,
    /// Until then nobody else may take it.
    pub until_ms: i64,
    /// Nobody else can be alive: it is taken from whoever has it.
    pub is_alone: bool,
}

/// Makes the row, if there is none.
pub(super) fn ensure(connection: &mut Connection, name: &'static str) -> Result<()> {
    // Looked for first: a full disk, or another that writes, keeps nobody from reading.
    let sql = "SELECT 1 FROM followers WHERE name = $1";
    if connection.query_optional(sql, &[name.into()], |_| Ok(()))?.is_some() {
        return Ok(());
    }
    let sql = "INSERT INTO followers (name, format, epoch, version, base, lease, holder, until_ms) \
               VALUES ($1, 0, 0, 0, 0, 0, 0, 0) ON CONFLICT (name) DO NOTHING";
    connection.execute(sql, &[name.into()]).map(drop)
}

/// Takes the lease, if it is free, over, or one's own.
pub(super) fn acquire(
    connection: &mut Connection,
    name: &'static str,
    request: LeaseRequest,
) -> Result<Option<(Lease, ConsumerPosition)>> {
    let sql = "UPDATE followers SET lease = lease + 1, holder = $2, until_ms = $3 \
               WHERE name = $1 AND (holder = $2 OR until_ms <= $4 OR until_ms > $6 OR $5 <> 0) \
               RETURNING lease, format, epoch, version, base";
    // No clock that is right says so late a time: the one that did was set back since, and its lease is over.
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

/// Notes how far was read, and keeps the lease; says whether one still has it. The first statement of a follower's
/// transaction: from here on nobody takes the lease before its end.
pub(super) fn advance(
    connection: &mut Connection,
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

/// Gives the lease back, if one still has it.
pub(super) fn release(connection: &mut Connection, lease: &Lease) -> Result<()> {
    let sql = "UPDATE followers SET until_ms = 0 WHERE name = $1 AND lease = $2";
    connection.execute(sql, &[lease.name.into(), lease.number.into()]).map(drop)
}

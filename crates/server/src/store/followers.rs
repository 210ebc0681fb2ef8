//! How far a follower has read, and who runs it: a row beside what it feeds, written in the same transactions.
//!
//! Invariant: every write demands the lease's number, which rises with each taking, so that whoever was thought
//! dead and comes back writes nothing. Times decide only when a lease may be taken.

use super::{Result, query, rows::Reader};
use parlor_protocol::{
    cursor::Cursor,
    ids::{Epoch, Version},
};
use sqlx::AnyConnection;

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
pub struct Place {
    /// The form of what it wrote.
    pub format: i64,
    /// Everything up to here was read.
    pub cursor: Cursor,
    /// The clock when it began from nothing.
    pub base: Version,
}

/// Who wants a lease, and until when.
#[derive(Clone, Copy, Debug)]
pub struct Taker {
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
pub(super) async fn ensure(connection: &mut AnyConnection, name: &'static str) -> Result<()> {
    query(
        "INSERT INTO followers (name, format, epoch, version, base, lease, holder, until_ms) \
         VALUES ($1, 0, 0, 0, 0, 0, 0, 0) ON CONFLICT (name) DO NOTHING",
    )
    .bind(name.to_owned())
    .execute(connection)
    .await?;
    Ok(())
}

/// Takes the lease, if it is free, over, or one's own.
pub(super) async fn take(
    connection: &mut AnyConnection,
    name: &'static str,
    taker: Taker,
) -> Result<Option<(Lease, Place)>> {
    let row = query(
        "UPDATE followers SET lease = lease + 1, holder = $2, until_ms = $3 \
         WHERE name = $1 AND (holder = $2 OR until_ms <= $4 OR $5 <> 0) RETURNING lease, format, epoch, version, base",
    )
    .bind(name.to_owned())
    .bind(taker.holder.0)
    .bind(taker.until_ms)
    .bind(taker.now_ms)
    .bind(i64::from(taker.is_alone))
    .fetch_optional(connection)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let mut reader = Reader::new(&row);
    let lease = Lease { name, number: reader.int()? };
    let format = reader.int()?;
    let cursor = Cursor { epoch: Epoch(reader.int()?), version: Version(reader.int()?) };
    Ok(Some((lease, Place { format, cursor, base: Version(reader.int()?) })))
}

/// Notes how far was read, and keeps the lease; says whether one still has it. The first statement of a follower's
/// transaction: from here on nobody takes the lease before its end.
pub(super) async fn advance(
    connection: &mut AnyConnection,
    lease: &Lease,
    place: &Place,
    until_ms: i64,
) -> Result<bool> {
    let done = query(
        "UPDATE followers SET format = $3, epoch = $4, version = $5, base = $6, until_ms = $7 \
         WHERE name = $1 AND lease = $2",
    )
    .bind(lease.name.to_owned())
    .bind(lease.number)
    .bind(place.format)
    .bind(place.cursor.epoch.0)
    .bind(place.cursor.version.0)
    .bind(place.base.0)
    .bind(until_ms)
    .execute(connection)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Gives the lease back, if one still has it.
pub(super) async fn release(connection: &mut AnyConnection, lease: &Lease) -> Result<()> {
    query("UPDATE followers SET until_ms = 0 WHERE name = $1 AND lease = $2")
        .bind(lease.name.to_owned())
        .bind(lease.number)
        .execute(connection)
        .await?;
    Ok(())
}

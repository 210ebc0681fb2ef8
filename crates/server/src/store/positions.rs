//! How far consumers that have no database of their own have read, and their leases; the table that the mirror reads.

use super::{
    Result, Store,
    consumers::{self, ConsumerPosition, Lease, LeaseRequest},
};

impl Store {
    /// Acquires the lease of a consumer, if it is free, and returns how far it has read.
    ///
    /// # Errors
    /// The store is unavailable.
    pub async fn acquire_consumer(
        &self,
        name: &'static str,
        request: LeaseRequest,
    ) -> Result<Option<(Lease, ConsumerPosition)>> {
        self.write(move |transaction| {
            consumers::ensure(transaction, name)?;
            consumers::acquire(transaction, name, request)
        })
        .await
    }

    /// Records how far a consumer has read and extends its lease; returns whether this node still has it.
    ///
    /// # Errors
    /// The store is unavailable.
    pub async fn advance_consumer(&self, lease: Lease, position: ConsumerPosition, until_ms: i64) -> Result<bool> {
        self.write(move |transaction| consumers::advance(transaction, &lease, &position, until_ms)).await
    }

    /// Makes the rows of the host that are known be those of a table, whatever its name was.
    ///
    /// # Errors
    /// The store is unavailable.
    pub async fn rename_host_table(&self, table: String) -> Result<()> {
        self.write(move |transaction| {
            let sql = "UPDATE host_rows SET table_name = $1 WHERE table_name <> $1";
            transaction.execute(sql, &[table.as_str().into()]).map(drop)
        })
        .await
    }

    /// Releases the lease of a consumer.
    ///
    /// # Errors
    /// The store is unavailable.
    pub async fn release_consumer(&self, lease: Lease) -> Result<()> {
        self.write(move |transaction| consumers::release(transaction, &lease)).await
    }
}

//! Reading on from a version: what followers see.

use super::Snapshot;
use crate::{
    domain::rows::MessageRow,
    store::{
        Result, query,
        rows::{MESSAGE, Reader},
    },
};
use parlor_protocol::ids::Version;

impl Snapshot<'_> {
    /// Messages made after a version, as they are now, in the order of their making.
    ///
    /// # Errors
    /// The store is not there.
    pub async fn made_after(&mut self, version: Version, limit: i64) -> Result<Vec<MessageRow>> {
        let sql = format!("SELECT {MESSAGE} FROM messages g WHERE g.id > $1 ORDER BY g.id LIMIT $2");
        self.following(sql, version, limit).await
    }

    /// Messages changed after a version, as they are now, in the order of their last changes.
    ///
    /// # Errors
    /// The store is not there.
    pub async fn touched_after(&mut self, version: Version, limit: i64) -> Result<Vec<MessageRow>> {
        let sql = format!(
            "SELECT {MESSAGE} FROM messages g WHERE g.changed_version IS NOT NULL AND g.changed_version > $1 \
             ORDER BY g.changed_version LIMIT $2"
        );
        self.following(sql, version, limit).await
    }

    async fn following(&mut self, sql: String, version: Version, limit: i64) -> Result<Vec<MessageRow>> {
        let rows = query(sql).bind(version.0).bind(limit).fetch_all(self.connection()).await?;
        rows.iter().map(|row| Reader::new(row).message()).collect()
    }
}

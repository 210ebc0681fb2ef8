//! Reading on from a version: what followers see.

use super::Snapshot;
use crate::{
    domain::rows::MessageRow,
    store::{
        Result, query,
        rows::{MESSAGE, Reader},
    },
};
use futures_util::TryStreamExt as _;
use parlor_protocol::ids::Version;

impl Snapshot<'_> {
    /// Messages made after a version, as they are now, in the order of their making; and whether there may be more.
    /// No more are read once their texts have `bytes_max` bytes.
    ///
    /// # Errors
    /// The store is not there.
    pub async fn made_after(
        &mut self,
        version: Version,
        limit: usize,
        bytes_max: usize,
    ) -> Result<(Vec<MessageRow>, bool)> {
        let sql = format!("SELECT {MESSAGE} FROM messages g WHERE g.id > $1 ORDER BY g.id LIMIT $2");
        self.following(sql, version, (limit, bytes_max)).await
    }

    /// Messages changed after a version, as they are now, in the order of their last changes; as above.
    ///
    /// # Errors
    /// The store is not there.
    pub async fn touched_after(
        &mut self,
        version: Version,
        limit: usize,
        bytes_max: usize,
    ) -> Result<(Vec<MessageRow>, bool)> {
        let sql = format!(
            "SELECT {MESSAGE} FROM messages g WHERE g.changed_version IS NOT NULL AND g.changed_version > $1 \
             ORDER BY g.changed_version LIMIT $2"
        );
        self.following(sql, version, (limit, bytes_max)).await
    }

    async fn following(
        &mut self,
        sql: String,
        version: Version,
        (limit, bytes_max): (usize, usize),
    ) -> Result<(Vec<MessageRow>, bool)> {
        let limited = i64::try_from(limit).unwrap_or(i64::MAX);
        let mut rows = query(sql).bind(version.0).bind(limited).fetch(self.connection());
        let (mut read, mut bytes) = (Vec::new(), 0);
        while let Some(row) = rows.try_next().await? {
            let row = Reader::new(&row).message()?;
            let names = row.details.attachments.iter().map(|attachment| attachment.name.len()).sum::<usize>();
            bytes += row.text.len() + row.details.subject.as_ref().map_or(0, String::len) + names;
            read.push(row);
            if bytes >= bytes_max {
                return Ok((read, true));
            }
        }
        let is_cut = read.len() >= limit;
        Ok((read, is_cut))
    }
}

//! Reads on from a version, for consumers.

use super::Snapshot;
use crate::{
    domain::rows::MessageRow,
    store::{
        Result,
        rows::{MESSAGE, RowReader},
    },
};
use parlor_protocol::ids::Version;

impl Snapshot<'_> {
    /// Returns messages created after a version, in that order and in their current state, and whether there may be
    /// more. Stops once their texts have `bytes_max` bytes.
    ///
    /// # Errors
    /// The store is unavailable.
    pub fn messages_created_after(
        &mut self,
        version: Version,
        limit: usize,
        bytes_max: usize,
    ) -> Result<(Vec<MessageRow>, bool)> {
        let sql = format!("SELECT {MESSAGE} FROM messages g WHERE g.id > $1 ORDER BY g.id LIMIT $2");
        self.messages_after(&sql, version, (limit, bytes_max))
    }

    /// Returns messages changed after a version, in the order of their last changes; otherwise like
    /// [`Snapshot::messages_created_after`].
    ///
    /// # Errors
    /// The store is unavailable.
    pub fn messages_changed_after(
        &mut self,
        version: Version,
        limit: usize,
        bytes_max: usize,
    ) -> Result<(Vec<MessageRow>, bool)> {
        let sql = format!(
            "SELECT {MESSAGE} FROM messages g WHERE g.changed_version IS NOT NULL AND g.changed_version > $1 \
             ORDER BY g.changed_version LIMIT $2"
        );
        self.messages_after(&sql, version, (limit, bytes_max))
    }

    fn messages_after(
        &mut self,
        sql: &str,
        version: Version,
        (limit, bytes_max): (usize, usize),
    ) -> Result<(Vec<MessageRow>, bool)> {
        let limited = i64::try_from(limit).unwrap_or(i64::MAX);
        let (mut read, mut bytes, mut is_cut) = (Vec::new(), 0, false);
        self.connection().for_each(sql, &[version.0.into(), limited.into()], |row| {
            let row = RowReader::new(row).message()?;
            let names = row.details.attachments.iter().map(|attachment| attachment.name.len()).sum::<usize>();
            bytes += row.text.len() + row.details.subject.as_ref().map_or(0, String::len) + names;
            read.push(row);
            is_cut = bytes >= bytes_max || read.len() >= limit;
            Ok(!is_cut)
        })?;
        Ok((read, is_cut))
    }
}

//! Reads for the mirror beside those of the host's rows. It acts for the host, so it reads without a membership.

use super::Snapshot;
use crate::{
    domain::rows::{ContextRow, MessageRow, UserRow},
    store::{
        Result,
        bulk_params::BulkParams,
        rows::{CONTEXT, MESSAGE, RowReader, USER},
    },
};
use parlor_protocol::{
    ids::{ConversationId, Seq, UserId},
    model::ContextKey,
};
use std::collections::BTreeSet;

/// The flags of a row of the host as it was last read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HostRowFlags {
    /// The row.
    pub id: i64,
    /// Whether its recipient had read it.
    pub is_read: bool,
    /// Whether it was hidden from its sender.
    pub hidden_by_sender: bool,
    /// Whether it was hidden from its recipient.
    pub hidden_by_recipient: bool,
}

impl Snapshot<'_> {
    /// Returns the flags of the first rows with ids after one and up to another, in the order of their ids.
    ///
    /// # Errors
    /// The store is unavailable.
    pub fn host_row_flags(&mut self, table: &str, after: i64, to: i64, limit: usize) -> Result<Vec<HostRowFlags>> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let sql = "SELECT h.row_id, h.is_read, h.hidden_by_sender, h.hidden_by_recipient FROM host_rows h \
                   WHERE h.table_name = $1 AND h.row_id > $2 AND h.row_id <= $3 ORDER BY h.row_id LIMIT $4";
        self.connection().query(sql, &[table.into(), after.into(), to.into(), limit.into()], |row| {
            let mut reader = RowReader::new(row);
            Ok(HostRowFlags {
                id: reader.int()?,
                is_read: reader.flag()?,
                hidden_by_sender: reader.flag()?,
                hidden_by_recipient: reader.flag()?,
            })
        })
    }

    /// Returns a table of the host that rows are known of, other than this one.
    ///
    /// # Errors
    /// The store is unavailable.
    pub fn other_host_table(&mut self, table: &str) -> Result<Option<String>> {
        let sql = "SELECT table_name FROM host_rows WHERE table_name < $1 \
                   UNION ALL SELECT table_name FROM host_rows WHERE table_name > $1 LIMIT 1";
        self.connection().query_optional(sql, &[table.into()], |row| RowReader::new(row).text())
    }

    /// Returns the users who have unread rows, or who hid a message of a row.
    ///
    /// # Errors
    /// The store is unavailable.
    pub fn mirrored_users(&mut self) -> Result<Vec<UserId>> {
        let sql = "SELECT h.recipient_id FROM host_rows h WHERE h.is_read = 0 \
                   UNION SELECT g.user_id FROM hidden_messages g JOIN host_rows h \
                   ON h.conversation_id = g.conversation_id AND h.seq = g.seq";
        self.connection().query(sql, &[], |row| RowReader::new(row).int().map(UserId))
    }

    /// Returns those of the messages that exist, in no order.
    ///
    /// # Errors
    /// The store is unavailable.
    pub fn messages_at(&mut self, places: &[(ConversationId, Seq)]) -> Result<Vec<MessageRow>> {
        let mut params = BulkParams::new(["conversation_id", "seq"]);
        for (conversation, seq) in places {
            params.push([conversation.0.into(), seq.0.into()]);
        }
        let sql = format!(
            "SELECT {MESSAGE} FROM v JOIN messages g ON g.conversation_id = v.conversation_id AND g.seq = v.seq"
        );
        params.query(self.connection(), &sql, |row| RowReader::new(row).message())
    }

    /// Returns a context with its roles.
    ///
    /// # Errors
    /// The store is unavailable.
    pub fn context(&mut self, key: &ContextKey) -> Result<Option<ContextRow>> {
        let sql = format!("SELECT {CONTEXT} FROM contexts x WHERE x.kind = $1 AND x.external_id = $2");
        let parameters = [key.kind.as_str().into(), key.id.as_str().into()];
        let found = self.connection().query_optional(&sql, &parameters, |row| RowReader::new(row).context())?;
        let Some(mut context) = found else { return Ok(None) };
        let sql = "SELECT user_id, role FROM context_roles WHERE context_id = $1 ORDER BY user_id";
        context.roles = self.connection().query(sql, &[context.id.into()], |row| {
            let mut reader = RowReader::new(row);
            Ok((UserId(reader.int()?), reader.text()?))
        })?;
        Ok(Some(context))
    }

    /// Returns users by id, each once.
    ///
    /// # Errors
    /// The store is unavailable.
    pub(crate) fn user_rows(&mut self, ids: impl Iterator<Item = UserId>) -> Result<Vec<UserRow>> {
        let mut params = BulkParams::new(["id"]);
        for id in ids.collect::<BTreeSet<_>>() {
            params.push([id.0.into()]);
        }
        let sql = format!("SELECT {USER} FROM v JOIN users u ON u.id = v.id");
        params.query(self.connection(), &sql, |row| RowReader::new(row).user())
    }
}

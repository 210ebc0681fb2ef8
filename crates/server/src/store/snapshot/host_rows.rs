//! Rows of the host's message table and their messages, for the mirror. It acts for the host, so it reads without a
//! membership.

use super::Snapshot;
use crate::{
    domain::{
        HostRowKey,
        rows::{Counting, HostRowCopy, MessageRow},
    },
    store::{
        Result,
        bulk_params::BulkParams,
        column,
        row::Row,
        rows::{HOST_ROW, MESSAGE, RowReader},
    },
};
use parlor_protocol::{
    ids::{ConversationId, Scope, Seq, UserId, Version},
    model::ContextKey,
};
use std::collections::{HashMap, HashSet};

/// The members of a direct conversation, and what it is about.
type Pair = (Vec<UserId>, Option<ContextKey>);

/// A message of a direct conversation, with what its row needs.
#[derive(Clone, Debug)]
pub struct UnmirroredMessage {
    /// The message.
    pub message: MessageRow,
    /// The other member.
    pub recipient: UserId,
    /// What the conversation is about.
    pub context: Option<ContextKey>,
}

/// A page of messages without a row.
#[derive(Clone, Debug)]
pub struct UnmirroredMessages {
    /// In the order of their ids.
    pub messages: Vec<UnmirroredMessage>,
    /// Up to here everything was examined.
    pub to: Version,
    /// Whether there may be more after it.
    pub more: bool,
}

/// A row with its message.
#[derive(Clone, Debug)]
pub struct MirroredRow {
    /// The row as it was last read.
    pub row: HostRowCopy,
    /// Its message; none for a message to its own sender.
    pub message: Option<MessageRow>,
    /// What its conversation is about.
    pub context: Option<ContextKey>,
}

impl Snapshot<'_> {
    /// Returns a row as it was last read.
    ///
    /// # Errors
    /// The store is unavailable.
    pub fn host_row(&mut self, key: &HostRowKey) -> Result<Option<HostRowCopy>> {
        Ok(self.host_rows(std::slice::from_ref(key))?.pop())
    }

    /// Returns those of the rows that are known, in no order.
    ///
    /// # Errors
    /// The store is unavailable.
    pub fn host_rows(&mut self, keys: &[HostRowKey]) -> Result<Vec<HostRowCopy>> {
        let mut params = BulkParams::new(["table_name", "row_id"]);
        for key in keys {
            params.push([key.table.as_str().into(), key.id.into()]);
        }
        let sql =
            format!("SELECT {HOST_ROW} FROM v JOIN host_rows h ON h.table_name = v.table_name AND h.row_id = v.row_id");
        params.query(self.connection(), &sql, |row| RowReader::new(row).host_row())
    }

    /// Returns the rows of those of the messages that have one, in no order.
    ///
    /// # Errors
    /// The store is unavailable.
    pub fn host_rows_by_message(&mut self, places: &[(ConversationId, Seq)]) -> Result<Vec<HostRowCopy>> {
        let mut params = BulkParams::new(["conversation_id", "seq"]);
        for (conversation, seq) in places {
            params.push([conversation.0.into(), seq.0.into()]);
        }
        let sql = format!(
            "SELECT {HOST_ROW} FROM v JOIN host_rows h ON h.conversation_id = v.conversation_id AND h.seq = v.seq"
        );
        params.query(self.connection(), &sql, |row| RowReader::new(row).host_row())
    }

    /// Returns the rows of messages from one `seq` to another, both included, in that order.
    ///
    /// # Errors
    /// The store is unavailable.
    pub fn host_rows_of(
        &mut self,
        conversation: ConversationId,
        from: Seq,
        to: Seq,
        limit: usize,
    ) -> Result<Vec<HostRowCopy>> {
        let sql = format!(
            "SELECT {HOST_ROW} FROM host_rows h WHERE h.conversation_id = $1 AND h.seq >= $2 AND h.seq <= $3 \
             ORDER BY h.seq LIMIT $4"
        );
        let parameters = [conversation.0.into(), from.0.into(), to.0.into(), limited(limit).into()];
        self.connection().query(&sql, &parameters, |row| RowReader::new(row).host_row())
    }

    /// Returns rows that their recipients have read here and not yet in the host: of a conversation, or of a user. They
    /// are in the order of their messages, from after one on.
    ///
    /// # Errors
    /// The store is unavailable.
    pub fn host_rows_read_here(
        &mut self,
        scope: Scope,
        after: (ConversationId, Seq),
        limit: usize,
    ) -> Result<Vec<HostRowCopy>> {
        let (of, id) = match scope {
            Scope::Conversation(conversation) => ("m.conversation_id", conversation.0),
            Scope::User(user) => ("m.user_id", user.0),
        };
        let sql = format!(
            "SELECT {HOST_ROW} FROM members m JOIN host_rows h ON h.recipient_id = m.user_id \
             AND h.conversation_id = m.conversation_id AND h.is_read = 0 AND h.seq <= m.read_seq \
             WHERE {of} = $1 AND (h.conversation_id, h.seq) > ($2, $3) ORDER BY h.conversation_id, h.seq LIMIT $4"
        );
        let parameters = [id.into(), after.0.0.into(), after.1.0.into(), limited(limit).into()];
        self.connection().query(&sql, &parameters, |row| RowReader::new(row).host_row())
    }

    /// Returns rows of messages that a user hid here after a version, in that order, whether or not the host knows it;
    /// each with its version, of which each has its own.
    ///
    /// # Errors
    /// The store is unavailable.
    pub fn host_rows_hidden_here(
        &mut self,
        user: UserId,
        since: Version,
        limit: usize,
    ) -> Result<Vec<(Version, HostRowCopy)>> {
        const HOST_ROW_COLUMNS: usize = 11;
        let sql = format!(
            "SELECT {HOST_ROW}, g.version FROM hidden_messages g \
             JOIN host_rows h ON h.conversation_id = g.conversation_id AND h.seq = g.seq \
             WHERE g.user_id = $1 AND g.version > $2 ORDER BY g.version LIMIT $3"
        );
        let parameters = [user.0.into(), since.0.into(), limited(limit).into()];
        self.connection().query(&sql, &parameters, |row| {
            let version = RowReader::at(row, HOST_ROW_COLUMNS).int()?;
            Ok((Version(version), RowReader::new(row).host_row()?))
        })
    }

    /// Examines the messages that were created after a version, up to `limit` or until their texts have `bytes_max`
    /// bytes, and returns those of direct conversations that have no row and still have content.
    ///
    /// # Errors
    /// The store is unavailable.
    pub fn messages_without_host_row(
        &mut self,
        after: Version,
        limit: usize,
        bytes_max: usize,
    ) -> Result<UnmirroredMessages> {
        let (created, more) = self.messages_created_after(after, limit, bytes_max)?;
        let last = created.last().filter(|_| more).map(|message| Version(message.id.0));
        let to = last.unwrap_or(self.cursor.version);
        let has_content = |message: &MessageRow| matches!(message.counting(), Counting::Counted | Counting::Read);
        let created: Vec<MessageRow> = created.into_iter().filter(has_content).collect();
        let places: Vec<_> = created.iter().map(|message| (message.conversation, message.seq)).collect();
        let mirrored: HashSet<_> =
            self.host_rows_by_message(&places)?.into_iter().filter_map(|row| row.place).collect();
        let pairs = self.direct_pairs(created.iter().map(|message| message.conversation))?;
        let messages = created.into_iter().filter(|message| !mirrored.contains(&(message.conversation, message.seq)));
        let messages = messages.filter_map(|message| of_pair(message, &pairs));
        Ok(UnmirroredMessages { messages: messages.collect(), to, more })
    }

    /// Returns those of the messages that exist in direct conversations, in no order, whether or not they have a row.
    ///
    /// # Errors
    /// The store is unavailable.
    pub fn direct_messages_at(&mut self, places: &[(ConversationId, Seq)]) -> Result<Vec<UnmirroredMessage>> {
        let messages = self.messages_at(places)?;
        let pairs = self.direct_pairs(messages.iter().map(|message| message.conversation))?;
        Ok(messages.into_iter().filter_map(|message| of_pair(message, &pairs)).collect())
    }

    /// Returns the members of those of the conversations that are direct, and what these are about.
    fn direct_pairs(
        &mut self,
        conversations: impl Iterator<Item = ConversationId>,
    ) -> Result<HashMap<ConversationId, Pair>> {
        let mut params = BulkParams::new(["id"]);
        for conversation in conversations.collect::<HashSet<_>>() {
            params.push([conversation.0.into()]);
        }
        let mut pairs = HashMap::<ConversationId, Pair>::new();
        params.for_each(
            self.connection(),
            "SELECT c.id, m.user_id, x.kind, x.external_id FROM v \
             JOIN conversations c ON c.id = v.id AND c.kind = 'direct' JOIN members m ON m.conversation_id = c.id \
             LEFT JOIN contexts x ON x.id = c.context_id",
            |row| {
                let mut reader = RowReader::new(row);
                let (conversation, user) = (ConversationId(reader.int()?), UserId(reader.int()?));
                let pair = pairs.entry(conversation).or_default();
                pair.0.push(user);
                pair.1 = context(&mut reader)?;
                Ok(())
            },
        )?;
        Ok(pairs)
    }

    /// Returns how many rows of a table are known.
    ///
    /// # Errors
    /// The store is unavailable.
    pub fn host_row_count(&mut self, table: &str) -> Result<i64> {
        let sql = "SELECT count(*) FROM host_rows WHERE table_name = $1";
        self.connection().query_one(sql, &[table.into()], |row| column(row, 0))
    }

    /// Returns the rows of a table with their messages, in the order of their ids, from after an id on.
    ///
    /// # Errors
    /// The store is unavailable.
    pub fn mirrored_rows(&mut self, table: &str, after: i64, limit: usize) -> Result<Vec<MirroredRow>> {
        const HOST_ROW_COLUMNS: usize = 11;
        let sql = format!(
            "SELECT {HOST_ROW}, x.kind, x.external_id, {MESSAGE} FROM host_rows h \
             LEFT JOIN messages g ON g.conversation_id = h.conversation_id AND g.seq = h.seq \
             LEFT JOIN conversations c ON c.id = h.conversation_id LEFT JOIN contexts x ON x.id = c.context_id \
             WHERE h.table_name = $1 AND h.row_id > $2 ORDER BY h.row_id LIMIT $3"
        );
        let read = |row: Row<'_>| {
            let host_row = RowReader::new(row).host_row()?;
            let mut reader = RowReader::at(row, HOST_ROW_COLUMNS);
            let context = context(&mut reader)?;
            let has_message = column::<Option<i64>>(row, HOST_ROW_COLUMNS + 2)?.is_some();
            let message = if has_message { Some(reader.message()?) } else { None };
            Ok(MirroredRow { row: host_row, message, context })
        };
        self.connection().query(&sql, &[table.into(), after.into(), limited(limit).into()], read)
    }
}

fn of_pair(message: MessageRow, pairs: &HashMap<ConversationId, Pair>) -> Option<UnmirroredMessage> {
    let (users, context) = pairs.get(&message.conversation)?;
    let recipient = *users.iter().find(|user| **user != message.sender)?;
    Some(UnmirroredMessage { message, recipient, context: context.clone() })
}

fn context(reader: &mut RowReader<'_>) -> Result<Option<ContextKey>> {
    let (kind, id) = (reader.optional_text()?, reader.optional_text()?);
    Ok(kind.zip(id).map(|(kind, id)| ContextKey { kind, id }))
}

fn limited(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

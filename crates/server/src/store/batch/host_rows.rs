//! Rows of the host's message table in a commit.

use super::BatchTransaction;
use crate::{
    domain::{
        direct_key,
        load_plan::{HostPut, LoadPlan},
        state::{FirstUnread, State},
    },
    store::{
        Result,
        bulk_params::BulkParams,
        rows::{HOST_ROW, RowReader, unread_seqs_after},
    },
};
use parlor_protocol::ids::{ConversationId, Seq, UserId};
use std::collections::BTreeMap;

/// The fewest unread messages that are loaded, so that few forms of the statement exist.
const UNREAD_LOADED_MIN: usize = 16;

impl BatchTransaction<'_> {
    /// Loads the rows that are put or removed, and the rows of messages that Parlor wrote a row for.
    pub(super) fn load_host_rows(&mut self, plan: &LoadPlan, state: &mut State) -> Result<()> {
        let mut params = BulkParams::new(["table_name", "row_id", "conversation_id", "seq"]);
        for put in &plan.host_puts {
            let (conversation, seq) = put.sent_as.map_or((None, None), |place| (Some(place.0.0), Some(place.1.0)));
            params.push([put.row.table.as_str().into(), put.row.id.into(), conversation.into(), seq.into()]);
        }
        for row in &plan.host_removals {
            params.push([row.table.as_str().into(), row.id.into(), None::<i64>.into(), None::<i64>.into()]);
        }
        self.for_each(
            params,
            &format!(
                "SELECT {HOST_ROW} FROM v JOIN host_rows h ON h.table_name = v.table_name AND h.row_id = v.row_id \
                 UNION ALL SELECT {HOST_ROW} FROM v \
                 JOIN host_rows h ON h.conversation_id = v.conversation_id AND h.seq = v.seq"
            ),
            |row| {
                let row = RowReader::new(row).host_row()?;
                if let Some(place) = row.place {
                    state.host_rows_by_message.insert(place, row.key.clone());
                }
                state.host_rows.insert(row.key.clone(), row);
                Ok(())
            },
        )
    }

    /// Loads the first unread messages of members who may have read more in the host: one more than the batch has rows
    /// that they have read.
    pub(super) fn load_first_unread(&mut self, plan: &LoadPlan, state: &mut State) -> Result<()> {
        let mut read = BTreeMap::<(ConversationId, UserId), usize>::new();
        for put in plan.host_puts.iter().filter(|put| put.is_read) {
            let was_read = state.host_rows.get(&put.row).is_some_and(|row| row.is_read);
            if let Some(conversation) = host_conversation(put, state).filter(|_| !was_read) {
                *read.entry((conversation, put.recipient)).or_default() += 1;
            }
        }
        let most = read.values().max().map_or(0, |most| (most + 1).next_power_of_two().max(UNREAD_LOADED_MIN));
        let mut params = BulkParams::new(["conversation_id", "user_id"]);
        for (conversation, user) in read.into_keys() {
            params.push([conversation.0.into(), user.0.into()]);
        }
        let seqs = unread_seqs_after("m.read_seq", most);
        self.for_each(
            params,
            &format!(
                "SELECT m.conversation_id, m.user_id, {seqs} FROM v \
                 JOIN members m ON m.conversation_id = v.conversation_id AND m.user_id = v.user_id"
            ),
            |row| {
                let mut reader = RowReader::new(row);
                let member = (ConversationId(reader.int()?), UserId(reader.int()?));
                let mut seqs = reader.ints()?.into_iter().map(Seq).collect::<Vec<_>>();
                seqs.sort_unstable();
                let is_all = seqs.len() < most;
                state.first_unread.insert(member, FirstUnread { seqs, is_all });
                Ok(())
            },
        )
    }

    pub(super) fn write_host_rows(&mut self, state: &State) -> Result<()> {
        let mut gone = BulkParams::new(["table_name", "row_id"]);
        let mut params = BulkParams::new([
            "table_name",
            "row_id",
            "conversation_id",
            "seq",
            "sender_id",
            "recipient_id",
            "text_fingerprint",
            "rest_fingerprint",
            "is_read",
            "hidden_by_sender",
            "hidden_by_recipient",
        ]);
        for key in &state.changed_host_rows {
            let Some(row) = state.host_rows.get(key) else {
                gone.push([key.table.as_str().into(), key.id.into()]);
                continue;
            };
            params.push([
                key.table.as_str().into(),
                key.id.into(),
                row.place.map(|(conversation, _)| conversation.0).into(),
                row.place.map(|(_, seq)| seq.0).into(),
                row.sender.0.into(),
                row.recipient.0.into(),
                row.text_fingerprint.as_slice().into(),
                row.rest_fingerprint.as_slice().into(),
                row.is_read.into(),
                row.hidden_by_sender.into(),
                row.hidden_by_recipient.into(),
            ]);
        }
        self.execute(
            gone,
            "DELETE FROM host_rows WHERE (table_name, row_id) IN (SELECT v.table_name, v.row_id FROM v)",
        )?;
        self.upsert(params, "host_rows", 2)
    }
}

/// Returns the conversation of the pair and the context of a row, if it exists.
pub(super) fn host_conversation(put: &HostPut, state: &State) -> Option<ConversationId> {
    let context = match &put.direct.context {
        Some(key) => Some(state.contexts.get(key)?.id),
        None => None,
    };
    state.directs.get(&direct_key(context, put.direct.actor, put.recipient)).copied()
}

//! The settings of conversations in a commit.

use super::BatchTransaction;
use crate::{
    domain::{load_plan::LoadPlan, state::State},
    store::{
        Result,
        bulk_params::BulkParams,
        rows::{RowReader, SETTINGS},
    },
};
use parlor_protocol::ids::{ConversationId, UserId};

/// What `archived_seq` is in the store if a conversation is not archived.
const NOT_ARCHIVED: i64 = -1;

impl BatchTransaction<'_> {
    pub(super) fn load_settings(&mut self, plan: &LoadPlan, state: &mut State) -> Result<()> {
        let mut params = BulkParams::new(["user_id", "conversation_id"]);
        for (user, conversation) in &plan.settings {
            params.push([user.0.into(), conversation.0.into()]);
        }
        let sql = format!(
            "SELECT s.user_id, s.conversation_id, {SETTINGS} FROM v JOIN conversation_settings s \
             ON s.user_id = v.user_id AND s.conversation_id = v.conversation_id \
             JOIN members m ON m.user_id = s.user_id AND m.conversation_id = s.conversation_id"
        );
        self.for_each(params, &sql, |row| {
            let mut reader = RowReader::new(row);
            let key = (UserId(reader.int()?), ConversationId(reader.int()?));
            state.settings.insert(key, reader.settings()?);
            Ok(())
        })?;
        let mut params = BulkParams::new(["user_id"]);
        for user in &plan.pinned {
            params.push([user.0.into()]);
        }
        let sql = "SELECT s.user_id, count(*) FROM v JOIN conversation_settings s ON s.user_id = v.user_id AND s.pinned = 1 \
             JOIN members m ON m.conversation_id = s.conversation_id AND m.user_id = s.user_id AND m.has_left = 0 \
             GROUP BY s.user_id";
        self.for_each(params, sql, |row| {
            let mut reader = RowReader::new(row);
            state.pinned_counts.insert(UserId(reader.int()?), reader.int()?);
            Ok(())
        })
    }

    pub(super) fn write_settings(&mut self, state: &State) -> Result<()> {
        let mut params = BulkParams::new([
            "user_id",
            "conversation_id",
            "pinned",
            "archived_seq",
            "muted_until",
            "marked_unread",
            "version",
        ]);
        for key in &state.changed_settings {
            let settings = &state.settings[key];
            params.push([
                key.0.0.into(),
                key.1.0.into(),
                settings.pinned.into(),
                settings.archived_seq.map_or(NOT_ARCHIVED, |seq| seq.0).into(),
                settings.muted_until.into(),
                settings.marked_unread.into(),
                settings.version.0.into(),
            ]);
        }
        self.upsert(params, "conversation_settings", 2)
    }
}

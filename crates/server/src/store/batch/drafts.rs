//! Drafts in a commit.

use super::{BatchTransaction, write::details};
use crate::{
    domain::{draft_row::DraftSizes, load_plan::LoadPlan, state::State},
    store::{
        Result,
        bulk_params::BulkParams,
        rows::{DRAFT, RowReader},
    },
};
use parlor_protocol::ids::{ConversationId, UserId};

impl BatchTransaction<'_> {
    pub(super) fn load_drafts(&mut self, plan: &LoadPlan, state: &mut State) -> Result<()> {
        let mut params = BulkParams::new(["user_id", "conversation_id"]);
        for (user, conversation) in &plan.drafts {
            params.push([user.0.into(), conversation.0.into()]);
        }
        let sql = format!(
            "SELECT d.user_id, d.conversation_id, {DRAFT} FROM v JOIN drafts d \
             ON d.user_id = v.user_id AND d.conversation_id = v.conversation_id"
        );
        self.for_each(params, &sql, |row| {
            let mut reader = RowReader::new(row);
            let key = (UserId(reader.int()?), ConversationId(reader.int()?));
            state.drafts.insert(key, reader.draft()?);
            Ok(())
        })?;
        let mut params = BulkParams::new(["user_id"]);
        for user in &plan.drafting {
            params.push([user.0.into()]);
        }
        let sql = "SELECT d.user_id, COUNT(*), CAST(SUM(LENGTH(d.text)) AS BIGINT) FROM v \
                   JOIN drafts d ON d.user_id = v.user_id AND (d.text <> '' OR d.details IS NOT NULL) GROUP BY d.user_id";
        self.for_each(params, sql, |row| {
            let mut reader = RowReader::new(row);
            let user = UserId(reader.int()?);
            state.draft_sizes.insert(user, DraftSizes { count: reader.int()?, chars: reader.int()? });
            Ok(())
        })
    }

    pub(super) fn write_drafts(&mut self, state: &State) -> Result<()> {
        let mut params = BulkParams::new(["user_id", "conversation_id", "text", "details", "version"]);
        for key in &state.changed_drafts {
            let draft = &state.drafts[key];
            params.push([
                key.0.0.into(),
                key.1.0.into(),
                draft.text.as_str().into(),
                details(&draft.details).into(),
                draft.version.0.into(),
            ]);
        }
        self.upsert(params, "drafts", 2)?;
        let mut params = BulkParams::new(["id"]);
        for user in &state.deleted_users {
            params.push([user.0.into()]);
        }
        self.execute(params, "DELETE FROM drafts WHERE user_id IN (SELECT v.id FROM v)")
    }
}

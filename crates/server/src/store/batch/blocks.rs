//! Blocks in a commit.

use super::{BatchTransaction, load::target};
use crate::{
    domain::{load_plan::LoadPlan, rows::Named as _, state::State},
    store::{Result, bulk_params::BulkParams, rows::RowReader},
};
use parlor_protocol::{
    ids::{ConversationId, UserId},
    model::ConversationKind,
};
use std::collections::BTreeSet;

impl BatchTransaction<'_> {
    /// Loads who has blocked whom: of the pairs that may be brought together, and of those whose blocks may change, for
    /// which it also loads what the change needs.
    pub(super) fn load_blocks(&mut self, plan: &LoadPlan, state: &mut State) -> Result<()> {
        let opening = plan.directs.iter().filter_map(|direct| Some((direct.actor, target(direct, state)?)));
        let mut params = BulkParams::new(["user_id", "blocked_id"]);
        for (one, other) in plan.pairs.iter().copied().chain(opening) {
            params.push([one.0.into(), other.0.into()]);
            params.push([other.0.into(), one.0.into()]);
        }
        let sql = "SELECT DISTINCT b.user_id, b.blocked_id FROM v \
             JOIN blocks b ON b.user_id = v.user_id AND b.blocked_id = v.blocked_id";
        self.for_each(params, sql, |row| {
            let mut reader = RowReader::new(row);
            state.blocks.insert((UserId(reader.int()?), UserId(reader.int()?)));
            Ok(())
        })?;
        let mut params = BulkParams::new(["user_id"]);
        for user in plan.blocks.iter().map(|(user, _)| user).collect::<BTreeSet<_>>() {
            params.push([user.0.into()]);
        }
        let sql = "SELECT b.user_id, count(*) FROM v JOIN blocks b ON b.user_id = v.user_id GROUP BY b.user_id";
        self.for_each(params, sql, |row| {
            let mut reader = RowReader::new(row);
            state.block_counts.insert(UserId(reader.int()?), reader.int()?);
            Ok(())
        })?;
        self.load_common_conversations(plan, state)
    }

    /// Loads the direct conversations of the pairs whose blocks may change, and whether they ever had a conversation.
    fn load_common_conversations(&mut self, plan: &LoadPlan, state: &mut State) -> Result<()> {
        let mut params = BulkParams::new(["user_id", "other_id"]);
        for (user, other) in &plan.blocks {
            params.push([user.0.into(), other.0.into()]);
        }
        let sql = "SELECT v.user_id, v.other_id, c.id, c.kind FROM v JOIN members m ON m.user_id = v.user_id \
             JOIN members o ON o.conversation_id = m.conversation_id AND o.user_id = v.other_id \
             JOIN conversations c ON c.id = m.conversation_id WHERE v.user_id <> v.other_id";
        let direct = ConversationKind::Direct.name();
        self.for_each(params, sql, |row| {
            let mut reader = RowReader::new(row);
            let (user, other) = (UserId(reader.int()?), UserId(reader.int()?));
            let conversation = ConversationId(reader.int()?);
            state.met.insert((user, other));
            if reader.text()? == direct {
                let directs = state.directs_of.entry((user.min(other), user.max(other))).or_default();
                if !directs.contains(&conversation) {
                    directs.push(conversation);
                }
            }
            Ok(())
        })
    }

    pub(super) fn write_blocks(&mut self, state: &State) -> Result<()> {
        let (mut new, mut ended) =
            (BulkParams::new(["user_id", "blocked_id"]), BulkParams::new(["user_id", "blocked_id"]));
        for (user, other) in &state.changed_blocks {
            let params = if state.blocks.contains(&(*user, *other)) { &mut new } else { &mut ended };
            params.push([user.0.into(), other.0.into()]);
        }
        // A block that ended and began again in this batch is there already.
        self.execute(
            new,
            "INSERT INTO blocks (user_id, blocked_id) SELECT v.user_id, v.blocked_id FROM v \
             WHERE v.user_id IS NOT NULL ON CONFLICT DO NOTHING",
        )?;
        self.execute(
            ended,
            "DELETE FROM blocks WHERE EXISTS (SELECT 1 FROM v WHERE v.user_id = blocks.user_id \
             AND v.blocked_id = blocks.blocked_id)",
        )
    }
}

//! Which messages mention which users, in a commit.

use super::BatchTransaction;
use crate::{
    domain::state::State,
    store::{Result, bulk_params::BulkParams},
};

impl BatchTransaction<'_> {
    pub(super) fn write_mentions(&mut self, state: &State) -> Result<()> {
        const COLUMNS: [&str; 3] = ["user_id", "conversation_id", "seq"];
        let (mut added, mut removed) = (BulkParams::new(COLUMNS), BulkParams::new(COLUMNS));
        for ((user, (conversation, seq)), is_mentioned) in &state.changed_mentions {
            let params = if *is_mentioned { &mut added } else { &mut removed };
            params.push([user.0.into(), conversation.0.into(), seq.0.into()]);
        }
        self.execute(
            added,
            "INSERT INTO mentions (user_id, conversation_id, seq) SELECT v.user_id, v.conversation_id, v.seq FROM v \
             WHERE v.user_id IS NOT NULL ON CONFLICT DO NOTHING",
        )?;
        self.execute(
            removed,
            "DELETE FROM mentions WHERE (user_id, conversation_id, seq) IN \
             (SELECT v.user_id, v.conversation_id, v.seq FROM v)",
        )
    }
}

//! When users opened their newest conversations, in a commit.

use super::BatchTransaction;
use crate::{
    domain::{load_plan::LoadPlan, state::State},
    store::{Result, bulk_params::BulkParams, rows::RowReader},
};
use parlor_protocol::{ids::UserId, limits::Limits};

impl BatchTransaction<'_> {
    /// Loads as many times for each opener as they may open conversations in an hour. What the host has opened does not
    /// count.
    pub(super) fn load_openings(&mut self, plan: &LoadPlan, limits: &Limits, state: &mut State) -> Result<()> {
        let mut params = BulkParams::new(["user_id"]);
        for user in &plan.openers {
            params.push([user.0.into()]);
        }
        let sql = format!(
            "SELECT u.id, (SELECT string_agg(CAST(newest.created_at AS TEXT), ',') FROM (SELECT c.created_at \
             FROM conversations c WHERE c.created_by = u.id AND c.client_id NOT LIKE ' host %' \
             ORDER BY c.created_at DESC LIMIT {}) AS newest) FROM v JOIN users u ON u.id = v.user_id",
            limits.openings_per_hour_max
        );
        self.for_each(params, &sql, |row| {
            let mut reader = RowReader::new(row);
            state.openings.insert(UserId(reader.int()?), reader.ints()?);
            Ok(())
        })
    }
}

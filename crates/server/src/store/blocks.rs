//! Who has blocked whom, outside of commits.

use super::{Result, Store, column};
use parlor_protocol::ids::UserId;

impl Store {
    /// Returns those of two users who have blocked the other.
    ///
    /// # Errors
    /// The store is unavailable.
    pub async fn blockers(&self, one: UserId, other: UserId) -> Result<Vec<UserId>> {
        self.query(move |connection| {
            let sql = "SELECT user_id FROM blocks WHERE (user_id = $1 AND blocked_id = $2) \
                       OR (user_id = $2 AND blocked_id = $1)";
            connection.query(sql, &[one.0.into(), other.0.into()], |row| column(row, 0).map(UserId))
        })
        .await
    }
}

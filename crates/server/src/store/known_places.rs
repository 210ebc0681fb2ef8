//! The places that users have signed in from.

use super::{Result, Store};
use parlor_protocol::ids::UserId;

impl Store {
    /// Returns whether a user has signed in from this place before.
    pub(crate) async fn is_known_place(&self, user: UserId, place: [u8; 32]) -> Result<bool> {
        let sql = "SELECT 1 FROM known_places WHERE user_id = $1 AND place = $2";
        let found = self.query(move |connection| {
            connection.query_optional(sql, &[user.0.into(), place.to_vec().into()], |_| Ok(()))
        });
        Ok(found.await?.is_some())
    }

    /// Remembers places that a user signed in from, and forgets all but the newest `most`.
    pub(crate) async fn remember_places(
        &self,
        user: UserId,
        places: Vec<[u8; 32]>,
        now_ms: i64,
        most: i64,
    ) -> Result<()> {
        self.write(move |transaction| {
            let sql = "INSERT INTO known_places (user_id, place, seen_at) VALUES ($1, $2, $3) \
                       ON CONFLICT (user_id, place) DO UPDATE SET seen_at = excluded.seen_at";
            for place in &places {
                transaction.execute(sql, &[user.0.into(), place.to_vec().into(), now_ms.into()])?;
            }
            let sql = "DELETE FROM known_places WHERE user_id = $1 AND place NOT IN \
                       (SELECT place FROM known_places WHERE user_id = $1 ORDER BY seen_at DESC, place LIMIT $2)";
            transaction.execute(sql, &[user.0.into(), most.into()]).map(drop)
        })
        .await
    }

    /// Forgets all places that a user signed in from.
    pub(crate) async fn forget_places(&self, user: UserId) -> Result<()> {
        let sql = "DELETE FROM known_places WHERE user_id = $1";
        self.write(move |transaction| transaction.execute(sql, &[user.0.into()]).map(drop)).await
    }
}

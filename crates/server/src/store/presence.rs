//! Who may see whose presence, whom to notify of typing, and when users were last seen. That last time has no version;
//! this module writes it.

use super::{Result, Store, bulk_params::BulkParams, column, param::Param, rows::unblocked};
use parlor_protocol::ids::{ConversationId, UserId};
use std::collections::{HashMap, HashSet};

impl Store {
    /// Returns those pairs (watcher, user) where the watcher may see the user's presence. This is the only place that
    /// decides it: both are members of a common conversation now, the user shares their presence, and neither has
    /// blocked the other.
    ///
    /// # Errors
    /// The store is unavailable.
    pub async fn visible_pairs(
        &self,
        pairs: impl IntoIterator<Item = (UserId, UserId)>,
    ) -> Result<HashSet<(UserId, UserId)>> {
        let pairs: Vec<(UserId, UserId)> = pairs.into_iter().collect();
        if pairs.is_empty() {
            return Ok(HashSet::new());
        }
        let sql = format!(
            "SELECT v.watcher, v.id FROM v JOIN users u ON u.id = v.id AND u.presence = 1 AND u.disabled = 0 \
             WHERE EXISTS (SELECT 1 FROM members a JOIN members b ON b.conversation_id = a.conversation_id \
             WHERE a.user_id = v.watcher AND a.has_left = 0 AND b.user_id = v.id AND b.has_left = 0) AND {}",
            unblocked("v.watcher", "v.id")
        );
        let found = self.query(move |connection| {
            let mut params = BulkParams::new(["watcher", "id"]);
            for (watcher, user) in pairs {
                params.push([Param::from(watcher.0), Param::from(user.0)]);
            }
            params.query(connection, &sql, |row| Ok((UserId(column(row, 0)?), UserId(column(row, 1)?))))
        });
        Ok(found.await?.into_iter().collect())
    }

    /// Returns when these users were last seen, where that is known.
    ///
    /// # Errors
    /// The store is unavailable.
    pub async fn last_seen(&self, users: &[UserId]) -> Result<HashMap<UserId, i64>> {
        if users.is_empty() {
            return Ok(HashMap::new());
        }
        let users = users.to_vec();
        let sql = "SELECT l.user_id, l.seen_at FROM v JOIN last_seen l ON l.user_id = v.id";
        let found = self.query(move |connection| {
            let mut params = BulkParams::new(["id"]);
            for user in users {
                params.push([Param::from(user.0)]);
            }
            params.query(connection, sql, |row| Ok((UserId(column(row, 0)?), column(row, 1)?)))
        });
        Ok(found.await?.into_iter().collect())
    }

    /// Records when users were last seen. A time moves back only if it was recorded by a clock that has since been set
    /// back.
    ///
    /// # Errors
    /// The store is unavailable.
    pub async fn save_last_seen(&self, mut seen: Vec<(UserId, i64)>) -> Result<()> {
        // In a fixed order, so that two nodes do not deadlock.
        seen.sort_unstable();
        let sql = "INSERT INTO last_seen (user_id, seen_at) SELECT v.user_id, v.seen_at FROM v \
                   WHERE v.user_id IS NOT NULL ORDER BY v.user_id ON CONFLICT (user_id) DO UPDATE \
                   SET seen_at = excluded.seen_at WHERE last_seen.seen_at < excluded.seen_at \
                   OR last_seen.seen_at > excluded.seen_at + 600000";
        self.write(move |transaction| {
            let mut params = BulkParams::new(["user_id", "seen_at"]);
            for (user, at) in seen {
                params.push([Param::from(user.0), Param::from(at)]);
            }
            params.execute(transaction, sql)
        })
        .await
    }

    /// Returns the members of a conversation, at most `most`, if the viewer is one of them; otherwise nobody. Those whom
    /// the viewer has blocked, or who have blocked the viewer, are left out.
    ///
    /// # Errors
    /// The store is unavailable.
    pub async fn audience(&self, viewer: UserId, conversation: ConversationId, most: u32) -> Result<Vec<UserId>> {
        let sql = format!(
            "SELECT m.user_id FROM members a JOIN members m ON m.conversation_id = a.conversation_id \
             WHERE a.conversation_id = $1 AND a.user_id = $2 AND a.has_left = 0 AND m.has_left = 0 AND {} LIMIT $3",
            unblocked("a.user_id", "m.user_id")
        );
        self.query(move |connection| {
            let parameters = [conversation.0.into(), viewer.0.into(), i64::from(most).into()];
            connection.query(&sql, &parameters, |row| column(row, 0).map(UserId))
        })
        .await
    }
}

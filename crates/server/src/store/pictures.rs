//! Pictures of users and groups, addressed by a hash of their bytes and owner; immutable once written.

use super::{Result, Store, clock::CLOCK_AHEAD_MS, column, files::USED_BYTES};
use parlor_protocol::ids::UserId;

/// A picture as it is served.
#[derive(Clone, Debug)]
pub(crate) struct Picture {
    pub(crate) media_type: String,
    pub(crate) bytes: Vec<u8>,
}

/// A picture to be stored.
#[derive(Clone, Debug)]
pub(crate) struct NewPicture {
    pub(crate) id: String,
    /// The user whose quota it counts for; none in the demo.
    pub(crate) owner: Option<UserId>,
    pub(crate) picture: Picture,
    pub(crate) now_ms: i64,
    /// The quota for all pictures and files of its owner.
    pub(crate) quota_bytes: u64,
}

impl Store {
    /// Stores a picture. Storing the same one again keeps one copy and renews its age. Returns false if it would exceed
    /// the owner's quota.
    pub(crate) async fn insert_picture(&self, new: NewPicture) -> Result<bool> {
        let sql = "INSERT INTO pictures (id, media_type, bytes, created_at, owner) VALUES ($1, $2, $3, $4, $5) \
                   ON CONFLICT (id) DO UPDATE SET created_at = excluded.created_at";
        let used = format!("SELECT {USED_BYTES}");
        self.write(move |transaction| {
            let NewPicture { id, owner, picture: Picture { media_type, bytes }, now_ms, quota_bytes } = new;
            if let Some(owner) = owner {
                let used: i64 = transaction.query_one(&used, &[owner.0.into()], |row| column(row, 0))?;
                if u64::try_from(used).unwrap_or(0).saturating_add(bytes.len() as u64) > quota_bytes {
                    return Ok(false);
                }
            }
            let owner = owner.map(|owner| owner.0);
            transaction.execute(sql, &[id.into(), media_type.into(), bytes.into(), now_ms.into(), owner.into()])?;
            Ok(true)
        })
        .await
    }

    /// Removes pictures that no user or conversation uses, if they were stored before a given time or have a timestamp
    /// in the future. Returns how many.
    pub async fn remove_unused_pictures(&self, came_before: i64, now_ms: i64) -> Result<u64> {
        let ahead = now_ms.saturating_add(CLOCK_AHEAD_MS);
        let unnamed = "(created_at < $1 OR created_at > $2) \
             AND id NOT IN (SELECT picture FROM users WHERE picture IS NOT NULL) \
             AND id NOT IN (SELECT picture FROM conversations WHERE picture IS NOT NULL)";
        let sql = format!("SELECT 1 FROM pictures WHERE {unnamed} LIMIT 1");
        let found = self
            .query(move |connection| connection.query_optional(&sql, &[came_before.into(), ahead.into()], |_| Ok(())))
            .await?;
        if found.is_none() {
            return Ok(0);
        }
        let sql = format!("DELETE FROM pictures WHERE {unnamed}");
        self.write(move |transaction| transaction.execute(&sql, &[came_before.into(), ahead.into()])).await
    }

    /// Returns a picture.
    pub(crate) async fn picture(&self, id: String) -> Result<Option<Picture>> {
        let sql = "SELECT media_type, bytes FROM pictures WHERE id = $1";
        self.query(move |connection| {
            connection.query_optional(sql, &[id.into()], |row| {
                Ok(Picture { media_type: column(row, 0)?, bytes: column(row, 1)? })
            })
        })
        .await
    }
}

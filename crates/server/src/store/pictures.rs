//! Pictures of people, by a hash of their bytes and their owner; never changed once written.

use super::{Result, Store, clock::CLOCK_AHEAD_MS, column, files::USED_BYTES};
use parlor_protocol::ids::UserId;

/// A picture as it is served.
#[derive(Clone, Debug)]
pub(crate) struct Picture {
    pub(crate) media_type: String,
    pub(crate) bytes: Vec<u8>,
}

/// A picture to be kept.
#[derive(Clone, Debug)]
pub(crate) struct NewPicture {
    pub(crate) id: String,
    /// The person for whom it counts; nobody in the demo.
    pub(crate) owner: Option<UserId>,
    pub(crate) picture: Picture,
    pub(crate) now_ms: i64,
    /// What all pictures and files of its owner may have.
    pub(crate) kept_bytes_max: u64,
}

impl Store {
    /// Keeps a picture. The same one twice is kept once, and counts as new. False: its owner would have too much.
    pub(crate) async fn insert_picture(&self, new: NewPicture) -> Result<bool> {
        let sql = "INSERT INTO pictures (id, media_type, bytes, created_at, owner) VALUES ($1, $2, $3, $4, $5) \
                   ON CONFLICT (id) DO UPDATE SET created_at = excluded.created_at";
        let kept = format!("SELECT {USED_BYTES}");
        self.write(move |transaction| {
            let NewPicture { id, owner, picture: Picture { media_type, bytes }, now_ms, kept_bytes_max } = new;
            if let Some(owner) = owner {
                let kept: i64 = transaction.query_one(&kept, &[owner.0.into()], |row| column(row, 0))?;
                if u64::try_from(kept).unwrap_or(0).saturating_add(bytes.len() as u64) > kept_bytes_max {
                    return Ok(false);
                }
            }
            let owner = owner.map(|owner| owner.0);
            transaction.execute(sql, &[id.into(), media_type.into(), bytes.into(), now_ms.into(), owner.into()])?;
            Ok(true)
        })
        .await
    }

    /// Removes pictures that came before a time, or say one that is still to come, and that no person and no conversation
    /// has. Says how many.
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

    /// A picture.
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

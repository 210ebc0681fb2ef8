//! Pictures of people, by the hash of their bytes; never changed once written.

use super::{Result, Store, column, query};

/// A picture as it is served.
#[derive(Clone, Debug)]
pub(crate) struct Picture {
    pub(crate) media_type: String,
    pub(crate) bytes: Vec<u8>,
}

impl Store {
    /// Keeps a picture. The same one twice is kept once, and counts as new.
    pub(crate) async fn insert_picture(&self, id: String, picture: Picture, now_ms: i64) -> Result<()> {
        let mut transaction = self.write().await?;
        query(
            "INSERT INTO pictures (id, media_type, bytes, created_at) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (id) DO UPDATE SET created_at = excluded.created_at",
        )
        .bind(id)
        .bind(picture.media_type)
        .bind(picture.bytes)
        .bind(now_ms)
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Removes pictures that came before a time and that no person and no conversation has. Says how many.
    pub async fn remove_unnamed_pictures(&self, came_before: i64) -> Result<u64> {
        let unnamed = "created_at < $1 AND id NOT IN (SELECT picture FROM users WHERE picture IS NOT NULL) \
             AND id NOT IN (SELECT picture FROM conversations WHERE picture IS NOT NULL)";
        let found = query(format!("SELECT 1 FROM pictures WHERE {unnamed} LIMIT 1"));
        if found.bind(came_before).fetch_optional(&self.readers).await?.is_none() {
            return Ok(0);
        }
        let mut transaction = self.write().await?;
        let removed = query(format!("DELETE FROM pictures WHERE {unnamed}"));
        let removed = removed.bind(came_before).execute(&mut *transaction).await?.rows_affected();
        transaction.commit().await?;
        Ok(removed)
    }

    /// A picture.
    pub(crate) async fn picture(&self, id: String) -> Result<Option<Picture>> {
        let row = query("SELECT media_type, bytes FROM pictures WHERE id = $1")
            .bind(id)
            .fetch_optional(&self.readers)
            .await?;
        row.map(|row| Ok(Picture { media_type: column(&row, 0)?, bytes: column(&row, 1)? })).transpose()
    }
}

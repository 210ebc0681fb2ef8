//! Pictures of people, by the hash of their bytes; never changed once written.

use super::{Result, Store, column};

/// A picture as it is served.
#[derive(Clone, Debug)]
pub(crate) struct Picture {
    pub(crate) media_type: String,
    pub(crate) bytes: Vec<u8>,
}

impl Store {
    /// Keeps a picture. The same one twice is kept once, and counts as new.
    pub(crate) async fn insert_picture(&self, id: String, picture: Picture, now_ms: i64) -> Result<()> {
        let sql = "INSERT INTO pictures (id, media_type, bytes, created_at) VALUES ($1, $2, $3, $4) \
                   ON CONFLICT (id) DO UPDATE SET created_at = excluded.created_at";
        self.write(move |transaction| {
            let Picture { media_type, bytes } = picture;
            transaction.execute(sql, &[id.into(), media_type.into(), bytes.into(), now_ms.into()]).map(drop)
        })
        .await
    }

    /// Removes pictures that came before a time and that no person and no conversation has. Says how many.
    pub async fn remove_unnamed_pictures(&self, came_before: i64) -> Result<u64> {
        let unnamed = "created_at < $1 AND id NOT IN (SELECT picture FROM users WHERE picture IS NOT NULL) \
             AND id NOT IN (SELECT picture FROM conversations WHERE picture IS NOT NULL)";
        let sql = format!("SELECT 1 FROM pictures WHERE {unnamed} LIMIT 1");
        let found = self.ask(move |connection| connection.optional(&sql, &[came_before.into()], |_| Ok(()))).await?;
        if found.is_none() {
            return Ok(0);
        }
        let sql = format!("DELETE FROM pictures WHERE {unnamed}");
        self.write(move |transaction| transaction.execute(&sql, &[came_before.into()])).await
    }

    /// A picture.
    pub(crate) async fn picture(&self, id: String) -> Result<Option<Picture>> {
        let sql = "SELECT media_type, bytes FROM pictures WHERE id = $1";
        self.ask(move |connection| {
            connection
                .optional(sql, &[id.into()], |row| Ok(Picture { media_type: column(row, 0)?, bytes: column(row, 1)? }))
        })
        .await
    }
}

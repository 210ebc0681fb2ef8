//! Pictures of people, by the hash of their bytes; never changed once written.

use super::{Result, Store, column, query};

/// A picture as it is served.
#[derive(Clone, Debug)]
pub(crate) struct Picture {
    pub(crate) media_type: String,
    pub(crate) bytes: Vec<u8>,
}

impl Store {
    /// Keeps a picture. The same one twice is kept once.
    pub(crate) async fn insert_picture(&self, id: String, picture: Picture, now_ms: i64) -> Result<()> {
        let mut transaction = self.write().await?;
        query(
            "INSERT INTO pictures (id, media_type, bytes, created_at) VALUES ($1, $2, $3, $4) ON CONFLICT (id) DO NOTHING",
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

    /// A picture.
    pub(crate) async fn picture(&self, id: String) -> Result<Option<Picture>> {
        let row = query("SELECT media_type, bytes FROM pictures WHERE id = $1")
            .bind(id)
            .fetch_optional(&self.readers)
            .await?;
        row.map(|row| Ok(Picture { media_type: column(&row, 0)?, bytes: column(&row, 1)? })).transpose()
    }
}

//! Uploads in progress and files as they are served. What messages carry changes in `batch` only.

use super::{
    Dialect, Result, Store, column, query,
    rows::{FILE, Reader},
};
use crate::domain::{
    files::{FileRow, FileState, Preview},
    rows::Named as _,
};
use parlor_protocol::ids::{FileId, UserId};
use sqlx::{Any, Transaction};

/// An upload to be begun.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the columns are described in the migrations")]
pub struct NewUpload {
    pub id: FileId,
    pub owner: UserId,
    pub client_id: String,
    pub name: String,
    pub bytes: u64,
    pub blob: String,
    pub now_ms: i64,
    pub unsent_max: u32,
    pub kept_bytes_max: u64,
}

/// What came of beginning one.
#[derive(Clone, Debug)]
pub enum Begun {
    /// It is new.
    New(FileRow),
    /// It was there already under this `client_id`.
    Found(FileRow),
    /// The person has as many as there may be that no message carries.
    TooManyUnsent,
    /// The person has so many bytes that this one would be too much.
    TooManyBytes {
        /// How many there are.
        kept: u64,
    },
}

/// What was found out about a file when all of it was there.
#[derive(Clone, Debug, Default)]
#[expect(missing_docs, reason = "the columns are described in the migrations")]
pub struct Finished {
    pub bytes: u64,
    pub media_type: String,
    pub size: Option<(u32, u32)>,
    pub blur_hash: Option<String>,
    pub preview: Option<Preview>,
}

fn int(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

impl Store {
    /// Begins an upload, within what its owner may have. The same `client_id` twice is one.
    ///
    /// Bytes count once, however often they are forwarded: for who uploaded them; when that file is gone, for the owner
    /// of the oldest copy, so that nobody keeps bytes that count for nobody.
    pub async fn begin_upload(&self, new: NewUpload) -> Result<Begun> {
        let mut transaction = self.write().await?;
        if self.dialect == Dialect::Postgres {
            // Two at once count each other.
            query("SELECT 1 FROM users WHERE id = $1 FOR NO KEY UPDATE")
                .bind(new.owner.0)
                .execute(&mut *transaction)
                .await?;
        }
        if let Some(found) = by_client_id(&mut transaction, new.owner, new.client_id.clone()).await? {
            return Ok(Begun::Found(found));
        }
        let row = query(
            "SELECT COALESCE(CAST(SUM(bytes) AS BIGINT), 0), COUNT(CASE WHEN state <> 'sent' THEN 1 END) \
             FROM files f WHERE owner = $1 AND (client_id NOT LIKE ' %' OR NOT EXISTS (SELECT 1 FROM files o \
             WHERE o.blob = f.blob AND (o.client_id NOT LIKE ' %' OR o.created_at < f.created_at \
             OR (o.created_at = f.created_at AND o.id < f.id))))",
        )
        .bind(new.owner.0)
        .fetch_one(&mut *transaction)
        .await?;
        let (kept, unsent): (i64, i64) = (column(&row, 0)?, column(&row, 1)?);
        let kept = u64::try_from(kept).unwrap_or(0);
        if unsent >= i64::from(new.unsent_max) {
            return Ok(Begun::TooManyUnsent);
        }
        if kept.saturating_add(new.bytes) > new.kept_bytes_max {
            return Ok(Begun::TooManyBytes { kept });
        }
        query(
            "INSERT INTO files (id, owner, client_id, name, bytes, announced_bytes, received, state, blob, created_at, \
             touched_at) VALUES ($1, $2, $3, $4, $5, $5, 0, 'uploading', $6, $7, $7)",
        )
        .bind(new.id.0)
        .bind(new.owner.0)
        .bind(new.client_id.clone())
        .bind(new.name)
        .bind(int(new.bytes))
        .bind(new.blob)
        .bind(new.now_ms)
        .execute(&mut *transaction)
        .await?;
        let row = by_client_id(&mut transaction, new.owner, new.client_id).await?;
        transaction.commit().await?;
        row.map(Begun::New).ok_or_else(|| super::Error::Corrupt("a new file is not there".to_owned()))
    }

    /// The upload of this `client_id`.
    pub async fn upload(&self, owner: UserId, client_id: String) -> Result<Option<FileRow>> {
        let row = query(format!("SELECT {FILE} FROM files f WHERE f.client_id = $1 AND f.owner = $2"))
            .bind(client_id)
            .bind(owner.0)
            .fetch_optional(&self.readers)
            .await?;
        row.map(|row| Reader::new(&row).file()).transpose()
    }

    /// The upload of this id.
    pub async fn upload_by_id(&self, owner: UserId, id: FileId) -> Result<Option<FileRow>> {
        let row = query(format!("SELECT {FILE} FROM files f WHERE f.id = $1 AND f.owner = $2"))
            .bind(id.0)
            .bind(owner.0)
            .fetch_optional(&self.readers)
            .await?;
        row.map(|row| Reader::new(&row).file()).transpose()
    }

    /// So much of an upload is safely on the disk. False: there is no such upload in progress any more.
    pub async fn keep_received(&self, id: FileId, received: u64, now_ms: i64) -> Result<bool> {
        let mut transaction = self.write().await?;
        let done = query("UPDATE files SET received = $1, touched_at = $2 WHERE id = $3 AND state = 'uploading'")
            .bind(int(received))
            .bind(now_ms)
            .bind(id.0)
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(done.rows_affected() == 1)
    }

    /// All of it is in the storage. None: there is no such upload in progress any more.
    pub async fn finish_upload(&self, id: FileId, finished: Finished, now_ms: i64) -> Result<Option<FileRow>> {
        let mut transaction = self.write().await?;
        let row = query(format!(
            "UPDATE files SET state = 'finished', received = announced_bytes, bytes = $1, media_type = $2, \
             width = $3, height = $4, blur_hash = $5, has_preview = $6, touched_at = $7 \
             WHERE id = $8 AND state = 'uploading' RETURNING {}",
            // SQLite knows no other name of the table there.
            FILE.replace("f.", "")
        ))
        .bind(int(finished.bytes))
        .bind(finished.media_type)
        .bind(finished.size.map(|(width, _)| i64::from(width)))
        .bind(finished.size.map(|(_, height)| i64::from(height)))
        .bind(finished.blur_hash)
        .bind(Preview::number(finished.preview))
        .bind(now_ms)
        .bind(id.0)
        .fetch_optional(&mut *transaction)
        .await?;
        let row = row.map(|row| Reader::new(&row).file()).transpose()?;
        transaction.commit().await?;
        Ok(row)
    }

    /// Gives a file up that no message carries. False: there is none such.
    pub async fn remove_upload(&self, id: FileId) -> Result<bool> {
        let mut transaction = self.write().await?;
        let row = query("DELETE FROM files WHERE id = $1 AND state <> 'sent' RETURNING blob")
            .bind(id.0)
            .fetch_optional(&mut *transaction)
            .await?;
        let Some(row) = row else { return Ok(false) };
        free(&mut transaction, column(&row, 0)?).await?;
        transaction.commit().await?;
        Ok(true)
    }

    /// Gives a file up that no message carries and nobody touched since. False: there is none such.
    pub async fn remove_stale_upload(&self, id: FileId, touched_before: i64) -> Result<bool> {
        let mut transaction = self.write().await?;
        let row = query("DELETE FROM files WHERE id = $1 AND state <> 'sent' AND touched_at < $2 RETURNING blob")
            .bind(id.0)
            .bind(touched_before)
            .fetch_optional(&mut *transaction)
            .await?;
        let Some(row) = row else { return Ok(false) };
        free(&mut transaction, column(&row, 0)?).await?;
        transaction.commit().await?;
        Ok(true)
    }

    /// Files that no message carries and nobody touched since.
    pub async fn stale_uploads(&self, touched_before: i64, most: i64) -> Result<Vec<FileId>> {
        let rows = query("SELECT id FROM files WHERE state <> 'sent' AND touched_at < $1 ORDER BY touched_at LIMIT $2")
            .bind(touched_before)
            .bind(most)
            .fetch_all(&self.readers)
            .await?;
        rows.iter().map(|row| Ok(FileId(column(row, 0)?))).collect()
    }

    /// Whether an upload is in progress.
    pub async fn is_uploading(&self, id: FileId) -> Result<bool> {
        let row = query("SELECT state FROM files WHERE id = $1").bind(id.0).fetch_optional(&self.readers).await?;
        let state = row.map(|row| column::<String>(&row, 0)).transpose()?;
        Ok(state.as_deref() == Some(FileState::Uploading.name()))
    }

    /// What the storage need not keep any longer, in the order of names.
    pub async fn freed_blobs(&self, after: String, most: i64) -> Result<Vec<String>> {
        let mut transaction = self.write().await?;
        if self.dialect == Dialect::Postgres {
            // The clock's row first: no commit is deleting the last copy, or making one, while this looks.
            query("UPDATE clock SET version = version WHERE one = 1").execute(&mut *transaction).await?;
        }
        // A copy may have come to what was freed; its row frees it again when it goes.
        query("DELETE FROM freed_blobs WHERE EXISTS (SELECT 1 FROM files f WHERE f.blob = freed_blobs.blob)")
            .execute(&mut *transaction)
            .await?;
        let rows = query("SELECT blob FROM freed_blobs WHERE blob > $1 ORDER BY blob LIMIT $2")
            .bind(after)
            .bind(most)
            .fetch_all(&mut *transaction)
            .await?;
        transaction.commit().await?;
        rows.iter().map(|row| column(row, 0)).collect()
    }

    /// Whether anything was freed. Cheaper than to ask what.
    pub async fn has_freed_blobs(&self) -> Result<bool> {
        Ok(query("SELECT 1 FROM freed_blobs LIMIT 1").fetch_optional(&self.readers).await?.is_some())
    }

    /// The storage has it no longer.
    pub async fn forget_blob(&self, blob: String) -> Result<()> {
        let mut transaction = self.write().await?;
        query("DELETE FROM freed_blobs WHERE blob = $1").bind(blob).execute(&mut *transaction).await?;
        transaction.commit().await?;
        Ok(())
    }

    /// A file that this person may see: carried by a message in a conversation that the person is in, written since
    /// the person may look, neither deleted nor hidden by the person; or the person's own, not yet sent.
    pub async fn visible_file(&self, user: UserId, id: FileId) -> Result<Option<FileRow>> {
        let row = query(format!(
            "SELECT {FILE} FROM files f WHERE f.id = $1 AND ((f.state = 'finished' AND f.owner = $2) \
             OR (f.state = 'sent' AND EXISTS (SELECT 1 FROM members m WHERE m.conversation_id = f.conversation_id \
             AND m.user_id = $2 AND m.has_left = 0 AND m.history_from <= f.seq) \
             AND NOT EXISTS (SELECT 1 FROM hidden_messages h WHERE h.user_id = $2 \
             AND h.conversation_id = f.conversation_id AND h.seq = f.seq)))"
        ))
        .bind(id.0)
        .bind(user.0)
        .fetch_optional(&self.readers)
        .await?;
        row.map(|row| Reader::new(&row).file()).transpose()
    }

    /// What the storage must have, in the order of names: the blob, its bytes, whether there is a preview.
    pub async fn kept_blobs(&self, after: String, most: i64) -> Result<Vec<(String, u64, bool)>> {
        let rows = query(
            "SELECT blob, MAX(bytes), MAX(has_preview) FROM files WHERE state <> 'uploading' AND blob > $1 \
             GROUP BY blob ORDER BY blob LIMIT $2",
        )
        .bind(after)
        .bind(most)
        .fetch_all(&self.readers)
        .await?;
        let blob = |row| {
            let (blob, bytes, has_preview): (_, i64, i64) = (column(row, 0)?, column(row, 1)?, column(row, 2)?);
            Ok((blob, u64::try_from(bytes).unwrap_or(0), has_preview != 0))
        };
        rows.iter().map(blob).collect()
    }

    /// Whether any row, or the list of what was freed, has it.
    pub async fn knows_blob(&self, blob: String) -> Result<bool> {
        let row =
            query("SELECT 1 FROM files WHERE blob = $1 UNION ALL SELECT 1 FROM freed_blobs WHERE blob = $1 LIMIT 1")
                .bind(blob)
                .fetch_optional(&self.readers)
                .await?;
        Ok(row.is_some())
    }
}

async fn by_client_id(
    transaction: &mut Transaction<'_, Any>,
    owner: UserId,
    client_id: String,
) -> Result<Option<FileRow>> {
    let row = query(format!("SELECT {FILE} FROM files f WHERE f.client_id = $1 AND f.owner = $2"))
        .bind(client_id)
        .bind(owner.0)
        .fetch_optional(&mut **transaction)
        .await?;
    row.map(|row| Reader::new(&row).file()).transpose()
}

async fn free(transaction: &mut Transaction<'_, Any>, blob: String) -> Result<()> {
    query("INSERT INTO freed_blobs (blob) VALUES ($1) ON CONFLICT (blob) DO NOTHING")
        .bind(blob)
        .execute(&mut **transaction)
        .await?;
    Ok(())
}

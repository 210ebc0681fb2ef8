//! Uploads in progress, and files as they are served. Files that messages carry change in `batch` only.

use super::{
    Result, Store,
    clock::CLOCK_AHEAD_MS,
    column,
    connection::DatabaseConnection,
    param::Param,
    rows::{FILE, RowReader},
};
use crate::domain::rows::{FileRow, FileState, Named as _, Preview};
use parlor_protocol::ids::{FileId, UserId};

/// An upload to be started.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the columns are described in the migrations")]
pub struct NewUploadRow {
    pub id: FileId,
    pub owner: UserId,
    pub client_id: String,
    pub name: String,
    pub bytes: u64,
    pub blob: String,
    pub now_ms: i64,
    pub unsent_max: u32,
    pub quota_bytes: u64,
}

/// The outcome of starting an upload.
#[derive(Clone, Debug)]
pub enum UploadStart {
    /// It was created.
    New(FileRow),
    /// There already was one with this `client_id`.
    Existing(FileRow),
    /// The user has as many unsent files as allowed.
    TooManyUnsent,
    /// The upload would exceed the user's storage quota.
    TooManyBytes {
        /// How many bytes they use.
        used: u64,
    },
}

/// What is known about a file once it is complete.
#[derive(Clone, Debug, Default)]
#[expect(missing_docs, reason = "the columns are described in the migrations")]
pub struct FinishedUpload {
    pub bytes: u64,
    pub media_type: String,
    pub size: Option<(u32, u32)>,
    pub blur_hash: Option<String>,
    pub preview: Option<Preview>,
}

/// How many stored bytes count for user `$1`: files, and pictures of users and groups. A forwarded file counts once:
/// for its uploader, or, once that file is gone, for the owner of the oldest copy.
pub(super) const USED_BYTES: &str = "\
    (SELECT COALESCE(CAST(SUM(bytes) AS BIGINT), 0) FROM files f WHERE owner = $1 AND (client_id NOT LIKE ' %' \
    OR NOT EXISTS (SELECT 1 FROM files o WHERE o.blob = f.blob AND (o.client_id NOT LIKE ' %' \
    OR o.created_at < f.created_at OR (o.created_at = f.created_at AND o.id < f.id))))) \
    + (SELECT COALESCE(CAST(SUM(LENGTH(bytes)) AS BIGINT), 0) FROM pictures WHERE owner = $1)";

fn int(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

impl Store {
    /// Starts an upload within its owner's limits. Starting the same `client_id` again returns the existing one.
    ///
    /// Bytes count once however often they are forwarded, and always for somebody.
    pub async fn begin_upload(&self, new: NewUploadRow) -> Result<UploadStart> {
        self.write(move |transaction| begin(transaction, &new)).await
    }

    /// Returns the upload with this `client_id`.
    pub async fn upload(&self, owner: UserId, client_id: String) -> Result<Option<FileRow>> {
        self.query(move |connection| by_client_id(connection, owner, &client_id)).await
    }

    /// Returns the upload with this id.
    pub async fn upload_by_id(&self, owner: UserId, id: FileId) -> Result<Option<FileRow>> {
        let sql = format!("SELECT {FILE} FROM files f WHERE f.id = $1 AND f.owner = $2");
        self.query(move |connection| {
            connection.query_optional(&sql, &[id.0.into(), owner.0.into()], |row| RowReader::new(row).file())
        })
        .await
    }

    /// Records how much of an upload is safely on disk. Returns false if the upload is no longer in progress.
    pub async fn record_received(&self, id: FileId, received: u64, now_ms: i64) -> Result<bool> {
        let sql = "UPDATE files SET received = $1, touched_at = $2 WHERE id = $3 AND state = 'uploading'";
        self.write(move |transaction| {
            Ok(transaction.execute(sql, &[int(received).into(), now_ms.into(), id.0.into()])? == 1)
        })
        .await
    }

    /// Marks an upload as finished: all of it is in the storage. Returns none if the upload is no longer in progress.
    pub async fn finish_upload(&self, id: FileId, finished: FinishedUpload, now_ms: i64) -> Result<Option<FileRow>> {
        let sql = format!(
            "UPDATE files SET state = 'finished', received = announced_bytes, bytes = $1, media_type = $2, \
             width = $3, height = $4, blur_hash = $5, has_preview = $6, touched_at = $7 \
             WHERE id = $8 AND state = 'uploading' RETURNING {}",
            // In RETURNING, SQLite does not accept an alias of the table.
            FILE.replace("f.", "")
        );
        self.write(move |transaction| {
            let parameters = [
                int(finished.bytes).into(),
                finished.media_type.into(),
                finished.size.map(|(width, _)| i64::from(width)).into(),
                finished.size.map(|(_, height)| i64::from(height)).into(),
                finished.blur_hash.into(),
                Preview::number(finished.preview).into(),
                now_ms.into(),
                id.0.into(),
            ];
            transaction.query_optional(&sql, &parameters, |row| RowReader::new(row).file())
        })
        .await
    }

    /// Deletes a file that no message carries. Returns false if there is none.
    pub async fn remove_upload(&self, id: FileId) -> Result<bool> {
        let sql = "DELETE FROM files WHERE id = $1 AND state <> 'sent' RETURNING blob";
        self.delete_and_free(sql, [id.0.into()]).await
    }

    /// Deletes a file that no message carries and that was not touched since a given time. Returns false if there is
    /// none.
    pub async fn remove_stale_upload(&self, id: FileId, touched_before: i64) -> Result<bool> {
        let sql = "DELETE FROM files WHERE id = $1 AND state <> 'sent' AND touched_at < $2 RETURNING blob";
        self.delete_and_free(sql, [id.0.into(), touched_before.into()]).await
    }

    /// Runs a statement that deletes at most one file and returns its blob, which is then free.
    async fn delete_and_free<const N: usize>(
        &self,
        sql: &'static str,
        parameters: [Param<'static>; N],
    ) -> Result<bool> {
        self.write(move |transaction| {
            let Some(blob) = transaction.query_optional(sql, &parameters, |row| column::<String>(row, 0))? else {
                return Ok(false);
            };
            let sql = "INSERT INTO freed_blobs (blob) VALUES ($1) ON CONFLICT (blob) DO NOTHING";
            transaction.execute(sql, &[blob.into()])?;
            Ok(true)
        })
        .await
    }

    /// Returns files that no message carries and that were not touched since a given time, least recently touched
    /// first, starting after a position in that order.
    pub async fn stale_uploads(
        &self,
        touched_before: i64,
        (touched_at, id): (i64, FileId),
        most: i64,
    ) -> Result<Vec<(i64, FileId)>> {
        let sql = "SELECT touched_at, id FROM files WHERE state <> 'sent' AND touched_at < $1 \
                   AND (touched_at, id) > ($2, $3) ORDER BY touched_at, id LIMIT $4";
        self.query(move |connection| {
            let parameters = [touched_before.into(), touched_at.into(), id.0.into(), most.into()];
            connection.query(sql, &parameters, |row| Ok((column(row, 0)?, FileId(column(row, 1)?))))
        })
        .await
    }

    /// Resets future timestamps of unsent files to now. They come from a clock that has since been set back, and would
    /// keep the files for as long as it was ahead.
    pub async fn clamp_future_uploads(&self, now_ms: i64) -> Result<()> {
        let ahead = now_ms.saturating_add(CLOCK_AHEAD_MS);
        let sql = "SELECT 1 FROM files WHERE state <> 'sent' AND touched_at > $1 LIMIT 1";
        if self.query(move |connection| connection.query_optional(sql, &[ahead.into()], |_| Ok(()))).await?.is_none() {
            return Ok(());
        }
        let sql = "UPDATE files SET touched_at = $1 WHERE state <> 'sent' AND touched_at > $2";
        self.write(move |transaction| transaction.execute(sql, &[now_ms.into(), ahead.into()]).map(drop)).await
    }

    /// Returns whether an upload is in progress.
    pub async fn is_uploading(&self, id: FileId) -> Result<bool> {
        let sql = "SELECT state FROM files WHERE id = $1";
        let state: Option<String> =
            self.query(move |connection| connection.query_optional(sql, &[id.0.into()], |row| column(row, 0))).await?;
        Ok(state.as_deref() == Some(FileState::Uploading.name()))
    }

    /// Returns blobs that can be removed from the storage, in the order of their names.
    pub async fn freed_blobs(&self, after: String, most: i64) -> Result<Vec<String>> {
        self.write(move |transaction| {
            if !transaction.is_sqlite() {
                // The clock's row first, so that no commit deletes the last copy or creates a new one meanwhile.
                transaction.execute("UPDATE clock SET version = version WHERE one = 1", &[])?;
            }
            // A freed blob may have been copied since; the copy's row frees it again when it is deleted.
            let sql = "DELETE FROM freed_blobs WHERE EXISTS (SELECT 1 FROM files f WHERE f.blob = freed_blobs.blob)";
            transaction.execute(sql, &[])?;
            let sql = "SELECT blob FROM freed_blobs WHERE blob > $1 ORDER BY blob LIMIT $2";
            transaction.query(sql, &[after.into(), most.into()], |row| column(row, 0))
        })
        .await
    }

    /// Returns whether there are freed blobs. Cheaper than listing them.
    pub async fn has_freed_blobs(&self) -> Result<bool> {
        let sql = "SELECT 1 FROM freed_blobs LIMIT 1";
        self.query(move |connection| Ok(connection.query_optional(sql, &[], |_| Ok(()))?.is_some())).await
    }

    /// Records that a freed blob was removed from the storage.
    pub async fn remove_freed_blob(&self, blob: String) -> Result<()> {
        let sql = "DELETE FROM freed_blobs WHERE blob = $1";
        self.write(move |transaction| transaction.execute(sql, &[blob.into()]).map(drop)).await
    }

    /// Returns a file if the user may see it: it is carried by a message in a conversation the user is in, within their
    /// visible history, and neither deleted nor hidden by them; or it is their own and not yet sent.
    pub async fn visible_file(&self, user: UserId, id: FileId) -> Result<Option<FileRow>> {
        let sql = format!(
            "SELECT {FILE} FROM files f WHERE f.id = $1 AND ((f.state = 'finished' AND f.owner = $2) \
             OR (f.state = 'sent' AND EXISTS (SELECT 1 FROM members m WHERE m.conversation_id = f.conversation_id \
             AND m.user_id = $2 AND m.has_left = 0 AND m.history_from <= f.seq \
             AND m.cleared_seq < f.seq) \
             AND NOT EXISTS (SELECT 1 FROM hidden_messages h WHERE h.user_id = $2 \
             AND h.conversation_id = f.conversation_id AND h.seq = f.seq)))"
        );
        self.query(move |connection| {
            connection.query_optional(&sql, &[id.0.into(), user.0.into()], |row| RowReader::new(row).file())
        })
        .await
    }

    /// Returns what the storage must contain, in the order of names: blob, size in bytes, and whether it has a preview.
    pub async fn stored_blobs(&self, after: String, most: i64) -> Result<Vec<(String, u64, bool)>> {
        let sql = "SELECT blob, MAX(bytes), MAX(has_preview) FROM files WHERE state <> 'uploading' AND blob > $1 \
                   GROUP BY blob ORDER BY blob LIMIT $2";
        self.query(move |connection| {
            connection.query(sql, &[after.into(), most.into()], |row| {
                let (blob, bytes, has_preview): (_, i64, i64) = (column(row, 0)?, column(row, 1)?, column(row, 2)?);
                Ok((blob, u64::try_from(bytes).unwrap_or(0), has_preview != 0))
            })
        })
        .await
    }

    /// Returns whether a file row or the list of freed blobs refers to a blob.
    pub async fn has_blob(&self, blob: String) -> Result<bool> {
        let sql = "SELECT 1 FROM files WHERE blob = $1 UNION ALL SELECT 1 FROM freed_blobs WHERE blob = $1 LIMIT 1";
        self.query(move |connection| Ok(connection.query_optional(sql, &[blob.into()], |_| Ok(()))?.is_some())).await
    }
}

fn begin(transaction: &mut DatabaseConnection, new: &NewUploadRow) -> Result<UploadStart> {
    if !transaction.is_sqlite() {
        // Locks the owner's row, so that two concurrent uploads count each other.
        transaction.execute("SELECT 1 FROM users WHERE id = $1 FOR NO KEY UPDATE", &[new.owner.0.into()])?;
    }
    if let Some(found) = by_client_id(transaction, new.owner, &new.client_id)? {
        return Ok(UploadStart::Existing(found));
    }
    let sql = format!("SELECT {USED_BYTES}, (SELECT COUNT(*) FROM files WHERE owner = $1 AND state <> 'sent')");
    let (used, unsent): (i64, i64) =
        transaction.query_one(&sql, &[new.owner.0.into()], |row| Ok((column(row, 0)?, column(row, 1)?)))?;
    let used = u64::try_from(used).unwrap_or(0);
    if unsent >= i64::from(new.unsent_max) {
        return Ok(UploadStart::TooManyUnsent);
    }
    if used.saturating_add(new.bytes) > new.quota_bytes {
        return Ok(UploadStart::TooManyBytes { used });
    }
    let sql = "INSERT INTO files (id, owner, client_id, name, bytes, announced_bytes, received, state, blob, \
               created_at, touched_at) VALUES ($1, $2, $3, $4, $5, $5, 0, 'uploading', $6, $7, $7)";
    let parameters = [
        new.id.0.into(),
        new.owner.0.into(),
        (&new.client_id).into(),
        (&new.name).into(),
        int(new.bytes).into(),
        (&new.blob).into(),
        new.now_ms.into(),
    ];
    transaction.execute(sql, &parameters)?;
    let row = by_client_id(transaction, new.owner, &new.client_id)?;
    row.map(UploadStart::New).ok_or_else(|| super::StoreError::Corrupt("a new file is missing".to_owned()))
}

fn by_client_id(connection: &mut DatabaseConnection, owner: UserId, client_id: &str) -> Result<Option<FileRow>> {
    let sql = format!("SELECT {FILE} FROM files f WHERE f.client_id = $1 AND f.owner = $2");
    connection.query_optional(&sql, &[client_id.into(), owner.0.into()], |row| RowReader::new(row).file())
}

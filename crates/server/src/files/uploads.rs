//! Starts uploads within their limits, reports their progress, and cancels them.

use super::{Files, file_name, partial};
use crate::{
    domain::{
        rows::{FileRow, FileState},
        text,
    },
    store::files::{NewUploadRow, UploadStart},
};
use parlor_protocol::{
    error::{Code, Problem},
    ids::{FileId, UserId},
    model::Upload,
};
use std::{fmt::Write as _, io};

impl Files {
    /// Starts an upload, or returns the one with this `client_id`.
    ///
    /// # Errors
    /// A limit is exceeded, or the `client_id` belongs to another file.
    pub(crate) async fn begin(
        &self,
        owner: UserId,
        client_id: String,
        name: &str,
        bytes: u64,
    ) -> Result<FileRow, Problem> {
        let begun = self.try_begin(owner, client_id, name, bytes).await;
        begun.inspect_err(|problem| self.refused(problem))
    }

    async fn try_begin(&self, owner: UserId, client_id: String, name: &str, bytes: u64) -> Result<FileRow, Problem> {
        text::client_id(&client_id, self.limits.client_id_chars_max)?;
        let name = file_name::sanitize(name);
        let found = self.store.upload(owner, client_id.clone()).await?;
        if let Some(found) = found {
            return check_same(found, &name, bytes);
        }
        let most = self.limits.upload_bytes_max;
        if bytes > most {
            return Err(Problem::new(Code::TooLarge)
                .with_detail(format!("the file has {bytes} bytes; the maximum is {most}"))
                .with_limit(most));
        }
        self.check_room(bytes).await?;
        let new = NewUploadRow {
            id: FileId(self.environment.random_id()),
            owner,
            client_id,
            name: name.clone(),
            bytes,
            blob: new_blob_name(self.environment.random()),
            now_ms: self.environment.now_ms(),
            unsent_max: self.limits.uploads_unsent_max,
            quota_bytes: self.limits.user_files_bytes_max,
        };
        match self.store.begin_upload(new).await? {
            UploadStart::New(row) => Ok(row),
            UploadStart::Existing(row) => check_same(row, &name, bytes),
            UploadStart::TooManyUnsent => {
                let most = self.limits.uploads_unsent_max;
                Err(Problem::new(Code::LimitReached)
                    .with_detail(format!("{most} files are being uploaded or not sent yet; send or cancel one of them"))
                    .with_limit(most.into()))
            }
            UploadStart::TooManyBytes { used } => {
                let most = self.limits.user_files_bytes_max;
                Err(Problem::new(Code::LimitReached)
                    .with_detail(format!(
                        "your files have {used} bytes; {bytes} more would exceed the maximum of {most}"
                    ))
                    .with_limit(most))
            }
        }
    }

    /// Returns the state of an upload.
    ///
    /// # Errors
    /// There is no such upload.
    pub(crate) async fn upload(&self, owner: UserId, client_id: String) -> Result<Upload, Problem> {
        let row = self.row(owner, client_id).await?;
        let mut upload = row.upload();
        if row.state == FileState::Uploading {
            let partials = self.partials.clone();
            upload.received = match self.live_received(row.id) {
                Some(received) => received,
                None => {
                    tokio::task::spawn_blocking(move || partials.stored_length(row.id, row.received)).await.unwrap_or(0)
                }
            };
        }
        Ok(upload)
    }

    /// Returns the upload with this `client_id`.
    ///
    /// # Errors
    /// There is no such upload.
    pub(crate) async fn row(&self, owner: UserId, client_id: String) -> Result<FileRow, Problem> {
        text::client_id(&client_id, self.limits.client_id_chars_max)?;
        let row = self.store.upload(owner, client_id).await?;
        row.ok_or_else(|| Code::NotFound.into())
    }

    /// Cancels an upload that no message carries.
    ///
    /// # Errors
    /// There is no such unsent upload.
    pub(crate) async fn cancel(&self, owner: UserId, id: FileId) -> Result<(), Problem> {
        let row = self.store.upload_by_id(owner, id).await?;
        if row.is_none_or(|row| row.state == FileState::Sent) {
            return Err(Problem::new(Code::NotFound).with_detail("there is no such unsent upload"));
        }
        let _lock = self.lock_upload(id).await;
        let is_gone = self.store.remove_upload(id).await?;
        if !is_gone {
            return Err(Problem::new(Code::NotFound).with_detail("there is no such unsent upload"));
        }
        self.remove_partials(id).await;
        Ok(())
    }

    /// Deletes an upload that the caller has locked.
    pub(super) async fn delete_upload(&self, id: FileId) {
        if let Err(error) = self.store.remove_upload(id).await {
            // The collector will remove it like any abandoned upload.
            tracing::warn!(%error, "A refused upload could not be removed");
        }
        self.remove_partials(id).await;
    }

    /// Refuses data when too little disk space would be left.
    pub(crate) async fn check_room(&self, bytes: u64) -> Result<(), Problem> {
        let (partials, folder) = (self.partials.clone(), self.storage.folder().map(std::path::Path::to_owned));
        let free = tokio::task::spawn_blocking(move || {
            let of_parts = partials.free_bytes()?;
            let of_files = folder.map(|folder| partial::free_bytes(&folder)).transpose()?;
            Ok::<u64, io::Error>(of_files.map_or(of_parts, |free| free.min(of_parts)))
        });
        let free = free.await.map_err(io::Error::other).flatten().map_err(|error| super::storage_problem(&error))?;
        if free.saturating_sub(bytes) < self.config.free_bytes_min {
            tracing::warn!(free, "An upload was refused: the disk is nearly full");
            return Err(Problem::new(Code::Unavailable)
                .with_detail(format!("the server has no room for {bytes} more bytes: its disk is nearly full")));
        }
        Ok(())
    }

    pub(crate) fn refused(&self, problem: &Problem) {
        self.metrics.uploads_refused.get_or_create(&crate::metrics::CodeLabels { code: problem.code.name() }).inc();
    }
}

fn check_same(row: FileRow, name: &str, bytes: u64) -> Result<FileRow, Problem> {
    if row.name == name && row.announced_bytes == bytes { Ok(row) } else { Err(Code::Conflict.into()) }
}

/// Returns a new name for the storage.
fn new_blob_name(random: [u8; 16]) -> String {
    random.iter().fold(String::with_capacity(32), |mut name, byte| {
        write!(name, "{byte:02x}").expect("writing into a String does not fail");
        name
    })
}

//! Finishing an upload: what it is, what is kept of it, and keeping it.

use super::{Files, sniff, storage::preview_of, unkept};
use crate::{domain::files::FileRow, http::errors::from_store, store::files::Finished};
use parlor_protocol::{
    error::{Code, Problem},
    model::Upload,
};
use std::{
    fs::File,
    io::{self, Read as _},
    path::{Path, PathBuf},
    sync::Arc,
};

/// What is to be kept.
struct Kept {
    finished: Finished,
    bytes: PathBuf,
    preview: Option<PathBuf>,
}

impl Files {
    /// Looks at an upload that is all there, and keeps it. The caller has its turn.
    pub(super) async fn finish(self: &Arc<Self>, row: &FileRow) -> Result<Upload, Problem> {
        let kept = match self.look(row).await {
            Err(problem) if !problem.retryable => {
                self.give_up(row.id).await;
                return Err(problem);
            }
            kept => kept?,
        };
        self.storage.put(&row.blob, kept.bytes).await.map_err(|error| unkept(&error))?;
        if let Some(preview) = kept.preview {
            self.storage.put(&preview_of(&row.blob), preview).await.map_err(|error| unkept(&error))?;
        }
        let now_ms = self.environment.now_ms();
        let finished = self.store.finish_upload(row.id, kept.finished, now_ms).await;
        let finished = finished.map_err(|error| from_store(&error))?;
        self.parts.remove(row.id);
        finished.map(|row| row.upload()).ok_or_else(|| Code::NotFound.into())
    }

    async fn look(self: &Arc<Self>, row: &FileRow) -> Result<Kept, Problem> {
        let path = self.parts.path(row.id);
        let from = path.clone();
        let head = tokio::task::spawn_blocking(move || head(&from)).await;
        let head = head.map_err(io::Error::other).flatten().map_err(|error| unkept(&error))?;
        let media_type = sniff::media_type(&head);
        let finished =
            Finished { bytes: row.announced_bytes, media_type: media_type.to_owned(), ..Finished::default() };
        Ok(Kept { finished, bytes: path, preview: None })
    }
}

fn head(path: &Path) -> io::Result<Vec<u8>> {
    let mut head = Vec::with_capacity(sniff::HEAD_BYTES);
    File::open(path)?.take(sniff::HEAD_BYTES as u64).read_to_end(&mut head)?;
    Ok(head)
}

//! The import for sites that leave their own message table behind: files of messages are copied from the application's
//! media folder into Parlor's storage, as uploads of the senders.
//!
//! Invariants: a path that leads out of the media folder is not followed; a file passes the same limits and examination
//! as an upload; an upload has a name made of its row, so that an interrupted import continues with it.

use super::{
    MirrorError, MirrorOptions,
    applied::{Applied, is_transient},
    host_tables::{TableRow, TableRows},
    message_row::HostFile,
};
use crate::{
    config::ProviderKind,
    files::{
        Files,
        ingest::{Ingest, IngestHandle, QUEUE, StartAt},
    },
};
use bytes::Bytes;
use parlor_protocol::{
    error::{Code, Problem},
    ids::{FileId, UserId},
};
use std::{
    collections::VecDeque,
    fs::File,
    io::{self, Read as _},
    path::{Path, PathBuf},
    sync::Arc,
};
use tokio::task::spawn_blocking;

/// How many users are read at once.
const PEOPLE_AT_ONCE: usize = 256;
/// How many files are copied before their messages are added: until then they count as not sent.
const FILES_AT_ONCE: usize = 8;
/// How much of a file is read at once.
const CHUNK_BYTES: usize = 256 * 1024;

/// What an import does besides copying messages.
#[derive(Clone, Debug, Default)]
pub(crate) struct Import {
    /// Copies files; without it they stay where the application has them.
    pub(crate) files: Option<FileImport>,
}

/// See the module documentation.
#[derive(Clone, Debug)]
pub(crate) struct FileImport {
    files: Arc<Files>,
    root: PathBuf,
    message_files_max: usize,
}

impl FileImport {
    /// Prepares to copy from a media folder.
    ///
    /// # Errors
    /// There is no such folder.
    pub(crate) fn new(files: Arc<Files>, root: &Path, message_files_max: u32) -> io::Result<Self> {
        let root = root.canonicalize()?;
        if !root.is_dir() {
            return Err(io::Error::new(io::ErrorKind::NotADirectory, "it is not a folder"));
        }
        Ok(Self { files, root, message_files_max: message_files_max as usize })
    }

    /// Copies the files of a message and returns the uploads. One that cannot be copied is left out and reported.
    ///
    /// # Errors
    /// The storage or the store is not available.
    pub(super) async fn copy(
        &self,
        row: &TableRow,
        sender: UserId,
        applied: &mut Applied,
    ) -> Result<Vec<FileId>, Problem> {
        let mut uploads = Vec::new();
        for (file, path) in row.files.iter().zip(&row.paths) {
            let uploaded = if uploads.len() < self.message_files_max {
                self.upload(sender, row.id, file, path).await
            } else {
                Err(Problem::new(Code::LimitReached).with_detail("its message has too many files"))
            };
            match uploaded {
                Ok(id) => uploads.push(id),
                Err(problem) if is_transient(&problem) => return Err(problem),
                Err(problem) => {
                    let reason = problem.detail.as_ref().unwrap_or(&problem.title);
                    applied.explain(format!("row {}, file {path}: {reason}", row.id));
                    applied.files_refused += 1;
                }
            }
        }
        applied.files += uploads.len() as u64;
        Ok(uploads)
    }

    async fn upload(&self, owner: UserId, row: i64, file: &HostFile, path: &str) -> Result<FileId, Problem> {
        let (root, path) = (self.root.clone(), path.to_owned());
        let opened = spawn_blocking(move || open(&root, &path)).await.map_err(|_| Problem::from(Code::Internal))?;
        let (source, bytes) = opened.map_err(|error| Problem::new(Code::NotFound).with_detail(error.to_string()))?;
        let client_id = format!("import-{row}-{}", file.id);
        let begun = self.files.begin(owner, client_id, &file.filename, bytes).await?;
        let upload = match self.files.ingest(owner, begun.id, StartAt::Beginning, QUEUE).await? {
            Ingest::Finished(upload) => upload,
            Ingest::Open(handle) => pass(source, bytes, handle).await?,
        };
        let changed = || Problem::new(Code::Conflict).with_detail("the file was changed while it was read");
        upload.attachment.map(|attachment| attachment.id).ok_or_else(changed)
    }
}

/// Opens a file below a folder, and returns its length.
fn open(root: &Path, path: &str) -> io::Result<(File, u64)> {
    let file = root.join(path).canonicalize()?;
    if !file.starts_with(root) {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, "it is not in the media folder"));
    }
    // A pipe would be waited for.
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a file"));
    }
    let file = File::open(file)?;
    let bytes = file.metadata()?.len();
    Ok((file, bytes))
}

/// Passes the bytes of a file to an upload.
async fn pass(mut source: File, bytes: u64, handle: IngestHandle) -> Result<parlor_protocol::model::Upload, Problem> {
    let mut left = bytes;
    while left > 0 {
        let most = usize::try_from(left).unwrap_or(usize::MAX).min(CHUNK_BYTES);
        let read = spawn_blocking(move || {
            let mut chunk = vec![0; most];
            let length = source.read(&mut chunk)?;
            chunk.truncate(length);
            Ok::<_, io::Error>((source, chunk))
        });
        let read = read.await.map_err(io::Error::other).flatten();
        let (file, chunk) = read.map_err(|error| Problem::new(Code::NotFound).with_detail(error.to_string()))?;
        source = file;
        left -= chunk.len() as u64;
        // It is shorter than it was, or the upload has failed, which `finish` returns.
        if chunk.is_empty() || !handle.send(Bytes::from(chunk)).await {
            break;
        }
    }
    handle.finish().await
}

/// Adds all users of the host, also those who have written nothing.
pub(super) async fn copy_people(options: &MirrorOptions) -> Result<(), MirrorError> {
    let mut after: Option<String> = None;
    loop {
        let rows = options.host.django_users_after(&options.user_table, after.as_deref(), PEOPLE_AT_ONCE).await?;
        let Some(last) = rows.last() else { return Ok(()) };
        after = Some(last.id.clone());
        let users = rows.into_iter().map(|row| options.users.host_user(row)).collect();
        options.users.put(ProviderKind::DjangoSession, users).await?;
    }
}

/// Splits a page so that no part has more files than may be unsent.
pub(super) fn parts(page: TableRows) -> VecDeque<TableRows> {
    let (mut parts, mut files) = (VecDeque::from([TableRows::new()]), 0);
    for (id, row) in page {
        let more = row.as_ref().map_or(0, |row| row.files.len());
        if files > 0 && files + more > FILES_AT_ONCE {
            parts.push_back(TableRows::new());
            files = 0;
        }
        files += more;
        parts.back_mut().expect("there is one").insert(id, row);
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_of_the_media_folder_are_opened() {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path().join("media");
        std::fs::create_dir_all(root.join("deep")).expect("created");
        std::fs::write(root.join("deep/a.txt"), "abc").expect("written");
        std::fs::write(folder.path().join("secret"), "abc").expect("written");
        std::os::unix::fs::symlink(folder.path().join("secret"), root.join("link")).expect("linked");
        let root = root.canonicalize().expect("it is there");
        assert_eq!(open(&root, "deep/a.txt").expect("a file").1, 3);
        let secret = folder.path().join("secret").display().to_string();
        for path in ["../secret", "deep/../../secret", "link", "deep", "absent", &secret] {
            assert!(open(&root, path).is_err(), "{path}");
        }
    }
}

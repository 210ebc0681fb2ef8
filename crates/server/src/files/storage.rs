//! Storage of finished files: a folder or an S3-compatible bucket, through `object_store`.
//!
//! A name is 32 random hexadecimal digits, the first two of which are a folder; a picture's preview has the same name
//! with `.preview`. Names never contain anything that users entered.

use super::partial::{create_folder, sync_folder};
use crate::config::Config;
use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, TryStreamExt as _, stream::BoxStream};
use object_store::{
    ClientOptions, GetOptions, GetRange, GetResultPayload, ObjectStore, ObjectStoreExt as _, RetryConfig,
    WriteMultipart, aws::AmazonS3Builder, local::LocalFileSystem, path::Path as Name,
};
use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Seek as _, SeekFrom},
    ops::Range,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
    time::Duration,
};

/// How many bytes are read or sent at once.
const CHUNK_BYTES: usize = 64 * 1024;
/// The part size of uploads to a bucket (S3's minimum is 5 MiB).
const S3_PART_BYTES: usize = 5 * 1024 * 1024;
/// How many parts are sent concurrently.
const S3_PARTS: usize = 2;

/// The folder with the marks of the databases that keep files here.
const MARKS: &str = "parlor";

/// How long a bucket may take to accept a connection, and how long it may be silent.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const READ_TIMEOUT: Duration = Duration::from_secs(30);
/// How often a request is retried.
const RETRIES: usize = 2;

/// Why the storage cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("file storage: {0}")]
pub struct StorageError(String);

impl From<io::Error> for StorageError {
    fn from(error: io::Error) -> Self {
        Self(error.to_string())
    }
}

impl From<crate::store::StoreError> for StorageError {
    fn from(error: crate::store::StoreError) -> Self {
        Self(error.to_string())
    }
}

/// The storage of finished files.
#[derive(Debug)]
pub struct Storage {
    backend: Backend,
}

#[derive(Debug)]
enum Backend {
    Folder { folder: PathBuf, store: OnceLock<Arc<LocalFileSystem>> },
    Bucket(Arc<dyn ObjectStore>),
}

/// Returns the name of a blob's preview.
pub(crate) fn preview_of(blob: &str) -> String {
    format!("{blob}.preview")
}

fn name_of(blob: &str) -> Name {
    let (folder, rest) = blob.split_at_checked(2).unwrap_or(("", blob));
    Name::from_iter([folder, rest])
}

/// Returns the name of a blob, or of a file beside one, from its path; none if it is not ours.
fn blob_name(backend: &str) -> Option<String> {
    let (folder, rest) = backend.split_once('/')?;
    let (rest, end) = rest.split_once('.').map_or((rest, None), |(rest, end)| (rest, Some(end)));
    let is_hex = |text: &str| text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let is_ours = folder.len() == 2 && rest.len() == 30 && is_hex(folder) && is_hex(rest);
    (is_ours && matches!(end, None | Some("preview" | "part"))).then(|| backend.replacen('/', "", 1))
}

impl Storage {
    /// Creates the configured storage.
    ///
    /// # Errors
    /// The settings of the bucket are invalid.
    pub(crate) fn new(config: &Config) -> Result<Self, StorageError> {
        let files = &config.files;
        let Some(bucket) = &files.s3_bucket else {
            let folder = files.folder.clone().unwrap_or_else(|| config.data.join("files"));
            return Ok(Self { backend: Backend::Folder { folder, store: OnceLock::new() } });
        };
        // Another library may already have installed a provider; any will do.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = AmazonS3Builder::new()
            .with_bucket_name(bucket)
            .with_region(&files.s3_region)
            .with_access_key_id(&files.s3_access_key_id)
            .with_secret_access_key(&files.s3_secret_access_key)
            // Not all S3-compatible services support bulk deletion.
            .with_disable_bulk_delete(true)
            .with_client_options(
                // A large file may take long, but the connection must not fall silent.
                ClientOptions::new()
                    .with_timeout_disabled()
                    .with_connect_timeout(CONNECT_TIMEOUT)
                    .with_read_timeout(READ_TIMEOUT),
            )
            .with_retry(RetryConfig { max_retries: RETRIES, retry_timeout: READ_TIMEOUT, ..RetryConfig::default() });
        if let Some(endpoint) = &files.s3_endpoint {
            builder = builder.with_endpoint(endpoint).with_allow_http(endpoint.starts_with("http://"));
        }
        let store = builder.build().map_err(|error| StorageError(error.to_string()))?;
        Ok(Self { backend: Backend::Bucket(Arc::new(store)) })
    }

    /// Returns the folder, unless the storage is a bucket.
    pub(crate) fn folder(&self) -> Option<&Path> {
        match &self.backend {
            Backend::Folder { folder, .. } => Some(folder),
            Backend::Bucket(_) => None,
        }
    }

    /// Returns none if the folder does not exist because nothing was stored yet.
    fn store(&self) -> io::Result<Option<Arc<dyn ObjectStore>>> {
        match &self.backend {
            Backend::Bucket(store) => Ok(Some(store.clone())),
            Backend::Folder { folder, store } => {
                if let Some(store) = store.get() {
                    return Ok(Some(store.clone()));
                }
                if !folder.is_dir() {
                    return Ok(None);
                }
                let made = LocalFileSystem::new_with_prefix(folder).map_err(io::Error::other)?;
                Ok(Some(store.get_or_init(|| Arc::new(made)).clone()))
            }
        }
    }

    /// Stores the bytes of a local file, which stays where it is. They are durable when this returns.
    pub(crate) async fn put(&self, blob: &str, file: PathBuf) -> io::Result<()> {
        match &self.backend {
            Backend::Folder { folder, .. } => {
                let name = name_of(blob);
                let to = folder.join(name.as_ref());
                tokio::task::spawn_blocking(move || link(&file, &to)).await.map_err(io::Error::other)?
            }
            Backend::Bucket(store) => put_into_bucket(store.as_ref(), &name_of(blob), file).await,
        }
    }

    /// Marks the storage as used by a database.
    pub(crate) async fn put_mark(&self, mark: &str) -> io::Result<()> {
        let name = Name::from_iter([MARKS, mark]);
        match &self.backend {
            Backend::Folder { folder, .. } => {
                let (folder, path) = (folder.clone(), folder.join(name.as_ref()));
                let marked = tokio::task::spawn_blocking(move || {
                    let marks = folder.join(MARKS);
                    create_folder(&marks)?;
                    OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(path)?.sync_all()?;
                    sync_folder(&marks)?;
                    sync_folder(&folder)?;
                    sync_folder(folder.parent().unwrap_or(Path::new(".")))
                });
                marked.await.map_err(io::Error::other)?
            }
            Backend::Bucket(store) => {
                store.put(&name, Bytes::new().into()).await.map_err(io::Error::other)?;
                Ok(())
            }
        }
    }

    /// Returns the marks of the databases that use this storage.
    pub(crate) async fn marks(&self) -> io::Result<Vec<String>> {
        let Some(store) = self.store()? else { return Ok(Vec::new()) };
        let marks = store.list(Some(&Name::from(MARKS))).try_collect::<Vec<_>>().await.map_err(io::Error::other)?;
        Ok(marks.iter().filter_map(|mark| Some(mark.location.filename()?.to_owned())).collect())
    }

    /// Returns a range of a blob as a stream; none if there is no such blob.
    pub(crate) async fn get(
        &self,
        blob: &str,
        range: Range<u64>,
    ) -> io::Result<Option<BoxStream<'static, io::Result<Bytes>>>> {
        let options = GetOptions { range: Some(GetRange::Bounded(range.clone())), ..GetOptions::default() };
        // S3 has no empty ranges.
        let options = if range.is_empty() { GetOptions::default() } else { options };
        let Some(store) = self.store()? else { return Ok(None) };
        let found = match store.get_opts(&name_of(blob), options).await {
            Err(object_store::Error::NotFound { .. }) => return Ok(None),
            found => found.map_err(io::Error::other)?,
        };
        Ok(Some(match found.payload {
            _ if range.is_empty() => futures_util::stream::empty().boxed(),
            GetResultPayload::File(file, _) => pieces(file, range).boxed(),
            GetResultPayload::Stream(stream) => stream.map_err(io::Error::other).boxed(),
        }))
    }

    /// Returns the size of a blob in bytes; none if there is no such blob.
    pub(crate) async fn bytes(&self, blob: &str) -> io::Result<Option<u64>> {
        let Some(store) = self.store()? else { return Ok(None) };
        match store.head(&name_of(blob)).await {
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            found => Ok(Some(found.map_err(io::Error::other)?.size)),
        }
    }

    /// Removes a blob. It is not an error if there is none.
    pub(crate) async fn remove(&self, blob: &str) -> io::Result<()> {
        let Some(store) = self.store()? else { return Ok(()) };
        match store.delete(&name_of(blob)).await {
            Err(object_store::Error::NotFound { .. }) => Ok(()),
            done => done.map_err(io::Error::other),
        }
    }

    /// Lists all objects that are named like blobs, with the times they were stored.
    pub(crate) fn list(&self) -> io::Result<BoxStream<'static, io::Result<(String, i64)>>> {
        let Some(store) = self.store()? else { return Ok(futures_util::stream::empty().boxed()) };
        let named = |meta: object_store::ObjectMeta| async move {
            Ok(blob_name(meta.location.as_ref()).map(|name| (name, meta.last_modified.timestamp_millis())))
        };
        Ok(store.list(None).map_err(io::Error::other).try_filter_map(named).boxed())
    }
}

/// Hard-links a file, or copies it from another file system.
fn link(file: &Path, to: &Path) -> io::Result<()> {
    let folder = to.parent().unwrap_or(Path::new("."));
    let above = folder.parent().unwrap_or(Path::new("."));
    create_folder(folder)?;
    match fs::remove_file(to) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    match fs::hard_link(file, to) {
        Ok(()) => {}
        Err(error) if is_another_disk(&error) => {
            let part = to.with_extension("part");
            let mut options = OpenOptions::new();
            let mut copy = options.create(true).truncate(true).write(true).mode(0o600).open(&part)?;
            io::copy(&mut File::open(file)?, &mut copy)?;
            copy.sync_all()?;
            fs::rename(&part, to)?;
        }
        Err(error) => return Err(error),
    }
    sync_folder(folder)?;
    sync_folder(above)
}

/// Also true of file systems without hard links.
fn is_another_disk(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::CrossesDevices | io::ErrorKind::Unsupported | io::ErrorKind::PermissionDenied)
}

async fn put_into_bucket(store: &dyn ObjectStore, name: &Name, file: PathBuf) -> io::Result<()> {
    let opened = tokio::task::spawn_blocking(move || {
        let file = File::open(file)?;
        let length = file.metadata()?.len();
        Ok::<_, io::Error>((file, length))
    });
    let (file, length) = opened.await.map_err(io::Error::other)??;
    let mut pieces = Box::pin(pieces(file, 0..length));
    if length <= S3_PART_BYTES as u64 {
        let mut all = Vec::with_capacity(usize::try_from(length).unwrap_or(S3_PART_BYTES));
        while let Some(piece) = pieces.try_next().await? {
            all.extend_from_slice(&piece);
        }
        store.put(name, all.into()).await.map_err(io::Error::other)?;
        return Ok(());
    }
    let upload = store.put_multipart(name).await.map_err(io::Error::other)?;
    let mut upload = WriteMultipart::new_with_chunk_size(upload, S3_PART_BYTES);
    let written = async {
        while let Some(piece) = pieces.try_next().await? {
            upload.wait_for_capacity(S3_PARTS).await.map_err(io::Error::other)?;
            upload.put(piece);
        }
        Ok::<(), io::Error>(())
    }
    .await;
    if let Err(error) = written {
        // The original error is what matters; a bucket deletes unfinished parts by its own rules.
        let _ = upload.abort().await;
        return Err(error);
    }
    upload.finish().await.map_err(io::Error::other)?;
    Ok(())
}

/// Returns a range of a local file as a stream.
fn pieces(file: File, range: Range<u64>) -> impl Stream<Item = io::Result<Bytes>> + Send {
    futures_util::stream::try_unfold((file, range, true), |(mut file, range, is_first)| async move {
        if range.is_empty() {
            return Ok(None);
        }
        let read = tokio::task::spawn_blocking(move || {
            if is_first {
                file.seek(SeekFrom::Start(range.start))?;
            }
            let left = usize::try_from(range.end - range.start).unwrap_or(usize::MAX);
            let mut piece = vec![0; left.min(CHUNK_BYTES)];
            file.read_exact(&mut piece)?;
            Ok::<_, io::Error>((piece, file, range))
        });
        let (piece, file, range) = read.await.map_err(io::Error::other)??;
        let next = range.start + piece.len() as u64..range.end;
        Ok(Some((Bytes::from(piece), (file, next, false))))
    })
}

#[cfg(test)]
mod tests {
    use super::blob_name;

    #[test]
    fn only_files_named_like_blobs_are_listed() {
        let rest = "0123456789abcdef0123456789abcd";
        for end in ["", ".preview", ".part"] {
            assert_eq!(blob_name(&format!("a0/{rest}{end}")), Some(format!("a0{rest}{end}")));
        }
        for other in [
            format!("a0{rest}"),
            format!("A0/{rest}"),
            format!("x/a0/{rest}"),
            format!("a0/{rest}0"),
            format!("a0/{rest}.jpg"),
            format!("parlor/a0{rest}"),
            "backup.tar".to_owned(),
        ] {
            assert_eq!(blob_name(&other), None, "{other}");
        }
    }
}

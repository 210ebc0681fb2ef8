//! Receives the bytes of uploads: one task for each upload, fed through a short queue by HTTP or a socket.
//!
//! Invariants: an upload has one ingest at a time; a newer one ends the older, because a client that comes back knows
//! that the old connection is dead. Bytes reported as received are written; bytes counted in the row are synced to
//! disk. However the queue ends, what was received is kept, and a complete upload is finished, whether or not anybody
//! waits.

use super::{Files, storage_problem};
use crate::domain::rows::{FileRow, FileState};
use bytes::{Bytes, BytesMut};
use parlor_protocol::{
    error::{Code, Problem},
    ids::{FileId, UserId},
    model::Upload,
};
use std::{
    fs::File,
    io,
    os::unix::fs::FileExt as _,
    sync::{
        Arc, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};
use tokio::{
    sync::{Mutex, OwnedMutexGuard, mpsc, watch},
    task::JoinHandle,
};

/// The header of a binary frame: the upload's id and the offset, 8 bytes each.
pub(crate) const FRAME_HEAD_BYTES: u32 = 16;
/// How many chunks wait to be written before the sender has to wait.
pub(crate) const QUEUE: usize = 4;
/// How many bytes are buffered before they are written.
const WRITE_BYTES: usize = 64 * 1024;
/// How many bytes are written before they are synced to disk.
const SYNC_BYTES: u64 = 8 * 1024 * 1024;

/// An upload that is being received.
#[derive(Debug)]
pub(crate) struct ActiveUpload {
    received: AtomicU64,
    /// Counts the ingests: one that sees a number other than its own gives way.
    newest: watch::Sender<u64>,
    lock: Arc<Mutex<()>>,
}

/// Where an ingest starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StartAt {
    /// At the first byte, discarding what was there.
    Beginning,
    /// At this byte, if exactly the bytes before it are stored.
    Offset(u64),
    /// After the stored bytes.
    Stored,
}

/// The outcome of starting an ingest.
#[derive(Debug)]
pub(crate) enum Ingest {
    /// The upload accepts data.
    Open(IngestHandle),
    /// The upload is already complete.
    Finished(Upload),
}

/// The handle through which an edge sends data.
#[derive(Debug)]
pub(crate) struct IngestHandle {
    /// The upload as it was when the ingest started.
    pub(crate) upload: Upload,
    /// How many bytes are written.
    pub(crate) progress: watch::Receiver<u64>,
    chunks: mpsc::Sender<Bytes>,
    task: JoinHandle<Result<Upload, Problem>>,
}

impl IngestHandle {
    /// Queues a chunk, waiting while the disk is behind. Returns false after a failure, which `finish` then returns.
    pub(crate) async fn send(&self, chunk: Bytes) -> bool {
        self.chunks.send(chunk).await.is_ok()
    }

    /// Ends the data. The returned upload has an attachment if it is complete.
    pub(crate) async fn finish(self) -> Result<Upload, Problem> {
        drop(self.chunks);
        self.task.await.unwrap_or_else(|_| Err(Code::Internal.into()))
    }

    /// Splits the handle for callers that cannot wait: dropping the queue ends the data.
    pub(crate) fn split(self) -> (mpsc::Sender<Bytes>, JoinHandle<Result<Upload, Problem>>) {
        (self.chunks, self.task)
    }
}

/// An exclusive lock on an upload, which notices when a newer caller wants it.
#[derive(Debug)]
pub(super) struct UploadLock {
    active: Arc<ActiveUpload>,
    number: u64,
    newest: watch::Receiver<u64>,
    _guard: OwnedMutexGuard<()>,
}

impl Files {
    /// Locks an upload, after ending the ingest that holds the lock.
    pub(super) async fn lock_upload(&self, id: FileId) -> UploadLock {
        let active = {
            let mut all = self.active.lock().unwrap_or_else(PoisonError::into_inner);
            all.retain(|_, active| active.strong_count() > 0);
            if let Some(active) = all.get(&id).and_then(std::sync::Weak::upgrade) {
                active
            } else {
                let (newest, lock) = (watch::Sender::new(0), Arc::default());
                let active = Arc::new(ActiveUpload { received: AtomicU64::new(0), newest, lock });
                all.insert(id, Arc::downgrade(&active));
                active
            }
        };
        let mut number = 0;
        active.newest.send_modify(|newest| {
            *newest += 1;
            number = *newest;
        });
        let newest = active.newest.subscribe();
        let guard = active.lock.clone().lock_owned().await;
        UploadLock { active, number, newest, _guard: guard }
    }

    /// Returns how much of an upload is written, if it is being received.
    pub(super) fn live_received(&self, id: FileId) -> Option<u64> {
        let all = self.active.lock().unwrap_or_else(PoisonError::into_inner);
        let active = all.get(&id)?.upgrade()?;
        Some(active.received.load(Ordering::Acquire))
    }

    /// Starts to receive an upload, through a queue of up to `pieces_max` chunks.
    ///
    /// # Errors
    /// There is no such upload, or it does not continue at that offset.
    pub(crate) async fn ingest(
        self: &Arc<Self>,
        owner: UserId,
        id: FileId,
        from: StartAt,
        chunks_max: usize,
    ) -> Result<Ingest, Problem> {
        let lock = self.lock_upload(id).await;
        let row = self.store.upload_by_id(owner, id).await?;
        let mut row = row.ok_or(Problem::from(Code::NotFound))?;
        if row.state != FileState::Uploading {
            return match from {
                StartAt::Offset(offset) if offset != row.announced_bytes => Err(wrong_offset(row.announced_bytes)),
                _ => Ok(Ingest::Finished(row.upload())),
            };
        }
        let synced = if from == StartAt::Beginning { 0 } else { row.received };
        if synced < row.received {
            // The row must not count bytes that are about to be cut off.
            let counted = self.store.record_received(id, synced, self.environment.now_ms()).await;
            counted?;
        }
        let partials = self.partials.clone();
        let opened = tokio::task::spawn_blocking(move || partials.open(id, synced)).await;
        let (file, offset) = opened.map_err(io::Error::other).flatten().map_err(|error| storage_problem(&error))?;
        lock.active.received.store(offset, Ordering::Release);
        if let StartAt::Offset(requested) = from
            && requested != offset
        {
            return Err(wrong_offset(offset));
        }
        row.received = offset;
        let upload = row.upload();
        let (progress, progress_receiver) = watch::channel(offset);
        let (chunks, queue) = mpsc::channel(chunks_max);
        let task = IngestTask {
            files: self.clone(),
            row,
            lock,
            file: Arc::new(file),
            offset,
            // Less than the row's count if the bytes are not on this machine.
            synced: offset,
            buffer: BytesMut::new(),
            progress,
        };
        self.metrics.uploads.inc();
        Ok(Ingest::Open(IngestHandle {
            upload,
            progress: progress_receiver,
            chunks,
            task: tokio::spawn(task.run(queue)),
        }))
    }
}

/// Returns the error for bytes that do not follow the stored ones.
pub(crate) fn wrong_offset(stored: u64) -> Problem {
    Problem::new(Code::WrongOffset).with_detail(format!("{stored} bytes are stored: continue at offset {stored}"))
}

/// Why an ingest ends before its queue does.
enum IngestError {
    /// A newer ingest wants the upload, or it is being canceled.
    Superseded,
    /// The upload no longer exists.
    Gone,
    /// More bytes came than were announced; the upload is deleted.
    TooLong,
    /// The disk failed; the partial file is emptied to make room.
    Disk(io::Error),
    /// The disk is nearly full.
    NearlyFull(Problem),
    /// The store failed.
    Store(Problem),
}

struct IngestTask {
    files: Arc<Files>,
    row: FileRow,
    lock: UploadLock,
    file: Arc<File>,
    /// How far the file is written.
    offset: u64,
    /// How far the file is synced and counted in the row.
    synced: u64,
    buffer: BytesMut,
    progress: watch::Sender<u64>,
}

impl IngestTask {
    async fn run(mut self, mut queue: mpsc::Receiver<Bytes>) -> Result<Upload, Problem> {
        let fed = self.ingest(&mut queue).await;
        self.files.metrics.uploads.dec();
        let ended = match fed {
            Ok(()) if self.offset == self.row.announced_bytes => self.files.finish(&self.row).await,
            Ok(()) => Ok(Upload { received: self.offset, ..self.row.upload() }),
            Err(stop) => Err(self.clean_up(stop).await),
        };
        if let Err(problem) = &ended {
            self.files.refused(problem);
        }
        ended
    }

    async fn ingest(&mut self, queue: &mut mpsc::Receiver<Bytes>) -> Result<(), IngestError> {
        loop {
            let number = self.lock.number;
            let chunk = tokio::select! {
                biased;
                _ = self.lock.newest.wait_for(|newest| *newest != number) => None,
                chunk = queue.recv() => Some(chunk),
            };
            let Some(chunk) = chunk else {
                // The newer ingest continues after the received bytes.
                self.sync().await?;
                return Err(IngestError::Superseded);
            };
            let Some(chunk) = chunk else { break };
            let received = self.offset + self.buffer.len() as u64;
            if chunk.len() as u64 > self.row.announced_bytes - received {
                return Err(IngestError::TooLong);
            }
            self.files.metrics.upload_bytes.inc_by(chunk.len() as u64);
            self.buffer.extend_from_slice(&chunk);
            // Written at once if nothing else is queued, so that the sender gets progress without sending more.
            if self.buffer.len() >= WRITE_BYTES || queue.is_empty() {
                self.write().await?;
            }
            if self.offset - self.synced >= SYNC_BYTES {
                self.sync().await?;
                self.files.check_room(0).await.map_err(IngestError::NearlyFull)?;
            }
        }
        self.write().await?;
        self.sync().await
    }

    async fn write(&mut self) -> Result<(), IngestError> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let (file, bytes, offset) = (self.file.clone(), self.buffer.split().freeze(), self.offset);
        let length = bytes.len() as u64;
        let written = tokio::task::spawn_blocking(move || file.write_all_at(&bytes, offset)).await;
        written.map_err(io::Error::other).flatten().map_err(IngestError::Disk)?;
        self.offset += length;
        self.lock.active.received.store(self.offset, Ordering::Release);
        self.progress.send_replace(self.offset);
        Ok(())
    }

    /// Syncs the file before the row counts the bytes.
    async fn sync(&mut self) -> Result<(), IngestError> {
        let file = self.file.clone();
        let synced = tokio::task::spawn_blocking(move || file.sync_all()).await;
        synced.map_err(io::Error::other).flatten().map_err(IngestError::Disk)?;
        let now_ms = self.files.environment.now_ms();
        let counted = self.files.store.record_received(self.row.id, self.offset, now_ms).await;
        match counted {
            Ok(true) => self.synced = self.offset,
            Ok(false) => return Err(IngestError::Gone),
            Err(error) => return Err(IngestError::Store(error.into())),
        }
        Ok(())
    }

    /// Returns the error, after removing what is of no more use.
    async fn clean_up(&self, stop: IngestError) -> Problem {
        match stop {
            IngestError::Superseded => {
                Problem::new(Code::Conflict).with_detail("another request has taken over this upload or canceled it")
            }
            IngestError::Gone => {
                self.files.remove_partials(self.row.id).await;
                Code::NotFound.into()
            }
            IngestError::TooLong => {
                let announced = self.row.announced_bytes;
                self.files.delete_upload(self.row.id).await;
                Problem::new(Code::TooLarge)
                    .with_detail(format!(
                        "more than the announced {announced} bytes were sent, so the upload was canceled"
                    ))
                    .with_limit(announced)
            }
            IngestError::Disk(error) => {
                let problem = storage_problem(&error);
                // Makes room for others; the uploader can start over.
                let (file, now_ms) = (self.file.clone(), self.files.environment.now_ms());
                let emptied = tokio::task::spawn_blocking(move || file.set_len(0)).await;
                if !matches!(emptied, Ok(Ok(()))) {
                    tracing::warn!("The partial file of an upload could not be emptied");
                }
                self.lock.active.received.store(0, Ordering::Release);
                if let Err(error) = self.files.store.record_received(self.row.id, 0, now_ms).await {
                    tracing::warn!(%error, "The reset of an upload could not be recorded");
                }
                problem
            }
            IngestError::NearlyFull(problem) | IngestError::Store(problem) => problem,
        }
    }
}

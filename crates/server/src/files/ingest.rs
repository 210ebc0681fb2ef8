//! Taking the bytes of an upload in: one task for each, fed through a short queue by HTTP or by a socket.
//!
//! Invariants: one feed of an upload at a time; a newer one ends the older, for whoever comes back knows best that
//! the old connection is dead. What is counted as received is written; what the row counts is on the disk. When the
//! queue ends, however it does, what came is kept, and what is complete is finished, whether or not anybody waits.

use super::{Files, storage_problem};
use crate::domain::files::{FileRow, FileState};
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

/// What stands before the data in a binary frame: the upload's id and the offset, 8 bytes each.
pub(crate) const FRAME_HEAD_BYTES: u32 = 16;
/// Pieces that wait to be written, where whoever hands them in waits too.
pub(crate) const QUEUE: usize = 4;
/// Bytes gathered before they are written.
const WRITE_BYTES: usize = 64 * 1024;
/// Bytes after which the disk is asked to have them for good.
const SYNC_BYTES: u64 = 8 * 1024 * 1024;

/// An upload that is fed right now.
#[derive(Debug)]
pub(crate) struct ActiveUpload {
    received: AtomicU64,
    /// Counts the feeds: whoever sees another number than his own gives way.
    newest: watch::Sender<u64>,
    lock: Arc<Mutex<()>>,
}

/// Where a feed begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StartAt {
    /// At the first byte, whatever was there.
    Beginning,
    /// At this byte, if what is kept goes up to it.
    Offset(u64),
    /// After what is kept.
    Stored,
}

/// What came of beginning to feed.
#[derive(Debug)]
pub(crate) enum Ingest {
    /// It is to be fed.
    Open(IngestHandle),
    /// It is there already.
    Finished(Upload),
}

/// The handle by which an edge feeds.
#[derive(Debug)]
pub(crate) struct IngestHandle {
    /// The upload as it was when the feed began.
    pub(crate) upload: Upload,
    /// How many bytes are written.
    pub(crate) progress: watch::Receiver<u64>,
    chunks: mpsc::Sender<Bytes>,
    task: JoinHandle<Result<Upload, Problem>>,
}

impl IngestHandle {
    /// Hands a piece in; waits while the disk is behind. False: it has failed, and `finish` says why.
    pub(crate) async fn send(&self, chunk: Bytes) -> bool {
        self.chunks.send(chunk).await.is_ok()
    }

    /// All that there is was handed in. The upload has an attachment if it is complete.
    pub(crate) async fn finish(self) -> Result<Upload, Problem> {
        drop(self.chunks);
        self.task.await.unwrap_or_else(|_| Err(Code::Internal.into()))
    }

    /// The same in two steps, for whoever cannot wait: the queue is the caller's to close by dropping it.
    pub(crate) fn split(self) -> (mpsc::Sender<Bytes>, JoinHandle<Result<Upload, Problem>>) {
        (self.chunks, self.task)
    }
}

/// The turn to change an upload, and how to notice that somebody newer wants it.
#[derive(Debug)]
pub(super) struct UploadLock {
    active: Arc<ActiveUpload>,
    number: u64,
    newest: watch::Receiver<u64>,
    _guard: OwnedMutexGuard<()>,
}

impl Files {
    /// Ends whatever feeds the upload, and waits until it has.
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

    /// How much of an upload is written, if it is fed right now.
    pub(super) fn live_received(&self, id: FileId) -> Option<u64> {
        let all = self.active.lock().unwrap_or_else(PoisonError::into_inner);
        let active = all.get(&id)?.upgrade()?;
        Some(active.received.load(Ordering::Acquire))
    }

    /// Begins to feed an upload, through a queue of so many pieces.
    ///
    /// # Errors
    /// There is none, or it does not go on there.
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
            // The row counts nothing that is about to be cut off.
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
            // Less than the row says where the bytes are not on this machine.
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

/// The bytes that came do not follow on those that are kept.
pub(crate) fn wrong_offset(synced: u64) -> Problem {
    Problem::new(Code::WrongOffset).with_detail(format!("{synced} bytes are kept: the next is at offset {synced}"))
}

/// Why a feed ends before its queue does.
enum IngestError {
    /// A newer feed, or the one who gives the upload up.
    Superseded,
    /// The upload is gone.
    Gone,
    /// More bytes came than were announced: it is given up.
    TooLong,
    /// The disk failed; what was there is dropped, to make room.
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
    /// Written up to here.
    offset: u64,
    /// Kept up to here, and the row says so.
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
                // What was counted is kept for the newer one.
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
            // Whoever waits for what he sent to be written is not kept waiting for more to come.
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

    /// What the row counts is on the disk first.
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

    /// Says why, and leaves nothing that is of no use.
    async fn clean_up(&self, stop: IngestError) -> Problem {
        match stop {
            IngestError::Superseded => {
                Problem::new(Code::Conflict).with_detail("another request goes on with this upload, or gave it up")
            }
            IngestError::Gone => {
                self.files.remove_partials(self.row.id).await;
                Code::NotFound.into()
            }
            IngestError::TooLong => {
                let announced = self.row.announced_bytes;
                self.files.delete_upload(self.row.id).await;
                Problem::new(Code::TooLarge)
                    .with_detail(format!("more came than the {announced} bytes that were announced: it was given up"))
                    .with_limit(announced)
            }
            IngestError::Disk(error) => {
                let problem = storage_problem(&error);
                // Room for others; the uploader may begin anew.
                let (file, now_ms) = (self.file.clone(), self.files.environment.now_ms());
                let emptied = tokio::task::spawn_blocking(move || file.set_len(0)).await;
                if !matches!(emptied, Ok(Ok(()))) {
                    tracing::warn!("A part of an upload could not be emptied");
                }
                self.lock.active.received.store(0, Ordering::Release);
                if let Err(error) = self.files.store.record_received(self.row.id, 0, now_ms).await {
                    tracing::warn!(%error, "An upload's beginning anew was not written");
                }
                problem
            }
            IngestError::NearlyFull(problem) | IngestError::Store(problem) => problem,
        }
    }
}

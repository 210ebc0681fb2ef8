//! Taking the bytes of an upload in: one task for each, fed through a short queue by HTTP or by a socket.
//!
//! Invariants: one feed of an upload at a time; a newer one ends the older, for whoever comes back knows best that
//! the old connection is dead. What is counted as received is written; what the row counts is on the disk. When the
//! queue ends, however it does, what came is kept, and what is complete is finished, whether or not anybody waits.

use super::{Files, unkept};
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
const KEEP_BYTES: u64 = 8 * 1024 * 1024;

/// An upload that is fed right now.
#[derive(Debug)]
pub(crate) struct Active {
    received: AtomicU64,
    /// Counts the feeds: whoever sees another number than his own gives way.
    newest: watch::Sender<u64>,
    turn: Arc<Mutex<()>>,
}

/// Where a feed begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum From {
    /// At the first byte, whatever was there.
    Start,
    /// At this byte, if what is kept goes up to it.
    Offset(u64),
    /// After what is kept.
    Kept,
}

/// What came of beginning to feed.
#[derive(Debug)]
pub(crate) enum Fed {
    /// It is to be fed.
    Open(Feed),
    /// It is there already.
    Finished(Upload),
}

/// The handle by which an edge feeds.
#[derive(Debug)]
pub(crate) struct Feed {
    /// The upload as it was when the feed began.
    pub(crate) upload: Upload,
    /// How many bytes are written.
    pub(crate) progress: watch::Receiver<u64>,
    pieces: mpsc::Sender<Bytes>,
    task: JoinHandle<Result<Upload, Problem>>,
}

impl Feed {
    /// Hands a piece in; waits while the disk is behind. False: it has failed, and `finish` says why.
    pub(crate) async fn send(&self, piece: Bytes) -> bool {
        self.pieces.send(piece).await.is_ok()
    }

    /// All that there is was handed in. The upload has an attachment if it is complete.
    pub(crate) async fn finish(self) -> Result<Upload, Problem> {
        drop(self.pieces);
        self.task.await.unwrap_or_else(|_| Err(Code::Internal.into()))
    }

    /// The same in two steps, for whoever cannot wait: the queue is the caller's to close by dropping it.
    pub(crate) fn split(self) -> (mpsc::Sender<Bytes>, JoinHandle<Result<Upload, Problem>>) {
        (self.pieces, self.task)
    }
}

/// The turn to change an upload, and how to notice that somebody newer wants it.
#[derive(Debug)]
pub(super) struct Turn {
    active: Arc<Active>,
    number: u64,
    newest: watch::Receiver<u64>,
    _guard: OwnedMutexGuard<()>,
}

impl Files {
    /// Ends whatever feeds the upload, and waits until it has.
    pub(super) async fn turn(&self, id: FileId) -> Turn {
        let active = {
            let mut all = self.active.lock().unwrap_or_else(PoisonError::into_inner);
            all.retain(|_, active| active.strong_count() > 0);
            if let Some(active) = all.get(&id).and_then(std::sync::Weak::upgrade) {
                active
            } else {
                let (newest, turn) = (watch::Sender::new(0), Arc::default());
                let active = Arc::new(Active { received: AtomicU64::new(0), newest, turn });
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
        let guard = active.turn.clone().lock_owned().await;
        Turn { active, number, newest, _guard: guard }
    }

    /// How much of an upload is written, if it is fed right now.
    pub(super) fn received_now(&self, id: FileId) -> Option<u64> {
        let all = self.active.lock().unwrap_or_else(PoisonError::into_inner);
        let active = all.get(&id)?.upgrade()?;
        Some(active.received.load(Ordering::Acquire))
    }

    /// Begins to feed an upload, through a queue of so many pieces.
    ///
    /// # Errors
    /// There is none, or it does not go on there.
    pub(crate) async fn feed(
        self: &Arc<Self>,
        owner: UserId,
        id: FileId,
        from: From,
        pieces_max: usize,
    ) -> Result<Fed, Problem> {
        let turn = self.turn(id).await;
        let row = self.store.upload_by_id(owner, id).await?;
        let mut row = row.ok_or(Problem::from(Code::NotFound))?;
        if row.state != FileState::Uploading {
            return match from {
                From::Offset(offset) if offset != row.announced_bytes => Err(elsewhere(row.announced_bytes)),
                _ => Ok(Fed::Finished(row.upload())),
            };
        }
        let kept = if from == From::Start { 0 } else { row.received };
        if kept < row.received {
            // The row counts nothing that is about to be cut off.
            let counted = self.store.keep_received(id, kept, self.environment.now_ms()).await;
            counted?;
        }
        let parts = self.parts.clone();
        let opened = tokio::task::spawn_blocking(move || parts.open(id, kept)).await;
        let (file, offset) = opened.map_err(io::Error::other).flatten().map_err(|error| unkept(&error))?;
        turn.active.received.store(offset, Ordering::Release);
        if let From::Offset(asked) = from
            && asked != offset
        {
            return Err(elsewhere(offset));
        }
        row.received = offset;
        let upload = row.upload();
        let (progress, watched) = watch::channel(offset);
        let (pieces, queue) = mpsc::channel(pieces_max);
        let feeding = Feeding {
            files: self.clone(),
            row,
            turn,
            file: Arc::new(file),
            offset,
            // Less than the row says where the bytes are not on this machine.
            kept: offset,
            gathered: BytesMut::new(),
            progress,
        };
        self.metrics.uploads.inc();
        Ok(Fed::Open(Feed { upload, progress: watched, pieces, task: tokio::spawn(feeding.run(queue)) }))
    }
}

/// The bytes that came do not follow on those that are kept.
pub(crate) fn elsewhere(kept: u64) -> Problem {
    Problem::new(Code::WrongOffset).with_detail(format!("{kept} bytes are kept: the next is at offset {kept}"))
}

/// Why a feed ends before its queue does.
enum Stop {
    /// A newer feed, or the one who gives the upload up.
    GivesWay,
    /// The upload is gone.
    Gone,
    /// More bytes came than were announced: it is given up.
    TooMuch,
    /// The disk failed; what was there is dropped, to make room.
    Disk(io::Error),
    /// The disk is nearly full.
    Low(Problem),
    /// The store failed.
    Store(Problem),
}

struct Feeding {
    files: Arc<Files>,
    row: FileRow,
    turn: Turn,
    file: Arc<File>,
    /// Written up to here.
    offset: u64,
    /// Kept up to here, and the row says so.
    kept: u64,
    gathered: BytesMut,
    progress: watch::Sender<u64>,
}

impl Feeding {
    async fn run(mut self, mut queue: mpsc::Receiver<Bytes>) -> Result<Upload, Problem> {
        let fed = self.feed(&mut queue).await;
        self.files.metrics.uploads.dec();
        let ended = match fed {
            Ok(()) if self.offset == self.row.announced_bytes => self.files.finish(&self.row).await,
            Ok(()) => Ok(Upload { received: self.offset, ..self.row.upload() }),
            Err(stop) => Err(self.stopped(stop).await),
        };
        if let Err(problem) = &ended {
            self.files.refused(problem);
        }
        ended
    }

    async fn feed(&mut self, queue: &mut mpsc::Receiver<Bytes>) -> Result<(), Stop> {
        loop {
            let number = self.turn.number;
            let piece = tokio::select! {
                biased;
                _ = self.turn.newest.wait_for(|newest| *newest != number) => None,
                piece = queue.recv() => Some(piece),
            };
            let Some(piece) = piece else {
                // What was counted is kept for the newer one.
                self.keep().await?;
                return Err(Stop::GivesWay);
            };
            let Some(piece) = piece else { break };
            let so_far = self.offset + self.gathered.len() as u64;
            if piece.len() as u64 > self.row.announced_bytes - so_far {
                return Err(Stop::TooMuch);
            }
            self.files.metrics.upload_bytes.inc_by(piece.len() as u64);
            self.gathered.extend_from_slice(&piece);
            // Whoever waits for what he sent to be written is not kept waiting for more to come.
            if self.gathered.len() >= WRITE_BYTES || queue.is_empty() {
                self.write().await?;
            }
            if self.offset - self.kept >= KEEP_BYTES {
                self.keep().await?;
                self.files.check_room(0).await.map_err(Stop::Low)?;
            }
        }
        self.write().await?;
        self.keep().await
    }

    async fn write(&mut self) -> Result<(), Stop> {
        if self.gathered.is_empty() {
            return Ok(());
        }
        let (file, bytes, offset) = (self.file.clone(), self.gathered.split().freeze(), self.offset);
        let length = bytes.len() as u64;
        let written = tokio::task::spawn_blocking(move || file.write_all_at(&bytes, offset)).await;
        written.map_err(io::Error::other).flatten().map_err(Stop::Disk)?;
        self.offset += length;
        self.turn.active.received.store(self.offset, Ordering::Release);
        self.progress.send_replace(self.offset);
        Ok(())
    }

    /// What the row counts is on the disk first.
    async fn keep(&mut self) -> Result<(), Stop> {
        let file = self.file.clone();
        let synced = tokio::task::spawn_blocking(move || file.sync_all()).await;
        synced.map_err(io::Error::other).flatten().map_err(Stop::Disk)?;
        let now_ms = self.files.environment.now_ms();
        let counted = self.files.store.keep_received(self.row.id, self.offset, now_ms).await;
        match counted {
            Ok(true) => self.kept = self.offset,
            Ok(false) => return Err(Stop::Gone),
            Err(error) => return Err(Stop::Store(error.into())),
        }
        Ok(())
    }

    /// Says why, and leaves nothing that is of no use.
    async fn stopped(&self, stop: Stop) -> Problem {
        match stop {
            Stop::GivesWay => {
                Problem::new(Code::Conflict).with_detail("another request goes on with this upload, or gave it up")
            }
            Stop::Gone => {
                self.files.remove_part(self.row.id).await;
                Code::NotFound.into()
            }
            Stop::TooMuch => {
                let announced = self.row.announced_bytes;
                self.files.give_up(self.row.id).await;
                Problem::new(Code::TooLarge)
                    .with_detail(format!("more came than the {announced} bytes that were announced: it was given up"))
                    .with_limit(announced)
            }
            Stop::Disk(error) => {
                let problem = unkept(&error);
                // Room for others; the uploader may begin anew.
                let (file, now_ms) = (self.file.clone(), self.files.environment.now_ms());
                let emptied = tokio::task::spawn_blocking(move || file.set_len(0)).await;
                if !matches!(emptied, Ok(Ok(()))) {
                    tracing::warn!("A part of an upload could not be emptied");
                }
                self.turn.active.received.store(0, Ordering::Release);
                if let Err(error) = self.files.store.keep_received(self.row.id, 0, now_ms).await {
                    tracing::warn!(%error, "An upload's beginning anew was not written");
                }
                problem
            }
            Stop::Low(problem) | Stop::Store(problem) => problem,
        }
    }
}

//! Uploads on a socket: binary frames between the others.
//!
//! Invariants: taking a frame never waits, neither for the disk nor for anything else; data that is sent and not yet
//! confirmed is bounded by a window; when a socket ends, received data is kept and the upload can continue elsewhere.

use crate::{
    commands::CommandResult,
    domain::rows::FileState,
    files::{
        Files,
        ingest::{FRAME_HEAD_BYTES, Ingest, StartAt},
    },
};
use bytes::{Buf as _, Bytes, BytesMut};
use futures_util::{FutureExt, future::BoxFuture};
use parlor_protocol::{
    error::{Code, Problem},
    event::Event,
    ids::{FileId, UserId},
    model::Upload,
    reply::{Answer, Done, UploadBegun, UploadEnded},
};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::{
    sync::{Notify, mpsc, oneshot, watch},
    task::JoinHandle,
};

/// Frames of the largest size that may be sent before they are confirmed.
const WINDOW_CHUNKS: u32 = 8;
/// Pieces that may wait for the disk. Data that arrives in the meantime is collected, so small frames are as efficient
/// as large ones.
const QUEUE: usize = 16;

/// The result of an upload when its ingest ended.
type Ended = Result<Upload, Problem>;

/// The uploads of one socket.
#[derive(Clone, Debug)]
pub(super) struct Uploads(Arc<UploadsState>);

#[derive(Debug)]
struct UploadsState {
    files: Arc<Files>,
    owner: UserId,
    begun: Mutex<HashMap<FileId, Begun>>,
    changed: Notify,
}

#[derive(Debug)]
struct Begun {
    /// `None` after a failure. Data that is still arriving is then dropped.
    pieces: Option<mpsc::Sender<Bytes>>,
    /// Data that arrived while the queue was full; bounded by the window.
    gathered: BytesMut,
    /// More data than announced, so that the ingest fails. What follows is dropped.
    is_over: bool,
    /// The result of the ingest; none once it was reported.
    ended: Option<oneshot::Receiver<Ended>>,
    progress: watch::Receiver<u64>,
    bytes: u64,
    /// How far data was taken.
    taken: u64,
    /// The progress that was last reported.
    reported: u64,
}

/// News of an upload.
#[derive(Debug)]
pub(super) enum UploadReport {
    /// How much is stored.
    Kept(Box<Event>),
    /// It failed before its end.
    Failed(Problem),
}

impl Uploads {
    pub(super) fn new(files: Arc<Files>, owner: UserId) -> Self {
        Self(Arc::new(UploadsState { files, owner, begun: Mutex::default(), changed: Notify::new() }))
    }

    /// Returns whether no upload is in progress.
    pub(super) fn is_empty(&self) -> bool {
        self.0.begun().is_empty()
    }

    /// Waits until there may be news.
    pub(super) async fn changed(&self) {
        self.0.changed.notified().await;
    }

    /// `upload.begin`
    pub(super) fn begin(&self, client_id: String, name: String, bytes: u64) -> BoxFuture<'static, CommandResult> {
        let shared = self.0.clone();
        async move { shared.begin(client_id, &name, bytes).await }.boxed()
    }

    /// `upload.end`
    pub(super) fn end(&self, id: FileId) -> BoxFuture<'static, CommandResult> {
        let shared = self.0.clone();
        // Removed at once: later frames are not part of the file.
        let begun = shared.begun().remove(&id);
        async move { shared.end(id, begun).await }.boxed()
    }

    /// `upload.cancel`
    pub(super) fn cancel(&self, id: FileId) -> BoxFuture<'static, CommandResult> {
        let shared = self.0.clone();
        shared.begun().remove(&id);
        async move { shared.files.cancel(shared.owner, id).await.map(|()| Answer::Done(Done {})) }.boxed()
    }

    /// Takes a binary frame: 8 bytes of the upload's id, 8 bytes of the offset, the data.
    pub(super) fn take(&self, mut frame: Bytes) -> Result<(), Problem> {
        if frame.len() < FRAME_HEAD_BYTES as usize {
            return Err(Problem::new(Code::InvalidField).with_detail(
                "a binary frame: 8 bytes of the upload's id, 8 bytes of the offset and data are expected",
            ));
        }
        let (id, offset) = (frame.get_i64(), frame.get_u64());
        let mut all = self.0.begun();
        let Some(begun) = all.get_mut(&FileId(id)) else {
            return Err(Problem::new(Code::NotFound).with_detail(format!("no upload {id} was begun on this socket")));
        };
        begun.take(id, offset, frame, self.0.files.chunk_bytes_max().into())
    }

    /// Returns the news.
    pub(super) fn news(&self) -> Vec<UploadReport> {
        let mut all = self.0.begun();
        let mut news = Vec::new();
        for (id, begun) in all.iter_mut() {
            begun.hand_on(Bytes::new());
            let received = *begun.progress.borrow_and_update();
            if received > begun.reported {
                begun.reported = received;
                news.push(UploadReport::Kept(Box::new(Event::UploadProgress { upload: *id, received })));
            }
            // An ingest whose queue is open ends only when it fails.
            let ended = begun.ended.as_mut().filter(|_| begun.pieces.is_some()).map(oneshot::Receiver::try_recv);
            if let Some(Ok(ended)) = ended {
                begun.ended = None;
                begun.drop_what_comes();
                if let Err(problem) = ended {
                    let detail = problem.detail.clone().unwrap_or_else(|| problem.title.clone());
                    news.push(UploadReport::Failed(problem.with_detail(format!("upload {id}: {detail}"))));
                }
            }
        }
        news
    }
}

impl Begun {
    /// Takes the data of a frame, of at most `most` bytes.
    fn take(&mut self, id: i64, offset: u64, data: Bytes, most: u64) -> Result<(), Problem> {
        if self.pieces.is_none() || self.is_over {
            return Ok(());
        }
        let length = data.len() as u64;
        let waiting = self.taken - *self.progress.borrow();
        let is_too_much = length > self.bytes - self.taken;
        let refused =
            if offset != self.taken {
                let expected = self.taken;
                Some(Problem::new(Code::WrongOffset).with_detail(format!("upload {id}: offset {expected} is expected")))
            } else if length > most {
                Some(
                    Problem::new(Code::TooLarge)
                        .with_detail(format!("upload {id}: a frame of {length} bytes; up to {most} are taken"))
                        .with_limit(most),
                )
            } else if is_too_much {
                // The ingest detects the same and gives the upload up.
                None
            } else if waiting + length > most * u64::from(WINDOW_CHUNKS) {
                Some(Problem::new(Code::TooMany).with_detail(format!(
                    "upload {id}: more was sent than window_bytes beyond what upload.progress told"
                )))
            } else {
                None
            };
        if let Some(problem) = refused {
            self.drop_what_comes();
            return Err(problem);
        }
        self.is_over = is_too_much;
        self.taken = (self.taken + length).min(self.bytes);
        self.hand_on(data);
        Ok(())
    }

    /// Drops all that follows.
    fn drop_what_comes(&mut self) {
        self.pieces = None;
        self.gathered = BytesMut::new();
    }

    /// Passes on what has arrived, as far as the queue has room. If the ingest failed, that is news.
    fn hand_on(&mut self, frame: Bytes) {
        let Some(pieces) = &self.pieces else { return };
        match pieces.try_reserve() {
            Ok(permit) if self.gathered.is_empty() && !frame.is_empty() => permit.send(frame),
            Ok(permit) => {
                self.gathered.extend_from_slice(&frame);
                if !self.gathered.is_empty() {
                    permit.send(std::mem::take(&mut self.gathered).freeze());
                }
            }
            Err(mpsc::error::TrySendError::Full(())) => self.gathered.extend_from_slice(&frame),
            Err(mpsc::error::TrySendError::Closed(())) => self.gathered = BytesMut::new(),
        }
    }

    /// Passes on the rest, and returns the result of the upload.
    async fn end(self) -> Option<oneshot::Receiver<Ended>> {
        if let Some(pieces) = self.pieces.filter(|_| !self.gathered.is_empty()) {
            // If the ingest failed, its result says why.
            drop(pieces.send(self.gathered.freeze()).await);
        }
        self.ended
    }
}

impl UploadsState {
    fn begun(&self) -> std::sync::MutexGuard<'_, HashMap<FileId, Begun>> {
        self.begun.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn begin(self: Arc<Self>, client_id: String, name: &str, bytes: u64) -> CommandResult {
        let most = self.files.uploads_of_a_socket_max();
        let is_full = |begun: &HashMap<FileId, Begun>| begun.len() >= most as usize;
        let too_many = || {
            Err(Problem::new(Code::LimitReached)
                .with_detail(format!("one socket sends up to {most} files at the same time"))
                .with_limit(most.into()))
        };
        if is_full(&self.begun()) {
            return too_many();
        }
        let row = self.files.begin(self.owner, client_id, name, bytes).await?;
        let (chunk_bytes_max, window_bytes) =
            (self.files.chunk_bytes_max(), self.files.chunk_bytes_max() * WINDOW_CHUNKS);
        let answer = |upload| Ok(Answer::UploadBegun(UploadBegun { upload, chunk_bytes_max, window_bytes }));
        let feed = match self.files.ingest(self.owner, row.id, StartAt::Stored, QUEUE).await? {
            Ingest::Finished(upload) => return answer(upload),
            Ingest::Open(feed) => feed,
        };
        let (upload, progress) = (feed.upload.clone(), feed.progress.clone());
        let (pieces, task) = feed.split();
        let (done, ended) = oneshot::channel();
        let begun = Begun {
            pieces: Some(pieces),
            gathered: BytesMut::new(),
            is_over: false,
            ended: Some(ended),
            progress: progress.clone(),
            bytes,
            taken: upload.received,
            reported: upload.received,
        };
        {
            let mut all = self.begun();
            if is_full(&all) {
                return too_many();
            }
            all.insert(row.id, begun);
        }
        let shared = Arc::downgrade(&self);
        tokio::spawn(follow(progress, task, done, move || {
            let shared = shared.upgrade();
            shared.inspect(|shared| shared.changed.notify_one()).is_some()
        }));
        answer(upload)
    }

    async fn end(self: Arc<Self>, id: FileId, begun: Option<Begun>) -> CommandResult {
        let ended = match begun {
            Some(begun) => begun.end().await,
            None => None,
        };
        let upload = if let Some(ended) = ended {
            // Its queue was just dropped, so it ends.
            ended.await.map_err(|_| Problem::from(Code::Internal))??
        } else {
            let row = self.files.store.upload_by_id(self.owner, id).await?;
            let row = row.ok_or(Problem::from(Code::NotFound))?;
            if row.state == FileState::Uploading {
                return Err(Problem::new(Code::UploadUnfinished).with_detail("it is not under way on this socket"));
            }
            row.upload()
        };
        if upload.attachment.is_none() {
            let (received, bytes) = (upload.received, upload.bytes);
            return Err(Problem::new(Code::UploadUnfinished)
                .with_detail(format!("{received} of {bytes} bytes are kept: begin again to go on")));
        }
        Ok(Answer::UploadEnded(UploadEnded { upload }))
    }
}

/// Signals whenever an ingest has news, and once more when its result is available, until nobody receives it.
async fn follow(
    mut progress: watch::Receiver<u64>,
    task: JoinHandle<Ended>,
    done: oneshot::Sender<Ended>,
    tell: impl Fn() -> bool,
) {
    while progress.changed().await.is_ok() {
        if !tell() {
            return;
        }
    }
    let ended = task.await.unwrap_or_else(|_| Err(Code::Internal.into()));
    // The caller may be gone.
    drop(done.send(ended));
    tell();
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOST: usize = 64 * 1024;

    fn begun(pieces: mpsc::Sender<Bytes>, bytes: u64) -> Begun {
        Begun {
            pieces: Some(pieces),
            gathered: BytesMut::new(),
            is_over: false,
            ended: None,
            progress: watch::channel(0).1,
            bytes,
            taken: 0,
            reported: 0,
        }
    }

    #[test]
    fn more_than_was_announced_is_held_once_however_much_comes() {
        for feeds in [true, false] {
            let (pieces, queue) = mpsc::channel(1);
            // The queue is not read any more, or the ingest has failed.
            let _queue = feeds.then_some(queue);
            let mut begun = begun(pieces, 1);
            let data = Bytes::from(vec![0; MOST]);
            for offset in [0].into_iter().chain(std::iter::repeat_n(1, 5000)) {
                assert_eq!(begun.take(7, offset, data.clone(), MOST as u64), Ok(()));
                assert!(begun.gathered.len() <= MOST, "feeds: {feeds}: {} bytes are held", begun.gathered.len());
            }
        }
    }

    #[test]
    fn what_a_feed_that_failed_left_is_not_held() {
        let (pieces, queue) = mpsc::channel(1);
        let mut begun = begun(pieces, 1_000_000);
        let data = Bytes::from(vec![0; 1000]);
        for offset in [0, 1000] {
            assert_eq!(begun.take(7, offset, data.clone(), MOST as u64), Ok(()));
        }
        assert_eq!(begun.gathered.len(), 1000, "the queue has room for one piece");
        drop(queue);
        assert_eq!(begun.take(7, 2000, data, MOST as u64), Ok(()));
        assert!(begun.gathered.is_empty());
    }

    #[tokio::test]
    async fn what_a_feed_ended_with_is_there_when_it_is_said_that_there_is_news() {
        let (progress, watched) = watch::channel(0);
        let (finish, finishing) = oneshot::channel::<()>();
        let task = tokio::spawn(async move {
            drop(progress);
            // It continues for a while after it was last observed.
            drop(finishing.await);
            Err(Code::Conflict.into())
        });
        let (done, mut ended) = oneshot::channel();
        let (tell, mut news) = mpsc::unbounded_channel();
        let following = follow(watched, task, done, move || tell.send(()).is_ok());
        let hearing = async {
            tokio::task::yield_now().await;
            finish.send(()).expect("it goes on");
            news.recv().await.expect("there is news");
            ended.try_recv().map(|ended| ended.map_err(|problem| problem.code))
        };
        let ((), heard) = tokio::join!(following, hearing);
        assert_eq!(heard, Ok(Err(Code::Conflict)));
    }
}

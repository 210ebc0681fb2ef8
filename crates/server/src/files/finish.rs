//! Finishes uploads: detects what a file is, processes it, and stores it.

use super::{
    Files,
    partial::PartialFiles,
    pictures::{self, PictureError, ProcessedPicture},
    sniff,
    storage::preview_of,
    storage_problem, videos,
};
use crate::{
    domain::rows::{FileRow, Preview},
    store::files::FinishedUpload,
};
use parlor_protocol::{
    error::{Code, Problem},
    ids::{FileId, UserId},
    model::Upload,
};
use std::{
    fs::File,
    io::{self, Read as _},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tokio::{sync::OwnedSemaphorePermit, time::timeout};

/// Media types that are processed as pictures.
const PICTURES: [&str; 4] = ["image/gif", "image/jpeg", "image/png", "image/webp"];

/// Media types that are processed as videos.
const VIDEOS: [&str; 5] = ["image/avif", "image/heic", "image/heif", "video/mp4", "video/quicktime"];

/// How many times as long as processing may take its permit is waited for.
pub(super) const WAIT_FACTOR: u32 = 6;

/// Permission to process a picture. The work itself holds it, because the caller may be gone before the work ends.
#[derive(Debug)]
pub(crate) struct ImagePermit {
    _share: OwnedSemaphorePermit,
    _permit: OwnedSemaphorePermit,
}

/// What is to be stored.
struct ProcessedFile {
    finished: FinishedUpload,
    bytes: PathBuf,
    preview: Option<PathBuf>,
}

/// Why nothing is stored.
enum RejectReason {
    Picture(pictures::Rejection),
    Video(String),
}

impl Files {
    /// Returns the limits for pictures.
    pub(crate) fn picture_limits(&self) -> pictures::PictureLimits {
        pictures::PictureLimits {
            pixels_max: self.limits.image_pixels_max.into(),
            frames_max: self.limits.image_frames_max,
            memory_max: self.config.image_memory_bytes_max,
        }
    }

    /// Waits for permission to process a picture. Each user gets one at a time, so that slow pictures of one user do
    /// not hold up everybody. Returns none after a timeout.
    pub(crate) async fn acquire_image_permit(&self, user: UserId) -> Option<ImagePermit> {
        let waiting = async { (self.user_limits.take(user).await, self.image_permits.clone().acquire_owned().await) };
        let (share, process) =
            timeout(Duration::from_millis(self.config.image_ms) * WAIT_FACTOR, waiting).await.ok()?;
        Some(ImagePermit { _share: share.ok()?, _permit: process.ok()? })
    }

    /// Processes a complete upload and stores it. The caller holds its lock.
    pub(super) async fn finish(self: &Arc<Self>, row: &FileRow) -> Result<Upload, Problem> {
        let processed = match self.process(row).await {
            Err(problem) if !problem.retryable => {
                self.delete_upload(row.id).await;
                return Err(problem);
            }
            processed => processed?,
        };
        self.mark_storage().await.map_err(|error| storage_problem(&error))?;
        self.storage.put(&row.blob, processed.bytes).await.map_err(|error| storage_problem(&error))?;
        if let Some(preview) = processed.preview {
            self.storage.put(&preview_of(&row.blob), preview).await.map_err(|error| storage_problem(&error))?;
        }
        let now_ms = self.environment.now_ms();
        let finished = self.store.finish_upload(row.id, processed.finished, now_ms).await;
        let finished = finished?;
        self.remove_partials(row.id).await;
        finished.map(|row| row.upload()).ok_or_else(|| Code::NotFound.into())
    }

    async fn process(self: &Arc<Self>, row: &FileRow) -> Result<ProcessedFile, Problem> {
        let path = self.partials.path(row.id);
        let from = path.clone();
        let head = tokio::task::spawn_blocking(move || head(&from)).await;
        let head = head.map_err(io::Error::other).flatten().map_err(|error| storage_problem(&error))?;
        let media_type = sniff::media_type(&head);
        let is_video = VIDEOS.contains(&media_type);
        if !is_video && !PICTURES.contains(&media_type) {
            return Ok(unprocessed(path, row.announced_bytes, media_type));
        }
        let limits = self.picture_limits();
        let timeout_after = Duration::from_millis(self.config.image_ms);
        let turn = self.acquire_image_permit(row.owner).await.ok_or_else(too_busy)?;
        let (partials, id, most) = (self.partials.clone(), row.id, self.limits.upload_bytes_max);
        let is_shown = row.announced_bytes <= self.limits.image_bytes_max.into();
        let looking = tokio::task::spawn_blocking(move || {
            // Slow work is not waited for, but holds its permit until it ends.
            let _lock = turn;
            if is_video {
                redact_video(&partials, id, media_type).map(|processed| processed.map_err(RejectReason::Video))
            } else {
                process_picture(&partials, id, limits, is_shown)
                    .map(|processed| processed.map_err(RejectReason::Picture))
            }
        });
        // The walk through a video is bounded by itself. Its writes must end before a newer ingest writes to the same
        // file.
        match timeout(if is_video { Duration::MAX } else { timeout_after }, looking).await {
            Ok(Ok(Ok(Ok(processed)))) if processed.finished.bytes > most => Err(Problem::new(Code::TooLarge)
                .with_detail(format!("once turned upright, the picture has more than {most} bytes"))
                .with_limit(most)),
            Ok(Ok(Ok(Ok(processed)))) => Ok(processed),
            Ok(Ok(Ok(Err(RejectReason::Video(why))))) => Err(unreadable(&why)),
            Ok(Ok(Ok(Err(RejectReason::Picture(pictures::Rejection::TooManyPixels { width, height }))))) => {
                Err(too_many_pixels(width, height, limits))
            }
            Ok(Ok(Ok(Err(RejectReason::Picture(pictures::Rejection::TooManyFrames { frames }))))) => {
                Err(too_many_frames(frames, limits))
            }
            Ok(Ok(Err(error))) => Err(storage_problem(&error)),
            Ok(Ok(Ok(Err(RejectReason::Picture(pictures::Rejection::Unreadable)))) | Err(_)) => {
                Err(unreadable("is broken"))
            }
            Err(_) => Err(too_busy()),
        }
    }
}

/// Returns a file that is stored as it is.
fn unprocessed(bytes: PathBuf, length: u64, media_type: &str) -> ProcessedFile {
    let finished = FinishedUpload { bytes: length, media_type: media_type.to_owned(), ..FinishedUpload::default() };
    ProcessedFile { finished, bytes, preview: None }
}

/// Overwrites the metadata of a video.
fn redact_video(partials: &PartialFiles, id: FileId, media_type: &str) -> io::Result<Result<ProcessedFile, String>> {
    let path = partials.path(id);
    let mut file = File::options().read(true).write(true).open(&path)?;
    let length = file.metadata()?.len();
    let redactions = match videos::find(&mut file, length)? {
        Ok(redactions) => redactions,
        Err(why) => return Ok(Err(why)),
    };
    redactions.apply(&file)?;
    Ok(Ok(unprocessed(path, length, media_type)))
}

/// Processes a picture and writes what is stored of it. A picture that is too large to show, or cannot be decoded, is
/// stored like any other file, but also without metadata.
fn process_picture(
    partials: &PartialFiles,
    id: FileId,
    limits: pictures::PictureLimits,
    is_shown: bool,
) -> io::Result<Result<ProcessedFile, pictures::Rejection>> {
    let source = File::open(partials.path(id))?;
    let path = partials.path_beside(id, "kept");
    let mut processed = partials.create(&path)?;
    if is_shown {
        match pictures::process(&source, &mut processed, limits) {
            Ok(picture) => return write_derived(partials, id, &picture, &processed).map(Ok),
            Err(PictureError::Rejected(pictures::Rejection::Unreadable)) => {}
            Err(PictureError::Rejected(not)) => return Ok(Err(not)),
            Err(PictureError::Io(error)) => return Err(error),
        }
    }
    match pictures::strip_only(&source, &mut processed) {
        Ok(length) => {
            processed.sync_all()?;
            Ok(Ok(unprocessed(path, length, sniff::BYTES)))
        }
        Err(PictureError::Rejected(not)) => Ok(Err(not)),
        Err(PictureError::Io(error)) => Err(error),
    }
}

/// The received bytes are kept, and processed again on the next request.
fn too_busy() -> Problem {
    Problem::new(Code::Unavailable).with_detail("the picture could not be processed in time; try again later")
}

/// Writes the preview of a picture beside the upload.
fn write_derived(
    partials: &PartialFiles,
    id: FileId,
    picture: &ProcessedPicture,
    processed: &File,
) -> io::Result<ProcessedFile> {
    processed.sync_all()?;
    let mut kind = None;
    let mut preview = None;
    if let Some((small, is_png)) = &picture.preview {
        let path = partials.path_beside(id, "preview");
        partials.write(&path, small)?;
        preview = Some(path);
        kind = Some(if *is_png { Preview::Png } else { Preview::Jpeg });
    }
    let finished = FinishedUpload {
        bytes: picture.length,
        media_type: picture.media_type.to_owned(),
        size: Some((picture.width, picture.height)),
        blur_hash: Some(picture.blur_hash.clone()),
        preview: kind,
    };
    Ok(ProcessedFile { finished, bytes: partials.path_beside(id, "kept"), preview })
}

/// The error for a file that is broken, too complex to walk, or not supported: it may reveal where it was recorded, and
/// is not published.
fn unreadable(why: &str) -> Problem {
    Problem::new(Code::UnsupportedType)
        .with_detail(format!("the file begins like a picture or video but {why}, so its metadata cannot be removed"))
}

fn too_many_pixels(width: u32, height: u32, limits: pictures::PictureLimits) -> Problem {
    let most = limits.pixels_max;
    Problem::new(Code::TooLarge)
        .with_detail(format!("the picture has {width} by {height} pixels; the maximum is {most} in total"))
        .with_limit(most)
}

fn too_many_frames(frames: u32, limits: pictures::PictureLimits) -> Problem {
    let most = limits.frames_max;
    Problem::new(Code::TooLarge)
        .with_detail(format!("the animation has {frames} frames; the maximum is {most}, less for large frames"))
        .with_limit(most.into())
}

fn head(path: &Path) -> io::Result<Vec<u8>> {
    let mut head = Vec::with_capacity(sniff::HEAD_BYTES);
    File::open(path)?.take(sniff::HEAD_BYTES as u64).read_to_end(&mut head)?;
    Ok(head)
}

//! Finishing an upload: what it is, what is kept of it, and keeping it.

use super::{
    Files,
    partial::Parts,
    pictures::{self, Fault, Picture},
    sniff,
    storage::preview_of,
    unkept, videos,
};
use crate::{
    domain::files::{FileRow, Preview},
    store::files::Finished,
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

/// What is read as a picture.
const PICTURES: [&str; 4] = ["image/gif", "image/jpeg", "image/png", "image/webp"];

/// What is walked through as a film is.
const FILMS: [&str; 5] = ["image/avif", "image/heic", "image/heif", "video/mp4", "video/quicktime"];

/// How many times as long as a look may take its turn is waited for.
pub(super) const WAITS: u32 = 6;

/// The turn to look at a picture. It is kept by the work itself: the one who asked may be gone before that ends.
#[derive(Debug)]
pub(crate) struct PictureTurn {
    _share: OwnedSemaphorePermit,
    _look: OwnedSemaphorePermit,
}

/// What is to be kept.
struct Kept {
    finished: Finished,
    bytes: PathBuf,
    preview: Option<PathBuf>,
}

/// Why nothing is kept.
enum Not {
    Picture(pictures::Not),
    Film(String),
}

impl Files {
    /// What a picture may be.
    pub(crate) fn picture_limits(&self) -> pictures::Limits {
        pictures::Limits {
            pixels_max: self.limits.image_pixels_max.into(),
            frames_max: self.limits.image_frames_max,
            memory_max: self.config.image_memory_bytes_max,
        }
    }

    /// Waits for the turn to look at a picture: of each person one at a time, so that nobody's slow ones hold up
    /// everybody's. None: it did not come in time.
    pub(crate) async fn picture_turn(&self, person: UserId) -> Option<PictureTurn> {
        let waiting = async { (self.shares.take(person).await, self.looks.clone().acquire_owned().await) };
        let (share, look) = timeout(Duration::from_millis(self.config.image_ms) * WAITS, waiting).await.ok()?;
        Some(PictureTurn { _share: share.ok()?, _look: look.ok()? })
    }

    /// Looks at an upload that is all there, and keeps it. The caller has its turn.
    pub(super) async fn finish(self: &Arc<Self>, row: &FileRow) -> Result<Upload, Problem> {
        let kept = match self.look(row).await {
            Err(problem) if !problem.retryable => {
                self.give_up(row.id).await;
                return Err(problem);
            }
            kept => kept?,
        };
        self.mark_storage().await.map_err(|error| unkept(&error))?;
        self.storage.put(&row.blob, kept.bytes).await.map_err(|error| unkept(&error))?;
        if let Some(preview) = kept.preview {
            self.storage.put(&preview_of(&row.blob), preview).await.map_err(|error| unkept(&error))?;
        }
        let now_ms = self.environment.now_ms();
        let finished = self.store.finish_upload(row.id, kept.finished, now_ms).await;
        let finished = finished?;
        self.remove_part(row.id).await;
        finished.map(|row| row.upload()).ok_or_else(|| Code::NotFound.into())
    }

    async fn look(self: &Arc<Self>, row: &FileRow) -> Result<Kept, Problem> {
        let path = self.parts.path(row.id);
        let from = path.clone();
        let head = tokio::task::spawn_blocking(move || head(&from)).await;
        let head = head.map_err(io::Error::other).flatten().map_err(|error| unkept(&error))?;
        let media_type = sniff::media_type(&head);
        let is_film = FILMS.contains(&media_type);
        if !is_film && !PICTURES.contains(&media_type) {
            return Ok(plain(path, row.announced_bytes, media_type));
        }
        let limits = self.picture_limits();
        let patience = Duration::from_millis(self.config.image_ms);
        let turn = self.picture_turn(row.owner).await.ok_or_else(too_busy)?;
        let (parts, id, most) = (self.parts.clone(), row.id, self.limits.upload_bytes_max);
        let is_shown = row.announced_bytes <= self.limits.image_bytes_max.into();
        let looking = tokio::task::spawn_blocking(move || {
            // Whoever takes too long is not waited for, and keeps the turn until he is done.
            let _turn = turn;
            if is_film {
                blank(&parts, id, media_type).map(|kept| kept.map_err(Not::Film))
            } else {
                read(&parts, id, limits, is_shown).map(|kept| kept.map_err(Not::Picture))
            }
        });
        // Walking through a film is bounded by itself. What overwrites it comes to its end first: it would write into
        // what a newer feed brings.
        match timeout(if is_film { Duration::MAX } else { patience }, looking).await {
            Ok(Ok(Ok(Ok(kept)))) if kept.finished.bytes > most => Err(Problem::new(Code::TooLarge)
                .with_detail(format!("turned upright, the picture has more than {most} bytes"))
                .with_limit(most)),
            Ok(Ok(Ok(Ok(kept)))) => Ok(kept),
            Ok(Ok(Ok(Err(Not::Film(why))))) => Err(unwalked(&why)),
            Ok(Ok(Ok(Err(Not::Picture(pictures::Not::Small { width, height }))))) => {
                Err(too_many_pixels(width, height, limits))
            }
            Ok(Ok(Ok(Err(Not::Picture(pictures::Not::Short { frames }))))) => Err(too_many_frames(frames, limits)),
            Ok(Ok(Err(error))) => Err(unkept(&error)),
            Ok(Ok(Ok(Err(Not::Picture(pictures::Not::Readable)))) | Err(_)) => Err(unwalked("is broken")),
            Err(_) => Err(too_busy()),
        }
    }
}

/// What is kept as it came.
fn plain(bytes: PathBuf, length: u64, media_type: &str) -> Kept {
    let finished = Finished { bytes: length, media_type: media_type.to_owned(), ..Finished::default() };
    Kept { finished, bytes, preview: None }
}

/// Overwrites what a film tells beside.
fn blank(parts: &Parts, id: FileId, media_type: &str) -> io::Result<Result<Kept, String>> {
    let path = parts.path(id);
    let mut file = File::options().read(true).write(true).open(&path)?;
    let length = file.metadata()?.len();
    let blanks = match videos::find(&mut file, length)? {
        Ok(blanks) => blanks,
        Err(why) => return Ok(Err(why)),
    };
    blanks.apply(&file)?;
    Ok(Ok(plain(path, length, media_type)))
}

/// Looks at a picture, and writes what is to be kept. One that is not shown, or cannot be drawn, may be anything: it is
/// a file like any other, but tells as little beside.
fn read(
    parts: &Parts,
    id: FileId,
    limits: pictures::Limits,
    is_shown: bool,
) -> io::Result<Result<Kept, pictures::Not>> {
    let source = File::open(parts.path(id))?;
    let path = parts.path_beside(id, "kept");
    let mut kept = parts.create(&path)?;
    if is_shown {
        match pictures::look(&source, &mut kept, limits) {
            Ok(picture) => return write(parts, id, &picture, &kept).map(Ok),
            Err(Fault::Not(pictures::Not::Readable)) => {}
            Err(Fault::Not(not)) => return Ok(Err(not)),
            Err(Fault::Disk(error)) => return Err(error),
        }
    }
    match pictures::stripped(&source, &mut kept) {
        Ok(length) => {
            kept.sync_all()?;
            Ok(Ok(plain(path, length, sniff::BYTES)))
        }
        Err(Fault::Not(not)) => Ok(Err(not)),
        Err(Fault::Disk(error)) => Err(error),
    }
}

/// What came is kept: whoever asks again is looked at again.
fn too_busy() -> Problem {
    Problem::new(Code::Unavailable).with_detail("the picture could not be looked at in time; go on with it later")
}

/// Writes what is made of a picture beside the upload.
fn write(parts: &Parts, id: FileId, picture: &Picture, kept: &File) -> io::Result<Kept> {
    kept.sync_all()?;
    let mut kind = None;
    let mut preview = None;
    if let Some((small, is_png)) = &picture.preview {
        let path = parts.path_beside(id, "preview");
        parts.write(&path, small)?;
        preview = Some(path);
        kind = Some(if *is_png { Preview::Png } else { Preview::Jpeg });
    }
    let finished = Finished {
        bytes: picture.length,
        media_type: picture.media_type.to_owned(),
        size: Some((picture.width, picture.height)),
        blur_hash: Some(picture.blur_hash.clone()),
        preview: kind,
    };
    Ok(Kept { finished, bytes: parts.path_beside(id, "kept"), preview })
}

/// Broken, too large to be walked through, or a fault of the reader's: it may tell where it was taken, and is not
/// published.
fn unwalked(why: &str) -> Problem {
    Problem::new(Code::UnsupportedType)
        .with_detail(format!("the file begins as a picture or film and {why}: what it tells beside cannot be removed"))
}

fn too_many_pixels(width: u32, height: u32, limits: pictures::Limits) -> Problem {
    let most = limits.pixels_max;
    Problem::new(Code::TooLarge)
        .with_detail(format!("the picture has {width} by {height} pixels; up to {most} in all are taken"))
        .with_limit(most)
}

fn too_many_frames(frames: u32, limits: pictures::Limits) -> Problem {
    let most = limits.frames_max;
    Problem::new(Code::TooLarge)
        .with_detail(format!("the animation has {frames} frames; up to {most}, and fewer of large ones, are taken"))
        .with_limit(most.into())
}

fn head(path: &Path) -> io::Result<Vec<u8>> {
    let mut head = Vec::with_capacity(sniff::HEAD_BYTES);
    File::open(path)?.take(sniff::HEAD_BYTES as u64).read_to_end(&mut head)?;
    Ok(head)
}

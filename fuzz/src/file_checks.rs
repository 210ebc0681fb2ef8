//! Properties of the processing of pictures and videos that hold for every file. The fuzz targets `picture` and `film`
//! check generated inputs; the server's tests check the corpus. The including module provides `videos` and
//! `pictures`.

use super::{pictures, videos};
use std::io::{self, Cursor};

const LIMITS: pictures::PictureLimits =
    pictures::PictureLimits { pixels_max: 1 << 14, frames_max: 8, memory_max: 1 << 20 };

fn stripped(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut kept = Cursor::new(Vec::new());
    pictures::strip_only(Cursor::new(bytes), &mut kept).ok().map(|_| kept.into_inner())
}

fn look(bytes: &[u8]) -> Option<(pictures::ProcessedPicture, Vec<u8>)> {
    let mut kept = Cursor::new(Vec::new());
    pictures::process(Cursor::new(bytes), &mut kept, LIMITS).ok().map(|picture| (picture, kept.into_inner()))
}

/// The stored picture is valid, has the reported size, and contains nothing more to remove.
pub fn picture(bytes: &[u8]) {
    let freed = stripped(bytes);
    if let Some(freed) = &freed {
        assert!(freed.len() <= bytes.len() + 1, "nothing is added but an end");
        assert_eq!(stripped(freed).as_ref(), Some(freed));
    }
    let Some((picture, kept)) = look(bytes) else { return };
    assert!(freed.is_some());
    assert!(picture.width > 0 && picture.height > 0);
    assert!(u64::from(picture.width) * u64::from(picture.height) <= LIMITS.pixels_max);
    let (again, kept_again) = look(&kept).expect("what is kept is a picture");
    assert_eq!((again.width, again.height, again.media_type), (picture.width, picture.height, picture.media_type));
    assert!(kept_again == kept, "there is nothing more to take away");
}

/// A disk that never grows.
struct Disk {
    bytes: Vec<u8>,
    puts: usize,
}

impl videos::RedactionTarget for &mut Disk {
    fn put(&mut self, at: u64, bytes: &[u8]) -> io::Result<()> {
        let at = usize::try_from(at).expect("it is inside of the file");
        self.bytes[at..][..bytes.len()].copy_from_slice(bytes);
        self.puts += 1;
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn blanked(bytes: &[u8]) -> Option<Vec<u8>> {
    let found = videos::find(&mut Cursor::new(bytes), bytes.len() as u64).expect("memory is read");
    let mut disk = Disk { bytes: bytes.to_vec(), puts: 0 };
    found.ok()?.apply(&mut disk).expect("memory is written");
    assert!(disk.puts <= 2 * bytes.len(), "nothing is overwritten again and again");
    Some(disk.bytes)
}

/// Only bytes inside of the file are overwritten, and a second pass overwrites nothing.
pub fn film(bytes: &[u8]) {
    let Some(kept) = blanked(bytes) else { return };
    assert!(blanked(&kept).expect("what is kept is walked through") == kept, "there is nothing more to overwrite");
}

//! What holds for every file, whatever it is, when it is looked at. The fuzz targets `picture` and `film` ask it of
//! inputs that they make up; the server's tests ask it of the corpus. Whoever includes this names `films` and
//! `pictures` beside it.

use super::{films, pictures};
use std::io::Cursor;

const LIMITS: pictures::Limits = pictures::Limits { pixels_max: 1 << 14, frames_max: 8 };

/// What is kept of a picture is one, of the size that is told, and has nothing more to take away.
pub fn picture(bytes: &[u8]) {
    let stripped = pictures::stripped(bytes);
    if let Some(stripped) = &stripped {
        assert!(stripped.len() <= bytes.len() + 1, "nothing is added but an end");
        assert_eq!(pictures::stripped(stripped).as_ref(), Some(stripped));
    }
    let Ok(picture) = pictures::look(bytes.to_vec(), LIMITS) else { return };
    assert!(stripped.is_some());
    assert!(picture.width > 0 && picture.height > 0);
    assert!(u64::from(picture.width) * u64::from(picture.height) <= LIMITS.pixels_max);
    let again = pictures::look(picture.bytes.clone(), LIMITS).expect("what is kept is a picture");
    assert_eq!((again.width, again.height, again.media_type), (picture.width, picture.height, picture.media_type));
    assert!(again.bytes == picture.bytes, "there is nothing more to take away");
}

/// What is overwritten is inside of the file, in order and once.
pub fn film(bytes: &[u8]) {
    let length = bytes.len() as u64;
    let found = films::find(&mut Cursor::new(bytes), length).expect("memory is read");
    let Some(blanks) = found else { return };
    assert!(blanks.fills.iter().all(|(range, _)| range.start < range.end && range.end <= length));
    assert!(blanks.fills.windows(2).all(|two| two[0].0.end <= two[1].0.start));
    assert!(blanks.writes.iter().all(|(at, bytes)| at + bytes.len() as u64 <= length));
}

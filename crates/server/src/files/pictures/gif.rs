//! GIF: keeps the frames and how often they repeat; drops comments, texts, other extensions, and anything after the end
//! (Graphics Interchange Format 89a).

use super::{PictureError, StripReport, source::WindowedFile};
use std::io::{Read, Seek, Write};

/// Extensions that say how often an animation repeats.
const REPEATING: [&[u8]; 2] = [b"NETSCAPE2.0", b"ANIMEXTS1.0"];

/// Copies the picture alone; fails if it is not a GIF with at least one complete frame.
pub(super) fn strip<R: Read + Seek>(
    file: &mut WindowedFile<R>,
    output: &mut impl Write,
) -> Result<StripReport, PictureError> {
    let mut stripped = StripReport::default();
    let mut at = 13 + colours(file.byte(10)?);
    file.copy(0, at, output)?;
    loop {
        let block = match block(file, at) {
            // Readers accept a file without its trailer; the copy gets one.
            Err(PictureError::Rejected(_)) => GifBlock::End,
            block => block?,
        };
        match block {
            GifBlock::Frame(end) => {
                stripped.frames += 1;
                file.copy(at, end, output)?;
                at = end;
            }
            GifBlock::Kept(end) => {
                file.copy(at, end, output)?;
                at = end;
            }
            GifBlock::Dropped(end) => at = end,
            GifBlock::End => break,
        }
    }
    output.write_all(&[0x3b])?;
    if stripped.frames == 0 { Err(PictureError::BROKEN) } else { Ok(stripped) }
}

/// A block, and where it ends.
enum GifBlock {
    Frame(usize),
    Kept(usize),
    Dropped(usize),
    End,
}

fn block<R: Read + Seek>(file: &mut WindowedFile<R>, at: usize) -> Result<GifBlock, PictureError> {
    match file.byte(at)? {
        0x2c => {
            let data = at + 10 + colours(file.byte(at + 9)?);
            file.byte(data)?;
            Ok(GifBlock::Frame(end_of_data(file, data + 1)?))
        }
        0x21 => {
            let end = end_of_data(file, at + 2)?;
            let is_kept = match file.byte(at + 1)? {
                0xf9 => file.byte(at + 2)? == 4 && end == at + 8,
                0xff if file.byte(at + 2)? == 11 && end == at + 19 => {
                    let name = file.array::<11>(at + 3)?;
                    REPEATING.contains(&name.as_slice()) && file.byte(at + 14)? == 3
                }
                _ => false,
            };
            Ok(if is_kept { GifBlock::Kept(end) } else { GifBlock::Dropped(end) })
        }
        0x3b => Ok(GifBlock::End),
        _ => Err(PictureError::BROKEN),
    }
}

/// Returns the size in bytes of the colour table that the flags announce.
fn colours(flags: u8) -> usize {
    if flags & 0x80 == 0 { 0 } else { 3 << ((flags & 7) + 1) }
}

/// Returns where a sequence of sub-blocks ends, including its terminating zero.
fn end_of_data<R: Read + Seek>(file: &mut WindowedFile<R>, from: usize) -> Result<usize, PictureError> {
    let mut at = from;
    loop {
        let length = usize::from(file.byte(at)?);
        at += 1 + length;
        if length == 0 {
            return Ok(at);
        }
    }
}

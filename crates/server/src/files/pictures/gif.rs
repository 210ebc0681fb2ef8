//! GIF: the frames and how often they repeat are kept; comments, texts, other extensions and all after the end are not
//! (Graphics Interchange Format 89a).

use super::Stripped;

/// Extensions that say how often an animation repeats.
const REPEATING: [&[u8]; 2] = [b"NETSCAPE2.0", b"ANIMEXTS1.0"];

/// The picture alone, or nothing if it is no GIF with at least one whole frame.
pub(super) fn strip(file: &[u8]) -> Option<Stripped> {
    let head = 13 + colours(*file.get(10)?);
    let mut stripped = Stripped { bytes: file.get(..head)?.to_vec(), ..Stripped::default() };
    let mut at = head;
    // Readers take a file that lacks its end; what is kept has one.
    while let Some(block) = block(file, at) {
        match block {
            Block::Frame(end) => {
                stripped.frames += 1;
                stripped.bytes.extend_from_slice(&file[at..end]);
                at = end;
            }
            Block::Kept(end) => {
                stripped.bytes.extend_from_slice(&file[at..end]);
                at = end;
            }
            Block::Dropped(end) => at = end,
            Block::End => break,
        }
    }
    stripped.bytes.push(0x3b);
    (stripped.frames > 0).then_some(stripped)
}

/// A part, and where it ends.
enum Block {
    Frame(usize),
    Kept(usize),
    Dropped(usize),
    End,
}

fn block(file: &[u8], at: usize) -> Option<Block> {
    match file.get(at)? {
        0x2c => {
            let data = at + 10 + colours(*file.get(at + 9)?);
            file.get(data)?;
            Some(Block::Frame(end_of_data(file, data + 1)?))
        }
        0x21 => {
            let end = end_of_data(file, at + 2)?;
            let is_kept = match file[at + 1] {
                0xf9 => file[at + 2] == 4 && end == at + 8,
                0xff => {
                    let name = file.get(at + 3..at + 14).unwrap_or_default();
                    file[at + 2] == 11 && REPEATING.contains(&name) && file[at + 14] == 3 && end == at + 19
                }
                _ => false,
            };
            Some(if is_kept { Block::Kept(end) } else { Block::Dropped(end) })
        }
        0x3b => Some(Block::End),
        _ => None,
    }
}

/// Bytes of the table of colours that the flags announce.
fn colours(flags: u8) -> usize {
    if flags & 0x80 == 0 { 0 } else { 3 << ((flags & 7) + 1) }
}

/// Where a row of counted pieces ends, its closing zero included.
fn end_of_data(file: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    loop {
        let length = usize::from(*file.get(at)?);
        at += 1 + length;
        if length == 0 {
            return Some(at);
        }
    }
}

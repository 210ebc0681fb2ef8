//! JPEG: the segments that draw are kept, the others and all after the end are not (ITU-T T.81, annex B).

use super::{ICC_BYTES_MAX, Stripped, big_endian};

/// Passes over the picture; more are only made to keep a reader busy.
const SCANS_MAX: u32 = 64;
const ICC: &[u8] = b"ICC_PROFILE\0";
const EXIF: &[u8] = b"Exif\0\0";

/// The picture alone, or nothing if it is no JPEG from its beginning to its end.
pub(super) fn strip(file: &[u8]) -> Option<Stripped> {
    let mut stripped = Stripped { bytes: file.get(..2)?.to_vec(), frames: 1, ..Stripped::default() };
    let (mut at, mut scans) = (2, 0);
    let mut profile: Vec<(u8, &[u8])> = Vec::new();
    loop {
        if *file.get(at)? != 0xff {
            return None;
        }
        let marker = *file.get(at + 1)?;
        match marker {
            // A filling byte.
            0xff => at += 1,
            0xd9 => break,
            0x01 | 0xd0..=0xd8 => return None,
            _ => {
                let length = big_endian(file.get(at + 2..at + 4)?);
                let segment = file.get(at..at + 2 + length)?;
                let body = segment.get(4..)?;
                let is_drawing = match marker {
                    0xe0 => jfif(body, &mut stripped.bytes),
                    0xe1 if body.starts_with(EXIF) && stripped.exif.is_none() => {
                        stripped.exif = Some(body[EXIF.len()..].to_vec());
                        false
                    }
                    0xe2 if body.starts_with(ICC) => {
                        profile.push((*body.get(ICC.len())?, body.get(ICC.len() + 2..)?));
                        true
                    }
                    0xee => body.starts_with(b"Adobe"),
                    0xe1..=0xef | 0xfe => false,
                    _ => true,
                };
                if is_drawing {
                    stripped.bytes.extend_from_slice(segment);
                }
                at += 2 + length;
                if marker == 0xda {
                    scans += 1;
                    let end = end_of_scan(file, at);
                    stripped.bytes.extend_from_slice(&file[at..end]);
                    at = end;
                }
            }
        }
        if scans > SCANS_MAX {
            return None;
        }
    }
    stripped.bytes.extend_from_slice(&[0xff, 0xd9]);
    profile.sort_by_key(|(number, _)| *number);
    let profile: Vec<u8> = profile.into_iter().flat_map(|(_, part)| part.iter().copied()).collect();
    stripped.icc = (!profile.is_empty() && profile.len() <= ICC_BYTES_MAX).then_some(profile);
    stripped.scans = scans;
    Some(stripped)
}

/// The head of a JFIF file without its thumbnail. What else calls itself so is left out.
fn jfif(body: &[u8], out: &mut Vec<u8>) -> bool {
    if body.starts_with(b"JFIF\0") && body.len() >= 14 {
        out.extend_from_slice(&[0xff, 0xe0, 0, 16]);
        out.extend_from_slice(&body[..12]);
        out.extend_from_slice(&[0, 0]);
    }
    false
}

/// Where the next marker is that does not belong to the data.
fn end_of_scan(file: &[u8], from: usize) -> usize {
    let mut at = from;
    while let Some(found) = file[at..].iter().position(|byte| *byte == 0xff) {
        at += found;
        match file.get(at + 1) {
            Some(0 | 0xd0..=0xd7) => at += 2,
            Some(0xff) => at += 1,
            _ => return at,
        }
    }
    file.len()
}

//! JPEG: keeps the segments that draw; drops the others and anything after the end (ITU-T T.81, annex B).

use super::{ICC_BYTES_MAX, KeepExif, PictureError, StripReport, big_endian, orientation, source::WindowedFile};
use image::metadata::Orientation;
use std::io::{Read, Seek, Write};

/// The maximum number of scans; more only serve to keep a decoder busy.
const SCANS_MAX: u32 = 64;
const ICC: &[u8] = b"ICC_PROFILE\0";
const EXIF: &[u8] = b"Exif\0\0";

/// What the frame header says about the encoding.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct FrameHeader {
    /// Whether its scans refine one another, so that all of it is held until the last one.
    pub(super) is_progressive: bool,
    /// The number of components: 1, 3 or 4.
    pub(super) components: u64,
    /// Samples of all components for each 64 pixels of the picture.
    pub(super) samples_in_64: u64,
}

/// The chunks of an ICC profile, up to its maximum size.
#[derive(Debug, Default)]
struct IccProfile {
    parts: Vec<(u8, Vec<u8>)>,
    bytes: usize,
}

impl IccProfile {
    fn add(&mut self, (place, part): (&[u8], &[u8])) {
        self.bytes += part.len();
        if self.bytes <= ICC_BYTES_MAX {
            self.parts.push((place[0], part.to_vec()));
        }
    }

    fn whole(mut self) -> Option<Vec<u8>> {
        self.parts.sort_by_key(|(number, _)| *number);
        let is_kept = self.bytes > 0 && self.bytes <= ICC_BYTES_MAX;
        is_kept.then(|| self.parts.into_iter().flat_map(|(_, part)| part).collect())
    }
}

/// Copies the picture alone; fails if it is not a complete JPEG.
pub(super) fn strip<R: Read + Seek>(
    file: &mut WindowedFile<R>,
    output: &mut impl Write,
    keep_exif: KeepExif,
) -> Result<StripReport, PictureError> {
    output.write_all(file.slice(0, 2)?)?;
    if let KeepExif::Orientation(orientation) = keep_exif {
        segment(0xe1, &[EXIF, &orientation::minimal_exif(orientation)].concat(), output)?;
    }
    let mut stripped = StripReport { frames: 1, ..StripReport::default() };
    let mut at = 2;
    let mut profile = IccProfile::default();
    loop {
        if file.byte(at)? != 0xff {
            return Err(PictureError::BROKEN);
        }
        match file.byte(at + 1)? {
            // A fill byte.
            0xff => at += 1,
            0xd9 => break,
            0x01 | 0xd0..=0xd8 => return Err(PictureError::BROKEN),
            marker => {
                let length = big_endian(&file.array::<2>(at + 2)?);
                let body = file.slice(at, 2 + length)?.get(4..).ok_or(PictureError::BROKEN)?;
                if inspect_segment(marker, body, output, &mut stripped, &mut profile)? {
                    file.copy(at, at + 2 + length, output)?;
                }
                at += 2 + length;
                if marker == 0xda {
                    stripped.scans += 1;
                    at = copy_scan(file, at, output)?;
                }
            }
        }
        if stripped.scans > SCANS_MAX {
            return Err(PictureError::BROKEN);
        }
    }
    output.write_all(&[0xff, 0xd9])?;
    stripped.icc = profile.whole();
    Ok(stripped)
}

/// Inspects a segment. Returns false if it is dropped or already written in a reduced form.
fn inspect_segment(
    marker: u8,
    body: &[u8],
    output: &mut impl Write,
    stripped: &mut StripReport,
    profile: &mut IccProfile,
) -> Result<bool, PictureError> {
    match marker {
        0xe0 => jfif(body, output)?,
        0xe1 if body.starts_with(EXIF) && stripped.orientation.is_none() => {
            stripped.orientation = Orientation::from_exif_chunk(&body[EXIF.len()..]);
        }
        0xe2 if body.starts_with(ICC) => {
            profile.add(body[ICC.len()..].split_at_checked(2).ok_or(PictureError::BROKEN)?);
            return Ok(true);
        }
        0xee => return Ok(body.starts_with(b"Adobe")),
        0xe1..=0xef | 0xfe => {}
        0xc0..=0xc2 => {
            stripped.jpeg = Some(frame(marker, body).ok_or(PictureError::BROKEN)?);
            return Ok(true);
        }
        _ => return Ok(true),
    }
    Ok(false)
}

/// Writes a segment.
fn segment(marker: u8, body: &[u8], output: &mut impl Write) -> Result<(), PictureError> {
    let length = u16::try_from(body.len() + 2).map_err(|_| PictureError::BROKEN)?;
    output.write_all(&[0xff, marker])?;
    output.write_all(&length.to_be_bytes())?;
    Ok(output.write_all(body)?)
}

/// Writes the JFIF header without its thumbnail. Any other APP0 segment is dropped.
fn jfif(body: &[u8], output: &mut impl Write) -> Result<(), PictureError> {
    if body.starts_with(b"JFIF\0") && body.len() >= 14 {
        segment(0xe0, &[&body[..12], &[0, 0]].concat(), output)?;
    }
    Ok(())
}

/// Parses a frame header; none if the decoders used here cannot draw it.
fn frame(marker: u8, body: &[u8]) -> Option<FrameHeader> {
    let count = usize::from(*body.get(5)?);
    if *body.first()? != 8 || !matches!(count, 1 | 3 | 4) {
        return None;
    }
    let sampling = |component: usize| {
        let factors = *body.get(7 + 3 * component)?;
        let (across, down) = (u64::from(factors >> 4), u64::from(factors & 15));
        ((1..=4).contains(&across) && (1..=4).contains(&down)).then_some((across, down))
    };
    let factors: Vec<_> = (0..count).map(sampling).collect::<Option<_>>()?;
    let across = factors.iter().map(|(across, _)| *across).max()?;
    let down = factors.iter().map(|(_, down)| *down).max()?;
    let samples: u64 = factors.iter().map(|(across, down)| across * down).sum();
    Some(FrameHeader {
        is_progressive: marker == 0xc2,
        components: count as u64,
        samples_in_64: (samples * 64).div_ceil(across * down),
    })
}

/// Copies the data of a scan, and returns the position of the next marker that does not belong to it.
fn copy_scan<R: Read + Seek>(
    file: &mut WindowedFile<R>,
    from: usize,
    output: &mut impl Write,
) -> Result<usize, PictureError> {
    let mut at = from;
    loop {
        let rest = file.rest(at)?;
        if rest.is_empty() {
            return Ok(at);
        }
        if let plain @ 1.. = rest.iter().position(|byte| *byte == 0xff).unwrap_or(rest.len()) {
            output.write_all(&rest[..plain])?;
            at += plain;
            continue;
        }
        match file.byte(at + 1) {
            Ok(0 | 0xd0..=0xd7) => {
                file.copy(at, at + 2, output)?;
                at += 2;
            }
            Ok(0xff) => {
                file.copy(at, at + 1, output)?;
                at += 1;
            }
            Ok(_) | Err(PictureError::Rejected(_)) => return Ok(at),
            Err(error) => return Err(error),
        }
    }
}

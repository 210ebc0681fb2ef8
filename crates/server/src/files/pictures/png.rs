//! PNG: keeps the chunks that draw; drops metadata and anything after the end (W3C, Portable Network Graphics).

use super::{EXIF_BYTES_MAX, KeepExif, PictureError, StripReport, big_endian, orientation, source::WindowedFile};
use image::metadata::Orientation;
use std::io::{Read, Seek, Write};

/// The chunks that draw, including animations.
const DRAWING: [&[u8; 4]; 14] = [
    b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"gAMA", b"cHRM", b"sRGB", b"sBIT", b"bKGD", b"cICP", b"acTL",
    b"fcTL", b"fdAT",
];
/// ICC profiles are compressed: a large one may decompress to any size.
const ICC_BYTES_MAX: usize = 64 * 1024;
const SIGNATURE_BYTES: usize = 8;

/// Copies the picture alone; fails if it is not a complete PNG.
pub(super) fn strip<R: Read + Seek>(
    file: &mut WindowedFile<R>,
    output: &mut impl Write,
    keep_exif: KeepExif,
) -> Result<StripReport, PictureError> {
    output.write_all(file.slice(0, SIGNATURE_BYTES)?)?;
    let mut stripped = StripReport::default();
    let mut at = SIGNATURE_BYTES;
    loop {
        let length = big_endian(&file.array::<4>(at)?);
        let kind = file.array::<4>(at + 4)?;
        let end = at.checked_add(length).and_then(|end| end.checked_add(12)).ok_or(PictureError::BROKEN)?;
        if end > file.length() {
            return Err(PictureError::BROKEN);
        }
        match &kind {
            b"eXIf" if length <= EXIF_BYTES_MAX => {
                stripped.orientation = Orientation::from_exif_chunk(file.slice(at + 8, length)?);
            }
            b"iCCP" if length <= ICC_BYTES_MAX => file.copy(at, end, output)?,
            b"fcTL" => {
                stripped.frames += 1;
                file.copy(at, end, output)?;
            }
            kind if DRAWING.contains(&kind) => file.copy(at, end, output)?,
            _ => {}
        }
        match (&kind, keep_exif) {
            (b"IHDR", KeepExif::Orientation(orientation)) => {
                write_chunk(*b"eXIf", &orientation::minimal_exif(orientation), output)?;
            }
            (b"IEND", _) => {
                stripped.frames = stripped.frames.max(1);
                return Ok(stripped);
            }
            _ => {}
        }
        at = end;
    }
}

fn write_chunk(kind: [u8; 4], body: &[u8], output: &mut impl Write) -> Result<(), PictureError> {
    let length = u32::try_from(body.len()).map_err(|_| PictureError::BROKEN)?;
    output.write_all(&length.to_be_bytes())?;
    output.write_all(&kind)?;
    output.write_all(body)?;
    Ok(output.write_all(&sum(kind.iter().chain(body)).to_be_bytes())?)
}

/// Returns the checksum of a chunk (ISO 3309).
fn sum<'bytes>(bytes: impl Iterator<Item = &'bytes u8>) -> u32 {
    !bytes.fold(!0_u32, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| if sum & 1 == 1 { sum >> 1 ^ 0xedb8_8320 } else { sum >> 1 })
    })
}

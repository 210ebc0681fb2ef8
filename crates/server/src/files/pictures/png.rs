//! PNG: the chunks that draw are kept, those that tell and all after the end are not (W3C, Portable Network Graphics).

use super::{Stripped, big_endian};

/// What draws, animations among it.
const DRAWING: [&[u8; 4]; 14] = [
    b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"gAMA", b"cHRM", b"sRGB", b"sBIT", b"bKGD", b"cICP", b"acTL",
    b"fcTL", b"fdAT",
];
/// A profile of colours is packed: a large one may unpack to anything.
const ICC_BYTES_MAX: usize = 64 * 1024;
const SIGNATURE_BYTES: usize = 8;

/// The picture alone, or nothing if it is no PNG from its beginning to its end.
pub(super) fn strip(file: &[u8]) -> Option<Stripped> {
    let mut stripped = Stripped { bytes: file.get(..SIGNATURE_BYTES)?.to_vec(), ..Stripped::default() };
    let mut at = SIGNATURE_BYTES;
    loop {
        let length = big_endian(file.get(at..at + 4)?);
        let kind: &[u8; 4] = file.get(at + 4..at + 8)?.try_into().ok()?;
        let chunk = file.get(at..at.checked_add(length)?.checked_add(12)?)?;
        match kind {
            b"eXIf" => stripped.exif = Some(chunk[8..8 + length].to_vec()),
            b"iCCP" if length <= ICC_BYTES_MAX => stripped.bytes.extend_from_slice(chunk),
            b"fcTL" => {
                stripped.frames += 1;
                stripped.bytes.extend_from_slice(chunk);
            }
            _ if DRAWING.contains(&kind) => stripped.bytes.extend_from_slice(chunk),
            _ => {}
        }
        if kind == b"IEND" {
            stripped.frames = stripped.frames.max(1);
            return Some(stripped);
        }
        at += chunk.len();
    }
}

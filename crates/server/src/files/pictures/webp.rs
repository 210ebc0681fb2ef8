//! WebP: the chunks that draw are kept, those that tell and all after the end are not (RFC 9649).

use super::{ICC_BYTES_MAX, Stripped, little_endian};

/// Flags of what is left out: EXIF and XMP.
const TELLING: u8 = 0x08 | 0x04;
const ICC: u8 = 0x20;

/// The picture alone, or nothing if it is no WebP from its beginning to its end.
pub(super) fn strip(file: &[u8]) -> Option<Stripped> {
    if file.get(..4)? != b"RIFF" || file.get(8..12)? != b"WEBP" {
        return None;
    }
    let body = file.get(12..little_endian(&file[4..8]).checked_add(8)?)?;
    let mut stripped = Stripped { bytes: b"RIFF\0\0\0\0WEBP".to_vec(), ..Stripped::default() };
    let mut flags_at = None;
    for chunk in chunks(body) {
        let chunk = chunk?;
        let body = &chunk.whole[8..8 + chunk.length];
        match chunk.kind {
            b"VP8X" => {
                flags_at = Some(stripped.bytes.len() + 8);
                stripped.bytes.extend_from_slice(chunk.whole);
            }
            b"ICCP" if body.len() <= ICC_BYTES_MAX => {
                stripped.icc = Some(body.to_vec());
                stripped.bytes.extend_from_slice(chunk.whole);
            }
            b"EXIF" => stripped.exif = Some(body.strip_prefix(b"Exif\0\0").unwrap_or(body).to_vec()),
            b"ANMF" => {
                stripped.frames += 1;
                frame(body, &mut stripped.bytes)?;
            }
            b"ANIM" | b"ALPH" | b"VP8 " | b"VP8L" => stripped.bytes.extend_from_slice(chunk.whole),
            _ => {}
        }
    }
    if let Some(flags) = flags_at.and_then(|at| stripped.bytes.get_mut(at)) {
        *flags &= !TELLING;
        if stripped.icc.is_none() {
            *flags &= !ICC;
        }
    }
    let size = u32::try_from(stripped.bytes.len() - 8).ok()?;
    stripped.bytes[4..8].copy_from_slice(&size.to_le_bytes());
    stripped.frames = stripped.frames.max(1);
    Some(stripped)
}

/// A frame of an animation, which has chunks of its own.
fn frame(body: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let mut kept = body.get(..16)?.to_vec();
    for chunk in chunks(&body[16..]) {
        let chunk = chunk?;
        if matches!(chunk.kind, b"ALPH" | b"VP8 " | b"VP8L") {
            kept.extend_from_slice(chunk.whole);
        }
    }
    out.extend_from_slice(b"ANMF");
    out.extend_from_slice(&u32::try_from(kept.len()).ok()?.to_le_bytes());
    out.extend_from_slice(&kept);
    Some(())
}

struct Chunk<'file> {
    kind: &'file [u8; 4],
    length: usize,
    /// With its head, and with the byte that makes its length even.
    whole: &'file [u8],
}

/// One after the other; nothing where one is cut short.
fn chunks(bytes: &[u8]) -> impl Iterator<Item = Option<Chunk<'_>>> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let chunk = (|| {
            let kind = rest.get(..4)?.try_into().ok()?;
            let length = little_endian(rest.get(4..8)?);
            let whole = rest.get(..length.checked_add(8 + length % 2)?)?;
            Some(Chunk { kind, length, whole })
        })();
        rest = chunk.as_ref().map_or(&[][..], |chunk| &rest[chunk.whole.len()..]);
        Some(chunk)
    })
}

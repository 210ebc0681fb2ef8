//! WebP: keeps the chunks that draw; drops metadata and anything after the end (RFC 9649).

use super::{
    EXIF_BYTES_MAX, ICC_BYTES_MAX, KeepExif, PictureError, StripReport, little_endian, orientation,
    source::WindowedFile,
};
use image::metadata::Orientation;
use std::io::{Read, Seek, SeekFrom, Write};

/// The flags of what is dropped: EXIF and XMP.
const METADATA_FLAGS: u8 = EXIF | 0x04;
const EXIF: u8 = 0x08;
const ICC: u8 = 0x20;
const HEAD: [u8; 12] = *b"RIFF\0\0\0\0WEBP";

/// Copies the picture alone; fails if it is not a complete WebP.
pub(super) fn strip<R: Read + Seek>(
    file: &mut WindowedFile<R>,
    output: &mut (impl Write + Seek),
    keep_exif: KeepExif,
) -> Result<StripReport, PictureError> {
    let head = file.array::<12>(0)?;
    let end = little_endian(&head[4..8]).checked_add(8).filter(|end| *end <= file.length());
    let end = end.filter(|_| head[..4] == HEAD[..4] && head[8..] == HEAD[8..]).ok_or(PictureError::BROKEN)?;
    output.write_all(&HEAD)?;
    let mut stripped = StripReport::default();
    let (mut at, mut written, mut flags) = (HEAD.len(), HEAD.len(), None);
    while at < end {
        let chunk = chunk(file, at, end)?;
        let body = at + 8;
        let mut is_kept = false;
        match &chunk.kind {
            b"VP8X" => {
                flags = Some((written + 8, file.byte(body)?));
                is_kept = true;
            }
            b"ICCP" if chunk.length <= ICC_BYTES_MAX => {
                let mut icc = Vec::with_capacity(chunk.length);
                file.copy(body, body + chunk.length, &mut icc)?;
                stripped.icc = Some(icc);
                is_kept = true;
            }
            b"EXIF" if chunk.length <= EXIF_BYTES_MAX => {
                let exif = file.slice(body, chunk.length)?;
                let exif = exif.strip_prefix(b"Exif\0\0").unwrap_or(exif);
                stripped.orientation = Orientation::from_exif_chunk(exif);
            }
            b"ANMF" => {
                stripped.frames += 1;
                written += copy_frame(file, body, body + chunk.length, output)?;
            }
            b"ANIM" | b"ALPH" | b"VP8 " | b"VP8L" => is_kept = true,
            _ => {}
        }
        if is_kept {
            file.copy(at, chunk.end, output)?;
            written += chunk.end - at;
        }
        at = chunk.end;
    }
    // Without the VP8X header no decoder looks for the orientation.
    stripped.orientation = stripped.orientation.filter(|_| flags.is_some());
    let mut kept_flags = if stripped.icc.is_some() { ICC } else { 0 };
    if let (KeepExif::Orientation(orientation), Some(_)) = (keep_exif, flags) {
        let body = orientation::minimal_exif(orientation);
        written += write_chunk(*b"EXIF", &body, output)?;
        kept_flags |= EXIF;
    }
    if let Some((at, flags)) = flags {
        output.seek(SeekFrom::Start(at as u64))?;
        output.write_all(&[(flags & !(METADATA_FLAGS | ICC)) | (kept_flags & (flags | EXIF))])?;
    }
    output.seek(SeekFrom::Start(4))?;
    output.write_all(&u32::try_from(written - 8).map_err(|_| PictureError::BROKEN)?.to_le_bytes())?;
    output.seek(SeekFrom::End(0))?;
    stripped.frames = stripped.frames.max(1);
    Ok(stripped)
}

/// Copies a frame of an animation, which has chunks of its own. Returns how many bytes were written.
fn copy_frame<R: Read + Seek>(
    file: &mut WindowedFile<R>,
    from: usize,
    end: usize,
    output: &mut impl Write,
) -> Result<usize, PictureError> {
    if end - from < 16 {
        return Err(PictureError::BROKEN);
    }
    let mut kept = vec![(from, from + 16)];
    let mut at = from + 16;
    while at < end {
        let chunk = chunk(file, at, end)?;
        if matches!(&chunk.kind, b"ALPH" | b"VP8 " | b"VP8L") {
            if kept.len() > 2 {
                return Err(PictureError::BROKEN);
            }
            kept.push((at, chunk.end));
        }
        at = chunk.end;
    }
    let length: usize = kept.iter().map(|(from, to)| to - from).sum();
    output.write_all(b"ANMF")?;
    output.write_all(&u32::try_from(length).map_err(|_| PictureError::BROKEN)?.to_le_bytes())?;
    for (from, to) in kept {
        file.copy(from, to, output)?;
    }
    Ok(8 + length)
}

fn write_chunk(kind: [u8; 4], body: &[u8], output: &mut impl Write) -> Result<usize, PictureError> {
    output.write_all(&kind)?;
    output.write_all(&u32::try_from(body.len()).map_err(|_| PictureError::BROKEN)?.to_le_bytes())?;
    output.write_all(body)?;
    Ok(8 + body.len())
}

struct Chunk {
    kind: [u8; 4],
    length: usize,
    /// After the padding byte of an odd length.
    end: usize,
}

fn chunk<R: Read + Seek>(file: &mut WindowedFile<R>, at: usize, end: usize) -> Result<Chunk, PictureError> {
    let kind = file.array(at)?;
    let length = little_endian(&file.array::<4>(at + 4)?);
    let own_end = at.checked_add(8 + length + length % 2).filter(|own| *own <= end).ok_or(PictureError::BROKEN)?;
    Ok(Chunk { kind, length, end: own_end })
}

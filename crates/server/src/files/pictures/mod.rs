//! Pictures in files: read under limits, freed of everything but the picture, turned upright, made smaller.
//!
//! Invariants: what is kept has only the parts of its format that draw it: no place, no camera, no comments, nothing
//! after its end; the profile of its colours stays on purpose, since without it they are others. A picture that stands
//! upright keeps its pixels as they came, and an animation its frames; only one that must be turned is encoded anew.
//! What cannot be read is no picture.

mod blur_hash;
mod gif;
mod jpeg;
mod png;
mod webp;

use image::{
    DynamicImage, ImageDecoder, ImageEncoder as _, ImageFormat, ImageReader, Limits as ImageLimits,
    codecs::{jpeg::JpegEncoder, png::PngEncoder, webp::WebPEncoder},
    metadata::Orientation,
};
use std::io::Cursor;

/// The longest side of the smaller copy.
const PREVIEW_SIDE: u32 = 640;
/// How well the smaller copy and turned pictures are drawn.
const PREVIEW_QUALITY: u8 = 80;
const QUALITY: u8 = 90;
/// All frames of an animation have at the most so many times the pixels of one picture.
const FRAMES_PIXELS: u64 = 20;
/// What decoding may allocate for each pixel of the picture, and in all.
const BYTES_PER_PIXEL: u64 = 8;
const DECODE_BYTES_MAX: u64 = 512 * 1024 * 1024;
/// A profile of colours larger than this is left out.
const ICC_BYTES_MAX: usize = 1024 * 1024;

/// What a picture may be.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Pixels of one frame.
    pub pixels_max: u64,
    /// Frames.
    pub frames_max: u32,
}

/// A picture to be kept.
#[derive(Clone, Debug)]
pub struct Picture {
    /// Its type.
    pub media_type: &'static str,
    /// Its width, upright.
    pub width: u32,
    /// Its height.
    pub height: u32,
    /// The file.
    pub bytes: Vec<u8>,
    /// What to show until it is there.
    pub blur_hash: String,
    /// A smaller copy, where that is worth it, and whether it is a PNG: it lets something shine through. Else a JPEG.
    pub preview: Option<(Vec<u8>, bool)>,
}

/// Why bytes are not kept as a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Not {
    /// They are broken, or of a kind that is not known well enough: kept as any other file.
    Readable,
    /// More pixels than allowed: refused.
    Small {
        /// Its width.
        width: u32,
        /// Its height.
        height: u32,
    },
    /// More frames than allowed, or more pixels in all of them: refused.
    Short {
        /// How many.
        frames: u32,
    },
}

/// A file freed of what does not draw.
#[derive(Debug, Default)]
struct Stripped {
    bytes: Vec<u8>,
    exif: Option<Vec<u8>>,
    icc: Option<Vec<u8>>,
    frames: u32,
    /// Passes over the picture.
    scans: u32,
}

/// Looks at the bytes of a file that begins as a picture does.
///
/// # Errors
/// It is not kept as a picture.
pub fn look(bytes: Vec<u8>, limits: Limits) -> Result<Picture, Not> {
    let (format, mut stripped) = strip(&bytes).ok_or(Not::Readable)?;
    drop(bytes);
    let mut image = decode(&stripped, format, limits)?;
    let exif = stripped.exif.take().and_then(|exif| Orientation::from_exif_chunk(&exif));
    let orientation = exif.filter(|_| stripped.frames <= 1).unwrap_or(Orientation::NoTransforms);
    if orientation != Orientation::NoTransforms {
        let mut upright = eight_bits(image);
        upright.apply_orientation(orientation);
        image = upright;
        stripped.bytes = encode(&image, format, stripped.icc.clone()).ok_or(Not::Readable)?;
    }
    let is_clear = has_transparency(&image);
    let (width, height) = (image.width(), image.height());
    let is_large = width.max(height) > PREVIEW_SIDE;
    let is_worth_it = is_large || stripped.frames > 1;
    let small = if is_large { image.thumbnail(PREVIEW_SIDE, PREVIEW_SIDE) } else { image };
    let preview = is_worth_it.then(|| preview(&small, is_clear, stripped.icc.take())).flatten();
    Ok(Picture {
        media_type: format.to_mime_type(),
        width,
        height,
        bytes: stripped.bytes,
        blur_hash: blur_hash::of(&small),
        preview: preview.map(|bytes| (bytes, is_clear)),
    })
}

/// The bytes of a picture without what does not draw it, though it was never drawn: what it told otherwise is gone all
/// the same. None: it is not known what it would tell.
#[must_use]
pub fn stripped(bytes: &[u8]) -> Option<Vec<u8>> {
    strip(bytes).map(|(_, stripped)| stripped.bytes)
}

fn strip(bytes: &[u8]) -> Option<(ImageFormat, Stripped)> {
    let format = image::guess_format(bytes).ok()?;
    let stripped = match format {
        ImageFormat::Jpeg => jpeg::strip(bytes),
        ImageFormat::Png => png::strip(bytes),
        ImageFormat::Gif => gif::strip(bytes),
        ImageFormat::WebP => webp::strip(bytes),
        _ => None,
    }?;
    Some((format, stripped))
}

/// With eight bits for each part of a colour: what is turned is there twice, and more bits are seen by nobody.
fn eight_bits(image: DynamicImage) -> DynamicImage {
    match image {
        DynamicImage::ImageLuma16(_) => image.into_luma8().into(),
        DynamicImage::ImageLumaA16(_) => image.into_luma_alpha8().into(),
        DynamicImage::ImageRgb16(_) | DynamicImage::ImageRgb32F(_) => image.into_rgb8().into(),
        DynamicImage::ImageRgba16(_) | DynamicImage::ImageRgba32F(_) => image.into_rgba8().into(),
        of_eight => of_eight,
    }
}

fn decode(stripped: &Stripped, format: ImageFormat, limits: Limits) -> Result<DynamicImage, Not> {
    let reader = ImageReader::with_format(Cursor::new(&stripped.bytes), format);
    let mut decoder = reader.into_decoder().map_err(|_| Not::Readable)?;
    let (width, height) = decoder.dimensions();
    let pixels = u64::from(width) * u64::from(height);
    if pixels == 0 {
        return Err(Not::Readable);
    }
    if pixels > limits.pixels_max {
        return Err(Not::Small { width, height });
    }
    let frames = stripped.frames;
    if frames > limits.frames_max || pixels * u64::from(frames) > limits.pixels_max * FRAMES_PIXELS {
        return Err(Not::Short { frames });
    }
    // Each pass goes over all of the picture.
    if pixels * u64::from(stripped.scans) > limits.pixels_max * FRAMES_PIXELS {
        return Err(Not::Readable);
    }
    let mut allowed = ImageLimits::default();
    allowed.max_alloc = Some((pixels * BYTES_PER_PIXEL + (1 << 20)).min(DECODE_BYTES_MAX));
    decoder.set_limits(allowed).map_err(|_| Not::Readable)?;
    DynamicImage::from_decoder(decoder).map_err(|_| Not::Readable)
}

fn encode(image: &DynamicImage, format: ImageFormat, icc: Option<Vec<u8>>) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let written = match format {
        ImageFormat::Jpeg => write_jpeg(image, QUALITY, icc, &mut bytes),
        ImageFormat::Png => {
            let mut encoder = PngEncoder::new(&mut bytes);
            // A picture without it is better than none.
            let _ = icc.map(|icc| encoder.set_icc_profile(icc));
            image.write_with_encoder(encoder)
        }
        _ => {
            let mut encoder = WebPEncoder::new_lossless(&mut bytes);
            let _ = icc.map(|icc| encoder.set_icc_profile(icc));
            image.write_with_encoder(encoder)
        }
    };
    written.ok().map(|()| bytes)
}

fn preview(small: &DynamicImage, is_clear: bool, icc: Option<Vec<u8>>) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let written = if is_clear {
        DynamicImage::from(small.to_rgba8()).write_with_encoder(PngEncoder::new(&mut bytes))
    } else {
        write_jpeg(&DynamicImage::from(small.to_rgb8()), PREVIEW_QUALITY, icc, &mut bytes)
    };
    written.ok().map(|()| bytes)
}

fn write_jpeg(
    image: &DynamicImage,
    quality: u8,
    icc: Option<Vec<u8>>,
    bytes: &mut Vec<u8>,
) -> Result<(), image::ImageError> {
    let mut encoder = JpegEncoder::new_with_quality(bytes, quality);
    // A picture without it is better than none.
    let _ = icc.map(|icc| encoder.set_icc_profile(icc));
    image.write_with_encoder(encoder)
}

fn has_transparency(image: &DynamicImage) -> bool {
    image.color().has_alpha() && image.thumbnail(64, 64).to_rgba8().pixels().any(|pixel| pixel.0[3] < 255)
}

/// A number of so many bytes, the highest first.
fn big_endian(bytes: &[u8]) -> usize {
    bytes.iter().fold(0, |number, byte| number << 8 | usize::from(*byte))
}

/// A number of so many bytes, the lowest first.
fn little_endian(bytes: &[u8]) -> usize {
    bytes.iter().rev().fold(0, |number, byte| number << 8 | usize::from(*byte))
}

#[cfg(test)]
mod tests;

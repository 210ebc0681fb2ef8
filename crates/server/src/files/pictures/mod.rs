//! Pictures in files: decoded within limits, stripped of metadata, turned upright, and reduced.
//!
//! Invariants: the stored file has only those parts of its format that draw the picture: no place, no camera, no
//! comments, nothing after its end. The ICC profile stays on purpose, since the colours depend on it. A picture that is
//! already upright keeps its pixels, and an animation its frames; one that must be turned is re-encoded, or, where that
//! would take too much memory, keeps its orientation tag and nothing else. What cannot be read is not treated as a
//! picture. `PictureLimits::memory_max` bounds memory, whatever the size of the file and the picture.

mod blur_hash;
mod gif;
mod jpeg;
mod orientation;
mod png;
mod reduce;
mod source;
mod webp;

use image::{
    DynamicImage, ImageDecoder, ImageEncoder as _, ImageFormat, ImageReader, Limits as ImageLimits, Rgba, RgbaImage,
    codecs::{jpeg::JpegEncoder, png::PngEncoder, webp::WebPEncoder},
    metadata::Orientation,
};
use orientation::Upright;
use reduce::Shape;
use source::WindowedFile;
use std::io::{self, BufReader, BufWriter, Cursor, Read, Seek, Write};

/// The longest side of a preview.
const PREVIEW_SIDE: u32 = 640;
/// The JPEG quality of previews and of turned pictures.
const PREVIEW_QUALITY: u8 = 80;
const QUALITY: u8 = 90;
/// All frames of an animation together may have this many times the pixels of one picture.
const FRAMES_PIXELS: u64 = 20;
/// A larger ICC profile is dropped.
const ICC_BYTES_MAX: usize = 1024 * 1024;
/// EXIF data larger than this is not searched for the orientation.
const EXIF_BYTES_MAX: usize = 64 * 1024;
/// The memory that turning a picture takes per pixel, including decoding and encoding: for 8 bits per channel, and for
/// more.
const TURNED_BYTES_PER_PIXEL: u64 = 16;
const TURNED_DEEP_BYTES_PER_PIXEL: u64 = 24;

/// Returns the limits for pictures.
#[derive(Clone, Copy, Debug)]
pub struct PictureLimits {
    /// The maximum number of pixels in a frame.
    pub pixels_max: u64,
    /// The maximum number of frames.
    pub frames_max: u32,
    /// The maximum number of bytes of memory for decoding.
    pub memory_max: u64,
}

/// A picture to be stored.
#[derive(Clone, Debug)]
pub struct ProcessedPicture {
    /// Its media type.
    pub media_type: &'static str,
    /// Its width when upright.
    pub width: u32,
    /// Its height when upright.
    pub height: u32,
    /// Its stored size in bytes.
    pub length: u64,
    /// The placeholder until it is loaded.
    pub blur_hash: String,
    /// A preview, if it is worthwhile, and whether it is a PNG, because it has transparency, rather than a JPEG.
    pub preview: Option<(Vec<u8>, bool)>,
}

/// Why a file is not stored as a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rejection {
    /// It is broken, not supported, or would take too much memory; it is stored like any other file.
    Unreadable,
    /// It has more pixels than allowed, and is refused.
    TooManyPixels {
        /// Its width.
        width: u32,
        /// Its height when upright.
        height: u32,
    },
    /// It has more frames than allowed, or more pixels in all of them, and is refused.
    TooManyFrames {
        /// The number of frames.
        frames: u32,
    },
}

/// Why processing a picture failed.
#[derive(Debug)]
pub enum PictureError {
    /// The picture was rejected.
    Rejected(Rejection),
    /// The disk failed.
    Io(io::Error),
}

impl PictureError {
    const BROKEN: Self = Self::Rejected(Rejection::Unreadable);
}

impl From<io::Error> for PictureError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Where the result is written and read again.
pub trait PictureOutput: Read + Write + Seek {
    /// Empties it.
    ///
    /// # Errors
    /// The disk failed.
    fn clear(&mut self) -> io::Result<()>;
}

impl PictureOutput for std::fs::File {
    fn clear(&mut self) -> io::Result<()> {
        self.set_len(0)?;
        self.rewind()
    }
}

impl PictureOutput for Cursor<Vec<u8>> {
    fn clear(&mut self) -> io::Result<()> {
        self.get_mut().clear();
        self.rewind()
    }
}

/// What is kept of the EXIF data.
#[derive(Clone, Copy, Debug)]
enum KeepExif {
    Nothing,
    Orientation(Orientation),
}

/// What was found while a file was stripped.
#[derive(Debug, Default)]
struct StripReport {
    orientation: Option<Orientation>,
    icc: Option<Vec<u8>>,
    frames: u32,
    /// The number of scans.
    scans: u32,
    jpeg: Option<jpeg::FrameHeader>,
}

/// Processes a file that begins like a picture, and writes what is stored of it.
///
/// # Errors
/// The picture is rejected, or the disk failed.
pub fn process(
    source: impl Read + Seek,
    kept: &mut impl PictureOutput,
    limits: PictureLimits,
) -> Result<ProcessedPicture, PictureError> {
    let mut source = WindowedFile::new(source)?;
    let (format, mut stripped) = strip(&mut source, kept, KeepExif::Nothing)?;
    let (width, height) = reduce::size(kept, format)?;
    check(&stripped, width, height, limits)?;
    let preview_image = reduce::reduce(kept, format, &stripped, width, Shape::Within(PREVIEW_SIDE), limits)?;
    let mut preview_image = DynamicImage::from(preview_image);
    let rotated = stripped.orientation.filter(|_| stripped.frames <= 1);
    let rotated = rotated.filter(|rotated| *rotated != Orientation::NoTransforms);
    if let Some(orientation) = rotated {
        preview_image.apply_orientation(orientation);
        if !rotate(kept, format, &stripped, orientation, limits)? {
            strip(&mut source, kept, KeepExif::Orientation(orientation))?;
        }
    }
    let is_transparent = has_transparency(&preview_image);
    let (width, height) = if rotated.is_some_and(orientation::swaps_sides) { (height, width) } else { (width, height) };
    let is_worth_it = width.max(height) > PREVIEW_SIDE || stripped.frames > 1;
    let preview = is_worth_it.then(|| preview(&preview_image, is_transparent, stripped.icc.take())).flatten();
    Ok(ProcessedPicture {
        media_type: format.to_mime_type(),
        width,
        height,
        length: kept.seek(io::SeekFrom::End(0))?,
        blur_hash: blur_hash::of(&preview_image),
        preview: preview.map(|bytes| (bytes, is_transparent)),
    })
}

/// Strips a picture that will not be decoded, so that its metadata is removed all the same. Returns the size of the
/// result in bytes.
///
/// # Errors
/// The format is not understood, so metadata could remain, or the disk failed.
pub fn strip_only(source: impl Read + Seek, kept: &mut impl PictureOutput) -> Result<u64, PictureError> {
    strip(&mut WindowedFile::new(source)?, kept, KeepExif::Nothing)?;
    Ok(kept.seek(io::SeekFrom::End(0))?)
}

/// Returns the central square of a PNG, JPEG or WebP, upright and not larger than `side`. `sides_max` bounds its width
/// and height; what is written to `scratch` is only temporary.
///
/// # Errors
/// The picture cannot be decoded within its limits, or the disk failed.
pub(crate) fn portrait(
    source: impl Read + Seek,
    scratch: &mut impl PictureOutput,
    (side, sides_max): (u32, u32),
    limits: PictureLimits,
) -> Result<RgbaImage, PictureError> {
    let (format, stripped) = strip(&mut WindowedFile::new(source)?, scratch, KeepExif::Nothing)?;
    if format == ImageFormat::Gif {
        return Err(PictureError::BROKEN);
    }
    let (width, height) = reduce::size(scratch, format)?;
    if width > sides_max || height > sides_max {
        return Err(PictureError::Rejected(Rejection::TooManyPixels { width, height }));
    }
    check(&stripped, width, height, limits)?;
    let mut image = reduce::reduce(scratch, format, &stripped, width, Shape::Square(side), limits)?;
    if let Some(orientation) = stripped.orientation {
        let mut rotated = DynamicImage::from(image);
        rotated.apply_orientation(orientation);
        image = rotated.into_rgba8();
    }
    Ok(image)
}

fn strip<R: Read + Seek>(
    source: &mut WindowedFile<R>,
    kept: &mut impl PictureOutput,
    keep_exif: KeepExif,
) -> Result<(ImageFormat, StripReport), PictureError> {
    kept.clear()?;
    let mut output = BufWriter::new(kept);
    let head = source.rest(0)?;
    let format = image::guess_format(&head[..head.len().min(64)]).map_err(|_| PictureError::BROKEN)?;
    let stripped = match format {
        ImageFormat::Jpeg => jpeg::strip(source, &mut output, keep_exif),
        ImageFormat::Png => png::strip(source, &mut output, keep_exif),
        ImageFormat::Gif => gif::strip(source, &mut output),
        ImageFormat::WebP => webp::strip(source, &mut output, keep_exif),
        _ => Err(PictureError::BROKEN),
    }?;
    output.flush()?;
    Ok((format, stripped))
}

fn check(stripped: &StripReport, width: u32, height: u32, limits: PictureLimits) -> Result<(), PictureError> {
    let pixels = u64::from(width) * u64::from(height);
    if pixels > limits.pixels_max {
        return Err(PictureError::Rejected(Rejection::TooManyPixels { width, height }));
    }
    let frames = stripped.frames;
    if frames > limits.frames_max || pixels * u64::from(frames) > limits.pixels_max * FRAMES_PIXELS {
        return Err(PictureError::Rejected(Rejection::TooManyFrames { frames }));
    }
    // Each scan covers the whole picture.
    if pixels * u64::from(stripped.scans) > limits.pixels_max * FRAMES_PIXELS {
        return Err(PictureError::BROKEN);
    }
    Ok(())
}

/// Re-encodes a picture upright. Returns false if that would take too much memory.
fn rotate(
    kept: &mut impl PictureOutput,
    format: ImageFormat,
    stripped: &StripReport,
    orientation: Orientation,
    limits: PictureLimits,
) -> Result<bool, PictureError> {
    kept.rewind()?;
    let mut reader = ImageReader::with_format(BufReader::new(&mut *kept), format);
    let mut allowed = ImageLimits::default();
    allowed.max_alloc = Some(limits.memory_max);
    reader.limits(allowed);
    let decoder = reader.into_decoder().map_err(|_| PictureError::BROKEN)?;
    let (width, height) = decoder.dimensions();
    let colour = decoder.color_type();
    let bytes_per_pixel = match stripped.jpeg {
        Some(frame) if stripped.scans == 1 && !frame.is_progressive => 3,
        Some(frame) => 3 + (2 * frame.samples_in_64).div_ceil(64),
        None if colour.bytes_per_pixel() > colour.channel_count() => TURNED_DEEP_BYTES_PER_PIXEL,
        None => TURNED_BYTES_PER_PIXEL,
    };
    if u64::from(width) * u64::from(height) * bytes_per_pixel > limits.memory_max {
        return Ok(false);
    }
    let image = eight_bits(DynamicImage::from_decoder(decoder).map_err(|_| PictureError::BROKEN)?);
    kept.clear()?;
    let mut output = BufWriter::new(kept);
    write_rotated(image, format, orientation, stripped.icc.clone(), &mut output).map_err(|_| PictureError::BROKEN)?;
    output.flush()?;
    Ok(true)
}

/// Reduces a picture to 8 bits per channel: more makes no visible difference.
fn eight_bits(image: DynamicImage) -> DynamicImage {
    match image {
        DynamicImage::ImageLuma16(_) => image.into_luma8().into(),
        DynamicImage::ImageLumaA16(_) => image.into_luma_alpha8().into(),
        DynamicImage::ImageRgb16(_) | DynamicImage::ImageRgb32F(_) => image.into_rgb8().into(),
        DynamicImage::ImageRgba16(_) | DynamicImage::ImageRgba32F(_) => image.into_rgba8().into(),
        of_eight => of_eight,
    }
}

fn write_rotated(
    mut image: DynamicImage,
    format: ImageFormat,
    orientation: Orientation,
    icc: Option<Vec<u8>>,
    output: &mut impl Write,
) -> Result<(), image::ImageError> {
    if format == ImageFormat::Jpeg {
        let mut encoder = JpegEncoder::new_with_quality(output, QUALITY);
        // A picture without its profile is better than none.
        let _ = icc.map(|icc| encoder.set_icc_profile(icc));
        return match &image {
            DynamicImage::ImageLuma8(image) => encoder.encode_image(&Upright { image, orientation }),
            DynamicImage::ImageRgb8(image) => encoder.encode_image(&Upright { image, orientation }),
            other => encoder.encode_image(&Upright { image: &other.to_rgb8(), orientation }),
        };
    }
    image.apply_orientation(orientation);
    if format == ImageFormat::Png {
        let mut encoder = PngEncoder::new(output);
        let _ = icc.map(|icc| encoder.set_icc_profile(icc));
        image.write_with_encoder(encoder)
    } else {
        let mut encoder = WebPEncoder::new_lossless(output);
        let _ = icc.map(|icc| encoder.set_icc_profile(icc));
        image.write_with_encoder(encoder)
    }
}

fn preview(preview_image: &DynamicImage, is_transparent: bool, icc: Option<Vec<u8>>) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let written = if is_transparent {
        preview_image.write_with_encoder(PngEncoder::new(&mut bytes))
    } else {
        let mut encoder = JpegEncoder::new_with_quality(&mut bytes, PREVIEW_QUALITY);
        let _ = icc.map(|icc| encoder.set_icc_profile(icc));
        DynamicImage::from(preview_image.to_rgb8()).write_with_encoder(encoder)
    };
    written.ok().map(|()| bytes)
}

fn has_transparency(image: &DynamicImage) -> bool {
    image.as_rgba8().is_some_and(|image| image.pixels().any(|Rgba([.., alpha])| *alpha < 255))
}

/// Reads a number, most significant byte first.
fn big_endian(bytes: &[u8]) -> usize {
    bytes.iter().fold(0, |number, byte| number << 8 | usize::from(*byte))
}

/// Reads a number, least significant byte first.
fn little_endian(bytes: &[u8]) -> usize {
    bytes.iter().rev().fold(0, |number, byte| number << 8 | usize::from(*byte))
}

#[cfg(test)]
mod tests;

//! Reduces pictures while they are decoded: memory depends on the size of the result, not on that of the picture.
//!
//! A PNG is decoded row by row, a JPEG at an eighth, a quarter or half of its size where that is enough. WebP and GIF
//! have to be decoded whole, which is only done within the memory limit.

use super::{PictureError, PictureLimits, StripReport};
use image::{DynamicImage, GenericImageView as _, ImageDecoder as _, ImageFormat, ImageReader, Rgba, RgbaImage};
use jpeg_decoder::PixelFormat;
use std::{
    io::{BufRead, BufReader, Read, Seek},
    ops::Range,
};

/// Longer rows are not decoded.
const WIDTH_MAX: u32 = 65_535;
/// What the PNG decoder may allocate for itself.
const PNG_BYTES_MAX: usize = 4 * 1024 * 1024;
/// The memory per pixel for decoding a whole picture: its colours and what its format needs.
const WEBP_BYTES_PER_PIXEL: u64 = 10;
const GIF_BYTES_PER_PIXEL: u64 = 8;
/// The passes of an interlaced PNG: the first column and row, and the steps between columns and rows.
const ADAM7: [(u32, u32, u32, u32); 7] =
    [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)];

/// The requested part and size of a picture.
#[derive(Clone, Copy, Debug)]
pub(super) enum Shape {
    /// All of it, with its longer side at most this long.
    Within(u32),
    /// The square in its middle, with sides at most this long.
    Square(u32),
}

impl Shape {
    /// Returns which columns and rows are used, and the size of the result.
    fn of(self, width: u32, height: u32) -> (Range<u32>, Range<u32>, (u32, u32)) {
        match self {
            Self::Within(side) => (0..width, 0..height, within(width, height, side)),
            Self::Square(side) => {
                let square = width.min(height);
                let (left, top) = ((width - square) / 2, (height - square) / 2);
                (left..left + square, top..top + square, (square.min(side), square.min(side)))
            }
        }
    }
}

/// Returns the size that fits into a square and keeps the aspect ratio, without enlarging.
fn within(width: u32, height: u32, side: u32) -> (u32, u32) {
    let longer = width.max(height);
    if longer <= side {
        return (width, height);
    }
    let scaled = |length: u32| (u64::from(length) * u64::from(side) + u64::from(longer) / 2) / u64::from(longer);
    let length = |length| u32::try_from(scaled(length)).unwrap_or(side).max(1);
    (length(width), length(height))
}

/// Adds up pixels, in any order, into those of a smaller picture.
struct Reducer {
    columns: Range<u32>,
    rows: Range<u32>,
    across: u32,
    down: u32,
    /// The target column of each source column.
    cells: Vec<u32>,
    /// For each pixel: red, green and blue weighted by alpha, alpha, and the number of added pixels.
    sums: Vec<[u64; 4]>,
    counts: Vec<u32>,
}

impl Reducer {
    fn new(shape: Shape, width: u32, height: u32) -> Self {
        let (columns, rows, (across, down)) = shape.of(width, height);
        let cells = (0..columns.end - columns.start).map(|x| scaled(x, across, columns.end - columns.start)).collect();
        let pixels = across as usize * down as usize;
        Self { columns, rows, across, down, cells, sums: vec![[0; 4]; pixels], counts: vec![0; pixels] }
    }

    /// Adds pixels of one row: the first is at `left`, the others follow `step` apart.
    fn add(&mut self, y: u32, left: u32, step: u32, pixels: impl Iterator<Item = [u8; 4]>) {
        if !self.rows.contains(&y) {
            return;
        }
        let row = scaled(y - self.rows.start, self.down, self.rows.end - self.rows.start) * self.across;
        let mut x = left;
        for [red, green, blue, alpha] in pixels {
            if self.columns.contains(&x) {
                let at = (row + self.cells[(x - self.columns.start) as usize]) as usize;
                let sum = &mut self.sums[at];
                let weight = u64::from(alpha);
                sum[0] += u64::from(red) * weight;
                sum[1] += u64::from(green) * weight;
                sum[2] += u64::from(blue) * weight;
                sum[3] += weight;
                self.counts[at] += 1;
            }
            x = x.saturating_add(step);
        }
    }

    fn image(self) -> RgbaImage {
        let (sums, counts) = (self.sums, self.counts);
        let across = self.across as usize;
        RgbaImage::from_fn(self.across, self.down, |x, y| {
            let at = y as usize * across + x as usize;
            let [red, green, blue, alpha] = sums[at];
            let part = |sum: u64, of: u64| u8::try_from((sum + of / 2) / of.max(1)).unwrap_or(u8::MAX);
            Rgba([part(red, alpha), part(green, alpha), part(blue, alpha), part(alpha, counts[at].into())])
        })
    }
}

/// Maps a position among `of` to one among fewer `to`.
fn scaled(at: u32, to: u32, of: u32) -> u32 {
    u32::try_from(u64::from(at) * u64::from(to) / u64::from(of.max(1))).unwrap_or(u32::MAX)
}

/// Returns the size of a picture from its header, without decoding pixels.
pub(super) fn size(file: &mut (impl Read + Seek), format: ImageFormat) -> Result<(u32, u32), PictureError> {
    file.rewind()?;
    let mut file = BufReader::new(file);
    let (width, height) = match format {
        ImageFormat::Png => png_decoder(file).read_header_info().map_err(|_| PictureError::BROKEN)?.size(),
        ImageFormat::Jpeg => {
            let mut decoder = jpeg_decoder::Decoder::new(&mut file);
            decoder.read_info().map_err(|_| PictureError::BROKEN)?;
            let head = decoder.info().ok_or(PictureError::BROKEN)?;
            (head.width.into(), head.height.into())
        }
        _ => ImageReader::with_format(file, format).into_decoder().map_err(|_| PictureError::BROKEN)?.dimensions(),
    };
    if width == 0 || height == 0 { Err(PictureError::BROKEN) } else { Ok((width, height)) }
}

fn png_decoder<R: BufRead + Seek>(file: R) -> png::Decoder<R> {
    let mut decoder = png::Decoder::new_with_limits(file, png::Limits { bytes: PNG_BYTES_MAX });
    decoder.set_transformations(png::Transformations::normalize_to_color8());
    decoder.set_ignore_iccp_chunk(true);
    decoder.set_ignore_text_chunk(true);
    decoder
}

/// Decodes a picture and reduces it.
pub(super) fn reduce(
    file: &mut (impl Read + Seek),
    format: ImageFormat,
    stripped: &StripReport,
    width: u32,
    shape: Shape,
    limits: PictureLimits,
) -> Result<RgbaImage, PictureError> {
    if width > WIDTH_MAX {
        return Err(PictureError::BROKEN);
    }
    file.rewind()?;
    let file = BufReader::new(file);
    match format {
        ImageFormat::Png => png(file, shape),
        ImageFormat::Jpeg => jpeg(file, stripped, shape, limits),
        ImageFormat::WebP => decode_whole(file, format, shape, WEBP_BYTES_PER_PIXEL, limits),
        _ => decode_whole(file, format, shape, GIF_BYTES_PER_PIXEL, limits),
    }
}

fn png<R: Read + Seek>(file: BufReader<R>, shape: Shape) -> Result<RgbaImage, PictureError> {
    let mut reader = png_decoder(file).read_info().map_err(|_| PictureError::BROKEN)?;
    let (width, height) = reader.info().size();
    let (colours, _) = reader.output_color_type();
    let mut reducer = Reducer::new(shape, width, height);
    let passes = if reader.info().interlaced { &ADAM7[..] } else { &[(0, 0, 1, 1)] };
    for &(left, top, right, below) in passes.iter().filter(|(left, top, ..)| *left < width && *top < height) {
        let length = (width - left).div_ceil(right) as usize;
        for y in (top..height).step_by(below as usize) {
            let row = reader.next_interlaced_row().map_err(|_| PictureError::BROKEN)?.ok_or(PictureError::BROKEN)?;
            let pixels = row.data().chunks_exact(colours.samples()).take(length).map(|pixel| match *pixel {
                [grey] => [grey, grey, grey, 255],
                [grey, alpha] => [grey, grey, grey, alpha],
                [red, green, blue] => [red, green, blue, 255],
                [red, green, blue, alpha, ..] => [red, green, blue, alpha],
                [] => [0; 4],
            });
            reducer.add(y, left, right, pixels);
        }
    }
    Ok(reducer.image())
}

fn jpeg<R: Read>(
    file: BufReader<R>,
    stripped: &StripReport,
    shape: Shape,
    limits: PictureLimits,
) -> Result<RgbaImage, PictureError> {
    let frame = stripped.jpeg.ok_or(PictureError::BROKEN)?;
    let mut decoder = jpeg_decoder::Decoder::new(file);
    decoder.read_info().map_err(|_| PictureError::BROKEN)?;
    let whole = decoder.info().ok_or(PictureError::BROKEN)?;
    let (columns, rows, (across, down)) = shape.of(whole.width.into(), whole.height.into());
    // Large enough that the used part is not smaller than the result.
    let wanted = |cells: u32, part: Range<u32>, all: u16| {
        let wanted = (u64::from(cells) * u64::from(all)).div_ceil(u64::from(part.end - part.start).max(1));
        u16::try_from(wanted).unwrap_or(all)
    };
    let (width, height) = decoder
        .scale(wanted(across, columns, whole.width), wanted(down, rows, whole.height))
        .map_err(|_| PictureError::BROKEN)?;
    let pixels = u64::from(width) * u64::from(height);
    // Its planes and the picture composed of them.
    let planes = pixels * frame.samples_in_64 / 64 + pixels * frame.components;
    let coefficients = if frame.is_progressive {
        2 * u64::from(whole.width) * u64::from(whole.height) * frame.samples_in_64 / 64
    } else {
        0
    };
    if planes + coefficients > limits.memory_max {
        return Err(PictureError::BROKEN);
    }
    let bytes = decoder.decode().map_err(|_| PictureError::BROKEN)?;
    let mut reducer = Reducer::new(shape, width.into(), height.into());
    let (samples, is_cmyk) = match whole.pixel_format {
        PixelFormat::L8 => (1, false),
        PixelFormat::RGB24 => (3, false),
        PixelFormat::CMYK32 => (4, true),
        PixelFormat::L16 => return Err(PictureError::BROKEN),
    };
    for (y, row) in (0..).zip(bytes.chunks_exact(usize::from(width) * samples)) {
        let pixels = row.chunks_exact(samples).map(|pixel| match *pixel {
            [grey] => [grey, grey, grey, 255],
            [cyan, magenta, yellow, black] if is_cmyk => cmyk_to_rgb(cyan, magenta, yellow, black),
            [red, green, blue, ..] => [red, green, blue, 255],
            _ => [0; 4],
        });
        reducer.add(y, 0, 1, pixels);
    }
    Ok(reducer.image())
}

fn cmyk_to_rgb(cyan: u8, magenta: u8, yellow: u8, black: u8) -> [u8; 4] {
    let light = |ink: u8| {
        let light = u16::from(255 - ink) * u16::from(255 - black) / 255;
        u8::try_from(light).unwrap_or(u8::MAX)
    };
    [light(cyan), light(magenta), light(yellow), 255]
}

fn decode_whole<R: Read + Seek>(
    file: BufReader<R>,
    format: ImageFormat,
    shape: Shape,
    bytes_per_pixel: u64,
    limits: PictureLimits,
) -> Result<RgbaImage, PictureError> {
    let decoder = ImageReader::with_format(file, format).into_decoder().map_err(|_| PictureError::BROKEN)?;
    let (width, height) = decoder.dimensions();
    if u64::from(width) * u64::from(height) * bytes_per_pixel > limits.memory_max {
        return Err(PictureError::BROKEN);
    }
    let image = DynamicImage::from_decoder(decoder).map_err(|_| PictureError::BROKEN)?;
    let mut reducer = Reducer::new(shape, width, height);
    for y in 0..height {
        reducer.add(y, 0, 1, (0..width).map(|x| image.get_pixel(x, y).0));
    }
    Ok(reducer.image())
}

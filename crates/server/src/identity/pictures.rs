//! Pictures of people: whatever comes is decoded under limits, cut to a square and written anew, so that no byte
//! of the file that came (its metadata, a second format inside it) is ever served.

use crate::store::pictures::Picture;
use image::{
    DynamicImage, ImageDecoder as _, ImageFormat, ImageReader, Limits as ImageLimits, codecs::jpeg::JpegEncoder,
    imageops::FilterType,
};
use parlor_protocol::{
    error::{Code, Problem},
    limits::Limits,
};
use std::io::Cursor;

/// Width and height of a portrait.
const SIDE: u32 = 256;
/// What decoding may allocate for each pixel that is allowed.
const BYTES_PER_PIXEL: u64 = 8;
/// What decoding may allocate at the most.
const DECODE_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// A square portrait from the bytes of an image file.
///
/// # Errors
/// Not a PNG, JPEG or WebP, or over a limit.
pub(super) fn portrait(bytes: &[u8], limits: &Limits) -> Result<Picture, Problem> {
    let image = decode(bytes, limits)?;
    let square = image.width().min(image.height());
    let (left, top) = ((image.width() - square) / 2, (image.height() - square) / 2);
    let image = image.crop_imm(left, top, square, square).resize_exact(SIDE, SIDE, FilterType::Triangle);
    let mut bytes = Cursor::new(Vec::new());
    let has_alpha = image.color().has_alpha() && image.to_rgba8().pixels().any(|pixel| pixel.0[3] < 255);
    let (media_type, written) = if has_alpha {
        ("image/png", DynamicImage::from(image.to_rgba8()).write_to(&mut bytes, ImageFormat::Png))
    } else {
        let encoder = JpegEncoder::new_with_quality(&mut bytes, 85);
        ("image/jpeg", DynamicImage::from(image.to_rgb8()).write_with_encoder(encoder))
    };
    written.map_err(|_| Problem::from(Code::Internal))?;
    Ok(Picture { media_type: media_type.to_owned(), bytes: bytes.into_inner() })
}

fn decode(bytes: &[u8], limits: &Limits) -> Result<DynamicImage, Problem> {
    let unreadable = |detail: &str| {
        Problem::new(Code::UnsupportedType).with_detail(format!("a PNG, JPEG or WebP is expected: {detail}"))
    };
    let side = limits.picture_pixels_max;
    let too_large =
        || Problem::new(Code::TooLarge).with_detail("the picture is too wide or too high").with_limit(side.into());
    let reader =
        ImageReader::new(Cursor::new(bytes)).with_guessed_format().map_err(|_| unreadable("it is cut short"))?;
    if !matches!(reader.format(), Some(ImageFormat::Png | ImageFormat::Jpeg | ImageFormat::WebP)) {
        return Err(unreadable("it is something else"));
    }
    let mut decoder = reader.into_decoder().map_err(|_| unreadable("its head cannot be read"))?;
    let (width, height) = decoder.dimensions();
    if width > side || height > side {
        return Err(too_large());
    }
    if width == 0 || height == 0 {
        return Err(unreadable("it is empty"));
    }
    let mut allowed = ImageLimits::default();
    allowed.max_alloc =
        Some((u64::from(width) * u64::from(height) * BYTES_PER_PIXEL + (1 << 20)).min(DECODE_BYTES_MAX));
    decoder.set_limits(allowed).map_err(|_| too_large())?;
    let orientation = decoder.orientation().unwrap_or(image::metadata::Orientation::NoTransforms);
    let mut image = DynamicImage::from_decoder(decoder).map_err(|_| unreadable("its pixels cannot be read"))?;
    image.apply_orientation(orientation);
    Ok(image)
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{Rgb, RgbImage, Rgba, RgbaImage};

    fn limits() -> Limits {
        crate::config::Config::with(&[("limits.picture_pixels_max", "400")]).expect("a configuration").limits
    }

    fn png(image: impl Into<DynamicImage>) -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::new());
        image.into().write_to(&mut bytes, ImageFormat::Png).expect("written");
        bytes.into_inner()
    }

    #[test]
    fn any_shape_becomes_the_square_in_its_middle() {
        let wide =
            RgbImage::from_fn(400, 100, |x, _| Rgb(if (150..250).contains(&x) { [0, 200, 0] } else { [200, 0, 0] }));
        let picture = portrait(&png(wide), &limits()).expect("a portrait");
        assert_eq!(picture.media_type, "image/jpeg");
        let image = image::load_from_memory(&picture.bytes).expect("a JPEG").to_rgb8();
        assert_eq!(image.dimensions(), (256, 256));
        assert!(image.pixels().all(|pixel| pixel.0[1] > 150 && pixel.0[0] < 60), "nothing of the red sides is left");
    }

    #[test]
    fn transparency_stays() {
        let clear = RgbaImage::from_pixel(10, 10, Rgba([1, 2, 3, 0]));
        assert_eq!(portrait(&png(clear), &limits()).expect("a portrait").media_type, "image/png");
    }

    #[test]
    fn what_is_no_picture_or_too_large_is_refused_before_it_is_decoded() {
        let code = |bytes: &[u8]| portrait(bytes, &limits()).expect_err("refused").code;
        assert_eq!(code(b""), Code::UnsupportedType);
        assert_eq!(code(b"<svg xmlns='http://www.w3.org/2000/svg'/>"), Code::UnsupportedType);
        assert_eq!(code(b"GIF89a\x01\x00\x01\x00\x00\x00\x00;"), Code::UnsupportedType);
        let good = png(RgbImage::new(300, 300));
        assert_eq!(code(&good[..good.len() / 2]), Code::UnsupportedType);
        assert_eq!(code(&png(RgbImage::new(401, 1))), Code::TooLarge);
        // A head that claims 60,000 by 60,000 pixels.
        let mut bomb = good.clone();
        bomb[16..24].copy_from_slice(&[0, 0, 0xea, 0x60, 0, 0, 0xea, 0x60]);
        assert!(matches!(code(&bomb), Code::TooLarge | Code::UnsupportedType));
    }

    #[test]
    fn nothing_of_the_file_that_came_is_kept() {
        let mut bytes = png(RgbImage::from_pixel(64, 64, Rgb([9, 9, 9])));
        bytes.extend_from_slice(b"<script>alert(1)</script>");
        let picture = portrait(&bytes, &limits()).expect("a portrait");
        assert!(!picture.bytes.windows(7).any(|window| window == b"<script"));
    }
}

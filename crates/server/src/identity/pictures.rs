//! Pictures of users and groups: an image is scaled down while it is read, cropped to a square and encoded again, so
//! that no byte of the uploaded file (its metadata, a second format inside it) is ever served.

use super::{Identity, rate_limit::too_many};
use crate::{
    files::{
        pictures::{self, PictureError, PictureOutput, Rejection},
        storage_problem,
    },
    store::pictures::{NewPicture, Picture},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use image::{DynamicImage, ImageFormat, codecs::jpeg::JpegEncoder, imageops::FilterType};
use parlor_protocol::{
    error::{Code, Problem},
    ids::UserId,
    limits::Limits,
};
use sha2::{Digest as _, Sha256};
use std::{
    fs::File,
    io::{Cursor, Read, Seek},
};

/// Width and height of a picture.
const SIDE: u32 = 256;

impl Identity {
    /// Counts a picture that a user is about to set, for themselves or a group, or refuses it.
    pub(crate) fn count_picture(&self, owner: UserId) -> Result<(), Problem> {
        self.pictures.take(&owner, self.environment.steady_ms()).map_err(too_many)
    }

    /// Makes a square picture of an image file, stores it for its owner and returns its id.
    pub(crate) async fn set_picture(&self, owner: UserId, file: File) -> Result<String, Problem> {
        let (files, limits) = (self.files.clone(), self.limits.clone());
        let turn = files.acquire_image_permit(owner).await.ok_or_else(|| too_many(1000))?;
        let picture = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            let mut scratch = files.scratch().map_err(|error| storage_problem(&error))?;
            portrait(file, &mut scratch, &limits, files.picture_limits())
        });
        // A decoder that panicked has met an image that nothing can show.
        let picture = picture.await.map_err(|_| Problem::from(Code::UnsupportedType))??;
        self.store_picture(Some(owner), picture).await
    }

    /// Stores a picture and returns its id.
    pub(crate) async fn store_picture(&self, owner: Option<UserId>, picture: Picture) -> Result<String, Problem> {
        let digest =
            Sha256::new().chain_update(&picture.bytes).chain_update(owner.map_or(0, |owner| owner.0).to_be_bytes());
        let id = URL_SAFE_NO_PAD.encode(digest.finalize());
        let quota_bytes = self.limits.user_files_bytes_max;
        let new = NewPicture { id: id.clone(), owner, picture, now_ms: self.environment.now_ms(), quota_bytes };
        if self.store.insert_picture(new).await? {
            return Ok(id);
        }
        Err(Problem::new(Code::LimitReached)
            .with_detail(format!("your files and pictures would have more than {quota_bytes} bytes"))
            .with_limit(quota_bytes))
    }
}

/// Makes a square picture of an image file.
///
/// # Errors
/// Not a PNG, JPEG or WebP, or over a limit.
fn portrait(
    file: impl Read + Seek,
    scratch: &mut impl PictureOutput,
    limits: &Limits,
    allowed: pictures::PictureLimits,
) -> Result<Picture, Problem> {
    let side = limits.picture_pixels_max;
    let pixels_max = u64::from(side) * u64::from(side);
    let image = pictures::portrait(file, scratch, (SIDE, side), pictures::PictureLimits { pixels_max, ..allowed });
    let image = DynamicImage::from(image.map_err(|error| refused(error, side))?);
    let image = if image.width() < SIDE { image.resize_exact(SIDE, SIDE, FilterType::Triangle) } else { image };
    let mut bytes = Cursor::new(Vec::new());
    let is_clear = image.to_rgba8().pixels().any(|pixel| pixel.0[3] < 255);
    let (media_type, written) = if is_clear {
        ("image/png", image.write_to(&mut bytes, ImageFormat::Png))
    } else {
        let encoder = JpegEncoder::new_with_quality(&mut bytes, 85);
        ("image/jpeg", DynamicImage::from(image.to_rgb8()).write_with_encoder(encoder))
    };
    written.map_err(|_| Problem::from(Code::Internal))?;
    Ok(Picture { media_type: media_type.to_owned(), bytes: bytes.into_inner() })
}

fn refused(error: PictureError, side: u32) -> Problem {
    match error {
        PictureError::Io(error) => storage_problem(&error),
        PictureError::Rejected(Rejection::TooManyPixels { .. }) => {
            Problem::new(Code::TooLarge).with_detail("the picture is too wide or too high").with_limit(side.into())
        }
        PictureError::Rejected(Rejection::TooManyFrames { .. }) => {
            Problem::new(Code::TooLarge).with_detail("the picture has too many frames")
        }
        PictureError::Rejected(Rejection::Unreadable) => Problem::new(Code::UnsupportedType)
            .with_detail("a PNG, JPEG or WebP is expected that is whole and not too large to be drawn"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{Rgb, RgbImage, Rgba, RgbaImage};

    fn limits() -> Limits {
        crate::config::Config::with(&[("limits.picture_pixels_max", "400")]).expect("a configuration").limits
    }

    fn portrait(bytes: &[u8], limits: &Limits) -> Result<Picture, Problem> {
        let allowed = pictures::PictureLimits { pixels_max: 0, frames_max: 1, memory_max: 1 << 20 };
        super::portrait(Cursor::new(bytes), &mut Cursor::new(Vec::new()), limits, allowed)
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

//! Pictures of all kinds with all the metadata that has to go.

use super::*;
use image::{Frame, Rgb, RgbImage, Rgba, RgbaImage, codecs::gif::GifEncoder};

const LIMITS: PictureLimits = PictureLimits { pixels_max: 4_000_000, frames_max: 20, memory_max: 4_000_000 };
const SECRET: &[u8] = b"52.5200N 13.4050E";

/// A picture, and what is stored of it.
#[derive(Debug)]
struct Looked {
    picture: ProcessedPicture,
    bytes: Vec<u8>,
}

impl std::ops::Deref for Looked {
    type Target = ProcessedPicture;
    fn deref(&self) -> &ProcessedPicture {
        &self.picture
    }
}

fn process(bytes: Vec<u8>, limits: PictureLimits) -> Result<Looked, Rejection> {
    let mut kept = Cursor::new(b"what was there before".to_vec());
    match super::process(Cursor::new(bytes), &mut kept, limits) {
        Ok(picture) => {
            assert_eq!(picture.length, kept.get_ref().len() as u64);
            Ok(Looked { picture, bytes: kept.into_inner() })
        }
        Err(PictureError::Rejected(not)) => Err(not),
        Err(PictureError::Io(error)) => panic!("memory is read: {error}"),
    }
}

fn strip_only(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut kept = Cursor::new(Vec::new());
    super::strip_only(Cursor::new(bytes), &mut kept).ok().map(|_| kept.into_inner())
}

fn written(image: impl Into<DynamicImage>, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    image.into().write_to(&mut bytes, format).expect("written");
    bytes.into_inner()
}

/// The left half is red, the right half blue.
fn halves(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, _| if x < width / 2 { Rgb([230, 10, 10]) } else { Rgb([10, 10, 230]) })
}

/// EXIF data with an orientation and a place.
fn exif(orientation: u8) -> Vec<u8> {
    let mut exif = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0".to_vec();
    exif.extend_from_slice(&[orientation, 0, 0, 0, 0, 0, 0, 0]);
    exif.extend_from_slice(SECRET);
    exif
}

/// Inserts segments after the first two bytes of a JPEG.
fn jpeg_with(jpeg: &[u8], segments: &[(u8, Vec<u8>)]) -> Vec<u8> {
    let mut file = jpeg[..2].to_vec();
    for (marker, body) in segments {
        file.extend_from_slice(&[0xff, *marker]);
        file.extend_from_slice(&u16::try_from(body.len() + 2).expect("short").to_be_bytes());
        file.extend_from_slice(body);
    }
    file.extend_from_slice(&jpeg[2..]);
    file
}

fn png_chunk(kind: [u8; 4], body: &[u8]) -> Vec<u8> {
    let mut chunk = u32::try_from(body.len()).expect("short").to_be_bytes().to_vec();
    chunk.extend_from_slice(&kind);
    chunk.extend_from_slice(body);
    // Decoders need not verify the checksums of ancillary chunks.
    chunk.extend_from_slice(&[0; 4]);
    chunk
}

fn webp_with(webp: &[u8], chunks: &[(&[u8; 4], Vec<u8>)]) -> Vec<u8> {
    let (width, height) = (64_u32 - 1, 32_u32 - 1);
    let mut body = b"WEBPVP8X\x0a\0\0\0\x0c\0\0\0".to_vec();
    body.extend_from_slice(&width.to_le_bytes()[..3]);
    body.extend_from_slice(&height.to_le_bytes()[..3]);
    body.extend_from_slice(&webp[12..]);
    for (kind, bytes) in chunks {
        body.extend_from_slice(*kind);
        body.extend_from_slice(&u32::try_from(bytes.len()).expect("short").to_le_bytes());
        body.extend_from_slice(bytes);
        body.extend(std::iter::repeat_n(0, bytes.len() % 2));
    }
    let mut file = b"RIFF".to_vec();
    file.extend_from_slice(&u32::try_from(body.len()).expect("short").to_le_bytes());
    file.extend_from_slice(&body);
    file
}

fn gif(frames: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = GifEncoder::new(&mut bytes);
    for frame in 0..frames {
        let shade = u8::try_from(frame % 200).expect("small");
        encoder.encode_frame(Frame::new(RgbaImage::from_pixel(16, 8, Rgba([shade, 0, 0, 255])))).expect("a frame");
    }
    drop(encoder);
    bytes
}

fn has(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

#[test]
fn only_the_picture_itself_is_kept_in_every_format() {
    let jpeg = written(halves(64, 32), ImageFormat::Jpeg);
    let telling = [(0xe1, [b"Exif\0\0".to_vec(), exif(1)].concat()), (0xfe, SECRET.to_vec()), (0xed, SECRET.to_vec())];
    let mut jpeg = jpeg_with(&jpeg, &telling);
    jpeg.extend_from_slice(b"PK\x03\x04<script>");
    jpeg.extend_from_slice(SECRET);

    let png = written(halves(64, 32), ImageFormat::Png);
    let telling = [png_chunk(*b"eXIf", &exif(1)), png_chunk(*b"tEXt", SECRET), png_chunk(*b"zTXt", SECRET)].concat();
    let mut png = [&png[..33], &telling, &png[33..]].concat();
    png.extend_from_slice(SECRET);

    let webp = written(halves(64, 32), ImageFormat::WebP);
    let webp = webp_with(&webp, &[(b"EXIF", exif(1)), (b"XMP ", SECRET.to_vec()), (b"SELF", SECRET.to_vec())]);

    let plain = gif(3);
    let head = 13 + if plain[10] & 0x80 == 0 { 0 } else { 3 << ((plain[10] & 7) + 1) };
    let comment = [b"\x21\xfe\x11".as_slice(), SECRET, b"\0"].concat();
    let extension = [b"\x21\xff\x0bXMP DataXMP\x11".as_slice(), SECRET, b"\0"].concat();
    let mut gif = [&plain[..head], &comment, &extension, &plain[head..]].concat();
    gif.extend_from_slice(SECRET);

    for (kind, file) in [("jpeg", jpeg), ("png", png), ("webp", webp), ("gif", gif)] {
        assert!(has(&file, SECRET), "the {kind} tells something");
        let picture = process(file, LIMITS).unwrap_or_else(|not| panic!("{kind}: {not:?}"));
        assert!(!has(&picture.bytes, SECRET) && !has(&picture.bytes, b"<script>"), "{kind}");
        assert_eq!(picture.media_type, format!("image/{kind}"));
        let again = image::load_from_memory(&picture.bytes).unwrap_or_else(|error| panic!("{kind}: {error}"));
        assert_eq!((again.width(), again.height()), (picture.width, picture.height), "{kind}");
    }
}

#[test]
fn a_picture_is_stored_upright_with_its_upright_size() {
    let jpeg = written(halves(64, 32), ImageFormat::Jpeg);
    // Orientation 6: the camera was turned, and the left side belongs at the top.
    let rotated = jpeg_with(&jpeg, &[(0xe1, [b"Exif\0\0".to_vec(), exif(6)].concat())]);
    let png = written(halves(64, 32), ImageFormat::Png);
    let turned_png = [&png[..33], &png_chunk(*b"eXIf", &exif(6)), &png[33..]].concat();
    let webp = written(halves(64, 32), ImageFormat::WebP);
    let turned_webp = webp_with(&webp, &[(b"EXIF", exif(6))]);
    for file in [rotated, turned_png, turned_webp] {
        let picture = process(file, LIMITS).expect("a picture");
        assert_eq!((picture.width, picture.height), (32, 64), "{}", picture.media_type);
        let upright = image::load_from_memory(&picture.bytes).expect("it is read").to_rgb8();
        assert_eq!(upright.dimensions(), (32, 64));
        let (above, below) = (upright.get_pixel(16, 8).0, upright.get_pixel(16, 56).0);
        assert!(above[0] > 150 && below[2] > 150, "{}: {above:?} {below:?}", picture.media_type);
        assert!(!has(&picture.bytes, SECRET));
    }
}

#[test]
fn a_16_bit_picture_is_turned_correctly_and_stored_with_8_bits() {
    let rgb = halves(64, 32);
    let images = [
        DynamicImage::from(rgb.clone()),
        DynamicImage::from(rgb.clone()).into_rgb16().into(),
        DynamicImage::from(rgb.clone()).into_rgba16().into(),
        DynamicImage::from(rgb.clone()).into_luma16().into(),
        DynamicImage::from(rgb.clone()).into_luma_alpha16().into(),
    ];
    for image in images {
        for orientation in 1..=8 {
            let png = written(image.clone(), ImageFormat::Png);
            let rotated = [&png[..33], &png_chunk(*b"eXIf", &exif(orientation)), &png[33..]].concat();
            let picture = process(rotated, LIMITS).expect("a picture");
            let upright = image::load_from_memory(&picture.bytes).expect("it is read");
            let what = format!("{:?} at {orientation}", image.color());
            assert_eq!((upright.width(), upright.height()), (picture.width, picture.height), "{what}");
            let of_eight = u16::from(upright.color().channel_count()) * 8 == upright.color().bits_per_pixel();
            assert!(orientation == 1 || of_eight, "{what}: {:?}", upright.color());
            let mut expected = image.clone();
            expected.apply_orientation(Orientation::from_exif(orientation).expect("one of eight"));
            assert_eq!(upright.to_rgba8(), expected.to_rgba8(), "{what}");
        }
    }
}

#[test]
fn a_picture_with_too_many_scans_is_not_decoded() {
    let jpeg = written(halves(64, 32), ImageFormat::Jpeg);
    let scan = jpeg.windows(2).position(|bytes| bytes == b"\xff\xda").expect("a pass");
    let (head, scan) = (&jpeg[..scan], &jpeg[scan..jpeg.len() - 2]);
    let of_passes = |passes| [head, &scan.repeat(passes), b"\xff\xd9"].concat();
    let limits = PictureLimits { pixels_max: 64 * 32, ..LIMITS };
    assert!(process(of_passes(20), limits).is_ok(), "as much as the largest picture of one pass, twenty times");
    assert_eq!(process(of_passes(21), limits).expect_err("too slow"), Rejection::Unreadable);
    assert!(strip_only(&of_passes(21)).is_some(), "what it tells is known all the same");
    assert!(process(of_passes(64), LIMITS).is_ok());
    assert!(strip_only(&of_passes(65)).is_none());
}

#[test]
fn an_icc_profile_is_kept() {
    let profile = [b"ICC_PROFILE\0\x01\x01".as_slice(), &[7; 200]].concat();
    let jpeg = jpeg_with(&written(halves(1300, 20), ImageFormat::Jpeg), &[(0xe2, profile.clone())]);
    let picture = process(jpeg, LIMITS).expect("a picture");
    assert!(has(&picture.bytes, &profile));
    assert!(has(&picture.picture.preview.expect("a smaller copy").0, &[7; 200]));
}

#[test]
fn large_pictures_and_animations_have_a_preview() {
    let picture = process(written(halves(1280, 640), ImageFormat::Png), LIMITS).expect("a picture");
    let (preview, is_png) = picture.picture.preview.expect("a smaller copy");
    let preview = image::load_from_memory(&preview).expect("it is read");
    assert_eq!((preview.width(), preview.height(), is_png), (640, 320, false));
    assert!(process(written(halves(640, 640), ImageFormat::Png), LIMITS).expect("a picture").preview.is_none());

    let clear = RgbaImage::from_pixel(700, 10, Rgba([1, 2, 3, 0]));
    let (preview, is_png) =
        process(written(clear, ImageFormat::Png), LIMITS).expect("one").picture.preview.expect("a copy");
    assert!(is_png && image::load_from_memory(&preview).expect("it is read").color().has_alpha());

    let animation = process(gif(5), LIMITS).expect("an animation");
    let still = image::load_from_memory(&animation.picture.preview.clone().expect("a copy that does not move").0)
        .expect("it is read");
    assert_eq!((still.width(), still.height()), (16, 8), "no larger than itself");
    let frames = image::AnimationDecoder::into_frames(
        image::codecs::gif::GifDecoder::new(Cursor::new(&animation.bytes)).expect("a GIF"),
    );
    assert_eq!(frames.count(), 5);
}

#[test]
fn decompression_bombs_are_recognized_without_being_decompressed() {
    let mut bomb = written(halves(10, 10), ImageFormat::Png);
    bomb[16..24].copy_from_slice(&[0, 0, 0xea, 0x60, 0, 0, 0xea, 0x60]);
    let crc = crc(&bomb[12..29]);
    bomb[29..33].copy_from_slice(&crc.to_be_bytes());
    assert_eq!(
        process(bomb, LIMITS).expect_err("too large"),
        Rejection::TooManyPixels { width: 60_000, height: 60_000 }
    );
    assert_eq!(process(gif(21), LIMITS).expect_err("too long"), Rejection::TooManyFrames { frames: 21 });
    let good = written(halves(300, 300), ImageFormat::Jpeg);
    for broken in
        [&good[..good.len() / 2], &good[..3], b"\xff\xd8\xff", b"GIF89a\x01\0\x01\0\0\0\0;", b"\x89PNG\r\n\x1a\n"]
    {
        assert_eq!(process(broken.to_vec(), LIMITS).expect_err("broken"), Rejection::Unreadable);
    }
}

/// The checksum of a chunk (ISO 3309), for handmade headers.
fn crc(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0_u32, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| if sum & 1 == 1 { sum >> 1 ^ 0xedb8_8320 } else { sum >> 1 })
    })
}

#[test]
fn arbitrary_bytes_never_make_a_decoder_panic() {
    let samples = [
        jpeg_with(&written(halves(64, 32), ImageFormat::Jpeg), &[(0xe1, [b"Exif\0\0".to_vec(), exif(6)].concat())]),
        written(halves(20, 10), ImageFormat::Png),
        webp_with(&written(halves(64, 32), ImageFormat::WebP), &[(b"EXIF", exif(3))]),
        gif(2),
    ];
    let mut state = 1_u32;
    for sample in &samples {
        for cut in (0..sample.len()).step_by(7) {
            let _ = process(sample[..cut].to_vec(), LIMITS);
        }
        for _ in 0..150 {
            let mut bytes = sample.clone();
            for _ in 0..3 {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let at = (state >> 8) as usize % bytes.len();
                bytes[at] = state.to_be_bytes()[0];
            }
            let _ = process(bytes, LIMITS);
        }
    }
}

#[test]
fn every_orientation_is_decoded_correctly_with_and_without_reencoding() {
    let drawn = RgbImage::from_fn(1400, 700, |x, y| match (x < 700, y < 350) {
        (true, true) => Rgb([230, 10, 10]),
        (false, true) => Rgb([10, 230, 10]),
        (true, false) => Rgb([10, 10, 230]),
        (false, false) => Rgb([230, 230, 10]),
    });
    let corners = |image: &RgbImage| {
        let (right, bottom) = (image.width() - 9, image.height() - 9);
        [(8, 8), (right, 8), (8, bottom), (right, bottom)].map(|(x, y)| image.get_pixel(x, y).0.map(|part| part > 120))
    };
    let jpeg = written(drawn.clone(), ImageFormat::Jpeg);
    for number in 1..=8 {
        let rotated = jpeg_with(&jpeg, &[(0xe1, [b"Exif\0\0".to_vec(), exif(number)].concat())]);
        let orientation = Orientation::from_exif(number).expect("one of eight");
        let mut expected = DynamicImage::from(drawn.clone());
        expected.apply_orientation(orientation);
        let expected = corners(&expected.to_rgb8());

        let picture = process(rotated.clone(), LIMITS).expect("a picture");
        let upright = image::load_from_memory(&picture.bytes).expect("it is read").to_rgb8();
        assert_eq!((upright.dimensions(), corners(&upright)), ((picture.width, picture.height), expected), "{number}");

        // Without enough memory to turn it, it keeps its pixels and its orientation, and nothing else.
        let little = PictureLimits { memory_max: 2_000_000, ..LIMITS };
        let picture = process(rotated, little).expect("a picture");
        assert!(!has(&picture.bytes, SECRET));
        let mut decoder =
            ImageReader::with_format(Cursor::new(&picture.bytes), ImageFormat::Jpeg).into_decoder().expect("a JPEG");
        let says = decoder.orientation().expect("it is read");
        let mut upright = DynamicImage::from_decoder(decoder).expect("it is read");
        upright.apply_orientation(says);
        let upright = upright.to_rgb8();
        assert_eq!((upright.dimensions(), corners(&upright)), ((picture.width, picture.height), expected), "{number}");
    }
}

#[test]
fn large_pictures_are_reduced_in_little_memory_or_rejected() {
    let little = PictureLimits { pixels_max: 50_000_000, frames_max: 20, memory_max: 8 << 20 };
    let large = halves(2400, 1800);
    for format in [ImageFormat::Png, ImageFormat::Jpeg] {
        let picture = process(written(large.clone(), format), little).expect("a picture");
        let preview_image =
            image::load_from_memory(&picture.picture.preview.expect("a copy").0).expect("read").to_rgb8();
        assert_eq!(preview_image.dimensions(), (640, 480));
        let (left, right) = (preview_image.get_pixel(100, 200).0, preview_image.get_pixel(540, 200).0);
        assert!(left[0] > 200 && left[2] < 50 && right[0] < 50 && right[2] > 200, "{format:?}: {left:?} {right:?}");
    }
    for format in [ImageFormat::WebP, ImageFormat::Gif] {
        assert_eq!(
            process(written(large.clone(), format), little).expect_err("too large"),
            Rejection::Unreadable,
            "{format:?}"
        );
    }
}

#[test]
fn interlaced_and_one_bit_pngs_are_decoded() {
    // Handmade: 9 by 9 pixels of one bit, interlaced; the left four columns are black.
    let mut lines = Vec::new();
    for (left, top, right, below) in
        [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
    {
        for _ in (top..9_usize).step_by(below) {
            lines.push(0);
            let bits: Vec<bool> = (left..9_usize).step_by(right).map(|x| x >= 4).collect();
            lines.extend(
                bits.chunks(8)
                    .map(|bits| bits.iter().enumerate().fold(0, |byte, (at, bit)| byte | u8::from(*bit) << (7 - at))),
            );
        }
    }
    // Stored without compression.
    let length = u16::try_from(lines.len()).expect("short");
    let mut packed = vec![0x78, 0x01, 0x01];
    packed.extend_from_slice(&length.to_le_bytes());
    packed.extend_from_slice(&(!length).to_le_bytes());
    packed.extend_from_slice(&lines);
    let (one, two) = lines.iter().fold((1_u32, 0_u32), |(one, two), byte| {
        let one = (one + u32::from(*byte)) % 65_521;
        (one, (two + one) % 65_521)
    });
    packed.extend_from_slice(&(two << 16 | one).to_be_bytes());
    let chunk = |kind: &[u8; 4], body: &[u8]| {
        let named = [kind.as_slice(), body].concat();
        [&u32::try_from(body.len()).expect("short").to_be_bytes()[..], &named, &crc(&named).to_be_bytes()].concat()
    };
    let head = chunk(b"IHDR", &[0, 0, 0, 9, 0, 0, 0, 9, 1, 0, 0, 0, 1]);
    let file = [b"\x89PNG\r\n\x1a\n".to_vec(), head, chunk(b"IDAT", &packed), chunk(b"IEND", &[])].concat();
    let expected = image::load_from_memory(&file).expect("it is a PNG").to_rgba8();
    let found = portrait(Cursor::new(file), &mut Cursor::new(Vec::new()), (256, 256), LIMITS).expect("it is drawn");
    assert_eq!(found, expected);
}

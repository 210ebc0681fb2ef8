//! Pictures in messages: shown with their size, stripped of metadata, refused when they are decompression bombs.

use super::{path_of, problem};
use crate::harness::{Server, Setup, TestUser, folder, unique};
use http::Method;
use image::{DynamicImage, ImageFormat, Rgb, RgbImage};
use parlor_client::error::Error;
use parlor_protocol::{error::Code, model::Upload};
use std::{io::Cursor, time::Duration};
use tokio::time::Instant;

fn picture(width: u32, height: u32, format: ImageFormat) -> Vec<u8> {
    let image = RgbImage::from_fn(width, height, |x, y| {
        Rgb([u8::try_from(x % 256).expect("small"), u8::try_from(y % 256).expect("small"), 90])
    });
    let mut bytes = Cursor::new(Vec::new());
    DynamicImage::from(image).write_to(&mut bytes, format).expect("written");
    bytes.into_inner()
}

/// A photo of an upright phone with its location: TIFF with an orientation, a camera model and GPS.
pub(super) fn photo() -> Vec<u8> {
    let jpeg = picture(1200, 800, ImageFormat::Jpeg);
    let mut tiff = b"MM\0*\0\0\0\x08\0\x03".to_vec();
    // Make (ASCII, 8 bytes at 0x32), orientation 6, the GPS directory at 0x3a.
    tiff.extend_from_slice(b"\x01\x0f\0\x02\0\0\0\x08\0\0\0\x32");
    tiff.extend_from_slice(b"\x01\x12\0\x03\0\0\0\x01\0\x06\0\0");
    tiff.extend_from_slice(b"\x88\x25\0\x04\0\0\0\x01\0\0\0\x3a");
    tiff.extend_from_slice(b"\0\0\0\0Fernwerk");
    assert_eq!(tiff.len(), 0x3a);
    // GPSLatitudeRef N, GPSLatitude 52/1 31/1 12/1 at 0x58.
    tiff.extend_from_slice(b"\0\x02\0\x01\0\x02\0\0\0\x02N\0\0\0\0\x02\0\x05\0\0\0\x03\0\0\0\x58\0\0\0\0");
    assert_eq!(tiff.len(), 0x58);
    for number in [52_u32, 31, 12] {
        tiff.extend_from_slice(&number.to_be_bytes());
        tiff.extend_from_slice(&1_u32.to_be_bytes());
    }
    let segment = [b"Exif\0\0".as_slice(), &tiff].concat();
    let length = u16::try_from(segment.len() + 2).expect("short").to_be_bytes();
    [&jpeg[..2], b"\xff\xe1", &length, &segment, &jpeg[2..]].concat()
}

#[tokio::test]
async fn a_photo_is_served_upright_and_without_its_location() {
    let server = Server::start().await;
    let ada = server.user("ada").await;
    let photo = photo();
    let has = |bytes: &[u8], part: &[u8]| bytes.windows(part.len()).any(|window| window == part);
    assert!(has(&photo, b"Fernwerk") && has(&photo, b"Exif"));
    let attachment = ada.upload("umbrella.jpg", &photo).await.attachment.expect("finished");
    assert_eq!(
        (attachment.media_type.as_str(), attachment.width, attachment.height),
        ("image/jpeg", Some(800), Some(1200))
    );
    assert_eq!(attachment.blur_hash.as_deref().map(str::len), Some(28));
    let (_, kept) = ada.fetch(&attachment.url).await;
    let (_, preview) = ada.fetch(attachment.preview.as_deref().expect("a smaller copy")).await;
    assert_eq!(attachment.bytes, kept.len() as u64);
    let small = image::load_from_memory(&preview).expect("it is read");
    assert_eq!((small.width(), small.height()), (427, 640));
    for bytes in [&kept, &preview] {
        assert!(!has(bytes, b"Fernwerk") && !has(bytes, b"Exif"), "nothing of it is left");
    }
    assert_eq!(server.files_on_disk().len(), 2, "the picture and its smaller copy, not the upload");
}

#[tokio::test]
async fn every_picture_format_has_its_size_and_is_shown_inline() {
    let server = Server::start().await;
    let ada = server.user("ada").await;
    for (name, format, media_type) in [
        ("a.txt", ImageFormat::Png, "image/png"),
        ("b.exe", ImageFormat::Jpeg, "image/jpeg"),
        ("c", ImageFormat::WebP, "image/webp"),
        ("d.html", ImageFormat::Gif, "image/gif"),
    ] {
        let attachment = ada.upload(name, &picture(90, 60, format)).await.attachment.expect("finished");
        assert_eq!(attachment.media_type, media_type);
        assert_eq!((attachment.width, attachment.height, attachment.preview), (Some(90), Some(60), None));
        let answer = ada.api.request(http::Method::GET, &attachment.url, "").await.expect("an answer");
        assert_eq!(answer.headers["content-type"], media_type);
        assert!(answer.headers["content-disposition"].to_str().expect("text").starts_with("inline; "));
        assert_eq!(ada.fetch(&format!("{}/preview", attachment.url)).await.0, 404, "it is small enough itself");
    }
}

#[tokio::test]
async fn a_decompression_bomb_is_refused_by_its_size_and_leaves_nothing() {
    let server = Setup::new().with("limits.image_frames_max", 40).start().await;
    let ada = server.user("ada").await;
    let mut huge = picture(10, 10, ImageFormat::Png);
    huge[16..24].copy_from_slice(&[0, 0, 0xea, 0x60, 0, 0, 0xea, 0x60]);
    let sum = crc(&huge[12..29]);
    huge[29..33].copy_from_slice(&sum.to_be_bytes());
    let refused = problem(ada.try_upload("huge.png", &huge).await);
    assert_eq!((refused.code, refused.limit), (Code::TooLarge, Some(50_000_000)));
    assert!(refused.detail.expect("a detail").contains("60000 by 60000"));

    let mut long = picture(4, 4, ImageFormat::Gif);
    let end = long.pop();
    let frame = long[long.iter().rposition(|byte| *byte == 0x2c).expect("a frame")..].to_vec();
    long.extend(frame.repeat(50_000));
    long.extend(end);
    let refused = problem(ada.try_upload("long.gif", &long).await);
    assert_eq!((refused.code, refused.limit), (Code::TooLarge, Some(40)));
    assert!(server.files_on_disk().is_empty(), "{:?}", server.files_on_disk());

    // A text that decompresses to 64 MiB is not decompressed, and is removed.
    let plain = picture(10, 10, ImageFormat::Png);
    let text = [b"Comment\0\x01\0\0\0".as_slice(), &vec![0x78; 70_000]].concat();
    let chunk = [&u32::try_from(text.len()).expect("short").to_be_bytes()[..], b"iTXt", &text, &[0; 4]].concat();
    let packed = [&plain[..33], &chunk, &plain[33..]].concat();
    let attachment = ada.upload("text.png", &packed).await.attachment.expect("a picture");
    assert_eq!((attachment.media_type.as_str(), attachment.bytes), ("image/png", plain.len() as u64));
}

#[tokio::test]
async fn a_picture_that_is_not_decoded_is_a_download_without_metadata() {
    let server = Setup::new().with("limits.image_bytes_max", 100).start().await;
    let ada = server.user("ada").await;
    let attachment = ada.upload("a.jpg", &photo()).await.attachment.expect("kept");
    assert_eq!((attachment.media_type.as_str(), attachment.width), ("application/octet-stream", None));
    let answer = ada.api.request(http::Method::GET, &attachment.url, "").await.expect("an answer");
    assert!(answer.headers["content-disposition"].to_str().expect("text").starts_with("attachment; "));
    assert!(!answer.body.windows(4).any(|window| window == b"Exif"), "the location is removed");
}

#[tokio::test]
async fn a_picture_that_cannot_be_decoded_is_a_download_without_metadata() {
    let server = Server::start().await;
    let ada = server.user("ada").await;
    let mut photo = photo();
    // A wrong quantization table: every segment is valid, but the picture cannot be decoded.
    let table = photo.windows(2).position(|bytes| bytes == b"\xff\xc4").expect("a table");
    photo[table + 5..table + 21].fill(0xff);
    let attachment = ada.upload("a.jpg", &photo).await.attachment.expect("kept");
    assert_eq!((attachment.media_type.as_str(), attachment.width), ("application/octet-stream", None));
    let kept = ada.fetch(&attachment.url).await.1;
    assert!(!kept.windows(4).any(|window| window == b"Exif"), "the location is removed");
}

/// Starts uploads and waits until all bytes have arrived.
async fn sending(user: &TestUser, count: usize, bytes: &[u8]) -> Vec<tokio::task::JoinHandle<Result<Upload, Error>>> {
    let keys: Vec<_> = (0..count).map(|index| format!("{}-{index}", unique())).collect();
    let sent = keys.iter().map(|key| {
        let (api, path, bytes) = (user.api.clone(), path_of(key, "a.png", bytes.len()), bytes.to_vec());
        tokio::spawn(async move { api.request(Method::POST, &path, bytes).await?.parse() })
    });
    let sent: Vec<_> = sent.collect();
    let deadline = Instant::now() + Duration::from_secs(30);
    for key in keys {
        let has_come = async || {
            let upload = user.api.get::<Upload>(&format!("/v1/uploads/{key}")).await;
            upload.is_ok_and(|upload| upload.received == bytes.len() as u64)
        };
        while !has_come().await {
            assert!(Instant::now() < deadline, "it does not come");
            // waits for: the last byte to be written
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
    sent
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_slow_pictures_of_one_user_block_no_other_user() {
    let server = Setup::new().with("files.image_ms", 600_000).start().await;
    let (ada, tomas) = (server.user("ada").await, server.user("tomás").await);
    let slow = picture(2500, 2000, ImageFormat::Png);
    let hers = sending(&ada, 8, &slow).await;
    let attachment = tomas.upload("small.png", &picture(20, 20, ImageFormat::Png)).await.attachment;
    assert_eq!(attachment.expect("a picture").width, Some(20));
    let done = hers.iter().filter(|sent| sent.is_finished()).count();
    assert!(done < 6, "{done} of hers were processed before his");
    for sent in hers {
        let upload = sent.await.expect("it ends").expect("and well");
        assert_eq!(upload.attachment.expect("a picture").width, Some(2500));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_picture_that_takes_too_long_is_refused_and_its_upload_is_kept() {
    let folder = folder();
    let setup = || Setup::new().in_folder(&folder.path().join("data"));
    let server = setup().with("files.image_ms", 1).start().await;
    let ada = server.user("ada").await;
    let slow = picture(2500, 2000, ImageFormat::Png);
    let path = path_of("slow", "slow.png", slow.len());
    let answer = ada.api.request(Method::POST, &path, slow.clone()).await.expect("an answer");
    let refused = problem(answer.parse::<Upload>());
    assert_eq!((refused.code, refused.retryable), (Code::Unavailable, true));
    assert!(refused.detail.expect("a detail").contains("in time"));
    let upload: Upload = ada.api.get("/v1/uploads/slow").await.expect("it exists");
    assert_eq!((upload.received, upload.attachment), (slow.len() as u64, None));
    let token = ada.api.headers()["authorization"].to_str().expect("a token").trim_start_matches("Bearer ").to_owned();
    drop(server);

    // With a longer timeout it is processed, without sending it again.
    let server = setup().with("files.image_ms", 600_000).start().await;
    let path = format!("/v1/uploads/slow?offset={}", slow.len());
    let again = server.api().with_token(&token).request(Method::PATCH, &path, "").await.expect("an answer");
    assert_eq!(again.parse::<Upload>().expect("taken").attachment.expect("a picture").width, Some(2500));
}

#[tokio::test]
async fn a_broken_picture_or_film_is_refused_and_leaves_nothing() {
    let server = Server::start().await;
    let ada = server.user("ada").await;
    let whole = photo();
    let film = include_bytes!("../../../../../fixtures/fuzz/film/tagged.mov");
    let tables = film.windows(4).position(|bytes| bytes == b"moov").expect("tables");
    for cut in [&whole[..whole.len() / 2], &film[..tables + 40]] {
        let refused = problem(ada.try_upload("a.jpg", cut).await);
        assert_eq!(refused.code, Code::UnsupportedType);
    }
    assert_eq!(server.files_on_disk(), Vec::<std::path::PathBuf>::new());
}

#[tokio::test]
async fn a_polyglot_file_is_served_as_its_picture_alone_or_as_a_download() {
    let server = Server::start().await;
    let ada = server.user("ada").await;
    let script = b"*/=1;alert(1)//<script>alert(1)</script>PK\x03\x04";
    let has = |bytes: &[u8]| bytes.windows(6).any(|window| window == b"alert(");
    for format in [ImageFormat::Gif, ImageFormat::Jpeg, ImageFormat::Png, ImageFormat::WebP] {
        let both = [picture(20, 20, format), script.to_vec()].concat();
        let attachment = ada.upload("both.jpg", &both).await.attachment.expect("finished");
        assert_eq!(attachment.media_type, format.to_mime_type());
        assert!(!has(&ada.fetch(&attachment.url).await.1), "{format:?}");
    }
    let pdf = b"%PDF-1.4\n<html><script>alert(1)</script></html>";
    let attachment = ada.upload("both.html", pdf).await.attachment.expect("finished");
    let answer = ada.api.request(http::Method::GET, &attachment.url, "").await.expect("an answer");
    assert_eq!(answer.headers["content-type"], "application/pdf");
    assert!(answer.headers["content-disposition"].to_str().expect("text").starts_with("attachment; "));
    assert_eq!(answer.headers["content-security-policy"], "sandbox; default-src 'none'");
}

/// The CRC of a PNG chunk (ISO 3309), for a hand-made header.
fn crc(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0_u32, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| if sum & 1 == 1 { sum >> 1 ^ 0xedb8_8320 } else { sum >> 1 })
    })
}

//! What exiftool finds in stored files: nothing but what is needed to render them. Without exiftool the tests report
//! that and prove nothing; `cargo xtask test` installs it.

use crate::harness::{Server, TestUser, unique};
use image::{DynamicImage, Frame, ImageFormat, Rgba, RgbaImage, codecs::gif::GifEncoder};
use serde_json::Value;
use std::{
    io::Cursor,
    path::{Path, PathBuf},
    process::Command,
};

/// Appears in every text that is put into a file, so that it can be found wherever it hides.
const SECRET: &str = "Fernwerk";

/// What exiftool may report about a clean file: itself, the file on the disk, and how to render it.
const DRAWING: [&str; 43] = [
    "SourceFile",
    "ExifTool:ExifToolVersion",
    "Composite:ImageSize",
    "Composite:Megapixels",
    "File:FileType",
    "File:FileTypeExtension",
    "File:MIMEType",
    "File:ImageWidth",
    "File:ImageHeight",
    "File:EncodingProcess",
    "File:BitsPerSample",
    "File:ColorComponents",
    "File:YCbCrSubSampling",
    "JFIF:JFIFVersion",
    "JFIF:ResolutionUnit",
    "JFIF:XResolution",
    "JFIF:YResolution",
    "PNG:ImageWidth",
    "PNG:ImageHeight",
    "PNG:BitDepth",
    "PNG:ColorType",
    "PNG:Compression",
    "PNG:Filter",
    "PNG:Interlace",
    "RIFF:ImageWidth",
    "RIFF:ImageHeight",
    "RIFF:WebP_Flags",
    "RIFF:AlphaIsUsed",
    "RIFF:VP8Version",
    "RIFF:HorizontalScale",
    "RIFF:VerticalScale",
    "GIF:GIFVersion",
    "GIF:ImageWidth",
    "GIF:ImageHeight",
    "GIF:HasColorMap",
    "GIF:ColorResolutionDepth",
    "GIF:BitsPerPixel",
    "GIF:BackgroundColor",
    "GIF:PixelAspectRatio",
    "GIF:AnimationIterations",
    "GIF:FrameCount",
    "GIF:Duration",
    "GIF:TransparentColor",
];

fn exiftool() -> Command {
    let mut exiftool = Command::new("exiftool");
    // Without a user's own settings.
    exiftool.args(["-config", ""]);
    exiftool
}

/// Everything that exiftool finds, including unknown and embedded tags.
fn reported(file: &Path) -> Vec<(String, String)> {
    let output = exiftool().args(["-j", "-G1", "-a", "-u", "-ee"]).arg(file).output();
    let output = output.expect("exiftool was available a moment ago");
    let text = String::from_utf8_lossy(&output.stdout);
    let found: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
    let tags = found[0].as_object().expect("what it found").iter();
    tags.map(|(name, value)| (name.clone(), value.to_string())).collect()
}

fn is_file_system_tag(name: &str) -> bool {
    name.starts_with("System:")
}

fn encoded(image: &RgbaImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    if format == ImageFormat::Gif {
        let mut encoder = GifEncoder::new(&mut bytes);
        encoder.set_repeat(image::codecs::gif::Repeat::Infinite).expect("written");
        let frames = [image.clone(), image::imageops::rotate180(image)].map(Frame::new);
        encoder.encode_frames(frames).expect("written");
        drop(encoder);
        return bytes.into_inner();
    }
    DynamicImage::from(image.clone()).to_rgb8().write_to(&mut bytes, format).expect("written");
    bytes.into_inner()
}

/// A picture of this format with all metadata that can be written into one.
fn picture_with_metadata(folder: &Path, format: ImageFormat, orientation: u8) -> PathBuf {
    let image = RgbaImage::from_fn(900, 600, |x, y| Rgba([x.to_le_bytes()[0], y.to_le_bytes()[0], 90, 255]));
    let extension = format.extensions_str()[0];
    let file = folder.join(format!("{}.{extension}", unique()));
    std::fs::write(&file, encoded(&image, format)).expect("written");
    let small = image::imageops::thumbnail(&image, 90, 60);
    let thumbnail = folder.join("thumbnail.jpg");
    std::fs::write(&thumbnail, encoded(&small, ImageFormat::Jpeg)).expect("written");
    let thumbnail = format!("-IFD1:ThumbnailImage<={}", thumbnail.display());
    let orientation = format!("-IFD0:Orientation#={orientation}");
    let argument = |tag: &str| format!("-{tag}={SECRET} {tag}");
    let texts = [
        "IFD0:Make",
        "IFD0:Model",
        "IFD0:Artist",
        "ExifIFD:SerialNumber",
        "ExifIFD:UserComment",
        "ExifIFD:LensModel",
        "GPS:GPSAreaInformation",
        "XMP-dc:Creator",
        "XMP-tiff:Make",
        "XMP-photoshop:City",
        "XMP-xmpMM:DocumentID",
        "IPTC:City",
        "IPTC:By-line",
        "PNG:Author",
        "PNG:Comment",
        "File:Comment",
        "GIF:Comment",
    ];
    let output = exiftool()
        .args(["-overwrite_original", "-q", "-q", "-m"])
        .args(["-GPS:GPSLatitude=52.52", "-GPS:GPSLatitudeRef=N", "-GPS:GPSLongitude=13.405", "-GPS:GPSLongitudeRef=E"])
        .args([
            "-XMP-exif:GPSLatitude=52.52",
            "-XMP-exif:GPSLongitude=13.405",
            "-ExifIFD:DateTimeOriginal=2026:11:22 09:00:00",
        ])
        .args(["-PNG:ModifyDate=2026:11:22 09:00:00", &orientation, &thumbnail])
        .args(texts.map(argument))
        .arg(&file)
        .output()
        .expect("exiftool was available a moment ago");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut bytes = std::fs::read(&file).expect("it exists");
    bytes.extend_from_slice(format!("PK\x03\x04 {SECRET} behind the end").as_bytes());
    std::fs::write(&file, bytes).expect("written");
    file
}

async fn assert_no_metadata(user: &TestUser, folder: &Path, file: &Path, format: ImageFormat) {
    let before = reported(file);
    let tells = |end: &str| before.iter().any(|(tag, _)| tag.ends_with(end));
    let secrets = before.iter().filter(|(_, value)| value.contains(SECRET)).count();
    assert!(secrets >= 4 && tells(":GPSLatitude"), "it contains metadata: {before:#?}");
    assert!(tells("IFD1:ThumbnailImage") || format != ImageFormat::Jpeg, "there is another picture in it");
    let name = file.file_name().expect("a name").to_str().expect("text");
    let upload = user.upload(name, &std::fs::read(file).expect("it exists")).await;
    let attachment = upload.attachment.expect("finished");
    assert!(attachment.width.is_some(), "{name} is shown");
    let preview = attachment.preview.expect("it is large enough for a smaller copy");
    for (path, what) in [(attachment.url, "itself"), (preview, "its smaller copy")] {
        let kept = folder.join("kept");
        let bytes = user.fetch(&path).await.1;
        assert!(!bytes.windows(SECRET.len()).any(|part| part == SECRET.as_bytes()), "{name} {what}");
        std::fs::write(&kept, bytes).expect("written");
        let left = reported(&kept).into_iter();
        let left: Vec<_> =
            left.filter(|(tag, _)| !is_file_system_tag(tag) && !DRAWING.contains(&tag.as_str())).collect();
        assert!(left.is_empty(), "{name} {what}: {left:#?}");
    }
}

/// Tag groups of exiftool that must not remain in a film.
const TELLING: [&str; 8] = ["UserData:", "Keys:", "ItemList:", "XMP", "IFD", "ExifIFD:", "GPS:", "IPTC:"];

#[tokio::test]
async fn exiftool_finds_no_location_and_no_camera_in_a_film_or_a_heic_picture() {
    if exiftool().arg("-ver").output().is_err() {
        return println!("skipped: exiftool is not here (Debian: libimage-exiftool-perl)");
    }
    let server = Server::start().await;
    let ada = server.user("ada").await;
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/fuzz/film");
    let folder = tempfile::tempdir().expect("a folder");
    for (name, media_type) in [
        ("tagged.mov", "video/quicktime"),
        ("tagged.mp4", "video/mp4"),
        ("tagged.heic", "image/heic"),
        ("tagged.avif", "image/avif"),
    ] {
        let file = fixtures.join(name);
        let reveals = |(tag, value): &(String, String)| {
            value.contains(SECRET) || tag.contains("GPS") || TELLING.iter().any(|group| tag.starts_with(group))
        };
        assert!(reported(&file).iter().filter(|reported| reveals(reported)).count() > 4, "{name} contains metadata");
        let bytes = std::fs::read(&file).expect("it exists");
        let attachment = ada.upload(name, &bytes).await.attachment.expect("finished");
        assert_eq!((attachment.media_type.as_str(), attachment.bytes), (media_type, bytes.len() as u64));
        let kept = folder.path().join(name);
        std::fs::write(&kept, ada.fetch(&attachment.url).await.1).expect("written");
        let left: Vec<_> = reported(&kept).into_iter().filter(reveals).collect();
        assert!(left.is_empty(), "{name}: {left:#?}");
        assert!(reported(&kept).iter().any(|(tag, _)| tag.ends_with(":ImageWidth")), "{name} is still one");
    }
}

#[tokio::test]
async fn exiftool_finds_only_rendering_metadata_in_a_picture() {
    if exiftool().arg("-ver").output().is_err() {
        return println!("skipped: exiftool is not here (Debian: libimage-exiftool-perl)");
    }
    let server = Server::start().await;
    let ada = server.user("ada").await;
    let folder = tempfile::tempdir().expect("a folder");
    for (format, orientations) in [
        (ImageFormat::Jpeg, &[1, 6][..]),
        (ImageFormat::Png, &[1, 6]),
        (ImageFormat::WebP, &[1, 6]),
        (ImageFormat::Gif, &[1]),
    ] {
        for orientation in orientations {
            let file = picture_with_metadata(folder.path(), format, *orientation);
            assert_no_metadata(&ada, folder.path(), &file, format).await;
        }
    }
}

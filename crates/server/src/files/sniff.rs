//! Detects the type of a file from its first bytes, never from its name or from what the uploader claims.
//!
//! Anything that a browser might render as a page (HTML, SVG, XML) is treated as plain bytes.

/// How many of the first bytes are inspected.
pub const HEAD_BYTES: usize = 4096;
/// The type of unknown files.
pub const BYTES: &str = "application/octet-stream";

/// Signatures: the offset, the bytes, and the media type. The first match wins.
const SIGNATURES: [(usize, &[u8], &str); 30] = [
    (0, b"\x89PNG\r\n\x1a\n", "image/png"),
    (0, b"\xff\xd8\xff", "image/jpeg"),
    (0, b"GIF87a", "image/gif"),
    (0, b"GIF89a", "image/gif"),
    (8, b"WEBP", "image/webp"),
    (8, b"WAVE", "audio/wav"),
    (8, b"AVI ", "video/x-msvideo"),
    (4, b"ftypheic", "image/heic"),
    (4, b"ftypheix", "image/heic"),
    (4, b"ftypmif1", "image/heif"),
    (4, b"ftypavif", "image/avif"),
    (4, b"ftypqt  ", "video/quicktime"),
    (4, b"ftypM4A ", "audio/mp4"),
    (4, b"ftyp", "video/mp4"),
    (0, b"II*\0", "image/tiff"),
    (0, b"MM\0*", "image/tiff"),
    (0, b"ID3", "audio/mpeg"),
    (0, b"\xff\xfb", "audio/mpeg"),
    (0, b"\xff\xf3", "audio/mpeg"),
    (0, b"\xff\xf1", "audio/aac"),
    (0, b"fLaC", "audio/flac"),
    (28, b"\x01vorbis", "audio/ogg"),
    (28, b"OpusHead", "audio/ogg"),
    (28, b"\x80theora", "video/ogg"),
    (0, b"%PDF-", "application/pdf"),
    (0, b"\x1f\x8b\x08", "application/gzip"),
    (0, b"7z\xbc\xaf\x27\x1c", "application/x-7z-compressed"),
    (0, b"Rar!\x1a\x07", "application/vnd.rar"),
    (0, b"PK\x05\x06", "application/zip"),
    (0, b"{\\rtf", "application/rtf"),
];

/// Types of documents that are zip archives, by bytes near their beginning.
const DOCUMENTS: [(&[u8], &str); 7] = [
    (b"mimetypeapplication/vnd.oasis.opendocument.text", "application/vnd.oasis.opendocument.text"),
    (b"mimetypeapplication/vnd.oasis.opendocument.spreadsheet", "application/vnd.oasis.opendocument.spreadsheet"),
    (b"mimetypeapplication/vnd.oasis.opendocument.presentation", "application/vnd.oasis.opendocument.presentation"),
    (b"mimetypeapplication/epub+zip", "application/epub+zip"),
    (b"word/", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
    (b"xl/", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    (b"ppt/", "application/vnd.openxmlformats-officedocument.presentationml.presentation"),
];

/// Text that a browser would run or render if it took the file for a page.
const PAGES: [&str; 12] =
    ["<!", "<?", "<html", "<head", "<body", "<svg", "<script", "<iframe", "<img", "<a", "<style", "<math"];

/// Returns the media type of a file that begins like this.
#[must_use]
pub fn media_type(head: &[u8]) -> &'static str {
    let head = &head[..head.len().min(HEAD_BYTES)];
    let fits = |at: usize, bytes: &[u8]| head.get(at..).is_some_and(|rest| rest.starts_with(bytes));
    let has = |bytes: &[u8]| head.windows(bytes.len()).any(|window| window == bytes);
    if let Some((_, _, media_type)) = SIGNATURES.iter().find(|(at, bytes, _)| fits(*at, bytes)) {
        return media_type;
    }
    if fits(0, b"PK\x03\x04") {
        let document = DOCUMENTS.iter().find(|(inside, _)| has(inside));
        return document.map_or("application/zip", |(_, media_type)| media_type);
    }
    if fits(0, b"\x1a\x45\xdf\xa3") {
        return if has(b"webm") { "video/webm" } else { "video/x-matroska" };
    }
    if is_plain_text(head) { "text/plain; charset=utf-8" } else { BYTES }
}

fn is_plain_text(head: &[u8]) -> bool {
    let text = match std::str::from_utf8(head) {
        Ok(text) => text,
        // The inspected bytes may end within a character.
        Err(error) if head.len() == HEAD_BYTES && error.error_len().is_none() => {
            std::str::from_utf8(&head[..error.valid_up_to()]).unwrap_or_default()
        }
        Err(_) => return false,
    };
    let is_text = |character: char| !character.is_control() || "\n\r\t\u{c}".contains(character);
    let folded = text.to_ascii_lowercase();
    !text.is_empty() && text.chars().all(is_text) && !PAGES.iter().any(|page| folded.contains(page))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_type_of_a_file_follows_from_its_first_bytes() {
        for (head, expected) in [
            (&b"\x89PNG\r\n\x1a\n...."[..], "image/png"),
            (b"GIF89a/*<script>", "image/gif"),
            (b"\0\0\0\x18ftypmp42....", "video/mp4"),
            (b"\0\0\0\x18ftypheic....", "image/heic"),
            (b"%PDF-1.7 <html>", "application/pdf"),
            (b"PK\x03\x04 ... word/document.xml", DOCUMENTS[4].1),
            (b"PK\x03\x04 anything", "application/zip"),
            (b"\x1a\x45\xdf\xa3 ... webm", "video/webm"),
            ("Dear Ada,\n傘".as_bytes(), "text/plain; charset=utf-8"),
            (b"a < b and c > d", "text/plain; charset=utf-8"),
            (b"\0\x01\x02", BYTES),
            (b"", BYTES),
        ] {
            assert_eq!(media_type(head), expected, "{}", String::from_utf8_lossy(head));
        }
    }

    #[test]
    fn anything_a_browser_may_render_as_a_page_is_plain_bytes() {
        for text in [
            "<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>",
            "<?xml version='1.0'?><svg/>",
            "<!DOCTYPE html><p>",
            "\u{feff} \n<HTML>",
            "GIF8 <ScRiPt>alert(1)</script>",
            "+ADw-script+AD4-<a href=x>",
        ] {
            assert_eq!(media_type(text.as_bytes()), BYTES, "{text}");
        }
    }

    #[test]
    fn a_long_text_is_recognized_although_its_last_character_is_cut() {
        let text = format!("{}傘", "a".repeat(HEAD_BYTES - 1));
        assert_eq!(media_type(text.as_bytes()), "text/plain; charset=utf-8");
    }
}

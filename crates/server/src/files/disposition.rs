//! How a file is served to a browser: what may be displayed inline, the name it is saved under (RFC 6266), and which
//! range of it is requested (RFC 9110, section 14).

use std::{fmt::Write as _, ops::Range};

/// What a browser may display inline: re-encoded pictures, audio and video. Everything else is saved.
const INLINE_TYPES: [&str; 14] = [
    "image/gif",
    "image/jpeg",
    "image/png",
    "image/webp",
    "audio/aac",
    "audio/flac",
    "audio/mp4",
    "audio/mpeg",
    "audio/ogg",
    "audio/wav",
    "video/mp4",
    "video/ogg",
    "video/quicktime",
    "video/webm",
];

/// Returns the value of `Content-Disposition`.
pub(crate) fn of(media_type: &str, name: &str) -> String {
    let how = if INLINE_TYPES.contains(&media_type) { "inline" } else { "attachment" };
    let is_plain =
        |character: char| character.is_ascii() && !character.is_ascii_control() && !"\"\\%".contains(character);
    let plain: String = name.chars().map(|character| if is_plain(character) { character } else { '_' }).collect();
    let mut value = format!("{how}; filename=\"{plain}\"");
    if plain != name {
        value.push_str("; filename*=UTF-8''");
        for byte in name.bytes() {
            if byte.is_ascii_alphanumeric() || b"!#$&+-.^_`|~".contains(&byte) {
                value.push(char::from(byte));
            } else {
                write!(value, "%{byte:02X}").expect("writing into a String does not fail");
            }
        }
    }
    value
}

/// What a `Range` header requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum RequestedRange {
    /// No range, several ranges, or something not understood, which is to be ignored.
    All,
    /// One range within the file.
    Range(Range<u64>),
    /// One range outside of the file.
    Unsatisfiable,
}

/// Reads a `Range` header for a file of `length` bytes.
pub(crate) fn requested_range(header: Option<&str>, length: u64) -> RequestedRange {
    let Some(set) = header.and_then(|header| header.strip_prefix("bytes=")) else { return RequestedRange::All };
    let Some((first, last)) = set.trim().split_once('-') else { return RequestedRange::All };
    let number = |text: &str| -> Option<u64> {
        let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        // A number too large to parse is beyond any end.
        is_number.then(|| text.parse().unwrap_or(u64::MAX))
    };
    match (number(first), number(last)) {
        (Some(first), Some(last)) if first > last => RequestedRange::All,
        (Some(first), _) if (last.is_empty() || number(last).is_some()) && first >= length => {
            RequestedRange::Unsatisfiable
        }
        (Some(first), Some(last)) => RequestedRange::Range(first..last.saturating_add(1).min(length)),
        (Some(first), None) if last.is_empty() => RequestedRange::Range(first..length),
        (None, Some(0)) if first.is_empty() => RequestedRange::Unsatisfiable,
        (None, Some(_)) if first.is_empty() && length == 0 => RequestedRange::Unsatisfiable,
        (None, Some(count)) if first.is_empty() => RequestedRange::Range(length.saturating_sub(count)..length),
        _ => RequestedRange::All,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_name_cannot_break_out_of_the_header() {
        assert_eq!(of("image/png", "umbrella.png"), "inline; filename=\"umbrella.png\"");
        assert_eq!(of("image/svg+xml", "a.svg"), "attachment; filename=\"a.svg\"");
        assert_eq!(
            of("text/plain", "a\"; x=\"b\r\n傘.txt"),
            "attachment; filename=\"a_; x=_b___.txt\"; filename*=UTF-8''a%22%3B%20x%3D%22b%0D%0A%E5%82%98.txt"
        );
    }

    #[test]
    fn a_single_range_is_served_and_everything_else_is_ignored_or_unsatisfiable() {
        for (header, expected) in [
            ("bytes=0-0", RequestedRange::Range(0..1)),
            ("bytes=2-", RequestedRange::Range(2..10)),
            ("bytes=-3", RequestedRange::Range(7..10)),
            ("bytes=-99", RequestedRange::Range(0..10)),
            ("bytes=5-99999999999999999999999", RequestedRange::Range(5..10)),
            ("bytes=10-", RequestedRange::Unsatisfiable),
            ("bytes=10-20", RequestedRange::Unsatisfiable),
            ("bytes=-0", RequestedRange::Unsatisfiable),
            ("bytes=99999999999999999999-", RequestedRange::Unsatisfiable),
            ("bytes=3-2", RequestedRange::All),
            ("bytes=0-0,2-3", RequestedRange::All),
            ("bytes=", RequestedRange::All),
            ("bytes=-", RequestedRange::All),
            ("bytes=a-b", RequestedRange::All),
            ("bytes=1-b", RequestedRange::All),
            ("bytes=+1-2", RequestedRange::All),
            ("lines=0-1", RequestedRange::All),
        ] {
            assert_eq!(requested_range(Some(header), 10), expected, "{header}");
        }
        assert_eq!(requested_range(None, 10), RequestedRange::All);
        assert_eq!(requested_range(Some("bytes=0-"), 0), RequestedRange::Unsatisfiable);
    }
}

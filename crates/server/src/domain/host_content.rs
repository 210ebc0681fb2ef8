//! What a message shows of a row of the host's message table. The host's program may write what no client could send,
//! so it is never refused: what cannot be shown is left out, and what is too long is cut.

use super::{change::HostMessage, files::is_stored, rows::MessageRow, text, visible};
use parlor_protocol::{
    ids::{FileId, ID_MAX},
    model::Attachment,
};

/// How many times as long as a user's a text of the host may be.
const LONGER_TEXTS: usize = 10;
/// How many attachments of a row are shown.
const ATTACHMENTS_MAX: usize = 100;
/// How long the URL of an attachment may be, in bytes.
const URL_BYTES_MAX: usize = 2048;
/// How long the name of an attachment and its media type may be, in characters.
const NAME_CHARS_MAX: usize = 255;
/// The last second that every time zone can show before the year 10000.
const LATEST_MS: i64 = 253_402_207_200_000;

/// The content of a message for a row of the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostContent {
    /// With LF for CRLF and CR, and without other control characters than tabs.
    pub text: String,
    /// One line; none if it is empty.
    pub subject: Option<String>,
    /// Those with a URL that can be a link.
    pub attachments: Vec<Attachment>,
    /// In milliseconds since 1970, from 1970 to 9999.
    pub created_at: i64,
}

impl HostContent {
    /// Returns what is shown of a row. The limits are those of what users write.
    #[must_use]
    pub fn of(put: &HostMessage, text_chars_max: u32, subject_chars_max: u32) -> Self {
        let shown = text::with_newlines(&put.text);
        let shown = cut(
            shown.chars().filter(|&sign| !sign.is_control() || sign == '\n' || sign == '\t'),
            text_chars_max as usize * LONGER_TEXTS,
        );
        let subject = put.subject.as_deref().map(|subject| line(subject, subject_chars_max as usize));
        Self {
            text: if visible::is_blank(&shown) { String::new() } else { shown },
            subject: subject.filter(|subject| !visible::is_blank(subject)),
            attachments: put.attachments.iter().filter_map(attachment).take(ATTACHMENTS_MAX).collect(),
            created_at: put.created_at.clamp(0, LATEST_MS),
        }
    }

    /// Returns the attachments of a message, whose files that are stored here stay before those of the host.
    #[must_use]
    pub fn beside_stored(current: &[Attachment], of_host: Vec<Attachment>) -> Vec<Attachment> {
        current.iter().filter(|attachment| is_stored(attachment)).cloned().chain(of_host).collect()
    }
}

/// Returns what a row says of a message: its text, or the names of its files.
#[must_use]
pub fn host_text(message: &MessageRow) -> String {
    if !message.text.is_empty() {
        return message.text.clone();
    }
    let names: Vec<&str> = message.details.attachments.iter().map(|attachment| attachment.name.as_str()).collect();
    names.join(", ")
}

/// Returns the attachment as it is shown; none if it has no id or no link.
fn attachment(given: &Attachment) -> Option<Attachment> {
    let is_open = |url: &str| url.len() <= URL_BYTES_MAX && text::is_link(url) && !url.starts_with("/v1/");
    if !is_open(&given.url) || !(1..=ID_MAX).contains(&given.id.0) {
        return None;
    }
    let name = line(&given.name.replace(['/', '\\'], "_"), NAME_CHARS_MAX);
    let is_type = given.media_type.len() <= NAME_CHARS_MAX
        && given.media_type.split_once('/').is_some_and(|(kind, of)| [kind, of].into_iter().all(is_token));
    Some(Attachment {
        id: FileId(given.id.0),
        name: if visible::is_blank(&name) { "file".to_owned() } else { name },
        media_type: if is_type { given.media_type.clone() } else { "application/octet-stream".to_owned() },
        bytes: given.bytes,
        url: given.url.clone(),
        width: given.width.filter(|_| given.height.is_some()),
        height: given.height.filter(|_| given.width.is_some()),
        blur_hash: None,
        preview: given.preview.clone().filter(|url| is_open(url)),
    })
}

fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$&^_.+-".contains(&byte))
}

/// Makes one line of a text.
fn line(text: &str, chars_max: usize) -> String {
    let signs = text.trim().chars().map(|sign| if sign.is_control() { ' ' } else { sign });
    cut(signs, chars_max)
}

/// Collects as many characters as there is room for; an ellipsis stands for the rest.
fn cut(signs: impl Iterator<Item = char>, chars_max: usize) -> String {
    let mut kept = String::new();
    for (position, sign) in signs.enumerate() {
        if position == chars_max {
            kept.pop();
            kept.push('…');
            break;
        }
        kept.push(sign);
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::change::HostRowKey;
    use parlor_protocol::ids::UserId;

    fn put(text: &str) -> HostMessage {
        HostMessage {
            row: HostRowKey { table: "messages".to_owned(), id: 1 },
            sender: UserId(1),
            recipient: UserId(2),
            context: None,
            text: text.to_owned(),
            subject: None,
            created_at: 0,
            is_read: false,
            hidden_by_sender: false,
            hidden_by_recipient: false,
            attachments: Vec::new(),
            files: None,
            sent_as: None,
        }
    }

    fn file(name: &str, media_type: &str, url: &str) -> Attachment {
        Attachment {
            id: FileId(7),
            name: name.to_owned(),
            media_type: media_type.to_owned(),
            bytes: 3,
            url: url.to_owned(),
            width: Some(3),
            height: None,
            blur_hash: Some("x".to_owned()),
            preview: Some("javascript:alert(1)".to_owned()),
        }
    }

    #[test]
    fn a_long_subject_is_cut_and_an_empty_one_is_none() {
        let subject = |subject: &str| {
            HostContent::of(&HostMessage { subject: Some(subject.to_owned()), ..put("") }, 9, 5).subject
        };
        assert_eq!(subject("Umbrella").as_deref(), Some("Umbr…"));
        assert_eq!(subject(" two\nli ").as_deref(), Some("two …"));
        assert_eq!((subject(""), subject(" \u{200b}")), (None, None));
    }

    #[test]
    fn an_attachment_is_shown_with_a_name_a_type_and_links_only() {
        let given = vec![
            file("../a/b.pdf", "application/pdf", "/media/b.pdf"),
            file("", "text/html; charset=utf-8", "https://host.example/c"),
            file("d", "image/png", "data:image/png;base64,AA"),
        ];
        let shown = HostContent::of(&HostMessage { attachments: given, ..put("") }, 9, 9).attachments;
        let read: Vec<_> = shown.iter().map(|file| (file.name.as_str(), file.media_type.as_str())).collect();
        assert_eq!(read, [(".._a_b.pdf", "application/pdf"), ("file", "application/octet-stream")]);
        assert!(shown.iter().all(|file| file.width.is_none() && file.preview.is_none() && file.blur_hash.is_none()));
    }
}

//! A row of the host's message table as old sockets show it. The mirror publishes it once for each new row, whichever
//! way the message was sent.

use crate::profile::tables::{AttachmentTable, MessageTable};
use parlor_protocol::{ids::FileId, model::Attachment};
use serde::{Deserialize, Serialize};

/// A row of the message table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostMessageRow {
    /// Its primary key.
    pub row_id: i64,
    /// Who sent it.
    pub sender: HostPerson,
    /// To whom.
    pub recipient: HostPerson,
    /// The id of what it is about.
    pub context: Option<String>,
    /// Its text.
    pub text: String,
    /// Its subject.
    pub subject: Option<String>,
    /// When it was sent, in milliseconds since 1970.
    pub created_at_ms: i64,
    /// Whether the recipient has read it.
    pub is_read: bool,
    /// Its files, as the application's own list gives them.
    pub attachments: Vec<HostFile>,
}

/// A user of the host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostPerson {
    /// Their id in the host's user table.
    pub id: String,
    /// Their full name, or their login name if they have none.
    pub name: String,
    /// Their login name.
    pub login: String,
}

/// A file of a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostFile {
    /// Its row.
    pub id: i64,
    /// Its name.
    pub filename: String,
    /// Its size in bytes; 0 if the host does not store it.
    pub file_size: i64,
    /// Where it is.
    pub url: String,
    /// Where it is downloaded.
    pub download_url: String,
}

impl HostFile {
    /// Makes a file of the path of a message's own picture; none if there is no picture.
    #[must_use]
    pub fn of_image(table: &MessageTable, row_id: i64, path: &str) -> Option<Self> {
        let filename = last_part(path)?;
        let id = row_id.to_string();
        let url = table.image_url.as_ref().map(|url| url.url(&[("id", &id), ("file", path), ("filename", filename)]));
        let url = url.unwrap_or_default();
        Some(Self { id: row_id, filename: filename.to_owned(), file_size: 0, url: url.clone(), download_url: url })
    }

    /// Returns it as an attachment of a message.
    pub(super) fn attachment(&self) -> Attachment {
        Attachment {
            id: FileId(self.id),
            name: self.filename.clone(),
            media_type: media_type(&self.filename).to_owned(),
            bytes: u64::try_from(self.file_size).unwrap_or_default(),
            url: self.url.clone(),
            width: None,
            height: None,
            blur_hash: None,
            preview: None,
        }
    }

    /// Makes a file of a row of the table of files; none if its path is empty.
    #[must_use]
    pub fn of_row(table: &AttachmentTable, id: i64, path: &str, name: Option<&str>, bytes: i64) -> Option<Self> {
        let filename = name.filter(|name| !name.is_empty()).or(last_part(path))?;
        let row = id.to_string();
        let values = [("id", row.as_str()), ("file", path), ("filename", filename)];
        let url = table.url.as_ref().map(|url| url.url(&values)).unwrap_or_default();
        let download_url = table.download_url.as_ref().map_or_else(|| url.clone(), |url| url.url(&values));
        Some(Self { id, filename: filename.to_owned(), file_size: bytes.max(0), url, download_url })
    }
}

/// Returns the name of a file in a path; none if there is none.
fn last_part(path: &str) -> Option<&str> {
    path.rsplit('/').next().filter(|name| !name.is_empty())
}

/// Guesses the type of a file that the host serves by its name, for the picture that stands for it.
fn media_type(name: &str) -> &'static str {
    let extension = name.rsplit_once('.').map(|(_, extension)| extension.to_lowercase()).unwrap_or_default();
    match extension.as_str() {
        "jpg" | "jpeg" => "image/jpeg",
        "png" => "image/png",
        "gif" => "image/gif",
        "webp" => "image/webp",
        "pdf" => "application/pdf",
        "mp4" => "video/mp4",
        "txt" => "text/plain",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::Profile;

    #[test]
    fn files_have_the_urls_that_the_application_gives_them() {
        let accounting = Profile::load("accounting").expect("a profile");
        let table = accounting.attachments.as_ref().expect("it has files");
        let file = HostFile::of_row(table, 7, "message_attachments/2026/04/01/a b.pdf", Some("a b.pdf"), 12);
        let expected = HostFile {
            id: 7,
            filename: "a b.pdf".to_owned(),
            file_size: 12,
            url: "/media/message_attachments/2026/04/01/a%20b.pdf".to_owned(),
            download_url: "/messages/download/7/".to_owned(),
        };
        assert_eq!(file, Some(expected));
        assert_eq!(HostFile::of_row(table, 7, "", None, 0), None);
    }

    #[test]
    fn a_picture_is_a_file_unless_its_path_is_empty() {
        let findit = Profile::load("findit").expect("a profile");
        let file = HostFile::of_image(&findit.messages, 5, "chat_images/x.jpg").expect("a file");
        assert_eq!((file.url.as_str(), file.filename.as_str()), ("/media/chat_images/x.jpg", "x.jpg"));
        assert_eq!(HostFile::of_image(&findit.messages, 5, ""), None);
    }
}
